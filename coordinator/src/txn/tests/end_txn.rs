//! EndTxn: the tables of both protocols, retries, epochs that are used up.

use super::super::*;
use super::harness::*;

type Answer = Result<Option<ProducerIdAndEpoch>, ResponseError>;

const CURRENT: ProducerIdAndEpoch = ProducerIdAndEpoch { id: 7, epoch: 5 };
const RETRY: ProducerIdAndEpoch = ProducerIdAndEpoch { id: 7, epoch: 4 };

/// What a request does: it is answered with a state to be in, from `CURRENT`, or refused.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Decides(TransactionState),
    AlreadyDone,
    Refused(ResponseError),
}

use Outcome::{AlreadyDone, Decides, Refused};
use TransactionState::*;

fn check(cluster: i16, version: TransactionVersion, state: TransactionState, asked: ProducerIdAndEpoch, committed: bool, outcome: Outcome) {
    let what = format!("cluster {cluster}, client {version:?}, {state:?}, {asked:?}, committed: {committed}");
    let mut world = World::at(cluster);
    world.put(standing(state, CURRENT));
    let records = world.log.len();
    let answer = world.end(asked, committed, version);
    let bumps = version.supports_epoch_bump();
    let expected: Answer = match outcome {
        Decides(_) => Ok(bumps.then_some(producer(7, 6))),
        AlreadyDone => Ok(bumps.then_some(CURRENT)),
        Refused(error) => Err(error),
    };
    assert_eq!(answer, expected, "{what}");
    let Decides(next) = outcome else {
        assert_eq!((world.log.len(), world.commands.len(), world.state()), (records, 0, state), "{what}: nothing happens");
        return;
    };
    let decided = world.shard.transaction(ID).expect("known").clone();
    assert_eq!((decided.state, decided.last_epoch), (next, if bumps { 5 } else { -1 }), "{what}");
    assert_eq!(decided.start_ms, if state == Ongoing { 900 } else { world.now.0 }, "{what}: an abort of nothing begins now");
    let written = world.carry_out();
    let marker_producer = if bumps { producer(7, 6) } else { CURRENT };
    assert_eq!((written[0].producer, written[0].committed, written[0].version), (marker_producer, committed, version), "{what}");
    assert_eq!(written[0].partitions, decided.partitions, "{what}");
    assert_eq!(world.state(), if committed { CompleteCommit } else { CompleteAbort }, "{what}");
    // A lost answer: asked again, it says the same.
    assert_eq!(world.end(asked, committed, version), expected, "{what}: again");
}

#[test]
fn with_version_2_every_state_answers_by_the_table() {
    use ResponseError::{ConcurrentTransactions, InvalidTxnState, ProducerFenced};
    let table = [
        // state, commit by the current one, commit again, abort by the current one, abort again
        (Empty, [Refused(InvalidTxnState), Refused(ProducerFenced), Decides(PrepareAbort), Refused(ProducerFenced)]),
        (Ongoing, [Decides(PrepareCommit), Refused(ProducerFenced), Decides(PrepareAbort), Refused(ProducerFenced)]),
        (PrepareCommit, [Refused(ConcurrentTransactions); 4]),
        (PrepareAbort, [Refused(ConcurrentTransactions); 4]),
        (CompleteCommit, [Refused(InvalidTxnState), AlreadyDone, Decides(PrepareAbort), Refused(InvalidTxnState)]),
        (CompleteAbort, [Refused(InvalidTxnState), Refused(InvalidTxnState), Decides(PrepareAbort), AlreadyDone]),
    ];
    for (state, outcomes) in table {
        for ((asked, committed), outcome) in [(CURRENT, true), (RETRY, true), (CURRENT, false), (RETRY, false)].into_iter().zip(outcomes) {
            check(2, V2, state, asked, committed, outcome);
        }
    }
}

#[test]
fn with_the_older_versions_every_state_answers_by_the_table() {
    use ResponseError::{ConcurrentTransactions, InvalidTxnState, ProducerFenced};
    let table = [
        (Empty, Refused(InvalidTxnState), Refused(InvalidTxnState)),
        (Ongoing, Decides(PrepareCommit), Decides(PrepareAbort)),
        (PrepareCommit, Refused(ConcurrentTransactions), Refused(ConcurrentTransactions)),
        (PrepareAbort, Refused(ConcurrentTransactions), Refused(ConcurrentTransactions)),
        (CompleteCommit, AlreadyDone, Refused(InvalidTxnState)),
        (CompleteAbort, Refused(InvalidTxnState), AlreadyDone),
    ];
    for cluster in [0, 1, 2] {
        for (state, commit, abort) in table {
            check(cluster, V1, state, CURRENT, true, commit);
            check(cluster, V1, state, CURRENT, false, abort);
            for committed in [true, false] {
                check(cluster, V1, state, RETRY, committed, Refused(ProducerFenced));
            }
        }
    }
}

#[test]
fn whoever_is_not_the_producer_ends_nothing() {
    use ResponseError::{ConcurrentTransactions, InvalidProducerIdMapping, ProducerFenced};
    let strangers = [
        (producer(8, 5), InvalidProducerIdMapping),
        (producer(-1, -1), InvalidProducerIdMapping),
        (producer(7, 6), ProducerFenced),
        (producer(7, 3), ProducerFenced),
        (producer(7, i16::MIN), ProducerFenced),
        (producer(7, i16::MAX), ProducerFenced),
    ];
    for state in TransactionState::ALL {
        for (asked, error) in strangers {
            for committed in [true, false] {
                check(2, V1, state, asked, committed, Refused(error));
                let error = if state.is_prepared() { ConcurrentTransactions } else { error };
                check(2, V2, state, asked, committed, Refused(error));
            }
        }
    }
}

#[test]
fn an_unknown_id_has_no_producer_and_an_empty_one_is_no_id() {
    for version in [V1, V2] {
        let mut world = World::at(2);
        assert_eq!(world.end(CURRENT, true, version), Err(ResponseError::InvalidProducerIdMapping));
        let nobody = end_request(CURRENT, true).with_transactional_id(wire(""));
        let effects = world.shard.end_txn(world.now, Ticket(1), None, &nobody, version);
        assert_eq!(world.apply(effects), [TxnReply::EndTxn(Err(ResponseError::InvalidRequest))]);
    }
}

#[test]
fn the_last_epoch_is_followed_by_another_producer_id() {
    for committed in [true, false] {
        let mut world = World::at(2);
        let last = producer(7, 32_766);
        world.put(standing(Ongoing, last));
        let effects = world.shard.end_txn(world.now, Ticket(1), None, &end_request(last, committed), V2);
        assert!(effects.records.is_empty() && effects.commands.is_empty(), "nothing is decided without a producer id");
        assert_eq!(world.apply(effects), [TxnReply::NeedsProducerId]);

        assert_eq!(world.end(last, committed, V2), Ok(Some(producer(101, 0))));
        assert_eq!((world.producer(), world.shard.transaction(ID).expect("known").next_producer_id), (producer(7, 32_767), 101));
        assert_eq!(world.end(last, committed, V2), Err(ResponseError::ConcurrentTransactions));
        // The decision outlives the coordinator, and so does the producer id that was given out.
        world.reload();
        assert_eq!(world.carry_out()[0].producer, producer(7, 32_767));
        assert_eq!(world.producer(), producer(101, 0));

        assert_eq!(world.end(last, committed, V2), Ok(Some(producer(101, 0))), "the answer was lost");
        assert_eq!(world.end(last, !committed, V2), Err(ResponseError::InvalidTxnState));
        assert_eq!(world.end(producer(7, 32_765), committed, V2), Err(ResponseError::InvalidProducerIdMapping));
        world.add(producer(101, 0), V2, &[("a", &[0])]).expect("the next transaction");
        assert_eq!(world.end(last, committed, V2), Err(ResponseError::InvalidProducerIdMapping), "too late to ask again");
    }
}

#[test]
fn an_older_client_stays_at_its_epoch_for_any_number_of_transactions() {
    let mut world = World::at(2);
    let last = producer(7, 32_766);
    world.put(standing(Empty, last));
    for committed in [true, false, true] {
        world.add(last, V1, &[("a", &[0])]).expect("added");
        assert_eq!(world.end(last, committed, V1), Ok(None));
        assert_eq!(world.shard.transaction(ID).expect("known").next_producer_id, -1, "none is taken for nothing");
        assert_eq!(world.carry_out()[0].version, V1);
        assert_eq!(world.producer(), last);
    }
}

#[test]
fn an_epoch_that_never_should_have_been_can_be_left() {
    // Kafka 4.0 to 4.2 could leave an open transaction at the highest epoch.
    let mut world = World::at(2);
    let highest = producer(7, i16::MAX);
    world.put(standing(Ongoing, highest));
    assert_eq!(world.end(highest, false, V2), Ok(Some(producer(101, 0))));
    let written = world.carry_out();
    assert_eq!((written[0].producer, written[0].version), (highest, V1), "a marker that every partition takes");
    assert_eq!(world.producer(), producer(101, 0));
}

#[test]
fn a_decision_stops_the_clock() {
    let mut world = World::at(2);
    let first = world.init_new().expect("a producer");
    world.add(first, V2, &[("a", &[0])]).expect("added");
    let idle_look = World::at(2).shard.next_deadline();
    assert_ne!(world.shard.next_deadline(), idle_look);
    world.end(first, true, V2).expect("decided");
    assert_eq!(world.shard.next_deadline(), idle_look, "nothing is left to come due");
    world.sleep(i64::from(TIMEOUT_MS) * 10);
    assert_eq!(world.state(), PrepareCommit, "a decision does not change, however long its markers take");
    world.carry_out();
    assert_eq!(world.state(), CompleteCommit);
}

#[test]
fn a_client_of_version_2_is_not_forgotten_by_a_cluster_of_version_0() {
    let mut world = World::at(0);
    world.put(standing(Ongoing, producer(7, 32_766)));
    assert_eq!(world.end(producer(7, 32_766), true, V2), Ok(Some(producer(101, 0))));
    world.reload();
    world.carry_out();
    assert_eq!(world.producer(), producer(101, 0));
}
