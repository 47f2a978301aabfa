//! Offsets that nobody needs any more, and groups that then have nothing left.
//!
//! Every `offsets.retention.check.interval.ms` each group is looked at: an offset goes when its own expiry, or the retention since the
//! moment that its group counts from, has passed; not while a member reads the topic or a transaction has a newer offset pending. An
//! empty group without offsets goes too. A round is cut into calls of bounded work; between two calls the shard serves requests.

use super::super::GroupEffects;
use super::super::hard::Hard;
use super::super::kind::{self, Group};
use super::super::names::GroupId;
use super::super::soft::{Soft, TimerKey};
use super::{Batch, CommittedOffset, soon, tombstone};
use crate::timers::Millis;

/// Offsets and groups looked at in one call.
const LOOKED_AT_MAX: usize = 20_000;

pub(in super::super) fn handle(hard: &Hard, soft: &mut Soft, now: Millis) -> GroupEffects {
    let mut call = Call { now, batch: Batch::default(), looked_at: 0 };
    while let Some(group) = kind::next(hard, soft, soft.offsets.expired_to.as_ref()) {
        if !call.group(hard, soft, &group) {
            soft.timers.set(TimerKey::ExpireOffsets, soon(now));
            return call.batch.effects;
        }
        soft.offsets.expired_to = Some(group);
    }
    soft.offsets.expired_to = None;
    let interval_ms = soft.settings.offsets_retention_check_interval_ms;
    soft.timers.set(TimerKey::ExpireOffsets, Millis(now.0.saturating_add(interval_ms.max(1))));
    call.batch.effects
}

struct Call {
    now: Millis,
    batch: Batch,
    looked_at: usize,
}

impl Call {
    /// Whether the group is done with; else it is looked at again, without what expired by then.
    fn group(&mut self, hard: &Hard, soft: &mut Soft, id: &GroupId) -> bool {
        if self.looked_at >= LOOKED_AT_MAX || self.batch.is_full() {
            return false;
        }
        self.looked_at += 1;
        let Some(found) = kind::find(hard, soft, id) else { return true };
        let retention_ms = soft.settings.offsets_retention_ms;
        let mut nothing_left = found.is_empty() && !hard.offsets.has_pending(id);
        for (topic, offsets) in hard.offsets.group(id.as_str()).into_iter().flat_map(|offsets| offsets.iter()) {
            let subscribed = found.is_subscribed_to(topic);
            for (partition, offset) in offsets.iter() {
                self.looked_at += 1;
                if subscribed || !self.is_expired(found, &offset, retention_ms) || hard.offsets.is_pending(id, topic, partition) {
                    nothing_left = false;
                } else if self.batch.is_full() {
                    return false;
                } else {
                    self.batch.push(tombstone(id, topic, partition));
                }
            }
        }
        if nothing_left {
            self.batch.effects.append(kind::delete(hard, soft, self.now, id));
        }
        true
    }

    fn is_expired(&self, group: Group<'_>, offset: &CommittedOffset<'_>, retention_ms: i64) -> bool {
        // A group in the middle of a rebalance, or with members that nobody can ask for their topics, keeps everything.
        let Some(since) = group.retention_begins(Millis(offset.commit_timestamp_ms)) else { return false };
        match offset.expire_timestamp_ms {
            Some(at) => self.now.0 >= at,
            None => self.now.0.saturating_sub(since.0) >= retention_ms,
        }
    }
}
