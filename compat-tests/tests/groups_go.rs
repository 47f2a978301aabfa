//! Groups of members on the Go clients: franz-go and Sarama.

use compat_tests::group::client::{FRANZ_GO, SARAMA};
use compat_tests::group::stories::{COME_AND_GO, KILLED, OBEYS, ROLLING, STATIC, STOPPED, play, play_in_full};

#[test]
fn franz_go_members_come_and_go() {
    play(&COME_AND_GO, &FRANZ_GO);
}

#[test]
fn franz_go_lives_through_everything_else() {
    play_in_full(&[&ROLLING, &STATIC, &KILLED, &STOPPED, &OBEYS], &FRANZ_GO);
}

#[test]
fn sarama_members_come_and_go() {
    play(&COME_AND_GO, &SARAMA);
}

/// Without seek, which Sarama does not have for a member.
#[test]
fn sarama_lives_through_everything_else() {
    play_in_full(&[&ROLLING, &STATIC, &KILLED, &STOPPED], &SARAMA);
}
