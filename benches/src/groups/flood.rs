//! Requests at full speed: one in flight on each of the first connections of a pool, encoded beforehand.

use super::pool::Pool;
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

/// When to stop sending.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After so many requests in all.
    Count(u64),
    /// After this time.
    Elapsed(Duration),
}

/// One connection's next request, made from the one before.
pub type Renew<'a> = dyn FnMut(usize, &mut Vec<u8>) -> Result<()> + 'a;

/// Looks at an answer of a connection.
pub type Check<'a> = dyn FnMut(usize, &[u8]) -> Result<()> + 'a;

/// Sends and checks until it is time to stop and all answers are there; how many went through.
///
/// `renew` is called before each request of a connection, `check` with each answer.
pub fn flood(pool: &mut Pool, requests: &mut [Vec<u8>], until: Until, renew: &mut Renew<'_>, check: &mut Check<'_>) -> Result<u64> {
    ensure!(requests.len() <= pool.len(), "{} connections are too few", pool.len());
    let deadline = match until {
        Until::Elapsed(span) => Some(Instant::now() + span),
        Until::Count(_) => None,
    };
    let goes_on = |sent: u64| match until {
        Until::Count(count) => sent < count,
        Until::Elapsed(_) => deadline.is_none_or(|deadline| Instant::now() < deadline),
    };
    let (mut sent, mut answered) = (0, 0);
    for (number, request) in requests.iter_mut().enumerate() {
        if goes_on(sent) {
            renew(number, request)?;
            pool.send(number, request)?;
            sent += 1;
        }
    }
    while answered < sent {
        let number = pool.wait()?;
        answered += 1;
        check(number, pool.answer(number)).with_context(|| format!("answer {answered}, on connection {number}"))?;
        if goes_on(sent) {
            renew(number, &mut requests[number])?;
            pool.send(number, &mut requests[number])?;
            sent += 1;
        }
    }
    Ok(answered)
}

/// Accepts an answer that is, correlation id apart, the same as an earlier one that was found right.
#[derive(Debug, Default)]
pub struct SameAsBefore(Vec<u8>);

impl SameAsBefore {
    /// Calls `thorough` only where the bytes differ from the last answer it approved of.
    pub fn check(&mut self, answer: &[u8], thorough: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        let body = answer.get(4..).context("an answer without a header")?;
        if self.0 != body {
            thorough(answer)?;
            self.0.clear();
            self.0.extend_from_slice(body);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_answers_are_looked_at() {
        let mut same = SameAsBefore::default();
        let mut looks = 0;
        for answer in [b"0001ok", b"0002ok", b"0003OK", b"0004OK"] {
            same.check(answer, |_| {
                looks += 1;
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(looks, 2);
        assert!(same.check(b"0005no", |_| anyhow::bail!("no")).is_err());
        assert!(same.check(b"0006no", |_| anyhow::bail!("no")).is_err(), "what was refused stays refused");
    }
}
