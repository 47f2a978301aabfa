//! Bugs that can be planted in the world, one for each check, to see the check go red.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    /// A marker says the opposite in one partition.
    WrongMarker,
    /// A partition takes what the coordinator has not allowed.
    NoVerification,
    /// EndTxn of a producer with version 1 may come late: the hole in Kafka's protocol that KIP-890 closes.
    LateEndTxnOfVersion1,
    /// A partition forgets open transactions in a restart.
    ForgottenTransaction,
    /// A marker sender goes on when its shard was loaded anew.
    DeafSender,
    /// A marker is taken for written that is not.
    LostMarker,
    /// The shell never says that the markers are written.
    LostCompletion,
    /// An abort is carried out as a commit.
    OtherDecision,
    /// Producer ids are given twice.
    SameProducerId,
    /// InitProducerId is answered with the epoch before.
    OldEpoch,
    /// Partitions are added whatever the epoch.
    NoFencing,
    /// EndTxn is acknowledged before the append, which fails.
    EarlyAnswer,
    /// The log loses its last record in a reload.
    LostRecord,
    /// EndTxn that had been carried out is refused.
    ForgottenEndTxn,
    /// A reply gets lost in the shell.
    LostReply,
    /// An abort does not reach the group shard.
    GroupsNotTold,
}

impl Plant {
    /// Each with the check that has to find it, by the beginning of what that says.
    pub(crate) const ALL: [(Self, &'static str); 16] = [
        (Self::WrongMarker, "atomic:"),
        (Self::NoVerification, "next transaction:"),
        (Self::LateEndTxnOfVersion1, "next transaction:"),
        (Self::ForgottenTransaction, "last stable offset:"),
        (Self::DeafSender, "atomic:"),
        (Self::LostMarker, "completes:"),
        (Self::LostCompletion, "completes:"),
        (Self::OtherDecision, "decision:"),
        (Self::SameProducerId, "epochs:"),
        (Self::OldEpoch, "epochs:"),
        (Self::NoFencing, "fencing:"),
        (Self::EarlyAnswer, "acknowledged commit:"),
        (Self::LostRecord, "the log gives back the state"),
        (Self::ForgottenEndTxn, "again:"),
        (Self::LostReply, "every request is answered:"),
        (Self::GroupsNotTold, "pending offsets:"),
    ];
}
