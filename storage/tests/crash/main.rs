//! Every changing call of a scripted run, cut: the process killed, the power lost, the disk full, the disk failing. The log is opened
//! again and compared with a model that never saw a disk.
//!
//! What a failure prints (the seed, the operation's number, the seed of the power loss) is enough to see it again.

mod house;
mod model;
mod script;
mod verify;

use ottla_storage::disk::faulty::Fault;

use house::{Allowed, House};
use script::{Op, Random, script};
use verify::{Stop, verify};

const OPERATIONS: usize = 200;

/// Runs a script with the machine stopping at one call. `None` when the script and the clean stop need fewer calls.
fn cut_at(seed: u64, script: &[Op], call: u64) -> Option<(ottla_storage::disk::faulty::FaultyDisk, Allowed, usize)> {
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
    for seed in 0..20 {
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
    for seed in [1, 2] {
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
    for seed in [3, 4] {
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
