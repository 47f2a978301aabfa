//! A disk in memory for tests: the same seed, the same faults. Never used by a broker.
//!
//! It keeps apart what the kernel has and what would survive a power loss. [`FaultyDisk::crash`] answers with one of the disks that may
//! be found after the power comes back; [`FaultyDisk::crash_keep_page_cache`] with the one after a kill of the process alone.
//! Every operation that changes something has a number, and [`FaultyDisk::fail_at`] makes any of them fail.
//!
//! What it assumes of a disk, and so what the vault may rely on: a successful `sync` makes all earlier changes of that file durable, a
//! successful `sync_dir` all earlier creations, renames and removals in that directory, each rename as a whole. Of everything else any
//! part may survive in any order: sectors of 512 bytes, sizes without data, names without contents, names of files whose neighbours
//! are lost. A failed `sync` has perhaps done part of its work and forgets the rest: the next one does not bring it back.

mod image;
mod world;

use std::fmt::Debug;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, Entry, OpenMode, Space, WholeDisk};
use world::{DataOp, NodeId, World};

/// What happens to an operation that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// EIO. A write may have been done in part; a sync has, and will not make up for the rest.
    Io,
    /// ENOSPC, in the same manner.
    NoSpace,
    /// The machine stops in the middle of the operation: every later one fails too.
    PowerOff,
}

/// A simulated disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct FaultyDisk {
    world: Arc<Mutex<World>>,
}

#[derive(Debug)]
struct SimulatedFile {
    world: Arc<Mutex<World>>,
    node: NodeId,
    writable: bool,
}

#[derive(Debug)]
struct SimulatedWhole {
    world: Arc<Mutex<World>>,
}

#[derive(Debug)]
struct SimulatedLock {
    world: Arc<Mutex<World>>,
    path: PathBuf,
}

impl FaultyDisk {
    /// An empty disk. The seed decides how much of a failing operation is done.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { world: Arc::new(Mutex::new(World::new(seed))) }
    }

    /// How many changing operations there have been.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.world().operations
    }

    /// How many reading operations there have been.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.world().reads
    }

    /// Lets the changing operation of this number fail, counted from 0.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.world().faults.push((operation..operation + 1, fault));
    }

    /// Lets every changing operation from this number on fail.
    pub fn fail_from(&self, operation: u64, fault: Fault) {
        self.world().faults.push((operation..u64::MAX, fault));
    }

    /// Lets the reading operation of this number fail with EIO.
    pub fn fail_read_at(&self, read: u64) {
        self.world().read_faults.push(read);
    }

    /// No faults any more.
    pub fn heal(&self) {
        let mut world = self.world();
        world.faults.clear();
        world.read_faults.clear();
    }

    /// Limits the bytes of all files together: a write that needs more is cut short and answered with ENOSPC.
    pub fn limit_space(&self, size_bytes: Option<u64>) {
        self.world().space_bytes_max = size_bytes;
    }

    /// As a disk that was remounted read-only: what would change anything is answered with EROFS and does nothing.
    pub fn set_read_only(&self, read_only: bool) {
        self.world().read_only = read_only;
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.world().used_bytes()
    }

    /// A disk as it may be found after a power loss now. Seed 0: everything that was not synced is lost; seed 1: all of it has reached
    /// the disk anyway; others: some of it, in whatever order.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        Self { world: Arc::new(Mutex::new(self.world().after_power_loss(seed))) }
    }

    /// The disk after a kill of the process now: everything written is there, and what was not synced may still be lost later.
    #[must_use]
    pub fn crash_keep_page_cache(&self) -> Self {
        Self { world: Arc::new(Mutex::new(self.world().after_process_kill())) }
    }

    /// All files with their bytes, by path.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.world().files()
    }

    /// Puts a file there with its directories, synced, past all faults and counts; replaces what was there.
    pub fn plant(&self, path: &Path, bytes: &[u8]) {
        self.world().plant(path, bytes);
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        let (node, writable) = match mode {
            OpenMode::Read => (world.file_to_read(path)?, false),
            OpenMode::ReadWrite => (world.file_to_read(path)?, true),
            OpenMode::Create => (world.create_file(path)?, true),
            OpenMode::Truncate => {
                let node = world.create_file(path)?;
                if world.size_bytes(node) > 0 {
                    world.change(node, DataOp::SetLen(0))?;
                }
                (node, true)
            }
        };
        Ok(Arc::new(SimulatedFile { world: Arc::clone(&self.world), node, writable }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.world().list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.world().exists(path)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.world().create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.world().rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.world().remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.world().remove_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.world().sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        let mut world = self.world();
        world.create_file(path)?;
        if world.locks.iter().any(|held| held == path) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        world.locks.push(path.to_owned());
        Ok(Box::new(SimulatedLock { world: Arc::clone(&self.world), path: path.to_owned() }))
    }

    fn cache_life(&self) -> Option<String> {
        Some(self.world().cache_life.to_string())
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let world = self.world();
        let total_bytes = world.space_bytes_max.unwrap_or(1 << 40);
        Ok(Space { total_bytes, usable_bytes: total_bytes.saturating_sub(world.used_bytes()) })
    }

    fn whole(&self, _root: &Path) -> io::Result<Box<dyn WholeDisk>> {
        Ok(Box::new(SimulatedWhole { world: Arc::clone(&self.world) }))
    }
}

impl WholeDisk for SimulatedWhole {
    fn sync(&self) -> io::Result<()> {
        lock(&self.world).sync_all()
    }
}

impl DiskFile for SimulatedFile {
    fn write_all_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        self.change(DataOp::Write { position, bytes: parts.concat() })
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        lock(&self.world).read_at(self.node, buffer, position)
    }

    fn sync(&self) -> io::Result<()> {
        lock(&self.world).sync_file(self.node)
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.change(DataOp::SetLen(size_bytes))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.world).size_bytes(self.node))
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl SimulatedFile {
    fn change(&self, op: DataOp) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        lock(&self.world).change(self.node, op)
    }
}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        lock(&self.world).locks.retain(|path| *path != self.path);
    }
}

#[cfg(test)]
mod tests;
