//! The offset checkpoints of the data directories: now and then, and of log start offsets when somebody waits for that.

use crate::broker::Node;
use crate::partition::Partition;
use ottla_storage::CheckpointKind;
use ottla_storage::log::PartitionLog;
use ottla_storage::manager::LogOffsets;
use std::sync::Arc;

/// Writes recovery points and high watermarks of all data directories, where anything changed.
pub(crate) fn write(node: &Node) {
    for index in 0..node.published.registry.manager().dirs().len() {
        write_in(node, index, &[CheckpointKind::RecoveryPoint, CheckpointKind::Replication]);
    }
}

/// Writes checkpoints of one data directory, where anything changed.
pub(crate) fn write_in(node: &Node, index: usize, kinds: &[CheckpointKind]) {
    let registry = &node.published.registry;
    let Some(dir) = registry.manager().dirs().get(index) else { return };
    let offsets = of(&registry.in_dir(index));
    if dir.offline_reason().is_some() {
        return;
    }
    if let Err(error) = registry.manager().write_checkpoints_of(dir, kinds, offsets) {
        tracing::warn!(%error, "cannot write the offset checkpoints; a crash now would take longer to recover from");
    }
}

/// Writes where every log starts.
pub(crate) fn write_log_start_offsets(node: &Node) {
    write_log_start_offsets_of(node, of(&node.published.registry.all()));
}

/// Writes where these logs start.
pub(super) fn write_log_start_offsets_of(node: &Node, offsets: impl IntoIterator<Item = LogOffsets>) {
    if let Err(error) = node.published.registry.manager().write_checkpoints(&[CheckpointKind::LogStartOffset], offsets) {
        tracing::warn!(%error, "cannot write the log start offsets; after a crash now, deleted records may be back");
    }
}

/// Of a log that failed the last checkpoint stands.
fn of(partitions: &[Arc<Partition>]) -> Vec<LogOffsets> {
    let offsets = |log: &mut PartitionLog| (!log.is_offline()).then(|| LogOffsets::of(log));
    partitions.iter().filter_map(|partition| partition.with_log(offsets).flatten()).collect()
}
