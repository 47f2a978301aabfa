//! Whole small files: read at once within a bound, replaced at once so that a crash leaves the old or the new text, never a mixture.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::{Disk, DiskFile, OpenMode};
use crate::StorageError;

/// Reads a whole file; `None` when there is none. A file over `size_bytes_max` is refused unread.
pub fn read_file(disk: &dyn Disk, path: &Path, size_bytes_max: u64) -> Result<Option<Vec<u8>>, StorageError> {
    let failed = |source| StorageError::io("read", path, source);
    let file = match disk.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let size_bytes = file.len().map_err(failed)?;
    if size_bytes > size_bytes_max {
        let reason = format!("{size_bytes} bytes is more than such a file can have ({size_bytes_max})");
        return Err(StorageError::Corrupt { path: path.into(), position: size_bytes_max, reason });
    }
    let mut bytes = vec![0; size_bytes as usize];
    let read = file.read_at(&mut bytes, 0).map_err(failed)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// Replaces a file durably: `<path>.tmp` is written and synced, renamed over `path`, and the directory synced.
pub fn replace_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    put_file(disk, path, bytes)?;
    sync_parent(disk, path)
}

/// As [`replace_file`], but for the directory: after a power loss there may be the old file.
pub fn put_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    put(disk, path, bytes, |file| file.sync())
}

/// As [`put_file`], and not even the new text is safe: after a power loss there may be neither.
pub fn put_file_unsynced(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    put(disk, path, bytes, |_| Ok(()))
}

fn put(disk: &dyn Disk, path: &Path, bytes: &[u8], sync: impl FnOnce(&dyn DiskFile) -> io::Result<()>) -> Result<(), StorageError> {
    let temporary = temporary_path(path);
    let written = disk.open(&temporary, OpenMode::Truncate).and_then(|file| {
        file.write_all_at(&[bytes], 0)?;
        sync(&*file)
    });
    if let Err(error) = written {
        // Give the space back; what went wrong with the write is the story to tell.
        let _ = disk.remove_file(&temporary);
        return Err(StorageError::io("write", temporary, error));
    }
    disk.rename(&temporary, path).map_err(|error| StorageError::io("rename", &temporary, error))
}

/// Syncs the directory that holds `path`.
pub fn sync_parent(disk: &dyn Disk, path: &Path) -> Result<(), StorageError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    disk.sync_dir(parent).map_err(|error| StorageError::io("sync", parent, error))
}

fn temporary_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".tmp");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::faulty::{Fault, FaultyDisk};

    #[test]
    fn a_file_is_the_old_or_the_new_whenever_the_power_goes() {
        let path = Path::new("/d/f");
        let (old, new) = (vec![1; 1500], vec![2; 700]);
        let mut operation = 0;
        loop {
            let disk = FaultyDisk::new(operation);
            disk.plant(path, &old);
            disk.fail_at(operation, Fault::PowerOff);
            let done = replace_file(&disk, path, &new).is_ok();
            for seed in 0..40 {
                let after = disk.crash(seed);
                let found = read_file(&after, path, 10_000).expect("readable").expect("there");
                assert!(found == new || found == old && !done, "operation {operation}, seed {seed}: {} bytes", found.len());
                replace_file(&after, path, &old).expect("what was left behind is in nobody's way");
            }
            if done {
                assert_eq!(operation, 5, "create, write, sync, rename, sync the directory");
                return;
            }
            operation += 1;
        }
    }

    #[test]
    fn a_full_disk_costs_the_new_text_only() {
        let disk = FaultyDisk::new(1);
        disk.plant(Path::new("/f"), b"old");
        disk.limit_space(Some(5));
        let error = replace_file(&disk, Path::new("/f"), b"newer").expect_err("full");
        assert!(error.to_string().starts_with("write /f.tmp: "), "{error}");
        assert_eq!(disk.files(), [(PathBuf::from("/f"), b"old".to_vec())], "nor is the space kept");
    }

    #[test]
    fn a_file_too_large_to_be_true_is_not_read() {
        let disk = FaultyDisk::new(1);
        disk.plant(Path::new("/f"), &[0; 11]);
        assert!(matches!(read_file(&disk, Path::new("/f"), 10), Err(StorageError::Corrupt { position: 10, .. })));
        assert_eq!(read_file(&disk, Path::new("/g"), 10).expect("no file is no error"), None);
    }
}
