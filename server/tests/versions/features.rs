//! UpdateFeatures. Only what every build says alike: metadata.version has ranges of its own in each.

use super::{Story, Talk, story};
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, FindCoordinatorRequest, GroupId, UpdateFeaturesRequest};
use kafka_protocol::protocol::StrBytes;

pub(super) const STORIES: &[Story] = &[story("feature levels", 0..=2, levels)];

const UPGRADE: i8 = 1;
const SAFE: i8 = 2;
const UNSAFE: i8 = 3;

fn request(talk: &Talk, rows: &[(&'static str, i16, i8)], validate_only: bool) -> UpdateFeaturesRequest {
    let row = |(name, level, upgrade_type): &(&'static str, i16, i8)| {
        let row = FeatureUpdateKey::default().with_feature(StrBytes::from_static_str(name)).with_max_version_level(*level);
        match talk.version {
            0 => row.with_allow_downgrade(*upgrade_type != UPGRADE),
            _ => row.with_upgrade_type(*upgrade_type),
        }
    };
    let request = UpdateFeaturesRequest::default().with_timeout_ms(30_000).with_feature_updates(rows.iter().map(row).collect());
    if talk.version == 0 { request } else { request.with_validate_only(validate_only) }
}

fn levels(talk: &mut Talk) {
    let mut ask = |question: &str, rows: &[(&'static str, i16, i8)], validate_only: bool| {
        let request = request(talk, rows, validate_only);
        talk.ask(question, &request);
    };
    ask("none", &[], true);
    for (name, level, upgrade_type) in [
        ("no.such.feature", 1, UPGRADE),
        ("no.such.feature", 0, UPGRADE),
        ("no.such.feature", 0, SAFE),
        ("", 1, UPGRADE),
        ("group.version", 1, UPGRADE),
        ("group.version", 0, UPGRADE),
        ("group.version", 2, UPGRADE),
        ("group.version", -1, UPGRADE),
        ("transaction.version", 2, UPGRADE),
        ("transaction.version", 1, UPGRADE),
        ("transaction.version", 3, UPGRADE),
        ("eligible.leader.replicas.version", 1, UPGRADE),
        ("eligible.leader.replicas.version", 2, UPGRADE),
        ("metadata.version", -1, UPGRADE),
        ("kraft.version", 0, UPGRADE),
        ("kraft.version", 2, UPGRADE),
        ("kraft.version", -1, UPGRADE),
    ] {
        ask(&format!("{name} to {level}, type {upgrade_type}"), &[(name, level, upgrade_type)], true);
    }
    ask("two good ones", &[("group.version", 1, UPGRADE), ("transaction.version", 2, UPGRADE)], true);
    ask("a good one and a bad one", &[("group.version", 1, UPGRADE), ("transaction.version", 7, UPGRADE)], true);
    if talk.version >= 1 {
        down_and_up(talk);
    }
}

fn down_and_up(talk: &mut Talk) {
    let ask = |talk: &mut Talk, question: &str, rows: &[(&'static str, i16, i8)], validate_only: bool| {
        let request = request(talk, rows, validate_only);
        talk.ask(question, &request);
    };
    for (name, level, upgrade_type) in [
        ("group.version", 1, 0),
        ("group.version", 1, 9),
        ("group.version", 1, SAFE),
        ("group.version", 0, SAFE),
        ("group.version", 0, UNSAFE),
        ("group.version", 2, SAFE),
        ("transaction.version", 1, SAFE),
        ("transaction.version", 0, UNSAFE),
        ("kraft.version", 0, SAFE),
    ] {
        ask(talk, &format!("{name} to {level}, type {upgrade_type}"), &[(name, level, upgrade_type)], true);
    }
    let beat = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(talk.name("g").0))
        .with_member_id(StrBytes::from_static_str("m"))
        .with_member_epoch(5)
        .with_rebalance_timeout_ms(-1);
    ask(talk, "transaction.version down", &[("transaction.version", 1, SAFE)], false);
    ask(talk, "transaction.version not down again", &[("transaction.version", 1, SAFE)], false);
    ask(talk, "transaction.version up", &[("transaction.version", 2, UPGRADE)], false);
    consumer_protocol(talk, &beat, true);
    talk.ask_at(1, "a consumer with group.version 1", &beat);
    ask(talk, "group.version down", &[("group.version", 0, SAFE)], false);
    consumer_protocol(talk, &beat, false);
    talk.ask_at(1, "a consumer with group.version 0", &beat);
    ask(talk, "group.version up", &[("group.version", 1, UPGRADE)], false);
}

/// Asks until the group's coordinator is there, and goes by the new level: Apache Kafka's brokers learn it behind the answer.
fn consumer_protocol(talk: &mut Talk, beat: &ConsumerGroupHeartbeatRequest, enabled: bool) {
    const UNSUPPORTED_VERSION: i16 = 35;
    for _ in 0..5_000 {
        talk.quietly(3, &FindCoordinatorRequest::default().with_key(beat.group_id.0.clone()));
        let code = talk.quietly(1, beat).error_code;
        // Not available, not loaded, not here.
        if !matches!(code, 14..=16) && (code == UNSUPPORTED_VERSION) != enabled {
            return;
        }
    }
    panic!("group.version does not take effect");
}
