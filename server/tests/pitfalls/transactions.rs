//! Rows 57 to 63 and 88: a transactional id from its first request to its last epoch.

use crate::kit::groups::{text, until};
use crate::kit::transactions::{TV1, TV2, Transactor};
use crate::kit::{Client, FetchOne, GatedDisk, Kit, name, seen};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::describe_transactions_response::TransactionState;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest, FindCoordinatorRequest, InitProducerIdRequest,
    InitProducerIdResponse, ProducerId, TransactionalId,
};

/// The place of transactions is made quickly.
const SMALL: &str = "transaction.state.log.num.partitions=2";
const BOTH: [i16; 2] = [TV1, TV2];
/// What [`Client::transactor`] asks for.
const TIMEOUT_MS: i64 = 60_000;

fn story(properties: &str) -> (Kit, Client) {
    let kit = Kit::with(&format!("{SMALL}\n{properties}"));
    let mut client = kit.connect();
    client.create("t", 2, &[]);
    (kit, client)
}

fn error(code: i16) -> Option<ResponseError> {
    ResponseError::try_from_code(code)
}

fn id(transactional_id: &str) -> TransactionalId {
    TransactionalId(text(transactional_id))
}

fn initiating(transactional_id: &str) -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(Some(id(transactional_id)))
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
        .with_transaction_timeout_ms(TIMEOUT_MS as i32)
}

fn resuming(transactional_id: &str, pid: i64, epoch: i16) -> InitProducerIdRequest {
    initiating(transactional_id).with_producer_id(ProducerId(pid)).with_producer_epoch(epoch)
}

fn producer(answer: &InitProducerIdResponse) -> (Option<ResponseError>, i64, i16) {
    (error(answer.error_code), answer.producer_id.0, answer.producer_epoch)
}

fn ending(by: &Transactor, commit: bool) -> EndTxnRequest {
    EndTxnRequest::default()
        .with_transactional_id(id(&by.id))
        .with_producer_id(ProducerId(by.pid))
        .with_producer_epoch(by.epoch)
        .with_committed(commit)
}

fn find(client: &mut Client, transactional_id: &str) {
    let request = FindCoordinatorRequest::default().with_key(text(transactional_id)).with_key_type(1);
    assert_eq!(error(client.ask(3, &request).error_code), None);
}

/// Once its coordinator has loaded.
fn state_of(client: &mut Client, transactional_id: &str) -> TransactionState {
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id(transactional_id)]);
    let loading = |state: &TransactionState| error(state.error_code) == Some(ResponseError::CoordinatorLoadInProgress);
    until(|| client.ask(0, &request).transaction_states.remove(0), |state| !loading(state))
}

/// Asks only about the state, so that nobody else can be the one who completes the transaction.
fn comes_to(client: &mut Client, transactional_id: &str, state: &str) {
    until(|| state_of(client, transactional_id), |now| now.transaction_state.as_str() == state);
}

/// What a reader of committed records sees of partition 0 of `t`: values below the last stable offset, without markers.
fn committed(client: &mut Client) -> Vec<String> {
    let answer = client.fetch_committed("t", 0, &FetchOne::from(0));
    let aborted: Vec<i64> = answer.aborted_transactions.expect("always there").iter().map(|aborted| aborted.producer_id.0).collect();
    assert!(aborted.is_empty(), "stories with aborted records look at offsets");
    let records = seen(&answer.records.expect("never null"));
    records.into_iter().filter(|seen| !seen.batch.is_control()).map(|seen| String::from_utf8(seen.value).expect("text")).collect()
}

/// High watermark and last stable offset of partition 0 of `t`.
fn offsets(client: &mut Client) -> (i64, i64) {
    let answer = client.fetch("t", 0, &FetchOne::from(0));
    (answer.high_watermark, answer.last_stable_offset)
}

#[test]
fn row_57_the_first_look_for_a_coordinator_finds_one_that_is_ready() {
    for version in 1..=6 {
        // With as many partitions as Kafka makes.
        let kit = Kit::start();
        let mut client = kit.connect();
        let request = FindCoordinatorRequest::default().with_key_type(1);
        let (code, node) = if version < 4 {
            let answer = client.ask(version, &request.with_key(text("first")));
            (answer.error_code, answer.node_id)
        } else {
            let answer = client.ask(version, &request.with_coordinator_keys(vec![text("first")]));
            (answer.coordinators[0].error_code, answer.coordinators[0].node_id)
        };
        assert_eq!((error(code), node.0), (None, client.metadata(&[], false).brokers[0].node_id.0), "version {version}");
        let answer = client.ask(4, &initiating("first"));
        assert_eq!((error(answer.error_code), answer.producer_epoch), (None, 0), "version {version}");
    }
}

#[test]
fn row_57_without_a_coordinators_topic_requests_may_be_tried_again() {
    let kit = Kit::start();
    let mut client = kit.connect();
    for version in 0..=5 {
        let answer = client.ask(version, &initiating("early"));
        assert_eq!(error(answer.error_code), Some(ResponseError::NotCoordinator), "version {version}");
    }
}

#[test]
fn row_58_an_open_transaction_goes_on_after_a_restart_and_after_a_kill() {
    for version in BOTH {
        let (mut kit, mut client) = story("");
        let mut by = client.transactor("id", version);
        client.transact(&by, "t", 0, 0, &["a"]);
        for (round, kill) in [false, true].into_iter().enumerate() {
            if kill {
                kit.kill_and_restart()
            } else {
                kit.restart()
            }
            client = kit.connect();
            let state = state_of(&mut client, "id");
            assert_eq!((state.transaction_state.as_str(), state.producer_id.0), ("Ongoing", by.pid));
            client.transact(&by, "t", 0, 1 + round as i32, &["more"]);
        }
        assert_eq!(committed(&mut client), [""; 0]);
        client.end(&mut by, true);
        assert_eq!(committed(&mut client), ["a", "more", "more"]);
        assert_eq!(offsets(&mut client), (4, 4));
    }
}

#[test]
fn row_58_the_answer_to_an_end_is_the_same_after_a_restart() {
    for (version, api_version) in [(TV1, 0), (TV1, 4), (TV2, 5)] {
        let (mut kit, mut client) = story("");
        let by = client.transactor("id", version);
        client.transact(&by, "t", 0, 0, &["a"]);
        let first = client.ask(api_version, &ending(&by, true));
        assert_eq!(error(first.error_code), None);
        for kill in [false, true] {
            if kill {
                kit.kill_and_restart()
            } else {
                kit.restart()
            }
            client = kit.connect();
            state_of(&mut client, "id");
            assert_eq!(client.ask(api_version, &ending(&by, true)), first, "EndTxn {api_version}");
            assert_eq!(offsets(&mut client), (2, 2));
        }
    }
}

/// A decision reaches the log of transactions and nothing else: the sync that would let the coordinator go on never comes.
fn decided_and_killed(version: i16, commit: bool) -> (Kit, Transactor) {
    let gate = GatedDisk::before("__transaction_state");
    let kit = Kit::gated(&format!("{SMALL}\nlog.flush.interval.messages=1"), &gate);
    let mut client = kit.connect();
    client.create("t", 2, &[]);
    let by = client.transactor("id", version);
    client.transact(&by, "t", 0, 0, &["a"]);
    gate.shut();
    client.send(if version == TV1 { 3 } else { 5 }, &ending(&by, commit));
    gate.until_waiting(1);
    assert_eq!(offsets(&mut kit.connect()), (1, 0), "no marker before the decision is safe");
    let image = kit.image();
    gate.open();
    (image, by)
}

#[test]
fn row_58_a_decision_that_was_not_told_to_its_partitions_is_told_after_the_restart() {
    for version in BOTH {
        for commit in [true, false] {
            let (mut kit, _) = decided_and_killed(version, commit);
            kit.try_start().expect("a broker");
            let mut client = kit.connect();
            comes_to(&mut client, "id", if commit { "CompleteCommit" } else { "CompleteAbort" });
            assert_eq!(offsets(&mut client), (2, 2));
            if commit {
                assert_eq!(committed(&mut client), ["a"]);
            }
            let mut next = client.transactor("id", version);
            client.transact(&next, "t", 0, 0, &["b"]);
            client.end(&mut next, true);
            // Every append waits for its sync here, so the answer comes before the markers.
            comes_to(&mut client, "id", "CompleteCommit");
            assert_eq!(offsets(&mut client), (4, 4));
        }
    }
}

#[test]
fn row_58_the_client_that_lost_its_answer_gets_it_after_the_restart() {
    for version in BOTH {
        let (mut kit, mut by) = decided_and_killed(version, true);
        let before = by.clone();
        kit.try_start().expect("a broker");
        let mut client = kit.connect();
        // An end waits for its markers, so it is no good for asking often.
        comes_to(&mut client, "id", "CompleteCommit");
        client.end(&mut by, true);
        assert_eq!(committed(&mut client), ["a"]);
        let contrary = client.ask(if version == TV1 { 3 } else { 5 }, &ending(&before, false));
        assert_eq!(error(contrary.error_code), Some(ResponseError::InvalidTxnState));
    }
}

#[test]
fn row_58_a_shard_that_loads_says_so_and_nothing_final() {
    let (mut kit, mut client) = story("");
    let by = client.transactor("id", TV1);
    client.transact(&by, "t", 0, 0, &["a"]);
    for _ in 0..5 {
        kit.kill_and_restart();
        client = kit.connect();
        let retriable = [None, Some(ResponseError::CoordinatorLoadInProgress), Some(ResponseError::NotCoordinator)];
        let added = error(client.add_partition(&by, "t", 1));
        assert!(retriable.contains(&added), "{added:?}");
    }
}

#[test]
fn row_59_a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() {
    for version in BOTH {
        let (kit, mut client) = story("");
        let mut late = client.transactor("id", version);
        client.transact(&late, "t", 0, 0, &["late"]);
        kit.clock.advance(TIMEOUT_MS - 1);
        assert_eq!(state_of(&mut client, "id").transaction_state.as_str(), "Ongoing");
        kit.clock.advance(11_000);
        comes_to(&mut client, "id", "CompleteAbort");
        assert_eq!(offsets(&mut client), (2, 2), "the marker frees the readers");
        for api_version in 0..=4 {
            let fenced = if api_version < 2 { ResponseError::InvalidProducerEpoch } else { ResponseError::ProducerFenced };
            for commit in [true, false] {
                let answer = client.ask(api_version, &ending(&late, commit));
                assert_eq!(error(answer.error_code), Some(fenced), "EndTxn {api_version}");
            }
        }
        // As in Kafka: the abort that happened is the answer to the abort that was meant.
        assert_eq!(error(client.ask(5, &ending(&late, true)).error_code), Some(ResponseError::InvalidTxnState));
        let aborted = client.ask(5, &ending(&late, false));
        assert_eq!((error(aborted.error_code), aborted.producer_id.0, aborted.producer_epoch), (None, late.pid, late.epoch + 1));
        assert_eq!(error(client.add_partition(&late, "t", 1)), Some(ResponseError::ProducerFenced));
        let zombie = client.try_transact(&late, "t", 0, &late.batch(1, &["zombie"]));
        assert_eq!(error(zombie.error_code), Some(ResponseError::InvalidProducerEpoch));
        assert_eq!(offsets(&mut client), (2, 2));
        assert_ne!(client.try_end(&mut late, true), 0);
        let mut next = client.transactor("id", version);
        assert_eq!(next.pid, late.pid);
        assert!(next.epoch > late.epoch);
        client.transact(&next, "t", 0, 0, &["next"]);
        client.end(&mut next, true);
        assert_eq!(offsets(&mut client), (4, 4));
    }
}

#[test]
fn row_59_time_goes_on_while_the_broker_is_away() {
    let (mut kit, mut client) = story("");
    let late = client.transactor("id", TV1);
    client.transact(&late, "t", 0, 0, &["late"]);
    kit.kill();
    kit.clock.advance(2 * TIMEOUT_MS);
    kit.try_start().expect("a broker");
    client = kit.connect();
    until(
        || {
            kit.clock.advance(10_000);
            state_of(&mut client, "id")
        },
        |now| now.transaction_state.as_str() == "CompleteAbort",
    );
    assert_eq!(offsets(&mut client), (2, 2));
}

#[test]
fn row_59_an_id_that_nobody_uses_is_forgotten_and_one_in_a_transaction_is_not() {
    const WEEK_MS: i64 = 7 * 24 * 60 * 60 * 1000;
    for (properties, after_ms) in [("", WEEK_MS), ("transactional.id.expiration.ms=60000", 60_000)] {
        let (mut kit, mut client) = story(properties);
        let idle = client.transactor("idle", TV1);
        kit.clock.advance(after_ms - 1);
        assert_eq!(error(state_of(&mut client, "idle").error_code), None);
        let forgotten = Some(ResponseError::TransactionalIdNotFound);
        until(
            || {
                kit.clock.advance(3_600_000);
                let open = client.transactor("open", TV1);
                client.transact(&open, "t", 0, 0, &["a"]);
                state_of(&mut client, "idle")
            },
            |now| error(now.error_code) == forgotten,
        );
        assert_eq!(error(client.add_partition(&idle, "t", 0)), Some(ResponseError::InvalidProducerIdMapping));
        assert_eq!(state_of(&mut client, "open").transaction_state.as_str(), "Ongoing");
        kit.kill_and_restart();
        client = kit.connect();
        assert_eq!(error(state_of(&mut client, "idle").error_code), forgotten);
        let anew = client.transactor("idle", TV1);
        assert!(anew.pid != idle.pid && anew.epoch == 0);
    }
}

#[test]
fn row_60_a_timeout_longer_than_the_broker_allows_is_refused() {
    for (properties, longest_ms) in [("", 900_000), ("transaction.max.timeout.ms=5000", 5_000)] {
        let (_kit, mut client) = story(properties);
        find(&mut client, "id");
        for version in 0..=5 {
            let with = |timeout_ms| initiating("id").with_transaction_timeout_ms(timeout_ms);
            for bad in [longest_ms + 1, i32::MAX, 0, -1, i32::MIN] {
                let answer = client.ask(version, &with(bad));
                assert_eq!(producer(&answer), (Some(ResponseError::InvalidTransactionTimeout), -1, -1), "{bad} ms, version {version}");
            }
            assert_eq!(error(client.ask(version, &with(longest_ms)).error_code), None, "version {version}");
        }
    }
}

#[test]
fn row_61_a_producer_resumes_with_its_epoch_and_nobody_elses() {
    let (_kit, mut client) = story("");
    find(&mut client, "id");
    let (_, pid, first) = producer(&client.ask(5, &initiating("id")));
    assert_eq!(first, 0);
    for version in 3..=5 {
        let fenced = if version < 4 { ResponseError::InvalidProducerEpoch } else { ResponseError::ProducerFenced };
        let (_, _, now) = producer(&client.ask(5, &initiating("id")));
        let bumped = (None, pid, now + 1);
        assert_eq!(producer(&client.ask(version, &resuming("id", pid, now))), bumped, "a bump");
        assert_eq!(producer(&client.ask(version, &resuming("id", pid, now))), bumped, "the same again: its answer was lost");
        for (other, epoch) in [(pid, now - 1), (pid, now + 2), (pid, i16::MAX), (pid + 1, now + 1), (pid + 1, now)] {
            let refused = producer(&client.ask(version, &resuming("id", other, epoch)));
            assert_eq!(refused, (Some(fenced), -1, -1), "producer {other} of epoch {epoch}, version {version}");
        }
        for (half, epoch) in [(pid, -1), (-1, now + 1)] {
            let refused = producer(&client.ask(version, &resuming("id", half, epoch)));
            assert_eq!(refused, (Some(ResponseError::InvalidRequest), -1, -1));
        }
    }
}

// As in Kafka: the epoch before is in no record.
#[test]
fn row_61_after_a_restart_only_the_current_epoch_resumes() {
    for kill in [false, true] {
        let (mut kit, mut client) = story("");
        let by = client.transactor("id", TV1);
        assert_eq!(producer(&client.ask(4, &resuming("id", by.pid, 0))), (None, by.pid, 1));
        if kill {
            kit.kill_and_restart()
        } else {
            kit.restart()
        }
        client = kit.connect();
        state_of(&mut client, "id");
        assert_eq!(producer(&client.ask(4, &resuming("id", by.pid, 0))), (Some(ResponseError::ProducerFenced), -1, -1));
        assert_eq!(producer(&client.ask(4, &resuming("id", by.pid, 1))), (None, by.pid, 2));
    }
}

#[test]
fn row_61_a_resume_in_a_transaction_aborts_it() {
    for version in BOTH {
        let (_kit, mut client) = story("");
        let by = client.transactor("id", version);
        client.transact(&by, "t", 0, 0, &["a"]);
        let concurrent = ResponseError::ConcurrentTransactions.code();
        let answer = until(|| client.ask(5, &resuming("id", by.pid, by.epoch)), |answer| answer.error_code != concurrent);
        assert_eq!(producer(&answer), (None, by.pid, by.epoch + 1));
        assert_eq!(offsets(&mut client), (2, 2));
        assert_eq!(state_of(&mut client, "id").transaction_state.as_str(), "Empty");
    }
}

/// Uses up epochs until `epoch` is the current one.
fn wear_to(client: &mut Client, transactional_id: &str, epoch: i16) {
    let (_, _, now) = producer(&client.ask(5, &initiating(transactional_id)));
    let left = epoch - now;
    let mut done = 0;
    while done < left {
        let together = (left - done).min(1_000);
        let sent: Vec<i32> = (0..together).map(|_| client.send(5, &initiating(transactional_id))).collect();
        for request in sent {
            done += 1;
            let answer = client.receive::<InitProducerIdRequest>(5, request);
            assert_eq!((error(answer.error_code), answer.producer_epoch), (None, now + done));
        }
    }
}

/// The last epoch that a producer may have; one more is for its markers.
const LAST_EPOCH: i16 = i16::MAX - 1;

#[test]
fn row_62_every_end_of_version_2_gives_the_next_transaction_an_epoch_of_its_own() {
    let (_kit, mut client) = story("");
    let mut by = client.transactor("id", TV2);
    for round in 0..6_i16 {
        assert_eq!(by.epoch, round);
        let before = by.clone();
        // No AddPartitionsToTxn: writing is adding.
        client.transact(&by, "t", 0, 0, &["a"]);
        assert_eq!(state_of(&mut client, "id").transaction_state.as_str(), "Ongoing");
        client.end(&mut by, round % 2 == 0);
        assert_eq!((by.pid, by.epoch), (before.pid, round + 1));
        let zombie = client.try_transact(&before, "t", 0, &before.batch(1, &["zombie"]));
        assert_ne!(zombie.error_code, 0, "the epoch before cannot write into the next transaction");
        let again = client.ask(5, &ending(&before, round % 2 == 0));
        assert_eq!((error(again.error_code), again.producer_id.0, again.producer_epoch), (None, by.pid, by.epoch), "a retry");
        assert_eq!(offsets(&mut client), (2 * i64::from(round + 1), 2 * i64::from(round + 1)));
    }
}

#[test]
fn row_62_the_last_epoch_hands_over_to_another_producer_id() {
    let (mut kit, mut client) = story("");
    find(&mut client, "id");
    wear_to(&mut client, "id", LAST_EPOCH - 1);
    let mut by = client.transactor("id", TV2);
    assert_eq!(by.epoch, LAST_EPOCH);
    let worn = by.clone();
    client.transact(&by, "t", 0, 0, &["a"]);
    client.end(&mut by, true);
    assert_ne!(by.pid, worn.pid);
    assert_eq!(by.epoch, 0);
    assert_eq!(committed(&mut client), ["a"]);
    for kill in [false, true] {
        if kill {
            kit.kill_and_restart();
            client = kit.connect();
            state_of(&mut client, "id");
        }
        let again = client.ask(5, &ending(&worn, true));
        assert_eq!((error(again.error_code), again.producer_id.0, again.producer_epoch), (None, by.pid, 0), "a retry");
    }
    client.transact(&by, "t", 0, 0, &["b"]);
    client.end(&mut by, true);
    assert_eq!(by.epoch, 1);
    assert_eq!(committed(&mut client), ["a", "b"]);
}

#[test]
fn row_62_no_epoch_is_ever_negative_however_a_worn_producer_ends() {
    let (kit, mut client) = story("");
    find(&mut client, "id");
    wear_to(&mut client, "id", LAST_EPOCH - 3);
    // Each round begins one epoch nearer to the edge, and an instance takes over in the middle of a transaction.
    let mut last = (0, 0);
    for round in 0..6 {
        let by = client.transactor("id", if round % 2 == 0 { TV1 } else { TV2 });
        assert!(by.epoch >= 0 && by.epoch <= LAST_EPOCH, "epoch {}", by.epoch);
        assert_ne!((by.pid, by.epoch), last, "never twice");
        last = (by.pid, by.epoch);
        client.transact(&by, "t", 0, 0, &["a"]);
        if round == 3 {
            kit.clock.advance(TIMEOUT_MS + 11_000);
            comes_to(&mut client, "id", "CompleteAbort");
        }
        let concurrent = ResponseError::ConcurrentTransactions.code();
        let answer = until(|| client.ask(5, &initiating("id")), |answer| answer.error_code != concurrent);
        assert_eq!(error(answer.error_code), None, "round {round}");
        let (high_watermark, last_stable_offset) = offsets(&mut client);
        assert_eq!(high_watermark, last_stable_offset, "round {round}");
    }
    assert!(last.1 < 100, "another producer id took over");
}

#[test]
fn row_62_version_1_wants_partitions_added_before_they_are_written_to() {
    let (_kit, mut client) = story("");
    let mut by = client.transactor("id", TV1);
    let refused = client.try_transact(&by, "t", 0, &by.batch(0, &["a"]));
    assert_eq!(error(refused.error_code), Some(ResponseError::InvalidTxnState));
    assert_eq!(offsets(&mut client), (0, 0));
    client.transact(&by, "t", 0, 0, &["a"]);
    client.end(&mut by, true);
    assert_eq!(by.epoch, 0, "the epoch stays");
    assert_eq!(committed(&mut client), ["a"]);
}

#[test]
fn row_63_every_version_of_an_end_can_be_sent_again() {
    for api_version in 0..=5 {
        for commit in [true, false] {
            let (_kit, mut client) = story("");
            let by = client.transactor("id", TV1);
            client.transact(&by, "t", 0, 0, &["a"]);
            let first = client.ask(api_version, &ending(&by, commit));
            assert_eq!(error(first.error_code), None, "EndTxn {api_version}");
            for _ in 0..3 {
                assert_eq!(client.ask(api_version, &ending(&by, commit)), first, "EndTxn {api_version}");
            }
            let contrary = client.ask(api_version, &ending(&by, !commit));
            assert_eq!(error(contrary.error_code), Some(ResponseError::InvalidTxnState), "EndTxn {api_version}");
            assert_eq!(offsets(&mut client), (2, 2), "one marker");
        }
    }
}

#[test]
fn row_63_a_transaction_without_records_commits() {
    for api_version in 0..=5 {
        let (_kit, mut client) = story("");
        let by = client.transactor("id", TV1);
        assert_eq!(error(client.add_partition(&by, "t", 0)), None);
        assert_eq!(error(client.ask(api_version, &ending(&by, true)).error_code), None, "EndTxn {api_version}");
        assert_eq!(offsets(&mut client), (1, 1), "a marker and nothing else");
        // Nor with no partition at all.
        let next = client.transactor("id", TV1);
        let nothing = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(id("id"))
            .with_v3_and_below_producer_id(ProducerId(next.pid))
            .with_v3_and_below_producer_epoch(next.epoch);
        assert!(client.ask(3, &nothing).results_by_topic_v3_and_below.is_empty());
        assert_eq!(error(client.ask(api_version, &ending(&next, true)).error_code), None, "EndTxn {api_version}");
        assert_eq!(state_of(&mut client, "id").transaction_state.as_str(), "CompleteCommit");
        assert_eq!(offsets(&mut client), (1, 1));
    }
}

#[test]
fn row_63_an_end_of_what_never_began_is_refused_with_a_reason() {
    for api_version in 0..=5 {
        let (_kit, mut client) = story("");
        let by = client.transactor("id", TV1);
        let commit = client.ask(api_version, &ending(&by, true));
        assert_eq!(error(commit.error_code), Some(ResponseError::InvalidTxnState), "EndTxn {api_version}");
        let abort = client.ask(api_version, &ending(&by, false));
        // Whoever uses version 2 may not know whether a write has opened the transaction.
        let expected = (api_version < 5).then_some(ResponseError::InvalidTxnState);
        assert_eq!(error(abort.error_code), expected, "EndTxn {api_version}");
    }
}

#[test]
fn row_63_a_transaction_over_many_partitions_ends_in_all_of_them() {
    const MANY: i32 = 300;
    let (mut kit, mut client) = story("");
    client.create("wide", MANY, &[]);
    let mut by = client.transactor("id", TV1);
    let add = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id("id"))
        .with_v3_and_below_producer_id(ProducerId(by.pid))
        .with_v3_and_below_topics(vec![AddPartitionsToTxnTopic::default().with_name(name("wide")).with_partitions((0..MANY).collect())]);
    let added = client.ask(3, &add).results_by_topic_v3_and_below.remove(0).results_by_partition;
    assert!(added.len() == MANY as usize && added.iter().all(|row| row.partition_error_code == 0));
    client.end(&mut by, true);
    comes_to(&mut client, "id", "CompleteCommit");
    kit.kill_and_restart();
    let mut client = kit.connect();
    for partition in 0..MANY {
        let answer = client.fetch("wide", partition, &FetchOne::from(0));
        assert_eq!((answer.high_watermark, answer.last_stable_offset), (1, 1), "partition {partition}");
    }
}

#[test]
fn row_88_a_new_id_may_come_with_producer_0_of_epoch_0() {
    let (_kit, mut client) = story("");
    for version in 3..=5 {
        let transactional_id = format!("new at version {version}");
        find(&mut client, &transactional_id);
        let given = producer(&client.ask(version, &resuming(&transactional_id, 0, 0)));
        assert_eq!((given.0, given.2), (None, 0));
        let mut by = Transactor { id: transactional_id, pid: given.1, epoch: 0, produce: TV1 };
        client.transact(&by, "t", 0, 0, &["a"]);
        client.end(&mut by, true);
    }
    assert_eq!(committed(&mut client), ["a", "a", "a"]);
}
