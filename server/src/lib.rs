//! Ottla as a library: a broker that speaks the Kafka protocol. Start one with [`Broker::start`].

pub mod api;
pub mod auth;
pub mod background;
pub mod broker;
pub mod cleaner;
pub mod cli;
pub mod clock;
pub mod config;
pub mod coordinators;
mod disks;
mod dynamic_config;
pub mod errors;
pub mod fetch;
pub mod lag;
pub mod limits;
pub mod log_levels;
pub mod metrics;
pub mod net;
pub mod partition;
mod producer_ids;
pub mod quota;
pub mod stuck;
mod telemetry;

pub use broker::Broker;
