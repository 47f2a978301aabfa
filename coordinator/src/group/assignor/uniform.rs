//! `uniform`: balanced first, sticky second.
//!
//! When all members want the same topics their loads differ by one at most, and no partition moves that could have stayed. When they
//! do not, loads are balanced topic by topic.

use super::{GroupSpec, TargetAssignment, heterogeneous, homogeneous};

pub(super) fn assign(spec: &GroupSpec) -> TargetAssignment {
    if spec.members.is_empty() {
        return TargetAssignment::new();
    }
    match spec.common_subscription() {
        Some(_) => homogeneous::assign(spec),
        None => heterogeneous::assign(spec),
    }
}
