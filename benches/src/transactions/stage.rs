//! What all cells need of a broker: a topic, a transaction coordinator that answers, versions to speak.

use crate::client::Client;
use crate::groups::messages::{Offered, decode, encode, text};
use crate::wire;
use anyhow::{Result, ensure};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, EndTxnRequest, FindCoordinatorRequest, InitProducerIdRequest, ProduceRequest};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// The coordinators' topic.
const STATE_TOPIC: &str = "__transaction_state";
/// Its partitions: Kafka's default.
const STATE_TOPIC_PARTITIONS: i32 = 50;
const TRANSACTION: i8 = 1;
const PATIENCE: Duration = Duration::from_secs(60);

/// The versions that are spoken, by what the client knows of `transaction.version` 2.
#[derive(Clone, Copy, Debug)]
pub struct Versions {
    pub init_producer_id: i16,
    pub add_partitions: i16,
    /// Without and with adding partitions by writing to them.
    pub produce: [i16; 2],
    /// Without and with an epoch for each transaction.
    pub end_txn: [i16; 2],
}

/// A broker that is ready for transactions.
#[derive(Debug)]
pub struct Stage {
    pub address: SocketAddr,
    /// The broker's process.
    pub pid: u32,
    pub versions: Versions,
    pub topic: String,
    pub partitions: i32,
    admin: Client,
}

impl Stage {
    /// Creates the topic and waits for the coordinators. On a broker that has all that it changes nothing.
    pub fn open(address: SocketAddr, pid: u32, topic: &str, partitions: i32) -> Result<Self> {
        let mut admin = Client::connect(address)?;
        admin.ensure_topic(topic, partitions, &[])?;
        let offered = Offered::read(admin.call(wire::api_versions())?)?;
        let versions = Versions {
            init_producer_id: offered.choose::<InitProducerIdRequest>(4)?,
            add_partitions: offered.choose::<AddPartitionsToTxnRequest>(3)?,
            produce: [offered.choose::<ProduceRequest>(11)?, offered.choose::<ProduceRequest>(12)?],
            end_txn: [offered.choose::<EndTxnRequest>(4)?, offered.choose::<EndTxnRequest>(5)?],
        };
        ensure!(versions.produce[1] == 12 && versions.end_txn[1] == 5, "the broker does not know transaction.version 2: {versions:?}");
        wait_for_coordinators(&mut admin, offered.choose::<FindCoordinatorRequest>(4)?)?;
        Ok(Self { address, pid, versions, topic: topic.to_owned(), partitions, admin })
    }

    /// Log end offsets of the first partitions.
    pub fn ends(&mut self, count: i32) -> Result<Vec<i64>> {
        (0..count).map(|partition| self.admin.offset(&self.topic, partition, -1)).collect()
    }

    /// Waits until the partitions end where they must: markers may be written after a commit is answered.
    pub fn wait_for_ends(&mut self, expected: &[i64]) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ends = self.ends(i32::try_from(expected.len())?)?;
            if ends == expected {
                return Ok(());
            }
            let beyond = ends.iter().zip(expected).any(|(end, expected)| end > expected);
            ensure!(!beyond && Instant::now() < deadline, "the partitions end at {ends:?} in place of {expected:?}");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Makes the broker create the coordinators' topic, and waits until all its partitions have a leader.
fn wait_for_coordinators(admin: &mut Client, version: i16) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let request = FindCoordinatorRequest::default().with_key_type(TRANSACTION).with_coordinator_keys(vec![text("any")]);
        let answer = decode::<FindCoordinatorRequest>(version, admin.call(encode(version, &request)?)?)?;
        let error = answer.coordinators.first().map_or(answer.error_code, |found| found.error_code);
        if error == 0 {
            break;
        }
        ensure!(Instant::now() < deadline, "FindCoordinator still fails with error {error}");
        thread::sleep(Duration::from_millis(10));
    }
    for partition in 0..STATE_TOPIC_PARTITIONS {
        while let Err(error) = admin.offset(STATE_TOPIC, partition, -1) {
            ensure!(Instant::now() < deadline, "{error}");
            thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}
