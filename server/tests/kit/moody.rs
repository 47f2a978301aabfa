//! The machine's files on disks that fail, directory by directory, and get well again.

use ottla_storage::disk::{Disk, DiskFile, Entry, OpenMode, RealDisk, Space, WholeDisk};
use std::collections::HashMap;
use std::fmt::Debug;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

/// How everything below a directory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// As it should be.
    #[default]
    Well,
    /// Every operation is answered with EIO.
    Broken,
    /// Syncs wait until the mood changes.
    Slow,
}

#[derive(Debug, Default)]
struct Moods {
    by_directory: Mutex<HashMap<PathBuf, Mood>>,
    waiting: Mutex<usize>,
    changed: Condvar,
}

impl Moods {
    fn of(&self, path: &Path) -> Mood {
        let moods = self.by_directory.lock().expect("no panic");
        moods.iter().find(|(directory, _)| path.starts_with(directory)).map_or(Mood::Well, |(_, mood)| *mood)
    }

    fn check(&self, path: &Path) -> io::Result<()> {
        if self.of(path) == Mood::Broken { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let mut waiting = self.waiting.lock().expect("no panic");
        *waiting += 1;
        self.changed.notify_all();
        while self.of(path) == Mood::Slow {
            waiting = self.changed.wait(waiting).expect("no panic");
        }
        *waiting -= 1;
        drop(waiting);
        self.check(path)
    }
}

/// See the module. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct MoodyDisk(Arc<Moods>);

impl MoodyDisk {
    /// From now on.
    pub fn set(&self, directory: &Path, mood: Mood) {
        let waiting = self.0.waiting.lock().expect("no panic");
        self.0.by_directory.lock().expect("no panic").insert(directory.to_owned(), mood);
        drop(waiting);
        self.0.changed.notify_all();
    }

    /// All is well.
    pub fn heal(&self) {
        let waiting = self.0.waiting.lock().expect("no panic");
        self.0.by_directory.lock().expect("no panic").clear();
        drop(waiting);
        self.0.changed.notify_all();
    }

    /// Returns once so many syncs wait.
    pub fn until_waiting(&self, count: usize) {
        let waiting = self.0.waiting.lock().expect("no panic");
        let (_waiting, late) = self.0.changed.wait_timeout_while(waiting, super::PATIENCE, |waiting| *waiting < count).expect("no panic");
        assert!(!late.timed_out(), "no sync came");
    }
}

#[derive(Debug)]
struct MoodyFile {
    inner: Arc<dyn DiskFile>,
    path: PathBuf,
    moods: Arc<Moods>,
}

impl DiskFile for MoodyFile {
    fn write_all_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        if let Err(error) = self.moods.check(&self.path) {
            // A piece of it gets there.
            let whole = parts.concat();
            self.inner.write_all_at(&[&whole[..whole.len() / 2]], position)?;
            return Err(error);
        }
        self.inner.write_all_at(parts, position)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.moods.check(&self.path)?;
        self.inner.read_at(buffer, position)
    }

    fn sync(&self) -> io::Result<()> {
        self.moods.sync(&self.path)?;
        self.inner.sync()
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.moods.check(&self.path)?;
        self.inner.set_len(size_bytes)
    }

    fn len(&self) -> io::Result<u64> {
        self.moods.check(&self.path)?;
        self.inner.len()
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inner.as_fd()
    }
}

impl Disk for MoodyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.0.check(path)?;
        Ok(Arc::new(MoodyFile { inner: RealDisk.open(path, mode)?, path: path.to_owned(), moods: Arc::clone(&self.0) }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.0.check(dir)?;
        RealDisk.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.0.check(path)?;
        RealDisk.exists(path)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.0.check(dir)?;
        RealDisk.create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.check(from)?;
        RealDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.check(path)?;
        RealDisk.remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.0.check(dir)?;
        RealDisk.remove_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync(dir)?;
        RealDisk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        self.0.check(path)?;
        RealDisk.lock(path)
    }

    fn cache_life(&self) -> Option<String> {
        RealDisk.cache_life()
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.0.check(path)?;
        RealDisk.space(path)
    }

    fn whole(&self, root: &Path) -> io::Result<Box<dyn WholeDisk>> {
        self.0.check(root)?;
        RealDisk.whole(root)
    }
}
