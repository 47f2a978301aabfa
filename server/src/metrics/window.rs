//! The last minutes: what was counted some time ago, so that quantiles and idle shares tell of now and not of the whole run.
//!
//! A copy is kept each minute, five of them. Only buckets that are not empty are copied.

use super::Watched;
use super::requests::{Times, times_of};
use crate::clock::Stopwatch;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often a copy is made.
pub(super) const STEP: Duration = Duration::from_secs(60);
const KEPT: usize = 5;

/// The copies, oldest first.
#[derive(Debug, Default)]
pub(super) struct Window(Mutex<VecDeque<Past>>);

/// What was so at one moment.
#[derive(Debug)]
struct Past {
    at: Stopwatch,
    busy: Vec<Duration>,
    times: BTreeMap<i16, Times>,
}

/// What is to be compared with now.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Times by API.
    pub(super) times: BTreeMap<i16, Times>,
    /// Share of the time since then that each reactor waited for something to do, from 0 to 1.
    pub(super) idle: Vec<f64>,
}

fn busy_of(watched: &Watched) -> Vec<Duration> {
    watched.reactors.iter().map(|reactor| reactor.metrics().worker_total_busy_duration(0)).collect()
}

impl Window {
    /// Makes a copy.
    pub(super) fn note(&self, watched: &Watched) {
        let past = Past { at: Stopwatch::start(), busy: busy_of(watched), times: times_of(&watched.tallies) };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(past);
    }

    /// What is to be compared with now.
    pub(super) fn before(&self, watched: &Watched) -> Before {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(past) = kept.front() else { return Before::default() };
        let passed = past.at.elapsed().as_secs_f64().max(f64::EPSILON);
        let now = busy_of(watched);
        let idle = now.iter().zip(&past.busy).map(|(now, then)| (1.0 - now.saturating_sub(*then).as_secs_f64() / passed).clamp(0.0, 1.0));
        Before { idle: idle.collect(), times: past.times.clone() }
    }
}
