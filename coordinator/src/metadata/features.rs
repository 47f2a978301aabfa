//! The names of the features, and the levels Ottla writes into a new log and can run at.

use super::records::SupportedFeature;

/// What the records of the log may look like.
pub const METADATA_VERSION: &str = "metadata.version";
/// The raft protocol of the metadata quorum; its level is a control record, never a feature record.
pub const KRAFT_VERSION: &str = "kraft.version";
/// The group protocol of KIP-848.
pub const GROUP_VERSION: &str = "group.version";
/// The transaction protocol of KIP-890.
pub const TRANSACTION_VERSION: &str = "transaction.version";
/// Eligible leader replicas, KIP-966.
pub const ELIGIBLE_LEADER_REPLICAS_VERSION: &str = "eligible.leader.replicas.version";

/// The lowest metadata.version whose log we run on: 4.0-IV0.
pub const MIN_METADATA_VERSION: i16 = 22;
/// The metadata.version of a new log and the highest we run on: 4.1-IV1, the last of Apache Kafka 4.1.
pub const MAX_METADATA_VERSION: i16 = 27;

/// The metadata versions we know whose records an older one cannot hold (eligible leader replicas): no way back across them.
pub(super) const METADATA_VERSIONS_THAT_CHANGED_RECORDS: [i16; 1] = [23];

/// The feature levels of a new log, in the order Kafka writes them: metadata.version first, then by name.
pub const BOOTSTRAP_LEVELS: [(&str, i16); 4] =
    [(METADATA_VERSION, MAX_METADATA_VERSION), (ELIGIBLE_LEADER_REPLICAS_VERSION, 1), (GROUP_VERSION, 1), (TRANSACTION_VERSION, 2)];

/// The ranges a broker of this build registers with and ApiVersions reports, by name.
#[must_use]
pub fn supported() -> Vec<SupportedFeature> {
    let range = |name: &str, min, max| SupportedFeature { name: name.to_owned(), min, max };
    vec![
        range(ELIGIBLE_LEADER_REPLICAS_VERSION, 0, 1),
        range(GROUP_VERSION, 0, 1),
        range(KRAFT_VERSION, 0, 1),
        range(METADATA_VERSION, MIN_METADATA_VERSION, MAX_METADATA_VERSION),
        range(TRANSACTION_VERSION, 0, 2),
    ]
}
