//! OffsetCommit.

use super::*;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;

#[test]
fn a_consumer_that_assigns_partitions_itself_commits_and_fetches() {
    let mut shard = shard();
    assert_eq!(commit_errors(&mut shard, &CLIENT, &commit("simple", &[("orders", 0, 42), ("orders", 1, 7)])), [0, 0]);
    let (error, offsets) = fetched(&mut shard, &fetch("simple", &[("orders", 1), ("orders", 0)]), false);
    assert_eq!((error, offsets), (0, vec![("orders".to_owned(), 1, 7, 0), ("orders".to_owned(), 0, 42, 0)]));
}

#[test]
fn a_member_of_a_group_that_does_not_exist_is_told_so_by_version() {
    let mut shard = shard();
    let request = by(commit("gone", &[("orders", 0, 42)]), "member", 5);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &request), [GROUP_ID_NOT_FOUND]);
    let old = Caller { api_version: 8, ..CLIENT };
    assert_eq!(commit_errors(&mut shard, &old, &request), [ILLEGAL_GENERATION]);
    commit_errors(&mut shard, &CLIENT, &commit("gone", &[("orders", 0, 42)]));
    assert_eq!(commit_errors(&mut shard, &old, &request), [UNKNOWN_MEMBER_ID], "of a group without members");
}

#[test]
fn a_record_keeps_metadata_leader_epoch_timestamp_and_topic_id() {
    let mut shard = shard();
    let mut request = commit("kept", &[("orders", 0, 42)]);
    let partition = &mut request.topics[0].partitions[0];
    partition.committed_leader_epoch = 9;
    partition.committed_metadata = Some(text("where I was"));
    let effects = shard.offset_commit(NOW, Ticket(7), &CLIENT, &request);
    let value = OffsetCommitValue {
        offset: 42,
        leader_epoch: 9,
        metadata: "where I was".into(),
        commit_timestamp_ms: NOW.0,
        expire_timestamp_ms: -1,
        topic_id: TopicId(ORDERS),
    };
    let record = GroupRecord::OffsetCommit { group: "kept".into(), topic: "orders".into(), partition: 0, value: Some(value) };
    assert_eq!(effects.records, [record]);
    settle(&mut shard, effects);
    let effects = shard.offset_fetch(NOW, Ticket(7), &fetch("kept", &[("orders", 0)]), false);
    let GroupReply::OffsetFetch(group) = settle(&mut shard, effects) else { panic!("an OffsetFetch") };
    let partition = &group.topics[0].partitions[0];
    assert_eq!((partition.committed_leader_epoch, partition.metadata.as_deref()), (9, Some("where I was")));
}

#[test]
fn a_retention_time_of_its_own_becomes_an_expiry() {
    let mut shard = shard();
    let effects = shard.offset_commit(NOW, Ticket(7), &CLIENT, &commit("short", &[("orders", 0, 42)]).with_retention_time_ms(500));
    settle(&mut shard, effects);
    let (_, offset) = shard.committed_offsets().next().expect("one offset");
    assert_eq!((offset.offset, offset.expire_timestamp_ms), (42, Some(NOW.0 + 500)));
}

#[test]
fn metadata_that_is_too_large_fails_its_partition_only() {
    let mut shard = shard();
    let mut request = commit("large", &[("orders", 0, 42), ("orders", 1, 43), ("orders", 2, 44)]);
    request.topics[0].partitions[0].committed_metadata = Some(text(&"x".repeat(4_097)));
    request.topics[1].partitions[0].committed_metadata = Some(text(&"\u{e9}".repeat(4_096)));
    assert_eq!(commit_errors(&mut shard, &CLIENT, &request), [12, 0, 0], "characters are counted, not bytes");
    let (_, offsets) = fetched(&mut shard, &fetch("large", &[("orders", 0), ("orders", 1)]), false);
    assert_eq!(offsets.iter().map(|offset| offset.2).collect::<Vec<_>>(), [-1, 43]);
}

#[test]
fn a_classic_group_takes_commits_of_its_members_and_their_generation() {
    let mut shard = shard();
    stable_group(&mut shard, "classic", "consumer", subscription(&["orders"]));
    let request = || commit("classic", &[("orders", 0, 42), ("orders", 1, 43)]);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &by(request(), "member", 5)), [0, 0]);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &by(request(), "stranger", 5)), [UNKNOWN_MEMBER_ID; 2]);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &by(request(), "member", 4)), [ILLEGAL_GENERATION; 2]);
    let fenced = by(request(), "older", 5).with_group_instance_id(Some(text("instance")));
    assert_eq!(commit_errors(&mut shard, &CLIENT, &fenced), [82, 82], "FENCED_INSTANCE_ID");
    assert_eq!(commit_errors(&mut shard, &CLIENT, &request()), [UNKNOWN_MEMBER_ID; 2], "a tool commits when nobody is there");
    assert_eq!(offset_of(&mut shard, "classic", "orders", 1), 43);
}

#[test]
fn a_tool_commits_for_an_empty_group() {
    let mut shard = shard();
    empty_group(&mut shard, "classic");
    empty_consumer_group(&mut shard, "consumer");
    assert_eq!(commit_errors(&mut shard, &CLIENT, &commit("classic", &[("orders", 0, 42)])), [0]);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &commit("consumer", &[("orders", 0, 42)])), [0]);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &by(commit("classic", &[("orders", 0, 42)]), "member", 5)), [UNKNOWN_MEMBER_ID]);
}

#[test]
fn a_commit_keeps_a_classic_member_alive() {
    let mut shard = shard();
    stable_group(&mut shard, "classic", "consumer", subscription(&["orders"]));
    let request = by(commit("classic", &[("orders", 0, 42)]), "member", 5);
    let later = Millis(NOW.0 + 9_000);
    shard.offset_commit(later, Ticket(7), &CLIENT, &request);
    assert_eq!(shard.next_deadline(), Some(Millis(later.0 + 10_000)));
}

#[test]
fn a_consumer_group_takes_commits_at_its_epoch_or_for_what_the_member_had_by_then() {
    let mut shard = shard();
    consumer_group(&mut shard, "consumer");
    let request = |partition| commit("consumer", &[("orders", partition, 42)]);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &by(request(7), "member", 5)), [0], "any partition at the epoch");
    assert_eq!(commit_errors(&mut shard, &CLIENT, &by(request(0), "member", 6)), [113], "STALE_MEMBER_EPOCH of a newer epoch");
    assert_eq!(commit_errors(&mut shard, &CLIENT, &by(request(0), "member", 3)), [0], "it has had the partition since 3");
    assert_eq!(commit_errors(&mut shard, &CLIENT, &by(request(0), "member", 2)), [113]);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &by(request(7), "member", 3)), [113], "never had it");
    assert_eq!(commit_errors(&mut shard, &CLIENT, &by(request(0), "stranger", 5)), [UNKNOWN_MEMBER_ID]);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &request(0)), [UNKNOWN_MEMBER_ID], "a tool, while there is a member");
    let old = Caller { api_version: 8, ..CLIENT };
    assert_eq!(commit_errors(&mut shard, &old, &by(request(0), "member", 5)), [35], "UNSUPPORTED_VERSION");
}

#[test]
fn one_partition_with_a_stale_epoch_fails_the_whole_commit() {
    let mut shard = shard();
    consumer_group(&mut shard, "consumer");
    let request = by(commit("consumer", &[("orders", 0, 42), ("orders", 7, 43)]), "member", 3);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &request), [113, 113]);
    assert_eq!(offset_of(&mut shard, "consumer", "orders", 0), -1);
}

#[test]
fn a_member_that_waits_for_its_assignment_is_told_of_the_rebalance() {
    let settings = GroupSettings { initial_rebalance_delay_ms: 0, ..GroupSettings::default() };
    let mut shard = GroupShard::new(Arc::new(settings), Arc::default());
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(subscription(&["orders"]));
    let join = JoinGroupRequest::default()
        .with_group_id(text("classic").into())
        .with_protocol_type(text("consumer"))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocols(vec![protocol]);
    let mut effects = shard.join_group(NOW, Ticket(7), &Caller { api_version: 3, ..CLIENT }, &join);
    if effects.replies.is_empty() {
        effects = shard.handle_timeout(NOW);
    }
    let GroupReply::JoinGroup(joined) = settle(&mut shard, effects) else { panic!("a JoinGroup") };
    let request = by(commit("classic", &[("orders", 0, 42)]), &joined.member_id, joined.generation_id);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &request), [27], "REBALANCE_IN_PROGRESS");
    let older = by(commit("classic", &[("orders", 0, 42)]), &joined.member_id, joined.generation_id - 1);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &older), [ILLEGAL_GENERATION], "comes first");
}

#[test]
fn a_commit_that_would_not_fit_into_a_batch_is_refused_and_nothing_is_lost() {
    let mut shard = shard();
    let offsets: Vec<_> = (0..100).map(|partition| ("orders", partition, 1)).collect();
    let long = "g".repeat(32_767);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &commit(&long, &offsets)), [-1; 100], "UNKNOWN_SERVER_ERROR");
    assert_eq!(state_of(&mut shard, &long), None);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &commit(&long, &offsets[..31])), [0; 31]);
    assert_eq!(commit_errors(&mut shard, &CLIENT, &commit("short", &offsets)), [0; 100]);
}

#[test]
fn the_size_of_a_record_is_never_taken_for_less_than_it_is() {
    for value in [None, Some(("", -1)), Some(("text", -1)), Some(("text", 5))] {
        let value = value.map(|(metadata, expire_timestamp_ms)| OffsetCommitValue {
            offset: i64::MAX,
            leader_epoch: i32::MAX,
            metadata: metadata.into(),
            commit_timestamp_ms: i64::MAX,
            expire_timestamp_ms,
            topic_id: TopicId(ORDERS),
        });
        let record = GroupRecord::OffsetCommit { group: "group".into(), topic: "orders".into(), partition: i32::MAX, value };
        let (key, value) = record.encode().expect("encodable");
        // Attributes, timestamp delta, offset delta, header count; lengths of record, key and value.
        let in_batch = key.len() + value.map_or(0, |value| value.len()) + 1 + 1 + 5 + 1 + 3 + 3 + 3;
        let taken = super::super::size::of_record(&record);
        assert!((in_batch..in_batch + 24).contains(&taken), "{taken} for {in_batch}: {record:?}");
    }
}
