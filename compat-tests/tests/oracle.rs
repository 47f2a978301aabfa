//! Every API at every version, the same bytes to the broker and to what Apache Kafka said when it was asked last.
//!
//! The questions live in `server/tests/versions`. With `OTTLA_COMPAT_ORACLE=1` a living Apache Kafka is asked first: when it says
//! something else than the golden file, the file is out of date.

#[path = "../../server/tests/versions/mod.rs"]
mod stories;

use anyhow::{Result, ensure};
use compat_tests::{Broker, BrokerOptions, Target, story};

#[test]
fn both_brokers_answer_alike() {
    // The records of the stories are years old.
    let options = BrokerOptions::new()
        .set("log.retention.ms", -1)
        .set("node.id", 1)
        .set("group.initial.rebalance.delay.ms", 0)
        .set("group.consumer.assignment.interval.ms", 0);
    story("both_brokers_answer_alike", options, |broker: &mut Broker| -> Result<()> {
        let book = stories::tell_all(([127, 0, 0, 1], broker.port()).into(), broker.target() == Target::Ottla, "");
        ensure!(!book.asked.is_empty(), "nothing was asked");
        let differences = stories::differences(&book.text(), &stories::golden());
        ensure!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
        Ok(())
    });
}
