//! Groups of 10,000 members: every request is answered, and no step costs more than it should.

use kafka_protocol::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, GroupId, HeartbeatRequest, JoinGroupRequest, SyncGroupRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::group::{Caller, GroupEffects, GroupRecord, GroupReply, GroupSettings, GroupShard};
use ottla_coordinator::metadata::image::MetadataImage;
use ottla_coordinator::shard::Shard;
use ottla_coordinator::timers::Millis;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

const MEMBERS: u64 = 10_000;

/// A shard, its log, and the answers it has given.
struct Story {
    shard: GroupShard,
    log: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    answers: BTreeMap<u64, GroupReply>,
}

impl Story {
    fn new() -> Self {
        // By default Kafka's log takes no record of 10,000 classic members.
        Self::with(16 << 20)
    }

    fn with(message_max_bytes: usize) -> Self {
        let settings = GroupSettings { initial_rebalance_delay_ms: 3_000, message_max_bytes, ..GroupSettings::default() };
        let shard = GroupShard::new(Arc::new(settings), Arc::new(MetadataImage::default()));
        Self { shard, log: Vec::new(), answers: BTreeMap::new() }
    }

    fn take(&mut self, effects: GroupEffects) {
        for record in &effects.records {
            self.log.push(record.encode().expect("a record that fits"));
            self.shard.replay(record);
        }
        self.answers.extend(effects.replies.into_iter().map(|(ticket, reply)| (ticket.0, reply)));
    }

    fn after_a_reload(&self) -> GroupShard {
        let mut shard = GroupShard::new(Arc::default(), Arc::new(MetadataImage::default()));
        for (key, value) in &self.log {
            shard.replay(&GroupRecord::decode(key, value.as_deref()).expect("our own bytes"));
        }
        shard
    }
}

fn caller(api_version: i16, at: u64) -> Caller<'static> {
    Caller { api_version, client_id: "client", client_host: "/127.0.0.1", fresh_id: Uuid::from_u128(u128::from(at)) }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn join() -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(vec![7; 20].into());
    JoinGroupRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_protocol_type(text("consumer"))
        .with_session_timeout_ms(45_000)
        .with_rebalance_timeout_ms(300_000)
        .with_protocols(vec![protocol])
}

/// All members join; their answers and when.
fn join_all(story: &mut Story) -> (Millis, BTreeMap<u64, GroupReply>) {
    for at in 0..MEMBERS {
        let effects = story.shard.join_group(Millis(0), Ticket(at), &caller(3, at), &join());
        story.take(effects);
    }
    let mut now = Millis(0);
    while story.answers.is_empty() {
        now = story.shard.next_deadline().expect("the group waits for more members");
        let effects = story.shard.handle_timeout(now);
        story.take(effects);
    }
    (now, std::mem::take(&mut story.answers))
}

#[test]
fn ten_thousand_classic_members_are_too_many_for_a_record_by_default() {
    let mut story = Story::with(GroupSettings::default().message_max_bytes);
    let (now, answers) = join_all(&mut story);
    let joined = answers.into_values().map(|reply| if let GroupReply::JoinGroup(joined) = reply { joined } else { panic!() });
    let leader = joined.max_by_key(|joined| joined.members.len()).expect("somebody leads");
    let share = SyncGroupRequestAssignment::default().with_assignment(vec![7; 50].into());
    let shares = leader.members.iter().map(|member| share.clone().with_member_id(member.member_id.clone())).collect();
    let leader = leader.member_id;
    let request = SyncGroupRequest::default().with_group_id(GroupId(text("g"))).with_generation_id(1).with_member_id(leader.clone());
    let request = request.with_assignments(shares);
    let records = story.log.len();
    let effects = story.shard.sync_group(now, Ticket(0), &request);
    story.take(effects);
    let Some(GroupReply::SyncGroup(synced)) = story.answers.get(&0) else { panic!("an answer at once") };
    assert_eq!((synced.error_code, story.log.len()), (-1, records), "as in Kafka, and nothing is written");
    let request = HeartbeatRequest::default().with_group_id(GroupId(text("g"))).with_generation_id(1).with_member_id(leader);
    let effects = story.shard.heartbeat(now, Ticket(1), &request);
    assert!(matches!(&effects.replies[..], [(_, GroupReply::Heartbeat(answer))] if answer.error_code == 27), "they join again");
}

#[test]
fn ten_thousand_classic_members_become_one_generation() {
    let mut story = Story::new();
    let (now, answers) = join_all(&mut story);
    assert_eq!(answers.len() as u64, MEMBERS);
    let joined: Vec<_> =
        answers.into_values().map(|reply| if let GroupReply::JoinGroup(joined) = reply { joined } else { panic!() }).collect();
    assert!(joined.iter().all(|answer| answer.error_code == 0 && answer.generation_id == 1));
    let (leaders, others): (Vec<_>, Vec<_>) = joined.iter().partition(|answer| answer.leader == answer.member_id);
    assert_eq!((leaders.len(), leaders[0].members.len() as u64), (1, MEMBERS));
    assert!(others.iter().all(|answer| answer.members.is_empty()));

    let sync = |member_id: &StrBytes| {
        let request = SyncGroupRequest::default().with_group_id(GroupId(text("g"))).with_generation_id(1);
        request.with_member_id(member_id.clone())
    };
    for (at, member) in (0..).zip(&others) {
        let effects = story.shard.sync_group(now, Ticket(at), &sync(&member.member_id));
        story.take(effects);
    }
    let row = |answer: &_| -> SyncGroupRequestAssignment {
        let answer: &kafka_protocol::messages::JoinGroupResponse = answer;
        let assignment = answer.member_id.as_bytes().to_vec();
        SyncGroupRequestAssignment::default().with_member_id(answer.member_id.clone()).with_assignment(assignment.into())
    };
    let request = sync(&leaders[0].member_id).with_assignments(joined.iter().map(row).collect());
    let effects = story.shard.sync_group(now, Ticket(MEMBERS), &request);
    story.take(effects);
    assert_eq!(story.answers.len() as u64, MEMBERS);
    for (at, member) in (0..).zip(&others) {
        let Some(GroupReply::SyncGroup(synced)) = story.answers.get(&at) else { panic!("an answer to each") };
        assert_eq!(synced.assignment[..], *member.member_id.as_bytes());
    }
    for (at, member) in (0..).zip(&joined) {
        let request = HeartbeatRequest::default().with_group_id(GroupId(text("g"))).with_generation_id(1);
        let effects = story.shard.heartbeat(now, Ticket(at), &request.with_member_id(member.member_id.clone()));
        assert!(matches!(&effects.replies[..], [(_, GroupReply::Heartbeat(answer))] if answer.error_code == 0));
    }
    assert!(story.shard.same_hard_state(&story.after_a_reload()));
}

#[test]
fn ten_thousand_consumer_members_get_their_share() {
    let mut story = Story::new();
    let mut epochs = vec![0; MEMBERS as usize];
    for round in 0..2 {
        for at in 0..MEMBERS {
            let mut request = ConsumerGroupHeartbeatRequest::default()
                .with_group_id(GroupId(text("g")))
                .with_member_id(text(&format!("m{at}")))
                .with_member_epoch(epochs[at as usize]);
            if round == 0 {
                request = request
                    .with_rebalance_timeout_ms(300_000)
                    .with_subscribed_topic_names(Some(vec![TopicName(text("t"))]))
                    .with_topic_partitions(Some(Vec::new()));
            }
            let effects = story.shard.consumer_group_heartbeat(Millis(1_000_000 + round * 5_000), Ticket(at), &caller(1, at), &request);
            story.take(effects);
            let Some(GroupReply::ConsumerGroupHeartbeat(answer)) = story.answers.remove(&at) else { panic!("an answer at once") };
            let ConsumerGroupHeartbeatResponse { error_code, member_epoch, .. } = answer;
            assert_eq!(error_code, 0, "{:?}", answer.error_message);
            assert!(member_epoch >= epochs[at as usize]);
            epochs[at as usize] = member_epoch;
        }
    }
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "everybody has the newest epoch");
    assert!(story.shard.same_hard_state(&story.after_a_reload()));
}
