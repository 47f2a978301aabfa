//! What a reload forgets: timers, which decisions are being told to their partitions, the newest metadata image.

use super::TransactionVersion;
use super::hard::TransactionalId;
use super::settings::TxnSettings;
use crate::metadata::features;
use crate::metadata::image::MetadataImage;
use crate::timers::Timers;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The soft state of one shard.
#[derive(Debug)]
pub(super) struct Soft {
    pub(super) settings: Arc<TxnSettings>,
    /// The newest committed metadata.
    pub(super) image: Arc<MetadataImage>,
    pub(super) timers: Timers<TimerKey>,
    /// Open transactions whose time is up; to abort them takes a producer id that was asked for.
    pub(super) overdue: BTreeSet<TransactionalId>,
    /// The decision whose markers are being written, by id.
    pub(super) writing: BTreeMap<TransactionalId, u64>,
    /// Counts decisions.
    pub(super) last_decision: u64,
    /// How far the present look for idle ids has come.
    pub(super) expired_to: Option<TransactionalId>,
}

impl Soft {
    pub(super) fn new(settings: Arc<TxnSettings>, image: Arc<MetadataImage>) -> Self {
        Self {
            settings,
            image,
            timers: Timers::default(),
            overdue: BTreeSet::new(),
            writing: BTreeMap::new(),
            last_decision: 0,
            expired_to: None,
        }
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
