//! Offsets that nobody needs any more, and groups that then have nothing left.

use super::super::GroupEffects;
use super::super::hard::Hard;
use super::super::soft::Soft;
use crate::timers::Millis;

pub(in super::super) fn handle(_hard: &Hard, _soft: &mut Soft, _now: Millis) -> GroupEffects {
    GroupEffects::default()
}
