//! What goes wrong next: picked by the seed.

use crate::rng::Rng;
use std::time::Duration;

/// One fault. Copiers are meant by their seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The broker dies and comes back.
    KillBroker,
    /// So many times its recovery dies as well.
    KillBrokerAndRecovery(u32),
    /// The broker stands still.
    PauseBroker(Duration),
    /// A copier dies; its next life begins at once.
    KillCopier(usize),
    /// A copier dies in its next transaction, after it has written copies and offsets and before it commits.
    CutOff(usize),
    /// A copier stands still, and goes on later as if nothing had happened.
    PauseCopier(usize, Duration),
    /// A copier's next life begins while this one goes on.
    UsurpCopier(usize),
}

/// Picks a fault. `long` is longer than sessions and transactions live.
pub(super) fn next(rng: &mut Rng, seats: usize, long: Duration) -> Fault {
    let seat = rng.below(seats as u64) as usize;
    let part = |rng: &mut Rng, whole: Duration| Duration::from_millis(20 + rng.below(whole.as_millis() as u64));
    match rng.below(100) {
        0..38 => Fault::KillBroker,
        38..44 => Fault::KillBrokerAndRecovery(1 + rng.below(3) as u32),
        44..56 => Fault::PauseBroker(part(rng, long / 4)),
        56..66 => Fault::KillCopier(seat),
        66..74 => Fault::CutOff(seat),
        74..80 => Fault::PauseCopier(seat, part(rng, long / 4)),
        80..90 => Fault::PauseCopier(seat, part(rng, long)),
        _ => Fault::UsurpCopier(seat),
    }
}
