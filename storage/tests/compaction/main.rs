//! Compaction beside a model that remembers everything: random keyed load with tombstones, transactions, idempotent producers and all
//! codecs, passes at random moments with large and tiny maps; every changing call of it cut: killed, power lost, disk full, disk failing.
//!
//! What must hold: of each key the newest record survives, readers see an ordered part of what was written wherever they begin, readers of
//! committed records see exactly those that were committed, producers and open transactions are as they were.
//! `OTTLA_CRASH_SEEDS=100` runs more lives than the few of every test run.

mod house;
mod load;
mod model;
mod verify;

use ottla_storage::disk::faulty::{Fault, FaultyDisk};

use house::House;
use load::{Op, Random, script};
use model::Model;
use verify::{Stop, check, verify};

const OPERATIONS: usize = 120;
/// Each of these is a run of its own at every call, so it is shorter.
const OPERATIONS_WITH_FAULTS: usize = 70;

fn seeds(count: u64) -> std::ops::Range<u64> {
    0..std::env::var("OTTLA_CRASH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(count)
}

#[test]
fn a_life_without_faults_agrees_with_the_model_after_each_operation() {
    let mut passes = 0;
    for seed in seeds(8) {
        let mut house = House::build(seed);
        for (number, op) in script(seed, 400).into_iter().enumerate() {
            house.tell(op).unwrap_or_else(|failed| panic!("seed {seed}, {op:?}: {}", failed.error));
            if matches!(op, Op::Clean { .. }) || number % 40 == 0 {
                check(&house.log, &house.model, &(seed, number, op));
            }
        }
        passes += house.passes_done;
        let (disk, model, closed) = house.close();
        closed.expect("closed");
        verify(&disk.crash(0), &model, model.batches.len(), Stop::PowerLoss, &("clean", seed));
        verify(&disk, &model, model.batches.len(), Stop::Kill, &("clean", seed));
    }
    assert!(passes > 50, "only {passes} passes");
}

/// Runs a life with the machine stopping at one call. `None` when the life and the clean stop need fewer calls.
fn cut_at(seed: u64, script: &[Op], call: u64) -> Option<(FaultyDisk, Model, usize, usize)> {
    let mut house = House::build(seed);
    let disk = house.disk.clone();
    disk.fail_at(disk.operations() + call, Fault::PowerOff);
    for (number, op) in script.iter().enumerate() {
        if let Err(failed) = house.tell(*op) {
            let mut full = failed.full;
            full.passes = house.model.passes;
            return Some((disk, full, house.model.batches.len(), number));
        }
    }
    let (batches_min, before) = (house.model.batches.len(), house.model.clone());
    let (disk, _, closed) = house.close();
    closed.is_err().then_some((disk, before, batches_min, script.len()))
}

#[test]
fn a_kill_at_any_call_loses_nothing() {
    for seed in seeds(1) {
        let script = script(seed, OPERATIONS);
        let mut call = 0;
        while let Some((disk, full, batches_min, number)) = cut_at(seed, &script, call) {
            verify(&disk.crash_keep_page_cache(), &full, batches_min, Stop::Kill, &(seed, call, number, script.get(number)));
            call += 1;
        }
        assert!(call > 250, "only {call} calls");
    }
}

#[test]
fn a_power_loss_at_any_call_keeps_the_newest_of_what_was_flushed() {
    for seed in seeds(1) {
        let script = script(seed, OPERATIONS);
        let mut random = Random(seed);
        let mut call = 0;
        while let Some((disk, full, batches_min, number)) = cut_at(seed, &script, call) {
            for outcome in [0, 1, random.next(), random.next()] {
                let at = (seed, call, outcome, number, script.get(number));
                verify(&disk.crash(outcome), &full, batches_min, Stop::PowerLoss, &at);
            }
            call += 1;
        }
        assert!(call > 250, "only {call} calls");
    }
}

/// Runs a life during which calls fail and then work again. False when the life needs fewer calls.
fn live_with_faults(seed: u64, script: &[Op], fault: Fault, call: u64, count: u64) -> bool {
    let at = (seed, fault, call, count);
    let mut house = House::build(seed);
    let disk = house.disk.clone();
    let first = disk.operations() + call;
    (first..first + count).for_each(|call| disk.fail_at(call, fault));
    for op in script {
        house = house.survive(*op, &(at, op));
    }
    let reached = disk.operations() > first;
    disk.heal();
    let doubtful = house.syncs_are_doubtful;
    check(&house.log, &house.model, &at);
    let (disk, model, closed) = house.close();
    closed.expect("the disk works again");
    if !doubtful {
        verify(&disk.crash(0), &model, 0, Stop::PowerLoss, &at);
    }
    let killed = if doubtful { Stop::KillInDoubt } else { Stop::Kill };
    verify(&disk, &model, model.batches.len(), killed, &at);
    reached
}

#[test]
fn a_full_disk_at_any_call_costs_nothing_but_that_call() {
    for seed in seeds(1) {
        let script = script(seed, OPERATIONS_WITH_FAULTS);
        let mut call = 0;
        while live_with_faults(seed, &script, Fault::NoSpace, call, 1 + call % 5) {
            call += 1;
        }
        assert!(call > 100, "only {call} calls");
    }
}

#[test]
fn a_failing_disk_at_any_call_costs_nothing_but_that_call() {
    for seed in seeds(1) {
        let script = script(seed, OPERATIONS_WITH_FAULTS);
        let mut call = 0;
        while live_with_faults(seed, &script, Fault::Io, call, 1 + call % 5) {
            call += 1;
        }
        assert!(call > 100, "only {call} calls");
    }
}
