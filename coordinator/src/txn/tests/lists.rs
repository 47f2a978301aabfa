//! DescribeTransactions and ListTransactions.

use super::super::*;
use super::harness::*;
use TransactionState::*;
use kafka_protocol::messages::{ListTransactionsRequest, ProducerId};
use kafka_protocol::protocol::StrBytes;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Six ids, one in each state, with producer ids 0 to 5.
fn world() -> World {
    let mut world = World::at(2);
    for (i, state) in TransactionState::ALL.into_iter().enumerate() {
        let value = Transaction { start_ms: if state == Empty { -1 } else { 900_000 }, ..standing(state, producer(i as i64, 5)) };
        let record = TransactionRecord {
            transactional_id: format!("id-{i}").as_str().into(),
            value: Some(value),
            cluster_version: TransactionVersion(2),
        };
        world.apply(TxnEffects { records: vec![record], ..TxnEffects::default() });
    }
    world
}

fn listed(world: &mut World, request: &ListTransactionsRequest) -> Vec<String> {
    let filter = ListFilter::new(request).expect("a filter");
    let effects = world.shard.list(world.now, Ticket(1), &filter);
    match world.apply(effects).remove(0) {
        TxnReply::Listed(rows) => rows.into_iter().map(|row| row.transactional_id.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_list_without_filters_has_everything() {
    let mut world = world();
    let filter = ListFilter::new(&ListTransactionsRequest::default().with_duration_filter(-1)).expect("a filter");
    let effects = world.shard.list(world.now, Ticket(1), &filter);
    let [TxnReply::Listed(rows)] = &world.apply(effects)[..] else { panic!("rows") };
    let rows: Vec<_> = rows.iter().map(|row| (&*row.transactional_id.0, row.producer_id.0, &*row.transaction_state)).collect();
    let names = TransactionState::ALL.map(|state| state.name());
    let ids: Vec<_> = (0..6).map(|i| format!("id-{i}")).collect();
    let expected: Vec<_> = (0..6).map(|i| (&*ids[i], i as i64, names[i])).collect();
    assert_eq!(rows, expected);
}

#[test]
fn filters_narrow_together() {
    let any = || ListTransactionsRequest::default().with_duration_filter(-1);
    let states = |names: &[&str]| any().with_state_filters(names.iter().map(|name| text(name)).collect());
    let mut world = world();
    assert_eq!(listed(&mut world, &states(&["Ongoing", "CompleteAbort"])), ["id-1", "id-5"]);
    assert_eq!(listed(&mut world, &states(&["ongoing"])), [""; 0], "names mind case");
    assert_eq!(listed(&mut world, &states(&["Dead"])), [""; 0]);
    let producers = any().with_producer_id_filters(vec![ProducerId(1), ProducerId(2), ProducerId(99)]);
    assert_eq!(listed(&mut world, &producers), ["id-1", "id-2"]);
    let both = states(&["Ongoing"]).with_producer_id_filters(vec![ProducerId(2)]);
    assert_eq!(listed(&mut world, &both), [""; 0]);
    // Began at 900,000, and it is 1,000,000; an id without a transaction began before all time.
    assert_eq!(listed(&mut world, &any().with_duration_filter(99_999)).len(), 6);
    assert_eq!(listed(&mut world, &any().with_duration_filter(100_000)), ["id-0"]);
    assert_eq!(listed(&mut world, &any().with_duration_filter(0)).len(), 6);
}

#[test]
fn names_that_nobody_knows_are_told() {
    let names = ["Nonsense", "Ongoing", "Dead", "PrepareEpochFence", "ongoing", "Nonsense"].map(text);
    let filter = ListFilter::new(&ListTransactionsRequest::default().with_state_filters(names.into())).expect("a filter");
    assert_eq!(filter.unknown_states(), [text("Nonsense"), text("ongoing")]);
}

#[test]
fn a_pattern_matches_the_whole_id() {
    let pattern =
        |pattern: &str| ListTransactionsRequest::default().with_duration_filter(-1).with_transactional_id_pattern(Some(text(pattern)));
    let mut world = world();
    assert_eq!(listed(&mut world, &pattern("id-[12]")), ["id-1", "id-2"]);
    assert_eq!(listed(&mut world, &pattern("id")), [""; 0]);
    assert_eq!(listed(&mut world, &pattern("")).len(), 6);
    assert_eq!(ListFilter::new(&pattern("id-(")).err(), Some(ResponseError::InvalidRegularExpression));
    let record = TransactionRecord {
        transactional_id: "id-é".into(),
        value: Some(standing(Empty, producer(6, 0))),
        cluster_version: TransactionVersion(2),
    };
    world.apply(TxnEffects { records: vec![record], ..TxnEffects::default() });
    assert_eq!(listed(&mut world, &pattern("id-[^0-5]")), ["id-é"], "a character is one, however many bytes");
}

#[test]
fn a_description_says_all_that_is_known() {
    let mut world = world();
    let mut describe = |id: &str| {
        let effects = world.shard.describe(Ticket(1), id);
        match world.apply(effects).remove(0) {
            TxnReply::Described(described) => *described,
            other => panic!("{other:?}"),
        }
    };
    let ongoing = describe("id-1");
    assert_eq!((ongoing.error_code, &*ongoing.transactional_id.0, &*ongoing.transaction_state), (0, "id-1", "Ongoing"));
    assert_eq!((ongoing.producer_id.0, ongoing.producer_epoch), (1, 5));
    assert_eq!((ongoing.transaction_timeout_ms, ongoing.transaction_start_time_ms), (TIMEOUT_MS, 900_000));
    let topics: Vec<_> = ongoing.topics.iter().map(|topic| (topic.topic.to_string(), topic.partitions.clone())).collect();
    assert_eq!(topics, [("a".to_owned(), vec![0, 1]), ("b".to_owned(), vec![7])]);
    assert_eq!((describe("id-0").transaction_start_time_ms, describe("id-0").topics.len()), (-1, 0));
    assert_eq!(describe("id-9").error_code, ResponseError::TransactionalIdNotFound.code());
    assert_eq!((describe("").error_code, &*describe("id-9").transactional_id.0), (ResponseError::InvalidRequest.code(), "id-9"));
}
