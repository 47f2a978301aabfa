//! What a transaction coordinator obeys of the broker's configuration; keys and defaults are Kafka's.

/// The keys that rules need. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnSettings {
    /// `transaction.max.timeout.ms`
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`
    pub id_expiration_ms: i64,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`
    pub expire_ids_interval_ms: i64,
    /// `transaction.two.phase.commit.enable` (KIP-939)
    pub two_phase_commit_enabled: bool,
    /// `message.max.bytes`: what a record may take.
    pub message_max_bytes: usize,
}

impl Default for TxnSettings {
    fn default() -> Self {
        Self {
            max_timeout_ms: 900_000,
            id_expiration_ms: 604_800_000,
            expire_ids_interval_ms: 3_600_000,
            two_phase_commit_enabled: false,
            message_max_bytes: 1_048_588,
        }
    }
}
