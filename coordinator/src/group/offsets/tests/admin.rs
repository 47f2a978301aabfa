//! ListGroups, DescribeGroups, ConsumerGroupDescribe, DeleteGroups.

use super::*;

/// A group of each kind.
fn shard_of_all_kinds() -> GroupShard {
    let mut shard = shard();
    stable_group(&mut shard, "classic", "connect", Bytes::from_static(b"metadata"));
    consumer_group(&mut shard, "consumer");
    empty_group(&mut shard, "empty");
    commit_errors(&mut shard, &CLIENT, &commit("simple", &[("orders", 0, 42)]));
    shard
}

fn list(shard: &mut GroupShard, states: &[&str], types: &[&str]) -> Vec<[String; 4]> {
    let filter = |names: &[&str]| names.iter().map(|name| text(name)).collect();
    let request = ListGroupsRequest::default().with_states_filter(filter(states)).with_types_filter(filter(types));
    let effects = shard.list_groups(Ticket(7), &request);
    let GroupReply::ListGroups(groups) = settle(shard, effects) else { panic!("a ListGroups") };
    let row =
        |group: &ListedGroup| [&*group.group_id.0, &*group.group_type, &*group.protocol_type, &*group.group_state].map(ToOwned::to_owned);
    groups.iter().map(row).collect()
}

fn ids(shard: &mut GroupShard, states: &[&str], types: &[&str]) -> Vec<String> {
    list(shard, states, types).into_iter().map(|[id, ..]| id).collect()
}

fn describe(shard: &mut GroupShard, api_version: i16, group: &str) -> DescribedGroup {
    let effects = shard.describe_group(Ticket(7), &Caller { api_version, ..CLIENT }, group);
    let GroupReply::DescribeGroup(described) = settle(shard, effects) else { panic!("a DescribeGroups") };
    described
}

fn delete(shard: &mut GroupShard, group: &str) -> (i16, Vec<GroupRecord>) {
    let effects = shard.delete_group(NOW, Ticket(7), group);
    let records = effects.records.clone();
    let GroupReply::DeleteGroup(result) = settle(shard, effects) else { panic!("a DeleteGroups") };
    assert_eq!(&*result.group_id.0, group);
    (result.error_code, records)
}

#[test]
fn every_kind_of_group_is_listed_with_type_protocol_and_state() {
    let listed = list(&mut shard_of_all_kinds(), &[], &[]);
    let expected = [
        ["classic", "classic", "connect", "Stable"],
        ["consumer", "consumer", "consumer", "Stable"],
        ["empty", "classic", "consumer", "Empty"],
        ["simple", "classic", "", "Empty"],
    ];
    assert_eq!(listed, expected.map(|row| row.map(str::to_owned)));
}

#[test]
fn filters_do_not_mind_case_and_unknown_names_match_nothing() {
    let mut shard = shard_of_all_kinds();
    assert_eq!(ids(&mut shard, &["sTaBLe "], &[]), ["classic", "consumer"]);
    assert_eq!(ids(&mut shard, &["Empty", "Stable"], &["CLASSIC"]), ["classic", "empty", "simple"]);
    assert_eq!(ids(&mut shard, &[], &["consumer"]), ["consumer"]);
    assert_eq!(ids(&mut shard, &["no such state"], &[]), [""; 0]);
    assert_eq!(ids(&mut shard, &[], &["share", "no such type"]), [""; 0]);
    assert_eq!(ids(&mut shard, &[], &["classic "]), [""; 0], "types are not trimmed");
}

#[test]
fn a_stable_group_is_described_with_its_members() {
    let described = describe(&mut shard_of_all_kinds(), 6, "classic");
    assert_eq!((described.error_code, &*described.group_state, &*described.protocol_type), (0, "Stable", "connect"));
    assert_eq!(&*described.protocol_data, "range");
    let member = &described.members[0];
    assert_eq!((&*member.member_id, member.group_instance_id.as_deref()), ("member", Some("instance")));
    assert_eq!((&*member.client_id, &*member.client_host), ("client", "/127.0.0.1"));
    assert_eq!((&*member.member_metadata, &*member.member_assignment), (&b"metadata"[..], &b"assigned"[..]));
}

#[test]
fn an_empty_group_is_described_without_protocol_data() {
    let mut shard = shard_of_all_kinds();
    for (group, protocol_type) in [("empty", "consumer"), ("simple", "")] {
        let described = describe(&mut shard, 6, group);
        assert_eq!((described.error_code, &*described.group_state, &*described.protocol_type), (0, "Empty", protocol_type));
        assert_eq!((&*described.protocol_data, described.members.len()), ("", 0));
    }
}

#[test]
fn what_is_no_classic_group_is_dead_and_from_v6_on_not_found() {
    let mut shard = shard_of_all_kinds();
    for (group, message) in [("unknown", "Group unknown not found."), ("consumer", "Group consumer is not a classic group.")] {
        let old = describe(&mut shard, 5, group);
        assert_eq!((old.error_code, &*old.group_state, old.error_message), (0, "Dead", None));
        let new = describe(&mut shard, 6, group);
        assert_eq!((new.error_code, &*new.group_state), (GROUP_ID_NOT_FOUND, "Dead"));
        assert_eq!(new.error_message.as_deref(), Some(message));
    }
}

#[test]
fn a_consumer_group_is_described_by_its_own_request() {
    let mut shard = shard_of_all_kinds();
    let mut describe = |group: &str| {
        let effects = shard.consumer_group_describe(Ticket(7), group);
        let GroupReply::ConsumerGroupDescribe(described) = settle(&mut shard, effects) else { panic!("a ConsumerGroupDescribe") };
        described
    };
    let found = describe("consumer");
    assert_eq!((found.error_code, &*found.group_state, found.group_epoch, found.assignment_epoch), (0, "Stable", 5, 5));
    assert_eq!(&*found.assignor_name, "uniform");
    let member = &found.members[0];
    assert_eq!((&*member.member_id, member.member_epoch, member.member_type), ("member", 5, 1));
    for (group, message) in [("unknown", "Group unknown not found."), ("classic", "Group classic is not a consumer group.")] {
        let refused = describe(group);
        assert_eq!((refused.error_code, refused.error_message.as_deref()), (GROUP_ID_NOT_FOUND, Some(message)));
    }
}

#[test]
fn groups_with_members_and_unknown_groups_are_not_deleted() {
    let mut shard = shard_of_all_kinds();
    assert_eq!(delete(&mut shard, "classic"), (68, vec![]), "NON_EMPTY_GROUP");
    assert_eq!(delete(&mut shard, "consumer"), (68, vec![]));
    assert_eq!(delete(&mut shard, "unknown"), (GROUP_ID_NOT_FOUND, vec![]));
}

#[test]
fn a_deleted_group_leaves_nothing() {
    let mut shard = shard();
    empty_group(&mut shard, "classic");
    empty_consumer_group(&mut shard, "consumer");
    for group in ["classic", "consumer", "simple"] {
        commit_errors(&mut shard, &CLIENT, &commit(group, &[("orders", 0, 42), ("orders", 1, 43)]));
        let pending = commit_records(&commit(group, &[("orders", 1, 50), ("others", 0, 51)]), &mut shard);
        pending.iter().for_each(|record| shard.replay_transactional(4, record));
        let (error, records) = delete(&mut shard, group);
        assert_eq!(error, 0);
        let offsets = records.iter().take_while(|record| matches!(record, GroupRecord::OffsetCommit { value: None, .. })).count();
        assert_eq!(offsets, 3, "one for each partition, then the group: {records:?}");
        assert_eq!(state_of(&mut shard, group), None);
    }
    shard.replay_marker(4, true);
    assert!(shard.same_hard_state(&super::shard()));
}

fn commit_records(request: &OffsetCommitRequest, shard: &mut GroupShard) -> Vec<GroupRecord> {
    shard.offset_commit(NOW, Ticket(7), &CLIENT, request).records
}

#[test]
fn a_deleted_group_has_no_timers() {
    let mut shard = shard();
    empty_group(&mut shard, "classic");
    let deadlines = shard.next_deadline();
    delete(&mut shard, "classic");
    assert_eq!(shard.next_deadline(), deadlines, "only the look for expired offsets");
}

#[test]
fn a_group_of_a_hundred_thousand_offsets_is_deleted_in_one_batch() {
    let mut shard = shard();
    let value = |offset| OffsetCommitValue {
        offset,
        leader_epoch: -1,
        metadata: "".into(),
        commit_timestamp_ms: NOW.0,
        expire_timestamp_ms: -1,
        topic_id: TopicId(ORDERS),
    };
    let record = |group: &str, partition| GroupRecord::OffsetCommit {
        group: group.into(),
        topic: "orders".into(),
        partition,
        value: Some(value(1)),
    };
    (0..100_000).for_each(|partition| shard.replay(&record("large", partition)));
    let long = "g".repeat(32_767);
    (0..3_300).for_each(|partition| shard.replay(&record(&long, partition)));
    assert_eq!(shard.delete_group(NOW, Ticket(7), "large").records.len(), 100_001);
    assert_eq!(delete(&mut shard, &long), (-1, vec![]), "more than a segment holds");
}
