//! The list of metrics is whole.

use crate::scrape::Scrape;
use crate::watched;

#[test]
fn metrics_md_is_what_the_program_prints() {
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/METRICS.md")).expect("there is one");
    assert!(kept == ottla_server::metrics::markdown(), "renew it: ottla metrics --docs > server/METRICS.md");
}

#[test]
fn every_metric_of_a_scrape_is_in_the_list_and_every_name_comes_once() {
    let list = ottla_server::metrics::markdown();
    let names: Vec<&str> = list.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len(), "no name twice");
    for name in Scrape::of(&watched("")).kinds.keys() {
        assert!(names.contains(&name.as_str()), "{name}");
    }
}
