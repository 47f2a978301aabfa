//! What a data directory keeps for the day its disk is full.
//!
//! A reserve file takes room that nobody uses. When a write finds none, the reserve is given up: deletions, checkpoints, the metadata log
//! and the coordinators' logs go on in it, while the directory is *full* and clients' records are refused, which would use it up at
//! once. It is full no longer when there is room for the reserve and as much again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{DataDir, LogManager};
use crate::StorageError;
use crate::disk::{Disk, OpenMode, Space};
use crate::meta::META_PROPERTIES;

/// Takes the room. Kafka ignores it.
const RESERVE: &str = ".ottla_reserve";
/// Written to see whether anything can be.
const PROBE: &str = ".ottla_probe";
/// The reserve takes no more than one part in so many of the disk.
const PART_OF_DISK: u64 = 100;
/// With less than this a broker can hardly start.
const START_ROOM_BYTES: u64 = 1024 * 1024;

/// The reserve of one directory.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    /// Shared with whoever writes clients' records here.
    full: Arc<AtomicBool>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    wanted_bytes: u64,
    is_there: bool,
}

impl Held {
    fn take(&mut self, disk: &dyn Disk, path: &Path) -> Result<(), StorageError> {
        let file = disk.open(path, OpenMode::Create).map_err(|error| StorageError::io("open", path, error))?;
        if let Err(error) = file.allocate(self.wanted_bytes) {
            // Half a reserve is none, and the room is wanted.
            let _ = disk.remove_file(path);
            return Err(StorageError::io("allocate", path, error));
        }
        self.is_there = true;
        Ok(())
    }

    fn give_up(&mut self, disk: &dyn Disk, path: &Path) -> Result<(), StorageError> {
        self.is_there = false;
        match disk.remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StorageError::io("remove", path, error)),
            _ => Ok(()),
        }
    }
}

impl DataDir {
    fn reserve_path(&self) -> PathBuf {
        self.path.join(RESERVE)
    }

    /// The disk was full and is not known to have room again: no records of clients, please.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.reserve.full.load(Ordering::Relaxed)
    }

    /// As [`DataDir::is_full`], for those who ask often.
    #[must_use]
    pub fn fullness(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.reserve.full)
    }
}

impl LogManager {
    /// Keeps so many bytes back in every directory, or less on a small disk; 0 for none. A reserve of the last run is given up at once
    /// when there is no room to start.
    pub fn keep_reserves(&self, size_bytes: u64) {
        for dir in self.dirs.iter().filter(|dir| dir.is_online()) {
            let kept = self.space(dir).and_then(|space| self.keep_reserve(dir, size_bytes, space));
            if let Err(error) = kept {
                tracing::warn!("{}: no room is kept back for a full disk: {error}", dir.path.display());
            }
        }
    }

    fn keep_reserve(&self, dir: &DataDir, size_bytes: u64, space: Space) -> Result<(), StorageError> {
        let mut held = dir.reserve.held.lock().unwrap_or_else(PoisonError::into_inner);
        let path = dir.reserve_path();
        held.wanted_bytes = size_bytes.min(space.total_bytes / PART_OF_DISK);
        let there = self.raw.open(&path, OpenMode::Read).and_then(|file| file.len()).unwrap_or_default();
        held.is_there = there > 0 && there == held.wanted_bytes;
        if there > 0 && (!held.is_there || space.usable_bytes < START_ROOM_BYTES.min(held.wanted_bytes)) {
            held.give_up(&*self.raw, &path)?;
            let full = held.wanted_bytes > 0 && space.usable_bytes < held.wanted_bytes;
            dir.reserve.full.store(full, Ordering::Relaxed);
        }
        let room = space.usable_bytes.saturating_add(there);
        if !held.is_there && held.wanted_bytes > 0 && !dir.is_full() && room >= held.wanted_bytes.saturating_mul(2) {
            held.take(&*self.raw, &path)?;
        }
        Ok(())
    }

    /// A write found no room: the directory is full from now on, and what was kept back for this is free. True when that is new.
    pub fn give_up_reserve(&self, dir: &DataDir) -> bool {
        let mut held = dir.reserve.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.wanted_bytes == 0 {
            // Nothing was to be kept back: everybody tries his luck.
            return false;
        }
        let is_new = !dir.reserve.full.swap(true, Ordering::Relaxed);
        if held.is_there
            && let Err(error) = held.give_up(&*self.raw, &dir.reserve_path())
        {
            tracing::warn!("{error}; deletions and checkpoints have to do without");
        }
        is_new
    }

    /// Takes the reserve back when there is room for twice as much. True when a full directory is full no longer.
    pub fn restore_reserve(&self, dir: &DataDir) -> Result<bool, StorageError> {
        let mut held = dir.reserve.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_there || held.wanted_bytes == 0 || !dir.is_online() {
            return Ok(false);
        }
        let space = self.raw.space(&dir.path).map_err(|error| StorageError::io("ask for the free space of", &dir.path, error))?;
        if space.usable_bytes < held.wanted_bytes.saturating_mul(2) {
            return Ok(false);
        }
        held.take(&*self.raw, &dir.reserve_path())?;
        Ok(dir.reserve.full.swap(false, Ordering::Relaxed))
    }

    /// Whether a directory is where it was: one that was removed or unmounted says nothing of itself while nobody opens a file in it.
    #[must_use]
    pub fn is_there(&self, dir: &DataDir) -> bool {
        self.raw.exists(&dir.path.join(META_PROPERTIES)).unwrap_or_default()
    }

    /// Looks whether a directory is there and takes what is written to it.
    pub fn probe(&self, dir: &DataDir) -> Result<(), StorageError> {
        let identity = dir.path.join(META_PROPERTIES);
        match self.raw.exists(&identity) {
            Ok(true) => {}
            Ok(false) => return Err(StorageError::io("look for", identity, std::io::ErrorKind::NotFound.into())),
            Err(error) => return Err(StorageError::io("look for", identity, error)),
        }
        let path = dir.path.join(PROBE);
        let written = self.raw.open(&path, OpenMode::Truncate).and_then(|file| {
            file.write_all_at(&[b"?"], 0)?;
            file.sync()
        });
        let removed = match self.raw.remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        written.and(removed).map_err(|error| StorageError::io("write", path, error))
    }
}
