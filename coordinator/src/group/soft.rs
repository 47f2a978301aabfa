//! What a reload forgets: timers, parked tickets, the members of classic groups between two records.

use super::classic::{ClassicGroup, ClassicTimer};
use super::consumer::{ConsumerSoft, ConsumerTimer};
use super::names::GroupId;
use super::offsets::OffsetsSoft;
use super::settings::GroupSettings;
use crate::metadata::image::MetadataImage;
use crate::timers::Timers;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The soft state of one shard.
#[derive(Debug)]
pub(super) struct Soft {
    pub(super) settings: Arc<GroupSettings>,
    /// The newest committed metadata.
    pub(super) image: Arc<MetadataImage>,
    /// Live classic groups, among them those that only have offsets.
    pub(super) classic: BTreeMap<GroupId, ClassicGroup>,
    /// What consumer groups keep beside their records.
    pub(super) consumer: ConsumerSoft,
    pub(super) offsets: OffsetsSoft,
    pub(super) timers: Timers<TimerKey>,
}

impl Soft {
    pub(super) fn new(settings: Arc<GroupSettings>, image: Arc<MetadataImage>) -> Self {
        Self {
            settings,
            image,
            classic: BTreeMap::new(),
            consumer: ConsumerSoft::default(),
            offsets: OffsetsSoft::default(),
            timers: Timers::default(),
        }
    }
}

/// Everything that can come due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum TimerKey {
    /// The next look for expired offsets.
    ExpireOffsets,
    /// More offsets of deleted topics.
    DeletedTopics,
    /// A classic group's timer.
    Classic(ClassicTimer),
    /// A consumer group's timer.
    Consumer(ConsumerTimer),
}
