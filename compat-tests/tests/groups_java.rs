//! Groups of members on the Java client.

use compat_tests::group::client::JAVA;
use compat_tests::group::stories::{self, play};

#[test]
fn java_members_come_and_go() {
    play(&stories::COME_AND_GO, &JAVA);
}

#[test]
fn java_members_restart_one_by_one() {
    play(&stories::ROLLING, &JAVA);
}

#[test]
fn a_static_java_member_restarts_unnoticed() {
    play(&stories::STATIC, &JAVA);
}

#[test]
fn a_killed_java_member_is_replaced() {
    play(&stories::KILLED, &JAVA);
}

#[test]
fn a_stopped_java_member_finds_out() {
    play(&stories::STOPPED, &JAVA);
}

#[test]
fn a_java_member_obeys() {
    play(&stories::OBEYS, &JAVA);
}
