//! The broker's doors: what becomes of a request, and of what a transaction shard answers.

use super::coordinator::{Failure, Pending, Then};
use super::message::{Message, Part, Request, Trouble, partitions};
use super::partition::Content;
use super::plant::Plant;
use super::sights::Sight;
use super::world::{Event, World};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use kafka_protocol::messages::{
    EndTxnRequest, GroupId, InitProducerIdRequest, ProducerId, TopicName, TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::group::{Caller, GroupRecord, GroupReply};
use ottla_coordinator::shard::Shard;
use ottla_coordinator::timers::Millis;
use ottla_coordinator::txn::{
    self, PartitionsOfProducer, ProducerIdAndEpoch, TransactionRecord, TransactionState, TxnCommand, TxnEffects, TxnReply, TxnShard,
};
use ottla_storage::producer::ProducerError;
use uuid::Uuid;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl World {
    /// A request arrives.
    pub(crate) fn arrive(&mut self, message: Message, fresh: Option<i64>) {
        let shard = self.shard_of(&message.transactional_id);
        let then = Then::Answer(Box::new(message.clone()));
        match &message.request {
            Request::Init { expected } => {
                let request = init_request(&message, *expected);
                self.handle(shard, Some(&message), then, |shard, now, ticket| shard.init_producer_id(now, ticket, fresh, &request));
            }
            Request::Add { partitions } => self.add(shard, &message, then, partitions),
            Request::End { commit } => {
                let committed = *commit || (self.plant == Some(Plant::OtherDecision) && self.rng.percent(10));
                let request = EndTxnRequest::default()
                    .with_transactional_id(TransactionalId(text(&message.transactional_id)))
                    .with_producer_id(ProducerId(message.producer.id))
                    .with_producer_epoch(message.producer.epoch)
                    .with_committed(committed);
                let version = message.version;
                if self.plant == Some(Plant::EarlyAnswer) && committed && self.mishap(30) {
                    self.answer(&message, Ok(None));
                    self.coordinators[shard].failures.push_front(Failure::NotWritten);
                }
                self.handle(shard, Some(&message), then, |shard, now, ticket| shard.end_txn(now, ticket, fresh, &request, version));
            }
            Request::Produce { part, sequence, .. } => {
                let (part, sequence) = (part.clone(), *sequence);
                self.begin_write(message, &part, sequence);
            }
            Request::Offset { part, .. } => {
                let part = part.clone();
                self.begin_write(message, &part, -1);
            }
        }
    }

    fn add(&mut self, shard: usize, message: &Message, then: Then, partitions: &txn::Partitions) {
        let newest = self.coordinators[shard].shard.transaction(&message.transactional_id).map(|transaction| transaction.producer);
        let producer =
            newest.filter(|_| self.plant == Some(Plant::NoFencing) && self.checks.is_replaced(message)).unwrap_or(message.producer);
        let (transactional_id, version) = (&*message.transactional_id, message.version);
        let request = PartitionsOfProducer { transactional_id, producer, version, partitions };
        self.handle(shard, Some(message), then, |shard, now, ticket| shard.add_partitions(now, ticket, &request));
    }

    /// A write begins with the question whether it needs to be verified.
    fn begin_write(&mut self, message: Message, part: &Part, sequence: i32) {
        let (now, boot) = (self.now, self.boot);
        let Some(partition) = self.parts.get_mut(part) else {
            return self.answer(&message, Err(Trouble::Refused(ResponseError::UnknownTopicOrPartition)));
        };
        // Older versions of Produce know a topic by its name only, so that a late batch may come into a topic made anew, where nobody
        // knows its producer: not looked for here.
        if !message.version.supports_epoch_bump() && message.incarnation.is_some_and(|of| of != partition.incarnation) {
            return self.answer(&message, Err(Trouble::Refused(ResponseError::UnknownTopicOrPartition)));
        }
        let guard = match partition.begin_verification(now, message.producer, sequence, message.version.supports_epoch_bump()) {
            Ok(guard) => guard,
            Err(error) => return self.answer(&message, Err(Trouble::Refused(refusal(&error)))),
        };
        let open = partition.has_open_transaction(message.producer.id);
        if guard.is_some() && open {
            self.sights.see(Sight::OpenTransactionOfOlderEpoch);
        }
        let verified = guard.is_none() || self.plant == Some(Plant::NoVerification);
        let pending = Box::new(Pending { message, incarnation: partition.incarnation, boot, guard });
        if verified {
            return self.write(*pending);
        }
        let after = self.soon();
        self.schedule(after, Event::Verify(pending));
    }

    /// How long one step takes: mostly nothing, sometimes long enough for everything else to come between.
    pub(crate) fn soon(&mut self) -> i64 {
        match self.rng.below(100) {
            0..60 => 0,
            96.. if !self.is_calm() => self.rng.between(20, 3_000),
            _ => self.rng.between(0, 20),
        }
    }

    /// The transaction coordinator is asked.
    pub(crate) fn verify(&mut self, pending: Pending) {
        let message = pending.message.clone();
        let (Request::Produce { part, .. } | Request::Offset { part, .. }) = &message.request else { panic!("a write: {message:?}") };
        if pending.boot != self.boot {
            return self.answer(&message, Err(Trouble::Lost));
        }
        let shard = self.shard_of(&message.transactional_id);
        let partitions = partitions([part]);
        let then = Then::Write(Box::new(pending));
        if message.version.supports_epoch_bump() {
            return self.add(shard, &message, then, &partitions);
        }
        let request = PartitionsOfProducer {
            transactional_id: &message.transactional_id,
            producer: message.producer,
            version: message.version,
            partitions: &partitions,
        };
        self.handle(shard, Some(&message), then, |shard, _, ticket| shard.verify_partitions(ticket, &request));
    }

    /// The append.
    pub(crate) fn write(&mut self, pending: Pending) {
        let Pending { message, boot, guard, .. } = &pending;
        let (Request::Produce { part, index, .. } | Request::Offset { part, index, .. }) = &message.request else {
            panic!("a write: {message:?}")
        };
        if *boot != self.boot {
            return self.answer(message, Err(Trouble::Lost));
        }
        let Some(partition) = self.parts.get_mut(part).filter(|partition| pending.is_of(partition)) else {
            return self.answer(message, Err(Trouble::Refused(ResponseError::UnknownTopicOrPartition)));
        };
        let piece = message.piece(*index);
        let (sequence, content) = match &message.request {
            Request::Produce { sequence, .. } => (*sequence, Content::Data(piece)),
            _ => match offset_records(self.now, partition.groups.as_mut().expect("an offsets partition"), message) {
                Ok(records) => (-1, Content::Offsets(piece, records)),
                Err(error) => return self.answer(message, Err(Trouble::Refused(error))),
            },
        };
        let verify = self.plant != Some(Plant::NoVerification);
        match partition.append(self.now, message.producer, sequence, content, *guard, verify) {
            Err(error) => {
                if matches!(error, ProducerError::TransactionNotVerified { .. } | ProducerError::InvalidProducerEpoch { .. }) {
                    self.sights.see(Sight::TooLateAppend);
                }
                self.answer(message, Err(Trouble::Refused(refusal(&error))));
            }
            Ok(None) => {
                self.sights.see(Sight::DuplicateBatch);
                let end = partition.log_end_offset();
                self.answer_when_safe(part, end, message);
            }
            Ok(Some(end)) => {
                self.checks.appended(message, piece, part, pending.incarnation);
                self.note_appended(part, &pending);
                self.answer_when_safe(part, end, message);
            }
        }
    }

    fn note_appended(&self, part: &Part, pending: &Pending) {
        self.note(|| format!("{part:?} takes {:?} of {:?}", pending.message.request, pending.message.tag));
    }

    fn answer_when_safe(&mut self, part: &Part, end: i64, message: &Message) {
        self.unflushed.entry(part.clone()).or_default().push((end, message.clone()));
        self.appended(part);
    }

    /// Something was appended: it is safe at once, or soon.
    pub(crate) fn appended(&mut self, part: &Part) {
        let Some(partition) = self.parts.get_mut(part) else { return };
        let (flush_ms, incarnation) = (partition.flush_ms, partition.incarnation);
        self.checks.stable(part, partition);
        if flush_ms == 0 {
            return self.flush(part, incarnation);
        }
        self.schedule(flush_ms, Event::Flush { part: part.clone(), incarnation });
    }

    pub(crate) fn flush(&mut self, part: &Part, incarnation: u64) {
        let Some(partition) = self.parts.get_mut(part).filter(|partition| partition.incarnation == incarnation) else { return };
        partition.flush();
        self.checks.stable(part, partition);
        for (_, message) in self.unflushed.remove(part).unwrap_or_default() {
            self.answer(&message, Ok(None));
        }
    }

    // Transaction shards.

    /// Calls a shard and carries out what it wants.
    pub(crate) fn handle(
        &mut self,
        shard: usize,
        cause: Option<&Message>,
        then: Then,
        work: impl FnOnce(&mut TxnShard, Millis, Ticket) -> TxnEffects,
    ) {
        let coordinator = &mut self.coordinators[shard];
        let ticket = coordinator.park(then, self.now);
        let clock = coordinator.clock(self.now);
        let effects = work(&mut coordinator.shard, clock, ticket);
        self.carry_out(shard, cause, effects);
    }

    /// The earliest deadline has come.
    pub(crate) fn wake(&mut self, shard: usize) {
        let clock = self.coordinators[shard].clock(self.now);
        let effects = self.coordinators[shard].shard.handle_timeout(clock);
        self.carry_out(shard, None, effects);
    }

    pub(crate) fn abort_expired(&mut self, shard: usize, epoch: i32, id: &txn::TransactionalId) {
        if self.coordinators[shard].epoch == epoch {
            self.sights.see(Sight::TimeoutWithNewProducerId);
            let fresh = Some(self.fresh_producer_id());
            self.handle(shard, None, Then::Nobody, |shard, now, ticket| shard.abort_expired(now, ticket, id, fresh));
        }
    }

    pub(crate) fn reload(&mut self, shard: usize, elsewhere: bool) {
        if self.plant == Some(Plant::LostRecord) {
            self.coordinators[shard].lose_last_record();
        }
        self.sights.see(Sight::Reload);
        if elsewhere && self.plant.is_none() {
            // On the machine that is left, senders have been asking; only what is awaited goes on there.
            let left = &self.coordinators[shard];
            self.jobs.retain(|_, job| !job.is_forgotten_by(shard, left));
        }
        let (waited, effects) = self.coordinators[shard].reload(self.now, elsewhere);
        for then in waited {
            self.resolve(then, None);
        }
        self.marker_senders_end(shard);
        self.carry_out(shard, None, effects);
    }

    fn carry_out(&mut self, shard: usize, cause: Option<&Message>, effects: TxnEffects) {
        let records = effects.records.len();
        if records > 0 {
            let failure = self.coordinators[shard].failures.pop_front();
            if !matches!(failure, Some(Failure::NotWritten)) {
                for record in &effects.records {
                    self.note(|| format!("   {} {:?}", record.transactional_id, record.value));
                    self.see_record(record, cause);
                    self.checks.record(&record.transactional_id.0, record.value.as_ref(), cause, &self.parts);
                }
                self.coordinators[shard].append(&effects.records);
            }
            if failure.is_some() {
                self.sights.see(Sight::FailedAppend);
                self.note(|| format!("coordinator {shard} cannot append: {failure:?}"));
                return self.reload(shard, false);
            }
        }
        for (ticket, reply) in effects.replies {
            if self.plant == Some(Plant::LostReply) && self.rng.percent(1) {
                continue;
            }
            if records == 0 && matches!(reply, TxnReply::EndTxn(Ok(_))) {
                self.sights.see(Sight::RepeatedEndTxn);
            }
            let forgotten = records == 0 && self.plant == Some(Plant::ForgottenEndTxn) && matches!(reply, TxnReply::EndTxn(Ok(_)));
            let reply = if forgotten { TxnReply::EndTxn(Err(ResponseError::InvalidTxnState)) } else { reply };
            let then = self.coordinators[shard].answered(ticket);
            self.resolve(then, Some(reply));
        }
        for command in effects.commands {
            match command {
                TxnCommand::WriteMarkers(write) => self.send_markers(shard, write),
                TxnCommand::AbortExpired(id) => {
                    let (epoch, after) = (self.coordinators[shard].epoch, self.soon());
                    self.schedule(after, Event::AbortExpired { shard, epoch, id });
                }
            }
        }
    }

    fn see_record(&mut self, record: &TransactionRecord, cause: Option<&Message>) {
        let before = self.coordinators.iter().find_map(|held| held.shard.transaction(&record.transactional_id.0));
        let Some(new) = &record.value else { return self.sights.see(Sight::ExpiredId) };
        if before.is_some_and(|before| before.producer.id != new.producer.id) {
            self.sights.see(Sight::Rotation);
        }
        match (new.state, cause) {
            (TransactionState::PrepareCommit, _) => self.sights.see(Sight::Commit),
            (TransactionState::PrepareAbort, None) => self.sights.see(Sight::Timeout),
            (TransactionState::PrepareAbort, Some(_)) => self.sights.see(Sight::Abort),
            _ => {}
        }
    }

    /// A shard has answered, or is gone.
    fn resolve(&mut self, then: Then, reply: Option<TxnReply>) {
        match (then, reply) {
            (Then::Nobody, _) => {}
            (Then::Answer(message), None) => self.answer(&message, Err(Trouble::Lost)),
            (Then::Write(pending), None) => {
                self.answer(&pending.message, Err(Trouble::Refused(ResponseError::NotEnoughReplicas)));
            }
            (Then::Answer(message), Some(TxnReply::NeedsProducerId)) => {
                let after = self.soon();
                self.schedule(after, Event::ArriveWithId(message));
            }
            (Then::Answer(message), Some(reply)) => self.answer_producer(&message, reply),
            (Then::Write(pending), Some(reply)) => {
                let verdict = match reply {
                    TxnReply::Added(added) => added,
                    TxnReply::Verified(Ok(verified)) => verified.into_values().flatten().next().map_or(Ok(()), Err),
                    TxnReply::Verified(Err(error)) => Err(error),
                    other => panic!("not about a write: {other:?}"),
                };
                if verdict == Err(ResponseError::TransactionAbortable) {
                    self.sights.see(Sight::NotInTransaction);
                }
                match verdict {
                    Ok(()) => {
                        let after = self.soon();
                        self.schedule(after, Event::Write(pending));
                    }
                    Err(ResponseError::ProducerFenced) => {
                        self.answer(&pending.message, Err(Trouble::Refused(ResponseError::InvalidProducerEpoch)));
                    }
                    Err(error) => self.answer(&pending.message, Err(Trouble::Refused(error))),
                }
            }
        }
    }

    fn answer_producer(&mut self, message: &Message, reply: TxnReply) {
        let answer = match reply {
            TxnReply::InitProducerId(Ok(producer)) => {
                let old = self.plant == Some(Plant::OldEpoch) && producer.epoch > 0 && self.mishap(20);
                let epoch = if old { producer.epoch - 1 } else { producer.epoch };
                Ok(Some(ProducerIdAndEpoch { epoch, ..producer }))
            }
            TxnReply::EndTxn(Ok(next)) => Ok(next),
            TxnReply::Added(Ok(())) => Ok(None),
            TxnReply::InitProducerId(Err(error)) | TxnReply::EndTxn(Err(error)) | TxnReply::Added(Err(error)) => {
                Err(Trouble::Refused(error))
            }
            other => panic!("not for a producer: {other:?}"),
        };
        match (&message.request, &answer) {
            (Request::Init { expected: Some(_) }, Ok(_)) => self.sights.see(Sight::Resume),
            (_, Err(Trouble::Refused(ResponseError::ProducerFenced))) => self.sights.see(Sight::FencedProducer),
            (_, Err(Trouble::Refused(ResponseError::ConcurrentTransactions))) => self.sights.see(Sight::ConcurrentTransactions),
            _ => {}
        }
        if let Request::End { commit } = message.request {
            let refused = match answer {
                Err(Trouble::Refused(error)) => Some(error),
                _ => None,
            };
            self.checks.end_answered(message, commit, refused);
        }
        if let Ok(Some(producer)) = answer {
            self.checks.handed(message, producer);
        }
        self.answer(message, answer);
    }
}

fn init_request(message: &Message, expected: Option<ProducerIdAndEpoch>) -> InitProducerIdRequest {
    let expected = expected.unwrap_or(super::producer::NO_PRODUCER);
    InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(&message.transactional_id))))
        .with_transaction_timeout_ms(message.timeout_ms)
        .with_producer_id(ProducerId(expected.id))
        .with_producer_epoch(expected.epoch)
}

fn offset_records(
    now: i64,
    groups: &mut ottla_coordinator::group::GroupShard,
    message: &Message,
) -> Result<Vec<GroupRecord>, ResponseError> {
    let Request::Offset { group, partition, offset, .. } = &message.request else { panic!("an offset: {message:?}") };
    let asked = TxnOffsetCommitRequestPartition::default().with_partition_index(*partition).with_committed_offset(*offset);
    let topic = TxnOffsetCommitRequestTopic::default().with_name(TopicName(text("input"))).with_partitions(vec![asked]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(TransactionalId(text(&message.transactional_id)))
        .with_group_id(GroupId(text(group)))
        .with_producer_id(ProducerId(message.producer.id))
        .with_producer_epoch(message.producer.epoch)
        .with_generation_id(-1)
        .with_topics(vec![topic]);
    let caller = Caller { api_version: 5, client_id: "producer", client_host: "/127.0.0.1", fresh_id: Uuid::nil() };
    let effects = groups.txn_offset_commit(Millis(now), Ticket(0), &caller, &request);
    let [(_, GroupReply::TxnOffsetCommit(response))] = &effects.replies[..] else { panic!("a commit is answered at once") };
    match ResponseError::try_from_code(response.topics[0].partitions[0].error_code) {
        None => Ok(effects.records),
        Some(error) => Err(error),
    }
}

fn refusal(error: &ProducerError) -> ResponseError {
    match error {
        ProducerError::InvalidProducerEpoch { .. } => ResponseError::InvalidProducerEpoch,
        ProducerError::OutOfOrderSequence { .. }
        | ProducerError::SequenceOfNewEpochNotZero { .. }
        | ProducerError::SequenceAheadOfVerification { .. }
        | ProducerError::FirstSequenceNotZero { .. } => ResponseError::OutOfOrderSequenceNumber,
        ProducerError::NotTransactional { .. } | ProducerError::TransactionNotVerified { .. } => ResponseError::InvalidTxnState,
        ProducerError::TransactionCoordinatorFenced { .. } => ResponseError::TransactionCoordinatorFenced,
    }
}
