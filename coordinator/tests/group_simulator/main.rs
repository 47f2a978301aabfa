//! Random lives of a group shard, by seed: clients of both protocols that join, leave, crash, stop and come back, appends that fail,
//! reloads, topics that change. What must hold is in `checks.rs`, and at the end of `world.rs`: once nothing goes wrong any more, the
//! group comes to rest with every partition owned.
//!
//! A failure names its seed. To live one life again and see all of it:
//! `OTTLA_SIM_SEED=17 cargo test -p ottla-coordinator --test group_simulator -- --nocapture one_seed`

mod broker;
mod checks;
mod classic;
mod client;
mod consumer;
mod leader;
mod rng;
mod topics;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use world::{Speech, World};

/// What groups may speak.
const SPEECHES: &[Speech] = &[Speech::Classic, Speech::Consumer, Speech::Mixed];

fn live(seed: u64, trace: bool) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut world = World::new(seed, SPEECHES, trace);
    world.run();
    world.log()
}

fn live_all(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| live(seed, false))) {
            let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            panic!("seed {seed}: {}\nOTTLA_SIM_SEED={seed} shows this life", text.unwrap_or_default());
        }
    }
}

// Four tests, so that four cores can share the lives.

#[test]
fn seeds_0_to_499() {
    live_all(0..500);
}

#[test]
fn seeds_500_to_999() {
    live_all(500..1_000);
}

#[test]
fn seeds_1000_to_1499() {
    live_all(1_000..1_500);
}

#[test]
fn seeds_1500_to_1999() {
    live_all(1_500..2_000);
}

#[test]
fn one_seed() {
    let seed = std::env::var("OTTLA_SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    if let Some(seed) = seed {
        live(seed, true);
    }
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    for seed in 0..20 {
        assert_eq!(live(seed, false), live(seed, false), "seed {seed}");
    }
}
