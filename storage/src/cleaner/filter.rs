//! What becomes of one batch: whole, with fewer records, without any, or not at all. Kafka's rules.

use super::map::KeyMap;
use super::plan::CleaningPlan;
use super::transactions::Verdict;
use crate::batch::{BatchError, BatchView, Record, Remnant, Retainer, Survey, records};
use crate::{Millis, Offset};

/// See the module.
#[derive(Debug)]
pub(super) struct BatchFilter {
    retainer: Retainer,
    decompress_limit_bytes: usize,
    /// Nobody knows what older values lie in a batch that would not open: no tombstone behind it may go.
    something_unopened: bool,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Filtered {
        kept_count: u64,
        keyless_count: u64,
    },
    /// It would not open: it was copied as it is.
    Unopened,
}

/// Which records stay.
struct Rule<'a> {
    is_control: bool,
    map: &'a KeyMap,
    mapped_to: Offset,
    /// Records without a value stay too.
    keeps_tombstones: bool,
    keyless_count: u64,
}

impl Rule<'_> {
    fn keeps(&mut self, record: &Record<'_>) -> bool {
        if self.is_control || record.offset >= self.mapped_to {
            return true;
        }
        let Some(key) = record.key else {
            self.keyless_count += 1;
            return false;
        };
        let is_newest = self.map.get(key).is_none_or(|newest| record.offset >= newest);
        is_newest && (record.value.is_some() || self.keeps_tombstones)
    }
}

impl BatchFilter {
    pub(super) fn new(decompress_limit_bytes: usize) -> Self {
        Self { retainer: Retainer::default(), decompress_limit_bytes, something_unopened: false }
    }

    pub(super) fn decompress_limit_bytes(&self) -> usize {
        self.decompress_limit_bytes
    }

    /// Appends to `out` what stays of a batch: the `remnant` when no record does.
    #[expect(clippy::too_many_arguments, reason = "a batch is judged by all of these, and by nobody else")]
    pub(super) fn apply(
        &mut self,
        view: &BatchView<'_>,
        verdict: Result<Verdict, BatchError>,
        remnant: Remnant,
        plan: &CleaningPlan,
        map: &KeyMap,
        mapped_to: Offset,
        out: &mut Vec<u8>,
    ) -> Fate {
        let horizon = view.header.has_delete_horizon().then(|| view.header.base_timestamp());
        let has_passed = horizon.is_some_and(|horizon| horizon <= plan.now);
        let is_superfluous = verdict == Ok(Verdict::Superfluous);
        let is_control = view.header.is_control();
        if is_superfluous && (!is_control || has_passed) {
            remnant.write(view, out);
            return Fate::Filtered { kept_count: 0, keyless_count: 0 };
        }
        let mut rule = Rule { is_control, map, mapped_to, keeps_tombstones: !has_passed || self.something_unopened, keyless_count: 0 };
        let may_set_horizon = horizon.is_none().then(|| plan.now.0.checked_add(plan.config.delete_retention_ms).map(Millis)).flatten();
        let before = out.len();
        let filtered = verdict.and_then(|_| {
            let opened = records(view, self.decompress_limit_bytes)?;
            let survey = self.retainer.survey(view, &opened, |record| rule.keeps(record))?;
            let Survey { record_count, kept_count, keeps_tombstone } = survey;
            let new_horizon = may_set_horizon.filter(|_| keeps_tombstone || (is_control && is_superfluous));
            if kept_count == 0 {
                remnant.write(view, out);
            } else if kept_count == record_count && new_horizon.is_none() {
                out.extend_from_slice(view.bytes);
            } else {
                self.retainer.rebuild(view, &opened, new_horizon.or(horizon), out)?;
            }
            Ok(kept_count)
        });
        match filtered {
            Ok(kept_count) => Fate::Filtered { kept_count, keyless_count: rule.keyless_count },
            Err(error) => {
                tracing::warn!(batch = ?view.header, %error, "a batch does not open and is kept as it is");
                out.truncate(before);
                out.extend_from_slice(view.bytes);
                self.something_unopened = true;
                Fate::Unopened
            }
        }
    }
}
