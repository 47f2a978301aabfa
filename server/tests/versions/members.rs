//! The classic protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

use super::groups::{group, word};
use super::{Story, Talk, story};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};

pub(super) const STORIES: &[Story] = &[
    story("join", 0..=9, join),
    story("join refused", 0..=9, join_refused),
    story("join static", 5..=9, join_static),
    story("sync", 0..=5, sync),
    story("heartbeat", 0..=4, heartbeat),
    story("leave", 0..=5, leave),
];

/// A member of a group that is in balance.
pub(super) struct Member {
    pub(super) id: String,
    pub(super) generation: i32,
}

impl Member {
    /// Joins a new group alone and brings its own assignment.
    pub(super) fn stable(talk: &mut Talk, group: &GroupId) -> Self {
        let member = Self::joined(talk, group, &joining(group, ""));
        let answer = talk.quietly(3, &syncing(group, &member.id, member.generation));
        assert_eq!(answer.error_code, 0, "{group:?}");
        member
    }

    /// Joins, and does not bring its assignment yet.
    pub(super) fn joined(talk: &mut Talk, group: &GroupId, request: &JoinGroupRequest) -> Self {
        let answer = talk.quietly(if request.group_instance_id.is_some() { 5 } else { 3 }, request);
        assert_eq!(answer.error_code, 0, "{group:?}");
        Self { id: answer.member_id.to_string(), generation: answer.generation_id }
    }
}

/// What consumers say of themselves: their topics.
pub(super) fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(topics.len() as i32);
    for topic in topics {
        bytes.put_i16(topic.len() as i16);
        bytes.put_slice(topic.as_bytes());
    }
    bytes.put_i32(-1);
    bytes.freeze()
}

/// Readable metadata: a rebalance of Apache Kafka 4.3 does not end when a consumer's is not (the timer's task fails, and is not set again).
fn protocols(names: &[&str]) -> Vec<JoinGroupRequestProtocol> {
    let protocol = |name: &&str| JoinGroupRequestProtocol::default().with_name(word(name)).with_metadata(subscription(&[name]));
    names.iter().map(protocol).collect()
}

pub(super) fn joining(group: &GroupId, member: &str) -> JoinGroupRequest {
    JoinGroupRequest::default()
        .with_group_id(group.clone())
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(30_000)
        .with_member_id(word(member))
        .with_protocol_type(word("consumer"))
        .with_protocols(protocols(&["range", "roundrobin"]))
}

pub(super) fn syncing(group: &GroupId, member: &str, generation: i32) -> SyncGroupRequest {
    let assignment = SyncGroupRequestAssignment::default().with_member_id(word(member)).with_assignment(Bytes::from_static(b"all of it"));
    SyncGroupRequest::default()
        .with_group_id(group.clone())
        .with_generation_id(generation)
        .with_member_id(word(member))
        .with_assignments(vec![assignment])
}

fn join(talk: &mut Talk) {
    let group = group(talk, "group");
    let mut member = talk.ask("first", &joining(&group, "")).member_id;
    if talk.version >= 4 {
        // MEMBER_ID_REQUIRED came with an id.
        member = talk.ask("first, with the id it was given", &joining(&group, &member)).member_id;
    }
    talk.ask("again before the assignment", &joining(&group, &member));
    let changed = joining(&group, &member).with_protocols(protocols(&["roundrobin", "sticky"]));
    talk.ask("again with other protocols", &changed);
    talk.ask("a member id that nobody has", &joining(&group, "nobody"));
    talk.ask("a member with another protocol type", &joining(&group, "").with_protocol_type(word("connect")));
    talk.ask("a member with no common protocol", &joining(&group, "").with_protocols(protocols(&["private"])));
    talk.ask("the member without protocols", &joining(&group, &member).with_protocols(Vec::new()));
    if talk.version >= 8 {
        talk.ask("with a reason", &changed.with_reason(Some(word("because"))));
    }
}

fn join_refused(talk: &mut Talk) {
    let group = group(talk, "group");
    talk.ask("an empty group id", &joining(&GroupId(word("")), ""));
    talk.ask("an empty group id and a member id", &joining(&GroupId(word("")), "somebody"));
    for timeout in [5_999, 1_800_001, 0, -1] {
        talk.ask(&format!("session timeout {timeout}"), &joining(&group, "somebody").with_session_timeout_ms(timeout));
    }
    talk.ask("a member id in a new group", &joining(&group, "somebody"));
    talk.ask("no protocols", &joining(&group, "").with_protocols(Vec::new()));
    talk.ask("an empty protocol type", &joining(&group, "").with_protocol_type(word("")));
    talk.ask("a blank group id", &joining(&GroupId(word("  ")), "somebody"));
}

fn join_static(talk: &mut Talk) {
    let group = group(talk, "group");
    let of = |member: &str, instance: &str| joining(&group, member).with_group_instance_id(Some(word(instance)));
    talk.ask("an instance in a new group with a member id", &of("somebody", "i"));
    let answer = talk.ask("an instance joins", &of("", "i"));
    let (first, generation) = (answer.member_id, answer.generation_id);
    talk.ask("again with its id", &of(&first, "i"));
    let second = talk.ask("again without an id, before the assignment", &of("", "i"));
    talk.ask("the old id", &of(&first, "i"));
    talk.ask("an unknown instance with a member id", &of("somebody", "j"));
    let mut member = second.member_id;
    let mut generation = generation.max(second.generation_id);
    let answer = talk.ask("again with the new id", &of(&member, "i"));
    generation = generation.max(answer.generation_id);
    let synced = talk.quietly(3, &syncing(&group, &member, generation).with_group_instance_id(Some(word("i"))));
    assert_eq!(synced.error_code, 0);
    member = talk.ask("in balance, again without an id", &of("", "i")).member_id;
    talk.ask("in balance, the old id", &of(&first, "i"));
    talk.ask("in balance, again without an id, other metadata", &of("", "i").with_protocols(protocols(&["roundrobin"])));
    talk.ask("in balance, the id before", &of(&member, "i"));
}

fn sync(talk: &mut Talk) {
    let nobody = group(talk, "nobody");
    talk_protocol(talk, "an unknown group", syncing(&nobody, "somebody", 1));
    talk_protocol(talk, "an empty group id", syncing(&GroupId(word("")), "somebody", 1));
    let group = group(talk, "group");
    let member = Member::joined(talk, &group, &joining(&group, ""));
    talk_protocol(talk, "an unknown member", syncing(&group, "somebody", member.generation));
    talk_protocol(talk, "an older generation", syncing(&group, &member.id, member.generation - 1));
    talk_protocol(talk, "a newer generation", syncing(&group, &member.id, member.generation + 1));
    if talk.version >= 3 {
        let with_instance = syncing(&group, &member.id, member.generation).with_group_instance_id(Some(word("i")));
        talk_protocol(talk, "an instance id that is not the member's", with_instance);
    }
    if talk.version >= 5 {
        let plain = syncing(&group, &member.id, member.generation);
        talk.ask("no protocol", &plain);
        talk.ask("no protocol type", &plain.clone().with_protocol_name(Some(word("range"))));
        talk.ask("no protocol name", &plain.clone().with_protocol_type(Some(word("consumer"))));
        let other = plain.clone().with_protocol_type(Some(word("connect"))).with_protocol_name(Some(word("range")));
        talk.ask("another protocol type", &other);
        let other = plain.with_protocol_type(Some(word("consumer"))).with_protocol_name(Some(word("roundrobin")));
        talk.ask("another protocol name", &other);
    }
    talk_protocol(talk, "the leader brings the assignment", syncing(&group, &member.id, member.generation));
    talk_protocol(talk, "again", syncing(&group, &member.id, member.generation));
    talk_protocol(talk, "again, with nothing", syncing(&group, &member.id, member.generation).with_assignments(Vec::new()));
    let alone = self::group(talk, "alone");
    let member = Member::joined(talk, &alone, &joining(&alone, ""));
    let of_another = SyncGroupRequestAssignment::default().with_member_id(word("stranger")).with_assignment(Bytes::from_static(b"x"));
    let request = syncing(&alone, &member.id, member.generation).with_assignments(vec![of_another]);
    talk_protocol(talk, "an assignment for somebody else only", request);
}

/// From v5 on protocol type and name must be there.
fn talk_protocol(talk: &mut Talk, question: &str, request: SyncGroupRequest) {
    let named = request.clone().with_protocol_type(Some(word("consumer"))).with_protocol_name(Some(word("range")));
    talk.ask(question, if talk.version >= 5 { &named } else { &request });
}

fn heartbeat(talk: &mut Talk) {
    let beat = |group: &GroupId, member: &str, generation: i32| {
        HeartbeatRequest::default().with_group_id(group.clone()).with_member_id(word(member)).with_generation_id(generation)
    };
    let nobody = group(talk, "nobody");
    talk.ask("an unknown group", &beat(&nobody, "somebody", 1));
    talk.ask("an empty group id", &beat(&GroupId(word("")), "somebody", 1));
    let open = group(talk, "open");
    let member = Member::joined(talk, &open, &joining(&open, ""));
    talk.ask("before the assignment", &beat(&open, &member.id, member.generation));
    let stable = group(talk, "stable");
    let member = Member::stable(talk, &stable);
    talk.ask("in balance", &beat(&stable, &member.id, member.generation));
    talk.ask("an unknown member", &beat(&stable, "somebody", member.generation));
    talk.ask("no member", &beat(&stable, "", member.generation));
    talk.ask("an older generation", &beat(&stable, &member.id, member.generation - 1));
    talk.ask("a newer generation", &beat(&stable, &member.id, member.generation + 1));
    if talk.version >= 3 {
        talk.ask("an unknown instance", &beat(&stable, &member.id, member.generation).with_group_instance_id(Some(word("j"))));
        let fixed = group(talk, "fixed");
        let member = Member::joined(talk, &fixed, &joining(&fixed, "").with_group_instance_id(Some(word("i"))));
        talk.ask("of an instance", &beat(&fixed, &member.id, member.generation).with_group_instance_id(Some(word("i"))));
        talk.ask(
            "an instance with another member's id",
            &beat(&fixed, "somebody", member.generation).with_group_instance_id(Some(word("i"))),
        );
    }
}

fn leave(talk: &mut Talk) {
    let version = talk.version;
    let leaving = |group: &GroupId, members: &[(&str, Option<&str>)]| {
        let request = LeaveGroupRequest::default().with_group_id(group.clone());
        if version < 3 {
            return request.with_member_id(word(members[0].0));
        }
        let identity = |(member, instance): &(&str, Option<&str>)| {
            MemberIdentity::default().with_member_id(word(member)).with_group_instance_id(instance.map(word))
        };
        request.with_members(members.iter().map(identity).collect())
    };
    let nobody = group(talk, "nobody");
    talk.ask("an unknown group", &leaving(&nobody, &[("somebody", None)]));
    talk.ask("an empty group id", &leaving(&GroupId(word("")), &[("somebody", None)]));
    let stable = group(talk, "stable");
    let member = Member::stable(talk, &stable);
    talk.ask("an unknown member", &leaving(&stable, &[("somebody", None)]));
    talk.ask("no member id", &leaving(&stable, &[("", None)]));
    talk.ask("a member", &leaving(&stable, &[(&member.id, None)]));
    talk.ask("a member that has left", &leaving(&stable, &[(&member.id, None)]));
    if version < 3 {
        return;
    }
    talk.ask("an unknown group, two members", &leaving(&nobody, &[("somebody", None), ("", Some("i"))]));
    talk.ask("nobody", &leaving(&stable, &[]));
    let fixed = group(talk, "fixed");
    let join = |instance: &str| joining(&fixed, "").with_group_instance_id(Some(word(instance)));
    let member = Member::joined(talk, &fixed, &join("i"));
    talk.ask("an unknown instance", &leaving(&fixed, &[("", Some("j"))]));
    talk.ask("an instance with another member's id", &leaving(&fixed, &[("somebody", Some("i"))]));
    talk.ask("some of each", &leaving(&fixed, &[("somebody", None), ("", Some("i")), ("", Some("i")), (&member.id, None)]));
    let member = Member::joined(talk, &fixed, &join("i"));
    talk.ask("an instance with its id", &leaving(&fixed, &[(&member.id, Some("i"))]));
    if version >= 5 {
        Member::joined(talk, &fixed, &join("i"));
        let mut with_reason = leaving(&fixed, &[("", Some("i"))]);
        with_reason.members[0].reason = Some(word("because"));
        talk.ask("with a reason", &with_reason);
    }
}
