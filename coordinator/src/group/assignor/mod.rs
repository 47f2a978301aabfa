//! Server-side assignors of KIP-848, as pure functions.
//!
//! Lives here: `Assignor::assign`, from a `GroupSpec` to a target for every member. May be called by anybody who holds a spec. It
//! promises that every partition of every topic that somebody wants goes to exactly one member that wants it, that the same spec
//! gives the same target, and that ties go by member id and topic id. What is in a spec but makes no sense (a partition held twice or
//! past the end, a topic that does not exist) counts as not held. It knows neither epochs nor records.

mod classes;
mod heterogeneous;
mod homogeneous;
mod owners;
mod range;
mod uniform;

use super::assignment::Assignment;
use super::names::MemberId;
use crate::metadata::TopicId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What an assignor sees of a group.
#[derive(Clone, Debug, Default)]
pub struct GroupSpec {
    /// Members in order of their ids.
    pub members: BTreeMap<MemberId, MemberSpec>,
    /// Topics that somebody subscribes to and that exist: number of partitions, and the racks of each partition's replicas when known.
    pub topics: BTreeMap<TopicId, TopicSpec>,
}

/// One member.
#[derive(Clone, Debug, Default)]
pub struct MemberSpec {
    /// `group.instance.id`.
    pub instance_id: Option<Arc<str>>,
    /// `client.rack`.
    pub rack_id: Option<Arc<str>>,
    /// Topics it wants, among those that exist. Shared: members with equal subscriptions share one set.
    pub subscription: Arc<BTreeSet<TopicId>>,
    /// Its target assignment so far, for stickiness.
    pub current: Arc<Assignment>,
}

/// One topic.
#[derive(Clone, Copy, Debug, Default)]
pub struct TopicSpec {
    /// Number of partitions.
    pub partitions: i32,
}

impl GroupSpec {
    /// Number of partitions of a topic, 0 if it does not exist.
    fn partition_count(&self, topic: TopicId) -> usize {
        self.topics.get(&topic).map_or(0, |topic| usize::try_from(topic.partitions).unwrap_or(0))
    }
}

/// A new target assignment for every member.
pub type TargetAssignment = BTreeMap<MemberId, Assignment>;

/// The assignors, by the names that clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// `uniform`: balanced and sticky.
    Uniform,
    /// `range`: co-partitioned.
    Range,
}

impl Assignor {
    /// By name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "uniform" => Some(Self::Uniform),
            "range" => Some(Self::Range),
            _ => None,
        }
    }

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// Assigns every partition of every subscribed topic to exactly one member that wants it.
    #[must_use]
    pub fn assign(self, spec: &GroupSpec) -> TargetAssignment {
        match self {
            Self::Uniform => uniform::assign(spec),
            Self::Range => range::assign(spec),
        }
    }
}
