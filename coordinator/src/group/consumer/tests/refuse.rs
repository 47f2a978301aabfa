//! What a heartbeat is refused with, and in which order.

use super::*;

fn error(code: i16, text: &str) -> (i16, String) {
    (code, text.to_owned())
}

#[test]
fn requests_that_make_no_sense_are_refused_before_the_group_is_looked_at() {
    let mut bed = Bed::new();
    let good = || join("m1", &["orders"]);
    let cases = [
        (good().with_member_id(text(" ")), "MemberId can't be empty."),
        (good().with_member_id(text("")).with_group_id(text("").into()), "MemberId can't be empty."),
        (good().with_group_id(text("\t").into()), "GroupId can't be empty."),
        (good().with_instance_id(Some(text(""))), "InstanceId can't be empty."),
        (good().with_rack_id(Some(text("  "))), "RackId can't be empty."),
        (good().with_rebalance_timeout_ms(-1), "RebalanceTimeoutMs must be provided in first request."),
        (good().with_topic_partitions(None), "TopicPartitions must be empty when (re-)joining."),
        (good().with_topic_partitions(Some(vec![TopicPartitions::default()])), "TopicPartitions must be empty when (re-)joining."),
        (
            good().with_subscribed_topic_names(None),
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        (beat("m1", -2), "InstanceId can't be null."),
        (beat("m1", -3), "MemberEpoch is invalid."),
    ];
    for (request, expected) in cases {
        assert_eq!(bed.refused(&request), error(42, expected));
    }
    assert_eq!(bed.state(), ConsumerGroupState::Dead);
}

#[test]
fn version_0_needs_a_member_id_only_where_there_must_be_one() {
    let mut bed = Bed::new();
    bed.api_version = 0;
    assert_eq!(bed.refused(&beat("", 1)), error(42, "MemberId can't be empty."));
    assert_eq!(bed.refused(&beat("", -1)), error(42, "MemberId can't be empty."));
    bed.accepted(&join("", &[]));
}

#[test]
fn an_assignor_must_be_one_of_the_brokers() {
    let mut bed = Bed::new();
    let request = join("m1", &[]).with_server_assignor(Some(text("sticky")));
    let expected = error(112, "ServerAssignor sticky is not supported. Supported assignors: uniform, range.");
    assert_eq!(bed.refused(&request), expected);
    let mut bed = Bed::with(|settings| settings.consumer_assignors = vec!["range".to_owned()]);
    assert_eq!(bed.refused(&join("m1", &[]).with_server_assignor(Some(text("uniform")))).0, 112);
}

#[test]
fn without_the_protocol_nothing_is_supported() {
    let mut bed = Bed::with(|settings| settings.consumer_protocol_enabled = false);
    assert_eq!(bed.refused(&join("", &["orders"])), error(35, ""));
}

#[test]
fn a_group_and_a_member_must_be_there_unless_the_request_joins() {
    let mut bed = Bed::new();
    assert_eq!(bed.refused(&beat("m1", 1)), error(69, "Consumer group group not found."));
    bed.accepted(&join("m1", &[]));
    assert_eq!(bed.refused(&beat("m2", 1)), error(25, "Member m2 is not a member of group group."));
}

#[test]
fn a_full_group_takes_only_those_who_are_in() {
    let mut bed = Bed::with(|settings| settings.consumer_max_size = 1);
    bed.accepted(&join("m1", &[]));
    let full = error(81, "The consumer group has reached its maximum capacity of 1 members.");
    assert_eq!(bed.refused(&join("m2", &[])), full);
    assert_eq!(bed.refused(&beat("m2", 5)), full, "size comes before membership");
    bed.accepted(&join("m1", &[]));
    bed.api_version = 0;
    assert_eq!(bed.refused(&join("", &[])), full);
}

#[test]
fn a_wrong_epoch_is_fenced_unless_an_answer_may_have_been_lost() {
    let mut bed = Bed::with(|settings| settings.consumer_assignment_interval_ms = 0);
    bed.create_topic("orders", 2);
    bed.accepted(&join("m1", &["orders"]));
    bed.add_partition("orders", 2);
    assert_eq!(bed.accepted(&beat("m1", 2)).member_epoch, 3);
    let fenced = |relation: &str, epoch: i32| {
        let text = format!(
            "The consumer group member has a {relation} member epoch ({epoch}) than the one known by the group coordinator (3). The \
             member must abandon all its partitions and rejoin."
        );
        (110, text)
    };
    assert_eq!(bed.refused(&owning("m1", 4, &[])), fenced("greater", 4));
    assert_eq!(bed.refused(&owning("m1", 1, &[])), fenced("smaller", 1));
    assert_eq!(bed.refused(&beat("m1", 2)), fenced("smaller", 2), "it does not say what it holds");
    assert_eq!(bed.refused(&owning("m1", 2, &[("orders", &[0, 3])])), fenced("smaller", 2), "it holds what it must not");
    assert_eq!(bed.refused(&owning("m1", 2, &[("other", &[])])), fenced("smaller", 2));
    let response = bed.accepted(&owning("m1", 2, &[("orders", &[0, 1])]));
    assert_eq!(response.member_epoch, 3, "it missed an answer");
    assert_eq!(bed.accepted(&join("m1", &["orders"])).member_epoch, 3, "epoch 0 is never wrong");
}

#[test]
fn an_empty_classic_group_gives_way() {
    let mut bed = Bed::new();
    let value = GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 4,
        protocol: None,
        leader: None,
        current_state_timestamp_ms: 1,
        members: Vec::new(),
    };
    bed.append(&GroupRecord::GroupMetadata { group: GROUP.into(), value: Some(value) });
    bed.reload();
    assert_eq!(bed.refused(&beat("m1", 1)), error(69, "Group group is not a consumer group."));
    assert_eq!(bed.refused(&beat("m1", -1)), error(69, "Group group is not a consumer group."));
    bed.accepted(&join("m1", &[]));
    assert_eq!(bed.kinds(), ["no classic group", "member m1", "current m1"]);
    assert!(bed.shard.soft.classic.is_empty());
}

#[test]
fn a_group_that_only_has_offsets_gives_way_and_keeps_them() {
    let mut bed = Bed::new();
    let value = OffsetCommitValue {
        offset: 5,
        leader_epoch: -1,
        metadata: "".into(),
        commit_timestamp_ms: 1,
        expire_timestamp_ms: -1,
        topic_id: TopicId::default(),
    };
    bed.append(&GroupRecord::OffsetCommit { group: GROUP.into(), topic: "orders".into(), partition: 0, value: Some(value) });
    assert_eq!(bed.refused(&beat("m1", 1)), error(69, "Group group is not a consumer group."));
    bed.accepted(&join("m1", &[]));
    assert_eq!(bed.kinds(), ["no classic group", "member m1", "current m1"]);
    assert_eq!(bed.shard.committed_offsets().count(), 1);
}
