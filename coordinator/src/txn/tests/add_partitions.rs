//! Partitions enter a transaction, and are found in it.

use super::super::*;
use super::harness::*;
use TransactionState::*;

const CURRENT: ProducerIdAndEpoch = ProducerIdAndEpoch { id: 7, epoch: 5 };

fn verify(world: &mut World, producer: ProducerIdAndEpoch, named: &[(&str, &[i32])]) -> TxnReply {
    let partitions = partitions(named);
    let request = PartitionsOfProducer { transactional_id: ID, producer, version: V1, partitions: &partitions };
    let effects = world.shard.verify_partitions(Ticket(1), &request);
    world.apply(effects).remove(0)
}

#[test]
fn every_state_but_the_prepared_ones_takes_partitions() {
    for state in TransactionState::ALL {
        for version in [V1, V2] {
            let mut world = World::at(2);
            world.put(standing(state, CURRENT));
            let added = world.add(CURRENT, version, &[("new", &[3]), ("a", &[9])]);
            if state.is_prepared() {
                assert_eq!((added, world.state()), (Err(ResponseError::ConcurrentTransactions), state));
                continue;
            }
            assert_eq!((added, world.state()), (Ok(()), Ongoing), "{state:?}");
            let after = world.shard.transaction(ID).expect("known").clone();
            let before: &[(&str, &[i32])] =
                if state == Ongoing { &[("a", &[0, 1, 9]), ("b", &[7]), ("new", &[3])] } else { &[("a", &[9]), ("new", &[3])] };
            assert_eq!(after.partitions, partitions(before), "{state:?}");
            assert_eq!((after.producer, after.client_version, after.timeout_ms), (CURRENT, version, TIMEOUT_MS));
            assert_eq!(after.start_ms, if state == Ongoing { 900 } else { world.now.0 }, "{state:?}: it begins with its first partitions");
        }
    }
}

#[test]
fn partitions_that_are_in_it_are_not_written_again() {
    let mut world = World::at(2);
    world.put(standing(Ongoing, CURRENT));
    let records = world.log.len();
    for known in [&[("a", &[0][..])][..], &[("a", &[0, 1][..]), ("b", &[7])], &[]] {
        assert_eq!(world.add(CURRENT, V2, known), Ok(()));
    }
    assert_eq!(world.log.len(), records);
    assert_eq!(world.add(CURRENT, V2, &[("a", &[0, 2])]), Ok(()));
    assert_eq!(world.log.len(), records + 1);
}

#[test]
fn strangers_add_and_find_nothing() {
    for state in TransactionState::ALL {
        let mut world = World::at(2);
        world.put(standing(state, CURRENT));
        for (asked, error) in [
            (producer(8, 5), ResponseError::InvalidProducerIdMapping),
            (producer(-1, -1), ResponseError::InvalidProducerIdMapping),
            (producer(7, 4), ResponseError::ProducerFenced),
            (producer(7, 6), ResponseError::ProducerFenced),
        ] {
            // To add, one must wait first: the producer may be the one that comes after the decision.
            let refused = if state.is_prepared() { ResponseError::ConcurrentTransactions } else { error };
            assert_eq!(world.add(asked, V2, &[("a", &[0])]), Err(refused), "{state:?}");
            assert_eq!(verify(&mut world, asked, &[("a", &[0])]), TxnReply::Verified(Err(error)), "{state:?}");
        }
        assert_eq!(world.state(), state);
    }
}

#[test]
fn an_unknown_id_has_no_producer_and_an_empty_one_is_no_id() {
    let mut world = World::at(2);
    let nothing = Partitions::new();
    for (transactional_id, error) in [(ID, ResponseError::InvalidProducerIdMapping), ("", ResponseError::InvalidRequest)] {
        let request = PartitionsOfProducer { transactional_id, producer: CURRENT, version: V2, partitions: &nothing };
        let effects = world.shard.add_partitions(world.now, Ticket(1), &request);
        assert_eq!(world.apply(effects), [TxnReply::Added(Err(error))]);
        let effects = world.shard.verify_partitions(Ticket(1), &request);
        assert_eq!(world.apply(effects), [TxnReply::Verified(Err(error))]);
    }
}

#[test]
fn verifying_names_each_partition_that_is_missing() {
    for state in TransactionState::ALL {
        let mut world = World::at(1);
        world.put(standing(state, CURRENT));
        let missing = Some(ResponseError::TransactionAbortable);
        let reply = verify(&mut world, CURRENT, &[("a", &[0, 2]), ("c", &[0])]);
        if state.is_prepared() {
            assert_eq!(reply, TxnReply::Verified(Err(ResponseError::ConcurrentTransactions)));
            continue;
        }
        let in_it = if state == Ongoing { None } else { missing };
        let found = [(("a".into(), 0), in_it), (("a".into(), 2), missing), (("c".into(), 0), missing)];
        assert_eq!(reply, TxnReply::Verified(Ok(found.into())), "{state:?}");
    }
}

#[test]
fn what_can_be_added_can_be_ended() {
    let mut world = World::with(2, TxnSettings { message_max_bytes: 2_000, ..TxnSettings::default() });
    world.put(standing(Empty, producer(i64::MAX, 32_766)));
    let current = world.producer();
    let mut refused = None;
    for partition in 0..1_000 {
        if let Err(error) = world.add(current, V2, &[("a", &[partition])]) {
            refused = Some((partition, error));
            break;
        }
    }
    let (added, error) = refused.expect("a record has an end");
    assert_eq!(error, ResponseError::UnknownServerError);
    assert!(added > 400, "{added} of the 500 that 2,000 bytes could hold");
    assert!(world.end(current, true, V2).is_ok(), "with every tag that a decision may carry");
    let (key, value) = world.log.last().expect("the decision");
    assert!(key.len() + value.as_ref().expect("a value").len() + 61 + 28 <= 2_000);
    world.carry_out();
    assert_eq!(world.state(), CompleteCommit);
}

#[test]
fn an_id_that_no_record_can_hold_is_refused_before_it_reaches_the_log() {
    let mut world = World::at(2);
    let long = "x".repeat(32_768);
    assert_eq!(world.init(&init_request(&long, None)), Err(ResponseError::UnknownServerError));
    assert!(world.init(&init_request(&long[1..], None)).is_ok());
    let mut world = World::with(2, TxnSettings { message_max_bytes: 200, ..TxnSettings::default() });
    assert_eq!(world.init(&init_request(&"x".repeat(100), None)), Err(ResponseError::UnknownServerError));
}
