//! Fetch (key 1), v4-18.
//!
//! v4 isolation level · v5 log start offset · v7 sessions (KIP-227) · v9 leader epochs (KIP-320) · v11 rack (KIP-392) · v12 flexible,
//! diverging epochs (KIP-595) · v13 topic ids (KIP-516) · v15 replica state · v16 leader discovery (KIP-951) · v17-18 follower fields.
//! zstd batches are sent as they are at every version, as Kafka 4 does. Record bytes go from file to socket.
//! Not done: fetches of followers (cluster mode) are answered like consumers'; preferred read replica.

use super::{RawApi, RequestContext};
use crate::auth::{Operation, Resource};
use crate::fetch::encode::{PartitionAnswer, TopicAnswer, fetch_response, fetch_size_bytes};
use crate::fetch::session::{Context, FetchSpec, Told};
use crate::net::{CloseReason, Outcome};
use crate::partition::{Partition, ReadRequest, Waiter, WakeAt};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_response::{EpochEndOffset, LeaderIdAndEpoch};
use kafka_protocol::messages::{ApiKey, BrokerId, FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_storage::Offset;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

pub(crate) enum Fetch {}

impl RawApi for Fetch {
    type Request = FetchRequest;
    const KEY: ApiKey = ApiKey::Fetch;
    const VERSIONS: RangeInclusive<i16> = 4..=18;

    async fn handle(ctx: RequestContext, request: FetchRequest) -> Outcome {
        let begun = ctx.node.sessions.begin(ctx.node.clock.now_ms(), ctx.api_version, &request);
        let context = match begun {
            Ok(context) => context,
            Err(error) => return respond(&ctx, ctx.throttle_ms(), error.code(), 0, Vec::new()),
        };
        let (specs, session) = match context {
            Context::Sessionless(specs) => (specs, Session::None),
            Context::Full(specs) => (specs, Session::Wanted),
            Context::Incremental { session_id, next_epoch, partitions } => (partitions, Session::Open { session_id, next_epoch }),
        };
        let specs = if matches!(session, Session::Open { .. }) { specs } else { each_once(specs) };
        let mut wanted = resolve(&ctx, specs, matches!(session, Session::Open { .. }));
        let answers = read_until_enough(&ctx, &request, &mut wanted).await;
        answer(&ctx, session, wanted, answers)
    }
}

#[derive(Clone, Copy)]
enum Session {
    None,
    Wanted,
    Open { session_id: i32, next_epoch: i32 },
}

/// One partition of the request with the partition behind it, or why there is none.
struct Wanted {
    spec: FetchSpec,
    partition: Result<Arc<Partition>, ResponseError>,
}

/// A partition that is named twice is asked once: the last mention at the place of the first.
fn each_once(specs: Vec<FetchSpec>) -> Vec<FetchSpec> {
    if specs.len() < 2 {
        return specs;
    }
    let mut places = HashMap::with_capacity(specs.len());
    let mut once: Vec<FetchSpec> = Vec::with_capacity(specs.len());
    for spec in specs {
        match places.entry((spec.topic.clone(), spec.topic_id, spec.partition)) {
            Entry::Occupied(place) => once[*place.get()] = spec,
            Entry::Vacant(place) => {
                place.insert(once.len());
                once.push(spec);
            }
        }
    }
    once
}

fn resolve(ctx: &RequestContext, specs: Vec<FetchSpec>, in_session: bool) -> Vec<Wanted> {
    specs
        .into_iter()
        .map(|mut spec| {
            let partition = resolve_one(ctx, &mut spec, in_session);
            Wanted { spec, partition }
        })
        .collect()
}

fn resolve_one(ctx: &RequestContext, spec: &mut FetchSpec, in_session: bool) -> Result<Arc<Partition>, ResponseError> {
    if ctx.api_version < 13 {
        if !ctx.allows(Operation::Read, Resource::Topic(&spec.topic)) {
            return Err(ResponseError::TopicAuthorizationFailed);
        }
        return ctx.node.partition_by_name(&spec.topic, spec.partition);
    }
    match ctx.node.topic_name(spec.topic_id) {
        Some(name) => {
            // A session remembers it.
            if spec.topic.as_str() != &*name {
                spec.topic = TopicName(StrBytes::from_string(name.to_string()));
            }
            if !ctx.allows(Operation::Read, Resource::Topic(&spec.topic)) {
                return Err(ResponseError::TopicAuthorizationFailed);
            }
            ctx.node.partition_by_id(spec.topic_id, spec.partition)
        }
        // The session knew this id under a name: either the topic is gone or its name belongs to another incarnation now.
        None if in_session && !spec.topic.is_empty() => Err(match ctx.node.topic_id(&spec.topic) {
            Some(_) => ResponseError::InconsistentTopicId,
            None => ResponseError::UnknownTopicOrPartition,
        }),
        None => Err(ResponseError::UnknownTopicId),
    }
}

/// What one round over all partitions gave.
struct Round {
    answers: Vec<PartitionAnswer>,
    changes: Vec<u64>,
    bytes: u64,
    /// An error or a diverging epoch: answer at once.
    urgent: bool,
}

/// Reads until there are `min_bytes`, an error, or no time left. Parked in every partition between two rounds.
async fn read_until_enough(ctx: &RequestContext, request: &FetchRequest, wanted: &mut [Wanted]) -> Vec<PartitionAnswer> {
    // More than the answer may hold there will never be.
    let min_bytes = u64::try_from(request.min_bytes).unwrap_or(0).min(answer_bytes_max(ctx, request));
    let max_wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let mut round = read_all(ctx, request, wanted);
    if round.urgent || round.bytes >= min_bytes || max_wait.is_zero() || wanted.is_empty() {
        return round.answers;
    }
    let deadline = tokio::time::Instant::now() + max_wait;
    loop {
        let parked = Parked::at(wanted, &round.changes);
        // Asked after parking: whoever sets it wakes everybody afterwards.
        let stopping = ctx.node.is_stopping();
        let timed_out = parked.complete && !stopping && tokio::time::timeout_at(deadline, parked.waiter.woken()).await.is_err();
        drop(parked);
        round = read_all(ctx, request, wanted);
        if timed_out || stopping || round.urgent || round.bytes >= min_bytes {
            return round.answers;
        }
    }
}

/// A waiter in every partition of the request. Leaves them all when dropped: the client may go away while it waits.
struct Parked<'a> {
    waiter: Arc<Waiter>,
    wanted: &'a [Wanted],
    /// False: something moved since it was read, so there is nothing to wait for.
    complete: bool,
}

impl<'a> Parked<'a> {
    fn at(wanted: &'a [Wanted], changes: &[u64]) -> Self {
        let waiter = Waiter::new();
        let complete = wanted.iter().zip(changes).all(|(wanted, changes)| match &wanted.partition {
            Ok(partition) => partition.park(&waiter, WakeAt::AnyChange, *changes),
            Err(_) => true,
        });
        Self { waiter, wanted, complete }
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        for partition in self.wanted.iter().filter_map(|wanted| wanted.partition.as_ref().ok()) {
            partition.leave(&self.waiter);
        }
    }
}

fn answer_bytes_max(ctx: &RequestContext, request: &FetchRequest) -> u64 {
    u64::try_from(request.max_bytes).unwrap_or(0).min(ctx.node.fetch_max_bytes).min(ctx.node.quota.fetch_bytes_max(ctx.who()))
}

fn read_all(ctx: &RequestContext, request: &FetchRequest, wanted: &[Wanted]) -> Round {
    let read_committed = request.isolation_level == 1;
    let limit = answer_bytes_max(ctx, request);
    let mut round = Round { answers: Vec::with_capacity(wanted.len()), changes: Vec::with_capacity(wanted.len()), bytes: 0, urgent: false };
    for wanted in wanted {
        let spec = &wanted.spec;
        let read = match &wanted.partition {
            Err(error) => Err((*error, Some(Vec::new()))),
            Ok(partition) => {
                let left = limit.saturating_sub(round.bytes);
                let request = ReadRequest {
                    from: Offset(spec.fetch_offset),
                    current_leader_epoch: spec.current_leader_epoch,
                    last_fetched_epoch: spec.last_fetched_epoch,
                    read_committed,
                    max_bytes: left.min(u64::try_from(spec.max_bytes).unwrap_or(0)),
                    at_least_one_batch: round.bytes == 0,
                };
                partition.read(request).map_err(|error| (error.response_error(), None))
            }
        };
        match read {
            Ok(read) => {
                round.bytes += read.plan.size_bytes;
                round.urgent |= read.diverging.is_some();
                round.changes.push(read.changes);
                round.answers.push(PartitionAnswer {
                    partition: spec.partition,
                    error_code: 0,
                    high_watermark: read.high_watermark.0,
                    last_stable_offset: read.last_stable_offset.0,
                    log_start_offset: read.log_start_offset.0,
                    diverging_epoch: read
                        .diverging
                        .map(|(epoch, end)| EpochEndOffset::default().with_epoch(epoch.0).with_end_offset(end.0)),
                    current_leader: None,
                    aborted_transactions: read.aborted,
                    record_bytes: read.plan.size_bytes,
                    ranges: read.plan.ranges,
                });
            }
            Err((error, aborted_transactions)) => {
                round.urgent = true;
                round.changes.push(0);
                round.answers.push(PartitionAnswer {
                    partition: spec.partition,
                    error_code: error.code(),
                    high_watermark: -1,
                    last_stable_offset: -1,
                    // Kafka tells nothing of the log beside an error, not even beside OFFSET_OUT_OF_RANGE.
                    log_start_offset: -1,
                    // As Kafka writes them: an empty list for what cannot be found, null for what could not be read.
                    aborted_transactions,
                    current_leader: current_leader(ctx, spec, error),
                    ..PartitionAnswer::default()
                });
            }
        }
    }
    round
}

fn current_leader(ctx: &RequestContext, spec: &FetchSpec, error: ResponseError) -> Option<LeaderIdAndEpoch> {
    if !matches!(error, ResponseError::NotLeaderOrFollower | ResponseError::FencedLeaderEpoch) {
        return None;
    }
    let (leader, epoch) = ctx.node.leader_by_name(&spec.topic, spec.partition)?;
    Some(LeaderIdAndEpoch::default().with_leader_id(BrokerId(leader)).with_leader_epoch(epoch))
}

fn answer(ctx: &RequestContext, session: Session, wanted: Vec<Wanted>, answers: Vec<PartitionAnswer>) -> Outcome {
    let limited = ctx.node.quota.meters_fetches() || ctx.spent.is_some();
    let told = answers.iter().map(told).collect::<Vec<_>>();
    let (news, specs) = match session {
        Session::None => (None, Vec::new()),
        Session::Wanted => (None, wanted.iter().map(|wanted| wanted.spec.clone()).collect()),
        // What a throttled client does not get is news next time.
        Session::Open { session_id, next_epoch } => (Some(ctx.node.sessions.filter(session_id, next_epoch, &told, !limited)), Vec::new()),
    };
    let mut topics: Vec<TopicAnswer> = Vec::new();
    for (at, (wanted, partition)) in wanted.iter().zip(answers).enumerate() {
        if news.as_ref().is_some_and(|news| !news.get(at).copied().unwrap_or(true)) {
            continue;
        }
        let FetchSpec { topic, topic_id, .. } = &wanted.spec;
        match topics.last_mut() {
            Some(last) if last.topic_id == *topic_id && last.topic == *topic => last.partitions.push(partition),
            _ => topics.push(TopicAnswer { topic: topic.clone(), topic_id: *topic_id, partitions: vec![partition] }),
        }
    }
    let open_id = if let Session::Open { session_id, .. } = session { session_id } else { 0 };
    if limited {
        let bytes = fetch_size_bytes(ctx.api_version, &topics);
        let throttle_ms = ctx.node.quota.fetched(ctx.who(), bytes).max(ctx.throttle_ms());
        if throttle_ms > 0 {
            ctx.node.quota.not_fetched(ctx.who(), bytes);
            return respond(ctx, throttle_ms, 0, open_id, Vec::new());
        }
    }
    for (wanted, told) in wanted.iter().zip(&told) {
        if let Ok(partition) = &wanted.partition {
            partition.count_fetch(told.record_bytes, told.error_code != 0);
        }
    }
    let session_id = match session {
        Session::None => 0,
        Session::Wanted => {
            let specs = specs.into_iter().zip(told).collect();
            ctx.node.sessions.create(ctx.node.clock.now_ms(), ctx.api_version, specs, super::random_i32)
        }
        Session::Open { session_id, next_epoch } => {
            if limited {
                ctx.node.sessions.filter(session_id, next_epoch, &told, true);
            }
            session_id
        }
    };
    respond(ctx, 0, 0, session_id, topics)
}

fn told(answer: &PartitionAnswer) -> Told {
    Told {
        high_watermark: answer.high_watermark,
        log_start_offset: answer.log_start_offset,
        error_code: answer.error_code,
        record_bytes: answer.record_bytes,
        diverging: answer.diverging_epoch.is_some(),
    }
}

fn respond(ctx: &RequestContext, throttle_ms: i32, error_code: i16, session_id: i32, topics: Vec<TopicAnswer>) -> Outcome {
    match fetch_response(ctx.response_head(), ctx.api_version, throttle_ms, error_code, session_id, topics) {
        Ok(mut response) => {
            response.throttle_ms = throttle_ms;
            Outcome::Respond(response)
        }
        Err(error) => Outcome::Close(CloseReason(format!("cannot encode a Fetch answer: {error}").into())),
    }
}
