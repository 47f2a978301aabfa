//! The two probes: `/livez` (restart me when this fails) and `/readyz` (send me no clients while this fails).
//!
//! Both answer with reasons, none when all is well. A broker that is busy is alive: only a reactor that does not take up a new task for
//! [`limits::LIVE_WITHIN`] is not, and nothing but a restart would help it.

use super::Watched;
use crate::limits;
use ottla_coordinator::metadata::BrokerId;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Why the process should be restarted.
pub(super) async fn live(watched: Option<&Watched>) -> Vec<String> {
    // A start may read logs back for long, and a stop may flush for long: both come to an end by themselves.
    let Some(watched) = watched.filter(|watched| !watched.node.is_stopping()) else { return Vec::new() };
    let deadline = Instant::now() + limits::LIVE_WITHIN;
    let asked: Vec<_> = watched
        .reactors
        .iter()
        .map(|reactor| {
            let (tell, told) = oneshot::channel();
            reactor.spawn(async move { tell.send(()) });
            told
        })
        .collect();
    let mut reasons = Vec::new();
    for (index, told) in asked.into_iter().enumerate() {
        if tokio::time::timeout_at(deadline, told).await.is_err() {
            reasons.push(format!("reactor {index} did nothing for {} ms", limits::LIVE_WITHIN.as_millis()));
        }
    }
    reasons
}

/// Why clients should go elsewhere, or wait.
pub(super) fn ready(watched: Option<&Watched>) -> Vec<String> {
    let Some(Watched { node, .. }) = watched else { return vec!["starting".to_owned()] };
    if node.is_stopping() {
        return vec!["stopping".to_owned()];
    }
    let mut reasons = Vec::new();
    match node.image().cluster().broker(BrokerId(node.node_id)) {
        None => reasons.push("the broker is not registered".to_owned()),
        Some(broker) if broker.fenced => reasons.push("the broker is fenced".to_owned()),
        Some(_) => {}
    }
    reasons.extend(node.groups.runtime.unready());
    reasons.extend(node.txns.runtime.unready());
    for dir in node.published.registry.manager().dirs() {
        if let Some(reason) = dir.offline_reason() {
            reasons.push(format!("the log directory {} is offline: {reason}", dir.path().display()));
        }
    }
    reasons
}
