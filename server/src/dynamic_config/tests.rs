//! Which broker key shows where when it changes at run time: the table of live effects, and that no key is missing from it.

use super::*;
use crate::config::key::{Effect, UpdateMode};
use crate::config::keys::BROKER_KEYS;
use crate::coordinators::settings::group_settings;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::metadata::{ConfigChange, ConfigOperation, ConfigScope, MetadataShard};
use ottla_coordinator::shard::Shard;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where a change shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shows {
    /// In what partitions obey: the registry tells them.
    Partitions,
    /// In what group shards obey: a watcher tells them.
    Groups,
    /// In the bounds of new connections: a watcher tells the admission.
    Connections,
    /// In the next question: whoever needs it reads the current configuration.
    NextQuestion,
    /// At the next start, as the layer above the static settings.
    NextStart,
    /// Nowhere, for it may not become anything else (`Config::may_become`).
    Refused,
}

/// Every broker key with an effect that Kafka lets change at run time, with a value that is not the default.
const LIVE: &[(&str, &str, Shows)] = &[
    ("compression.gzip.level", "9", Shows::NextQuestion),
    ("compression.lz4.level", "1", Shows::NextQuestion),
    ("compression.type", "gzip", Shows::Partitions),
    ("compression.zstd.level", "9", Shows::NextQuestion),
    ("group.consumer.assignment.interval.ms", "5", Shows::Groups),
    ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT", Shows::Refused),
    ("listeners", "PLAINTEXT://localhost:1", Shows::Refused),
    ("log.cleaner.backoff.ms", "5", Shows::NextQuestion),
    ("log.cleaner.dedupe.buffer.size", "5000000", Shows::NextQuestion),
    ("log.cleaner.delete.retention.ms", "5", Shows::Partitions),
    ("log.cleaner.io.buffer.load.factor", "0.5", Shows::NextQuestion),
    ("log.cleaner.io.buffer.size", "5000000", Shows::NextQuestion),
    ("log.cleaner.io.max.bytes.per.second", "5", Shows::NextQuestion),
    ("log.cleaner.max.compaction.lag.ms", "5", Shows::Partitions),
    ("log.cleaner.min.cleanable.ratio", "0.25", Shows::Partitions),
    ("log.cleaner.min.compaction.lag.ms", "5", Shows::Partitions),
    ("log.cleaner.threads", "2", Shows::NextQuestion),
    ("log.cleanup.policy", "compact", Shows::Partitions),
    ("log.flush.interval.messages", "5", Shows::Partitions),
    ("log.flush.interval.ms", "5", Shows::Partitions),
    ("log.index.interval.bytes", "5", Shows::Partitions),
    ("log.index.size.max.bytes", "5000", Shows::Partitions),
    ("log.message.timestamp.after.max.ms", "5", Shows::Partitions),
    ("log.message.timestamp.before.max.ms", "5", Shows::Partitions),
    ("log.message.timestamp.type", "LogAppendTime", Shows::Partitions),
    ("log.preallocate", "true", Shows::NextQuestion),
    ("log.retention.bytes", "5", Shows::Partitions),
    ("log.retention.ms", "5", Shows::Partitions),
    ("log.roll.jitter.ms", "5", Shows::Partitions),
    ("log.roll.ms", "5", Shows::Partitions),
    ("log.segment.bytes", "5000000", Shows::Partitions),
    ("log.segment.delete.delay.ms", "5", Shows::Partitions),
    ("max.connection.creation.rate", "5", Shows::NextQuestion),
    ("max.connections", "5", Shows::Connections),
    ("max.connections.per.ip", "5", Shows::Connections),
    ("max.connections.per.ip.overrides", "127.0.0.9:5", Shows::Connections),
    ("message.max.bytes", "5", Shows::Partitions),
    ("min.insync.replicas", "2", Shows::Partitions),
    ("num.network.threads", "5", Shows::NextStart),
    ("num.recovery.threads.per.data.dir", "4", Shows::NextStart),
    ("producer.id.expiration.ms", "5", Shows::Partitions),
    ("transaction.partition.verification.enable", "false", Shows::NextQuestion),
];

/// A metadata log in which somebody sets one key for all brokers.
fn image_with(name: &str, value: &str) -> MetadataImage {
    struct Anything;
    impl TopicConfigs for Anything {
        fn validate(&self, _resource: &ConfigResource, _configs: &BTreeMap<String, String>) -> Result<(), ApiError> {
            Ok(())
        }
        fn describe(&self, _overrides: &BTreeMap<String, String>) -> Vec<DescribedConfig> {
            Vec::new()
        }
    }
    let mut shard = MetadataShard::new();
    let operations = BTreeMap::from([(name.to_owned(), ConfigOperation::Set(value.to_owned()))]);
    let change = ConfigChange { resource: ConfigResource::cluster_default(), operations };
    let effects = shard.alter_configs(Ticket(0), &[change], ConfigScope::NamedKeys, false, &Anything);
    effects.records.iter().for_each(|record| shard.replay(record));
    shard.image().clone()
}

fn dynamic() -> DynamicConfig {
    let config = Config::builder().properties("", "empty").expect("well formed").build().expect("accepted");
    DynamicConfig::new(Arc::new(config), 1)
}

#[test]
fn every_key_that_changes_at_run_time_has_its_effect_or_says_that_it_has_none() {
    for key in BROKER_KEYS.iter().filter(|key| key.mode != UpdateMode::ReadOnly && key.effect == Effect::Yes) {
        assert!(LIVE.iter().any(|(name, _, _)| *name == key.name), "{} is not in the table of live effects", key.name);
    }
    for (name, value, shows) in LIVE {
        let (_, key) = broker_key(name).expect("a broker key");
        assert_ne!(key.mode, UpdateMode::ReadOnly, "{name}");
        let dynamic = dynamic();
        let before = dynamic.current.load_full();
        let topic = dynamic.partition_config(&MetadataImage::default(), "t");
        let image = image_with(name, value);
        if *shows == Shows::Refused {
            let (new, _) = before.with_dynamic([], [(*name, *value)]);
            assert!(before.may_become(&new).is_err(), "{name}");
            continue;
        }
        dynamic.follow(&image);
        let after = dynamic.current.load_full();
        assert_ne!(before.value(name), after.value(name), "{name}");
        let changed = |what: Shows| match what {
            Shows::Partitions => dynamic.partition_config(&image, "t") != topic,
            Shows::Groups => group_settings(&before) != group_settings(&after),
            Shows::Connections => before.limits() != after.limits(),
            Shows::NextQuestion | Shows::NextStart | Shows::Refused => false,
        };
        for what in [Shows::Partitions, Shows::Groups, Shows::Connections] {
            // The largest message is a matter of partitions and of what coordinators write.
            let also = *name == "message.max.bytes" && what == Shows::Groups;
            assert_eq!(changed(what), what == *shows || also, "{name} in {what:?}");
        }
    }
}

#[test]
fn watchers_hear_of_a_change_and_of_nothing_else() {
    let dynamic = dynamic();
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    dynamic.watch(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let image = image_with("message.max.bytes", "5");
    for (image, expected) in [(&MetadataImage::default(), 1), (&image, 2), (&image, 2), (&MetadataImage::default(), 3)] {
        dynamic.follow(image);
        assert_eq!(told.load(Ordering::SeqCst), expected);
    }
}

#[test]
fn a_setting_that_does_not_fit_is_left_out_and_the_others_count() {
    let dynamic = dynamic();
    dynamic.follow(&image_with("num.partitions", "7"));
    assert_eq!(dynamic.current().num_partitions(), 1, "only at start");
    dynamic.follow(&image_with("message.max.bytes", "x"));
    assert_eq!(dynamic.current().message_max_bytes(), 1_048_588);
}
