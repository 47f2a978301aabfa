//! TxnOffsetCommit, its records and their markers.

use super::*;
use kafka_protocol::messages::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};

const PRODUCER: i64 = 4;
const OTHER: i64 = 9;

fn request(group: &str, offset: i64) -> TxnOffsetCommitRequest {
    let partition = TxnOffsetCommitRequestPartition::default().with_partition_index(0).with_committed_offset(offset);
    let topic = TxnOffsetCommitRequestTopic::default().with_name(text("orders").into()).with_partitions(vec![partition]);
    TxnOffsetCommitRequest::default().with_group_id(text(group).into()).with_generation_id(-1).with_topics(vec![topic])
}

fn error_of(shard: &mut GroupShard, producer_id: i64, request: &TxnOffsetCommitRequest) -> i16 {
    let effects = shard.txn_offset_commit(NOW, Ticket(7), &CLIENT, request);
    for record in &effects.records {
        shard.replay_transactional(producer_id, &through_bytes(record));
    }
    let [(_, GroupReply::TxnOffsetCommit(response))] = effects.replies.as_slice() else { panic!("a TxnOffsetCommit") };
    assert_eq!(effects.records.is_empty(), response.topics[0].partitions[0].error_code != 0, "all or nothing");
    response.topics[0].partitions[0].error_code
}

fn pending(shard: &mut GroupShard, producer_id: i64, offset: i64) {
    assert_eq!(error_of(shard, producer_id, &request("tx", offset)), 0);
}

/// (offset, error) for those who read stable offsets only.
fn stable(shard: &mut GroupShard) -> (i64, i16) {
    let (_, offsets) = fetched(shard, &fetch("tx", &[("orders", 0)]), true);
    (offsets[0].2, offsets[0].3)
}

#[test]
fn an_offset_of_a_transaction_counts_from_its_commit_on() {
    let mut shard = shard();
    pending(&mut shard, PRODUCER, 42);
    assert_eq!(offset_of(&mut shard, "tx", "orders", 0), -1);
    assert_eq!(stable(&mut shard), (-1, 88), "UNSTABLE_OFFSET_COMMIT");
    shard.replay_marker(OTHER, true);
    assert_eq!(stable(&mut shard), (-1, 88), "of another producer");
    shard.replay_marker(PRODUCER, true);
    assert_eq!(stable(&mut shard), (42, 0));
}

#[test]
fn an_aborted_transaction_leaves_what_was_there() {
    let mut shard = shard();
    commit_errors(&mut shard, &CLIENT, &commit("tx", &[("orders", 0, 7)]));
    pending(&mut shard, PRODUCER, 42);
    assert_eq!(stable(&mut shard), (-1, 88));
    assert_eq!(fetched(&mut shard, &fetch("tx", &[("orders", 0)]), false).1, [("orders".to_owned(), 0, 7, 0)], "who does not mind");
    shard.replay_marker(PRODUCER, false);
    assert_eq!(stable(&mut shard), (7, 0));
    assert_eq!(state_of(&mut shard, "tx").as_deref(), Some("Empty"));
}

#[test]
fn unstable_partitions_are_marked_among_all_topics() {
    let mut shard = shard();
    commit_errors(&mut shard, &CLIENT, &commit("tx", &[("orders", 0, 7), ("orders", 1, 8)]));
    pending(&mut shard, PRODUCER, 42);
    let (_, offsets) = fetched(&mut shard, &fetch("tx", &[]).with_topics(None), true);
    assert_eq!(offsets.iter().map(|offset| (offset.2, offset.3)).collect::<Vec<_>>(), [(-1, 88), (8, 0)]);
}

#[test]
fn a_later_plain_commit_wins_over_an_open_transaction() {
    let mut shard = shard();
    pending(&mut shard, PRODUCER, 42);
    commit_errors(&mut shard, &CLIENT, &commit("tx", &[("orders", 0, 50)]));
    assert_eq!(stable(&mut shard), (-1, 88), "still open");
    shard.replay_marker(PRODUCER, true);
    assert_eq!(stable(&mut shard), (50, 0), "the log has 50 behind 42");
}

#[test]
fn of_two_transactions_the_one_that_wrote_last_wins_whichever_commits_first() {
    for producers in [[PRODUCER, OTHER], [OTHER, PRODUCER]] {
        let mut shard = shard();
        pending(&mut shard, PRODUCER, 42);
        pending(&mut shard, OTHER, 50);
        for producer_id in producers {
            shard.replay_marker(producer_id, true);
        }
        assert_eq!(stable(&mut shard), (50, 0), "{producers:?}");
    }
}

#[test]
fn a_transaction_that_writes_again_writes_last() {
    let mut shard = shard();
    pending(&mut shard, PRODUCER, 42);
    pending(&mut shard, OTHER, 50);
    pending(&mut shard, PRODUCER, 60);
    shard.replay_marker(PRODUCER, true);
    shard.replay_marker(OTHER, true);
    assert_eq!(stable(&mut shard), (60, 0));
}

#[test]
fn a_deleted_offset_is_deleted_from_open_transactions_too() {
    let mut shard = shard();
    pending(&mut shard, PRODUCER, 42);
    replay(&mut shard, &[GroupRecord::OffsetCommit { group: "tx".into(), topic: "orders".into(), partition: 0, value: None }]);
    assert_eq!(stable(&mut shard), (-1, 0));
    shard.replay_marker(PRODUCER, true);
    assert_eq!(stable(&mut shard), (-1, 0));
    assert!(shard.same_hard_state(&super::shard()), "nothing is left of it");
}

#[test]
fn a_group_with_a_pending_offset_exists() {
    let mut shard = shard();
    pending(&mut shard, PRODUCER, 42);
    assert_eq!(state_of(&mut shard, "tx").as_deref(), Some("Empty"));
}

#[test]
fn a_producer_learns_of_generations_never_of_epochs() {
    let mut shard = shard();
    let member =
        |group: &str, member_id: &str, generation| request(group, 42).with_member_id(text(member_id)).with_generation_id(generation);
    assert_eq!(error_of(&mut shard, PRODUCER, &member("unknown", "member", 5)), ILLEGAL_GENERATION);
    consumer_group(&mut shard, "consumer");
    assert_eq!(error_of(&mut shard, PRODUCER, &member("consumer", "member", 6)), ILLEGAL_GENERATION, "in place of a stale epoch");
    assert_eq!(error_of(&mut shard, PRODUCER, &member("consumer", "member", 3)), ILLEGAL_GENERATION, "the topic is not in the image");
    assert_eq!(error_of(&mut shard, PRODUCER, &member("consumer", "stranger", 5)), UNKNOWN_MEMBER_ID);
    assert_eq!(error_of(&mut shard, PRODUCER, &member("consumer", "member", 5)), 0);
    assert_eq!(error_of(&mut shard, PRODUCER, &request("consumer", 42)), 0, "an old producer says nothing of members");
    stable_group(&mut shard, "classic", "consumer", subscription(&["orders"]));
    assert_eq!(error_of(&mut shard, PRODUCER, &member("classic", "member", 4)), ILLEGAL_GENERATION);
    assert_eq!(error_of(&mut shard, PRODUCER, &request("classic", 42)), 0);
}
