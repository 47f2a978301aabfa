//! Transactions under load: how many, and how long a commit takes. Same requests, same versions, same order against every system.
//!
//! Every cell checks itself: each answer is decoded, and afterwards every partition has grown by exactly the records that were
//! acknowledged and one end marker a transaction.

pub mod cells;
mod producer;
mod stage;

pub use producer::{Producer, Protocol, Timing};
pub use stage::{Stage, Versions};
