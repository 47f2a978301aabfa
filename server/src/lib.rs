//! Ottla as a library.

pub mod api;
pub mod config;
pub mod limits;
pub mod net;
