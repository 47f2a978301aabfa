//! What a reload forgets: timers and the newest metadata image.

use super::hard::TransactionalId;
use super::settings::TxnSettings;
use crate::metadata::features;
use crate::metadata::image::MetadataImage;
use crate::timers::Timers;
use std::sync::Arc;

use super::TransactionVersion;

/// The soft state of one shard.
#[derive(Debug)]
pub(super) struct Soft {
    pub(super) settings: Arc<TxnSettings>,
    /// The newest committed metadata.
    pub(super) image: Arc<MetadataImage>,
    pub(super) timers: Timers<TimerKey>,
}

impl Soft {
    pub(super) fn new(settings: Arc<TxnSettings>, image: Arc<MetadataImage>) -> Self {
        Self { settings, image, timers: Timers::default() }
    }

    /// `transaction.version` of the cluster: what the coordinator uses when it ends a transaction by itself.
    pub(super) fn cluster_version(&self) -> TransactionVersion {
        TransactionVersion(self.image.features().level(features::TRANSACTION_VERSION))
    }
}

/// Everything that can come due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum TimerKey {
    /// The next look for transactional ids that nobody uses any more.
    ExpireIds,
    /// An open transaction has lasted for its producer's `transaction.timeout.ms`.
    Timeout(TransactionalId),
}
