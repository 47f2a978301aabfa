//! Rows 52 to 55 and 89: committed offsets, and what of a group a restart leaves.

use crate::kit::Kit;
use crate::kit::groups::{Member, assigned, balanced, commit_request, consumer_beat, consumer_join, error, owned, text, until};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{OffsetFetchRequest, offset_fetch_request::OffsetFetchRequestTopic};

const AT_ONCE: &str = "offsets.topic.num.partitions=1\ngroup.initial.rebalance.delay.ms=0";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn kit() -> Kit {
    let kit = Kit::with(AT_ONCE);
    let mut client = kit.connect();
    client.find_coordinator("g");
    client.create("t", 4, &[]);
    kit
}

#[test]
fn row_52_what_was_committed_is_what_is_fetched_after_a_kill_too() {
    let mut kit = kit();
    let mut client = kit.connect();
    let note = "überall ☃ \u{0}".repeat(100);
    assert_eq!(client.commit("g", "t", 0, 41, Some(&note)), None);
    assert_eq!(client.commit("g", "t", 1, 42, None), None);
    let mut with_epoch = commit_request("g", "t", 2, 43, Some(""));
    with_epoch.topics[0].partitions[0].committed_leader_epoch = 7;
    assert_eq!(error(client.ask(8, &with_epoch).topics[0].partitions[0].error_code), None);
    assert_eq!(client.commit("g", "t", 4, 1, None), Some(ResponseError::UnknownTopicOrPartition));
    assert_eq!(client.commit("g", "nowhere", 0, 1, None), Some(ResponseError::UnknownTopicOrPartition));
    for killed in [false, true] {
        if killed {
            kit.kill_and_restart();
            client = kit.connect();
            client.find_coordinator("g");
        }
        let mut seen = |partition| {
            let row = client.committed("g", "t", partition);
            assert_eq!(row.error_code, 0);
            (row.committed_offset, row.committed_leader_epoch, row.metadata)
        };
        assert_eq!(seen(0), (41, -1, Some(text(&note))), "killed: {killed}");
        assert_eq!(seen(1), (42, -1, Some(text(""))));
        assert_eq!(seen(2), (43, 7, Some(text(""))));
        assert_eq!(seen(3), (-1, -1, Some(text(""))));
    }
}

#[test]
fn row_52_nobody_commits_for_a_group_that_has_members() {
    let kit = kit();
    let mut client = kit.connect();
    let mut member = Member::of(&kit, "g").alone();
    assert_eq!(client.commit("g", "t", 0, 1, None), Some(ResponseError::UnknownMemberId));
    assert_eq!(member.commit("t", 0, 5), None);
    assert_eq!(member.leave(), None);
    assert_eq!(client.commit("g", "t", 0, 1, None), None, "an administrator resets an empty group");
    assert_eq!(client.committed("g", "t", 0).committed_offset, 1);
}

#[test]
fn row_53_and_89_nothing_committed_is_no_error() {
    let kit = kit();
    let mut client = kit.connect();
    client.commit("g", "t", 0, 1, None);
    for (group, topic) in [("g", "t"), ("g", "nowhere"), ("nobody", "t"), ("nobody", "nowhere")] {
        let row = client.committed(group, topic, 3);
        assert_eq!((row.error_code, row.committed_offset, row.metadata), (0, -1, Some(text(""))), "{group} {topic}");
    }
}

#[test]
fn row_53_an_error_of_the_group_is_no_empty_list() {
    // No coordinator was asked for yet.
    let kit = Kit::with(AT_ONCE);
    let mut client = kit.connect();
    let topic = OffsetFetchRequestTopic::default().with_name(crate::kit::name("t")).with_partition_indexes(vec![0, 1]);
    let request = OffsetFetchRequest::default().with_group_id(crate::kit::groups::group_id("g")).with_topics(Some(vec![topic]));
    let not_here = ResponseError::NotCoordinator.code();
    let first = client.ask(1, &request);
    let rows: Vec<_> = first.topics[0].partitions.iter().map(|row| (row.partition_index, row.committed_offset, row.error_code)).collect();
    assert_eq!(rows, [(0, -1, not_here), (1, -1, not_here)], "v1 has no other place for it");
    for version in 2..=7 {
        assert_eq!(client.ask(version, &request).error_code, not_here, "v{version}");
    }
}

#[test]
fn row_54_offsets_are_kept_for_seven_days_after_the_group_became_empty() {
    let kit = kit();
    let mut client = kit.connect();
    let mut member = Member::of(&kit, "g").alone();
    assert_eq!(member.commit("t", 0, 7), None);
    // The member lives for five days.
    for _ in 0..5 * 24 * 60 * 3 {
        kit.clock.advance(20_000);
        assert_eq!(member.heartbeat(), None);
    }
    assert_eq!(member.leave(), None);
    // What says itself how long it is kept: when it is gone, the shard has looked for expired offsets.
    let short = commit_request("short", "t", 0, 8, None).with_retention_time_ms(2 * DAY_MS);
    assert_eq!(error(client.ask(4, &short).topics[0].partitions[0].error_code), None);
    kit.clock.advance(3 * DAY_MS);
    until(|| client.committed("short", "t", 0).committed_offset, |offset| *offset == -1);
    assert_eq!(client.committed("g", "t", 0).committed_offset, 7, "eight days old, and the group empty for three");
    let short = short.with_retention_time_ms(DAY_MS);
    assert_eq!(error(client.ask(4, &short).topics[0].partitions[0].error_code), None);
    kit.clock.advance(4 * DAY_MS - 3_600_000);
    until(|| client.committed("short", "t", 0).committed_offset, |offset| *offset == -1);
    assert_eq!(client.committed("g", "t", 0).committed_offset, 7, "an hour is left");
    kit.clock.advance(3_600_000 + 600_000);
    until(|| client.committed("g", "t", 0).committed_offset, |offset| *offset == -1);
    assert_eq!(client.describe_group("g").group_state.as_str(), "Dead", "nothing is left of it");
}

#[test]
fn row_54_offsets_of_a_deleted_topic_go_with_it() {
    let kit = kit();
    let mut client = kit.connect();
    client.create("gone", 1, &[]);
    assert_eq!((client.commit("g", "gone", 0, 5, None), client.commit("g", "t", 0, 6, None)), (None, None));
    client.delete("gone");
    client.create("gone", 1, &[]);
    until(|| client.committed("g", "gone", 0).committed_offset, |offset| *offset == -1);
    assert_eq!(client.committed("g", "t", 0).committed_offset, 6);
}

#[test]
fn row_55_offsets_are_readable_as_apache_kafka_writes_them() {
    let kit = kit();
    let mut client = kit.connect();
    let id = client.describe("t").topic_id;
    assert_eq!(client.commit("g", "t", 3, 99, Some("note")), None);
    let record = client.read("__consumer_offsets", 0).pop().expect("the commit");
    // OffsetCommitKey v1: group, topic, partition; OffsetCommitValue v4: offset, leader epoch, metadata, commit timestamp, topic id.
    assert_eq!(record.key.as_deref(), Some(&b"\0\x01\0\x01g\0\x01t\0\0\0\x03"[..]));
    let mut value = b"\0\x04\0\0\0\0\0\0\0\x63\xff\xff\xff\xff\x05note".to_vec();
    value.extend(kit.clock.now_ms().to_be_bytes());
    value.extend(b"\x01\0\x10");
    value.extend(id.as_bytes());
    assert_eq!(record.value, value);
}

#[test]
fn row_55_whoever_names_the_topic_of_offsets_finds_it() {
    let kit = Kit::with("offsets.topic.num.partitions=7\nnum.partitions=2\ngroup.initial.rebalance.delay.ms=0");
    let mut client = kit.connect();
    assert_eq!(error(client.describe("__consumer_offsets").error_code), Some(ResponseError::UnknownTopicOrPartition));
    let topic = client.metadata(&["__consumer_offsets"], true).topics.remove(0);
    assert_eq!((error(topic.error_code), topic.partitions.len(), topic.is_internal), (None, 7, true), "not the broker's defaults");
    Member::of(&kit, "g").alone();
}

#[test]
fn a_classic_group_goes_on_after_a_kill() {
    let mut kit = kit();
    let mut members = balanced(vec![Member::of(&kit, "g"), Member::of(&kit, "g").instance("i"), Member::of(&kit, "g")]);
    assert_eq!(members[2].commit("t", 0, 11), None);
    kit.kill_and_restart();
    kit.connect().find_coordinator("g");
    members.iter_mut().for_each(|member| member.client = kit.connect());
    for member in &mut members {
        assert_eq!(member.heartbeat(), None, "no rebalance");
        assert_eq!(member.sync(&[]).assignment[..], *member.id.clone().as_bytes(), "the same assignment");
    }
    assert_eq!(members[2].commit("t", 0, 12), None);
    assert_eq!(members[0].client.committed("g", "t", 0).committed_offset, 12);
    // And it can still rebalance.
    assert_eq!(members[2].leave(), None);
    let again = members[0].send_join();
    until(|| members[1].heartbeat(), |error| *error == Some(ResponseError::RebalanceInProgress));
    members[1].join();
    assert_eq!(members[0].receive_join(again).members.len(), 2);
}

#[test]
fn a_consumer_group_goes_on_after_a_kill() {
    let mut kit = kit();
    let mut client = kit.connect();
    let joined = client.ask(1, &consumer_join("g", "m", &["t"]));
    let (epoch, rows) = (joined.member_epoch, assigned(&joined).expect("an assignment"));
    assert_eq!((error(joined.error_code), rows[0].1.as_slice()), (None, &[0, 1, 2, 3][..]));
    let beat = consumer_beat("g", "m", epoch);
    assert_eq!(error(client.ask(1, &beat.clone().with_topic_partitions(owned(&rows))).error_code), None);
    let commit = commit_request("g", "t", 0, 11, None).with_member_id(text("m")).with_generation_id_or_member_epoch(epoch);
    assert_eq!(error(client.ask(9, &commit).topics[0].partitions[0].error_code), None);
    kit.kill_and_restart();
    let mut client = kit.connect();
    client.find_coordinator("g");
    let answer = client.ask(1, &beat.with_topic_partitions(owned(&rows)));
    assert_eq!((error(answer.error_code), answer.member_epoch), (None, epoch), "{:?}", answer.error_message);
    assert_eq!(client.committed("g", "t", 0).committed_offset, 11);
}
