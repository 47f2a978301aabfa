//! Ottla as a library.

pub mod api;
pub mod limits;
pub mod net;
