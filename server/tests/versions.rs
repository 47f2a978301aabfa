//! Every advertised API at every version, against what Apache Kafka 4.3.1 answers to the same bytes.
//!
//! `OTTLA_VERSIONS_AT=host:port` asks a broker that is already running instead; `OTTLA_VERSIONS_WRITE=/path` writes the answers
//! to a file instead of comparing them: this is how the golden files are made (`OTTLA_VERSIONS_ONLY` for one of them), from a fresh Apache Kafka with node id 1 and
//! `log.retention.ms=-1`, `group.initial.rebalance.delay.ms=0`, `group.consumer.assignment.interval.ms=0`. `OTTLA_VERSIONS_ONLY=text` tells only some stories.

#[path = "versions/mod.rs"]
mod stories;

use ottla_server::Broker;
use ottla_server::api::APIS;
use ottla_server::config::Config;
use std::fmt::Write as _;

#[test]
fn every_api_answers_as_apache_kafka_does_at_every_version() {
    let only = std::env::var("OTTLA_VERSIONS_ONLY").unwrap_or_default();
    let dir = tempfile::tempdir().expect("a directory");
    let (book, broker) = match std::env::var("OTTLA_VERSIONS_AT") {
        Ok(address) => (stories::tell_all(address.parse().expect("an address"), false, &only), None),
        Err(_) => {
            let broker = start(dir.path());
            (stories::tell_all(broker.bound()[0].addresses[0], true, &only), Some(broker))
        }
    };
    if let Ok(path) = std::env::var("OTTLA_VERSIONS_WRITE") {
        std::fs::write(path, book.text()).expect("written");
        return;
    }
    let differences = stories::differences(&book.text(), &stories::golden());
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
    if only.is_empty() {
        let mut untold = String::new();
        for entry in APIS {
            for version in entry.min_version..=entry.max_version {
                if !book.asked.contains(&(entry.key as i16, version)) {
                    let _ = writeln!(untold, "{:?} v{version}", entry.key);
                }
            }
        }
        assert!(untold.is_empty(), "no story asks\n{untold}");
    }
    if let Some(broker) = broker {
        broker.stop();
    }
}

#[test]
fn null_records_are_invalid() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = start(dir.path());
    assert_eq!(stories::null_records(broker.bound()[0].addresses[0]), [87; 11]);
    broker.stop();
}

fn start(dir: &std::path::Path) -> Broker {
    let properties = format!(
        "log.dirs={}\nlog.retention.ms=-1\nnode.id=1\ngroup.initial.rebalance.delay.ms=0\n\
         group.consumer.assignment.interval.ms=0\n",
        dir.display()
    );
    let config = Config::builder().properties(&properties, "test").expect("well formed").port(0).build().expect("a configuration");
    Broker::start(config).expect("a broker")
}
