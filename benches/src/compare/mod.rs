//! Side by side in one run: the same cells against every system in turn, round after round, in an order that changes with each cell.
//!
//! [`systems`] knows how each is started, [`cells`] what is measured, [`report`] turns the lines of `load` into a table.

pub mod cells;
pub mod report;
pub mod systems;
