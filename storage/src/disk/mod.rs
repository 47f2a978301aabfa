//! The only door to the file system: `trait Disk` and `trait DiskFile`.
//!
//! `real.rs` is files, `faulty.rs` is a simulated disk for tests that loses un-synced writes, tears writes, runs out of space.
//! Everything is positioned: no file has a cursor. Nothing else in the workspace's storage crate may call `std::fs`.

pub mod faulty;
mod real;
mod watched;
mod whole;

use std::fmt::Debug;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

pub use real::RealDisk;
pub use watched::{Seen, Trouble, Watch, WatchedDisk};
pub use whole::{put_file, put_file_unsynced, read_file, replace_file, sync_parent};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; read only.
    Read,
    /// Must exist; read and write.
    ReadWrite,
    /// Created when missing, kept when there; read and write.
    Create,
    /// Created when missing, emptied when there; read and write.
    Truncate,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// File name without directory. Names that are not UTF-8 are left out of a listing.
    pub name: String,
    /// True for a directory.
    pub is_dir: bool,
    /// Size of a file, 0 for a directory.
    pub size_bytes: u64,
}

/// How much a file system holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Size of the file system.
    pub total_bytes: u64,
    /// What an ordinary process may still write.
    pub usable_bytes: u64,
}

/// A file system, as far as a log needs one.
pub trait Disk: Send + Sync + Debug {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Lists a directory in name order.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;
    /// True when the path names a file or directory.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Creates a directory and its parents.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Renames a file or directory, replacing a file.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory with all in it.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in this directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes an exclusive lock on a file (created when missing) until the returned handle is dropped; `WouldBlock` when another holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>>;
    /// Names the life of the page cache: as long as the text stays the same, everything that was ever written is still there. `None`
    /// when it cannot be told.
    fn cache_life(&self) -> Option<String>;
    /// Size and free space of the file system that holds `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// A handle on the whole file system that holds the directory `root`, for the sync of very many files at once.
    fn whole(&self, root: &Path) -> io::Result<Box<dyn WholeDisk>>;
}

/// A whole file system.
pub trait WholeDisk: Send + Sync + Debug {
    /// syncfs: all that was written, created, renamed and removed on it becomes durable. Also tells of writes that failed at any time
    /// since this handle was made, whoever's they were and whether or not the file is still open.
    ///
    /// Its time depends on what everybody has written, so it pays only in place of hundreds of syncs.
    fn sync(&self) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Send + Sync + Debug {
    /// Writes all of `parts`, one after the other, from byte `position` on. Interrupted and short writes are continued.
    fn write_all_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()>;
    /// Reads up to `buffer.len()` bytes from `position`; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// fdatasync: data and size become durable.
    fn sync(&self) -> io::Result<()>;
    /// Cuts or extends the file to `size_bytes`.
    fn set_len(&self, size_bytes: u64) -> io::Result<()>;
    /// Current size.
    fn len(&self) -> io::Result<u64>;
    /// True for a file of size 0.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Takes room on the disk for so many bytes; what they hold is not said.
    fn allocate(&self, size_bytes: u64) -> io::Result<()> {
        write_zeros(self, size_bytes)
    }
    /// The descriptor for a zero-copy send; `None` for a simulated file.
    fn as_fd(&self) -> Option<BorrowedFd<'_>>;
}

/// Fills a file up to a size.
fn write_zeros<F: DiskFile + ?Sized>(file: &F, size_bytes: u64) -> io::Result<()> {
    let zeros = [0; 64 * 1024];
    let mut at = file.len()?;
    while at < size_bytes {
        let count = (size_bytes - at).min(zeros.len() as u64);
        file.write_all_at(&[&zeros[..count as usize]], at)?;
        at += count;
    }
    Ok(())
}
