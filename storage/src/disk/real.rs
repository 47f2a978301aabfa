//! Files of the operating system: positioned I/O through rustix, everything private to the owner (files 0600, directories 0700).
//!
//! No descriptor outlives an `exec`, and the last component of a path is never followed when it is a symbolic link.
//! A failed `sync` is final (the kernel may have dropped the dirty pages): it is reported once and never repeated here.

use std::fmt::Debug;
use std::fs::{self, DirBuilder};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{Disk, DiskFile, Entry, OpenMode, Space, WholeDisk, write_zeros};

/// POSIX promises 1024 slices per vectored call on Linux (`IOV_MAX`).
const SLICES_PER_CALL_MAX: usize = 1024;

/// The real file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile {
    fd: OwnedFd,
}

/// Kept open: the kernel counts failed writes from the moment the descriptor was opened.
#[derive(Debug)]
struct RealWhole {
    fd: OwnedFd,
}

/// Dropping the descriptor releases both locks.
#[derive(Debug)]
struct RealLock {
    _fd: OwnedFd,
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let how = match mode {
            OpenMode::Read => OFlags::RDONLY,
            OpenMode::ReadWrite => OFlags::RDWR,
            OpenMode::Create => OFlags::RDWR | OFlags::CREATE,
            OpenMode::Truncate => OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC,
        };
        Ok(Arc::new(RealFile { fd: open_private(path, how)? }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // The listing says of nearly all what they are; a directory of ten thousand logs is not to cost as many looks.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                entries.push(Entry { name, is_dir: true, size_bytes: 0 });
                continue;
            }
            // A name may vanish between the listing and the look; then it is simply not there.
            let metadata = match fs::metadata(entry.path()) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let is_dir = metadata.is_dir();
            entries.push(Entry { name, is_dir, size_bytes: if is_dir { 0 } else { metadata.len() } });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        rustix::fs::fsync(open_dir(dir)?)?;
        Ok(())
    }

    /// Takes both kinds of lock: `flock` keeps out a second broker in this or another process, and the record lock is the kind that
    /// Apache Kafka (Java's `FileChannel.tryLock`) takes and looks for.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        let fd = open_private(path, OFlags::RDWR | OFlags::CREATE)?;
        retry(|| rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive))?;
        match retry(|| rustix::fs::fcntl_lock(&fd, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => Ok(Box::new(RealLock { _fd: fd })),
            Err(Errno::ACCESS | Errno::AGAIN) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn cache_life(&self) -> Option<String> {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim_ascii().to_owned()).filter(|id| !id.is_empty())
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let space = retry(|| rustix::fs::statvfs(path))?;
        Ok(Space {
            total_bytes: space.f_blocks.saturating_mul(space.f_frsize),
            usable_bytes: space.f_bavail.saturating_mul(space.f_frsize),
        })
    }

    fn whole(&self, root: &Path) -> io::Result<Box<dyn WholeDisk>> {
        Ok(Box::new(RealWhole { fd: open_dir(root)? }))
    }
}

impl WholeDisk for RealWhole {
    fn sync(&self) -> io::Result<()> {
        // Not repeated, as with a file. Errors are reported since Linux 5.8.
        rustix::fs::syncfs(&self.fd)?;
        Ok(())
    }
}

impl DiskFile for RealFile {
    fn write_all_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        if let [part] = parts {
            return write_one(&self.fd, part, position);
        }
        let mut slices: Vec<IoSlice<'_>> = parts.iter().filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)).collect();
        let mut rest = slices.as_mut_slice();
        let mut position = position;
        while !rest.is_empty() {
            let call = &rest[..rest.len().min(SLICES_PER_CALL_MAX)];
            let written = retry(|| rustix::io::pwritev(&self.fd, call, position))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            position += written as u64;
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let read = match rustix::io::pread(&self.fd, &mut buffer[filled..], position + filled as u64) {
                Ok(read) => read,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if read == 0 {
                break;
            }
            filled += read;
        }
        Ok(filled)
    }

    fn sync(&self) -> io::Result<()> {
        // Not repeated on an error of any kind: a second fdatasync after a failed one may lie.
        rustix::fs::fdatasync(&self.fd)?;
        Ok(())
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        retry(|| rustix::fs::ftruncate(&self.fd, size_bytes))?;
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let stat = retry(|| rustix::fs::fstat(&self.fd))?;
        u64::try_from(stat.st_size).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    fn allocate(&self, size_bytes: u64) -> io::Result<()> {
        match retry(|| rustix::fs::fallocate(&self.fd, FallocateFlags::empty(), 0, size_bytes)) {
            // Not every file system can.
            Err(Errno::OPNOTSUPP) => write_zeros(self, size_bytes),
            outcome => Ok(outcome?),
        }
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
}

fn open_dir(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry(|| rustix::fs::open(dir, flags, Mode::empty()))?)
}

fn open_private(path: &Path, how: OFlags) -> io::Result<OwnedFd> {
    let flags = how | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(retry(|| rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR))?)
}

/// The Produce path: one slice, no allocation.
fn write_one(fd: &OwnedFd, part: &[u8], position: u64) -> io::Result<()> {
    let mut done = 0;
    while done < part.len() {
        let written = retry(|| rustix::io::pwrite(fd, &part[done..], position + done as u64))?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        done += written;
    }
    Ok(())
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn many_slices_are_written_one_after_the_other() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = RealDisk.open(&dir.path().join("f"), OpenMode::Create).expect("created");
        let words: Vec<Vec<u8>> = (0..3000u32).map(|n| n.to_be_bytes()[..(n % 5).min(4) as usize].to_vec()).collect();
        let parts: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        file.write_all_at(&parts, 7).expect("written");
        let all = words.concat();
        let mut back = vec![1; all.len() + 20];
        assert_eq!(file.read_at(&mut back, 0).expect("read"), all.len() + 7);
        assert_eq!(&back[..7], [0; 7]);
        assert_eq!(&back[7..7 + all.len()], all);
    }

    #[test]
    fn files_and_directories_belong_to_the_owner_alone() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let inner = dir.path().join("a/b");
        RealDisk.create_dir_all(&inner).expect("created");
        RealDisk.open(&inner.join("f"), OpenMode::Create).expect("created");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&inner), 0o700);
        assert_eq!(mode(&inner.join("f")), 0o600);
    }

    #[test]
    fn a_second_lock_on_the_same_file_would_block_until_the_first_is_dropped() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join(".lock");
        let first = RealDisk.lock(&path).expect("free");
        assert_eq!(RealDisk.lock(&path).expect_err("held").kind(), io::ErrorKind::WouldBlock);
        drop(first);
        RealDisk.lock(&path).expect("free again");
    }

    #[test]
    fn a_whole_disk_can_be_synced() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        RealDisk.whole(dir.path()).expect("opened").sync().expect("synced");
        assert!(RealDisk.whole(&dir.path().join("missing")).is_err());
    }

    #[test]
    fn a_symbolic_link_is_not_followed_to_a_file() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("target"), b"secret").expect("written");
        std::os::unix::fs::symlink(dir.path().join("target"), dir.path().join("link")).expect("linked");
        assert!(RealDisk.open(&dir.path().join("link"), OpenMode::Truncate).is_err());
        assert_eq!(fs::read(dir.path().join("target")).expect("read"), b"secret");
    }

    #[test]
    fn a_listing_is_in_name_order_with_sizes() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        RealDisk.create_dir_all(&dir.path().join("b")).expect("created");
        RealDisk.open(&dir.path().join("c"), OpenMode::Create).expect("created").set_len(9).expect("extended");
        RealDisk.open(&dir.path().join("a"), OpenMode::Create).expect("created");
        let entry = |name: &str, is_dir, size_bytes| Entry { name: name.into(), is_dir, size_bytes };
        assert_eq!(RealDisk.list(dir.path()).expect("listed"), [entry("a", false, 0), entry("b", true, 0), entry("c", false, 9)]);
    }
}
