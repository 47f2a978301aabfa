//! Proof that a segment's companions are as they were left: sizes and checksums in `ottla-seals`, a file that Kafka ignores.
//!
//! One line for each time a segment was finished: `<base offset> <end offset> <log bytes> <index bytes> <index crc> <timeindex
//! bytes> <timeindex crc> <txnindex bytes> <txnindex crc> <crc>`, decimal, the last number the CRC-32C of the line before its last
//! blank. The end offset is the next segment's base offset, or the log end offset when there is none.
//! The newest line for a base offset and a size of the `.log` holds (the cleaner writes segments anew under their old names). A segment without a line, a line that cannot be
//! read, no file at all: the companions are judged by plausibility, as those of a directory that Kafka wrote.

use std::fmt::Write as _;

use super::files::{FileKind, Place};
use crate::disk::{OpenMode, read_file};
use crate::{Offset, StorageError};

/// The file's name in a log's directory.
pub(crate) const SEALS_FILE: &str = "ottla-seals";
const FILE_SIZE_BYTES_MAX: u64 = 64 << 20;
const COMPANION_SIZE_BYTES_MAX: u64 = 1 << 30;

/// Size and CRC-32C of one file; zeros when there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Print {
    size_bytes: u64,
    crc: u32,
}

fn print_of(place: &Place, base_offset: Offset, kind: FileKind) -> Result<Option<Print>, StorageError> {
    match read_file(&*place.disk, &place.path(base_offset, kind), COMPANION_SIZE_BYTES_MAX) {
        Ok(bytes) => {
            Ok(Some(bytes.map_or(Print::default(), |bytes| Print { size_bytes: bytes.len() as u64, crc: crc32c::crc32c(&bytes) })))
        }
        Err(StorageError::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is known of a segment's companions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seal {
    /// Nobody has left a line about them.
    Unknown,
    /// Indexes as they were left.
    Intact { transactions_intact: bool },
    /// Not as they were left.
    Broken { transactions_intact: bool },
}

impl Seal {
    /// Whether the transaction index is as it was left; `None` when nobody knows.
    pub(super) fn transactions_intact(self) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::Intact { transactions_intact } | Self::Broken { transactions_intact } => Some(transactions_intact),
        }
    }
}

/// Compares a segment's companions with the newest line about them.
pub(super) fn check(place: &Place, base_offset: Offset, log_size_bytes: u64) -> Result<Seal, StorageError> {
    let Some((_, left)) = newest(place, base_offset, Some(log_size_bytes))? else { return Ok(Seal::Unknown) };
    let mut same = [false; 3];
    for ((same, kind), left) in same.iter_mut().zip(FileKind::COMPANIONS).zip(left) {
        *same = print_of(place, base_offset, kind)? == Some(left);
    }
    let transactions_intact = same[2];
    Ok(if same[0] && same[1] { Seal::Intact { transactions_intact } } else { Seal::Broken { transactions_intact } })
}

/// How a segment stood when it was finished last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    /// Where the next segment began.
    pub(crate) end_offset: Offset,
    /// Size of the `.log`.
    pub(crate) log_size_bytes: u64,
}

/// What the newest line about a segment of this size says, or else the newest about one of that name.
pub(super) fn finished(place: &Place, base_offset: Offset, log_size_bytes: u64) -> Result<Option<Finished>, StorageError> {
    let found = match newest(place, base_offset, Some(log_size_bytes))? {
        None => newest(place, base_offset, None)?,
        found => found,
    };
    Ok(found.map(|(finished, _)| finished))
}

fn newest(place: &Place, base_offset: Offset, log_size_bytes: Option<u64>) -> Result<Option<(Finished, [Print; 3])>, StorageError> {
    let text = match read_file(&*place.disk, &place.dir.join(SEALS_FILE), FILE_SIZE_BYTES_MAX) {
        Ok(text) => text.unwrap_or_default(),
        Err(StorageError::Corrupt { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut lines = text.split(|byte| *byte == b'\n').filter_map(parse);
    let is_meant = |finished: &Finished| log_size_bytes.is_none_or(|size_bytes| finished.log_size_bytes == size_bytes);
    let found = lines.rfind(|(base, finished, _)| *base == base_offset && is_meant(finished));
    Ok(found.map(|(_, finished, prints)| (finished, prints)))
}

fn parse(line: &[u8]) -> Option<(Offset, Finished, [Print; 3])> {
    let line = std::str::from_utf8(line).ok()?;
    let (text, crc) = line.rsplit_once(' ')?;
    if crc.parse::<u32>().ok()? != crc32c::crc32c(text.as_bytes()) {
        return None;
    }
    let mut words = text.split(' ');
    let base_offset = Offset(words.next()?.parse().ok()?);
    let finished = Finished { end_offset: Offset(words.next()?.parse().ok()?), log_size_bytes: words.next()?.parse().ok()? };
    let mut prints = [Print::default(); 3];
    for print in &mut prints {
        *print = Print { size_bytes: words.next()?.parse().ok()?, crc: words.next()?.parse().ok()? };
    }
    words.next().is_none().then_some((base_offset, finished, prints))
}

/// Adds a line about a segment whose companions have just been written whole.
pub(super) fn write(place: &Place, base_offset: Offset, finished: Finished) -> Result<(), StorageError> {
    match line(place, base_offset, finished)? {
        Some(line) => append(place, &line),
        None => Ok(()),
    }
}

/// What [`write`] would add.
pub(super) fn line(place: &Place, base_offset: Offset, finished: Finished) -> Result<Option<String>, StorageError> {
    let mut line = format!("{base_offset} {} {}", finished.end_offset, finished.log_size_bytes);
    for kind in FileKind::COMPANIONS {
        let Some(Print { size_bytes, crc }) = print_of(place, base_offset, kind)? else { return Ok(None) };
        let _ = write!(line, " {size_bytes} {crc}");
    }
    let _ = write!(line, " {}", crc32c::crc32c(line.as_bytes()));
    Ok(Some(line))
}

/// Adds a line.
pub(crate) fn append(place: &Place, line: &str) -> Result<(), StorageError> {
    let path = place.dir.join(SEALS_FILE);
    let file = place.open(&path, OpenMode::Create)?;
    // A line of its own, even behind one that was cut short.
    let written = file.len().and_then(|end| file.write_all_at(&[b"\n", line.as_bytes(), b"\n"], end));
    written.map_err(|source| StorageError::io("write", path, source))
}

/// Makes the lines durable.
pub(crate) fn sync(place: &Place) -> Result<(), StorageError> {
    let path = place.dir.join(SEALS_FILE);
    place.open(&path, OpenMode::ReadWrite)?.sync().map_err(|source| StorageError::io("sync", path, source))
}

/// Drops the lines about segments that are no more, once they are many.
pub(crate) fn tidy(place: &Place, segments: &[Offset]) -> Result<(), StorageError> {
    let path = place.dir.join(SEALS_FILE);
    let Ok(Some(text)) = read_file(&*place.disk, &path, FILE_SIZE_BYTES_MAX) else { return place.remove(&path) };
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    if lines.len() <= 2 * segments.len() + 8 {
        return Ok(());
    }
    let mut newest = std::collections::BTreeMap::new();
    for line in lines {
        if let Some((base_offset, ..)) = parse(line).filter(|(base_offset, ..)| segments.binary_search(base_offset).is_ok()) {
            newest.insert(base_offset, line);
        }
    }
    let mut kept = Vec::new();
    for line in newest.values() {
        kept.extend_from_slice(line);
        kept.push(b'\n');
    }
    let file = place.open(&path, OpenMode::Truncate)?;
    file.write_all_at(&[&kept], 0).map_err(|source| StorageError::io("write", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use std::sync::Arc;

    fn sized(log_size_bytes: u64) -> Finished {
        Finished { end_offset: Offset(99), log_size_bytes }
    }

    #[test]
    fn a_changed_companion_breaks_the_seal_and_a_grown_log_voids_it() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let place = Place::new(Arc::new(RealDisk), dir.path().to_owned());
        let base = Offset(70);
        assert_eq!(check(&place, base, 100).expect("read"), Seal::Unknown);
        std::fs::write(place.path(base, FileKind::OffsetIndex), b"01234567").expect("written");
        write(&place, base, sized(100)).expect("sealed");
        assert_eq!(check(&place, base, 100).expect("read"), Seal::Intact { transactions_intact: true });
        assert_eq!(check(&place, base, 101).expect("read"), Seal::Unknown);
        assert_eq!(check(&place, Offset(71), 100).expect("read"), Seal::Unknown);
        std::fs::write(place.path(base, FileKind::TxnIndex), b"x").expect("written");
        assert_eq!(check(&place, base, 100).expect("read"), Seal::Intact { transactions_intact: false });
        std::fs::write(place.path(base, FileKind::OffsetIndex), b"01234568").expect("written");
        assert_eq!(check(&place, base, 100).expect("read"), Seal::Broken { transactions_intact: false });
        write(&place, base, sized(100)).expect("sealed again");
        assert_eq!(check(&place, base, 100).expect("read"), Seal::Intact { transactions_intact: true }, "the newest line holds");
        write(&place, base, sized(70)).expect("another of that name");
        assert_eq!(check(&place, base, 100).expect("read"), Seal::Intact { transactions_intact: true }, "the line of that size holds");
        assert_eq!(finished(&place, base, 100).expect("read"), Some(sized(100)));
        assert_eq!(finished(&place, base, 99).expect("read"), Some(sized(70)), "the newest");
    }

    #[test]
    fn a_damaged_line_says_nothing() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let place = Place::new(Arc::new(RealDisk), dir.path().to_owned());
        write(&place, Offset(0), sized(5)).expect("sealed");
        let path = dir.path().join(SEALS_FILE);
        let whole = std::fs::read(&path).expect("read");
        for at in 1..whole.len() - 1 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).expect("written");
            assert_eq!(check(&place, Offset(0), 5).expect("read"), Seal::Unknown, "byte {at}");
        }
    }

    #[test]
    fn old_lines_are_dropped_when_there_are_many() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let place = Place::new(Arc::new(RealDisk), dir.path().to_owned());
        for size in 0..30 {
            write(&place, Offset(size % 3), sized(size as u64)).expect("sealed");
        }
        tidy(&place, &[Offset(1), Offset(2)]).expect("tidied");
        assert_eq!(check(&place, Offset(0), 27).expect("read"), Seal::Unknown);
        assert_eq!(check(&place, Offset(2), 29).expect("read"), Seal::Intact { transactions_intact: true });
        let text = std::fs::read_to_string(dir.path().join(SEALS_FILE)).expect("read");
        assert_eq!(text.lines().count(), 2);
    }
}
