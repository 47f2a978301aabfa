//! WriteTxnMarkers (key 27), v1.
//!
//! KIP-98 · v1 flexible. Ends a transaction in some partitions on the word of somebody else: another broker's transaction coordinator, or
//! an operator who aborts a hanging transaction (`kafka-transactions abort`, KIP-664). What the coordinator here decides takes the same way
//! into the partitions without this request. The answer has a row for each producer id and partition, and leaves once all are committed.
//! Not done: v2 (the transaction version of the marker, KIP-1228; the codec ends at v1).

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use crate::coordinators::markers::{EndMarker, committed};
use crate::coordinators::runtime::Commit;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::write_txn_markers_request::WritableTxnMarker;
use kafka_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use kafka_protocol::messages::{ApiKey, ProducerId, TopicName, WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use ottla_coordinator::txn::{ProducerIdAndEpoch, TransactionVersion};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Kafka's default of `request.timeout.ms`: how long markers may take to be committed.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);
/// After so many markers other requests of the thread have their turn.
const MARKERS_IN_A_ROW_MAX: usize = 128;

pub(crate) enum WriteTxnMarkers {}

impl Api for WriteTxnMarkers {
    type Request = WriteTxnMarkersRequest;
    type Response = WriteTxnMarkersResponse;
    const KEY: ApiKey = ApiKey::WriteTxnMarkers;
    const VERSIONS: RangeInclusive<i16> = 1..=1;

    async fn handle(ctx: RequestContext, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse {
        let mut outcome = Outcome::default();
        if let Some(error) = refuse(&ctx, &request) {
            for marker in &request.markers {
                outcome.producers.entry(marker.producer_id.0).or_default();
                each_partition(marker, |topic, partition| outcome.note(marker.producer_id.0, topic, partition, Some(error)));
            }
            return outcome.into_response();
        }
        let mut waiting = Vec::new();
        for marker in &request.markers {
            write(&ctx, marker, &mut outcome, &mut waiting).await;
        }
        let deadline = tokio::time::Instant::now() + COMMIT_TIMEOUT;
        for Waiting { producer_id, topic, partition, commit } in waiting {
            let error = match tokio::time::timeout_at(deadline, committed(&commit)).await {
                Ok(true) => continue,
                // The log went away with the marker in it.
                Ok(false) => ResponseError::NotLeaderOrFollower,
                Err(_) => ResponseError::RequestTimedOut,
            };
            outcome.note(producer_id, &topic, partition, Some(error));
        }
        outcome.into_response()
    }
}

/// What is wrong with the request as a whole. A marker without a producer cannot be built: Kafka fails inside.
fn refuse(ctx: &RequestContext, request: &WriteTxnMarkersRequest) -> Option<ResponseError> {
    if !ctx.allows(Operation::Alter, Resource::Cluster) && !ctx.allows(Operation::ClusterAction, Resource::Cluster) {
        return Some(ResponseError::ClusterAuthorizationFailed);
    }
    let nobody = request.markers.iter().any(|marker| marker.producer_id.0 == -1 || marker.producer_epoch == -1);
    nobody.then_some(ResponseError::UnknownServerError)
}

/// A marker that may not be believed yet.
struct Waiting {
    producer_id: i64,
    topic: TopicName,
    partition: i32,
    commit: Commit,
}

/// Writes one marker into its partitions; into one that is named twice only once.
async fn write(ctx: &RequestContext, marker: &WritableTxnMarker, outcome: &mut Outcome, waiting: &mut Vec<Waiting>) {
    let mut partitions = BTreeSet::new();
    each_partition(marker, |topic, partition| {
        partitions.insert((topic.clone(), partition));
    });
    let producer_id = marker.producer_id.0;
    let end = EndMarker {
        producer: ProducerIdAndEpoch { id: producer_id, epoch: marker.producer_epoch },
        coordinator_epoch: marker.coordinator_epoch,
        version: TransactionVersion(0),
        committed: marker.transaction_result,
    };
    for (at, (topic, partition)) in partitions.into_iter().enumerate() {
        if at % MARKERS_IN_A_ROW_MAX == MARKERS_IN_A_ROW_MAX - 1 {
            tokio::task::yield_now().await;
        }
        let written = ctx.node.txns.markers.writer().write(end, &topic, partition);
        outcome.note(producer_id, &topic, partition, written.as_ref().err().map(|error| for_coordinator(*error)));
        if let Ok(Some(commit)) = written {
            waiting.push(Waiting { producer_id, topic, partition, commit });
        }
    }
}

/// A transaction coordinator tries again only what it expects of a partition, not of a group coordinator.
fn for_coordinator(error: ResponseError) -> ResponseError {
    match error {
        ResponseError::CoordinatorNotAvailable | ResponseError::CoordinatorLoadInProgress | ResponseError::NotCoordinator => {
            ResponseError::NotLeaderOrFollower
        }
        error => error,
    }
}

fn each_partition(marker: &WritableTxnMarker, mut f: impl FnMut(&TopicName, i32)) {
    for topic in &marker.topics {
        for partition in &topic.partition_indexes {
            f(&topic.name, *partition);
        }
    }
}

/// Error codes by producer id, topic and partition. What is noted last counts.
#[derive(Default)]
struct Outcome {
    producers: BTreeMap<i64, BTreeMap<TopicName, BTreeMap<i32, i16>>>,
}

impl Outcome {
    fn note(&mut self, producer_id: i64, topic: &TopicName, partition: i32, error: Option<ResponseError>) {
        let topics = self.producers.entry(producer_id).or_default();
        topics.entry(topic.clone()).or_default().insert(partition, error.map_or(0, |error| error.code()));
    }

    fn into_response(self) -> WriteTxnMarkersResponse {
        let row = |(partition, code)| WritableTxnMarkerPartitionResult::default().with_partition_index(partition).with_error_code(code);
        let topic = |(name, partitions): (TopicName, BTreeMap<i32, i16>)| {
            WritableTxnMarkerTopicResult::default().with_name(name).with_partitions(partitions.into_iter().map(row).collect())
        };
        let producer = |(id, topics): (i64, BTreeMap<TopicName, BTreeMap<i32, i16>>)| {
            WritableTxnMarkerResult::default().with_producer_id(ProducerId(id)).with_topics(topics.into_iter().map(topic).collect())
        };
        WriteTxnMarkersResponse::default().with_markers(self.producers.into_iter().map(producer).collect())
    }
}
