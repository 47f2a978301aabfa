//! What has to be seen now and then, or the lives are too quiet to prove anything.

use std::collections::BTreeMap;

/// Something worth seeing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sight {
    Commit,
    Abort,
    Timeout,
    /// A transaction timed out, and its producer id was used up.
    TimeoutWithNewProducerId,
    /// A producer id gave way to the next.
    Rotation,
    ExpiredId,
    Reload,
    FailedAppend,
    PowerLoss,
    /// A batch or marker that a power loss has taken.
    LostTail,
    DeletedTopic,
    LateRequest,
    /// InitProducerId of a producer that goes on after an error was accepted.
    Resume,
    /// EndTxn was accepted and had been carried out before.
    RepeatedEndTxn,
    FencedProducer,
    /// The transaction before is not complete.
    ConcurrentTransactions,
    /// Verification has found no transaction.
    NotInTransaction,
    /// The coordinator said yes, and by the time of the append that was over.
    TooLateAppend,
    DuplicateBatch,
    RepeatedMarker,
    /// A marker of a replaced coordinator was refused.
    ZombieMarker,
    /// A reader of stable offsets had to wait.
    UnstableOffset,
    /// A new epoch met a transaction that its partition had not heard the end of.
    OpenTransactionOfOlderEpoch,
}

impl Sight {
    pub(crate) const ALL: [Self; 23] = [
        Self::Commit,
        Self::Abort,
        Self::Timeout,
        Self::TimeoutWithNewProducerId,
        Self::Rotation,
        Self::ExpiredId,
        Self::Reload,
        Self::FailedAppend,
        Self::PowerLoss,
        Self::LostTail,
        Self::DeletedTopic,
        Self::LateRequest,
        Self::Resume,
        Self::RepeatedEndTxn,
        Self::FencedProducer,
        Self::ConcurrentTransactions,
        Self::NotInTransaction,
        Self::TooLateAppend,
        Self::DuplicateBatch,
        Self::RepeatedMarker,
        Self::ZombieMarker,
        Self::UnstableOffset,
        Self::OpenTransactionOfOlderEpoch,
    ];
}

/// How often each was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sights(BTreeMap<Sight, u64>);

impl Sights {
    pub(crate) fn see(&mut self, sight: Sight) {
        *self.0.entry(sight).or_default() += 1;
    }

    pub(crate) fn count(&self, sight: Sight) -> u64 {
        self.0.get(&sight).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(sight, count)| *self.0.entry(*sight).or_default() += count);
    }
}
