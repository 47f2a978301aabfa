//! The ceiling probe: the least a Kafka broker can do, on one thread, so that a real broker can be held against it in the same run.
//!
//! [`broker`] answers requests (header parse in place, CRC, positioned append to one file per partition, fetch as a file range),
//! [`serve`] moves bytes with epoll and sendfile. No groups, no recovery, no limits, no security: a yardstick, not a broker.

mod broker;
mod serve;

pub use broker::{Broker, Counters, Mode};
pub use serve::serve;
