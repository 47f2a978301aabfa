//! Decisions and the partitions that hear of them, in a whole broker.

use super::*;
use crate::broker::{Broker, Hooks};
use crate::config::Config;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{EndTxnRequest, InitProducerIdRequest, ProducerId as WireProducerId, TopicName, TransactionalId as WireId};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::txn::PartitionsOfProducer;
use ottla_storage::batch::BatchBuilder;
use ottla_storage::{Offset, Sequence};
use tempfile::TempDir;

const ID: &str = "payments";
/// Of clients before KIP-890: every transaction has the same producer.
const OLD: TransactionVersion = TransactionVersion(0);

/// A producer of version 1 that writes to `t`.
struct Story {
    tokio: tokio::runtime::Runtime,
    broker: Broker,
    producer: ProducerIdAndEpoch,
    partitions: Partitions,
    _dir: TempDir,
}

impl Story {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("log.dirs={}\nottla.reactors=1\ntransaction.state.log.num.partitions=1\n", dir.path().join("data").display());
        let config = Config::builder().properties(&text, "story").unwrap().port(0).build().unwrap();
        let broker = Broker::start_with(config, Clock::manual(1_000_000), Hooks::default()).unwrap();
        let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let node = broker.node();
        let topic = CreatableTopic::default().with_name(TopicName(StrBytes::from_static_str("t"))).with_num_partitions(1);
        let init = InitProducerIdRequest::default()
            .with_transactional_id(Some(WireId(StrBytes::from_static_str(ID))))
            .with_producer_id(WireProducerId(-1))
            .with_producer_epoch(-1)
            .with_transaction_timeout_ms(60_000);
        let producer = tokio.block_on(async {
            node.controller.create_internal_topic(node, topic.with_replication_factor(1)).await.unwrap();
            node.txns.ensure_topic(node).await.unwrap();
            node.txns.init_producer_id(node, &init).await.unwrap()
        });
        let partitions = Partitions::from([(Arc::from("t"), [0].into())]);
        Self { tokio, broker, producer, partitions, _dir: dir }
    }

    fn log(&self) -> Arc<Partition> {
        self.broker.node().partition_by_name("t", 0).unwrap()
    }

    fn last_stable_offset(&self) -> Offset {
        self.log().offsets().unwrap().last_stable_offset
    }

    /// Adds the partition and writes one record.
    fn write(&self, sequence: i32) {
        let node = self.broker.node();
        let asked = PartitionsOfProducer { transactional_id: ID, producer: self.producer, version: OLD, partitions: &self.partitions };
        self.tokio.block_on(node.txns.add_partitions(&asked)).unwrap();
        let by = (ProducerId(self.producer.id), ProducerEpoch(self.producer.epoch));
        let mut batch = BatchBuilder::new().producer(by.0, by.1, Sequence(sequence)).transactional();
        batch.push(Millis(1_000_000), None, Some(b"v"), &[]);
        let (bytes, check) = (batch.build().unwrap(), TransactionCheck::Unchecked);
        self.log().append_checked(&node.flusher, 1_000_000, &bytes, AppendOrigin::Client, true, check).unwrap();
    }

    fn commit(&self) {
        let end = EndTxnRequest::default()
            .with_transactional_id(WireId(StrBytes::from_static_str(ID)))
            .with_producer_id(WireProducerId(self.producer.id))
            .with_producer_epoch(self.producer.epoch)
            .with_committed(true);
        let node = self.broker.node();
        assert_eq!(self.tokio.block_on(node.txns.end_txn(node, &end, OLD)), Ok(None));
    }
}

#[test]
fn markers_that_nobody_waits_for_any_more_do_not_end_the_next_transaction() {
    // With the older versions a marker says nothing by which a partition could tell two transactions of a producer apart.
    let story = Story::new();
    story.write(0);
    story.commit();
    assert_eq!(story.last_stable_offset(), Offset(2), "a record and a marker");
    story.write(1);
    let late = WriteMarkers {
        transactional_id: ID.into(),
        producer: story.producer,
        version: OLD,
        committed: true,
        partitions: story.partitions.clone(),
        decision: 1,
    };
    let node = story.broker.node();
    let leader_epoch = node.leader_by_name(super::super::txn::TRANSACTIONS_TOPIC, 0).unwrap().1;
    let command = TxnCommand::WriteMarkers(late);
    node.txns.markers.courier().deliver(Errand { place: 0, leader_epoch, command, after: None });
    assert_eq!(story.last_stable_offset(), Offset(2), "the second transaction is open");
    story.commit();
    assert_eq!(story.last_stable_offset(), Offset(4));
    story.broker.stop();
}
