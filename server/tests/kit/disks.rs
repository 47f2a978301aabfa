//! A disk whose syncs wait until they are let go, for stories about acknowledgements, or the reads of a coordinator that loads.

use ottla_storage::disk::{Disk, DiskFile, Entry, OpenMode, RealDisk, Space, WholeDisk};
use std::fmt::Debug;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// What a sync of a gated file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Shut,
    Failing,
}

#[derive(Debug)]
struct State {
    gate: Gate,
    waiting: usize,
    syncs: usize,
}

/// What has to pass the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guarded {
    Syncs,
    Names,
    /// Reads of the threads that load coordinators.
    Loads,
}

#[derive(Debug)]
struct Shared {
    guarded: Guarded,
    /// Only `.log` files below a directory whose name contains this are gated, and its removal.
    directory: String,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn guards(&self, directory: Option<&Path>) -> bool {
        directory.and_then(Path::file_name).unwrap_or_default().to_string_lossy().contains(&self.directory)
    }

    fn pass(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock().expect("no panic");
        state.waiting += 1;
        self.changed.notify_all();
        while state.gate == Gate::Shut {
            state = self.changed.wait(state).expect("no panic");
        }
        state.waiting -= 1;
        if state.gate == Gate::Failing { Err(io::Error::other("the disk is broken")) } else { Ok(state) }
    }
}

/// The machine's files, with a gate before the syncs of one partition's `.log` files and before the removal of its directory, or before
/// loads from them.
#[derive(Clone, Debug)]
pub struct GatedDisk(Arc<Shared>);

impl GatedDisk {
    /// Open; gates directories whose name contains `directory`.
    pub fn before(directory: &str) -> Self {
        Self::guarding(Guarded::Syncs, directory)
    }

    /// Open; gates only the syncs of directories themselves.
    pub fn before_names(directory: &str) -> Self {
        Self::guarding(Guarded::Names, directory)
    }

    /// Open; gates only what coordinators read while they load.
    pub fn before_loads(directory: &str) -> Self {
        Self::guarding(Guarded::Loads, directory)
    }

    fn guarding(guarded: Guarded, directory: &str) -> Self {
        let state = Mutex::new(State { gate: Gate::Open, waiting: 0, syncs: 0 });
        Self(Arc::new(Shared { guarded, directory: directory.to_owned(), state, changed: Condvar::new() }))
    }

    fn set(&self, gate: Gate) {
        self.0.state.lock().expect("no panic").gate = gate;
        self.0.changed.notify_all();
    }

    /// Who comes waits from now on.
    pub fn shut(&self) {
        self.set(Gate::Shut);
    }

    /// All go on.
    pub fn open(&self) {
        self.set(Gate::Open);
    }

    /// Syncs fail, also those that wait.
    pub fn fail(&self) {
        self.set(Gate::Failing);
    }

    /// Returns once so many wait.
    pub fn until_waiting(&self, count: usize) {
        let state = self.0.state.lock().expect("no panic");
        let (_state, late) = self.0.changed.wait_timeout_while(state, super::PATIENCE, |state| state.waiting < count).expect("no panic");
        assert!(!late.timed_out(), "no sync came");
    }

    /// How many gated syncs succeeded.
    pub fn syncs(&self) -> usize {
        self.0.state.lock().expect("no panic").syncs
    }
}

#[derive(Debug)]
struct GatedFile(Arc<dyn DiskFile>, Arc<Shared>);

impl DiskFile for GatedFile {
    fn write_all_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        self.0.write_all_at(parts, position)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        if self.1.guarded == Guarded::Loads && std::thread::current().name() == Some("ottla-load") {
            drop(self.1.pass()?);
        }
        self.0.read_at(buffer, position)
    }

    fn sync(&self) -> io::Result<()> {
        if self.1.guarded == Guarded::Syncs {
            self.1.pass()?.syncs += 1;
        }
        self.0.sync()
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.0.set_len(size_bytes)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_fd()
    }
}

impl Disk for GatedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let file = RealDisk.open(path, mode)?;
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        Ok(if is_log && self.0.guards(path.parent()) { Arc::new(GatedFile(file, Arc::clone(&self.0))) } else { file })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        RealDisk.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        RealDisk.exists(path)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        if self.0.guarded == Guarded::Syncs && self.0.guards(Some(dir)) {
            drop(self.0.pass()?);
        }
        RealDisk.remove_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.0.guarded == Guarded::Names && self.0.guards(Some(dir)) {
            drop(self.0.pass()?);
        }
        RealDisk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        RealDisk.lock(path)
    }

    fn cache_life(&self) -> Option<String> {
        RealDisk.cache_life()
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        RealDisk.space(path)
    }

    fn whole(&self, root: &Path) -> io::Result<Box<dyn WholeDisk>> {
        RealDisk.whole(root)
    }
}
