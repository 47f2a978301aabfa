//! What time ends: transactions, and ids that nobody uses.

use super::super::*;
use super::harness::*;
use TransactionState::*;

fn open(world: &mut World, version: TransactionVersion) -> ProducerIdAndEpoch {
    let producer = world.init_new().expect("a producer");
    world.add(producer, version, &[("a", &[0])]).expect("added");
    producer
}

#[test]
fn a_transaction_that_lasts_too_long_is_aborted_and_its_producer_fenced() {
    for (cluster, version) in [(0, V1), (1, V1), (2, V1), (2, V2)] {
        let mut world = World::at(cluster);
        let first = open(&mut world, version);
        world.sleep(i64::from(TIMEOUT_MS) - 1);
        assert_eq!(world.state(), Ongoing, "not a moment too early");
        world.sleep(1);
        assert_eq!((world.state(), world.producer()), (PrepareAbort, producer(101, 1)), "cluster {cluster}");
        assert_eq!(world.add(first, version, &[("a", &[0])]), Err(ResponseError::ConcurrentTransactions));
        let written = world.carry_out();
        assert_eq!((written[0].producer, written[0].committed), (producer(101, 1), false));
        assert_eq!(world.state(), CompleteAbort);
        assert_eq!(world.add(first, version, &[("a", &[0])]), Err(ResponseError::ProducerFenced));
        // A client of version 2 may abort what is aborted and go on; commit it cannot.
        let commit = if version == V2 { ResponseError::InvalidTxnState } else { ResponseError::ProducerFenced };
        assert_eq!(world.end(first, true, version), Err(commit));
        let abort = if version == V2 { Ok(Some(producer(101, 1))) } else { Err(ResponseError::ProducerFenced) };
        assert_eq!(world.end(first, false, version), abort);
    }
}

#[test]
fn the_time_counts_from_the_first_partition_and_outlives_the_coordinator() {
    let mut world = World::at(2);
    let first = open(&mut world, V2);
    world.sleep(i64::from(TIMEOUT_MS) / 2);
    world.add(first, V2, &[("b", &[0])]).expect("added");
    world.reload();
    world.sleep(i64::from(TIMEOUT_MS) / 2 - 1);
    assert_eq!(world.state(), Ongoing);
    world.sleep(1);
    assert_eq!(world.state(), PrepareAbort);
}

#[test]
fn every_transaction_has_its_own_time() {
    let mut world = World::at(2);
    let first = open(&mut world, V2);
    world.sleep(i64::from(TIMEOUT_MS) - 1);
    let next = world.end(first, true, V2).expect("ended").expect("a producer");
    world.carry_out();
    world.add(next, V2, &[("a", &[0])]).expect("added");
    world.sleep(i64::from(TIMEOUT_MS) - 1);
    assert_eq!(world.state(), Ongoing);
    world.sleep(1);
    assert_eq!(world.state(), PrepareAbort);
}

#[test]
fn a_timeout_at_the_last_epoch_waits_for_a_producer_id() {
    let mut world = World::at(2);
    world.put(standing(Ongoing, producer(7, 32_766)));
    world.reload();
    world.sleep(0);
    let due = vec![TxnCommand::AbortExpired(ID.into())];
    assert_eq!((world.state(), &world.commands), (Ongoing, &due));
    // No producer id could be had: asked again later.
    world.commands.clear();
    world.sleep(10_000);
    assert_eq!(world.commands, due);
    let effects = world.shard.abort_expired(world.now, Ticket(1), &ID.into(), None);
    assert_eq!(world.apply(effects), [TxnReply::NeedsProducerId]);
    assert_eq!(world.state(), Ongoing, "nothing is decided without");

    world.carry_out();
    assert_eq!((world.state(), world.producer()), (PrepareAbort, producer(7, 32_767)));
    let written = world.carry_out();
    assert_eq!(written[0].producer, producer(7, 32_767));
    assert_eq!((world.state(), world.producer()), (CompleteAbort, producer(101, 0)));
    world.sleep(100_000);
    assert!(world.commands.is_empty(), "done with");
}

#[test]
fn an_abort_that_comes_too_late_spares_the_next_transaction() {
    let mut world = World::at(2);
    world.put(standing(Ongoing, producer(7, 32_766)));
    world.reload();
    world.sleep(0);
    assert_eq!(world.commands.len(), 1);
    // Before the producer id has come the client commits by itself, and begins anew at the same epoch.
    let asked = std::mem::take(&mut world.commands);
    world.end(producer(7, 32_766), true, V1).expect("committed");
    world.carry_out();
    world.add(producer(7, 32_766), V1, &[("a", &[0])]).expect("the next transaction");
    world.commands = asked;
    world.carry_out();
    assert_eq!(world.state(), Ongoing);
}

#[test]
fn with_the_older_versions_a_timeout_at_the_last_epoch_takes_no_producer_id() {
    let mut world = World::at(1);
    world.put(standing(Ongoing, producer(7, 32_766)));
    world.reload();
    world.sleep(0);
    world.carry_out();
    assert_eq!((world.state(), world.producer()), (CompleteAbort, producer(7, 32_767)));
    assert_eq!(world.init_new(), Ok(producer(101, 0)), "the producer id is used up");
}

#[test]
fn a_two_phase_commit_may_take_for_ever() {
    let mut world = World::at(2);
    world.put(Transaction { timeout_ms: i32::MAX, ..standing(Ongoing, producer(7, 5)) });
    world.reload();
    world.sleep(i64::from(i32::MAX) * 2);
    assert_eq!(world.state(), Ongoing);
}

#[test]
fn a_clock_that_is_set_neither_shortens_nor_lengthens_a_transaction() {
    for by_ms in [1_000_000, -900_000] {
        let mut world = World::at(2);
        let first = open(&mut world, V2);
        world.now = Millis(world.now.0 + by_ms);
        world.shard.shift_deadlines(by_ms);
        world.add(first, V2, &[("b", &[0])]).expect("one more partition");
        world.sleep(i64::from(TIMEOUT_MS) - 1);
        assert_eq!(world.state(), Ongoing);
        world.sleep(1);
        assert_eq!(world.state(), PrepareAbort);
    }
}

fn week() -> TxnSettings {
    TxnSettings { id_expiration_ms: 1_000, expire_ids_interval_ms: 100, ..TxnSettings::default() }
}

#[test]
fn only_idle_ids_without_a_transaction_are_forgotten() {
    for state in TransactionState::ALL {
        let mut world = World::with(2, week());
        world.put(Transaction { last_update_ms: world.now.0, timeout_ms: 1_000_000, ..standing(state, producer(7, 5)) });
        world.sleep(999);
        assert!(world.shard.transaction(ID).is_some(), "{state:?}: not idle for long enough");
        world.sleep(100);
        assert_eq!(world.shard.transaction(ID).is_none(), state.may_expire(), "{state:?}");
    }
}

#[test]
fn an_id_that_was_forgotten_begins_anew() {
    let mut world = World::with(2, week());
    let forgotten = world.init_new().expect("a producer");
    world.sleep(2_000);
    assert_eq!(world.add(forgotten, V2, &[("a", &[0])]), Err(ResponseError::InvalidProducerIdMapping));
    assert_eq!(world.resume(forgotten), Ok(producer(102, 0)), "a producer that comes back is not fenced (KIP-360)");
}

#[test]
fn a_round_over_many_idle_ids_is_cut_into_batches() {
    let mut world = World::with(2, week());
    let old = |i: i32| TransactionRecord {
        transactional_id: format!("id-{i:05}").as_str().into(),
        value: Some(Transaction { last_update_ms: 0, ..standing(CompleteCommit, producer(7, 5)) }),
        cluster_version: TransactionVersion(2),
    };
    for i in 0..2_500 {
        world.shard.replay(&old(i));
    }
    let mut batches = Vec::new();
    world.now = Millis(world.now.0 + 100);
    while let Some(at) = world.shard.next_deadline().filter(|at| at.0 < world.now.0 + 100) {
        let effects = world.shard.handle_timeout(at.max(world.now));
        effects.records.iter().for_each(|record| world.shard.replay(record));
        batches.push(effects.records.len());
    }
    assert_eq!(batches, [1_000, 1_000, 500]);
    assert_eq!(world.shard.transactions().count(), 0);
}
