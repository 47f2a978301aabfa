//! The names and numbers of cluster metadata, each its own type where mixing them would be a silent bug.

use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! kafka_uuid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&uuid_text(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), uuid_text(self.0))
            }
        }

        impl FromStr for $name {
            type Err = InvalidUuid;

            fn from_str(text: &str) -> Result<Self, InvalidUuid> {
                parse_uuid(text).map(Self)
            }
        }
    };
}

number!(
    /// The node id of a broker.
    BrokerId(i32)
);
number!(
    /// The epoch of one registration of a broker: the offset of its registration record; -1 means unknown.
    BrokerEpoch(i64)
);
number!(
    /// Counts the elections of a partition; -1 means unknown.
    LeaderEpoch(i32)
);
number!(
    /// Counts every change of a partition's registration.
    PartitionEpoch(i32)
);
kafka_uuid!(
    /// The identity of a topic (KIP-516); its name is only a label.
    TopicId
);
kafka_uuid!(
    /// The identity of a log directory (KIP-858).
    DirectoryId
);
kafka_uuid!(
    /// Names one run of a broker process.
    IncarnationId
);

impl BrokerId {
    /// Stands where a partition has no leader.
    pub const NONE: Self = Self(-1);
}

impl TopicId {
    /// The topic id of `__cluster_metadata`.
    pub const CLUSTER_METADATA: Self = Self(Uuid::from_u128(1));

    /// Whether this is the zero id, which names no topic.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_nil()
    }
}

impl DirectoryId {
    /// The replica's directory was not recorded yet by a cluster older than KIP-858.
    pub const MIGRATING: Self = Self(Uuid::from_u128(0));
    /// The broker has not chosen a directory yet.
    pub const UNASSIGNED: Self = Self(Uuid::from_u128(1));
    /// The directory is offline and unknown.
    pub const LOST: Self = Self(Uuid::from_u128(2));

    /// Whether a replica here can be served by a broker with these online directories. Of one that nobody has said where it is, or of a
    /// broker that has not said which directories it has, the best is believed.
    #[must_use]
    pub fn is_online_among(self, log_dirs: &[Self]) -> bool {
        match self {
            Self::UNASSIGNED | Self::MIGRATING => true,
            Self::LOST => false,
            directory => log_dirs.is_empty() || log_dirs.contains(&directory),
        }
    }

    /// Whether this id stands for a state rather than a directory.
    #[must_use]
    pub fn is_reserved(self) -> bool {
        self.0.as_u128() < 100
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Kafka's text for a UUID: 22 characters of URL-safe base64 without padding.
#[must_use]
pub fn uuid_text(uuid: Uuid) -> String {
    // 16 bytes are 21 full characters and one that carries the last two bits.
    let bits = uuid.as_u128();
    (0..22u32)
        .map(|i| {
            let slot = if i < 21 { bits >> (128 - 6 * (i + 1)) } else { bits << 4 };
            char::from(ALPHABET[(slot & 0x3f) as usize])
        })
        .collect()
}

/// The text is not a UUID in Kafka's base64 form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a UUID of 22 URL-safe base64 characters")]
pub struct InvalidUuid(String);

/// Reads Kafka's text for a UUID.
///
/// # Errors
/// The text has another length or another alphabet.
pub fn parse_uuid(text: &str) -> Result<Uuid, InvalidUuid> {
    let invalid = || InvalidUuid(text.chars().take(64).collect());
    if text.len() != 22 {
        return Err(invalid());
    }
    let mut bits = 0u128;
    for (i, c) in text.bytes().enumerate() {
        let value = ALPHABET.iter().position(|a| *a == c).ok_or_else(invalid)? as u128;
        bits = if i < 21 { bits << 6 | value } else { bits << 2 | value >> 4 };
    }
    Ok(Uuid::from_u128(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_reads_back_from_kafkas_text() {
        // The id of __cluster_metadata and one that Kafka's storage tool printed.
        assert_eq!(TopicId::CLUSTER_METADATA.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!("AAAAAAAAAAAAAAAAAAAAAQ".parse(), Ok(TopicId::CLUSTER_METADATA));
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210] {
            let uuid = Uuid::from_u128(bits);
            assert_eq!(parse_uuid(&uuid_text(uuid)), Ok(uuid));
        }
        assert_eq!("q1Sh-9_ISia_zwGINzRvyQ".parse::<TopicId>().map(|id| id.to_string()), Ok("q1Sh-9_ISia_zwGINzRvyQ".to_owned()));
        assert!(parse_uuid("too-short").is_err());
        assert!(parse_uuid("q1Sh-9/ISia_zwGINzRvyQ").is_err());
    }
}
