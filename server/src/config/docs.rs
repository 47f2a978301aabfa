//! The tables as a page of Markdown, for `ottla config --docs`.

use super::error::allowed;
use super::key::{KeyDef, UpdateMode};
use super::keys::{BROKER_KEYS, GROUP_KEYS, TOPIC_KEYS};
use std::fmt::Write;

/// Every key with type, default, what is allowed, and what it does.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(
        "# Configuration keys\n\nEvery key of Apache Kafka 4.3.1 is accepted, in `server.properties`, as `KAFKA_*` environment variable and with `--override`. \
         Keys that begin with `ottla.` are Ottla's own.\n",
    );
    section(&mut page, "Broker", BROKER_KEYS, true);
    section(&mut page, "Topic", TOPIC_KEYS, false);
    section(&mut page, "Group", GROUP_KEYS, false);
    page
}

fn section(page: &mut String, title: &str, keys: &[KeyDef], broker: bool) {
    let _ = writeln!(page, "\n## {title} keys\n");
    for key in keys {
        let default = match key.default {
            None => "not set".to_owned(),
            Some("") => "empty".to_owned(),
            Some(text) => format!("`{text}`"),
        };
        let change = match key.mode {
            _ if !broker => "",
            UpdateMode::ReadOnly => "; set at start",
            UpdateMode::PerBroker => "; changes at run time, per broker",
            UpdateMode::ClusterWide => "; changes at run time",
        };
        let _ = writeln!(page, "- **`{}`** ({}; default {default}{change}): {}", key.name, allowed(key), key.documentation());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_key_once_per_table_and_no_secret_default() {
        let page = markdown();
        assert_eq!(page.lines().filter(|line| line.starts_with("- **`")).count(), BROKER_KEYS.len() + TOPIC_KEYS.len() + GROUP_KEYS.len());
        assert!(page.contains("- **`num.partitions`** (a whole number of 32 bits of 1 or more; default `1`; set at start): "));
    }
}
