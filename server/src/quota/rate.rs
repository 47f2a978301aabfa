//! How fast something goes, and how long to wait until it went slowly enough: Kafka's sampled rate and its token bucket.
//!
//! Pure: time is a number that is passed in. The figures are Kafka's to the millisecond (`golden/trace.txt` was written by its own classes),
//! because what a client is throttled by is seen by its users.

/// Into how many samples the time that counts is cut, and how long each of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// `quota.window.num`: the whole ones and the one that runs.
    pub(crate) samples: usize,
    /// `quota.window.size.seconds`.
    pub(crate) sample_ms: i64,
}

impl Window {
    fn span_ms(self) -> i64 {
        i64::try_from(self.samples).unwrap_or(i64::MAX).saturating_mul(self.sample_ms)
    }

    fn span_seconds(self) -> f64 {
        self.samples as f64 * (self.sample_ms as f64 / 1000.0)
    }
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    value: f64,
    began_ms: i64,
    last_ms: i64,
}

impl Sample {
    fn new(now_ms: i64) -> Self {
        Self { value: 0.0, began_ms: now_ms, last_ms: now_ms }
    }
}

/// A sum over the samples of a window, by the time they span. A sample begins with the first event after the one before is over, so a
/// quiet time between two is part of the span.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate {
    samples: Vec<Sample>,
    current: usize,
}

impl Rate {
    /// Notes `value` at `now_ms`; a negative one takes back what was noted.
    pub(crate) fn record(&mut self, window: Window, value: f64, now_ms: i64) {
        if self.samples.is_empty() {
            self.samples.push(Sample::new(now_ms));
        }
        if self.samples.get(self.current).is_some_and(|sample| now_ms - sample.began_ms >= window.sample_ms) {
            // One more than the window has: the oldest may overlap with its beginning.
            self.current = (self.current + 1) % (window.samples + 1);
            match self.samples.get_mut(self.current) {
                Some(sample) => *sample = Sample::new(now_ms),
                None => self.samples.push(Sample::new(now_ms)),
            }
        }
        if let Some(sample) = self.samples.get_mut(self.current) {
            sample.value += value;
            sample.last_ms = now_ms;
        }
    }

    /// A second.
    pub(crate) fn measure(&mut self, window: Window, now_ms: i64) -> f64 {
        let span_ms = self.span_ms(window, now_ms);
        let sum: f64 = self.samples.iter().map(|sample| sample.value).sum();
        sum / (span_ms as f64 / 1000.0)
    }

    /// How long nothing may come so that the rate is `bound` again; 0 when it is not above.
    pub(crate) fn throttle_ms(&mut self, window: Window, bound: f64, now_ms: i64) -> i64 {
        let rate = self.measure(window, now_ms);
        if rate <= bound {
            return 0;
        }
        round((rate - bound) / bound * self.span_ms(window, now_ms) as f64)
    }

    /// From the oldest sample to now, but no less than all samples before the one that runs: else the first bytes of a client would be
    /// an enormous rate.
    fn span_ms(&mut self, window: Window, now_ms: i64) -> i64 {
        for sample in &mut self.samples {
            if now_ms - sample.last_ms >= window.span_ms() {
                *sample = Sample::new(now_ms);
            }
        }
        if self.samples.is_empty() {
            self.samples.push(Sample::new(now_ms));
        }
        let oldest = self.samples.iter().map(|sample| sample.began_ms).min().unwrap_or(now_ms);
        let seen_ms = now_ms - oldest;
        let (whole, wanted) = (seen_ms / window.sample_ms, i64::try_from(window.samples).unwrap_or(i64::MAX) - 1);
        let missing_ms = if whole < wanted { (wanted - whole).saturating_mul(window.sample_ms) } else { 0 };
        seen_ms.saturating_add(missing_ms).max(1)
    }
}

/// Tokens that come back at the quota's rate, up to what the whole window is worth. May be overdrawn by the last one who took some.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenBucket {
    tokens: f64,
    /// The epoch at first, so that a new bucket is full.
    filled_ms: i64,
}

impl TokenBucket {
    /// How long to wait until the bucket is not overdrawn; 0 when it is not.
    pub(crate) fn throttle_ms(&mut self, window: Window, bound: f64, now_ms: i64) -> i64 {
        self.refill(window, bound, now_ms);
        if self.tokens < 0.0 { round(-self.tokens / bound * 1000.0) } else { 0 }
    }

    /// Takes `count` tokens, whether they are there or not.
    pub(crate) fn take(&mut self, window: Window, bound: f64, count: f64, now_ms: i64) {
        let burst = self.refill(window, bound, now_ms);
        self.tokens = burst.min(self.tokens - count);
    }

    fn refill(&mut self, window: Window, bound: f64, now_ms: i64) -> f64 {
        let burst = window.span_seconds() * bound;
        self.tokens = burst.min(self.tokens + bound * ((now_ms - self.filled_ms) as f64 / 1000.0));
        self.filled_ms = now_ms;
        burst
    }
}

/// To the nearest, halves up; what is no number is 0.
fn round(value: f64) -> i64 {
    let whole = value.floor();
    if value - whole >= 0.5 { (whole + 1.0) as i64 } else { whole as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { samples: 11, sample_ms: 1000 };

    #[test]
    fn the_first_bytes_are_spread_over_the_whole_samples() {
        let mut rate = Rate::default();
        rate.record(WINDOW, 1000.0, 5_000);
        assert_eq!(rate.throttle_ms(WINDOW, 100.0, 5_000), 0);
        rate.record(WINDOW, 500.0, 5_000);
        // 1,500 bytes in ten seconds are 150 a second; at 100 a second they take five seconds more.
        assert_eq!(rate.throttle_ms(WINDOW, 100.0, 5_000), 5_000);
        // Samples that have not been count as if they had: waiting shows only when the first is old.
        assert_eq!(rate.throttle_ms(WINDOW, 100.0, 10_000), 5_000);
        assert_eq!(rate.throttle_ms(WINDOW, 100.0, 15_500), 4_500);
        assert_eq!(rate.throttle_ms(WINDOW, 100.0, 16_000), 0);
    }

    #[test]
    fn what_was_taken_back_never_was() {
        let mut rate = Rate::default();
        rate.record(WINDOW, 10_000.0, 0);
        rate.record(WINDOW, -10_000.0, 0);
        assert_eq!(rate.throttle_ms(WINDOW, 1.0, 0), 0);
    }

    #[test]
    fn a_window_later_everything_is_forgotten() {
        let mut rate = Rate::default();
        rate.record(WINDOW, 1e9, 0);
        assert!(rate.throttle_ms(WINDOW, 1.0, 10_999) > 0);
        assert_eq!(rate.throttle_ms(WINDOW, 1.0, 11_000), 0);
    }

    #[test]
    fn a_new_bucket_is_full_and_may_be_overdrawn_once() {
        let mut bucket = TokenBucket::default();
        let now_ms = 1_700_000_000_000;
        assert_eq!(bucket.throttle_ms(WINDOW, 2.0, now_ms), 0);
        bucket.take(WINDOW, 2.0, 30.0, now_ms);
        // It held 22, so 8 are missing, and two come each second.
        assert_eq!(bucket.throttle_ms(WINDOW, 2.0, now_ms), 4_000);
        assert_eq!(bucket.throttle_ms(WINDOW, 2.0, now_ms + 4_000), 0);
    }

    #[test]
    fn a_quota_that_is_no_number_throttles_nobody() {
        let mut rate = Rate::default();
        rate.record(WINDOW, 1.0, 0);
        assert_eq!(rate.throttle_ms(WINDOW, f64::NAN, 0), 0);
        let mut bucket = TokenBucket::default();
        bucket.take(WINDOW, f64::NAN, 1.0, 0);
        assert_eq!(bucket.throttle_ms(WINDOW, f64::NAN, 0), 0);
    }

    /// Each line: what was asked at which time, and what Kafka's own classes said.
    #[test]
    fn the_figures_are_kafkas() {
        let (mut rate, mut bucket, mut window, mut bound) = (Rate::default(), TokenBucket::default(), WINDOW, 0.0);
        for (at, line) in include_str!("golden/trace.txt").lines().enumerate() {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| words[at].parse::<f64>().expect("a number");
            let whole = |at: usize| words[at].parse::<i64>().expect("a whole number");
            match words[0] {
                "#" => {}
                "new" => {
                    (rate, bucket) = (Rate::default(), TokenBucket::default());
                    window = Window { samples: usize::try_from(whole(1)).expect("a count"), sample_ms: whole(2) };
                    bound = number(3);
                }
                "bound" => bound = number(1),
                "rate" => {
                    rate.record(window, number(2), whole(1));
                    assert_eq!(rate.throttle_ms(window, bound, whole(1)), whole(3), "line {}: {line}", at + 1);
                    assert_eq!(rate.measure(window, whole(1)).to_bits(), number(4).to_bits(), "line {}: {line}", at + 1);
                }
                "back" => rate.record(window, -number(2), whole(1)),
                "strict" => {
                    let throttle_ms = bucket.throttle_ms(window, bound, whole(1));
                    if throttle_ms == 0 {
                        bucket.take(window, bound, number(2), whole(1));
                    }
                    assert_eq!(throttle_ms, whole(3), "line {}: {line}", at + 1);
                }
                "lenient" => {
                    bucket.take(window, bound, number(2), whole(1));
                    assert_eq!(bucket.throttle_ms(window, bound, whole(1)), whole(3), "line {}: {line}", at + 1);
                }
                other => panic!("line {}: {other}", at + 1),
            }
        }
    }
}
