//! After a start that had to check the ends of logs: makes what was checked durable and writes the recovery points, so that a second kill
//! soon after does not cost the same again. A thread of its own that ends when it is done; clients are served meanwhile.

use super::checkpoints;
use crate::broker::Node;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

/// Less than this is checked again as fast as it is synced.
const WORTHWHILE_BYTES: u64 = 1 << 20;

/// Starts the thread. A start waits for nothing here, not even for a log's lock: whoever loads a coordinator may be reading under it.
pub(super) fn flush_behind(node: &Arc<Node>) -> io::Result<JoinHandle<()>> {
    let node = Arc::clone(node);
    std::thread::Builder::new().name("ottla-recovered".to_owned()).spawn(move || {
        let mut flushed_any = false;
        for partition in node.published.registry.all() {
            if node.is_stopping() {
                return;
            }
            // What clients have written meanwhile may be among it, and takes no harm.
            if partition.with_log(|log| log.unflushed_size_bytes()).is_none_or(|size_bytes| size_bytes < WORTHWHILE_BYTES) {
                continue;
            }
            let Some(plan) = partition.prepare_flush() else { continue };
            let outcome = plan.run();
            partition.complete_flush(&node.flusher, plan, outcome);
            flushed_any = true;
        }
        if flushed_any {
            checkpoints::write(&node);
        }
    })
}
