//! What holds readers of committed records back is found, with its owner, and an operator can end it.

use crate::kit::transactions::{TV1, TV2};
use crate::kit::{Batch, FetchOne, Kit, name};
use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kafka_protocol::messages::{ProducerId, WriteTxnMarkersRequest};
use ottla_coordinator::txn::TransactionState;
use ottla_server::stuck::{partitions_with_late_transactions, stuck};

const SMALL: &str = "transaction.state.log.num.partitions=2";

#[test]
fn open_transactions_are_listed_with_their_owners_until_they_end() {
    let kit = Kit::with(SMALL);
    let mut client = kit.connect();
    client.create("b", 2, &[]);
    client.create("a", 1, &[]);
    let (mut one, mut two) = (client.transactor("one", TV2), client.transactor("two", TV2));
    client.produce("b", 1, &Batch::of(&["plain"]));
    client.transact(&one, "b", 1, 0, &["v"]);
    kit.clock.advance(700);
    client.transact(&two, "b", 1, 0, &["v"]);
    client.transact(&two, "a", 0, 0, &["v"]);
    kit.clock.advance(300);

    let found = stuck(kit.broker().node(), 100);
    let rows: Vec<_> = found
        .rows
        .iter()
        .map(|row| (&*row.topic, row.partition, row.producer_id, row.first_offset, row.is_first, row.is_hanging))
        .collect();
    assert_eq!(
        rows,
        [("a", 0, two.pid, 0, true, false), ("b", 1, one.pid, 1, true, false), ("b", 1, two.pid, 2, false, false)],
        "by topic, partition, offset"
    );
    let owner = found.rows[1].coordinator.clone().expect("its coordinator is here");
    assert_eq!((&*owner.transactional_id.0, owner.state), ("one", TransactionState::Ongoing));
    // The kit's records are all of the time at which its clock began.
    assert_eq!((found.rows[1].open_for_ms, found.rows[1].silent_for_ms), (Some(1_000), 1_000));
    assert_eq!((found.rows[1].marker_offset, found.rows[1].producer_epoch, found.cut), (None, 0, false));
    let first = stuck(kit.broker().node(), 1);
    assert_eq!((first.rows.len(), first.cut), (1, true));

    client.end(&mut one, true);
    client.end(&mut two, false);
    assert_eq!(stuck(kit.broker().node(), 100).rows, []);
}

#[test]
fn a_transaction_without_a_coordinator_is_called_hanging_then_late_and_is_ended_by_hand() {
    let kit = Kit::with(&format!("{SMALL}\ntransaction.partition.verification.enable=false"));
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let producer = client.transactor("x", TV1);
    assert_eq!(client.try_transact(&producer, "t", 0, &producer.batch(0, &["v"])).error_code, 0, "nobody verifies");
    let rows = stuck(kit.broker().node(), 100).rows;
    assert_eq!((rows.len(), rows[0].is_hanging, rows[0].coordinator.clone()), (1, true, None));

    let allowed_ms = (15 + 5) * 60 * 1000;
    kit.clock.advance(allowed_ms);
    assert_eq!(partitions_with_late_transactions(kit.broker().node()), 0);
    kit.clock.advance(1);
    assert_eq!(partitions_with_late_transactions(kit.broker().node()), 1);

    let topic = WritableTxnMarkerTopic::default().with_name(name("t")).with_partition_indexes(vec![0]);
    let marker = WritableTxnMarker::default()
        .with_producer_id(ProducerId(producer.pid))
        .with_producer_epoch(producer.epoch)
        .with_transaction_result(false)
        .with_coordinator_epoch(-1)
        .with_topics(vec![topic]);
    let answer = client.ask(1, &WriteTxnMarkersRequest::default().with_markers(vec![marker]));
    assert_eq!(answer.markers[0].topics[0].partitions[0].error_code, 0);
    assert_eq!((stuck(kit.broker().node(), 100).rows, partitions_with_late_transactions(kit.broker().node())), (vec![], 0));
    let answer = client.fetch("t", 0, &FetchOne::from(0));
    assert_eq!((answer.high_watermark, answer.last_stable_offset), (2, 2));
}
