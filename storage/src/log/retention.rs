//! Which segments may go at time `now`: a pure choice, oldest first.

use super::LogConfig;
use crate::{Millis, Offset};

/// What retention needs to know of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) size_bytes: u64,
    /// Largest timestamp; when no record has one, the time this process has known the segment.
    pub(super) largest_timestamp: Millis,
    /// Base offset of the next segment; `None` for the active one.
    pub(super) next_base_offset: Option<Offset>,
}

/// How the log stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) log_start_offset: Offset,
    pub(super) high_watermark: Offset,
    pub(super) log_end_offset: Offset,
}

/// How many of the oldest segments go, as Kafka decides it: first those below the log start offset whatever the policy, then by
/// size, then by age. Nothing goes that reaches the high watermark or beyond, and no empty active segment.
pub(super) fn deletable_count(segments: &[Candidate], standing: Standing, config: &LogConfig, now: Millis) -> usize {
    let may_go = |segment: &Candidate| {
        let end = segment.next_base_offset.unwrap_or(standing.log_end_offset);
        let is_empty_active = segment.next_base_offset.is_none() && segment.size_bytes == 0;
        standing.high_watermark >= end && !is_empty_active
    };
    let below_start = |segment: &Candidate| segment.next_base_offset.is_some_and(|next| next <= standing.log_start_offset);
    let mut count = segments.iter().take_while(|segment| may_go(segment) && below_start(segment)).count();
    if !config.cleanup_policy.delete {
        return count;
    }
    if let Ok(limit) = u64::try_from(config.retention_bytes) {
        let total: u64 = segments[count..].iter().map(|segment| segment.size_bytes).sum();
        if let Some(mut surplus) = total.checked_sub(limit) {
            for segment in &segments[count..] {
                if !may_go(segment) || segment.size_bytes > surplus {
                    break;
                }
                surplus -= segment.size_bytes;
                count += 1;
            }
        }
    }
    if config.retention_ms >= 0 {
        let is_old = |segment: &Candidate| now.0.saturating_sub(segment.largest_timestamp.0) > config.retention_ms;
        count += segments[count..].iter().take_while(|segment| may_go(segment) && is_old(segment)).count();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::CleanupPolicy;

    /// Four segments of 100 offsets, 1000 bytes and one timestamp each; the last is active.
    fn four() -> Vec<Candidate> {
        (1..=4)
            .map(|number| Candidate {
                size_bytes: 1000,
                largest_timestamp: Millis(number * 1000),
                next_base_offset: (number < 4).then_some(Offset(number * 100)),
            })
            .collect()
    }

    const STANDING: Standing = Standing { log_start_offset: Offset(0), high_watermark: Offset(400), log_end_offset: Offset(400) };

    fn keep_all() -> LogConfig {
        LogConfig { retention_ms: -1, retention_bytes: -1, ..LogConfig::default() }
    }

    #[test]
    fn without_limits_only_what_lies_below_the_log_start_goes() {
        assert_eq!(deletable_count(&four(), STANDING, &keep_all(), Millis(i64::MAX)), 0);
        let standing = Standing { log_start_offset: Offset(250), ..STANDING };
        assert_eq!(deletable_count(&four(), standing, &keep_all(), Millis(0)), 2);
        let compacted = LogConfig { cleanup_policy: CleanupPolicy { delete: false, compact: true }, retention_ms: 0, ..keep_all() };
        assert_eq!(deletable_count(&four(), standing, &compacted, Millis(i64::MAX)), 2);
    }

    #[test]
    fn by_age_even_the_active_segment_goes() {
        let config = LogConfig { retention_ms: 1500, ..keep_all() };
        assert_eq!(deletable_count(&four(), STANDING, &config, Millis(2500)), 0);
        assert_eq!(deletable_count(&four(), STANDING, &config, Millis(4000)), 2);
        assert_eq!(deletable_count(&four(), STANDING, &config, Millis(9999)), 4);
    }

    #[test]
    fn by_size_a_segment_goes_only_when_the_rest_is_still_large_enough() {
        let config = LogConfig { retention_bytes: 2500, ..keep_all() };
        assert_eq!(deletable_count(&four(), STANDING, &config, Millis(0)), 1);
        let config = LogConfig { retention_bytes: 0, ..keep_all() };
        assert_eq!(deletable_count(&four(), STANDING, &config, Millis(0)), 4);
    }

    #[test]
    fn nothing_goes_that_is_not_committed() {
        let config = LogConfig { retention_ms: 0, ..keep_all() };
        let standing = Standing { high_watermark: Offset(299), ..STANDING };
        assert_eq!(deletable_count(&four(), standing, &config, Millis(i64::MAX)), 2);
    }

    #[test]
    fn an_empty_active_segment_stays() {
        let mut segments = four();
        segments[3].size_bytes = 0;
        let config = LogConfig { retention_ms: 0, retention_bytes: 0, ..LogConfig::default() };
        assert_eq!(deletable_count(&segments, STANDING, &config, Millis(i64::MAX)), 3);
    }
}
