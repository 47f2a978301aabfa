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
