//! One function per reader of foreign bytes. Each takes any bytes; a finding is a panic, a hang, or memory without bound.
//!
//! `tests/hostile/main.rs` feeds them a seeded corpus on every test run; the fuzz workspace feeds them for as long as one likes.

use std::path::Path;

use ottla_storage::OffsetCheckpoint;
use ottla_storage::batch::compression::{Compression, compress, decompress};
use ottla_storage::batch::{EndTransactionMarker, ValidateOptions, records, split, validate};
use ottla_storage::manager::LogDirectoryName;
use ottla_storage::meta::{CleanShutdown, MetaProperties, encode_properties, parse_partition_metadata, parse_properties};
use ottla_storage::producer::snapshot;
use ottla_storage::{Millis, parse_epochs, uuid_from_text, uuid_to_text};

/// Small, so that a bomb shows as an error and not as a slow run.
const DECOMPRESS_LIMIT_BYTES: usize = 1 << 20;

/// Record batches: split, every check of `validate`, every record, control records.
pub(crate) fn batches(data: &[u8]) {
    let mut size_bytes = 0;
    for view in split(data) {
        let Ok(view) = view else { break };
        assert_eq!(Some(view.bytes.len()), view.header.size_bytes());
        size_bytes += view.bytes.len();
        for options in [ValidateOptions::client(Millis(1_700_000_000_000)), ValidateOptions::replication()] {
            for thorough in [false, true] {
                let options =
                    ValidateOptions { strict: thorough, require_keys: thorough, decompress_limit_bytes: DECOMPRESS_LIMIT_BYTES, ..options };
                let _ = validate(&view, &options);
            }
        }
        if let Ok(records) = records(&view, DECOMPRESS_LIMIT_BYTES) {
            for record in records.iter() {
                let Ok(record) = record else { break };
                assert!(record.headers.iter().count() <= record.headers.len());
            }
        }
        let _ = EndTransactionMarker::from_batch(&view);
    }
    assert!(size_bytes <= data.len());
}

/// As [`batches`], with the checksum of the first batch made right, so that what lies behind it is reached.
pub(crate) fn batches_with_right_checksum(data: &[u8]) {
    const LENGTH: std::ops::Range<usize> = 8..12;
    const MAGIC: usize = 16;
    const CRC: std::ops::Range<usize> = 17..21;
    const CHECKED_FROM: usize = 21;
    let mut bytes = data.to_vec();
    if bytes.len() > CHECKED_FROM {
        let length = bytes.len() as u32 - 12;
        bytes[LENGTH].copy_from_slice(&length.to_be_bytes());
        bytes[MAGIC] = 2;
        let crc = crc32c::crc32c(&bytes[CHECKED_FROM..]);
        bytes[CRC].copy_from_slice(&crc.to_be_bytes());
    }
    batches(&bytes);
}

/// The four codecs: the first byte picks one; what can be opened can be closed and opened again.
pub(crate) fn codecs(data: &[u8]) {
    let Some((code, bytes)) = data.split_first() else { return };
    let Some(compression) = Compression::from_code(code % 5) else { return };
    let Ok(opened) = decompress(compression, bytes, DECOMPRESS_LIMIT_BYTES) else { return };
    assert!(opened.len() <= DECOMPRESS_LIMIT_BYTES);
    let closed = compress(compression, None, &opened, usize::MAX).expect("no limit");
    assert_eq!(decompress(compression, &closed, DECOMPRESS_LIMIT_BYTES).as_deref(), Ok(opened.as_slice()));
}

/// Producer snapshots.
pub(crate) fn producer_snapshot(data: &[u8]) {
    if let Ok(entries) = snapshot::decode(data) {
        assert_eq!(snapshot::decode(&snapshot::encode(&entries)).as_ref(), Ok(&entries));
    }
}

/// As [`producer_snapshot`], with the checksum made right.
pub(crate) fn producer_snapshot_with_right_checksum(data: &[u8]) {
    let mut bytes = data.to_vec();
    if bytes.len() > 6 {
        bytes[..2].copy_from_slice(&1i16.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[6..]);
        bytes[2..6].copy_from_slice(&crc.to_be_bytes());
    }
    producer_snapshot(&bytes);
}

/// The root checkpoints and the leader epoch checkpoint.
pub(crate) fn checkpoints(data: &[u8]) {
    let path = Path::new("checkpoint");
    if let Ok(checkpoint) = OffsetCheckpoint::parse(path, data) {
        assert_eq!(OffsetCheckpoint::parse(path, checkpoint.encode().as_bytes()).ok(), Some(checkpoint));
    }
    if let Ok(entries) = parse_epochs(path, data) {
        assert!(entries.is_sorted_by(|a, b| a.epoch < b.epoch && a.start_offset < b.start_offset));
    }
}

/// `meta.properties` and the properties text it is made of.
pub(crate) fn meta_properties(data: &[u8]) {
    if let Ok(properties) = parse_properties(data) {
        let entries: Vec<(&str, &str)> = properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(parse_properties(encode_properties(&entries).as_bytes()), Ok(properties));
    }
    let path = Path::new("meta.properties");
    if let Ok(meta) = MetaProperties::parse(path, data) {
        assert_eq!(MetaProperties::parse(path, meta.encode().as_bytes()).ok(), Some(meta));
    }
}

/// `partition.metadata`, uuid texts, the clean stop marker, directory names.
pub(crate) fn small_texts(data: &[u8]) {
    let _ = parse_partition_metadata(Path::new("partition.metadata"), data);
    let _ = CleanShutdown::parse(data);
    let text = String::from_utf8_lossy(data);
    if let Some(id) = uuid_from_text(&text) {
        assert_eq!(uuid_from_text(&uuid_to_text(id)), Some(id));
    }
    if let Some(name) = LogDirectoryName::parse(&text) {
        assert!(text.starts_with(&name.topic) && name.partition >= 0);
    }
}
