//! Transaction stories: producers of many clients that do what they are told, and what readers see after each step.
//!
//! A story is written once ([`stories`]); which client plays it is a row of the table ([`client`]). What was told, what was answered and
//! what the partitions hold ([`view`]) becomes a transcript, which has to be what the same client got from Apache Kafka: that is kept in
//! `golden/`, one file per client.

pub mod client;
mod stage;
pub mod stories;
mod view;

pub use stage::Stage;
