//! Transactions of librdkafka, confluent-kafka, franz-go and kafkajs: what they are answered and what readers see is what Apache Kafka
//! answers and shows.

use compat_tests::txn::client::{CONFLUENT, FRANZ_GO, KAFKAJS, RDKAFKA};
use compat_tests::txn::stories::play;

#[test]
fn rdkafka_has_transactions() {
    play(&RDKAFKA);
}

#[test]
fn confluent_kafka_has_transactions() {
    play(&CONFLUENT);
}

#[test]
fn franz_go_has_transactions() {
    play(&FRANZ_GO);
}

#[test]
fn kafkajs_has_transactions() {
    play(&KAFKAJS);
}
