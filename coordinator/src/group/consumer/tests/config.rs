//! What is set for one group.

use super::*;

#[test]
fn a_group_has_its_own_times_within_the_brokers_bounds() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 2);
    bed.set_group_config("consumer.heartbeat.interval.ms", "7000");
    bed.set_group_config("consumer.session.timeout.ms", "50000");
    bed.set_group_config("consumer.assignment.interval.ms", "3000");
    assert_eq!(bed.accepted(&join("m1", &["orders"])).heartbeat_interval_ms, 7_000);
    bed.sleep(2_999);
    assert_eq!(bed.accepted(&join("m2", &["orders"])).member_epoch, 2);
    bed.sleep(1);
    assert_eq!(bed.accepted(&beat("m2", 2)).member_epoch, 3);
    bed.sleep(46_999);
    assert_eq!(bed.group().members().len(), 2);
    bed.sleep(1);
    assert_eq!(bed.group().members().len(), 1, "50 s after its only heartbeat");
}

#[test]
fn values_from_before_the_bounds_were_set_are_cut() {
    let mut bed = Bed::new();
    for (value, expected) in [("1", 5_000), ("99999", 15_000), ("9000", 9_000), ("many", 5_000)] {
        bed.set_group_config("consumer.heartbeat.interval.ms", value);
        assert_eq!(bed.accepted(&join("m1", &[])).heartbeat_interval_ms, expected, "{value}");
    }
}

#[test]
fn other_keys_of_the_group_change_nothing() {
    let mut bed = Bed::with(|settings| settings.consumer_heartbeat_interval_ms = 6_000);
    bed.set_group_config("share.session.timeout.ms", "50000");
    assert_eq!(bed.accepted(&join("m1", &[])).heartbeat_interval_ms, 6_000);
}
