//! `uniform`: balanced first, sticky second.
//!
//! When all members want the same topics their loads differ by one at most, and no partition moves that could have stayed. When they
//! do not, loads are balanced topic by topic.

use super::classes::Classes;
use super::{GroupSpec, TargetAssignment, heterogeneous, homogeneous};

pub(super) fn assign(spec: &GroupSpec) -> TargetAssignment {
    let classes = Classes::of(spec);
    match classes.subscriptions.len() {
        0 => TargetAssignment::new(),
        1 => homogeneous::assign(spec, &classes),
        _ => heterogeneous::assign(spec, classes),
    }
}
