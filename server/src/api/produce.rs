//! Produce (key 0), v3-13.
//!
//! Advertised from 0, as Kafka does: librdkafka takes a higher minimum for "no compression" (KAFKA-18659). v0-2 close the connection.
//! v3 transactional id · v5 log start offset · v7 zstd · v8 record errors (KIP-467) · v9 flexible · v10 leader discovery (KIP-951) ·
//! v12 implicit transaction partitions (KIP-890) · v13 topic ids (KIP-516).
//! Transactional batches are vouched for by the transaction coordinator before they are appended: `produce/transactions.rs`.

mod refusal;
mod transactions;

use super::{RawApi, RequestContext};
use crate::auth::{Operation, Resource};
use crate::net::{CloseReason, Outcome};
use crate::partition::{Partition, Waiter, WakeAt};
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ApiKey, BrokerId, ProduceRequest, ProduceResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_storage::batch::{BatchHeader, split};
use ottla_storage::log::{AppendOrigin, TransactionCheck};
use refusal::Refusal;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// The client id under which Kafka's own tools may write to internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";
const ZSTD: u8 = 4;

pub(crate) enum Produce {}

impl RawApi for Produce {
    type Request = ProduceRequest;
    const KEY: ApiKey = ApiKey::Produce;
    const VERSIONS: RangeInclusive<i16> = 3..=13;
    const ADVERTISED: RangeInclusive<i16> = 0..=13;
    const PIPELINED: bool = true;

    async fn handle(ctx: RequestContext, request: ProduceRequest) -> Outcome {
        let acks = request.acks;
        let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
        let vouched = match look(&ctx, &request) {
            Ok(Sort::Plain) => Ok(Vec::new()),
            Ok(Sort::Transactional) => transactions::vouch(&ctx, &request).await,
            Err(refusal) => Err(refusal),
        };
        let (mut response, waits) = append_all(&ctx, request, vouched);
        await_all(&mut response, waits, timeout).await;
        let throttle_ms = ctx.node.quota.produced(ctx.who(), ctx.size_bytes as u64);
        if acks == 0 {
            return without_answer(&response, throttle_ms);
        }
        let throttle_ms = throttle_ms.max(ctx.throttle_ms());
        if ctx.api_version >= 10 {
            point_to_leaders(&ctx, &mut response);
        }
        let mut outcome = ctx.respond(&response.with_throttle_time_ms(throttle_ms));
        if let Outcome::Respond(response) = &mut outcome {
            response.throttle_ms = throttle_ms;
        }
        outcome
    }
}

/// One answer that has to wait: where it is in the response, and for what.
struct Wait {
    topic: usize,
    partition: usize,
    on: Arc<Partition>,
    at: WakeAt,
}

/// The synchronous beat: everything is appended, in arrival order, before anything waits for a commit. `vouched` has a line for each
/// partition, or none when nothing is transactional.
fn append_all(
    ctx: &RequestContext,
    request: ProduceRequest,
    vouched: Result<Vec<transactions::Vouched>, Refusal>,
) -> (ProduceResponse, Vec<Wait>) {
    let acks = request.acks;
    let (refused, vouched) = vouched.map_or_else(|refusal| (Some(refusal), Vec::new()), |vouched| (None, vouched));
    let mut vouched = vouched.into_iter();
    let mut waits = Vec::new();
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let TopicProduceData { name, topic_id, partition_data, .. } = topic;
        if partition_data.is_empty() {
            // Not in the answer either; indexes of waits count answers.
            continue;
        }
        let topic_at = responses.len();
        let writable = may_write(ctx, &name, topic_id);
        let mut partitions = Vec::with_capacity(partition_data.len());
        for (partition_at, data) in partition_data.into_iter().enumerate() {
            let index = data.index;
            // A batch that is transactional all the same has nobody who vouches for it.
            let check = vouched.next().unwrap_or(Ok(TransactionCheck::Verified(None)));
            let outcome = match (&refused, &writable, check) {
                (Some(refusal), ..) => Err(refusal.clone()),
                (None, Err(error), _) => Err(Refusal::plain(*error)),
                (None, _, Err(refusal)) => Err(refusal),
                (None, Ok(kind), Ok(check)) => append_one(ctx, acks, *kind, &name, topic_id, data, check),
            };
            partitions.push(match outcome {
                Ok((answer, wait)) => {
                    waits.extend(wait.map(|(on, at)| Wait { topic: topic_at, partition: partition_at, on, at }));
                    answer
                }
                Err(refusal) => refusal.answer(index),
            });
        }
        responses.push(TopicProduceResponse::default().with_name(name).with_topic_id(topic_id).with_partition_responses(partitions));
    }
    (ProduceResponse::default().with_responses(responses), waits)
}

/// What a request brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Plain,
    Transactional,
}

/// Kafka looks at the first batch of every partition before anything else, for transactions: what it sees there is the answer to all.
fn look(ctx: &RequestContext, request: &ProduceRequest) -> Result<Sort, Refusal> {
    let mut transactional = false;
    for data in request.topic_data.iter().flat_map(|topic| &topic.partition_data) {
        transactional |= first_batch(data.records.as_deref().unwrap_or_default())?.is_some_and(|batch| batch.transactional);
    }
    if !transactional {
        return Ok(Sort::Plain);
    }
    let may_write = |id| ctx.allows(Operation::Write, Resource::TransactionalId(id));
    let allowed = request.transactional_id.as_ref().is_some_and(|id| may_write(id));
    if allowed { Ok(Sort::Transactional) } else { Err(Refusal::plain(ResponseError::TransactionalIdAuthorizationFailed)) }
}

/// What can be seen of a batch of any format.
struct FirstBatch {
    magic: i8,
    transactional: bool,
}

/// The first batch when it is there in full; bytes that cannot be the beginning of one are CORRUPT_MESSAGE.
fn first_batch(records: &[u8]) -> Result<Option<FirstBatch>, Refusal> {
    const OVERHEAD: usize = 12;
    const SMALLEST: i32 = 14;
    let Some(size) = records.get(8..OVERHEAD).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes) else { return Ok(None) };
    if size < SMALLEST {
        let message = format!("Record size {size} is less than the minimum record overhead ({SMALLEST})");
        return Err(Refusal::with_message(ResponseError::CorruptMessage, message));
    }
    let Some(&magic) = records.get(16) else { return Ok(None) };
    let magic = magic.cast_signed();
    if !(0..=2).contains(&magic) {
        return Err(Refusal::with_message(ResponseError::CorruptMessage, format!("Invalid magic found in record: {magic}")));
    }
    let whole = usize::try_from(size).is_ok_and(|size| records.len() >= size + OVERHEAD);
    let transactional = magic == 2 && BatchHeader::read(records).is_some_and(|header| header.is_transactional());
    Ok(whole.then_some(FirstBatch { magic, transactional }))
}

/// Whose topic it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ordinary,
    /// The broker's own, and the client is not one of the tools that may write there.
    Internal,
}

fn may_write(ctx: &RequestContext, name: &TopicName, topic_id: uuid::Uuid) -> Result<Kind, ResponseError> {
    let of_id;
    let name: &str = if ctx.api_version >= 13 {
        of_id = ctx.node.topic_name(topic_id).ok_or(ResponseError::UnknownTopicId)?;
        &of_id
    } else {
        name
    };
    if !ctx.allows(Operation::Write, Resource::Topic(name)) {
        return Err(ResponseError::TopicAuthorizationFailed);
    }
    let is_admin = || ctx.client_id.as_deref() == Some(ADMIN_CLIENT_ID);
    Ok(if super::is_internal_topic(name) && !is_admin() { Kind::Internal } else { Kind::Ordinary })
}

fn find(ctx: &RequestContext, name: &TopicName, topic_id: uuid::Uuid, index: i32) -> Result<Arc<Partition>, Refusal> {
    let found = if ctx.api_version >= 13 { ctx.node.partition_by_id(topic_id, index) } else { ctx.node.partition_by_name(name, index) };
    found.map_err(Refusal::plain)
}

type Appended = (PartitionProduceResponse, Option<(Arc<Partition>, WakeAt)>);

fn append_one(
    ctx: &RequestContext,
    acks: i16,
    kind: Kind,
    name: &TopicName,
    topic_id: uuid::Uuid,
    data: PartitionProduceData,
    check: TransactionCheck,
) -> Result<Appended, Refusal> {
    let partition = find(ctx, name, topic_id, data.index)?;
    let records = exactly_one_batch(ctx.api_version, data.records)?;
    if !matches!(acks, -1..=1) {
        return Err(Refusal::plain(ResponseError::InvalidRequiredAcks));
    }
    if kind == Kind::Internal {
        return Err(Refusal::plain(ResponseError::InvalidTopicException));
    }
    let now_ms = ctx.node.clock.now_ms();
    let appended = partition.append_checked(&ctx.node.flusher, now_ms, &records, AppendOrigin::Client, acks == -1, check);
    let appended = appended.map_err(|error| Refusal::of_append(&partition, error))?;
    let wait = match acks {
        -1 => appended.commit.or(appended.flush),
        1 => appended.flush,
        _ => None,
    };
    let answer = PartitionProduceResponse::default()
        .with_index(data.index)
        .with_base_offset(appended.info.first_offset.0)
        .with_log_append_time_ms(appended.info.log_append_time.map_or(-1, |at| at.0))
        .with_log_start_offset(appended.info.log_start_offset.0);
    Ok((answer, wait.map(|at| (partition, at))))
}

/// Since v3 a partition's records are exactly one batch of magic 2; zstd needs v7 (Kafka's `ProduceRequest.validateRecords`).
fn exactly_one_batch(version: i16, records: Option<Bytes>) -> Result<Bytes, Refusal> {
    let invalid = || Refusal::plain(ResponseError::InvalidRecord);
    let records = records.ok_or_else(invalid)?;
    if first_batch(&records)?.is_none_or(|batch| batch.magic != 2) {
        return Err(invalid());
    }
    let Some(header) = BatchHeader::read(&records) else { return Err(Refusal::plain(ResponseError::CorruptMessage)) };
    if version < 7 && header.compression_code() > ZSTD {
        // No such codec; Kafka fails on the number before it comes to the log.
        return Err(Refusal::plain(ResponseError::UnknownServerError));
    }
    if version < 7 && header.compression_code() == ZSTD {
        return Err(Refusal::plain(ResponseError::UnsupportedCompressionType));
    }
    if header.size_bytes() != Some(records.len()) && split(&records).filter(Result::is_ok).count() > 1 {
        return Err(invalid());
    }
    Ok(records)
}

/// The second beat: what may not be acknowledged yet waits for the high watermark or a flush, until the request's timeout.
async fn await_all(response: &mut ProduceResponse, waits: Vec<Wait>, timeout: Duration) {
    if waits.is_empty() {
        return;
    }
    let deadline = tokio::time::Instant::now() + timeout;
    let waiter = Waiter::new();
    for wait in waits {
        let error = loop {
            match wait.on.reached(wait.at) {
                Ok(true) => break None,
                Ok(false) => {}
                Err(error) => break Some(error.response_error()),
            }
            let parked = Parked { waiter: &waiter, on: &wait.on };
            let waits = wait.on.park(parked.waiter, wait.at, 0);
            if waits && tokio::time::timeout_at(deadline, waiter.woken()).await.is_err() {
                break Some(ResponseError::RequestTimedOut);
            }
        };
        if let Some(error) = error {
            let slot = response.responses.get_mut(wait.topic).and_then(|topic| topic.partition_responses.get_mut(wait.partition));
            if let Some(slot) = slot {
                *slot = Refusal::plain(error).answer(slot.index);
            }
        }
    }
}

/// Leaves the partition when dropped: the client may go away while it waits.
struct Parked<'a> {
    waiter: &'a Arc<Waiter>,
    on: &'a Partition,
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.on.leave(self.waiter);
    }
}

/// acks=0 has no answer, but its client is throttled by its bytes all the same; after an error the connection is closed, so that the client notices.
fn without_answer(response: &ProduceResponse, throttle_ms: i32) -> Outcome {
    let failed = response
        .responses
        .iter()
        .flat_map(|topic| topic.partition_responses.iter().map(move |partition| (topic, partition)))
        .find(|(_, partition)| partition.error_code != 0);
    match failed {
        None => Outcome::NoResponse { throttle_ms },
        Some((topic, partition)) => Outcome::Close(CloseReason(
            format!("acks=0 produce to {}-{} failed with error {}", topic.name.0.escape_debug(), partition.index, partition.error_code)
                .into(),
        )),
    }
}

/// KIP-951: beside NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH the answer names the current leader and how to reach it.
fn point_to_leaders(ctx: &RequestContext, response: &mut ProduceResponse) {
    let mut named = Vec::new();
    for topic in &mut response.responses {
        for partition in &mut topic.partition_responses {
            let error = ResponseError::try_from_code(partition.error_code);
            if !matches!(error, Some(ResponseError::NotLeaderOrFollower | ResponseError::FencedLeaderEpoch)) {
                continue;
            }
            let leader = if ctx.api_version >= 13 {
                ctx.node.leader_by_id(topic.topic_id, partition.index)
            } else {
                ctx.node.leader_by_name(&topic.name, partition.index)
            };
            if let Some((leader_id, leader_epoch)) = leader {
                partition.current_leader = LeaderIdAndEpoch::default().with_leader_id(BrokerId(leader_id)).with_leader_epoch(leader_epoch);
                if !named.contains(&leader_id) {
                    named.push(leader_id);
                }
            }
        }
    }
    response.node_endpoints = named
        .into_iter()
        .filter_map(|id| ctx.node.endpoint_of(id, &ctx.connection))
        .map(|endpoint| {
            NodeEndpoint::default()
                .with_node_id(BrokerId(endpoint.node_id))
                .with_host(StrBytes::from_string(endpoint.host))
                .with_port(endpoint.port)
                .with_rack(endpoint.rack.map(StrBytes::from_string))
        })
        .collect();
}
