//! What a start after a kill had to check, the next start need not check again.

use crate::kit::{Batch, FetchOne, GatedDisk, Kit, PATIENCE};
use std::time::Instant;

const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";

fn recovery_point(kit: &Kit) -> Option<String> {
    let text = std::fs::read_to_string(kit.data().join(RECOVERY_POINTS)).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("t 0 ").map(str::to_owned))
}

#[test]
fn after_a_kill_what_was_checked_is_made_durable_while_clients_are_served() {
    let disk = GatedDisk::before("t-0");
    let mut kit = Kit::gated("", &disk);
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let value = "x".repeat(400_000);
    for _ in 0..3 {
        client.produce("t", 0, &Batch::of(&[&value]));
    }
    kit.kill();
    assert_ne!(recovery_point(&kit).as_deref(), Some("3"), "nothing was flushed yet");

    let before = disk.syncs();
    disk.shut();
    kit.try_start().expect("a broker");
    disk.until_waiting(1);
    let mut client = kit.connect();
    assert_eq!(client.produce("t", 0, &Batch::of(&["served meanwhile"])), 3);
    assert_eq!(client.fetch("t", 0, &FetchOne::from(3)).error_code, 0);
    disk.open();
    let began = Instant::now();
    while recovery_point(&kit).as_deref() != Some("3") {
        assert!(began.elapsed() < PATIENCE, "the recovery point is {:?}", recovery_point(&kit));
        std::thread::yield_now();
    }
    assert_eq!(disk.syncs() - before, 1, "one sync for all of it");
    kit.kill_and_restart();
    assert_eq!(kit.connect().values("t", 0).len(), 4);
}
