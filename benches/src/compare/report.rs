//! The table: medians over rounds, and the median of the ratios to one of the systems taken round by round.

use crate::percentiles::Sorted;
use serde_json::Value;
use std::fmt::Write;
use std::process::Command;

/// One line of `load`, and where it came from.
#[derive(Clone, Debug)]
pub struct Sample {
    pub round: usize,
    pub system: &'static str,
    pub line: Value,
}

impl Sample {
    fn label(&self) -> &str {
        self.line["label"].as_str().unwrap_or_default()
    }

    fn is_of(&self, system: &str, label: &str) -> bool {
        self.system == system && self.label() == label
    }

    fn number(&self, field: &str) -> Option<f64> {
        self.line[field].as_f64()
    }
}

/// Which field of which load is compared, and what else is shown. The first is the one ratios are taken of.
fn columns(load: &str) -> &'static [(&'static str, &'static str)] {
    match load {
        "produce" => &[
            ("cpu_s_per_gb", "broker cpu-s/GB"),
            ("us_per_request", "us/request"),
            ("mb_per_s", "MB/s"),
            ("broker_rss_kib", "RSS KiB"),
            ("other_cores", "other cores"),
        ],
        "fetch" => &[
            ("cpu_s_per_gb", "broker cpu-s/GB"),
            ("us_per_request", "us/request"),
            ("mb_per_s", "MB/s"),
            ("broker_rss_kib", "RSS KiB"),
            ("other_cores", "other cores"),
        ],
        "latency" => &[
            ("end_to_end_us_p50", "e2e p50 us"),
            ("end_to_end_us_p99", "e2e p99 us"),
            ("ack_us_p50", "ack p50 us"),
            ("us_per_request", "us/request"),
            ("other_cores", "other cores"),
        ],
        "start" => &[
            ("first_ack_ms_median", "exec to first ack ms"),
            ("listening_ms_median", "exec to listening ms"),
            ("idle_rss_kib", "idle RSS KiB"),
            ("idle_anonymous_kib", "idle heap KiB"),
        ],
        "idle" => &[
            ("anonymous_kib_per_connection", "heap KiB/connection"),
            ("rss_kib_per_connection", "RSS KiB/connection"),
            ("broker_rss_kib_after", "RSS KiB"),
            ("connects_per_s", "connects/s"),
        ],
        "group" => &[
            ("broker_cpu_ms", "broker CPU ms"),
            ("stable_ms", "stable after ms"),
            ("requests", "requests"),
            ("rounds", "rounds"),
            ("us_per_request", "us/request"),
            ("other_cores", "other cores"),
        ],
        "heartbeat" | "offsets" => &[
            ("us_per_request", "broker us/request"),
            ("requests_per_s", "requests/s"),
            ("load_cores", "load cores"),
            ("broker_rss_kib", "RSS KiB"),
            ("other_cores", "other cores"),
        ],
        "transactions" => &[
            ("commit_us_p50", "commit p50 us"),
            ("commit_us_p99", "commit p99 us"),
            ("transactions_per_s", "transactions/s"),
            ("transaction_us_p50", "transaction p50 us"),
            ("transaction_us_p99", "transaction p99 us"),
            ("us_per_request", "broker us/transaction"),
            ("retries", "retries"),
            ("other_cores", "other cores"),
        ],
        "reload" => &[
            ("after_listening_ms", "listening to loaded ms"),
            ("loaded_ms", "exec to loaded ms"),
            ("start_cpu_s", "CPU s"),
            ("rss_bytes_per_offset", "RSS bytes/offset"),
            ("broker_rss_kib", "RSS KiB"),
            ("committed_s", "committed in s"),
            ("stopped_ms", "stopped in ms"),
        ],
        _ => &[],
    }
}

/// All loads, in the order in which they are shown.
const LOADS: [&str; 10] = ["produce", "fetch", "latency", "start", "idle", "group", "heartbeat", "offsets", "transactions", "reload"];

/// Markdown for everything that was measured; ratios are to the system called `base`.
pub fn table(samples: &[Sample], base: &str) -> String {
    let mut out = String::new();
    let mut labels: Vec<(&str, &str)> = Vec::new();
    for sample in samples {
        let entry = (sample.line["load"].as_str().unwrap_or_default(), sample.label());
        if !labels.contains(&entry) {
            labels.push(entry);
        }
    }
    let mut last_load = "";
    labels.sort_by_key(|(load, _)| LOADS.iter().position(|known| known == load));
    for (load, label) in labels {
        let columns = columns(load);
        let Some(&(main, main_title)) = columns.first() else { continue };
        if load != last_load {
            let titles: Vec<&str> = columns.iter().map(|(_, title)| *title).collect();
            // Writing to a String cannot fail.
            let _ = writeln!(out, "\n| cell | system | {} | x {base} ({main_title}) |", titles.join(" | "));
            let _ = writeln!(out, "|---|---|{}---|", "---|".repeat(columns.len()));
            last_load = load;
        }
        let mut systems: Vec<&str> = samples.iter().filter(|sample| sample.label() == label).map(|sample| sample.system).collect();
        systems.sort_by_key(|name| ["probe", "ottla", "ottla-b", "kafka"].iter().position(|known| known == name));
        systems.dedup();
        for system in systems {
            let cells: Vec<String> = columns.iter().map(|(field, _)| spread(&values(samples, system, label, field))).collect();
            let ratio = spread(&ratios(samples, system, base, label, main));
            let _ = writeln!(out, "| {label} | {system} | {} | {ratio} |", cells.join(" | "));
        }
    }
    out
}

fn values(samples: &[Sample], system: &str, label: &str, field: &str) -> Vec<f64> {
    samples.iter().filter(|sample| sample.is_of(system, label)).filter_map(|sample| sample.number(field)).collect()
}

/// The system's value over the base's, for every round that has both.
fn ratios(samples: &[Sample], system: &str, base: &str, label: &str, field: &str) -> Vec<f64> {
    let of_system = samples.iter().filter(|sample| sample.is_of(system, label));
    of_system
        .filter_map(|sample| {
            let limit = samples.iter().find(|other| other.round == sample.round && other.is_of(base, label))?;
            let (value, limit) = (sample.number(field)?, limit.number(field)?);
            (limit > 0.0).then_some(value / limit)
        })
        .collect()
}

/// `median (lowest-highest)`.
fn spread(values: &[f64]) -> String {
    let sorted = Sorted::new(values.to_vec());
    match (sorted.median(), sorted.min(), sorted.max()) {
        (Some(median), Some(min), Some(max)) if values.len() > 1 => format!("**{}** ({}-{})", short(median), short(min), short(max)),
        (Some(median), ..) => format!("**{}**", short(median)),
        _ => "-".to_owned(),
    }
}

/// Three digits that mean something.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The commit of the directory we are started in, for the head of a report.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        Command::new("git").args(arguments).output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let id = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_default();
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_ok_and(|list| !list.is_empty());
    if changed { format!("{id} with local changes") } else { id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample(round: usize, system: &'static str, cpu: f64) -> Sample {
        Sample { round, system, line: json!({"load": "fetch", "label": "fetch 1k", "cpu_s_per_gb": cpu}) }
    }

    #[test]
    fn ratios_are_taken_within_a_round_and_only_then_is_the_median() {
        let samples = [
            sample(0, "probe", 1.0),
            sample(0, "ottla", 2.0),
            sample(1, "ottla", 8.0),
            sample(1, "probe", 10.0),
            sample(2, "ottla", 3.0),
            sample(2, "probe", 2.0),
            sample(3, "ottla", 100.0),
        ];
        assert_eq!(ratios(&samples, "ottla", "probe", "fetch 1k", "cpu_s_per_gb"), [2.0, 0.8, 1.5]);
        let table = table(&samples, "probe");
        assert!(table.contains("| fetch 1k | probe | **2.00** (1.00-10.0) | - |"), "{table}");
        assert!(table.contains("| **1.50** (0.800-2.00) |"), "{table}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([1234.5, 12.34, 1.234, 0.12345].map(short), ["1234", "12.3", "1.23", "0.123"]);
    }
}
