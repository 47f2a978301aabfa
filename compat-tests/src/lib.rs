//! The harness of the compatibility stories: real clients and tools against the real binary.
//!
//! What lives here: starting and stopping a broker ([`Broker`], either Ottla or Apache Kafka), the real text that the stories
//! send ([`corpus`]), and driving clients ([`librdkafka`], [`kcat`], [`java`]). What does not: the stories; each is a file in `tests/`.
//!
//! A story is a function of one running [`Broker`] and knows nothing of which broker it is. [`story`] runs it against Ottla, and, with
//! `OTTLA_COMPAT_ORACLE=1` in the environment, first against Apache Kafka: a story that fails there tests nothing.
//! (`OTTLA_COMPAT_ORACLE=only` leaves Ottla out.)

pub mod ask;
pub mod batch;
mod broker;
pub mod corpus;
pub mod eos;
pub mod group;
pub mod http;
pub mod java;
pub mod kcat;
pub mod librdkafka;
pub mod losing_proxy;
mod ottla;
pub mod process;
pub mod program;
pub mod proxy;
pub mod rng;
pub mod service;
pub mod toolbox;
mod toolchain;
pub mod transactor;
pub mod txn;
pub mod wire;

pub use broker::{Broker, BrokerOptions, Target, story};
pub use toolchain::{Toolchain, need, skip};

use std::path::PathBuf;

/// The root of the workspace's sources.
pub fn workspace_root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("compat-tests lies in the workspace").to_path_buf()
}
