//! The offset checkpoints of the data directories: now and then, and of log start offsets when somebody waits for that.

use crate::broker::Node;
use ottla_storage::CheckpointKind;
use ottla_storage::manager::LogOffsets;

/// Writes recovery points and high watermarks, where anything changed.
pub(crate) fn write(node: &Node) {
    let kinds = [CheckpointKind::RecoveryPoint, CheckpointKind::Replication];
    if let Err(error) = node.published.registry.manager().write_checkpoints(&kinds, offsets(node)) {
        tracing::warn!(%error, "cannot write the offset checkpoints; a crash now would take longer to recover from");
    }
}

/// Writes where every log starts.
pub(crate) fn write_log_start_offsets(node: &Node) {
    write_log_start_offsets_of(node, offsets(node));
}

/// Writes where these logs start.
pub(super) fn write_log_start_offsets_of(node: &Node, offsets: impl IntoIterator<Item = LogOffsets>) {
    if let Err(error) = node.published.registry.manager().write_checkpoints(&[CheckpointKind::LogStartOffset], offsets) {
        tracing::warn!(%error, "cannot write the log start offsets; after a crash now, deleted records may be back");
    }
}

fn offsets(node: &Node) -> Vec<LogOffsets> {
    node.published.registry.all().iter().filter_map(|partition| partition.with_log(|log| LogOffsets::of(log))).collect()
}
