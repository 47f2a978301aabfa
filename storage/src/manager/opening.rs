//! The way in: whose the data directories are, before anything in them is believed.
//!
//! Locks and identities of all directories come first, then one decision about the cluster, then what is missing is written, and only
//! then are the clean-stop markers taken: a start that is refused leaves everything as it was.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::LogManagerConfig;
use super::data_dir::DataDir;
use super::names::LogDirectoryName;
use crate::disk::{Disk, Watch, WholeDisk, sync_parent};
use crate::meta::{META_PROPERTIES, MetaProperties, is_reserved};
use crate::{StorageError, uuid_to_text};

/// What the directories say on the way in, before it is known that they agree.
pub(super) struct Opening<'d> {
    disk: &'d dyn Disk,
    metadata_path: PathBuf,
    warnings: Vec<StorageError>,
    identities: Vec<Identity>,
}

struct Identity {
    path: PathBuf,
    watch: Arc<Watch>,
    lock: Option<Box<dyn Debug + Send + Sync>>,
    whole_disk: Option<Box<dyn WholeDisk>>,
    meta: Option<MetaProperties>,
    holds_logs: bool,
    offline: Option<String>,
}

impl<'d> Opening<'d> {
    pub(super) fn new(disk: &'d dyn Disk, metadata_path: PathBuf) -> Self {
        Self { disk, metadata_path, warnings: Vec::new(), identities: Vec::new() }
    }

    /// Creates the directory when it is missing, locks it, reads whose it is.
    pub(super) fn enter(&mut self, path: PathBuf, watch: Arc<Watch>) -> Result<(), StorageError> {
        let vital = path == self.metadata_path;
        let mut identity = Identity { path, watch, lock: None, whole_disk: None, meta: None, holds_logs: false, offline: None };
        let entered = identity.enter(self.disk);
        identity.tolerate(entered, vital, &mut self.warnings)?;
        self.identities.push(identity);
        Ok(())
    }

    /// The one cluster that all of them belong to.
    pub(super) fn agree(&self, config: &LogManagerConfig, fresh_id: &mut dyn FnMut() -> Uuid) -> Result<String, StorageError> {
        let mut expected: Option<(&str, &Path)> = config.cluster_id.as_deref().map(|id| (id, Path::new("the configuration")));
        let mut directory_ids: Vec<(Uuid, &Path)> = Vec::new();
        for Identity { path, meta, .. } in &self.identities {
            let Some(meta) = meta else { continue };
            let refused = |reason| StorageError::Refused { path: path.join(META_PROPERTIES), reason };
            let (cluster_id, source) = *expected.get_or_insert((&meta.cluster_id, path));
            if meta.cluster_id != cluster_id {
                let reason = format!(
                    "cluster.id is {}, but {} says {cluster_id}; this data belongs to another cluster",
                    meta.cluster_id,
                    source.display()
                );
                return Err(refused(reason));
            }
            if meta.node_id != config.node_id {
                let reason = format!(
                    "node.id is {}, but this node is {}; set node.id to match, or choose other log.dirs",
                    meta.node_id, config.node_id
                );
                return Err(refused(reason));
            }
            if let Some(id) = meta.directory_id {
                if let Some((_, other)) = directory_ids.iter().find(|(other, _)| *other == id) {
                    return Err(refused(format!("directory.id {} is that of {} too; one is a copy", uuid_to_text(id), other.display())));
                }
                directory_ids.push((id, path));
            }
        }
        match expected {
            Some((cluster_id, _)) => Ok(cluster_id.to_owned()),
            None => match self.identities.iter().find(|identity| identity.holds_logs) {
                Some(identity) => {
                    let reason = "holds logs but no meta.properties says whose; restore it, or choose other log.dirs".into();
                    Err(StorageError::Refused { path: identity.path.clone(), reason })
                }
                None => Ok(uuid_to_text(usable_id(fresh_id))),
            },
        }
    }

    /// Writes what is missing into the directories.
    pub(super) fn settle(&mut self, cluster_id: &str, node_id: i32, fresh_id: &mut dyn FnMut() -> Uuid) -> Result<(), StorageError> {
        for identity in self.identities.iter_mut().filter(|identity| identity.offline.is_none()) {
            if identity.meta.as_ref().is_some_and(|meta| meta.directory_id.is_some()) {
                continue;
            }
            let meta = MetaProperties { cluster_id: cluster_id.to_owned(), node_id, directory_id: Some(usable_id(fresh_id)) };
            let written = meta.write(self.disk, &identity.path);
            identity.meta = Some(meta);
            let vital = identity.path == self.metadata_path;
            identity.tolerate(written, vital, &mut self.warnings)?;
        }
        Ok(())
    }

    /// Takes the markers and looks what is in the directories.
    pub(super) fn load(mut self) -> Result<(Vec<DataDir>, Vec<StorageError>), StorageError> {
        let mut dirs = Vec::with_capacity(self.identities.len());
        for identity in self.identities {
            let vital = identity.path == self.metadata_path;
            dirs.push(identity.into_data_dir(self.disk, vital, &mut self.warnings)?);
        }
        Ok((dirs, self.warnings))
    }
}

impl Identity {
    fn enter(&mut self, disk: &dyn Disk) -> Result<(), StorageError> {
        create_dir_durably(disk, &self.path)?;
        let lock_path = self.path.join(".lock");
        self.lock = match disk.lock(&lock_path) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(StorageError::Locked { path: lock_path }),
            Err(error) => return Err(StorageError::io("lock", lock_path, error)),
        };
        // Made before anything is written: it tells of every write that fails from now on.
        self.whole_disk = Some(disk.whole(&self.path).map_err(|error| StorageError::io("open", &self.path, error))?);
        self.meta = MetaProperties::read(disk, &self.path)?;
        let entries = disk.list(&self.path).map_err(|error| StorageError::io("list", &self.path, error))?;
        self.holds_logs = entries.iter().any(|entry| entry.is_dir && LogDirectoryName::parse(&entry.name).is_some());
        Ok(())
    }

    /// A failing disk costs its own logs only; everything else stops the start.
    fn tolerate(&mut self, result: Result<(), StorageError>, vital: bool, warnings: &mut Vec<StorageError>) -> Result<(), StorageError> {
        match result {
            Err(error @ StorageError::Io { .. }) if !vital => {
                self.offline = Some(error.to_string());
                warnings.push(error);
                Ok(())
            }
            result => result,
        }
    }

    fn into_data_dir(self, disk: &dyn Disk, vital: bool, warnings: &mut Vec<StorageError>) -> Result<DataDir, StorageError> {
        let id = self.meta.and_then(|meta| meta.directory_id);
        let (Some(id), Some(lock), None) = (id, self.lock, &self.offline) else {
            return Ok(DataDir::offline(self.path, id, self.offline.unwrap_or_default()));
        };
        let mut dir = DataDir::new(self.path, id, lock, self.whole_disk, self.watch);
        match dir.load(disk, warnings) {
            Err(error @ StorageError::Io { .. }) if !vital => {
                dir.fail(&error.to_string());
                warnings.push(error);
                Ok(dir)
            }
            result => result.map(|()| dir),
        }
    }
}

/// Kafka shuns ids that look like a command line option, and those with a special meaning.
fn usable_id(fresh_id: &mut dyn FnMut() -> Uuid) -> Uuid {
    loop {
        let id = fresh_id();
        if !is_reserved(id) && !uuid_to_text(id).starts_with('-') {
            return id;
        }
    }
}

/// Creates a directory with its parents so that none of them is gone after a power loss.
pub(super) fn create_dir_durably(disk: &dyn Disk, path: &Path) -> Result<(), StorageError> {
    let exists = |path: &Path| disk.exists(path).map_err(|error| StorageError::io("look for", path, error));
    let mut missing = Vec::new();
    for ancestor in path.ancestors().filter(|ancestor| !ancestor.as_os_str().is_empty()) {
        if exists(ancestor)? {
            break;
        }
        missing.push(ancestor);
    }
    disk.create_dir_all(path).map_err(|error| StorageError::io("create", path, error))?;
    missing.into_iter().rev().try_for_each(|created| sync_parent(disk, created))
}
