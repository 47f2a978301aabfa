//! Groups of members on kafkajs.

use compat_tests::group::client::KAFKAJS;
use compat_tests::group::stories::{COME_AND_GO, KILLED, OBEYS, ROLLING, STOPPED, play, play_in_full};

#[test]
fn kafkajs_members_come_and_go() {
    play(&COME_AND_GO, &KAFKAJS);
}

/// Without static members, which kafkajs does not have.
#[test]
fn kafkajs_lives_through_everything_else() {
    play_in_full(&[&ROLLING, &KILLED, &STOPPED, &OBEYS], &KAFKAJS);
}
