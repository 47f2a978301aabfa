//! Every changing call of a scripted run, cut: the process killed, the power lost, the disk full, the disk failing. The log is opened
//! again and compared with a model that never saw a disk.
//!
//! What a failure prints (the seed, the operation's number, the seed of the power loss) is enough to see it again.

mod house;
mod model;
mod script;
mod verify;

use ottla_storage::Millis;
use ottla_storage::disk::faulty::{Fault, FaultyDisk};

use house::{Allowed, House, config, log_id, open_manager};
use script::{Op, Random, script};
use verify::{Stop, verify};

const OPERATIONS: usize = 200;
/// Each of these is a run of its own at every call, so it is shorter.
const OPERATIONS_WITH_FAULTS: usize = 80;

/// A few seeds in every test run; `OTTLA_CRASH_SEEDS=100` for a night.
fn seeds(count: u64) -> std::ops::Range<u64> {
    0..std::env::var("OTTLA_CRASH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(count)
}

/// Runs a script with the machine stopping at one call. `None` when the script and the clean stop need fewer calls.
fn cut_at(seed: u64, script: &[Op], call: u64) -> Option<(FaultyDisk, Allowed, usize)> {
    let mut house = House::build(seed);
    let disk = house.disk.clone();
    disk.fail_at(disk.operations() + call, Fault::PowerOff);
    for (number, op) in script.iter().enumerate() {
        if let Err(failed) = house.tell(*op) {
            return Some((disk, failed.allowed, number));
        }
    }
    let before = Allowed { closed: true, ..Allowed::exactly(&house.model) };
    let (disk, _, closed) = house.close();
    closed.is_err().then_some((disk, before, script.len()))
}

#[test]
fn a_run_without_faults_agrees_with_the_model() {
    for seed in seeds(20) {
        let mut house = House::build(seed);
        for op in script(seed, 500) {
            house.tell(op).unwrap_or_else(|failed| panic!("seed {seed}, {op:?}: {}", failed.error));
        }
        let (disk, model, closed) = house.close();
        closed.expect("closed");
        let allowed = Allowed { closed: true, ..Allowed::exactly(&model) };
        verify(&disk.crash(0), &allowed, Stop::PowerLoss, &("clean", seed));
        verify(&disk, &allowed, Stop::Kill, &("clean", seed));
    }
}

#[test]
fn a_kill_at_any_call_loses_nothing() {
    for seed in seeds(2) {
        let script = script(seed, OPERATIONS);
        let mut call = 0;
        while let Some((disk, allowed, number)) = cut_at(seed, &script, call) {
            let at = (seed, call, number, script.get(number));
            verify(&disk.crash_keep_page_cache(), &allowed, Stop::Kill, &at);
            call += 1;
        }
        assert!(call > 300, "only {call} calls");
    }
}

#[test]
fn a_power_loss_at_any_call_keeps_what_was_flushed_and_makes_nothing_up() {
    for seed in seeds(2) {
        let script = script(seed, OPERATIONS);
        let mut random = Random(seed);
        let mut call = 0;
        while let Some((disk, allowed, number)) = cut_at(seed, &script, call) {
            for outcome in [0, 1, random.next(), random.next()] {
                let at = (seed, call, outcome, number, script.get(number));
                verify(&disk.crash(outcome), &allowed, Stop::PowerLoss, &at);
            }
            call += 1;
        }
        assert!(call > 300, "only {call} calls");
    }
}

/// Runs a script during which calls fail and then work again. False when the script needs fewer calls.
fn run_with_faults(seed: u64, script: &[Op], fault: Fault, call: u64, count: u64) -> bool {
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
    let (disk, model, closed) = house.close();
    closed.expect("the disk works again");
    let allowed = Allowed { closed: true, doubtful, ..Allowed::exactly(&model) };
    if !doubtful {
        verify(&disk.crash(0), &allowed, Stop::PowerLoss, &at);
    }
    verify(&disk, &allowed, Stop::Kill, &at);
    reached
}

#[test]
fn a_full_disk_at_any_call_costs_nothing_but_that_call() {
    for seed in seeds(1) {
        let script = script(seed, OPERATIONS_WITH_FAULTS);
        let mut call = 0;
        while run_with_faults(seed, &script, Fault::NoSpace, call, 1 + call % 5) {
            call += 1;
        }
        assert!(call > 150, "only {call} calls");
    }
}

#[test]
fn a_failing_disk_at_any_call_costs_nothing_but_that_call() {
    for seed in seeds(1) {
        let script = script(seed, OPERATIONS_WITH_FAULTS);
        let mut call = 0;
        while run_with_faults(seed, &script, Fault::Io, call, 1 + call % 5) {
            call += 1;
        }
        assert!(call > 150, "only {call} calls");
    }
}

#[test]
fn a_read_that_fails_while_opening_is_an_error_and_not_an_opinion() {
    for seed in seeds(2) {
        let mut house = House::build(seed);
        for op in script(seed, OPERATIONS) {
            house.tell(op).unwrap_or_else(|failed| panic!("{op:?}: {}", failed.error));
        }
        let allowed = Allowed::exactly(&house.model);
        let left = house.disk.crash_keep_page_cache();
        for read in 0.. {
            let disk = left.crash_keep_page_cache();
            disk.fail_read_at(read);
            let opened = open_manager(&disk).and_then(|manager| manager.open_log(&log_id(), config(), Millis(9_000_000)).map(|_| ()));
            let reached = disk.reads() > read;
            disk.heal();
            assert!(opened.is_ok() || reached);
            verify(&disk, &allowed, Stop::Kill, &(seed, read));
            if !reached {
                assert!(read > 30, "only {read} reads");
                break;
            }
        }
    }
}
