//! Decides whether a batch may enter a log: header, CRC, and records where they can be walked without decompressing.
//!
//! Uncompressed batches are walked in place: no allocation, no copy. Compressed ones are judged by header and CRC, and opened
//! only when a rule asks for it: `strict`, `require_keys`, or timestamps in the header that look wrong. Batches that
//! another replica or this log accepted before are checked by header and CRC only.

use super::compression::Compression;
use super::records::{RawRecord, records};
use super::{BatchError, BatchHeader, BatchView, MalformedRecord, NO_TIMESTAMP, RecordRejection, RejectedRecord, TimestampType};
use crate::Millis;

/// Who made a batch: decides how much of it must be proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A producer, by Produce. Everything is checked.
    Client,
    /// This broker's own coordinators. May hold control records and producer ids without sequences.
    Coordinator,
    /// A leader, or this log before a restart: accepted once already, possibly compacted since.
    Replication,
}

/// Which timestamps are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampRule {
    /// Not looked at.
    Unchecked,
    /// `message.timestamp.type=CreateTime`: each within `[now - before_max_ms, now + after_max_ms]`, or absent (-1).
    CreateTime {
        /// The broker's time.
        now: Millis,
        /// `message.timestamp.before.max.ms`.
        before_max_ms: i64,
        /// `message.timestamp.after.max.ms`.
        after_max_ms: i64,
    },
    /// `message.timestamp.type=LogAppendTime`: the broker will stamp; a batch that is stamped already is refused.
    LogAppendTime,
}

/// What to check.
#[derive(Clone, Copy, Debug)]
pub struct ValidateOptions {
    /// Who made the batch.
    pub origin: Origin,
    /// Accepted timestamps.
    pub timestamps: TimestampRule,
    /// `cleanup.policy=compact`: every record needs a key. Opens compressed batches.
    pub require_keys: bool,
    /// Opens compressed batches always and walks them.
    pub strict: bool,
    /// Bound on what one batch may decompress to.
    pub decompress_limit_bytes: usize,
}

impl ValidateOptions {
    /// A producer's batch for a topic with Kafka's defaults.
    #[must_use]
    pub fn client(now: Millis) -> Self {
        Self {
            origin: Origin::Client,
            timestamps: TimestampRule::CreateTime { now, before_max_ms: i64::MAX, after_max_ms: 3_600_000 },
            require_keys: false,
            strict: false,
            decompress_limit_bytes: DECOMPRESS_LIMIT_BYTES_DEFAULT,
        }
    }

    /// A batch from a leader or from this log's own files.
    #[must_use]
    pub fn replication() -> Self {
        Self {
            origin: Origin::Replication,
            timestamps: TimestampRule::Unchecked,
            require_keys: false,
            strict: false,
            decompress_limit_bytes: DECOMPRESS_LIMIT_BYTES_DEFAULT,
        }
    }
}

/// 64 MiB: larger than any batch of Kafka's default `message.max.bytes` decompresses to unless it is a bomb.
pub const DECOMPRESS_LIMIT_BYTES_DEFAULT: usize = 64 << 20;

/// What validation learned on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchFacts {
    /// Largest timestamp: the records' own when they were walked, else the header's. -1 when no record has one.
    pub max_timestamp: Millis,
    /// Offset delta of the first record with that timestamp; `None` when the records were not walked.
    pub offset_delta_of_max_timestamp: Option<i32>,
    /// The header says something else than what Kafka stores for a CreateTime topic: call
    /// [`BatchHeader::stamp_create_time`] with `max_timestamp` before writing.
    pub must_stamp_create_time: bool,
}

/// Checks one batch. See the module for what is looked at when.
pub fn validate(view: &BatchView<'_>, options: &ValidateOptions) -> Result<BatchFacts, BatchError> {
    let header = &view.header;
    if header.magic() != 2 {
        return Err(BatchError::UnsupportedMagic { magic: header.magic() });
    }
    if header.size_bytes() != Some(view.bytes.len()) {
        return Err(BatchError::LengthOutOfRange { position: 0, length: header.batch_length() });
    }
    view.check_crc()?;
    let compression = view.compression()?;
    check_counts(header, options.origin)?;
    if options.origin == Origin::Client {
        check_client_header(header)?;
    }
    let walk_needed = match (options.origin, compression) {
        (Origin::Replication, _) => options.strict,
        (_, Compression::None) => true,
        _ => options.strict || options.require_keys || !plausible_timestamps(header, options.timestamps),
    };
    let from_header =
        BatchFacts { max_timestamp: header.max_timestamp(), offset_delta_of_max_timestamp: None, must_stamp_create_time: false };
    if !walk_needed {
        return Ok(from_header);
    }
    let facts = match compression {
        Compression::None => walk(header, view.record_bytes(), options)?,
        _ => walk(header, records(view, options.decompress_limit_bytes)?.bytes(), options)?,
    };
    Ok(facts)
}

fn check_counts(header: &BatchHeader, origin: Origin) -> Result<(), BatchError> {
    let (base_offset, last_offset, count) = (header.base_offset(), header.last_offset(), header.record_count());
    if header.last_offset_delta() < 0 || last_offset < base_offset {
        return Err(BatchError::OffsetRangeInvalid { base_offset, last_offset });
    }
    let range = i64::from(header.last_offset_delta()) + 1;
    match origin {
        // Compaction keeps the offset range and drops records, down to none.
        Origin::Replication if count < 0 => Err(BatchError::RecordCountInvalid { count }),
        Origin::Replication if i64::from(count) > range => Err(BatchError::RecordCountMismatch { count, base_offset, last_offset }),
        Origin::Replication => Ok(()),
        Origin::Client | Origin::Coordinator if count <= 0 => Err(BatchError::RecordCountInvalid { count }),
        Origin::Client | Origin::Coordinator if i64::from(count) != range => {
            Err(BatchError::RecordCountMismatch { count, base_offset, last_offset })
        }
        Origin::Client | Origin::Coordinator => Ok(()),
    }
}

fn check_client_header(header: &BatchHeader) -> Result<(), BatchError> {
    if header.base_offset().0 != 0 {
        return Err(BatchError::BaseOffsetNotZero { base_offset: header.base_offset() });
    }
    if header.is_control() {
        return Err(BatchError::ControlBatchFromClient);
    }
    if header.producer_id().0 >= 0 && header.base_sequence().0 < 0 {
        return Err(BatchError::SequenceMissing { producer_id: header.producer_id().0, base_sequence: header.base_sequence().0 });
    }
    Ok(())
}

/// Whether the header's own timestamps give no reason to open a compressed batch. It names the first record's and the largest, so that
/// with a lower bound (`message.timestamp.before.max.ms`) only the records themselves can tell.
fn plausible_timestamps(header: &BatchHeader, rule: TimestampRule) -> bool {
    let unstamped = header.timestamp_type() == TimestampType::CreateTime;
    match rule {
        TimestampRule::Unchecked => true,
        TimestampRule::LogAppendTime => unstamped,
        TimestampRule::CreateTime { before_max_ms, .. } => {
            let accepted = Accepted::by(rule);
            unstamped
                && before_max_ms == i64::MAX
                && header.max_timestamp() >= header.base_timestamp()
                && accepted.holds(header.base_timestamp())
                && accepted.holds(header.max_timestamp())
        }
    }
}

/// The timestamps that a rule accepts.
#[derive(Clone, Copy)]
struct Accepted {
    earliest: Millis,
    latest: Millis,
}

impl Accepted {
    fn by(rule: TimestampRule) -> Self {
        match rule {
            TimestampRule::CreateTime { now, before_max_ms, after_max_ms } => {
                Self { earliest: Millis(now.0.saturating_sub(before_max_ms)), latest: Millis(now.0.saturating_add(after_max_ms)) }
            }
            TimestampRule::Unchecked | TimestampRule::LogAppendTime => Self { earliest: Millis(i64::MIN), latest: Millis(i64::MAX) },
        }
    }

    fn holds(self, timestamp: Millis) -> bool {
        (self.earliest <= timestamp && timestamp <= self.latest) || timestamp == NO_TIMESTAMP
    }
}

/// Whether Kafka takes a batch that says its broker has stamped it: only on a CreateTime topic, and only with a time.
fn may_be_stamped(header: &BatchHeader, rule: TimestampRule) -> bool {
    match rule {
        TimestampRule::Unchecked => true,
        TimestampRule::LogAppendTime => false,
        TimestampRule::CreateTime { .. } => header.max_timestamp() != NO_TIMESTAMP,
    }
}

fn walk(header: &BatchHeader, bytes: &[u8], options: &ValidateOptions) -> Result<BatchFacts, BatchError> {
    let base_timestamp = header.base_timestamp();
    let stamped = header.timestamp_type() == TimestampType::LogAppendTime;
    let consecutive = options.origin != Origin::Replication;
    let refuse_stamped = options.origin == Origin::Client && stamped && !may_be_stamped(header, options.timestamps);
    let accepted = Accepted::by(options.timestamps);

    let mut max_timestamp = NO_TIMESTAMP;
    let mut offset_delta_of_max = 0;
    let mut rejected = Vec::new();
    let mut at = 0;
    for index in 0..header.record_count() {
        let invalid = |reason| BatchError::InvalidRecord { index: index.cast_unsigned(), reason };
        let record = RawRecord::read(bytes, &mut at).map_err(invalid)?;
        if record.offset_delta != index && consecutive {
            return Err(invalid(MalformedRecord::OffsetDelta { found: record.offset_delta }));
        }
        let timestamp = if stamped { header.max_timestamp() } else { Millis(base_timestamp.0.wrapping_add(record.timestamp_delta)) };
        if timestamp > max_timestamp {
            max_timestamp = timestamp;
            offset_delta_of_max = record.offset_delta;
        }
        let key_missing = options.require_keys && record.key.is_none();
        if key_missing || refuse_stamped || !accepted.holds(timestamp) {
            let reason = if key_missing {
                RecordRejection::MissingKey
            } else if refuse_stamped {
                RecordRejection::LogAppendTimeFromClient
            } else {
                RecordRejection::TimestampOutOfRange { timestamp, earliest: accepted.earliest, latest: accepted.latest }
            };
            rejected.push(RejectedRecord { index: index.cast_unsigned(), reason });
        }
    }
    if at != bytes.len() {
        return Err(BatchError::TrailingBytes { count: header.record_count(), bytes: bytes.len() - at });
    }
    if !rejected.is_empty() {
        let keys_only = rejected.iter().all(|r| r.reason == RecordRejection::MissingKey);
        return Err(if keys_only {
            BatchError::RecordsRejected { records: rejected }
        } else {
            BatchError::TimestampsOutOfRange { records: rejected }
        });
    }
    let create_time = matches!(options.timestamps, TimestampRule::CreateTime { .. });
    Ok(BatchFacts {
        max_timestamp,
        offset_delta_of_max_timestamp: Some(offset_delta_of_max),
        must_stamp_create_time: create_time && (stamped || header.max_timestamp() != max_timestamp),
    })
}
