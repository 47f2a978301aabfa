//! Names of the files in a log's directory, and opening them with errors that say which file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::{Offset, StorageError};

/// What a file of a log holds; its name is the 20-digit base offset and this suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Log,
    OffsetIndex,
    TimeIndex,
    TxnIndex,
    Snapshot,
}

impl FileKind {
    pub(crate) const ALL: [Self; 5] = [Self::Log, Self::OffsetIndex, Self::TimeIndex, Self::TxnIndex, Self::Snapshot];
    /// What belongs to a segment and means nothing without its `.log`.
    pub(crate) const COMPANIONS: [Self; 3] = [Self::OffsetIndex, Self::TimeIndex, Self::TxnIndex];

    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Log => ".log",
            Self::OffsetIndex => ".index",
            Self::TimeIndex => ".timeindex",
            Self::TxnIndex => ".txnindex",
            Self::Snapshot => ".snapshot",
        }
    }
}

/// Something is being done to the file that a crash may have interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Waits to be removed.
    Deleted,
    /// Half-made by the cleaner.
    Cleaned,
    /// Made by the cleaner, about to take its place.
    Swap,
}

impl Phase {
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Deleted => ".deleted",
            Self::Cleaned => ".cleaned",
            Self::Swap => ".swap",
        }
    }
}

/// An open file that is to be synced, with its path for the error.
#[derive(Clone, Debug)]
pub(crate) struct OpenFile {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
}

/// The name of a segment's file.
pub(crate) fn file_name(base_offset: Offset, kind: FileKind) -> String {
    format!("{:020}{}", base_offset.0, kind.suffix())
}

/// Reads a file name; `None` for files that are not a segment's.
pub(crate) fn parse_file_name(name: &str) -> Option<(Offset, FileKind, Option<Phase>)> {
    let (digits, rest) = name.split_at_checked(20)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let base_offset = Offset(digits.parse().ok()?);
    let (rest, phase) = [Phase::Deleted, Phase::Cleaned, Phase::Swap]
        .into_iter()
        .find_map(|phase| rest.strip_suffix(phase.suffix()).map(|rest| (rest, Some(phase))))
        .unwrap_or((rest, None));
    let kind = FileKind::ALL.into_iter().find(|kind| kind.suffix() == rest)?;
    Some((base_offset, kind, phase))
}

/// A log's directory on a disk.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    /// What the names of the files end with, beyond their kind.
    phase: Option<Phase>,
}

impl Place {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf) -> Self {
        Self { disk, dir, phase: None }
    }

    /// The same directory with files of this phase.
    pub(crate) fn in_phase(&self, phase: Phase) -> Self {
        Self { phase: Some(phase), ..self.clone() }
    }

    pub(crate) fn path(&self, base_offset: Offset, kind: FileKind) -> PathBuf {
        self.dir.join(file_name(base_offset, kind) + self.phase.map_or("", Phase::suffix))
    }

    pub(crate) fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>, StorageError> {
        self.disk.open(path, mode).map_err(|source| StorageError::io("open", path, source))
    }

    /// Opens a file for reading and writing; `None` when it does not exist.
    pub(crate) fn open_existing(&self, path: &Path) -> Result<Option<Arc<dyn DiskFile>>, StorageError> {
        match self.disk.open(path, OpenMode::ReadWrite) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StorageError::io("open", path, source)),
        }
    }

    /// Bytes of a file; 0 when there is none.
    pub(crate) fn size_of(&self, path: &Path) -> Result<u64, StorageError> {
        match self.disk.open(path, OpenMode::Read).and_then(|file| file.len()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            size_bytes => size_bytes.map_err(|source| StorageError::io("look at", path, source)),
        }
    }

    /// Removes a file; one that is gone already is no error.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), StorageError> {
        match self.disk.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StorageError::io("remove", path, error)),
            _ => Ok(()),
        }
    }

    /// Renames a file; false when there is none.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<bool, StorageError> {
        match self.disk.rename(from, to) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(StorageError::io("rename", from, source)),
        }
    }

    /// Makes creations, renames and removals durable.
    pub(crate) fn sync_dir(&self) -> Result<(), StorageError> {
        self.disk.sync_dir(&self.dir).map_err(|source| StorageError::io("sync directory", &self.dir, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas_and_read_back() {
        assert_eq!(file_name(Offset(0), FileKind::Log), "00000000000000000000.log");
        assert_eq!(file_name(Offset(i64::MAX), FileKind::TimeIndex), "09223372036854775807.timeindex");
        for kind in FileKind::ALL {
            let name = file_name(Offset(77), kind);
            assert_eq!(parse_file_name(&name), Some((Offset(77), kind, None)));
            assert_eq!(parse_file_name(&format!("{name}.deleted")), Some((Offset(77), kind, Some(Phase::Deleted))));
        }
    }

    #[test]
    fn other_files_are_left_alone() {
        for name in ["leader-epoch-checkpoint", "partition.metadata", "0.log", "00000000000000000000.lag", "99999999999999999999.log", "é"]
        {
            assert_eq!(parse_file_name(name), None, "{name}");
        }
    }
}
