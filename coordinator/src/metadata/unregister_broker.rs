//! UnregisterBroker: a broker that is gone for good leaves the cluster's metadata.
//!
//! As in Kafka, nobody asks whether it is alive: its partitions go to other replicas, or are without a leader until it starts and
//! registers again.

use super::elections::min_isr;
use super::partition_change::{Election, ElectionRules, PartitionTarget};
use super::records::{MetadataRecord, UnregisterBrokerRecord};
use super::{ApiError, BrokerId, MetadataEffects, MetadataImage, MetadataReply, MetadataShard};
use crate::effects::Ticket;
use kafka_protocol::ResponseError;

impl MetadataShard {
    /// UnregisterBroker (key 64), v0.
    pub fn unregister_broker(&self, ticket: Ticket, broker: BrokerId, rules: &dyn ElectionRules) -> MetadataEffects {
        let (records, outcome) = match handle(self.image(), broker, rules) {
            Ok(records) => (records, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        MetadataEffects { records, ..MetadataEffects::reply(ticket, MetadataReply::UnregisterBroker(outcome)) }
    }
}

fn handle(image: &MetadataImage, broker: BrokerId, rules: &dyn ElectionRules) -> Result<Vec<MetadataRecord>, ApiError> {
    let registration = image
        .cluster()
        .broker(broker)
        .ok_or_else(|| ApiError::new(ResponseError::BrokerIdNotRegistered, format!("Broker ID {broker} is not currently registered")))?;
    let mut records = Vec::new();
    for topic in image.topics().iter_by_id() {
        for (number, held) in &topic.partitions {
            if !held.isr.contains(&broker) && !held.elr.contains(&broker) {
                continue;
            }
            let mut target = PartitionTarget::of(image, held, min_isr(rules, topic));
            target.isr.retain(|id| *id != broker);
            target.leaving = Some(broker);
            if rules.unclean_election(&topic.name) {
                target.election = Election::Unclean;
            }
            records.extend(target.change(topic.id, *number).map(MetadataRecord::PartitionChange));
        }
    }
    let gone = UnregisterBrokerRecord { broker_id: broker, broker_epoch: registration.epoch };
    records.push(MetadataRecord::UnregisterBroker(gone));
    Ok(records)
}
