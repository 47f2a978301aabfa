//! The only place that decides the high watermark: the smallest log end offset over the in-sync replicas.
//!
//! Today the in-sync replicas are this broker alone. Its own contribution is the log end offset, unless a flush must precede the
//! acknowledgement (`flush.messages`): then it is what has been flushed.

use ottla_storage::Offset;

/// What this broker contributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub(super) log_end_offset: Offset,
    /// Everything below is on stable storage.
    pub(super) flushed: Offset,
    /// A flush must finish before anything at or above `flushed` may be acknowledged.
    pub(super) flush_due: bool,
}

/// The high watermark after `current`: never lower than it was.
pub(super) fn decide(current: Offset, own: Own, other_isr_ends: impl IntoIterator<Item = Offset>) -> Offset {
    let mine = if own.flush_due { own.flushed } else { own.log_end_offset };
    other_isr_ends.into_iter().fold(mine, Offset::min).max(current)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Own = Own { log_end_offset: Offset(10), flushed: Offset(4), flush_due: false };

    #[test]
    fn alone_it_is_the_log_end_and_a_due_flush_holds_it_back() {
        assert_eq!(decide(Offset(0), OWN, []), Offset(10));
        assert_eq!(decide(Offset(0), Own { flush_due: true, ..OWN }, []), Offset(4));
    }

    #[test]
    fn the_slowest_in_sync_replica_decides_and_it_never_falls() {
        assert_eq!(decide(Offset(0), OWN, [Offset(7), Offset(12)]), Offset(7));
        assert_eq!(decide(Offset(8), OWN, [Offset(7)]), Offset(8));
    }
}
