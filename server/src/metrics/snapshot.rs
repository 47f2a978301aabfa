//! What one scrape tells: numbers copied out of the broker, so that no lock is held while a client reads.
//!
//! Its size follows the number of partitions and of committed offsets (about a hundred bytes each), and so few connections are served at a
//! time that a handful of them fit into memory whatever the scrapers do.

use super::groups::Groups;
use super::process::Process;
use super::requests::{self, ApiRow, ListenerRow, Software};
use super::window::{Before, Window};
use super::{Detail, Watched};
use crate::broker::Node;
use crate::partition::{Figures, Traffic};
use ottla_coordinator::metadata::TopicName;
use ottla_coordinator::metadata::image::{MetadataImage, PartitionRegistration};
use ottla_storage::disk::Space;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The numbers.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) detail: Detail,
    pub(super) node: Arc<Node>,
    pub(super) image: Arc<MetadataImage>,
    pub(super) process: Process,
    /// By name.
    pub(super) topics: Vec<TopicRow>,
    /// By topic, then by index.
    pub(super) partitions: Vec<PartitionRow>,
    /// Of all topics there are and were.
    pub(super) traffic: Traffic,
    /// That were asked for.
    pub(super) apis: Vec<ApiRow>,
    pub(super) listeners: Vec<ListenerRow>,
    pub(super) software: BTreeMap<Software, u64>,
    pub(super) groups: Groups,
    pub(super) dirs: Vec<DirRow>,
    /// Some minutes ago.
    pub(super) before: Before,
}

/// A log directory that can be asked.
#[derive(Debug)]
pub(super) struct DirRow {
    pub(super) path: String,
    pub(super) space: Space,
}

/// One topic.
#[derive(Debug)]
pub(super) struct TopicRow {
    pub(super) name: TopicName,
    /// Of its partitions here.
    pub(super) traffic: Traffic,
    /// Where its partitions are in [`Snapshot::partitions`].
    pub(super) first: usize,
    pub(super) count: usize,
}

/// One partition.
#[derive(Debug)]
pub(super) struct PartitionRow {
    /// Index in [`Snapshot::topics`].
    pub(super) topic: usize,
    pub(super) index: i32,
    pub(super) registration: Arc<PartitionRegistration>,
    /// What is known of it here; `None` when this broker holds no replica.
    pub(super) here: Option<Figures>,
}

impl PartitionRow {
    /// When this broker leads it and its log can be used.
    pub(super) fn led(&self) -> Option<&Figures> {
        self.here.as_ref().filter(|figures| figures.leads)
    }

    /// Kafka asks for no more in-sync replicas than there are replicas.
    pub(super) fn min_insync_replicas(&self, figures: &Figures) -> usize {
        figures.min_insync_replicas.min(self.registration.replicas.len())
    }

    pub(super) fn is_under_replicated(&self) -> bool {
        self.registration.isr.len() < self.registration.replicas.len()
    }

    pub(super) fn leader_is_preferred(&self) -> bool {
        self.registration.leader.is_some() && self.registration.leader.as_ref() == self.registration.replicas.first()
    }
}

fn dirs_of(node: &Node) -> Vec<DirRow> {
    let manager = node.published.registry.manager();
    let online = manager.dirs().iter().filter(|dir| dir.offline_reason().is_none());
    online.filter_map(|dir| Some(DirRow { path: dir.path().to_string_lossy().into_owned(), space: manager.space(dir).ok()? })).collect()
}

impl Snapshot {
    /// Copies everything a scrape of this detail needs.
    pub(super) fn take(watched: &Watched, window: &Window, detail: Detail) -> Self {
        let node = Arc::clone(&watched.node);
        let image = node.image();
        let mut snapshot = Self {
            detail,
            process: Process::look(),
            topics: Vec::with_capacity(image.topics().len()),
            partitions: Vec::with_capacity(image.topics().partition_count()),
            traffic: Traffic::default(),
            before: window.before(watched),
            apis: requests::rows_of(&watched.tallies),
            listeners: requests::listeners_of(&watched.listeners, &watched.tallies),
            groups: Groups::look(&node, detail),
            dirs: dirs_of(&node),
            software: requests::software_of(&watched.tallies),
            image: Arc::clone(&image),
            node,
        };
        snapshot.look_at_partitions();
        snapshot
    }

    fn look_at_partitions(&mut self) {
        let registry = &self.node.published.registry;
        // A partition that goes away meanwhile is counted once: among those that are here, or among those that were.
        let gone = registry.traffic_of_gone();
        self.traffic = *gone;
        let (now_ms, timeout_ms_max) = (self.node.clock.now_ms(), i64::from(self.node.dynamic.kept().transaction_max_timeout_ms()));
        for topic in self.image.topics().iter() {
            let (at, first) = (self.topics.len(), self.partitions.len());
            let mut traffic = Traffic::default();
            for (index, registration) in &topic.partitions {
                let here = registry.get(topic.id.0, *index).map(|partition| partition.figures(now_ms, timeout_ms_max));
                if let Some(figures) = &here {
                    traffic.add(&figures.traffic);
                }
                self.partitions.push(PartitionRow { topic: at, index: *index, registration: Arc::clone(registration), here });
            }
            self.traffic.add(&traffic);
            self.topics.push(TopicRow { name: topic.name.clone(), traffic, first, count: topic.partitions.len() });
        }
    }

    /// The partitions of one topic.
    pub(super) fn partitions_of(&self, topic: &TopicRow) -> &[PartitionRow] {
        self.partitions.get(topic.first..topic.first + topic.count).unwrap_or_default()
    }

    /// Topics and groups are told one by one.
    pub(super) fn tells_topics(&self) -> bool {
        self.detail >= Detail::Topic
    }

    /// How many partitions are so.
    pub(super) fn count(&self, is: impl Fn(&PartitionRow) -> bool) -> usize {
        self.partitions.iter().filter(|row| is(row)).count()
    }
}
