//! The small text files that remember offsets across a restart, in Kafka's format: a version, a count, one entry a line.
//!
//! Some lie at the root of each data directory and speak about every log in it ([`OffsetCheckpoint`]); each partition has a
//! `leader-epoch-checkpoint` of the same shape (see `epochs`). They are written whole and replaced at once. They carry no checksum:
//! a reader believes only a text that is right to the last line, and otherwise goes without, which costs a longer recovery and
//! never a record.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::path::Path;
use std::str::FromStr;

use crate::disk::{Disk, read_file, replace_file};
use crate::{Offset, StorageError};

/// Room for 200,000 partitions with the longest names; a larger file is refused unread.
const FILE_SIZE_BYTES_MAX: u64 = 64 << 20;

/// Which offset of each log a root checkpoint remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointKind {
    /// Below it everything is known to be durable: recovery after a crash begins here.
    RecoveryPoint,
    /// The first offset that may be read, when DeleteRecords or retention moved it past the first segment's beginning.
    LogStartOffset,
    /// The high watermark.
    Replication,
    /// How far the cleaner has compacted.
    Cleaner,
}

impl CheckpointKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RecoveryPoint, Self::LogStartOffset, Self::Replication, Self::Cleaner];

    /// Kafka's file name.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::RecoveryPoint => "recovery-point-offset-checkpoint",
            Self::LogStartOffset => "log-start-offset-checkpoint",
            Self::Replication => "replication-offset-checkpoint",
            Self::Cleaner => "cleaner-offset-checkpoint",
        }
    }
}

/// One offset for each of many logs, by topic name and partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetCheckpoint {
    offsets: BTreeMap<String, BTreeMap<i32, Offset>>,
}

impl OffsetCheckpoint {
    /// The offset of one log.
    #[must_use]
    pub fn offset(&self, topic: &str, partition: i32) -> Option<Offset> {
        self.offsets.get(topic)?.get(&partition).copied()
    }

    /// Sets the offset of one log.
    pub fn set(&mut self, topic: &str, partition: i32, offset: Offset) {
        match self.offsets.get_mut(topic) {
            Some(partitions) => partitions.insert(partition, offset),
            None => self.offsets.entry(topic.to_owned()).or_default().insert(partition, offset),
        };
    }

    /// Forgets one log.
    pub fn remove(&mut self, topic: &str, partition: i32) {
        if let Some(partitions) = self.offsets.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.offsets.remove(topic);
            }
        }
    }

    /// All entries, by topic and partition.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i32, Offset)> {
        self.offsets
            .iter()
            .flat_map(|(topic, partitions)| partitions.iter().map(move |(number, offset)| (topic.as_str(), *number, *offset)))
    }

    /// Number of logs.
    #[must_use]
    pub fn count(&self) -> usize {
        self.offsets.values().map(BTreeMap::len).sum()
    }

    /// Reads one of the root checkpoints of a data directory. A missing one is empty; an unreadable one is too, and comes with the reason.
    #[must_use]
    pub fn read(disk: &dyn Disk, root: &Path, kind: CheckpointKind) -> (Self, Option<StorageError>) {
        let path = root.join(kind.file_name());
        match read_file(disk, &path, FILE_SIZE_BYTES_MAX) {
            Ok(None) => (Self::default(), None),
            Ok(Some(bytes)) => match Self::parse(&path, &bytes) {
                Ok(checkpoint) => (checkpoint, None),
                Err(warning) => (Self::default(), Some(warning)),
            },
            Err(warning) => (Self::default(), Some(warning)),
        }
    }

    /// Replaces one of the root checkpoints of a data directory, durably.
    pub fn write(&self, disk: &dyn Disk, root: &Path, kind: CheckpointKind) -> Result<(), StorageError> {
        replace_file(disk, &root.join(kind.file_name()), self.encode().as_bytes())
    }

    /// Reads the text; `path` is only for the error. No text at all is an empty checkpoint: Kafka creates the file before it writes it.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, StorageError> {
        let mut checkpoint = Self::default();
        if bytes.is_empty() {
            return Ok(checkpoint);
        }
        parse_lines(path, bytes, |[topic, partition, offset]: [&str; 3]| {
            checkpoint.set(topic, number(partition)?, Offset(number(offset)?));
            Ok(())
        })?;
        Ok(checkpoint)
    }

    /// The text of the file.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = format!("0\n{}\n", self.count());
        for (topic, partition, offset) in self.iter() {
            let _ = writeln!(text, "{topic} {partition} {offset}");
        }
        text
    }
}

/// A number that is not negative, as all in these files are.
pub(crate) fn number<T: FromStr + Default + PartialOrd + Display>(word: &str) -> Result<T, String> {
    match word.parse::<T>() {
        Ok(value) if value >= T::default() => Ok(value),
        _ => Err(format!("{:?} is not a number that can stand here", word.chars().take(40).collect::<String>())),
    }
}

/// Walks a checkpoint's text, calling `entry` with the words of each line. The version, the count and every line must be right.
pub(crate) fn parse_lines<const WORDS: usize>(
    path: &Path,
    bytes: &[u8],
    mut entry: impl FnMut([&str; WORDS]) -> Result<(), String>,
) -> Result<(), StorageError> {
    let corrupt = |position: usize, reason: String| StorageError::Corrupt { path: path.into(), position: position as u64, reason };
    let text = std::str::from_utf8(bytes).map_err(|error| corrupt(error.valid_up_to(), "not a text".into()))?;
    let mut count_expected = 0;
    let mut count = 0;
    let mut position = 0;
    let mut lines = 0;
    for line in text.split_inclusive('\n') {
        let at = position;
        position += line.len();
        let fail = |reason| corrupt(at, reason);
        match lines {
            0 if line.trim_ascii() != "0" => return Err(fail("version 0 expected".into())),
            0 => {}
            1 => count_expected = number::<u64>(line.trim_ascii()).map_err(fail)?,
            _ => {
                let mut words = line.split_ascii_whitespace();
                let mut found = [""; WORDS];
                for slot in &mut found {
                    *slot = words.next().ok_or_else(|| fail(format!("{WORDS} words expected")))?;
                }
                if words.next().is_some() {
                    return Err(fail(format!("{WORDS} words expected")));
                }
                entry(found).map_err(fail)?;
                count += 1;
            }
        }
        lines += 1;
    }
    if lines < 2 || count != count_expected {
        return Err(corrupt(bytes.len(), format!("{count_expected} entries announced, {count} found")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    fn parse(text: &[u8]) -> Result<OffsetCheckpoint, StorageError> {
        OffsetCheckpoint::parse(Path::new("recovery-point-offset-checkpoint"), text)
    }

    #[test]
    fn a_checkpoint_of_a_running_kafka_is_read_entry_by_entry() {
        let checkpoint = parse(b"0\n3\n__consumer_offsets 13 7\nwith-dashes-3 0 9223372036854775807\nwith-dashes-3 11 0\n").expect("right");
        assert_eq!(checkpoint.offset("__consumer_offsets", 13), Some(Offset(7)));
        assert_eq!(checkpoint.offset("with-dashes-3", 0), Some(Offset(i64::MAX)));
        assert_eq!(checkpoint.offset("with-dashes-3", 11), Some(Offset(0)));
        assert_eq!(checkpoint.offset("with-dashes-3", 1), None);
        assert_eq!(checkpoint.count(), 3);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut written = OffsetCheckpoint::default();
        assert_eq!(written.encode(), "0\n0\n");
        for partition in 0..12 {
            written.set("a.b_c-d", partition, Offset(i64::from(partition) << 33));
            written.set("z", partition, Offset(1));
            written.remove("z", partition);
        }
        for kind in CheckpointKind::ALL {
            written.write(&RealDisk, dir.path(), kind).expect("written");
            let (read, warning) = OffsetCheckpoint::read(&RealDisk, dir.path(), kind);
            assert_eq!(read, written);
            assert!(warning.is_none());
        }
        assert_eq!(RealDisk.list(dir.path()).expect("listed").len(), CheckpointKind::ALL.len(), "no temporary file stays");
    }

    #[test]
    fn a_text_cut_at_any_byte_but_the_last_is_refused_whole() {
        let whole = b"0\n2\nfoo 0 12\nfoo 1 34\n";
        for cut in 1..whole.len() - 2 {
            assert!(parse(&whole[..cut]).is_err(), "cut at {cut}");
        }
        assert!(parse(&whole[..whole.len() - 1]).is_ok(), "only the last line end is missing");
        assert_eq!(parse(b"").expect("created, never written"), OffsetCheckpoint::default());
    }

    #[test]
    fn garbage_is_refused_with_its_place() {
        for text in
            ["1\n0\n", "0\n1\nfoo 0 1\nfoo 1 1\n", "0\n-1\n", "0\n1\nfoo -1 1\n", "0\n1\nfoo 0 -1\n", "0\n1\nfoo 0 1 2\n", "0\n1\n\n"]
        {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
        let Err(StorageError::Corrupt { position, .. }) = parse(b"0\n2\nfoo 0 1\nfoo x 1\n") else { panic!("garbage was believed") };
        assert_eq!(position, 12);
        assert!(parse(&[0xff; 40]).is_err());
    }

    #[test]
    fn an_unreadable_checkpoint_counts_as_empty_and_says_so() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert!(OffsetCheckpoint::read(&RealDisk, dir.path(), CheckpointKind::RecoveryPoint).1.is_none());
        std::fs::write(dir.path().join("recovery-point-offset-checkpoint"), "0\n7\nfoo").expect("written");
        let (checkpoint, warning) = OffsetCheckpoint::read(&RealDisk, dir.path(), CheckpointKind::RecoveryPoint);
        assert_eq!(checkpoint.count(), 0);
        assert!(matches!(warning, Some(StorageError::Corrupt { .. })));
    }
}
