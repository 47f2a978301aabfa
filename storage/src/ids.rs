//! The numbers of this room, each its own type where mixing them would be a silent bug.

use std::fmt;
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

number!(
    /// The number of a record in its partition. Half-open bounds are the custom: a `log_end_offset` is the *next* offset.
    Offset(i64)
);
number!(
    /// The leader epoch of a partition; -1 means unknown.
    LeaderEpoch(i32)
);
number!(
    /// The id of an idempotent producer; -1 means none.
    ProducerId(i64)
);
number!(
    /// The epoch of a producer id; -1 means none.
    ProducerEpoch(i16)
);
number!(
    /// The sequence number of a producer's record in a partition; -1 means none. Wraps from `i32::MAX` to 0.
    Sequence(i32)
);
number!(
    /// Milliseconds: an instant since the Unix epoch, always passed in by the caller.
    Millis(i64)
);

impl Offset {
    /// The offset `count` records further on.
    #[must_use]
    pub fn plus(self, count: i64) -> Self {
        Self(self.0 + count)
    }

    /// How many offsets lie between `earlier` and `self`.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

/// Names one log: the topic's id is its identity, the name only names the directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogId {
    /// Topic name, already validated as a Kafka topic name.
    pub topic: String,
    /// Topic id (KIP-516), written to `partition.metadata`.
    pub topic_id: Uuid,
    /// Partition number.
    pub partition: i32,
}

impl LogId {
    /// Kafka's directory name, `<topic>-<partition>`.
    #[must_use]
    pub fn directory_name(&self) -> String {
        format!("{}-{}", self.topic, self.partition)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Kafka's text of an id: 22 characters of URL-safe base64 without padding.
#[must_use]
pub fn uuid_to_text(id: Uuid) -> String {
    let bits = id.as_u128();
    let digit = |bits: u128| char::from(BASE64_URL[(bits & 63) as usize]);
    (1..=21).map(|n| digit(bits >> (128 - 6 * n))).chain([digit(bits << 4)]).collect()
}

/// Reads Kafka's text of an id, with or without padding; `None` when it is none.
#[must_use]
pub fn uuid_from_text(text: &str) -> Option<Uuid> {
    let digits = text.strip_suffix("==").unwrap_or(text).as_bytes();
    let (last, first) = digits.split_last()?;
    if first.len() != 21 {
        return None;
    }
    let value = |byte: &u8| BASE64_URL.iter().position(|digit| digit == byte).map(|at| at as u128);
    let mut bits = 0;
    for byte in first {
        bits = bits << 6 | value(byte)?;
    }
    // 128 bits are 21 digits and two bits; what remains of the last digit carries nothing.
    Some(Uuid::from_u128(bits << 2 | value(last)? >> 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_kafka_prints_it() {
        assert_eq!(uuid_to_text(Uuid::from_u128(1)), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(uuid_to_text(Uuid::from_u128(u128::MAX)), "_____________________w");
        for text in ["vtclvgVVRQ2kF99Lld6_Fw", "MvPK-asNn7HIyzmpH3xHZg", "8Zse4M6WSiW20NYEuxNfRA"] {
            assert_eq!(uuid_from_text(text).map(uuid_to_text).as_deref(), Some(text));
            assert_eq!(uuid_from_text(&format!("{text}==")), uuid_from_text(text));
        }
        assert_eq!(uuid_from_text("8Zse4M6WSiW20NYEuxNfRA"), Uuid::parse_str("f19b1ee0-ce96-4a25-b6d0-d604bb135f44").ok());
    }

    #[test]
    fn a_text_that_is_no_id_is_refused() {
        for text in
            ["", "=", "==", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAA+AAAAAAAAQ", "AAAAAAAAAAAAAAAAAAAA\u{e4}"]
        {
            assert_eq!(uuid_from_text(text), None, "{text:?}");
        }
    }
}
