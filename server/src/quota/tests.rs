use super::*;
use kafka_protocol::messages::AlterClientQuotasRequest;
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::metadata::MetadataShard;
use ottla_coordinator::metadata::client_quotas::{CLIENT_ID, CONNECTION_CREATION_RATE, USER};
use ottla_coordinator::shard::Shard;
use std::sync::Arc;

const ALICE: Who<'static> = Who { user: "alice", client_id: "app" };

fn quotas(clock: &Clock, properties: &str) -> Arc<Quotas> {
    let config = Config::builder().properties(properties, "test").expect("well formed").build().expect("a configuration");
    Arc::new(Quotas::new(&config, clock.clone()))
}

/// Follows an image with these quotas alone.
fn set(quotas: &Quotas, set: &[(&str, Option<&str>, &str, f64)]) {
    let string = |text: &str| StrBytes::from_string(text.to_owned());
    let entry = |(kind, name, key, value): &(&str, Option<&str>, &str, f64)| {
        let entity = EntityData::default().with_entity_type(string(kind)).with_entity_name(name.map(string));
        let op = OpData::default().with_key(string(key)).with_value(*value);
        EntryData::default().with_entity(vec![entity]).with_ops(vec![op])
    };
    let mut shard = MetadataShard::new();
    let request = AlterClientQuotasRequest::default().with_entries(set.iter().map(entry).collect());
    let effects = shard.alter_client_quotas(Ticket(0), &request, &|_| true);
    assert_eq!(effects.records.len(), set.len());
    effects.records.iter().for_each(|record| shard.replay(record));
    quotas.follow(shard.image().client_quotas());
}

#[test]
fn without_quotas_nothing_is_remembered() {
    let quotas = quotas(&Clock::manual(0), "");
    assert_eq!((quotas.produced(ALICE, u64::MAX), quotas.fetched(ALICE, u64::MAX), quotas.requested(ALICE, u64::MAX)), (0, 0, 0));
    assert_eq!((quotas.mutate(ALICE, usize::MAX, true), quotas.fetch_bytes_max(ALICE)), (0, u64::MAX));
    assert_eq!(quotas.meters(), 0);
    assert!(!quotas.meters_requests());
}

#[test]
fn a_producer_over_its_quota_waits_until_it_is_not() {
    let clock = Clock::manual(1_000_000);
    let quotas = quotas(&clock, "");
    set(&quotas, &[(USER, Some("alice"), PRODUCER_BYTE_RATE, 1_000.0)]);
    assert_eq!(quotas.produced(ALICE, 10_000), 0);
    let throttle_ms = quotas.produced(ALICE, 1_000);
    assert_eq!(throttle_ms, 1_000);
    assert_eq!(quotas.produced(Who { user: "bob", ..ALICE }, 1_000_000), 0);
    assert_eq!(quotas.produced(Who { client_id: "another", ..ALICE }, 100), 1_100, "clients of a user share its quota");
    clock.advance(11_000);
    assert_eq!(quotas.produced(ALICE, 0), 0);
}

#[test]
fn a_quota_that_changes_counts_what_was_before_and_one_that_goes_frees() {
    let clock = Clock::manual(1_000_000);
    let quotas = quotas(&clock, "");
    set(&quotas, &[(USER, None, CONSUMER_BYTE_RATE, 1e9)]);
    assert_eq!(quotas.fetched(ALICE, 100_000), 0);
    set(&quotas, &[(USER, None, CONSUMER_BYTE_RATE, 1_000.0)]);
    assert_eq!(quotas.fetched(ALICE, 0), 90_000);
    assert_eq!(quotas.fetch_bytes_max(ALICE), 10_000);
    set(&quotas, &[]);
    assert_eq!(quotas.fetched(ALICE, 100_000), 0);
}

#[test]
fn a_fetch_that_was_not_answered_does_not_count() {
    let quotas = quotas(&Clock::manual(1_000_000), "");
    set(&quotas, &[(CLIENT_ID, Some("app"), CONSUMER_BYTE_RATE, 1_000.0)]);
    assert!(quotas.fetched(ALICE, 20_000) > 0);
    quotas.not_fetched(ALICE, 20_000);
    assert_eq!(quotas.fetched(ALICE, 10_000), 0);
}

#[test]
fn requests_are_throttled_by_a_sample_at_most() {
    let quotas = quotas(&Clock::manual(1_000_000), "quota.window.size.seconds=2");
    set(&quotas, &[(USER, None, REQUEST_PERCENTAGE, 1.0)]);
    // 200 ms in ten samples of two seconds are one per cent.
    assert_eq!(quotas.requested(ALICE, 200_000_000), 0);
    assert_eq!(quotas.requested(ALICE, 2_000_000), 200);
    assert_eq!(quotas.requested(ALICE, 60_000_000_000), 2_000);
    assert!(quotas.meters_requests());
}

#[test]
fn mutations_are_refused_once_the_bucket_is_overdrawn_and_old_clients_wait_instead() {
    let clock = Clock::manual(1_700_000_000_000);
    let quotas = quotas(&clock, "controller.quota.window.num=10");
    set(&quotas, &[(USER, None, CONTROLLER_MUTATION_RATE, 1.0)]);
    let mutations = |strict| Mutations::new(&quotas, &Arc::from("alice"), None, strict);
    let first = mutations(true);
    assert!(first.take(15));
    assert_eq!(first.throttle_ms(), 0);
    let second = mutations(true);
    assert!(!second.take(1));
    assert_eq!(second.throttle_ms(), 5_000);
    clock.advance(2_000);
    assert_eq!(second.throttle_ms(), 3_000, "what has passed since counts");
    let old = mutations(false);
    assert!(old.take(2));
    assert_eq!(old.throttle_ms(), 5_000);
    clock.advance(5_000);
    assert!(mutations(true).take(1));
}

#[test]
fn who_is_quiet_for_an_hour_is_forgotten() {
    let clock = Clock::manual(1_000_000);
    let quotas = quotas(&clock, "");
    set(&quotas, &[(CLIENT_ID, None, PRODUCER_BYTE_RATE, 1e9)]);
    for name in ["a", "b", "c"] {
        quotas.produced(Who { user: "u", client_id: name }, 1);
    }
    assert_eq!(quotas.meters(), 3);
    clock.advance(3_600_001);
    quotas.expire();
    assert_eq!(quotas.meters(), 0);
}

#[test]
fn an_address_above_its_rate_is_turned_away_and_does_not_count() {
    let clock = Clock::manual(1_000_000);
    let quotas = quotas(&clock, "quota.window.num=2");
    set(&quotas, &[("ip", None, CONNECTION_CREATION_RATE, 2.0), ("ip", Some("10.0.0.9"), CONNECTION_CREATION_RATE, 1.0)]);
    let connections = quotas.connections();
    let arrive = |ip: &str| connections.arrive("PLAINTEXT", ip.parse().expect("an address"));
    assert_eq!((arrive("10.0.0.1"), arrive("10.0.0.1")), (Arrival::Welcome, Arrival::Welcome));
    assert_eq!((arrive("10.0.0.1"), arrive("10.0.0.1")), (Arrival::TurnedAway(500), Arrival::TurnedAway(500)));
    assert_eq!((arrive("10.0.0.9"), arrive("10.0.0.9")), (Arrival::Welcome, Arrival::TurnedAway(1_000)));
    clock.advance(500);
    assert_eq!((arrive("10.0.0.1"), arrive("10.0.0.1")), (Arrival::Welcome, Arrival::TurnedAway(500)));
}

#[test]
fn connections_above_the_brokers_rate_wait() {
    let clock = Clock::manual(1_000_000);
    let listeners = "listeners=A://localhost:0,B://localhost:0\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\n\
                     inter.broker.listener.name=B\n";
    let quotas = quotas(
        &clock,
        &format!("{listeners}quota.window.num=2\nmax.connection.creation.rate=2\nlistener.name.b.max.connection.creation.rate=1"),
    );
    let connections = quotas.connections();
    assert_eq!((connections.delay_ms("A"), connections.delay_ms("A"), connections.delay_ms("A")), (0, 0, 500));
    assert_eq!((connections.delay_ms("B"), connections.delay_ms("B")), (0, 1_000), "the brokers' listener has its own");
    clock.advance(2_000);
    assert_eq!(connections.delay_ms("A"), 0);
    set(&quotas, &[("ip", None, CONNECTION_CREATION_RATE, 1.0)]);
    let arrive = || connections.arrive("A", "10.0.0.1".parse().expect("an address"));
    assert_eq!((arrive(), connections.delay_ms("A"), arrive()), (Arrival::Welcome, 0, Arrival::TurnedAway(1_000)));
    assert_eq!(connections.delay_ms("A"), 0, "the one turned away does not count");
}
