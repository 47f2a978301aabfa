//! Random lives of transactions, by seed: coordinators that reload, producers of both transaction versions that crash, stop and come
//! back as zombies, requests and answers that get lost or come late, markers that are repeated, power that fails. Partitions keep
//! storage's real rules, offsets partitions the real group shard. What must hold is in `checks.rs` and `offsets.rs`; once nothing goes
//! wrong any more, everything comes to rest and every producer can commit.
//!
//! A failure names its seed. To live one life again and see all of it:
//! `OTTLA_SIM_SEED=17 cargo test -p ottla-coordinator --test txn_simulator -- --nocapture one_seed`
//! More lives: `OTTLA_SIM_SEEDS=100000 cargo test -p ottla-coordinator --test txn_simulator -- more_seeds`
//!
//! Each check has been red: `each_check_finds_its_planted_bug` plants one bug after the other.
//!
//! | what holds | how a failure begins | planted bugs (`plant.rs`) |
//! |---|---|---|
//! | pieces of a transaction, in any partition, offsets too, share the fate that was decided | `atomic:` | `WrongMarker`, `DeafSender` |
//! | a batch, offset or EndTxn counts for its own transaction or for none | `next transaction:` | `NoVerification`, `LateEndTxnOfVersion1` |
//! | the last stable offset only rises, nothing below it is undecided, and in the end it is the log's end | `last stable offset:` | `ForgottenTransaction` |
//! | what is decided completes, and not before every partition knows | `completes:` | `LostMarker`, `LostCompletion` |
//! | a decision is made by whom it belongs to, and never changes | `decision:` | `OtherDecision` |
//! | no producer id or epoch goes to two processes; epochs of a producer id only rise | `epochs:` | `SameProducerId`, `OldEpoch` |
//! | only the process initialized last gets anything done | `fencing:` | `NoFencing` |
//! | what a producer is told is so: an acknowledged commit is there, each record once | `acknowledged commit:` | `EarlyAnswer` |
//! | EndTxn that is sent again is answered as the first time | `again:` | `ForgottenEndTxn` |
//! | every request is answered, once | `every request is answered:` | `LostReply` |
//! | no offset stays pending, and who reads stable offsets waits for pending ones | `pending offsets:` | `GroupsNotTold` |
//! | a reload brings the state back | `the log gives back the state` | `LostRecord` |
//!
//! With version 1 a request that arrives after its producer gave up on it can hit the next transaction: that is the hole in Kafka's
//! older protocol, which verification closes for batches only, and only in the topic they were sent to. So late requests of version 1 are
//! batches here; the plant `LateEndTxnOfVersion1` shows the hole. With version 2 every request may be late.

mod checks;
mod coordinator;
mod markers;
mod message;
mod offsets;
mod partition;
mod plant;
mod producer;
#[allow(dead_code, reason = "the simulators share it")]
#[path = "../group_simulator/rng.rs"]
mod rng;
mod sights;
mod world;
mod writes;

use plant::Plant;
use sights::{Sight, Sights};
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::World;

fn live(seed: u64, plant: Option<Plant>, trace: bool) -> Result<World, String> {
    let life = || {
        let mut world = World::new(seed, plant, trace);
        world.run();
        world
    };
    catch_unwind(AssertUnwindSafe(life)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        text.unwrap_or_default()
    })
}

fn live_all(seeds: std::ops::Range<u64>) {
    let mut sights = Sights::default();
    for seed in seeds.clone() {
        match live(seed, None, false) {
            Ok(world) => sights.add(&world.sights),
            Err(text) => panic!("seed {seed}: {text}\nOTTLA_SIM_SEED={seed} shows this life"),
        }
    }
    println!("{} lives: {sights:?}", seeds.end - seeds.start);
    for sight in Sight::ALL {
        assert!(sights.count(sight) >= 5, "{sight:?} was hardly ever seen: {sights:?}");
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
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
fn the_same_seed_writes_the_same_bytes() {
    let bytes = |seed| live(seed, None, false).map(|world| world.coordinators.iter().map(|held| held.log.clone()).collect::<Vec<_>>());
    for seed in 0..20 {
        assert_eq!(bytes(seed), bytes(seed), "seed {seed}");
    }
}

#[test]
fn one_seed() {
    if let Some(seed) = number("OTTLA_SIM_SEED") {
        live(seed, None, true).map(drop).unwrap();
    }
}

#[test]
fn more_seeds() {
    if let Some(seeds) = number("OTTLA_SIM_SEEDS") {
        live_all(2_000..2_000 + seeds);
    }
}

#[test]
fn each_check_finds_its_planted_bug() {
    for (plant, check) in Plant::ALL {
        let mut found = (0..500).filter_map(|seed| live(seed, Some(plant), false).err());
        let first = found.next().unwrap_or_else(|| panic!("{plant:?} stays hidden"));
        let is_found = first.contains(check) || found.any(|text| text.contains(check));
        assert!(is_found, "{plant:?} was to be found by {check} and gave: {first}");
    }
}
