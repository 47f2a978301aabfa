//! The tables' own facts.

use super::super::Config;
use super::super::key::{Effect, KeyDef, UpdateMode};
use super::super::topic::inherited_value;
use super::super::value::Value;
use super::*;

fn tables() -> [(&'static str, &'static [KeyDef]); 4] {
    [("broker", BROKER_KEYS), ("topic", TOPIC_KEYS), ("group", GROUP_KEYS), ("dynamic only", DYNAMIC_ONLY_KEYS)]
}

#[test]
fn every_table_is_sorted_and_names_nothing_twice() {
    for (table, keys) in tables() {
        for pair in keys.windows(2) {
            assert!(pair[0].name < pair[1].name, "{table}: {} must come before {}", pair[1].name, pair[0].name);
        }
    }
}

#[test]
fn every_default_is_a_valid_value_of_its_own_key_in_canonical_form() {
    for (table, keys) in tables() {
        for key in keys {
            let Some(default) = key.default else { continue };
            let value = Value::parse(key, default).unwrap_or_else(|problem| panic!("{table} {}: {problem:?}", key.name));
            assert_eq!(value.text().as_deref(), Some(default), "{table} {}", key.name);
        }
    }
}

#[test]
fn every_key_is_documented_in_one_line() {
    for (table, keys) in tables() {
        for key in keys {
            assert!(!key.text.is_empty() && !key.text.contains('\n'), "{table} {}", key.name);
            let sentence = key.text.ends_with('.') && key.text.starts_with(|c: char| c.is_ascii_uppercase() || c == '`');
            assert_eq!(sentence, key.effect != Effect::No, "{table} {}: {}", key.name, key.text);
        }
    }
}

#[test]
fn topic_and_group_keys_fall_back_to_broker_keys_that_exist() {
    for key in TOPIC_KEYS.iter().chain(GROUP_KEYS) {
        for synonym in key.synonyms {
            assert!(broker_key(synonym.name).is_some(), "{} falls back to {}", key.name, synonym.name);
        }
    }
}

#[test]
fn an_unset_topic_or_group_key_has_its_own_default_when_the_broker_says_nothing() {
    let untouched = Config::builder().properties("", "empty").and_then(|builder| builder.build()).expect("accepted");
    for key in TOPIC_KEYS.iter().chain(GROUP_KEYS) {
        assert_eq!(inherited_value(&untouched, key).text().as_deref(), key.default, "{}", key.name);
    }
}

#[test]
fn the_counts_are_those_of_kafka_4_3_1() {
    assert_eq!(BROKER_KEYS.iter().filter(|key| !key.name.starts_with("ottla.")).count(), 360);
    assert_eq!(BROKER_KEYS.iter().filter(|key| key.mode != UpdateMode::ReadOnly).count(), 99);
    assert_eq!(TOPIC_KEYS.len(), 34);
    assert_eq!(GROUP_KEYS.len(), 17);
}

#[test]
fn a_key_is_found_by_its_name_and_only_by_it() {
    for (index, key) in BROKER_KEYS.iter().enumerate() {
        assert_eq!(broker_key(key.name).map(|(at, _)| at), Some(index));
    }
    assert!(broker_key("num.partition").is_none());
    assert_eq!(topic_key("segment.bytes").map(|key| key.name), Some("segment.bytes"));
    assert!(topic_key("log.segment.bytes").is_none());
    assert!(group_key("consumer.session.timeout.ms").is_some());
}
