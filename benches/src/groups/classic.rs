//! A group of the classic protocol: each member on a connection of its own, driven by what the broker answers.
//!
//! Members behave like the Java consumer's: a member id first, two assignors offered, the leader assigns ranges. Heartbeats cost no
//! waiting: settled members send theirs as soon as nothing else moves, so what is measured is the broker and not the clients' intervals.

use super::messages::{decode, encode, text};
use super::ownership;
use super::{GroupLoad, Stage, Turmoil, Versions};
use anyhow::{Context, Result, bail, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use std::time::{Duration, Instant};

const ASSIGNORS: [&str; 2] = ["range", "cooperative-sticky"];
const SUBSCRIPTION_VERSION: i16 = 3;
const SESSION_TIMEOUT_MS: i32 = 45_000;
const REBALANCE_TIMEOUT_MS: i32 = 300_000;
/// When nothing came for this long, settled members ask whether there is a rebalance; each time they wait twice as long as before, so that
/// a broker that is held up by something else is not held up by their asking.
const QUIET: Duration = Duration::from_millis(1);
const QUIET_DOUBLINGS_MAX: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(120);

/// What a member waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// Not in the group, or settled in `generation_id`.
    Nothing,
    Join,
    Sync,
    Heartbeat,
    Leave,
}

#[derive(Debug)]
struct Member {
    id: StrBytes,
    generation_id: i32,
    waiting: Waiting,
    owned: Vec<i32>,
}

/// The group. Member `n` is on connection `first_connection + n`.
#[derive(Debug)]
pub struct ClassicGroup {
    group_id: GroupId,
    first_connection: usize,
    members: Vec<Member>,
    turmoil: Turmoil,
}

impl ClassicGroup {
    /// A group without members.
    pub fn new(group_id: &str, first_connection: usize) -> Self {
        Self { group_id: GroupId(text(group_id)), first_connection, members: Vec::new(), turmoil: Turmoil::default() }
    }

    /// Member id and generation, for requests that have to name them.
    pub fn identity(&self, member: usize) -> (StrBytes, i32) {
        (self.members[member].id.clone(), self.members[member].generation_id)
    }

    fn send_join(&mut self, stage: &mut Stage, index: usize) -> Result<()> {
        let mut metadata = BytesMut::new();
        metadata.put_i16(SUBSCRIPTION_VERSION);
        ConsumerProtocolSubscription::default()
            .with_topics(vec![text(&stage.topic)])
            .with_generation_id(self.members[index].generation_id)
            .encode(&mut metadata, SUBSCRIPTION_VERSION)?;
        let metadata = metadata.freeze();
        let protocol = |name| JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(metadata.clone());
        let request = JoinGroupRequest::default()
            .with_group_id(self.group_id.clone())
            .with_session_timeout_ms(SESSION_TIMEOUT_MS)
            .with_rebalance_timeout_ms(REBALANCE_TIMEOUT_MS)
            .with_member_id(self.members[index].id.clone())
            .with_protocol_type(text("consumer"))
            .with_protocols(ASSIGNORS.map(protocol).to_vec());
        self.send(stage, index, Waiting::Join, encode(stage.versions.join_group, &request)?)
    }

    fn send_sync(&mut self, stage: &mut Stage, index: usize, joined: &JoinGroupResponse) -> Result<()> {
        let mut assignments = Vec::new();
        if joined.leader == joined.member_id {
            let mut ids: Vec<&StrBytes> = joined.members.iter().map(|member| &member.member_id).collect();
            ids.sort();
            for (id, partitions) in ids.iter().zip(ownership::ranges(stage.partitions, ids.len())) {
                let assignment = assignment(&stage.topic, partitions)?;
                assignments.push(SyncGroupRequestAssignment::default().with_member_id((*id).clone()).with_assignment(assignment));
            }
        }
        let request = SyncGroupRequest::default()
            .with_group_id(self.group_id.clone())
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id.clone())
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(joined.protocol_name.clone())
            .with_assignments(assignments);
        self.send(stage, index, Waiting::Sync, encode(stage.versions.sync_group, &request)?)
    }

    fn heartbeat(&self, stage: &Stage, index: usize) -> Result<Vec<u8>> {
        let member = &self.members[index];
        let request = HeartbeatRequest::default()
            .with_group_id(self.group_id.clone())
            .with_generation_id(member.generation_id)
            .with_member_id(member.id.clone());
        encode(stage.versions.heartbeat, &request)
    }

    fn send_leave(&mut self, stage: &mut Stage, from: usize, leaving: std::ops::Range<usize>) -> Result<()> {
        let identity = |member: &Member| MemberIdentity::default().with_member_id(member.id.clone());
        let members = self.members[leaving].iter().map(identity).collect();
        let request = LeaveGroupRequest::default().with_group_id(self.group_id.clone()).with_members(members);
        self.send(stage, from, Waiting::Leave, encode(stage.versions.leave_group, &request)?)
    }

    fn send(&mut self, stage: &mut Stage, index: usize, waiting: Waiting, mut request: Vec<u8>) -> Result<()> {
        self.turmoil.requests += 1;
        self.turmoil.heartbeats += u64::from(waiting == Waiting::Heartbeat);
        self.members[index].waiting = waiting;
        stage.pool.send(self.first_connection + index, &mut request)
    }

    fn on_answer(&mut self, stage: &mut Stage, index: usize) -> Result<()> {
        let waited = std::mem::replace(&mut self.members[index].waiting, Waiting::Nothing);
        let answer = stage.pool.answer(self.first_connection + index);
        match waited {
            Waiting::Join => {
                let answer = decode::<JoinGroupRequest>(stage.versions.join_group, answer)?;
                self.on_joined(stage, index, &answer)
            }
            Waiting::Sync => {
                let answer = decode::<SyncGroupRequest>(stage.versions.sync_group, answer)?;
                match error_of(answer.error_code) {
                    None => {
                        self.members[index].owned = owned(&answer.assignment, &stage.topic)?;
                        Ok(())
                    }
                    Some(error) => self.rejoin(stage, index, error).context("SyncGroup"),
                }
            }
            Waiting::Heartbeat => {
                let answer = decode::<HeartbeatRequest>(stage.versions.heartbeat, answer)?;
                match error_of(answer.error_code) {
                    None => Ok(()),
                    Some(error) => self.rejoin(stage, index, error).context("Heartbeat"),
                }
            }
            Waiting::Leave => {
                let answer = decode::<LeaveGroupRequest>(stage.versions.leave_group, answer)?;
                let refused = answer.members.iter().map(|member| member.error_code).find(|code| *code != 0);
                ensure!(answer.error_code == 0 && refused.is_none(), "LeaveGroup failed: {} {refused:?}", answer.error_code);
                Ok(())
            }
            Waiting::Nothing => bail!("an answer that no member waits for"),
        }
    }

    fn on_joined(&mut self, stage: &mut Stage, index: usize, answer: &JoinGroupResponse) -> Result<()> {
        match error_of(answer.error_code) {
            Some(ResponseError::MemberIdRequired) => {
                self.members[index].id = answer.member_id.clone();
                self.send_join(stage, index)
            }
            None => {
                let member = &mut self.members[index];
                (member.id, member.generation_id) = (answer.member_id.clone(), answer.generation_id);
                member.owned.clear();
                self.send_sync(stage, index, answer)
            }
            Some(error) => self.rejoin(stage, index, error).context("JoinGroup"),
        }
    }

    /// What a member does that was told to come again.
    fn rejoin(&mut self, stage: &mut Stage, index: usize, error: ResponseError) -> Result<()> {
        match error {
            ResponseError::RebalanceInProgress | ResponseError::IllegalGeneration => {
                self.members[index].owned.clear();
                self.send_join(stage, index)
            }
            error => bail!("member {index} of {}: {error}", self.group_id.0),
        }
    }

    /// Drives the group until all members have their assignment of one generation after `before`.
    fn settle(&mut self, stage: &mut Stage, before: i32) -> Result<Turmoil> {
        let deadline = Instant::now() + PATIENCE;
        let mut asked = 0;
        while !self.is_settled(before) {
            if let Some(connection) = stage.pool.next_within(QUIET * (1 << asked.min(QUIET_DOUBLINGS_MAX)))? {
                let index = connection.checked_sub(self.first_connection).filter(|index| *index < self.members.len());
                self.on_answer(stage, index.context("an answer for another group")?)?;
                continue;
            }
            ensure!(Instant::now() < deadline, "{} is not stable after {PATIENCE:?}", self.group_id.0);
            asked += 1;
            for index in 0..self.members.len() {
                if self.members[index].waiting == Waiting::Nothing {
                    let heartbeat = self.heartbeat(stage, index)?;
                    self.send(stage, index, Waiting::Heartbeat, heartbeat)?;
                }
            }
        }
        ownership::check(stage.partitions, self.members.iter().map(|member| member.owned.as_slice()))?;
        self.turmoil.epoch = self.generation_id();
        Ok(std::mem::take(&mut self.turmoil))
    }

    fn generation_id(&self) -> i32 {
        self.members.first().map_or(-1, |member| member.generation_id)
    }

    fn is_settled(&self, before: i32) -> bool {
        let generation_id = self.generation_id();
        generation_id > before
            && self.members.iter().all(|member| member.waiting == Waiting::Nothing && member.generation_id == generation_id)
    }
}

impl GroupLoad for ClassicGroup {
    fn join(&mut self, stage: &mut Stage, count: usize) -> Result<Turmoil> {
        let before = self.generation_id();
        for _ in 0..count {
            let member = Member { id: StrBytes::default(), generation_id: -1, waiting: Waiting::Nothing, owned: Vec::new() };
            self.members.push(member);
            self.send_join(stage, self.members.len() - 1)?;
        }
        self.settle(stage, before)
    }

    fn leave_last(&mut self, stage: &mut Stage) -> Result<Turmoil> {
        let before = self.generation_id();
        let last = self.members.len().checked_sub(1).context("no member")?;
        self.send_leave(stage, last, last..last + 1)?;
        let connection = stage.pool.wait()?;
        ensure!(connection == self.first_connection + last, "an answer for another member");
        self.on_answer(stage, last)?;
        self.members.pop();
        self.settle(stage, before)
    }

    fn leave_all(&mut self, stage: &mut Stage) -> Result<()> {
        self.send_leave(stage, 0, 0..self.members.len())?;
        stage.pool.wait()?;
        self.on_answer(stage, 0)?;
        self.members.clear();
        Ok(())
    }

    fn heartbeats(&self, stage: &Stage) -> Result<Vec<Vec<u8>>> {
        (0..self.members.len()).map(|index| self.heartbeat(stage, index)).collect()
    }

    fn check_heartbeat(&self, versions: &Versions, answer: &[u8]) -> Result<()> {
        let answer = decode::<HeartbeatRequest>(versions.heartbeat, answer)?;
        ensure!(answer.error_code == 0, "Heartbeat failed with error {}", answer.error_code);
        Ok(())
    }
}

fn error_of(code: i16) -> Option<ResponseError> {
    ResponseError::try_from_code(code)
}

fn assignment(topic: &str, partitions: Vec<i32>) -> Result<Bytes> {
    let mut out = BytesMut::new();
    out.put_i16(SUBSCRIPTION_VERSION);
    let of_topic = TopicPartition::default().with_topic(TopicName(text(topic))).with_partitions(partitions);
    let assigned = if of_topic.partitions.is_empty() { vec![] } else { vec![of_topic] };
    ConsumerProtocolAssignment::default().with_assigned_partitions(assigned).encode(&mut out, SUBSCRIPTION_VERSION)?;
    Ok(out.freeze())
}

fn owned(assignment: &Bytes, topic: &str) -> Result<Vec<i32>> {
    let mut bytes = assignment.clone();
    ensure!(bytes.len() >= 2, "an assignment of {} bytes", bytes.len());
    let version = i16::from_be_bytes([bytes[0], bytes[1]]);
    let assigned = ConsumerProtocolAssignment::decode(&mut bytes.split_off(2), version)?;
    let mut owned = Vec::new();
    for of_topic in assigned.assigned_partitions {
        ensure!(of_topic.topic.as_str() == topic, "an assignment of {}", of_topic.topic.as_str());
        owned.extend(of_topic.partitions);
    }
    Ok(owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_reads_as_it_was_written() {
        for partitions in [vec![], vec![3, 4]] {
            assert_eq!(owned(&assignment("t", partitions.clone()).unwrap(), "t").unwrap(), partitions);
        }
        assert!(owned(&assignment("t", vec![1]).unwrap(), "u").is_err());
        assert!(owned(&Bytes::new(), "t").is_err());
    }
}
