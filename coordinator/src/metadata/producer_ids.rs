//! Producer ids, handed out in blocks so that the log is written once per thousand.

use super::image::MetadataImage;
use super::records::{MetadataRecord, ProducerIdsRecord};
use super::{ApiError, BrokerEpoch, BrokerId};
use kafka_protocol::ResponseError;

/// How many producer ids a block has.
pub const PRODUCER_ID_BLOCK_SIZE: i64 = 1000;

/// A run of producer ids that only one broker hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// The first id.
    pub first: i64,
    /// How many ids there are.
    pub count: i64,
}

/// The next block, and the record that takes it.
pub(super) fn allocate(image: &MetadataImage, broker: BrokerId, epoch: BrokerEpoch) -> Result<(MetadataRecord, ProducerIdBlock), ApiError> {
    match image.cluster().broker(broker) {
        None => return Err(ApiError::new(ResponseError::BrokerIdNotRegistered, format!("No broker with id {broker} found."))),
        Some(held) if held.epoch != epoch => {
            return Err(ApiError::new(
                ResponseError::StaleBrokerEpoch,
                format!("Expected broker epoch {}, but got broker epoch {epoch}", held.epoch),
            ));
        }
        Some(_) => {}
    }
    let first = image.next_producer_id();
    // Kafka stops a block before the end of the number space; nobody lives to see it.
    let next_producer_id = first
        .checked_add(PRODUCER_ID_BLOCK_SIZE)
        .ok_or_else(|| ApiError::new(ResponseError::UnknownServerError, "Exhausted all producerIds".to_owned()))?;
    let record = ProducerIdsRecord { broker_id: broker, broker_epoch: epoch, next_producer_id };
    Ok((MetadataRecord::ProducerIds(record), ProducerIdBlock { first, count: PRODUCER_ID_BLOCK_SIZE }))
}
