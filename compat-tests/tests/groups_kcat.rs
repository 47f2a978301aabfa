//! Groups of kcats, as Debian ships it: `kcat -G`.

use compat_tests::group::client::KCAT;
use compat_tests::group::stories::{COME_AND_GO, KILLED, ROLLING, STATIC, STOPPED, play, play_in_full};

#[test]
fn kcats_come_and_go() {
    play(&COME_AND_GO, &KCAT);
}

#[test]
fn kcat_lives_through_everything_else() {
    play_in_full(&[&ROLLING, &STATIC, &KILLED, &STOPPED], &KCAT);
}
