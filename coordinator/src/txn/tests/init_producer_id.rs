//! InitProducerId: new ids, resuming, fencing, epochs that are used up; and one transaction from beginning to end.

use super::super::*;
use super::harness::*;
use TransactionState::*;

const CURRENT: ProducerIdAndEpoch = ProducerIdAndEpoch { id: 7, epoch: 5 };

#[test]
fn a_transaction_from_beginning_to_end() {
    for (version, next) in [(V1, producer(101, 0)), (V2, producer(101, 1))] {
        let mut world = World::at(2);
        let first = world.init_new().expect("a producer");
        assert_eq!(world.add(first, version, &[("a", &[0, 1])]), Ok(()));
        let answered = world.end(first, true, version).expect("ended");
        assert_eq!(answered, version.supports_epoch_bump().then_some(next));
        let written = world.carry_out();
        assert_eq!((written[0].producer, written[0].committed), (next, true));
        assert_eq!((world.state(), world.producer()), (CompleteCommit, next));
        assert!(world.shard.transaction(ID).expect("known").partitions.is_empty(), "its partitions are not those of the next one");
        assert_eq!(world.init_new(), Ok(producer(101, next.epoch + 1)));
    }
}

#[test]
fn a_new_id_gets_a_fresh_producer_id_at_epoch_0() {
    let mut world = World::at(2);
    let effects = world.shard.init_producer_id(world.now, Ticket(1), None, &init_request(ID, None));
    assert!(effects.records.is_empty());
    assert_eq!(world.apply(effects), [TxnReply::NeedsProducerId]);
    assert_eq!(world.init_new(), Ok(producer(101, 0)));
    let first = world.shard.transaction(ID).expect("known").clone();
    assert_eq!((first.state, first.timeout_ms, first.start_ms, first.last_update_ms), (Empty, TIMEOUT_MS, -1, world.now.0));
    assert_eq!(world.init_new(), Ok(producer(101, 1)));
}

#[test]
fn a_new_id_takes_no_offence_at_a_producer_that_nobody_knows() {
    // @platformatic/kafka sends zeros, a producer whose id has expired sends what it had.
    for expected in [producer(0, 0), producer(55, 7), producer(55, 32_766)] {
        assert_eq!(World::at(2).resume(expected), Ok(producer(101, 0)), "{expected:?}");
    }
}

#[test]
fn a_request_that_makes_no_sense_is_refused() {
    let mut world = World::at(2);
    let request = || init_request(ID, None);
    let max = world.settings.max_timeout_ms;
    let table = [
        (init_request("", None), ResponseError::InvalidRequest),
        (init_request(ID, Some(producer(7, -1))), ResponseError::InvalidRequest),
        (init_request(ID, Some(producer(-1, 5))), ResponseError::InvalidRequest),
        (init_request("", None).with_transaction_timeout_ms(0), ResponseError::InvalidRequest),
        (request().with_transaction_timeout_ms(0), ResponseError::InvalidTransactionTimeout),
        (request().with_transaction_timeout_ms(-1), ResponseError::InvalidTransactionTimeout),
        (request().with_transaction_timeout_ms(max + 1), ResponseError::InvalidTransactionTimeout),
    ];
    for (request, error) in table {
        assert_eq!(world.init(&request), Err(error), "{request:?}");
    }
    assert!(world.log.is_empty());
    assert!(world.init(&request().with_transaction_timeout_ms(max)).is_ok());
}

#[test]
fn every_state_answers_by_the_table() {
    use ResponseError::{ConcurrentTransactions, ProducerFenced};
    let asked = [None, Some(CURRENT), Some(producer(7, 4)), Some(producer(7, 6)), Some(producer(8, 5)), Some(producer(0, 0))];
    let bumped = Ok(producer(7, 6));
    let (busy, fenced) = (Err(ConcurrentTransactions), Err(ProducerFenced));
    let idle = [bumped, bumped, fenced, fenced, fenced, fenced];
    let table = [
        (Empty, idle),
        (CompleteCommit, idle),
        (CompleteAbort, idle),
        (Ongoing, [busy, busy, fenced, fenced, fenced, fenced]),
        (PrepareCommit, [busy; 6]),
        (PrepareAbort, [busy; 6]),
    ];
    for cluster in [0, 1, 2] {
        for (state, answers) in table {
            for (expected, answer) in asked.into_iter().zip(answers) {
                let what = format!("cluster {cluster}, {state:?}, {expected:?}");
                let mut world = World::at(cluster);
                world.put(standing(state, CURRENT));
                let records = world.log.len();
                assert_eq!(world.init(&init_request(ID, expected).with_transaction_timeout_ms(9)), answer, "{what}");
                let after = world.shard.transaction(ID).expect("known");
                match (answer, state) {
                    (Ok(_), _) => {
                        assert_eq!((after.state, after.timeout_ms, after.start_ms), (Empty, 9, -1), "{what}");
                        assert_eq!(after.last_epoch, expected.map_or(-1, |expected| expected.epoch), "{what}");
                    }
                    (Err(ConcurrentTransactions), Ongoing) => assert_eq!(after.state, PrepareAbort, "{what}"),
                    _ => assert_eq!((world.log.len(), after.state), (records, state), "{what}"),
                }
            }
        }
    }
}

#[test]
fn an_open_transaction_is_aborted_and_its_producer_fenced() {
    for (cluster, version) in [(1, V1), (2, V1), (2, V2)] {
        let mut world = World::at(cluster);
        let old = world.init_new().expect("a producer");
        world.add(old, version, &[("a", &[0])]).expect("added");
        assert_eq!(world.init_new(), Err(ResponseError::ConcurrentTransactions));
        assert_eq!((world.state(), world.producer()), (PrepareAbort, producer(101, 1)));
        assert_eq!(world.init_new(), Err(ResponseError::ConcurrentTransactions), "until it is complete");
        assert_eq!(world.producer(), producer(101, 1), "fenced once, however often it is asked");
        let written = world.carry_out();
        assert_eq!((written[0].producer, written[0].committed), (producer(101, 1), false));
        assert_eq!(written[0].version, TransactionVersion(if cluster == 2 { 2 } else { 0 }), "the cluster's own version");
        let new = world.init_new().expect("a producer");
        assert_eq!(new, producer(101, 2));
        assert_eq!(world.add(old, version, &[("a", &[0])]), Err(ResponseError::ProducerFenced));
        assert_eq!(world.end(old, true, version), Err(ResponseError::ProducerFenced));
        assert_eq!(world.resume(old), Err(ResponseError::ProducerFenced));
    }
}

#[test]
fn a_producer_that_goes_on_aborts_its_own_transaction_and_bumps_once() {
    // Older: fenced by itself, as in Kafka, which has forgotten the epoch before. Version 2: the abort is the bump.
    for (cluster, answer) in [(1, Err(ResponseError::ProducerFenced)), (2, Ok(producer(101, 1)))] {
        let mut world = World::at(cluster);
        let old = world.init_new().expect("a producer");
        world.add(old, V1, &[("a", &[0])]).expect("added");
        assert_eq!(world.resume(old), Err(ResponseError::ConcurrentTransactions));
        world.carry_out();
        assert_eq!(world.resume(old), answer, "cluster {cluster}");
    }
}

#[test]
fn a_zombie_does_not_abort_the_transaction_of_its_successor() {
    let mut world = World::at(2);
    let zombie = world.init_new().expect("a producer");
    let successor = world.init_new().expect("a producer");
    world.add(successor, V2, &[("a", &[0])]).expect("added");
    assert_eq!(world.resume(zombie), Err(ResponseError::ProducerFenced));
    assert_eq!((world.state(), world.producer()), (Ongoing, successor));
}

#[test]
fn a_lost_answer_is_given_again_until_somebody_else_came() {
    let mut world = World::at(2);
    let first = world.init_new().expect("a producer");
    assert_eq!(world.resume(first), Ok(producer(101, 1)));
    assert_eq!(world.resume(first), Ok(producer(101, 1)), "the same again");
    assert_eq!(world.resume(producer(101, 1)), Ok(producer(101, 2)));
    assert_eq!(world.resume(first), Err(ResponseError::ProducerFenced));
    assert_eq!(world.init_new(), Ok(producer(101, 3)), "somebody else");
    assert_eq!(world.resume(producer(101, 2)), Err(ResponseError::ProducerFenced));
}

#[test]
fn an_abort_by_the_coordinator_forgets_which_answer_was_lost() {
    for cluster in [1, 2] {
        let mut world = World::at(cluster);
        let first = world.init_new().expect("a producer");
        let second = world.resume(first).expect("bumped");
        world.add(second, V1, &[("a", &[0])]).expect("added");
        assert_eq!(world.init_new(), Err(ResponseError::ConcurrentTransactions));
        world.carry_out();
        assert_eq!(world.resume(first), Err(ResponseError::ProducerFenced), "cluster {cluster}");
    }
}

#[test]
fn a_reload_forgets_which_answer_was_lost() {
    // No record has the epoch before. Kafka fences here as well.
    let mut world = World::at(2);
    let first = world.init_new().expect("a producer");
    world.resume(first).expect("bumped");
    world.reload();
    assert_eq!(world.resume(first), Err(ResponseError::ProducerFenced));
    assert_eq!(world.resume(producer(101, 1)), Ok(producer(101, 2)));
}

#[test]
fn used_up_epochs_are_followed_by_another_producer_id() {
    for state in [Empty, CompleteCommit, CompleteAbort] {
        for last in [32_766, 32_767] {
            let mut world = World::at(2);
            let old = producer(7, last);
            world.put(standing(state, old));
            let effects = world.shard.init_producer_id(world.now, Ticket(1), None, &init_request(ID, None));
            assert_eq!(world.apply(effects), [TxnReply::NeedsProducerId]);
            assert_eq!(world.resume(old), Ok(producer(101, 0)));
            assert_eq!(world.resume(old), Ok(producer(101, 0)), "the same again");
            assert_eq!(world.resume(producer(7, 32_765)), Err(ResponseError::ProducerFenced));
            assert_eq!(world.resume(producer(101, 0)), Ok(producer(101, 1)));
            assert_eq!(world.resume(old), Err(ResponseError::ProducerFenced), "too late to ask again");

            let mut world = World::at(2);
            world.put(standing(state, old));
            assert_eq!(world.init_new(), Ok(producer(101, 0)));
            assert_eq!(world.resume(old), Err(ResponseError::ProducerFenced), "it was somebody else");
        }
    }
}

#[test]
fn the_last_epoch_is_given_again_when_its_answer_was_lost() {
    // Kafka answers UNKNOWN_SERVER_ERROR.
    let mut world = World::at(2);
    world.put(standing(Empty, producer(7, 32_765)));
    assert_eq!(world.resume(producer(7, 32_765)), Ok(producer(7, 32_766)));
    assert_eq!(world.resume(producer(7, 32_765)), Ok(producer(7, 32_766)));
    assert_eq!(world.resume(producer(7, 32_764)), Err(ResponseError::ProducerFenced));
    assert_eq!(world.resume(producer(7, 32_766)), Ok(producer(101, 0)));
}

#[test]
fn fencing_at_the_last_epoch_takes_a_producer_id_with_version_2() {
    let mut world = World::at(2);
    world.put(standing(Ongoing, producer(7, 32_766)));
    let effects = world.shard.init_producer_id(world.now, Ticket(1), None, &init_request(ID, None));
    assert!(effects.records.is_empty() && effects.commands.is_empty());
    assert_eq!(world.apply(effects), [TxnReply::NeedsProducerId]);
    assert_eq!(world.init_new(), Err(ResponseError::ConcurrentTransactions));
    assert_eq!(world.carry_out()[0].producer, producer(7, 32_767));
    assert_eq!(world.producer(), producer(101, 0));
    assert_eq!(world.init_new(), Ok(producer(101, 1)));

    let mut world = World::at(1);
    world.put(standing(Ongoing, producer(7, 32_766)));
    assert_eq!(world.init_new(), Err(ResponseError::ConcurrentTransactions));
    world.carry_out();
    assert_eq!(world.producer(), producer(7, 32_767), "the epoch kept for the coordinator");
    assert_eq!(world.init_new(), Ok(producer(101, 0)));
}
