//! Appending: validate, check the producer, assign offsets, write, then let everybody know.
//!
//! The order matters and is written down in DESIGN.md. Until the write nothing has changed, so every error before it means "not
//! written". After the write nothing can fail.

use super::types::{AppendError, AppendInfo, AppendOrigin, RecordError};
use super::{PartitionLog, TopicCompression};
use crate::batch::compression::Compression;
use crate::batch::{
    BatchError, BatchFacts, BatchHeader, BatchView, DECOMPRESS_LIMIT_BYTES_DEFAULT, EndTransactionMarker, NO_TIMESTAMP, Origin,
    RecordRejection, RejectedRecord, TimestampRule, TimestampType, ValidateOptions, recompress, split, validate,
};
use crate::producer::{Marker, ProducerCheck, ProducerError, VerificationGuard};
use crate::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, Sequence};

/// What else is known about an append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransactionCheck {
    /// Transactional batches are taken without proof (`transaction.partition.verification.enable=false`, and internal writers).
    #[default]
    Unchecked,
    /// A transactional batch must belong to an open transaction or show this guard.
    Verified(Option<VerificationGuard>),
    /// The batch is a marker of this transaction version (WriteTxnMarkers).
    Marker {
        /// Transaction version of the coordinator, 0 when it did not say.
        transaction_version: i16,
    },
}

impl PartitionLog {
    /// Appends what a producer or a coordinator sent; offsets are assigned here.
    pub fn append_as_leader(
        &mut self,
        now: Millis,
        records: &[u8],
        leader_epoch: LeaderEpoch,
        origin: AppendOrigin,
    ) -> Result<AppendInfo, AppendError> {
        self.append_as_leader_checked(now, records, leader_epoch, origin, TransactionCheck::Unchecked)
    }

    /// As [`append_as_leader`](Self::append_as_leader), with what the transaction protocol wants checked.
    pub fn append_as_leader_checked(
        &mut self,
        now: Millis,
        records: &[u8],
        leader_epoch: LeaderEpoch,
        origin: AppendOrigin,
        transaction: TransactionCheck,
    ) -> Result<AppendInfo, AppendError> {
        self.refuse_unless_writable()?;
        if origin == AppendOrigin::Raft {
            return self.append_raft(now, records, leader_epoch);
        }
        let config = self.config();
        let view = self.only_batch(records)?;
        // What a coordinator decided is one atomic batch, however large; only a segment bounds it.
        if origin == AppendOrigin::Client {
            self.check_batch_size(view.size_bytes())?;
        }
        let options = validate_options(&config, now, origin);
        let facts = validate(&view, &options).map_err(|error| self.refusal(error))?;

        let recompressed = self.recompressed(&view, config.compression)?;
        let view = match &recompressed {
            Some(bytes) => BatchView { header: BatchHeader::read(bytes).unwrap_or(view.header), bytes },
            None => view,
        };
        if recompressed.is_some() && origin == AppendOrigin::Client {
            self.check_batch_size(view.size_bytes())?;
        }
        self.check_segment_size(view.size_bytes())?;

        let header = stamped(&view, &facts, &config, now, self.log_end_offset(), leader_epoch);
        let marker = match transaction {
            _ if !header.is_control() => None,
            TransactionCheck::Marker { transaction_version } => self.marker_of(&view)?.map(|m| Marker { transaction_version, ..m }),
            _ => self.marker_of(&view)?,
        };
        if let ProducerCheck::Duplicate { first_offset, last_offset, timestamp } =
            self.check_producer(now, &header, marker, origin, transaction)?
        {
            return Ok(AppendInfo {
                first_offset,
                last_offset,
                // Kafka tells a duplicate's time whatever the topic's timestamp type is.
                log_append_time: Some(timestamp),
                log_start_offset: self.log_start_offset(),
                duplicate: true,
                size_bytes: 0,
                max_timestamp: timestamp,
                record_count: 0,
            });
        }
        self.roll_if_needed(now, &header, view.size_bytes() as u64)?;
        self.write(now, &[header.as_bytes(), view.record_bytes()], &[(header, marker)])?;
        Ok(AppendInfo {
            first_offset: header.base_offset(),
            last_offset: header.last_offset(),
            log_append_time: stamps(&config).then_some(now),
            log_start_offset: self.log_start_offset(),
            duplicate: false,
            size_bytes: view.size_bytes() as u64,
            max_timestamp: header.max_timestamp(),
            record_count: i64::from(header.record_count()),
        })
    }

    /// Begins to verify that a producer's transaction is open (KIP-890); `None` when it is open here already.
    pub fn begin_verification(
        &mut self,
        now: Millis,
        (producer_id, epoch): (ProducerId, ProducerEpoch),
        sequence: Sequence,
        supports_epoch_bump: bool,
    ) -> Result<Option<VerificationGuard>, AppendError> {
        self.producers.begin_verification(now, producer_id, sequence, epoch, supports_epoch_bump).map_err(refused_producer)
    }

    /// Any number of batches, consecutive offsets, nothing about producers.
    fn append_raft(&mut self, now: Millis, records: &[u8], leader_epoch: LeaderEpoch) -> Result<AppendInfo, AppendError> {
        let mut next_offset = self.log_end_offset();
        let mut batches = Vec::new();
        for batch in split(records) {
            let view = batch.map_err(|error| self.refusal(error))?;
            self.check_batch_size(view.size_bytes())?;
            let options = ValidateOptions { origin: Origin::Coordinator, ..ValidateOptions::replication() };
            validate(&view, &options).map_err(|error| self.refusal(error))?;
            let mut header = view.header;
            header.set_base_offset(next_offset);
            header.set_partition_leader_epoch(leader_epoch);
            next_offset = header.next_offset();
            batches.push((header, view));
        }
        self.check_segment_size(records.len())?;
        let Some((first, _)) = batches.first() else { return Err(no_batch()) };
        let mut last = *first;
        last.set_base_offset(Offset(next_offset.0 - 1 - i64::from(last.last_offset_delta())));
        self.roll_if_needed(now, &last, records.len() as u64)?;
        let parts: Vec<&[u8]> = batches.iter().flat_map(|(header, view)| [header.as_bytes(), view.record_bytes()]).collect();
        let headers: Vec<_> = batches.iter().map(|(header, _)| (*header, None)).collect();
        self.write(now, &parts, &headers)?;
        Ok(self.info_of(&headers, records.len() as u64))
    }

    /// Appends what the leader sent, offsets given. Several batches may go into several segments; those before an error are in.
    pub fn append_as_follower(&mut self, now: Millis, records: &[u8]) -> Result<AppendInfo, AppendError> {
        self.refuse_unless_writable()?;
        let mut batches = Vec::new();
        let mut next_offset = self.log_end_offset();
        let mut size_bytes = 0;
        for batch in split(records) {
            let view = match batch {
                Ok(view) => view,
                // The leader may cut its answer anywhere.
                Err(BatchError::Truncated { .. }) => break,
                Err(error) => return Err(self.refusal(error)),
            };
            validate(&view, &ValidateOptions::replication()).map_err(|error| self.refusal(error))?;
            if view.header.base_offset() < next_offset {
                return Err(AppendError::OffsetsOutOfOrder(format!(
                    "Unexpected offset in append to {}: offset {} is less than the next offset {next_offset}",
                    self.id(),
                    view.header.base_offset()
                )));
            }
            next_offset = view.header.next_offset();
            size_bytes += view.size_bytes();
            batches.push((view.header, self.marker_of(&view)?));
        }
        let mut rest = records.get(..size_bytes).unwrap_or_default();
        let mut pending = batches.as_slice();
        while let Some((first, _)) = pending.first() {
            self.roll_if_needed(now, first, first.size_bytes().unwrap_or_default() as u64)?;
            let (count, group_bytes) = self.fitting(pending);
            let (group, later) = pending.split_at(count);
            let (bytes, later_bytes) = rest.split_at(group_bytes);
            self.write(now, &[bytes], group)?;
            (pending, rest) = (later, later_bytes);
        }
        Ok(self.info_of(&batches, size_bytes as u64))
    }

    /// How many of these batches go into the active segment with one write, at least one, and their size.
    fn fitting(&self, batches: &[(BatchHeader, Option<Marker>)]) -> (usize, usize) {
        let room_bytes = u64::from(self.config.segment_bytes).saturating_sub(self.active().size_bytes());
        let base_offset = self.active().base_offset();
        let mut count = 0;
        let mut total = 0;
        for (header, _) in batches {
            let size_bytes = header.size_bytes().unwrap_or_default();
            let fits = (total + size_bytes) as u64 <= room_bytes && header.last_offset().since(base_offset) <= i64::from(i32::MAX);
            if count > 0 && !fits {
                break;
            }
            count += 1;
            total += size_bytes;
        }
        (count, total)
    }

    fn info_of(&self, batches: &[(BatchHeader, Option<Marker>)], size_bytes: u64) -> AppendInfo {
        let end = self.log_end_offset();
        AppendInfo {
            first_offset: batches.first().map_or(end, |(header, _)| header.base_offset()),
            last_offset: Offset(end.0 - 1),
            log_append_time: None,
            log_start_offset: self.log_start_offset(),
            duplicate: false,
            size_bytes,
            max_timestamp: batches.iter().map(|(header, _)| header.max_timestamp()).max().unwrap_or(NO_TIMESTAMP),
            record_count: batches.iter().map(|(header, _)| i64::from(header.record_count())).sum(),
        }
    }

    /// The write itself, and what follows from it. `parts` are the bytes of `batches`, which fit into the active segment.
    fn write(&mut self, now: Millis, parts: &[&[u8]], batches: &[(BatchHeader, Option<Marker>)]) -> Result<(), AppendError> {
        let interval_bytes = self.config.index_interval_bytes;
        if batches.iter().any(|(_, marker)| marker.is_some_and(|marker| !marker.committed)) {
            // A transaction index that nobody has checked yet is checked before it grows.
            self.aborted_in(self.segments.len() - 1)?;
        }
        let Some(active) = self.segments.last_mut() else { return Err(self.no_segment().into()) };
        let headers = batches.iter().map(|(header, _)| *header);
        if let Err(failed) = active.append(&self.place, parts, headers, interval_bytes) {
            if failed.in_doubt {
                self.fail(&format!("a failed append could not be undone: {}", failed.error));
            }
            return Err(failed.error.into());
        }
        let mut log_end = self.offsets.log_end();
        for (header, marker) in batches {
            self.epochs.assign(header.partition_leader_epoch(), header.base_offset());
            if let Some(ended) = self.producers.update(now, header, *marker)
                && ended.aborted
            {
                active.note_aborted(&self.place, ended.into());
            }
            log_end = header.next_offset();
        }
        self.offsets.append(log_end, self.producers.first_unstable_offset());
        Ok(())
    }

    fn only_batch<'a>(&self, records: &'a [u8]) -> Result<BatchView<'a>, AppendError> {
        let mut batches = split(records);
        let view = match batches.next() {
            None | Some(Err(BatchError::Truncated { .. })) => return Err(no_batch()),
            Some(batch) => batch.map_err(|error| self.refusal(error))?,
        };
        match batches.next() {
            // Kafka trims bytes that are no whole batch.
            None | Some(Err(BatchError::Truncated { .. })) => Ok(view),
            Some(Ok(_)) => Err(invalid_record("Compressed outer record has more than one batch".to_owned())),
            Some(Err(error)) => Err(self.refusal(error)),
        }
    }

    fn check_batch_size(&self, size_bytes: usize) -> Result<(), AppendError> {
        let max = self.config.max_message_bytes;
        if size_bytes as u64 > u64::from(max) {
            return Err(AppendError::MessageTooLarge(format!(
                "The record batch size in the append to {} is {size_bytes} bytes which exceeds the maximum configured value of {max}.",
                self.id()
            )));
        }
        Ok(())
    }

    fn check_segment_size(&self, size_bytes: usize) -> Result<(), AppendError> {
        let max = self.config.segment_bytes;
        if size_bytes as u64 > u64::from(max) {
            return Err(AppendError::RecordListTooLarge(format!(
                "Message batch size is {size_bytes} bytes in append to partition {}, which exceeds the maximum configured segment size \
                 of {max}.",
                self.id()
            )));
        }
        Ok(())
    }

    /// The batch in the topic's own codec; `None` when it may stay as it is.
    fn recompressed(&self, view: &BatchView<'_>, wanted: TopicCompression) -> Result<Option<Vec<u8>>, AppendError> {
        let TopicCompression::Fixed { code, level } = wanted else { return Ok(None) };
        let is = view.header.compression_code();
        // Control records stay uncompressed.
        if code == is || (is == 0 && view.header.is_control()) {
            return Ok(None);
        }
        let Some(codec) = Compression::from_code(code) else { return Ok(None) };
        let bytes = recompress(view, codec, level, DECOMPRESS_LIMIT_BYTES_DEFAULT).map_err(|error| self.refusal(error))?;
        Ok(Some(bytes))
    }

    fn marker_of(&self, view: &BatchView<'_>) -> Result<Option<Marker>, AppendError> {
        if !view.header.is_control() || view.header.producer_id().0 < 0 {
            return Ok(None);
        }
        Ok(EndTransactionMarker::from_batch(view).map_err(|error| self.refusal(error))?.map(Marker::from))
    }

    fn check_producer(
        &self,
        now: Millis,
        header: &BatchHeader,
        marker: Option<Marker>,
        origin: AppendOrigin,
        transaction: TransactionCheck,
    ) -> Result<ProducerCheck, AppendError> {
        let origin = batch_origin(origin);
        let checked = match (marker, transaction) {
            (Some(marker), _) => self.producers.check_marker(header, marker, origin).map(|()| ProducerCheck::Accept),
            (None, TransactionCheck::Verified(guard)) => self.producers.check_verified(now, header, origin, guard),
            (None, _) => self.producers.check(now, header, origin),
        };
        checked.map_err(refused_producer)
    }

    /// Kafka's text for every rejected record.
    fn record_errors(&self, error: &BatchError) -> Vec<RecordError> {
        let text = |record: &RejectedRecord| match record.reason {
            RecordRejection::TimestampOutOfRange { timestamp, earliest, latest } => format!(
                "Timestamp {timestamp} of message with offset {} is out of range. The timestamp should be within [{earliest}, {latest}]",
                record.index
            ),
            reason => format!("{reason} in topic partition {}", self.id()),
        };
        let error_of = |record: &RejectedRecord| RecordError { batch_index: record.index.cast_signed(), message: text(record) };
        error.rejected_records().iter().map(error_of).collect()
    }

    /// A batch's error in the words of an append.
    fn refusal(&self, error: BatchError) -> AppendError {
        let text = format!("{error} in append to partition {}", self.id());
        match error {
            BatchError::LengthOutOfRange { .. }
            | BatchError::CrcMismatch { .. }
            | BatchError::DecompressionFailed { .. }
            | BatchError::InvalidControlRecord { .. } => AppendError::Corrupt(text),
            BatchError::UnsupportedMagic { magic: 0 | 1 } => invalid_record(text),
            BatchError::UnsupportedMagic { .. } => AppendError::Corrupt(text),
            BatchError::UnsupportedCompression { .. } => AppendError::UnsupportedCompressionType(text),
            BatchError::TimestampsOutOfRange { .. } => {
                let message = "One or more records have been rejected due to invalid timestamp".to_owned();
                AppendError::InvalidTimestamp { message, record_errors: self.record_errors(&error) }
            }
            BatchError::RecordsRejected { .. } => {
                let record_errors = self.record_errors(&error);
                AppendError::InvalidRecord { message: rejection_text(&record_errors), record_errors }
            }
            _ => AppendError::InvalidRecord { message: text, record_errors: Vec::new() },
        }
    }
}

/// Kafka's text for a batch with records that the topic does not take.
fn rejection_text(record_errors: &[RecordError]) -> String {
    let shown: Vec<_> = record_errors
        .iter()
        .take(3)
        .map(|record| format!("RecordError(batchIndex={}, message='{}')", record.batch_index, record.message))
        .collect();
    format!(
        "One or more records have been rejected due to {} record errors in total, and only showing the first three errors at most: [{}]",
        record_errors.len(),
        shown.join(", ")
    )
}

fn no_batch() -> AppendError {
    invalid_record("Record batch has no batches at all".to_owned())
}

fn invalid_record(message: String) -> AppendError {
    AppendError::InvalidRecord { message, record_errors: Vec::new() }
}

fn refused_producer(error: ProducerError) -> AppendError {
    let text = error.to_string();
    match error {
        ProducerError::InvalidProducerEpoch { .. } => AppendError::InvalidProducerEpoch(text),
        ProducerError::OutOfOrderSequence { .. }
        | ProducerError::SequenceOfNewEpochNotZero { .. }
        | ProducerError::SequenceAheadOfVerification { .. }
        | ProducerError::FirstSequenceNotZero { .. } => AppendError::OutOfOrderSequence(text),
        ProducerError::NotTransactional { .. } | ProducerError::TransactionNotVerified { .. } => AppendError::InvalidTxnState(text),
        ProducerError::TransactionCoordinatorFenced { .. } => AppendError::TransactionCoordinatorFenced(text),
    }
}

fn batch_origin(origin: AppendOrigin) -> Origin {
    match origin {
        AppendOrigin::Client => Origin::Client,
        AppendOrigin::Coordinator => Origin::Coordinator,
        AppendOrigin::Raft => Origin::Replication,
    }
}

fn stamps(config: &super::LogConfig) -> bool {
    config.message_timestamp_type == TimestampType::LogAppendTime
}

fn validate_options(config: &super::LogConfig, now: Millis, origin: AppendOrigin) -> ValidateOptions {
    let timestamps = match config.message_timestamp_type {
        TimestampType::LogAppendTime => TimestampRule::LogAppendTime,
        TimestampType::CreateTime => TimestampRule::CreateTime {
            now,
            before_max_ms: config.message_timestamp_before_max_ms,
            after_max_ms: config.message_timestamp_after_max_ms,
        },
    };
    ValidateOptions {
        origin: batch_origin(origin),
        timestamps,
        require_keys: config.cleanup_policy.compact,
        strict: config.batch_strict,
        decompress_limit_bytes: DECOMPRESS_LIMIT_BYTES_DEFAULT,
    }
}

/// The header as it goes to the log: only what lies outside the CRC changes, unless timestamps are the broker's.
fn stamped(
    view: &BatchView<'_>,
    facts: &BatchFacts,
    config: &super::LogConfig,
    now: Millis,
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
) -> BatchHeader {
    let mut header = view.header;
    header.set_base_offset(base_offset);
    header.set_partition_leader_epoch(leader_epoch);
    let records = view.record_bytes();
    if stamps(config) {
        header.stamp_log_append_time(now, records);
    } else if facts.must_stamp_create_time {
        header.stamp_create_time(facts.max_timestamp, records);
    }
    header
}
