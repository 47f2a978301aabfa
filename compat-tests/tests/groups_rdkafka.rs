//! Groups of members on the `rdkafka` crate.

use compat_tests::group::client::RDKAFKA;
use compat_tests::group::stories::{self, play};

#[test]
fn rdkafka_members_come_and_go() {
    play(&stories::COME_AND_GO, &RDKAFKA);
}

#[test]
fn rdkafka_members_restart_one_by_one() {
    play(&stories::ROLLING, &RDKAFKA);
}

#[test]
fn a_static_rdkafka_member_restarts_unnoticed() {
    play(&stories::STATIC, &RDKAFKA);
}

#[test]
fn a_killed_rdkafka_member_is_replaced() {
    play(&stories::KILLED, &RDKAFKA);
}

#[test]
fn a_stopped_rdkafka_member_finds_out() {
    play(&stories::STOPPED, &RDKAFKA);
}

#[test]
fn an_rdkafka_member_obeys() {
    play(&stories::OBEYS, &RDKAFKA);
}
