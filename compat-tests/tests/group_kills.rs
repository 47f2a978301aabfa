//! Kill -9 of the broker in the middle of rebalances and commit storms: groups go on, every record is read, and no committed offset goes
//! back below an acknowledged one.

use anyhow::{Result, ensure};
use compat_tests::group::client::RDKAFKA;
use compat_tests::group::load::Load;
use compat_tests::group::stories::group_options;
use compat_tests::group::{Group, Protocol};
use compat_tests::rng::Rng;
use compat_tests::{Broker, need, story};
use std::time::Duration;

/// Longer than any restart; short enough that a member whose farewell got lost is soon missed.
const SESSION_MS: u32 = 10_000;

#[test]
fn classic_groups_outlive_a_killed_broker() {
    kill_under("group_kills_classic", Protocol { name: "classic", assignor: "range" });
}

#[test]
fn consumer_groups_outlive_a_killed_broker() {
    kill_under("group_kills_consumer", Protocol { name: "consumer", assignor: "default" });
}

fn kill_under(name: &str, protocol: Protocol) {
    let kills: u32 = std::env::var("OTTLA_GROUP_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let seed = Rng::seed_from_env("OTTLA_SEED");
    let Some(launcher) = need(name, (RDKAFKA.install)()) else { return };
    story(name, group_options(SESSION_MS), |broker| {
        let mut rng = Rng::new(seed);
        let load = Load::start(broker, "killed")?;
        let mut group = Group::new(broker, &RDKAFKA, protocol, launcher.clone(), "outliving", "killed", SESSION_MS)?;
        group.ledger.broker_dies = true;
        let mut present: Vec<String> = (0..3).map(|number| format!("m{number}")).collect();
        for member in &present {
            group.join(member, &[("commit", "sync")])?;
        }
        group.settle(&present.iter().map(String::as_str).collect::<Vec<_>>())?;
        for round in 0..kills {
            // Somebody comes or goes, and the broker dies somewhere in what follows.
            if present.len() < 3 || (present.len() < 5 && rng.below(2) == 0) {
                let newcomer = format!("n{round}");
                group.join(&newcomer, &[("commit", "sync")])?;
                present.push(newcomer);
            } else {
                let leaver = present.remove(rng.below(present.len() as u64) as usize);
                group.dismiss(&leaver)?;
            }
            group.listen(Duration::from_millis(20 + rng.below(600)))?;
            kill_and_check(broker, &mut group, &mut rng)?;
        }
        let names: Vec<&str> = present.iter().map(String::as_str).collect();
        group.settle(&names)?;
        group.progress(&names, 20)?;
        println!("{name}: {kills} kills");
        group.finish(broker, &load.finish()?)
    });
}

fn kill_and_check(broker: &mut Broker, group: &mut Group, rng: &mut Rng) -> Result<()> {
    broker.kill9()?;
    // Now and then the loading of groups itself is killed.
    while rng.below(100) < 15 {
        broker.launch_and_kill(Duration::from_millis(rng.below(80)))?;
    }
    // What was acknowledged may still be in the pipe.
    group.listen(Duration::from_millis(20))?;
    let acknowledged = group.ledger.acknowledged();
    let took = broker.restart()?;
    ensure!(took <= broker.recovery_limit(), "ready {took:?} after a kill");
    let committed = group.committed()?;
    for (partition, offset) in acknowledged {
        let there = committed.get(&partition).copied().unwrap_or(-1);
        ensure!(there >= offset, "partition {partition}: {offset} was acknowledged, after a kill the broker says {there}");
    }
    Ok(())
}
