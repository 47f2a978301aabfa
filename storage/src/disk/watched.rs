//! A disk that remembers what went wrong below which data directory, for whoever looks after the directories.
//!
//! It changes no answer and takes no decision. Only errors that say something of the disk are noted: a name that is not there or a
//! process without descriptors says nothing of it.

use std::fmt::Debug;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::{Disk, DiskFile, Entry, OpenMode, Space, WholeDisk};

/// What an error says of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is full, or our share of it is.
    NoSpace,
    /// It takes nothing at present.
    ReadOnly,
    /// It is broken, or gone.
    Failing,
}

impl Trouble {
    /// What this error says; `None` when it is not about the disk.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        match Errno::from_io_error(error)? {
            Errno::NOSPC | Errno::DQUOT => Some(Self::NoSpace),
            Errno::ROFS => Some(Self::ReadOnly),
            Errno::IO | Errno::NXIO | Errno::NODEV | Errno::STALE | Errno::UCLEAN | Errno::NOMEDIUM | Errno::ACCESS | Errno::PERM => {
                Some(Self::Failing)
            }
            _ => None,
        }
    }

    /// It passes without anything being lost.
    #[must_use]
    pub fn is_pressure(self) -> bool {
        self != Self::Failing
    }
}

/// What has been seen since it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Something found no room.
    pub no_space: bool,
    /// Something could not be written because nothing can.
    pub read_only: bool,
    /// The last error of a broken disk.
    pub failing: Option<String>,
}

/// Looks over one data directory.
#[derive(Default)]
pub struct Watch {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: Seen,
    listener: Option<Box<dyn Fn() + Send>>,
}

impl Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Watch").field(&self.state().seen).finish()
    }
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `listener` whenever something is seen; on the thread that met the error, so it must be short.
    pub fn listen(&self, listener: impl Fn() + Send + 'static) {
        self.state().listener = Some(Box::new(listener));
    }

    /// What has been seen, which is forgotten with that.
    #[must_use]
    pub fn take(&self) -> Seen {
        std::mem::take(&mut self.state().seen)
    }

    fn note(&self, error: &io::Error) {
        let Some(trouble) = Trouble::of(error) else { return };
        let mut state = self.state();
        match trouble {
            Trouble::NoSpace => state.seen.no_space = true,
            Trouble::ReadOnly => state.seen.read_only = true,
            Trouble::Failing => state.seen.failing = Some(error.to_string()),
        }
        if let Some(listener) = &state.listener {
            listener();
        }
    }

    fn look<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| self.note(error))
    }
}

/// See the module.
#[derive(Debug)]
pub struct WatchedDisk {
    inner: Arc<dyn Disk>,
    roots: Vec<(PathBuf, Arc<Watch>)>,
}

#[derive(Debug)]
struct WatchedFile {
    inner: Arc<dyn DiskFile>,
    watch: Arc<Watch>,
}

#[derive(Debug)]
struct WatchedWhole {
    inner: Box<dyn WholeDisk>,
    watch: Arc<Watch>,
}

impl WatchedDisk {
    /// Watches over these directories and what lies below.
    #[must_use]
    pub fn new(inner: Arc<dyn Disk>, roots: Vec<(PathBuf, Arc<Watch>)>) -> Self {
        Self { inner, roots }
    }

    /// Who watches over a path: data directories may lie in one another.
    fn watch(&self, path: &Path) -> Option<&Arc<Watch>> {
        let above = self.roots.iter().filter(|(root, _)| path.starts_with(root));
        above.max_by_key(|(root, _)| root.as_os_str().len()).map(|(_, watch)| watch)
    }

    fn look<T>(&self, path: &Path, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            if let Some(watch) = self.watch(path) {
                watch.note(error);
            }
        })
    }
}

impl Disk for WatchedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let inner = self.look(path, self.inner.open(path, mode))?;
        Ok(match self.watch(path) {
            Some(watch) => Arc::new(WatchedFile { inner, watch: Arc::clone(watch) }),
            None => inner,
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.look(dir, self.inner.list(dir))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.look(path, self.inner.exists(path))
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.look(dir, self.inner.create_dir_all(dir))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.look(from, self.inner.rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.look(path, self.inner.remove_file(path))
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.look(dir, self.inner.remove_dir_all(dir))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.look(dir, self.inner.sync_dir(dir))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        self.inner.lock(path)
    }

    fn cache_life(&self) -> Option<String> {
        self.inner.cache_life()
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.look(path, self.inner.space(path))
    }

    fn whole(&self, root: &Path) -> io::Result<Box<dyn WholeDisk>> {
        let inner = self.look(root, self.inner.whole(root))?;
        Ok(match self.watch(root) {
            Some(watch) => Box::new(WatchedWhole { inner, watch: Arc::clone(watch) }),
            None => inner,
        })
    }
}

impl WholeDisk for WatchedWhole {
    fn sync(&self) -> io::Result<()> {
        self.watch.look(self.inner.sync())
    }
}

impl DiskFile for WatchedFile {
    fn write_all_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        self.watch.look(self.inner.write_all_at(parts, position))
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.watch.look(self.inner.read_at(buffer, position))
    }

    fn sync(&self) -> io::Result<()> {
        self.watch.look(self.inner.sync())
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.watch.look(self.inner.set_len(size_bytes))
    }

    fn len(&self) -> io::Result<u64> {
        self.watch.look(self.inner.len())
    }

    fn allocate(&self, size_bytes: u64) -> io::Result<()> {
        self.watch.look(self.inner.allocate(size_bytes))
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inner.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::faulty::{Fault, FaultyDisk};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn each_directory_is_told_of_its_own_troubles_and_the_caller_all_the_same() {
        let faulty = FaultyDisk::new(1);
        let (outer, inner) = (Arc::new(Watch::default()), Arc::new(Watch::default()));
        let roots = vec![(PathBuf::from("/a"), Arc::clone(&outer)), (PathBuf::from("/a/b"), Arc::clone(&inner))];
        let disk = WatchedDisk::new(Arc::new(faulty.clone()), roots);
        let told = Arc::new(AtomicUsize::new(0));
        let listener = Arc::clone(&told);
        inner.listen(move || {
            listener.fetch_add(1, Ordering::Relaxed);
        });
        disk.create_dir_all(Path::new("/a/b")).expect("created");
        let file = disk.open(Path::new("/a/b/f"), OpenMode::Create).expect("created");
        assert!(disk.open(Path::new("/a/b/missing"), OpenMode::Read).is_err(), "says nothing of the disk");
        assert_eq!(inner.take(), Seen::default());
        faulty.limit_space(Some(3));
        assert_eq!(Trouble::of(&file.write_all_at(&[b"12345"], 0).expect_err("full")), Some(Trouble::NoSpace));
        assert!(inner.take().no_space);
        faulty.fail_at(faulty.operations(), Fault::Io);
        file.sync().expect_err("broken");
        assert!(inner.take().failing.is_some());
        faulty.set_read_only(true);
        disk.create_dir_all(Path::new("/a/c")).expect_err("read-only");
        assert_eq!(inner.take(), Seen::default());
        assert_eq!(outer.take(), Seen { read_only: true, ..Seen::default() });
        assert_eq!(told.load(Ordering::Relaxed), 2);
    }
}
