//! The group coordinator as request handlers see it: which shard a group lives in, and one call that runs a handler there.

use crate::broker::Node;
use kafka_protocol::ResponseError;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::group::{GroupEffects, GroupReply, GroupShard};
use ottla_coordinator::timers::Millis;

/// All shards of this broker.
#[derive(Debug, Default)]
pub(crate) struct GroupCoordinator {}

impl GroupCoordinator {
    /// Runs a handler in the shard of a group and waits for its reply, which may take a rebalance.
    ///
    /// Errors: INVALID_GROUP_ID for an empty group id is the caller's business; NOT_COORDINATOR when the shard is not here,
    /// COORDINATOR_LOAD_IN_PROGRESS while it loads, COORDINATOR_NOT_AVAILABLE when there is no `__consumer_offsets` yet or its log
    /// cannot be written.
    pub(crate) async fn run(
        &self,
        _node: &Node,
        _group_id: &str,
        _handler: impl FnOnce(&mut GroupShard, Millis, Ticket) -> GroupEffects,
    ) -> Result<GroupReply, ResponseError> {
        Err(ResponseError::CoordinatorNotAvailable)
    }

    /// Runs a handler in every shard of this broker, in order of partitions. A shard that still loads makes the whole answer
    /// COORDINATOR_LOAD_IN_PROGRESS.
    pub(crate) async fn run_all(
        &self,
        _node: &Node,
        _handler: impl FnMut(&mut GroupShard, Millis, Ticket) -> GroupEffects,
    ) -> Result<Vec<GroupReply>, ResponseError> {
        Err(ResponseError::CoordinatorNotAvailable)
    }
}
