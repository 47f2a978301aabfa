//! Groups of members on the Python clients: confluent-kafka, kafka-python, aiokafka.

use compat_tests::group::client::{AIOKAFKA, CONFLUENT, KAFKA_PYTHON};
use compat_tests::group::stories::{COME_AND_GO, KILLED, OBEYS, ROLLING, STATIC, STOPPED, play, play_in_full};

#[test]
fn confluent_kafka_members_come_and_go() {
    play(&COME_AND_GO, &CONFLUENT);
}

#[test]
fn confluent_kafka_lives_through_everything_else() {
    play_in_full(&[&ROLLING, &STATIC, &KILLED, &STOPPED, &OBEYS], &CONFLUENT);
}

/// A kafka-python whose `poll()` times out within a rebalance may stop for good or read again; its member sees to it that none does (DESIGN.md,
/// known limits of clients).
#[test]
fn kafka_python_members_come_and_go() {
    play(&COME_AND_GO, &KAFKA_PYTHON);
}

#[test]
fn kafka_python_lives_through_everything_else() {
    play_in_full(&[&ROLLING, &STATIC, &KILLED, &STOPPED, &OBEYS], &KAFKA_PYTHON);
}

#[test]
fn aiokafka_members_come_and_go() {
    play(&COME_AND_GO, &AIOKAFKA);
}

#[test]
fn aiokafka_lives_through_everything_else() {
    play_in_full(&[&ROLLING, &STATIC, &KILLED, &STOPPED, &OBEYS], &AIOKAFKA);
}
