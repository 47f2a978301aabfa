//! The offsets that say what a log holds and who may see how much of it. Kept and asserted here:
//!
//! `log start offset <= last stable offset <= high watermark <= log end offset`

use crate::Offset;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offsets {
    log_start: Offset,
    high_watermark: Offset,
    log_end: Offset,
    /// First offset of the oldest transaction that is open, or whose marker is not below the high watermark.
    first_unstable: Option<Offset>,
}

impl Offsets {
    /// A log just opened: nothing is known to be committed.
    pub(super) fn new(log_start: Offset, log_end: Offset, first_unstable: Option<Offset>) -> Self {
        let offsets = Self { log_start, high_watermark: log_start, log_end, first_unstable };
        offsets.checked()
    }

    fn checked(self) -> Self {
        assert!(self.log_start.0 >= 0, "the log start offset is not negative: {self:?}");
        assert!(self.log_start <= self.last_stable(), "the log start offset is not above the last stable offset: {self:?}");
        assert!(self.last_stable() <= self.high_watermark, "the last stable offset is not above the high watermark: {self:?}");
        assert!(self.high_watermark <= self.log_end, "the high watermark is not above the log end offset: {self:?}");
        self
    }

    pub(super) fn log_start(&self) -> Offset {
        self.log_start
    }

    pub(super) fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    pub(super) fn log_end(&self) -> Offset {
        self.log_end
    }

    /// The first unstable offset, not below the log start offset.
    pub(super) fn first_unstable(&self) -> Option<Offset> {
        self.first_unstable.map(|offset| offset.max(self.log_start))
    }

    pub(super) fn last_stable(&self) -> Offset {
        self.first_unstable().map_or(self.high_watermark, |offset| offset.min(self.high_watermark))
    }

    /// Records were appended.
    pub(super) fn append(&mut self, log_end: Offset, first_unstable: Option<Offset>) {
        assert!(log_end >= self.log_end, "appends only add");
        self.log_end = log_end;
        self.first_unstable = first_unstable;
        *self = self.checked();
    }

    /// Moves the high watermark forward, as far as there is a log; false when it stays.
    pub(super) fn raise_high_watermark(&mut self, offset: Offset) -> bool {
        let raised = offset.min(self.log_end).max(self.high_watermark);
        let moved = raised != self.high_watermark;
        self.high_watermark = raised;
        *self = self.checked();
        moved
    }

    pub(super) fn set_first_unstable(&mut self, first_unstable: Option<Offset>) {
        self.first_unstable = first_unstable;
        *self = self.checked();
    }

    /// Moves the log start offset forward; the caller has seen to it that it stays below the high watermark.
    pub(super) fn raise_log_start(&mut self, offset: Offset, first_unstable: Option<Offset>) {
        assert!(offset >= self.log_start, "the log start offset only rises");
        self.log_start = offset;
        self.first_unstable = first_unstable;
        *self = self.checked();
    }

    /// The end was cut off.
    pub(super) fn truncate(&mut self, log_end: Offset, first_unstable: Option<Offset>) {
        assert!(log_end <= self.log_end, "truncation only removes");
        self.log_end = log_end;
        self.log_start = self.log_start.min(log_end);
        self.high_watermark = self.high_watermark.min(log_end);
        self.first_unstable = first_unstable;
        *self = self.checked();
    }

    /// Everything was removed; the log begins anew.
    pub(super) fn restart(&mut self, at: Offset) {
        *self = Self::new(at, at, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_transaction_holds_the_last_stable_offset_back() {
        let mut offsets = Offsets::new(Offset(5), Offset(10), None);
        assert!(offsets.raise_high_watermark(Offset(10)));
        assert_eq!(offsets.last_stable(), Offset(10));
        offsets.append(Offset(20), Some(Offset(12)));
        assert!(offsets.raise_high_watermark(Offset(15)));
        assert_eq!(offsets.last_stable(), Offset(12));
        offsets.set_first_unstable(None);
        assert_eq!(offsets.last_stable(), Offset(15));
    }

    #[test]
    fn the_high_watermark_never_goes_back_nor_beyond_the_log_end() {
        let mut offsets = Offsets::new(Offset(0), Offset(10), None);
        assert!(offsets.raise_high_watermark(Offset(99)));
        assert_eq!(offsets.high_watermark(), Offset(10));
        assert!(!offsets.raise_high_watermark(Offset(3)));
        offsets.truncate(Offset(4), None);
        assert_eq!((offsets.high_watermark(), offsets.log_end()), (Offset(4), Offset(4)));
    }

    #[test]
    #[should_panic(expected = "not above the last stable offset")]
    fn the_log_start_offset_may_not_pass_the_high_watermark() {
        Offsets::new(Offset(0), Offset(10), None).raise_log_start(Offset(1), None);
    }
}
