//! The states of a transactional id and the legal transitions between them (Kafka's `TransactionState`).
//!
//! | from \ to | Empty | Ongoing | PrepareCommit | PrepareAbort | CompleteCommit | CompleteAbort | gone |
//! |---|---|---|---|---|---|---|---|
//! | (new) | InitProducerId | | | | | | |
//! | Empty | InitProducerId | add partitions | | EndTxn abort (v2) | | | expired |
//! | Ongoing | | add partitions | EndTxn | EndTxn, timeout, fencing | | | |
//! | PrepareCommit | | | | | markers written | | |
//! | PrepareAbort | | | | | | markers written | |
//! | CompleteCommit | InitProducerId | add partitions | | EndTxn abort (v2) | | | expired |
//! | CompleteAbort | InitProducerId | add partitions | | EndTxn abort (v2) | | | expired |

/// The state of a transactional id, with Kafka's number in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransactionState {
    /// A producer, and nothing written since.
    #[default]
    Empty,
    /// Partitions were added.
    Ongoing,
    /// Decided: commit. Markers are being written.
    PrepareCommit,
    /// Decided: abort. Markers are being written.
    PrepareAbort,
    /// Committed everywhere.
    CompleteCommit,
    /// Aborted everywhere.
    CompleteAbort,
}

impl TransactionState {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Empty, Self::Ongoing, Self::PrepareCommit, Self::PrepareAbort, Self::CompleteCommit, Self::CompleteAbort];

    /// The state with this number; 6 (`Dead`) and 7 (`PrepareEpochFence`) are never in a log.
    #[must_use]
    pub fn from_id(id: i8) -> Option<Self> {
        Self::ALL.get(usize::try_from(id).ok()?).copied()
    }

    /// The number in records.
    #[must_use]
    pub fn id(self) -> i8 {
        match self {
            Self::Empty => 0,
            Self::Ongoing => 1,
            Self::PrepareCommit => 2,
            Self::PrepareAbort => 3,
            Self::CompleteCommit => 4,
            Self::CompleteAbort => 5,
        }
    }

    /// The name in DescribeTransactions and ListTransactions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Nobody loses anything when the id is forgotten.
    #[must_use]
    pub fn may_expire(self) -> bool {
        matches!(self, Self::Empty | Self::CompleteCommit | Self::CompleteAbort)
    }

    /// Decided, and its markers are not all written.
    #[must_use]
    pub fn is_prepared(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }

    /// The table above.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        match next {
            Self::Empty => matches!(self, Self::Empty | Self::CompleteCommit | Self::CompleteAbort),
            Self::Ongoing => !self.is_prepared(),
            Self::PrepareCommit => self == Self::Ongoing,
            Self::PrepareAbort => !self.is_prepared(),
            Self::CompleteCommit => self == Self::PrepareCommit,
            Self::CompleteAbort => self == Self::PrepareAbort,
        }
    }
}
