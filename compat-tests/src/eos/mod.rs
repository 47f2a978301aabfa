//! The exactly-once run: three copiers of one group carry every record of one topic into another, each batch and its offsets in one
//! transaction, while the broker and the copiers are killed and paused. At the end the copy is checked record by record.
//!
//! What lives here: the table of copier programs ([`copier`]), one run with its faults ([`run`]), and the checker ([`check`]), which is
//! a pure function of what was sent, what the copiers said and what readers see. The copiers' words are in `DESIGN.md`.

pub mod check;
pub mod copier;
mod faults;
mod run;

pub use run::{Plan, run};
