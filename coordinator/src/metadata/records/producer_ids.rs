//! Producer-id blocks: type 15.

use crate::codec::{FieldError, Reader, Writer};
use crate::metadata::{BrokerEpoch, BrokerId};

/// The next producer id that was not handed out (type 15, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerIdsRecord {
    /// The broker that took the latest block.
    pub broker_id: BrokerId,
    /// The epoch of its registration.
    pub broker_epoch: BrokerEpoch,
    /// The first id of the next block.
    pub next_producer_id: i64,
}

impl ProducerIdsRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let record = Self {
            broker_id: BrokerId(r.i32("broker id")?),
            broker_epoch: BrokerEpoch(r.i64("broker epoch")?),
            next_producer_id: r.i64("next producer id")?,
        };
        r.no_tags()?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.i32(self.broker_id.0);
        w.i64(self.broker_epoch.0);
        w.i64(self.next_producer_id);
        w.no_tags();
    }
}
