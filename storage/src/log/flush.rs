//! Making appended bytes durable without holding the log's lock.

use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::{Offset, StorageError};

/// What has to reach the disk so that the recovery point can move to [`FlushPlan::up_to`].
///
/// Made under the log's lock, run without it, handed back to `complete_flush`. When `run` fails the caller takes the log offline
/// with `fail`; a failed sync is never tried again.
#[derive(Debug)]
pub struct FlushPlan {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) files: Vec<(PathBuf, Arc<dyn DiskFile>)>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) up_to: Offset,
    pub(crate) generation: u64,
}

impl FlushPlan {
    /// Nothing was written since the last flush.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.dir.is_none()
    }

    /// Everything below this offset is durable once `run` has succeeded.
    #[must_use]
    pub fn up_to(&self) -> Offset {
        self.up_to
    }

    /// Syncs the files, oldest first, then the directory when files were created in it.
    pub fn run(&self) -> Result<(), StorageError> {
        for (path, file) in &self.files {
            file.sync().map_err(|source| StorageError::io("sync", path, source))?;
        }
        match &self.dir {
            Some(dir) => self.disk.sync_dir(dir).map_err(|source| StorageError::io("sync directory", dir, source)),
            None => Ok(()),
        }
    }
}
