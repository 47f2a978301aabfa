//! Retention: old segments of every log go, by time, by size, and below the log start offset.
//!
//! One log after the other, each behind its own lock and for itself: what fails in one is told and stops nobody else.

use crate::broker::Node;
use crate::partition::Partition;
use ottla_storage::Millis;
use std::sync::Arc;

/// Looks at every log once, those of the cleaner too, and removes the files of what went long ago; the number of segments that went.
pub fn enforce(node: &Node) -> usize {
    let removed = node.published.registry.all().iter().map(|partition| enforce_on(node, partition)).sum();
    remove_deleted_files(node);
    if removed > 0 {
        super::checkpoints::write_log_start_offsets(node);
    }
    removed
}

/// Removes the files that have waited for `file.delete.delay.ms`.
pub(super) fn remove_deleted_files(node: &Node) {
    let now = Millis(node.clock.now_ms());
    node.published.registry.all().iter().for_each(|partition| partition.remove_deleted_files(now));
}

/// Looks at one log.
pub(crate) fn enforce_on(node: &Node, partition: &Arc<Partition>) -> usize {
    match partition.enforce_retention(Millis(node.clock.now_ms())) {
        Ok(0) => 0,
        Ok(removed) => {
            let log_start_offset = partition.offsets().map_or(-1, |offsets| offsets.log_start_offset.0);
            tracing::info!(log = %partition.id(), removed, log_start_offset, "retention took segments out");
            removed
        }
        Err(error) => {
            tracing::warn!(log = %partition.id(), %error, "retention failed; the next one tries again");
            0
        }
    }
}
