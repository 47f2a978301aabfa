//! Why a partition's records were not appended, and how the answer says so.

use crate::errors::PartitionError;
use crate::partition::Partition;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_response::{BatchIndexAndErrorMessage, PartitionProduceResponse};
use kafka_protocol::protocol::StrBytes;

/// Why a partition's records were not appended.
#[derive(Clone)]
pub(super) struct Refusal {
    error: ResponseError,
    message: Option<String>,
    record_errors: Vec<BatchIndexAndErrorMessage>,
    log_start_offset: i64,
}

impl Refusal {
    pub(super) fn plain(error: ResponseError) -> Self {
        Self { error, message: None, record_errors: Vec::new(), log_start_offset: -1 }
    }

    pub(super) fn with_message(error: ResponseError, message: String) -> Self {
        Self { message: Some(message), ..Self::plain(error) }
    }

    /// Kafka sends a text only beside `record_errors`, and the log start offset unless the log was not asked or the bytes were bad.
    pub(super) fn of_append(partition: &Partition, error: PartitionError) -> Self {
        let record_errors: Vec<_> = error
            .record_errors()
            .iter()
            .map(|record| {
                BatchIndexAndErrorMessage::default()
                    .with_batch_index(record.batch_index)
                    .with_batch_index_error_message(Some(StrBytes::from_string(record.message.clone())))
            })
            .collect();
        let kafka = error.response_error();
        let without_offset = matches!(
            kafka,
            ResponseError::NotLeaderOrFollower
                | ResponseError::KafkaStorageError
                | ResponseError::CorruptMessage
                | ResponseError::MessageTooLarge
                | ResponseError::RecordListTooLarge
        );
        let log_start_offset = if without_offset { None } else { partition.offsets().map(|offsets| offsets.log_start_offset.0) };
        Self {
            error: kafka,
            message: (!record_errors.is_empty()).then(|| error.to_string()),
            record_errors,
            log_start_offset: log_start_offset.unwrap_or(-1),
        }
    }

    pub(super) fn answer(self, index: i32) -> PartitionProduceResponse {
        PartitionProduceResponse::default()
            .with_index(index)
            .with_error_code(self.error.code())
            .with_base_offset(-1)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(self.log_start_offset)
            .with_record_errors(self.record_errors)
            .with_error_message(self.message.map(StrBytes::from_string))
    }
}
