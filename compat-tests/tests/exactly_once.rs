//! Exactly once: three copiers of one group carry a topic into another in transactions, under kills and pauses of the broker and of the
//! copiers, and every record arrives once.
//!
//! By default a short run per client. `OTTLA_EOS_MINUTES` makes it so many minutes per client, in runs of four minutes or less with
//! one seed each; `OTTLA_SEED` is the first seed.

use compat_tests::eos::copier::{Copier, JAVA, RDKAFKA};
use compat_tests::eos::{Plan, run};
use compat_tests::proxy::Proxy;
use compat_tests::rng::Rng;
use compat_tests::{need, story};
use std::time::Duration;

const RUN_SECONDS: u64 = 240;

#[test]
fn rdkafka_copies_exactly_once() {
    copy("eos_rdkafka", &RDKAFKA, Duration::from_millis(250), 6);
}

#[test]
fn java_copies_exactly_once() {
    copy("eos_java", &JAVA, Duration::from_millis(600), 8);
}

fn copy(name: &str, copier: &'static Copier, pace: Duration, seconds: u64) {
    let Some(launcher) = need(name, (copier.install)()) else { return };
    let plant = std::env::var("OTTLA_EOS_PLANT").unwrap_or_else(|_| "none".to_owned());
    let minutes: Option<u64> = std::env::var("OTTLA_EOS_MINUTES").ok().and_then(|text| text.parse().ok());
    let mut left = minutes.map_or(seconds, |minutes| 60 * minutes);
    // At least twenty kills in a run of minutes.
    let kills_min = if minutes.is_some() { 20 } else { 5 };
    let mut seed = Rng::seed_from_env("OTTLA_SEED");
    while left > 0 {
        let faults_for = Duration::from_secs(left.min(RUN_SECONDS));
        left -= left.min(RUN_SECONDS);
        let plan = Plan { copier, launcher: launcher.clone(), seed, faults_for, kills_min, pace, plant: plant.clone() };
        // Answers reach clients late: what a killed broker did last, they will ask for again.
        let proxy = Proxy::start(Duration::from_millis(2)).expect("a loopback port");
        story(name, Plan::broker_options(proxy.port()), |broker| {
            proxy.forward_to(broker.port());
            run(broker, &plan)
        });
        seed = seed.wrapping_add(1);
    }
}
