//! Every offset commit that the broker has taken, as it lies in `__consumer_offsets`.

use crate::Broker;
use crate::librdkafka::read_topic;
use anyhow::{Context, Result, ensure};
use rdkafka::message::Message;
use std::collections::BTreeMap;

/// Group, topic and partition.
pub type Place = (String, String, i32);

/// The offsets in the order in which they were taken.
pub type History = BTreeMap<Place, Vec<i64>>;

/// Reads the history.
pub fn read(broker: &Broker) -> Result<History> {
    let mut history = History::new();
    let mut torn = None;
    read_topic(broker, "__consumer_offsets", &[], |record| match commit(record.key().unwrap_or_default(), record.payload()) {
        Ok(Some((key, offset))) => history.entry(key).or_default().push(offset),
        Ok(None) => {}
        Err(error) => torn = Some(error.context(format!("partition {}, offset {}", record.partition(), record.offset()))),
    })?;
    torn.map_or(Ok(history), Err)
}

/// No commit of this group went back.
pub fn never_goes_back(history: &History, group: &str) -> Result<()> {
    let own: Vec<_> = history.iter().filter(|((owner, ..), _)| owner == group).collect();
    ensure!(!own.is_empty(), "{group} has committed nothing");
    for ((_, topic, partition), offsets) in own {
        let back = offsets.windows(2).find(|pair| pair[1] < pair[0]);
        ensure!(back.is_none(), "{group}, {topic}-{partition}: a commit went back: {back:?}");
    }
    Ok(())
}

/// What a record says about a commit; none when it is about something else or takes a commit away.
fn commit(key: &[u8], value: Option<&[u8]>) -> Result<Option<(Place, i64)>> {
    let mut key = Cursor(key);
    // 0 and 1 are commits, the others group metadata of all kinds.
    if i16::from_be_bytes(key.take()?) > 1 {
        return Ok(None);
    }
    let owner = (key.string()?, key.string()?, i32::from_be_bytes(key.take()?));
    let Some(value) = value else { return Ok(None) };
    let mut value = Cursor(value);
    let version = i16::from_be_bytes(value.take()?);
    ensure!((0..=4).contains(&version), "a commit of version {version}");
    Ok(Some((owner, i64::from_be_bytes(value.take()?))))
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const SIZE: usize>(&mut self) -> Result<[u8; SIZE]> {
        let (taken, rest) = self.0.split_first_chunk().context("a torn record")?;
        self.0 = rest;
        Ok(*taken)
    }

    fn string(&mut self) -> Result<String> {
        let size_bytes = usize::try_from(i16::from_be_bytes(self.take()?))?;
        let (taken, rest) = self.0.split_at_checked(size_bytes).context("a torn record")?;
        self.0 = rest;
        Ok(String::from_utf8(taken.to_vec())?)
    }
}
