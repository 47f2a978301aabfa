//! Hands out producer ids from blocks of 1,000 that the controller takes from the metadata log.
//!
//! A block is durable before any id of it is given, and a restart takes a new block: an id is never given twice.

use crate::broker::Node;
use kafka_protocol::ResponseError;
use std::ops::Range;
use tokio::sync::Mutex;

/// The block in use.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds(Mutex<Range<i64>>);

impl ProducerIds {
    /// A fresh id. Waits for the controller when the block is used up; requests that wait meanwhile share the new block.
    pub(crate) async fn next(&self, node: &Node) -> Result<i64, ResponseError> {
        // An async lock: it is held across the controller's answer, so that one block is fetched and not one a request.
        let mut block = self.0.lock().await;
        if let Some(id) = block.next() {
            return Ok(id);
        }
        *block = node.controller.allocate_producer_ids(node).await?;
        block.next().ok_or(ResponseError::UnknownServerError)
    }
}
