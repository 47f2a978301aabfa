//! Who vouches for transactional batches before they are appended (KIP-890).
//!
//! A batch of a transaction that is open in its partition already needs nobody. For all others the transaction coordinator is asked, once
//! for the whole request: up to v11 whether the partitions were added to the transaction, from v12 on to add them. Before it is asked
//! every partition hands out a guard, which is shown again with the append: a marker in between makes it worthless. Until the
//! coordinator has answered no later request of the connection begins, so that sequence numbers stay in order.

use super::{Refusal, exactly_one_batch, find, may_write};
use crate::api::RequestContext;
use crate::partition::Partition;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_coordinator::txn::{Partitions, PartitionsOfProducer, ProducerIdAndEpoch, TransactionVersion};
use ottla_storage::batch::BatchHeader;
use ottla_storage::log::TransactionCheck;
use ottla_storage::producer::VerificationGuard;
use ottla_storage::{ProducerEpoch, ProducerId, Sequence};
use std::sync::Arc;

/// From here on clients know TRANSACTION_ABORTABLE.
const ABORTABLE_FROM: i16 = 11;
/// From here on a write adds its partition to the transaction.
const IMPLICIT_FROM: i16 = 12;

/// What one partition's batch may show to the log, or why it is not to be appended.
pub(super) type Vouched = Result<TransactionCheck, Refusal>;

/// A line for each partition, in the order of the request. Refuses the request as a whole when it is several producers'.
pub(super) async fn vouch(ctx: &RequestContext, request: &ProduceRequest) -> Result<Vec<Vouched>, Refusal> {
    let mut sheet = Sheet::of(ctx, request)?;
    if !sheet.questions.is_empty() {
        let _hold = ctx.connection.hold();
        Box::pin(sheet.ask(ctx, request)).await;
    }
    Ok(sheet.lines)
}

/// A partition about which the coordinator has to be asked.
struct Question {
    line: usize,
    topic: Arc<str>,
    partition: i32,
    guard: VerificationGuard,
}

struct Sheet {
    lines: Vec<Vouched>,
    questions: Vec<Question>,
    producer: ProducerIdAndEpoch,
}

/// A transactional batch that could be appended.
struct Candidate<'a> {
    line: usize,
    topic: &'a TopicProduceData,
    partition: i32,
    log: Arc<Partition>,
    producer: ProducerIdAndEpoch,
    sequence: Sequence,
}

impl Sheet {
    fn of(ctx: &RequestContext, request: &ProduceRequest) -> Result<Self, Refusal> {
        let (count, candidates) = candidates(ctx, request);
        let lines = vec![Ok(TransactionCheck::Verified(None)); count];
        let producer = candidates.first().map_or(ProducerIdAndEpoch { id: -1, epoch: -1 }, |first| first.producer);
        if candidates.iter().any(|candidate| candidate.producer != producer) {
            let text = "Transactional records contained more than one producer ID".to_owned();
            return Err(Refusal::with_message(ResponseError::InvalidProducerIdMapping, text));
        }
        let mut sheet = Self { lines, questions: Vec::new(), producer };
        let now_ms = ctx.node.clock.now_ms();
        candidates.into_iter().for_each(|candidate| sheet.begin(ctx, now_ms, candidate));
        Ok(sheet)
    }

    fn begin(&mut self, ctx: &RequestContext, now_ms: i64, candidate: Candidate<'_>) {
        let Candidate { line, topic, partition, log, producer, sequence } = candidate;
        let adds = ctx.api_version >= IMPLICIT_FROM;
        let begun = log.begin_verification(now_ms, (ProducerId(producer.id), ProducerEpoch(producer.epoch)), sequence, adds);
        let error = match begun {
            Ok(None) => return,
            Ok(Some(guard)) => match name_of(ctx, topic) {
                Some(topic) => return self.questions.push(Question { line, topic, partition, guard }),
                None => ResponseError::UnknownTopicId,
            },
            Err(error) => error.response_error(),
        };
        self.set(line, Err(Refusal::plain(error)));
    }

    async fn ask(&mut self, ctx: &RequestContext, request: &ProduceRequest) {
        let is_verified = ctx.node.dynamic.current().transaction_partition_verification_enable();
        let adds = ctx.api_version >= IMPLICIT_FROM;
        if !adds && !is_verified {
            return std::mem::take(&mut self.questions)
                .iter()
                .for_each(|question| self.set(question.line, Ok(TransactionCheck::Unchecked)));
        }
        let mut partitions = Partitions::new();
        for question in &self.questions {
            partitions.entry(Arc::clone(&question.topic)).or_default().insert(question.partition);
        }
        let request = PartitionsOfProducer {
            transactional_id: request.transactional_id.as_ref().map_or("", |id| id),
            producer: self.producer,
            version: TransactionVersion(if adds { 2 } else { 0 }),
            partitions: &partitions,
        };
        let txns = &ctx.node.txns;
        let answer =
            if adds { txns.add_partitions(&request).await.map(|()| None) } else { txns.verify_partitions(&request).await.map(Some) };
        for Question { line, topic, partition, guard } in std::mem::take(&mut self.questions) {
            let error = match &answer {
                Ok(None) => None,
                Ok(Some(verified)) => verified.get(&(topic, partition)).copied().unwrap_or(Some(ResponseError::InvalidTxnState)),
                // Nobody is the coordinator of anything before the topic exists.
                Err(ResponseError::NotCoordinator) if ctx.node.txns.runtime.places() == 0 => Some(ResponseError::CoordinatorNotAvailable),
                Err(error) => Some(*error),
            };
            let proven = if is_verified { TransactionCheck::Verified(Some(guard)) } else { TransactionCheck::Unchecked };
            self.set(line, error.map_or(Ok(proven), |error| Err(refusal(ctx.api_version, error))));
        }
    }

    fn set(&mut self, line: usize, vouched: Vouched) {
        if let Some(slot) = self.lines.get_mut(line) {
            *slot = vouched;
        }
    }
}

fn name_of(ctx: &RequestContext, topic: &TopicProduceData) -> Option<Arc<str>> {
    if ctx.api_version >= 13 {
        return ctx.node.topic_name(topic.topic_id).map(|name| Arc::from(&*name));
    }
    let name: &str = &topic.name;
    Some(Arc::from(name))
}

/// How many partitions the request has, and the batches for which somebody has to vouch. What is refused anyway is left out.
fn candidates<'a>(ctx: &RequestContext, request: &'a ProduceRequest) -> (usize, Vec<Candidate<'a>>) {
    let mut candidates = Vec::new();
    let mut line = 0;
    for topic in &request.topic_data {
        let writable = !topic.partition_data.is_empty() && may_write(ctx, &topic.name, topic.topic_id).is_ok();
        for data in &topic.partition_data {
            if writable {
                candidates.extend(candidate(ctx, line, topic, data));
            }
            line += 1;
        }
    }
    (line, candidates)
}

fn candidate<'a>(ctx: &RequestContext, line: usize, topic: &'a TopicProduceData, data: &PartitionProduceData) -> Option<Candidate<'a>> {
    let log = find(ctx, &topic.name, topic.topic_id, data.index).ok()?;
    let records = exactly_one_batch(ctx.api_version, data.records.clone()).ok()?;
    let header = BatchHeader::read(&records).filter(|header| header.is_transactional() && header.producer_id().0 >= 0)?;
    let producer = ProducerIdAndEpoch { id: header.producer_id().0, epoch: header.producer_epoch().0 };
    Some(Candidate { line, topic, partition: data.index, log, producer, sequence: header.base_sequence() })
}

/// The coordinator's error as a producer of this version understands it.
///
/// | coordinator | up to v10 | v11 | from v12 on |
/// |---|---|---|---|
/// | PRODUCER_FENCED | INVALID_PRODUCER_EPOCH | same | same |
/// | TRANSACTION_ABORTABLE | INVALID_TXN_STATE | same code | same code |
/// | CONCURRENT_TRANSACTIONS | NOT_ENOUGH_REPLICAS | NOT_ENOUGH_REPLICAS | same code |
/// | not there, or loading | NOT_ENOUGH_REPLICAS | same | same |
///
/// Old clients try again after NOT_ENOUGH_REPLICAS, and need no new metadata for it.
fn refusal(version: i16, error: ResponseError) -> Refusal {
    let try_again = |name: &str| {
        let text = format!("Unable to verify the partition has been added to the transaction. Underlying error: {name}");
        Refusal::with_message(ResponseError::NotEnoughReplicas, text)
    };
    let not_added = || Refusal::with_message(ResponseError::InvalidTxnState, "Partition was not added to the transaction".to_owned());
    match error {
        ResponseError::ProducerFenced => Refusal::plain(ResponseError::InvalidProducerEpoch),
        ResponseError::InvalidTxnState => not_added(),
        ResponseError::TransactionAbortable if version < ABORTABLE_FROM => not_added(),
        ResponseError::NetworkException => try_again("NETWORK_EXCEPTION"),
        ResponseError::CoordinatorLoadInProgress => try_again("COORDINATOR_LOAD_IN_PROGRESS"),
        ResponseError::CoordinatorNotAvailable => try_again("COORDINATOR_NOT_AVAILABLE"),
        ResponseError::NotCoordinator => try_again("NOT_COORDINATOR"),
        ResponseError::ConcurrentTransactions if version < IMPLICIT_FROM => try_again("CONCURRENT_TRANSACTIONS"),
        error => Refusal::plain(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ResponseError as E;

    #[test]
    fn each_version_hears_a_coordinators_error_in_its_own_words() {
        // Up to v10, v11, from v12 on.
        let table = [
            (E::ProducerFenced, [E::InvalidProducerEpoch; 3]),
            (E::InvalidProducerEpoch, [E::InvalidProducerEpoch; 3]),
            (E::InvalidProducerIdMapping, [E::InvalidProducerIdMapping; 3]),
            (E::InvalidTxnState, [E::InvalidTxnState; 3]),
            (E::TransactionAbortable, [E::InvalidTxnState, E::TransactionAbortable, E::TransactionAbortable]),
            (E::ConcurrentTransactions, [E::NotEnoughReplicas, E::NotEnoughReplicas, E::ConcurrentTransactions]),
            (E::CoordinatorLoadInProgress, [E::NotEnoughReplicas; 3]),
            (E::CoordinatorNotAvailable, [E::NotEnoughReplicas; 3]),
            (E::NotCoordinator, [E::NotEnoughReplicas; 3]),
            (E::NetworkException, [E::NotEnoughReplicas; 3]),
        ];
        for (error, heard) in table {
            for (versions, expected) in [3..=10, 11..=11, 12..=13].into_iter().zip(heard) {
                for version in versions {
                    let told = refusal(version, error).answer(7);
                    assert_eq!((told.index, told.error_code), (7, expected.code()), "{error:?} v{version}");
                }
            }
        }
        let told = refusal(11, E::ConcurrentTransactions).answer(0).error_message.expect("a text");
        assert!(told.ends_with("Underlying error: CONCURRENT_TRANSACTIONS"));
    }
}
