//! A transactional producer, driven request by request.

use super::groups::{text, until};
use super::{Batch, Client, name};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, FindCoordinatorRequest, InitProducerIdRequest, InitProducerIdResponse, ProduceRequest,
    ProducerId, TransactionalId,
};

/// A Produce version of clients before KIP-890: partitions are added before they are written to, and the epoch stays.
pub const TV1: i16 = 9;
/// A Produce version with implicit adding; EndTxn then gives each transaction an epoch of its own.
pub const TV2: i16 = 12;

/// What a client knows of its transactional id.
#[derive(Clone, Debug)]
pub struct Transactor {
    /// Transactional id.
    pub id: String,
    /// Producer id.
    pub pid: i64,
    /// Producer epoch.
    pub epoch: i16,
    /// Version of Produce: [`TV1`] or [`TV2`].
    pub produce: i16,
}

impl Transactor {
    fn transactional_id(&self) -> TransactionalId {
        TransactionalId(text(&self.id))
    }

    fn end_version(&self) -> i16 {
        if self.produce == TV1 { 3 } else { 5 }
    }

    fn end_request(&self, commit: bool) -> EndTxnRequest {
        EndTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(ProducerId(self.pid))
            .with_producer_epoch(self.epoch)
            .with_committed(commit)
    }

    /// A batch as the producer sends it in a transaction.
    pub fn batch(&self, sequence: i32, values: &[&str]) -> Batch {
        Batch::of(values).by(self.pid, self.epoch, sequence).transactional()
    }

    /// A Produce request of its.
    pub fn request(&self, topic: &str, partition: i32, batch: &Batch) -> ProduceRequest {
        Client::produce_request(topic, partition, -1, batch.bytes()).with_transactional_id(Some(self.transactional_id()))
    }
}

impl Client {
    /// InitProducerId of a fresh instance, once its coordinator has loaded.
    pub fn try_transactor(&mut self, id: &str) -> InitProducerIdResponse {
        let find = FindCoordinatorRequest::default().with_key(text(id)).with_key_type(1);
        assert_eq!(self.ask(3, &find).error_code, 0);
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(text(id))))
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
            .with_transaction_timeout_ms(60_000);
        let loading = ResponseError::CoordinatorLoadInProgress.code();
        until(|| self.ask(4, &request), |answer| answer.error_code != loading)
    }

    /// A fresh instance of a transactional producer. `produce` is [`TV1`] or [`TV2`].
    pub fn transactor(&mut self, id: &str, produce: i16) -> Transactor {
        let answer = self.try_transactor(id);
        assert_eq!(answer.error_code, 0);
        Transactor { id: id.to_owned(), pid: answer.producer_id.0, epoch: answer.producer_epoch, produce }
    }

    /// AddPartitionsToTxn for one partition; its error.
    pub fn add_partition(&mut self, by: &Transactor, topic: &str, partition: i32) -> i16 {
        let topic = AddPartitionsToTxnTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(by.transactional_id())
            .with_v3_and_below_producer_id(ProducerId(by.pid))
            .with_v3_and_below_producer_epoch(by.epoch)
            .with_v3_and_below_topics(vec![topic]);
        self.ask(3, &request).results_by_topic_v3_and_below.remove(0).results_by_partition.remove(0).partition_error_code
    }

    /// Writes a batch as it is; the partition's answer.
    pub fn try_transact(&mut self, by: &Transactor, topic: &str, partition: i32, batch: &Batch) -> PartitionProduceResponse {
        self.ask(by.produce, &by.request(topic, partition, batch)).responses.remove(0).partition_responses.remove(0)
    }

    /// Adds the partition if the client is one that must, and writes these values from a sequence number on; the first offset.
    pub fn transact(&mut self, by: &Transactor, topic: &str, partition: i32, sequence: i32, values: &[&str]) -> i64 {
        if by.produce == TV1 {
            assert_eq!(self.add_partition(by, topic, partition), 0);
        }
        let answer = self.try_transact(by, topic, partition, &by.batch(sequence, values));
        assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
        answer.base_offset
    }

    /// Sends EndTxn and does not wait for the answer.
    pub fn send_end(&mut self, by: &Transactor, commit: bool) {
        self.send(by.end_version(), &by.end_request(commit));
    }

    /// EndTxn; the error. On success the producer goes on with what it is told.
    pub fn try_end(&mut self, by: &mut Transactor, commit: bool) -> i16 {
        let answer = self.ask(by.end_version(), &by.end_request(commit));
        if answer.error_code == 0 && by.produce == TV2 {
            (by.pid, by.epoch) = (answer.producer_id.0, answer.producer_epoch);
        }
        answer.error_code
    }

    /// Ends the transaction, and waits until it is complete if it is not at once.
    pub fn end(&mut self, by: &mut Transactor, commit: bool) {
        let again = [ResponseError::ConcurrentTransactions.code(), ResponseError::CoordinatorLoadInProgress.code()];
        assert_eq!(until(|| self.try_end(by, commit), |code| !again.contains(code)), 0);
    }
}
