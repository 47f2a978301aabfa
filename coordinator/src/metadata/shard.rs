//! The shard itself: hard state, replay, publishing, and the doors to the handlers (one file each).

use super::image::{MetadataImage, Provenance, ReplayError};
use super::records::{AbortTransactionRecord, MetadataRecord};
use super::{
    Bootstrap, BrokerEpoch, BrokerId, BrokerRegistrationRequest, ConfigChange, ConfigScope, ControllerRegistrationRequest,
    CreateTopicsContext, DeleteTopicsContext, DirectoryId, MetadataDelta, ProducerIdBlock, TopicConfigs, TopicId,
};
use super::{bootstrap, client_quotas, configs, create_topics, delete_topics, producer_ids, registration};
use crate::effects::{Effects, Ticket};
use crate::shard::Shard;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterPartitionReassignmentsResponse, AlterUserScramCredentialsResponse,
    CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, ElectLeadersResponse,
    UpdateFeaturesResponse,
};
use std::sync::Arc;

/// What a metadata handler returns.
pub type MetadataEffects = Effects<MetadataRecord, MetadataReply>;

/// An answer to whoever asked the metadata shard.
#[derive(Debug)]
pub enum MetadataReply {
    /// To a bootstrap.
    Bootstrapped,
    /// To a registration: the epoch it was given.
    Registered(Result<BrokerEpoch, ApiError>),
    /// To a change of a broker or of directories that carries no answer of its own.
    Done,
    /// To CreateTopics.
    CreateTopics(CreateTopicsResponse),
    /// To CreatePartitions.
    CreatePartitions(CreatePartitionsResponse),
    /// To ElectLeaders.
    ElectLeaders(Result<ElectLeadersResponse, ApiError>),
    /// To AlterPartitionReassignments.
    AlterPartitionReassignments(AlterPartitionReassignmentsResponse),
    /// To UpdateFeatures.
    UpdateFeatures(UpdateFeaturesResponse),
    /// To UnregisterBroker.
    UnregisterBroker(Result<(), ApiError>),
    /// To AlterUserScramCredentials.
    AlterUserScramCredentials(AlterUserScramCredentialsResponse),
    /// To DeleteTopics.
    DeleteTopics(DeleteTopicsResponse),
    /// To a request for producer ids.
    ProducerIds(Result<ProducerIdBlock, ApiError>),
    /// To a change of configs: one outcome per resource, in the order asked.
    Configs(Vec<Result<(), ApiError>>),
    /// To AlterClientQuotas.
    AlterClientQuotas(AlterClientQuotasResponse),
}

/// A Kafka error with the text a client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The error.
    pub error: ResponseError,
    /// The text; `None` is null on the wire.
    pub message: Option<String>,
}

impl ApiError {
    /// An error with a text.
    pub fn new(error: ResponseError, message: impl Into<String>) -> Self {
        Self { error, message: Some(message.into()) }
    }
}

/// A new image and how it differs from the last one.
#[derive(Clone, Debug)]
pub struct Published {
    /// The image published before.
    pub old: Arc<MetadataImage>,
    /// The image as of now.
    pub new: Arc<MetadataImage>,
    /// What changed.
    pub delta: Arc<MetadataDelta>,
}

/// `__cluster_metadata` as a state machine.
///
/// Life: `replay` each record of the log (or of a snapshot, into a fresh shard), `publish` at each batch's end,
/// `on_loaded` once; then handlers, whose records come back through `replay`.
#[derive(Debug, Default)]
pub struct MetadataShard {
    image: MetadataImage,
    /// The image before the open metadata transaction, if one is open.
    before_transaction: Option<MetadataImage>,
    published: Arc<MetadataImage>,
    /// The first record that did not fit; from then on the image is not to be trusted.
    fault: Option<ReplayError>,
}

impl Shard for MetadataShard {
    type Record = MetadataRecord;
    type Reply = MetadataReply;
    type Command = ();

    fn replay(&mut self, record: &MetadataRecord) {
        if self.fault.is_none() {
            self.fault = self.try_replay(record).err();
        }
    }

    fn on_loaded(&mut self, _now: Millis) -> MetadataEffects {
        let mut effects = MetadataEffects::default();
        // Whoever opened a transaction and did not close it is gone.
        if self.before_transaction.is_some() {
            let reason = Some("the node restarted before the transaction ended".to_owned());
            effects.records.push(MetadataRecord::AbortTransaction(AbortTransactionRecord { reason }));
        }
        effects
    }

    fn shift_deadlines(&mut self, _by_ms: i64) {}

    fn next_deadline(&self) -> Option<Millis> {
        None
    }

    fn handle_timeout(&mut self, _now: Millis) -> MetadataEffects {
        MetadataEffects::default()
    }
}

impl MetadataShard {
    /// A shard over an empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The state after the last replayed record, published or not.
    #[must_use]
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// The image published last.
    #[must_use]
    pub fn published(&self) -> &Arc<MetadataImage> {
        &self.published
    }

    fn try_replay(&mut self, record: &MetadataRecord) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::BeginTransaction(_) => {
                if self.before_transaction.is_some() {
                    return Err(ReplayError::TransactionOutOfPlace("begin of a metadata transaction"));
                }
                self.before_transaction = Some(self.image.clone());
            }
            MetadataRecord::EndTransaction => {
                self.before_transaction.take().ok_or(ReplayError::TransactionOutOfPlace("end of a metadata transaction"))?;
            }
            MetadataRecord::AbortTransaction(_) => {
                let before = self.before_transaction.take().ok_or(ReplayError::TransactionOutOfPlace("abort of a metadata transaction"))?;
                self.image = before;
            }
            other => self.image.apply(other)?,
        }
        Ok(())
    }

    /// Ends a batch whose last record is at `last_offset`: the new image and what changed, or `None` while a metadata
    /// transaction is open. Batches without a visible change are published too, so that the offset moves.
    ///
    /// # Errors
    /// A record did not fit what came before it: the log is broken and this shard is of no use any more.
    pub fn publish(&mut self, last_offset: i64, epoch: i32) -> Result<Option<Published>, ReplayError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.before_transaction.is_some() {
            return Ok(None);
        }
        assert!(last_offset >= self.image.provenance.last_offset, "the log only grows");
        self.image.provenance = Provenance { last_offset, epoch };
        let old = std::mem::replace(&mut self.published, Arc::new(self.image.clone()));
        let new = Arc::clone(&self.published);
        let delta = Arc::new(MetadataDelta::between(&old, &new));
        Ok(Some(Published { old, new, delta }))
    }

    /// The records that open an empty log.
    pub fn bootstrap(&self, ticket: Ticket, bootstrap: &Bootstrap) -> MetadataEffects {
        MetadataEffects {
            records: bootstrap::handle(&self.image, bootstrap),
            ..MetadataEffects::reply(ticket, MetadataReply::Bootstrapped)
        }
    }

    /// Registers a controller process, at each of its starts.
    pub fn register_controller(&self, ticket: Ticket, request: &ControllerRegistrationRequest) -> MetadataEffects {
        MetadataEffects { records: registration::register_controller(request), ..MetadataEffects::reply(ticket, MetadataReply::Done) }
    }

    /// Registers a broker process, at each of its starts: it is unfenced at once, and every partition it can lead gets a
    /// new leader epoch. `log_end_offset` is the offset the first returned record will get; it becomes the broker epoch.
    pub fn register_broker(&self, ticket: Ticket, request: &BrokerRegistrationRequest, log_end_offset: i64) -> MetadataEffects {
        let (records, outcome) = match registration::register_broker(&self.image, request, log_end_offset) {
            Ok(records) => (records, Ok(BrokerEpoch(log_end_offset))),
            Err(error) => (Vec::new(), Err(error)),
        };
        MetadataEffects { records, ..MetadataEffects::reply(ticket, MetadataReply::Registered(outcome)) }
    }

    /// Records a clean stop: controlled shutdown, leadership given up, fenced.
    pub fn fence_broker(&self, ticket: Ticket, broker: BrokerId) -> MetadataEffects {
        MetadataEffects { records: registration::fence_broker(&self.image, broker), ..MetadataEffects::reply(ticket, MetadataReply::Done) }
    }

    /// Records which directories of `broker` hold which replicas.
    pub fn assign_directories(&self, ticket: Ticket, broker: BrokerId, assigned: &[(TopicId, i32, DirectoryId)]) -> MetadataEffects {
        MetadataEffects {
            records: registration::assign_directories(&self.image, broker, assigned),
            ..MetadataEffects::reply(ticket, MetadataReply::Done)
        }
    }

    /// Records that directories of `broker` have failed.
    pub fn directories_offline(&self, ticket: Ticket, broker: BrokerId, offline: &[DirectoryId]) -> MetadataEffects {
        MetadataEffects {
            records: registration::directories_offline(&self.image, broker, offline),
            ..MetadataEffects::reply(ticket, MetadataReply::Done)
        }
    }

    /// CreateTopics (key 19), v2-7.
    pub fn create_topics(&self, ticket: Ticket, request: &CreateTopicsRequest, context: CreateTopicsContext<'_>) -> MetadataEffects {
        let (records, response) = create_topics::handle(&self.image, request, context);
        MetadataEffects { records, ..MetadataEffects::reply(ticket, MetadataReply::CreateTopics(response)) }
    }

    /// DeleteTopics (key 20), v1-6.
    pub fn delete_topics(&self, ticket: Ticket, request: &DeleteTopicsRequest, context: &DeleteTopicsContext<'_>) -> MetadataEffects {
        let (records, response) = delete_topics::handle(&self.image, request, context);
        MetadataEffects { records, ..MetadataEffects::reply(ticket, MetadataReply::DeleteTopics(response)) }
    }

    /// Hands `broker` the next block of producer ids.
    pub fn allocate_producer_ids(&self, ticket: Ticket, broker: BrokerId, epoch: BrokerEpoch) -> MetadataEffects {
        let (records, outcome) = match producer_ids::allocate(&self.image, broker, epoch) {
            Ok((record, block)) => (vec![record], Ok(block)),
            Err(error) => (Vec::new(), Err(error)),
        };
        MetadataEffects { records, ..MetadataEffects::reply(ticket, MetadataReply::ProducerIds(outcome)) }
    }

    /// Changes some or all keys of some resources: IncrementalAlterConfigs (key 44) and AlterConfigs (key 33).
    pub fn alter_configs(
        &self,
        ticket: Ticket,
        changes: &[ConfigChange],
        scope: ConfigScope,
        validate_only: bool,
        rules: &dyn TopicConfigs,
    ) -> MetadataEffects {
        let (records, outcomes) = configs::alter(&self.image, changes, scope, rules);
        let records = if validate_only { Vec::new() } else { records };
        MetadataEffects { records, ..MetadataEffects::reply(ticket, MetadataReply::Configs(outcomes)) }
    }
    /// AlterClientQuotas (key 49), v0-1. `resolves` says whether a text is an address, or a name that has one.
    pub fn alter_client_quotas(
        &self,
        ticket: Ticket,
        request: &AlterClientQuotasRequest,
        resolves: &dyn Fn(&str) -> bool,
    ) -> MetadataEffects {
        let (records, response) = client_quotas::alter(&self.image, request, resolves);
        MetadataEffects { records, ..MetadataEffects::reply(ticket, MetadataReply::AlterClientQuotas(response)) }
    }
}
