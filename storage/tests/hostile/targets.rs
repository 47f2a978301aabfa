//! One function per reader of foreign bytes. Each takes any bytes; a finding is a panic, a hang, or memory without bound.
//!
//! `tests/hostile/main.rs` feeds them a seeded corpus on every test run; the fuzz workspace feeds them for as long as one likes.

use std::path::Path;
use std::sync::Arc;

use ottla_storage::batch::compression::{Compression, compress, decompress};
use ottla_storage::batch::{BatchBuilder, EndTransactionMarker, ValidateOptions, records, split, validate};
use ottla_storage::disk::faulty::FaultyDisk;
use ottla_storage::log::{AppendOrigin, ListOffset, OpenOptions, PartitionLog};
use ottla_storage::manager::LogDirectoryName;
use ottla_storage::meta::{CleanShutdown, MetaProperties, encode_properties, parse_partition_metadata, parse_properties};
use ottla_storage::producer::snapshot;
use ottla_storage::{LeaderEpoch, LogId, Millis, Offset, OffsetCheckpoint, parse_epochs, uuid_from_text, uuid_to_text};

const NOW: Millis = Millis(1_700_000_000_000);

/// Small, so that a bomb shows as an error and not as a slow run.
const DECOMPRESS_LIMIT_BYTES: usize = 1 << 20;

/// Record batches: split, every check of `validate`, every record, control records.
pub(crate) fn batches(data: &[u8]) {
    let mut size_bytes = 0;
    for view in split(data) {
        let Ok(view) = view else { break };
        assert_eq!(Some(view.bytes.len()), view.header.size_bytes());
        size_bytes += view.bytes.len();
        for options in [ValidateOptions::client(NOW), ValidateOptions::replication()] {
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

/// Names that the files of a [`log_directory`] may have: the byte before each file's content picks one.
pub(crate) const LOG_FILE_NAMES: [&str; 14] = [
    "00000000000000000000.log",
    "00000000000000000000.index",
    "00000000000000000000.timeindex",
    "00000000000000000000.txnindex",
    "00000000000000000003.snapshot",
    "00000000000000000500.log",
    "00000000000000000500.index",
    "00000000000000000500.timeindex",
    "00000000000000000500.snapshot",
    "leader-epoch-checkpoint",
    "partition.metadata",
    "ottla-seals",
    "00000000000000000000.log.swap",
    "00000000000000000500.log.cleaned",
];

/// A log's directory with any files in it: a byte of options, then files, each a byte for the name, two for the size, and its bytes.
/// The log is opened, asked everything, appended to, and opened again.
pub(crate) fn log_directory(data: &[u8]) {
    let Some((options, mut rest)) = data.split_first() else { return };
    let disk = FaultyDisk::new(0);
    while let [name, high, low, bytes @ ..] = rest {
        let (content, later) = bytes.split_at(bytes.len().min(usize::from(u16::from_be_bytes([*high, *low]))));
        let name = LOG_FILE_NAMES[usize::from(*name) % LOG_FILE_NAMES.len()];
        disk.plant(&Path::new("/data/foo-0").join(name), content);
        rest = later;
    }
    let offset = |bits: u8| [Offset(0), Offset(3), Offset(500), Offset(1 << 40)][usize::from(bits & 3)];
    let how = OpenOptions {
        clean: options & 1 != 0,
        machine_stopped: options & 2 != 0,
        recovery_point: offset(options >> 2),
        log_start_offset: offset(options >> 4),
        now: NOW,
    };
    let id = LogId { topic: "foo".into(), topic_id: uuid_from_text("8Zse4M6WSiW20NYEuxNfRA").expect("an id"), partition: 0 };
    let open = |how| PartitionLog::open(Arc::new(disk.clone()), Path::new("/data"), id.clone(), Arc::default(), how);
    let Ok((mut log, first)) = open(how) else { return };
    ask_everything(&log);
    let end = log.log_end_offset();
    let mut batch = BatchBuilder::new();
    batch.push(NOW, Some(b"key"), None, &[]);
    let batch = batch.build().expect("uncompressed");
    if let Ok(info) = log.append_as_leader(NOW, &batch, LeaderEpoch(7), AppendOrigin::Client) {
        assert_eq!((info.first_offset, log.log_end_offset()), (end, end.plus(1)));
        log.set_high_watermark(log.log_end_offset());
        ask_everything(&log);
    }
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    let _ = log.truncate_to(end.max(Offset(1)).plus(-1).max(start));
    let (end, offline) = (log.log_end_offset(), log.is_offline());
    drop(log);
    let (log, second) = open(OpenOptions { clean: false, ..how }).expect("opened once, opened twice");
    let damaged = first.corruption.is_some();
    assert!(offline || damaged || log.log_end_offset() <= end, "{end}, then {}: {first:?}, then {second:?}", log.log_end_offset());
    ask_everything(&log);
}

fn ask_everything(log: &PartitionLog) {
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    assert!(start <= end && log.high_watermark() <= end && log.last_stable_offset() <= log.high_watermark());
    let mut from = start;
    while let Ok(plan) = log.read(from, end, 1 << 16, true) {
        for range in &plan.ranges {
            let mut bytes = vec![0; range.size_bytes as usize];
            assert_eq!(range.file.read_at(&mut bytes, range.position).expect("in memory"), bytes.len());
            let mut whole = 0;
            for view in split(&bytes) {
                let view = view.expect("whole batches only");
                view.check_crc().expect("nothing unchecked is handed out");
                whole += view.bytes.len();
            }
            assert_eq!(whole, bytes.len());
        }
        if plan.next_offset <= from {
            break;
        }
        from = plan.next_offset;
    }
    let _ = log.aborted_transactions(start, end);
    for by in
        [ListOffset::Earliest, ListOffset::Latest, ListOffset::MaxTimestamp, ListOffset::Timestamp(Millis(0)), ListOffset::Timestamp(NOW)]
    {
        let _ = log.list_offset(by, end);
    }
    for epoch in [-1, 0, 1, i32::MAX] {
        let _ = log.end_offset_for_epoch(LeaderEpoch(epoch));
    }
}
