//! Every metric there is: its name, type, help and where its samples come from. Names are written in this folder and nowhere else.
//!
//! Names are those that dashboards and alerts ask for already: of Apache Kafka's own metrics as Strimzi's rules for the JMX exporter name
//! them, of kafka_exporter, of kafka-lag-exporter, of Prometheus' process collector. What is ours begins with `ottla_`.

mod cluster;
mod groups;
mod network;
mod process;
mod topics;

use super::family::Family;
use super::text::Number;
use std::fmt::Write;

static PARTS: [&[Family]; 5] = [process::FAMILIES, network::FAMILIES, cluster::FAMILIES, topics::FAMILIES, groups::FAMILIES];

/// Every metric, in the order they are told.
pub(super) fn all() -> impl Iterator<Item = &'static Family> {
    PARTS.into_iter().flatten()
}

fn whole(number: usize) -> Number {
    Number::Count(number as u64)
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Every metric as a Markdown table.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(
        "# Metrics\n\nPrinted by `ottla metrics --docs`.\n\n| metric | type | labels | from detail | meaning |\n|---|---|---|---|---|\n",
    );
    for family in all() {
        let labels: Vec<String> = family.rows.labels().iter().map(|label| format!("`{label}`")).collect();
        let (kind, labels, detail) = (family.kind.word(), labels.join(", "), family.rows.told_from());
        let _ = writeln!(out, "| `{}` | {kind} | {labels} | {detail} | {} |", family.name, family.help);
    }
    out
}
