//! A group of the consumer protocol (KIP-848): members send ConsumerGroupHeartbeat in rounds until all have their target.
//!
//! A round is one heartbeat of every member that has something to say or to learn; with real clients a heartbeat interval lies between
//! two rounds, here nothing does. Members give up and take over partitions at once and tell so in the next round.

use super::messages::{decode, encode, text};
use super::ownership;
use super::{GroupLoad, Stage, Turmoil, Versions};
use anyhow::{Context, Result, ensure};
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

const REBALANCE_TIMEOUT_MS: i32 = 300_000;
const LEAVE_EPOCH: i32 = -1;
const ROUNDS_MAX: u64 = 10_000;

#[derive(Debug)]
struct Member {
    id: StrBytes,
    /// 0 before the first answer.
    epoch: i32,
    owned: Vec<i32>,
    /// The broker does not know yet what is owned.
    untold: bool,
}

/// The group. Member `n` is on connection `n`.
#[derive(Debug)]
pub struct ConsumerGroup {
    group_id: GroupId,
    members: Vec<Member>,
    turmoil: Turmoil,
}

impl ConsumerGroup {
    /// A group without members.
    pub fn new(group_id: &str) -> Self {
        Self { group_id: GroupId(text(group_id)), members: Vec::new(), turmoil: Turmoil::default() }
    }

    fn request(&self, index: usize) -> ConsumerGroupHeartbeatRequest {
        let member = &self.members[index];
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(self.group_id.clone())
            .with_member_id(member.id.clone())
            .with_member_epoch(member.epoch)
            .with_rebalance_timeout_ms(-1)
            .with_subscribed_topic_names(None)
            .with_topic_partitions(None)
    }

    fn send_heartbeat(&mut self, stage: &mut Stage, index: usize) -> Result<()> {
        let mut request = self.request(index);
        let member = &mut self.members[index];
        if member.epoch == 0 {
            request = request
                .with_rebalance_timeout_ms(REBALANCE_TIMEOUT_MS)
                .with_subscribed_topic_names(Some(vec![TopicName(text(&stage.topic))]))
                .with_topic_partitions(Some(vec![]));
        } else if std::mem::take(&mut member.untold) {
            let of_topic = TopicPartitions::default().with_topic_id(stage.topic_id).with_partitions(member.owned.clone());
            request = request.with_topic_partitions(Some(if member.owned.is_empty() { vec![] } else { vec![of_topic] }));
        }
        self.turmoil.requests += 1;
        stage.pool.send(index, &mut encode(stage.versions.consumer_group_heartbeat, &request)?)
    }

    fn on_answer(&mut self, stage: &Stage, index: usize) -> Result<()> {
        let answer =
            decoded(&stage.versions, stage.pool.answer(index)).with_context(|| format!("member {index} of {}", self.group_id.0))?;
        let member = &mut self.members[index];
        member.epoch = answer.member_epoch;
        if let Some(assignment) = answer.assignment {
            let mut owned = Vec::new();
            for of_topic in assignment.topic_partitions {
                ensure!(of_topic.topic_id == stage.topic_id, "partitions of topic {}", of_topic.topic_id);
                owned.extend(of_topic.partitions);
            }
            owned.sort_unstable();
            member.untold |= owned != member.owned;
            member.owned = owned;
        }
        Ok(())
    }

    /// Rounds until every member is in one epoch after `before`, has told what it owns, and every partition has one owner.
    fn settle(&mut self, stage: &mut Stage, before: i32) -> Result<Turmoil> {
        loop {
            let epoch = self.epoch();
            let mut talking: Vec<usize> = (0..self.members.len())
                .filter(|index| self.members[*index].untold || self.members[*index].epoch < epoch || self.members[*index].epoch == 0)
                .collect();
            if talking.is_empty() {
                let owned = self.members.iter().map(|member| member.owned.as_slice());
                let checked = ownership::check(stage.partitions, owned);
                if epoch > before && checked.is_ok() {
                    self.turmoil.epoch = epoch;
                    return Ok(std::mem::take(&mut self.turmoil));
                }
                ensure!(self.turmoil.rounds < ROUNDS_MAX, "not stable after {ROUNDS_MAX} rounds at epoch {epoch}: {checked:?}");
                talking = (0..self.members.len()).collect();
            }
            self.turmoil.rounds += 1;
            for &index in &talking {
                self.send_heartbeat(stage, index)?;
            }
            for _ in &talking {
                let index = stage.pool.wait()?;
                self.on_answer(stage, index)?;
            }
        }
    }

    fn epoch(&self) -> i32 {
        self.members.iter().map(|member| member.epoch).max().unwrap_or(0)
    }

    fn leave(&mut self, stage: &mut Stage, leaving: std::ops::Range<usize>) -> Result<()> {
        let versions = stage.versions;
        for index in leaving {
            let request = self.request(index).with_member_epoch(LEAVE_EPOCH);
            let mut request = encode(stage.versions.consumer_group_heartbeat, &request)?;
            self.turmoil.requests += 1;
            decoded(&versions, stage.pool.call(index, &mut request)?).context("leave")?;
        }
        Ok(())
    }
}

fn decoded(versions: &Versions, answer: &[u8]) -> Result<ConsumerGroupHeartbeatResponse> {
    let answer = decode::<ConsumerGroupHeartbeatRequest>(versions.consumer_group_heartbeat, answer)?;
    let message = answer.error_message.as_ref().map_or("", |message| message.as_str());
    ensure!(answer.error_code == 0, "ConsumerGroupHeartbeat failed with error {} {message}", answer.error_code);
    Ok(answer)
}

impl GroupLoad for ConsumerGroup {
    fn join(&mut self, stage: &mut Stage, count: usize) -> Result<Turmoil> {
        let before = self.epoch();
        for _ in 0..count {
            let id = text(&Uuid::new_v4().to_string());
            self.members.push(Member { id, epoch: 0, owned: Vec::new(), untold: false });
        }
        self.settle(stage, before)
    }

    fn leave_last(&mut self, stage: &mut Stage) -> Result<Turmoil> {
        let before = self.epoch();
        let last = self.members.len().checked_sub(1).context("no member")?;
        self.leave(stage, last..last + 1)?;
        self.members.pop();
        self.settle(stage, before)
    }

    fn leave_all(&mut self, stage: &mut Stage) -> Result<()> {
        self.leave(stage, 0..self.members.len())?;
        self.members.clear();
        Ok(())
    }

    fn heartbeats(&self, stage: &Stage) -> Result<Vec<Vec<u8>>> {
        (0..self.members.len()).map(|index| encode(stage.versions.consumer_group_heartbeat, &self.request(index))).collect()
    }

    fn check_heartbeat(&self, versions: &Versions, answer: &[u8]) -> Result<()> {
        let answer = decoded(versions, answer)?;
        ensure!(answer.assignment.is_none() && answer.member_epoch == self.epoch(), "the group has moved to {}", answer.member_epoch);
        Ok(())
    }
}
