//! Offsets and groups that nobody needs any more.

use super::*;

const RETENTION_MS: i64 = 1_000_000_000;
const INTERVAL_MS: i64 = 600_000;

fn shard() -> GroupShard {
    let settings = GroupSettings {
        offsets_retention_ms: RETENTION_MS,
        offsets_retention_check_interval_ms: INTERVAL_MS,
        // Members are not what these stories are about.
        ..GroupSettings::default()
    };
    GroupShard::new(Arc::new(settings), Arc::default())
}

/// Looks for expired offsets at `now`; the number of records.
fn look(shard: &mut GroupShard, now: Millis) -> usize {
    let GroupShard { hard, soft } = shard;
    let mut count = 0;
    let mut at = now;
    loop {
        let effects = super::super::expire::handle(hard, soft, at);
        assert!(effects.records.len() <= 1_000 + 1, "bounded, but for the records of one group");
        count += effects.records.len();
        for record in &effects.records {
            hard.replay(&through_bytes(record));
        }
        let next = soft.timers.next_deadline().expect("the timer is armed again");
        if soft.offsets.expired_to.is_none() && next != Millis(at.0 + 1) {
            return count;
        }
        at = Millis(at.0 + 1);
    }
}

fn after(ms: i64) -> Millis {
    Millis(NOW.0 + ms)
}

#[test]
fn offsets_of_a_simple_group_expire_after_the_retention_since_their_commit() {
    let mut shard = shard();
    commit_errors(&mut shard, &CLIENT, &commit("simple", &[("orders", 0, 42)]));
    assert_eq!(look(&mut shard, after(RETENTION_MS - 1)), 0);
    assert_eq!(offset_of(&mut shard, "simple", "orders", 0), 42);
    assert_eq!(look(&mut shard, after(RETENTION_MS)), 2, "the offset and the group");
    assert_eq!(state_of(&mut shard, "simple"), None);
}

#[test]
fn offsets_of_a_group_that_had_members_expire_after_the_retention_since_it_is_empty() {
    let mut shard = shard();
    empty_group(&mut shard, "classic");
    let mut record = commit_record("classic", "orders", NOW.0 - RETENTION_MS);
    replay(&mut shard, std::slice::from_ref(&record));
    assert_eq!(look(&mut shard, after(RETENTION_MS - 1)), 0, "old, but the group was emptied at NOW");
    assert_eq!(look(&mut shard, after(RETENTION_MS)), 2);
    assert_eq!(state_of(&mut shard, "classic"), None);
    // A record of an old log does not say since when the group is empty.
    let value = GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 5,
        protocol: None,
        leader: None,
        current_state_timestamp_ms: -1,
        members: Vec::new(),
    };
    replay(&mut shard, &[GroupRecord::GroupMetadata { group: "old".into(), value: Some(value) }]);
    shard.on_loaded(NOW);
    record = commit_record("old", "orders", NOW.0 - RETENTION_MS);
    replay(&mut shard, &[record]);
    assert_eq!(look(&mut shard, NOW), 2);
}

fn commit_record(group: &str, topic: &str, commit_timestamp_ms: i64) -> GroupRecord {
    let value = OffsetCommitValue {
        offset: 42,
        leader_epoch: -1,
        metadata: "".into(),
        commit_timestamp_ms,
        expire_timestamp_ms: -1,
        topic_id: TopicId(ORDERS),
    };
    GroupRecord::OffsetCommit { group: group.into(), topic: topic.into(), partition: 0, value: Some(value) }
}

#[test]
fn a_group_with_members_keeps_what_they_read_and_loses_the_rest() {
    let mut shard = shard();
    stable_group(&mut shard, "classic", "consumer", subscription(&["orders"]));
    consumer_group(&mut shard, "consumer");
    for group in ["classic", "consumer"] {
        replay(&mut shard, &[commit_record(group, "orders", NOW.0), commit_record(group, "others", NOW.0)]);
    }
    assert_eq!(look(&mut shard, after(RETENTION_MS)), 2);
    for group in ["classic", "consumer"] {
        assert_eq!((offset_of(&mut shard, group, "orders", 0), offset_of(&mut shard, group, "others", 0)), (42, -1), "{group}");
        assert_eq!(state_of(&mut shard, group).as_deref(), Some("Stable"));
    }
}

#[test]
fn a_group_whose_members_cannot_be_asked_for_their_topics_keeps_everything() {
    let mut shard = shard();
    stable_group(&mut shard, "connect", "connect", Bytes::from_static(b"opaque"));
    stable_group(&mut shard, "damaged", "consumer", Bytes::from_static(b"?"));
    replay(&mut shard, &[commit_record("connect", "orders", NOW.0), commit_record("damaged", "orders", NOW.0)]);
    assert_eq!(look(&mut shard, after(RETENTION_MS)), 0);
}

#[test]
fn an_empty_consumer_group_goes_with_its_last_offset() {
    let mut shard = shard();
    empty_consumer_group(&mut shard, "consumer");
    replay(&mut shard, &[commit_record("consumer", "orders", NOW.0)]);
    assert_eq!(look(&mut shard, after(RETENTION_MS - 1)), 0);
    assert!(look(&mut shard, after(RETENTION_MS)) > 1);
    assert_eq!(state_of(&mut shard, "consumer"), None);
    assert!(shard.same_hard_state(&super::shard()));
}

#[test]
fn an_expiry_of_its_own_counts_instead_of_the_retention() {
    let mut shard = shard();
    let own = commit("simple", &[("orders", 0, 42)]).with_retention_time_ms(5_000);
    commit_errors(&mut shard, &CLIENT, &own);
    commit_errors(&mut shard, &CLIENT, &commit("simple", &[("orders", 1, 43)]));
    assert_eq!(look(&mut shard, after(4_999)), 0);
    assert_eq!(look(&mut shard, after(5_000)), 1);
    assert_eq!((offset_of(&mut shard, "simple", "orders", 0), offset_of(&mut shard, "simple", "orders", 1)), (-1, 43));
}

#[test]
fn a_pending_offset_keeps_the_committed_one_and_the_group() {
    let mut shard = shard();
    replay(&mut shard, &[commit_record("simple", "orders", NOW.0)]);
    shard.replay_transactional(4, &commit_record("simple", "orders", NOW.0));
    shard.replay_transactional(4, &commit_record("only", "orders", NOW.0));
    assert_eq!(look(&mut shard, after(RETENTION_MS)), 0);
    shard.replay_marker(4, false);
    assert_eq!(look(&mut shard, after(RETENTION_MS)), 2);
}

#[test]
fn a_group_without_anything_goes_at_the_next_look() {
    let mut shard = shard();
    empty_group(&mut shard, "classic");
    assert_eq!(look(&mut shard, after(1)), 1);
    assert_eq!(state_of(&mut shard, "classic"), None);
    assert!(shard.same_hard_state(&super::shard()));
}

#[test]
fn a_group_with_members_stays_without_offsets() {
    let mut shard = shard();
    stable_group(&mut shard, "classic", "consumer", subscription(&["orders"]));
    consumer_group(&mut shard, "consumer");
    assert_eq!(look(&mut shard, after(RETENTION_MS)), 0);
}

#[test]
fn a_round_is_cut_into_calls_and_misses_nobody() {
    let mut shard = shard();
    let offsets: Vec<_> = (0..1_500).map(|partition| ("orders", partition, 1)).collect();
    for group in ["a", "b", "c"] {
        commit_errors(&mut shard, &CLIENT, &commit(group, &offsets));
    }
    assert_eq!(look(&mut shard, after(RETENTION_MS)), 3 * 1_501);
    assert!(shard.same_hard_state(&super::shard()));
}

#[test]
fn offsets_with_long_names_go_in_smaller_batches() {
    let mut shard = shard();
    let offsets: Vec<_> = (0..20).map(|partition| ("orders", partition, 1)).collect();
    for group in ["a", "b"] {
        commit_errors(&mut shard, &CLIENT, &commit(&group.repeat(32_767), &offsets));
    }
    let effects = super::super::expire::handle(&shard.hard, &mut shard.soft, after(RETENTION_MS));
    assert_eq!(effects.records.len(), 8, "a quarter of a megabyte");
    assert_eq!(look(&mut shard, after(RETENTION_MS)), 2 * 21);
}

#[test]
fn the_look_comes_round_by_itself() {
    let mut shard = shard();
    shard.on_loaded(NOW);
    commit_errors(&mut shard, &CLIENT, &commit("simple", &[("orders", 0, 42)]));
    assert_eq!(shard.next_deadline(), Some(after(INTERVAL_MS)));
    shard.handle_timeout(after(INTERVAL_MS));
    assert_eq!(shard.next_deadline(), Some(after(2 * INTERVAL_MS)));
}
