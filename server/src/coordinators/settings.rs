//! The broker's configuration as shards want it.

use crate::config::Config;
use ottla_coordinator::group::{GroupSettings, MigrationPolicy};
use ottla_coordinator::txn::TxnSettings;

/// What group shards obey. Keys that may change while the broker runs are read anew each time this is called.
#[must_use]
pub(crate) fn group_settings(config: &Config) -> GroupSettings {
    GroupSettings {
        min_session_timeout_ms: config.group_min_session_timeout_ms(),
        max_session_timeout_ms: config.group_max_session_timeout_ms(),
        initial_rebalance_delay_ms: config.group_initial_rebalance_delay_ms(),
        max_size: config.group_max_size(),
        message_max_bytes: config.message_max_bytes() as usize,
        consumer_protocol_enabled: config.group_consumer_protocol_enabled(),
        consumer_session_timeout_ms: config.group_consumer_session_timeout_ms(),
        consumer_min_session_timeout_ms: config.group_consumer_min_session_timeout_ms(),
        consumer_max_session_timeout_ms: config.group_consumer_max_session_timeout_ms(),
        consumer_heartbeat_interval_ms: config.group_consumer_heartbeat_interval_ms(),
        consumer_min_heartbeat_interval_ms: config.group_consumer_min_heartbeat_interval_ms(),
        consumer_max_heartbeat_interval_ms: config.group_consumer_max_heartbeat_interval_ms(),
        consumer_assignment_interval_ms: config.group_consumer_assignment_interval_ms(),
        consumer_min_assignment_interval_ms: config.group_consumer_min_assignment_interval_ms(),
        consumer_max_assignment_interval_ms: config.group_consumer_max_assignment_interval_ms(),
        consumer_max_size: config.group_consumer_max_size(),
        consumer_assignors: config.group_consumer_assignors(),
        consumer_migration_policy: migration_policy(config.group_consumer_migration_policy()),
        consumer_regex_refresh_interval_ms: config.group_consumer_regex_refresh_interval_ms(),
        offset_metadata_max_bytes: config.offset_metadata_max_bytes(),
        offsets_retention_ms: config.offsets_retention_minutes() * 60_000,
        offsets_retention_check_interval_ms: config.offsets_retention_check_interval_ms(),
    }
}

/// What transaction shards obey.
#[must_use]
pub(crate) fn txn_settings(config: &Config) -> TxnSettings {
    TxnSettings {
        max_timeout_ms: config.transaction_max_timeout_ms(),
        id_expiration_ms: config.transactional_id_expiration_ms(),
        expire_ids_interval_ms: config.transaction_remove_expired_interval_ms(),
        two_phase_commit_enabled: config.transaction_two_phase_commit_enable(),
        message_max_bytes: config.message_max_bytes() as usize,
    }
}

/// The table of keys lets only these words in, in any case.
fn migration_policy(word: &str) -> MigrationPolicy {
    match word.to_ascii_lowercase().as_str() {
        "disabled" => MigrationPolicy::Disabled,
        "downgrade" => MigrationPolicy::Downgrade,
        "upgrade" => MigrationPolicy::Upgrade,
        _ => MigrationPolicy::Bidirectional,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_defaults_are_the_defaults_of_the_rules() {
        // Without a file the first rebalance does not wait.
        let config = Config::builder().properties("", "empty.properties").expect("well formed").build().expect("accepted");
        assert_eq!(group_settings(&config), GroupSettings::default());
        assert_eq!(group_settings(&Config::default()).initial_rebalance_delay_ms, 0);
    }

    #[test]
    fn what_is_set_reaches_the_rules() {
        let config = Config::builder()
            .set("group.consumer.migration.policy", "UpGrade", "--override")
            .set("group.coordinator.rebalance.protocols", "classic", "--override")
            .set("group.consumer.assignors", "org.apache.kafka.coordinator.group.assignor.RangeAssignor", "--override")
            .set("offsets.retention.minutes", "2", "--override")
            .build()
            .expect("accepted");
        let settings = group_settings(&config);
        assert_eq!(settings.consumer_migration_policy, MigrationPolicy::Upgrade);
        assert!(!settings.consumer_protocol_enabled);
        assert_eq!((settings.consumer_assignors.as_slice(), settings.offsets_retention_ms), (&["range".to_owned()][..], 120_000));
    }
}
