//! What all cells need of a broker: connections, versions, a topic with records in it, a coordinator that answers.

use super::messages::{Offered, decode, encode, text};
use super::pool::Pool;
use crate::client::Client;
use crate::load::now_ms;
use crate::payload::Payload;
use crate::{batch, wire};
use anyhow::{Context, Result, ensure};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, MetadataRequest,
    OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest, TopicName,
};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The coordinators' topic.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// Its partitions: Kafka's default.
pub const OFFSETS_TOPIC_PARTITIONS: i32 = 50;
/// Records in each partition of the topic: offsets up to here are committed.
const RECORDS: i64 = 1000;
const PATIENCE: Duration = Duration::from_secs(60);

/// The versions that are spoken: the newest that name topics by name.
#[derive(Clone, Copy, Debug)]
pub struct Versions {
    pub join_group: i16,
    pub sync_group: i16,
    pub heartbeat: i16,
    pub leave_group: i16,
    pub consumer_group_heartbeat: i16,
    pub offset_commit: i16,
    pub offset_fetch: i16,
}

/// A broker that is ready for groups.
pub struct Stage {
    pub pool: Pool,
    pub versions: Versions,
    /// The topic that groups consume.
    pub topic: String,
    pub topic_id: Uuid,
    pub partitions: i32,
    /// The broker's process.
    pub pid: u32,
    admin: Client,
    /// So that no two groups share a name.
    groups: u32,
}

impl Stage {
    /// Creates the topic, fills it, waits for the coordinators, opens connections. On a broker that has all that it changes nothing.
    pub fn open(address: SocketAddr, pid: u32, topic: &str, partitions: i32, connections: usize) -> Result<Self> {
        let mut admin = Client::connect(address)?;
        admin.ensure_topic(topic, partitions, &[])?;
        fill(&mut admin, topic, partitions)?;
        let offered = Offered::read(admin.call(wire::api_versions())?)?;
        let versions = Versions {
            join_group: offered.choose::<JoinGroupRequest>(9)?,
            sync_group: offered.choose::<SyncGroupRequest>(5)?,
            heartbeat: offered.choose::<HeartbeatRequest>(4)?,
            leave_group: offered.choose::<LeaveGroupRequest>(5)?,
            consumer_group_heartbeat: offered.choose::<ConsumerGroupHeartbeatRequest>(1)?,
            offset_commit: offered.choose::<OffsetCommitRequest>(9)?,
            offset_fetch: offered.choose::<OffsetFetchRequest>(9)?,
        };
        let topic_id = topic_id(&mut admin, offered.choose::<MetadataRequest>(12)?, topic)?;
        wait_for_coordinators(&mut admin, offered.choose::<FindCoordinatorRequest>(4)?)?;
        let pool = Pool::connect(address, connections)?;
        // Group names differ between two stages on one broker too.
        let groups = pid;
        Ok(Self { pool, versions, topic: topic.to_owned(), topic_id, partitions, pid, admin, groups })
    }

    /// The same broker after a restart: connects and asks for nothing.
    pub fn reopened(self, address: SocketAddr, pid: u32) -> Result<Self> {
        let pool = Pool::connect(address, self.pool.len())?;
        Ok(Self { pool, pid, admin: Client::connect(address)?, ..self })
    }

    /// A name that no group has had.
    pub fn fresh_group(&mut self, kind: &str) -> String {
        self.groups = self.groups.wrapping_add(1);
        format!("{kind}-{}-{:x}", self.groups, now_ms())
    }

    /// An offset that can be committed, different for each `number` for a while.
    pub fn offset(number: u64) -> i64 {
        (number % (RECORDS as u64 + 1)) as i64
    }

    /// Records in the coordinators' topic so far.
    pub fn coordinator_records(&mut self) -> Result<i64> {
        (0..OFFSETS_TOPIC_PARTITIONS).map(|partition| self.admin.offset(OFFSETS_TOPIC, partition, -1)).sum()
    }
}

/// Brings every partition to [`RECORDS`] records.
fn fill(admin: &mut Client, topic: &str, partitions: i32) -> Result<()> {
    let version = admin.versions().produce;
    for partition in 0..partitions {
        let mut end = admin.offset(topic, partition, -1)?;
        while end < RECORDS {
            let batch = batch::fill(&mut Payload::new(1), 4, (RECORDS - end) as usize * 11, now_ms());
            let answer = admin.call(wire::produce(version, -1, topic, partition, &batch.bytes))?;
            let answer = wire::read_produce(answer).context("Produce answer")?;
            ensure!(answer.error == 0, "Produce to {topic}-{partition} failed with error {}", answer.error);
            end = answer.base_offset + i64::from(batch.record_count);
        }
    }
    Ok(())
}

fn topic_id(admin: &mut Client, version: i16, topic: &str) -> Result<Uuid> {
    let asked = MetadataRequestTopic::default().with_name(Some(TopicName(text(topic))));
    let request = MetadataRequest::default().with_topics(Some(vec![asked]));
    let answer = decode::<MetadataRequest>(version, admin.call(encode(version, &request)?)?)?;
    let found = answer.topics.first().context("no topic in the Metadata answer")?;
    ensure!(found.error_code == 0 && !found.topic_id.is_nil(), "Metadata of {topic}: {found:?}");
    Ok(found.topic_id)
}

/// Makes the broker create the coordinators' topic, and waits until all its partitions have a leader.
fn wait_for_coordinators(admin: &mut Client, version: i16) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("any")]);
        let answer = decode::<FindCoordinatorRequest>(version, admin.call(encode(version, &request)?)?)?;
        let error = answer.coordinators.first().map_or(answer.error_code, |found| found.error_code);
        if error == 0 {
            break;
        }
        ensure!(Instant::now() < deadline, "FindCoordinator still fails with error {error}");
        thread::sleep(Duration::from_millis(10));
    }
    for partition in 0..OFFSETS_TOPIC_PARTITIONS {
        while let Err(error) = admin.offset(OFFSETS_TOPIC, partition, -1) {
            ensure!(Instant::now() < deadline, "{error}");
            thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}
