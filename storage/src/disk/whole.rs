//! Whole small files: read at once within a bound, replaced at once so that a crash leaves the old or the new text, never a mixture.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::{Disk, OpenMode};
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
    let temporary = temporary_path(path);
    let written = disk.open(&temporary, OpenMode::Truncate).and_then(|file| {
        file.write_all_at(&[bytes], 0)?;
        file.sync()
    });
    if let Err(error) = written {
        // Give the space back; what went wrong with the write is the story to tell.
        let _ = disk.remove_file(&temporary);
        return Err(StorageError::io("write", temporary, error));
    }
    disk.rename(&temporary, path).map_err(|error| StorageError::io("rename", &temporary, error))?;
    sync_parent(disk, path)
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
