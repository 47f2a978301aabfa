//! The files that say whose a directory is: `meta.properties` of a data directory, `partition.metadata` of a log, and the
//! `.kafka_cleanshutdown` marker. Kafka's formats, read strictly, replaced whole.
//!
//! The log manager uses them; nothing here decides what follows from them.

mod properties;

use std::io;
use std::path::Path;

use uuid::Uuid;

use crate::StorageError;
use crate::disk::{Disk, OpenMode, put_file, put_file_unsynced, read_file, replace_file, sync_parent};
use crate::ids::{uuid_from_text, uuid_to_text};

pub use properties::{encode_properties, parse_properties};

/// File name in a data directory.
pub const META_PROPERTIES: &str = "meta.properties";
/// File name in a log's directory.
pub const PARTITION_METADATA: &str = "partition.metadata";
/// File name in a data directory.
pub const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";

const FILE_SIZE_BYTES_MAX: u64 = 64 << 10;

/// Whose a data directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster, usually a Kafka uuid text; any text is legal.
    pub cluster_id: String,
    /// The node.
    pub node_id: i32,
    /// The directory itself (KIP-858); Kafka before 3.7 wrote none.
    pub directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// Reads the text of version 1; `path` is only for the error.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, StorageError> {
        let refused = |reason: String| StorageError::Refused { path: path.into(), reason };
        let properties = parse_properties(bytes).map_err(refused)?;
        let property = |key: &str| properties.get(key).map(|value| value.trim_ascii());
        match property("version") {
            Some("1") => {}
            Some(version) => return Err(refused(format!("version {version} is not one we know (1); it was written by another release"))),
            None => return Err(refused("no version: not a directory of Kafka 3.3 or later in KRaft mode".into())),
        }
        let required = |key: &str| property(key).filter(|value| !value.is_empty()).ok_or_else(|| refused(format!("{key} is missing")));
        let node_id = required("node.id")?;
        Ok(Self {
            cluster_id: required("cluster.id")?.to_owned(),
            node_id: node_id
                .parse()
                .ok()
                .filter(|id| *id >= 0)
                .ok_or_else(|| refused(format!("node.id {node_id:?} is not a node's number")))?,
            directory_id: match property("directory.id") {
                None => None,
                Some(text) => match uuid_from_text(text) {
                    Some(id) if is_reserved(id) => return Err(refused(format!("directory.id {text} is reserved"))),
                    Some(id) => Some(id),
                    None => return Err(refused(format!("directory.id {text:?} is not a uuid"))),
                },
            },
        })
    }

    /// The text of the file.
    #[must_use]
    pub fn encode(&self) -> String {
        let node_id = self.node_id.to_string();
        let directory_id = self.directory_id.map(uuid_to_text);
        let mut entries = vec![("version", "1"), ("cluster.id", self.cluster_id.as_str()), ("node.id", &node_id)];
        entries.extend(directory_id.as_deref().map(|id| ("directory.id", id)));
        encode_properties(&entries)
    }

    /// Reads a data directory's; `None` when there is none.
    pub fn read(disk: &dyn Disk, root: &Path) -> Result<Option<Self>, StorageError> {
        let path = root.join(META_PROPERTIES);
        read_file(disk, &path, FILE_SIZE_BYTES_MAX)?.map(|bytes| Self::parse(&path, &bytes)).transpose()
    }

    /// Replaces a data directory's, durably.
    pub fn write(&self, disk: &dyn Disk, root: &Path) -> Result<(), StorageError> {
        replace_file(disk, &root.join(META_PROPERTIES), self.encode().as_bytes())
    }
}

/// Kafka keeps the first hundred ids for special meanings (unassigned, lost, migrating, the metadata topic).
#[must_use]
pub fn is_reserved(id: Uuid) -> bool {
    id.as_u128() < 100
}

/// Reads the text of a `partition.metadata`: the id of the topic.
pub fn parse_partition_metadata(path: &Path, bytes: &[u8]) -> Result<Uuid, StorageError> {
    let corrupt = |reason: &str| StorageError::Corrupt { path: path.into(), position: 0, reason: reason.into() };
    let text = std::str::from_utf8(bytes).map_err(|_| corrupt("not a text"))?;
    let mut fields = text.lines().map(|line| line.split_once(':').map(|(key, value)| (key.trim_ascii(), value.trim_ascii())));
    if fields.next() != Some(Some(("version", "0"))) {
        return Err(corrupt("version 0 expected"));
    }
    let Some(Some(("topic_id", id))) = fields.next() else { return Err(corrupt("topic_id expected")) };
    match uuid_from_text(id) {
        Some(id) if !id.is_nil() && fields.next().is_none() => Ok(id),
        Some(_) => Err(corrupt("the topic id is zero, or something follows it")),
        None => Err(corrupt("the topic id is not a uuid")),
    }
}

/// Reads the topic id of the log in `log_dir`; `None` when nothing says it.
pub fn read_topic_id(disk: &dyn Disk, log_dir: &Path) -> Result<Option<Uuid>, StorageError> {
    let path = log_dir.join(PARTITION_METADATA);
    read_file(disk, &path, FILE_SIZE_BYTES_MAX)?.map(|bytes| parse_partition_metadata(&path, &bytes)).transpose()
}

/// Writes the topic id of the log in `log_dir`. Durable as soon as the directory is synced.
pub fn write_topic_id(disk: &dyn Disk, log_dir: &Path, topic_id: Uuid) -> Result<(), StorageError> {
    put_file(disk, &log_dir.join(PARTITION_METADATA), encode_partition_metadata(topic_id).as_bytes())
}

/// As [`write_topic_id`], but durable only after [`sync_topic_id`] and a sync of the directory.
pub fn write_topic_id_unsynced(disk: &dyn Disk, log_dir: &Path, topic_id: Uuid) -> Result<(), StorageError> {
    put_file_unsynced(disk, &log_dir.join(PARTITION_METADATA), encode_partition_metadata(topic_id).as_bytes())
}

/// Syncs the file with the topic id of the log in `log_dir`.
pub fn sync_topic_id(disk: &dyn Disk, log_dir: &Path) -> Result<(), StorageError> {
    let path = log_dir.join(PARTITION_METADATA);
    let synced = disk.open(&path, OpenMode::ReadWrite).and_then(|file| file.sync());
    synced.map_err(|error| StorageError::io("sync", path, error))
}

fn encode_partition_metadata(topic_id: Uuid) -> String {
    format!("version: 0\ntopic_id: {}", uuid_to_text(topic_id))
}

/// What a clean stop left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanShutdown {
    /// The broker epoch of the run that stopped; Kafka before 3.8 did not write it.
    pub broker_epoch: Option<i64>,
}

impl CleanShutdown {
    /// Reads the text. Its presence is what counts; of the content only the epoch matters, and that only when it is there.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let number = || {
            let text = std::str::from_utf8(bytes).ok()?;
            let (_, rest) = text.split_once("\"brokerEpoch\"")?;
            let rest = rest.trim_ascii_start().strip_prefix(':')?.trim_ascii_start();
            let end = rest.find(|character: char| !character.is_ascii_digit() && character != '-').unwrap_or(rest.len());
            rest.get(..end)?.parse().ok()
        };
        Self { broker_epoch: number() }
    }

    /// Reads the marker of a data directory and removes it durably: a crash from here on is a crash, whatever was before it.
    pub fn take(disk: &dyn Disk, root: &Path) -> Result<Option<Self>, StorageError> {
        let path = root.join(CLEAN_SHUTDOWN);
        if !disk.exists(&path).map_err(|error| StorageError::io("look for", &path, error))? {
            return Ok(None);
        }
        // A marker that cannot be read still says that the stop was clean.
        let marker = Self::parse(&read_file(disk, &path, FILE_SIZE_BYTES_MAX).ok().flatten().unwrap_or_default());
        match disk.remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StorageError::io("remove", path, error)),
            _ => sync_parent(disk, &path)?,
        }
        Ok(Some(marker))
    }

    /// Writes the marker, durably. Only after everything else of the directory is.
    pub fn write(broker_epoch: i64, disk: &dyn Disk, root: &Path) -> Result<(), StorageError> {
        let text = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
        replace_file(disk, &root.join(CLEAN_SHUTDOWN), text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    const BY_KAFKA: &[u8] =
        b"#\n#Sat Nov 21 17:04:45 UTC 2026\nnode.id=1\ndirectory.id=MvPK-asNn7HIyzmpH3xHZg\nversion=1\ncluster.id=vtclvgVVRQ2kF99Lld6_Fw\n";

    fn parse(text: &[u8]) -> Result<MetaProperties, StorageError> {
        MetaProperties::parse(Path::new("meta.properties"), text)
    }

    #[test]
    fn the_directory_of_a_kafka_is_known_by_its_meta_properties() {
        let read = parse(BY_KAFKA).expect("right");
        assert_eq!(read.cluster_id, "vtclvgVVRQ2kF99Lld6_Fw");
        assert_eq!(read.node_id, 1);
        assert_eq!(read.directory_id.map(uuid_to_text).as_deref(), Some("MvPK-asNn7HIyzmpH3xHZg"));
        assert_eq!(parse(read.encode().as_bytes()).expect("ours"), read);
        assert_eq!(parse(b"version=1\nnode.id=7\ncluster.id=my\\ cluster").expect("older").directory_id, None);
    }

    #[test]
    fn meta_properties_of_another_kind_are_refused_with_the_reason() {
        for (text, reason) in [
            ("version=2\nnode.id=1\ncluster.id=x", "version 2"),
            ("version=0\nbroker.id=1\ncluster.id=x", "version 0"),
            ("broker.id=1\ncluster.id=x", "no version"),
            ("version=1\ncluster.id=x", "node.id is missing"),
            ("version=1\nnode.id=1", "cluster.id is missing"),
            ("version=1\nnode.id=1\ncluster.id=", "cluster.id is missing"),
            ("version=1\nnode.id=one\ncluster.id=x", "node.id"),
            ("version=1\nnode.id=-1\ncluster.id=x", "node.id"),
            ("version=1\nnode.id=1\ncluster.id=x\ndirectory.id=x", "not a uuid"),
            ("version=1\nnode.id=1\ncluster.id=x\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ", "reserved"),
            ("version=1\nnode.id=\\u1", "line 2"),
            ("", "no version"),
        ] {
            let error = parse(text.as_bytes()).expect_err("refused").to_string();
            assert!(error.contains(reason), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn the_topic_id_of_a_log_goes_to_and_fro() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(read_topic_id(&RealDisk, dir.path()).expect("readable"), None);
        let by_kafka = b"version: 0\ntopic_id: 8Zse4M6WSiW20NYEuxNfRA";
        let id = parse_partition_metadata(Path::new("f"), by_kafka).expect("right");
        write_topic_id(&RealDisk, dir.path(), id).expect("written");
        assert_eq!(std::fs::read(dir.path().join(PARTITION_METADATA)).expect("there"), by_kafka);
        assert_eq!(read_topic_id(&RealDisk, dir.path()).expect("readable"), Some(id));
        for text in [
            "",
            "version: 0",
            "version: 1\ntopic_id: 8Zse4M6WSiW20NYEuxNfRA",
            "version: 0\ntopic_id: x",
            "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(parse_partition_metadata(Path::new("f"), text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_marker_of_a_clean_stop_is_seen_once() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(CleanShutdown::take(&RealDisk, dir.path()).expect("looked"), None);
        CleanShutdown::write(11, &RealDisk, dir.path()).expect("written");
        assert_eq!(std::fs::read(dir.path().join(CLEAN_SHUTDOWN)).expect("there"), b"{\"version\":0,\"brokerEpoch\":11}");
        assert_eq!(CleanShutdown::take(&RealDisk, dir.path()).expect("looked"), Some(CleanShutdown { broker_epoch: Some(11) }));
        assert_eq!(CleanShutdown::take(&RealDisk, dir.path()).expect("looked"), None);
    }

    #[test]
    fn an_empty_or_strange_marker_still_means_a_clean_stop() {
        for (text, broker_epoch) in
            [("", None), ("{}", None), ("{ \"brokerEpoch\" : -1 , \"x\":2}", Some(-1)), ("{\"brokerEpoch\":null}", None), ("\u{ff}", None)]
        {
            assert_eq!(CleanShutdown::parse(text.as_bytes()), CleanShutdown { broker_epoch }, "{text:?}");
        }
    }
}
