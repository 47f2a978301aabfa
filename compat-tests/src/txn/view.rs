//! What partitions hold, record by record and marker by marker, in words that are the same for every run.

use crate::ask::{Ask, Isolation};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;

/// Producer ids in the order in which they were met.
#[derive(Default)]
pub(super) struct Names(BTreeMap<i64, usize>);

impl Names {
    fn of(&mut self, producer_id: i64) -> String {
        if producer_id < 0 {
            return "-".to_owned();
        }
        let next = self.0.len() + 1;
        format!("P{}", self.0.entry(producer_id).or_insert(next))
    }
}

/// A topic: its records as `read_uncommitted` gets them, how far they are stable, and what `read_committed` is told to leave out.
/// Partitions with the same content share their lines.
pub(super) fn look(ask: &mut Ask, topic: &str, partitions: i32, names: &mut Names) -> Result<Vec<String>> {
    let mut lines: Vec<(i32, i32, Vec<String>)> = Vec::new();
    for partition in 0..partitions {
        let content = partition_lines(ask, topic, partition, names)?;
        match lines.last_mut() {
            Some((_, last, before)) if *before == content => *last = partition,
            _ => lines.push((partition, partition, content)),
        }
    }
    let shown = lines.into_iter().flat_map(|(first, last, content)| {
        let title = if first == last { format!("  {topic}-{first}:") } else { format!("  {topic}-{first} to {last}:") };
        let mut content = content.into_iter();
        let head = content.next().unwrap_or_default();
        std::iter::once(format!("{title} {head}")).chain(content.map(|line| format!("    {line}")))
    });
    Ok(shown.collect())
}

fn partition_lines(ask: &mut Ask, topic: &str, partition: i32, names: &mut Names) -> Result<Vec<String>> {
    let all = ask.fetch(topic, partition, Isolation::Uncommitted)?;
    let stable = ask.fetch(topic, partition, Isolation::Committed)?;
    ensure!(all.aborted.is_empty(), "{topic}-{partition}: read_uncommitted is told of aborted transactions");
    let mut lines = vec![format!("end {} stable to {}", all.high_watermark, stable.last_stable_offset)];
    ensure!(all.last_stable_offset == stable.last_stable_offset, "{topic}-{partition}: one last stable offset for all readers");
    let visible = all.records.iter().take_while(|record| record.offset < stable.last_stable_offset).count();
    ensure!(stable.records.len() == visible, "{topic}-{partition}: read_committed gets {} of {visible} records", stable.records.len());
    for record in &all.records {
        let producer = names.of(record.producer_id);
        let what = match (record.control, record.transactional) {
            (true, _) => {
                let kind =
                    record.key.as_ref().and_then(|key| key.get(3)).map_or("nothing", |&kind| if kind == 1 { "commit" } else { "abort" });
                format!("{kind} marker")
            }
            (false, transactional) => {
                let kind = if transactional { "transactional" } else { "plain" };
                format!("sequence {} {kind} {}", record.sequence, String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()))
            }
        };
        lines.push(format!("{} {producer} epoch {} {what}", record.offset, record.producer_epoch));
    }
    for (producer_id, first_offset) in stable.aborted {
        lines.push(format!("aborted {} from {first_offset}", names.of(producer_id)));
    }
    Ok(lines)
}
