//! Group requests that are well formed and mean harm: Kafka's error, and no other group notices.

use crate::kit::{Client, Kit};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponse;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest,
    LeaveGroupRequest, OffsetCommitRequest, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

/// One shard, so that whatever happens to it happens to all groups.
const ONE_SHARD: &str = "offsets.topic.num.partitions=1\noffsets.topic.replication.factor=1\ngroup.initial.rebalance.delay.ms=0";

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

fn error(code: i16) -> Option<ResponseError> {
    ResponseError::try_from_code(code)
}

fn join(group_id: &str, member_id: &str, metadata: &[u8]) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(metadata.to_vec().into());
    JoinGroupRequest::default()
        .with_group_id(group(group_id))
        .with_member_id(text(member_id))
        .with_protocol_type(text("consumer"))
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(30_000)
        .with_protocols(vec![protocol])
}

fn sync(group_id: &str, joined: &JoinGroupResponse, assignment: &[u8]) -> SyncGroupRequest {
    let row = SyncGroupRequestAssignment::default().with_member_id(joined.member_id.clone()).with_assignment(assignment.to_vec().into());
    SyncGroupRequest::default()
        .with_group_id(group(group_id))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(vec![row])
}

/// The only member of a stable group, and one that has an id and nothing else, which a shard that loads again forgets.
struct Bystander {
    client: Client,
    joined: JoinGroupResponse,
    pending: StrBytes,
}

impl Bystander {
    fn of(kit: &Kit) -> Self {
        let mut client = kit.connect();
        client.ask(3, &FindCoordinatorRequest::default().with_key(text("bystander")));
        let joined = client.ask(3, &join("bystander", "", b"m"));
        assert_eq!(error(joined.error_code), None);
        assert_eq!(error(client.ask(3, &sync("bystander", &joined, b"a")).error_code), None);
        let pending = client.ask(4, &join("later", "", b"m")).member_id;
        Self { client, joined, pending }
    }

    fn notices_nothing(&mut self) {
        let heartbeat = HeartbeatRequest::default()
            .with_group_id(group("bystander"))
            .with_generation_id(self.joined.generation_id)
            .with_member_id(self.joined.member_id.clone());
        assert_eq!(error(self.client.ask(3, &heartbeat).error_code), None);
    }

    fn noticed_nothing(mut self) {
        self.notices_nothing();
        let joined = self.client.ask(4, &join("later", &self.pending, b"m"));
        assert_eq!(error(joined.error_code), None, "the shard was loaded again");
    }
}

#[test]
fn names_of_32_kilobytes_hurt_nobody_else() {
    let kit = Kit::with(ONE_SHARD);
    let mut bystander = Bystander::of(&kit);
    let long = "x".repeat(32_767);

    let mut client = kit.connect().named(&long);
    let joined = client.ask(3, &join("g1", "", b"m"));
    bystander.notices_nothing();
    if error(joined.error_code).is_none() {
        client.ask(3, &sync("g1", &joined, b"a"));
        bystander.notices_nothing();
    }
    let required = kit.connect().named(&long).ask(5, &join("g2", "", b"m"));
    assert_eq!(error(required.error_code), Some(ResponseError::MemberIdRequired));
    let joined = client.ask(5, &join("g2", &required.member_id, b"m"));
    bystander.notices_nothing();
    client.ask(5, &sync("g2", &joined, b"a"));
    bystander.notices_nothing();

    let joined = client.ask(5, &join("g3", "", b"m").with_group_instance_id(Some(text(&long))));
    bystander.notices_nothing();
    client.ask(3, &sync("g3", &joined, b"a"));
    bystander.notices_nothing();

    let mut client = kit.connect();
    let joined = client.ask(3, &join(&long, "", b"m"));
    assert_eq!(error(joined.error_code), None, "the group id itself is not too long");
    assert_eq!(error(client.ask(3, &sync(&long, &joined, b"a")).error_code), None);
    assert_eq!(error(client.ask(5, &join("g4", &long, b"m")).error_code), Some(ResponseError::UnknownMemberId));
    let protocol = JoinGroupRequestProtocol::default().with_name(text(&long)).with_metadata(b"m".to_vec().into());
    let joined = client.ask(3, &join("g5", "", b"m").with_protocols(vec![protocol]).with_protocol_type(text(&long)));
    client.ask(3, &sync("g5", &joined, b"a"));
    bystander.notices_nothing();

    for group_id in [&long, "g6"] {
        let partition = OffsetCommitRequestPartition::default().with_committed_offset(1).with_committed_metadata(Some(text(&long)));
        let topic = OffsetCommitRequestTopic::default().with_name(TopicName(text(&long))).with_partitions(vec![partition]);
        let commit = OffsetCommitRequest::default().with_group_id(group(group_id)).with_generation_id_or_member_epoch(-1);
        let answer = client.ask(8, &commit.with_topics(vec![topic]));
        assert_ne!(answer.topics[0].partitions[0].error_code, 0);
        bystander.notices_nothing();
    }

    let beat = |group_id: &str, member_id: &str| {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group(group_id))
            .with_member_id(text(member_id))
            .with_rebalance_timeout_ms(5_000)
            .with_subscribed_topic_names(Some(vec![TopicName(text(&long))]))
            .with_topic_partitions(Some(Vec::new()))
    };
    for request in [
        beat(&long, "m"),
        beat("g7", &long),
        beat("g8", "m").with_instance_id(Some(text(&long))),
        beat("g9", "m").with_rack_id(Some(text(&long))),
        beat("g10", "m").with_server_assignor(Some(text(&long))),
        beat("g11", "m").with_subscribed_topic_names(None).with_subscribed_topic_regex(Some(text(&long))),
    ] {
        client.ask(1, &request);
        bystander.notices_nothing();
    }
    kit.connect().named(&long).ask(1, &beat("g12", "m"));
    bystander.noticed_nothing();
}

#[test]
fn metadata_that_is_no_subscription_is_kept_as_it_is_and_only_that() {
    let kit = Kit::with(ONE_SHARD);
    let mut bystander = Bystander::of(&kit);
    let mut client = kit.connect();
    let blobs: [&[u8]; 5] = [b"", b"\0", b"\0\0\x7f\xff\xff\xff", b"\0\x01\0\0\0\x01\xff\xff", &[0xff; 300]];
    for (at, blob) in blobs.into_iter().enumerate() {
        let id = format!("blob-{at}");
        let joined = client.ask(3, &join(&id, "", blob));
        assert_eq!(error(joined.error_code), None, "{at}");
        assert_eq!(joined.members[0].metadata[..], *blob, "the leader sees what was sent");
        let synced = client.ask(3, &sync(&id, &joined, blob));
        assert_eq!(synced.assignment[..], *blob);
        let described = client.ask(5, &DescribeGroupsRequest::default().with_groups(vec![group(&id)]));
        assert_eq!(described.groups[0].group_state.as_str(), "Stable");
        assert_eq!(described.groups[0].members[0].member_metadata[..], *blob);
        assert_eq!(described.groups[0].members[0].member_assignment[..], *blob);
        // Somebody with the new protocol comes to a group whose subscriptions cannot be read.
        let beat = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group(&id))
            .with_member_id(text("m"))
            .with_rebalance_timeout_ms(5_000)
            .with_subscribed_topic_names(Some(vec![TopicName(text("t"))]))
            .with_topic_partitions(Some(Vec::new()));
        client.ask(1, &beat);
        bystander.notices_nothing();
        let leave = LeaveGroupRequest::default().with_group_id(group(&id)).with_member_id(joined.member_id.clone());
        client.ask(2, &leave);
        bystander.notices_nothing();
    }
    bystander.noticed_nothing();
}

#[test]
fn a_regular_expression_that_is_none_or_explodes_is_refused() {
    let kit = Kit::with(ONE_SHARD);
    let mut bystander = Bystander::of(&kit);
    let mut client = kit.connect();
    for (at, regex) in ["(", "[a", "a{2,1}", "\\", "(?P<n", "(?=a)", "(a)\\1", "((((a{1000}){1000}){1000}){1000})"].into_iter().enumerate()
    {
        let beat = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group("regex"))
            .with_member_id(text(&format!("m{at}")))
            .with_rebalance_timeout_ms(5_000)
            .with_subscribed_topic_regex(Some(text(regex)))
            .with_topic_partitions(Some(Vec::new()));
        let answer = client.ask(1, &beat);
        assert_eq!(error(answer.error_code), Some(ResponseError::InvalidRegularExpression), "{regex}");
        assert!(answer.error_message.is_some(), "{regex}");
        bystander.notices_nothing();
    }
    bystander.noticed_nothing();
}
