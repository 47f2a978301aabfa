//! The target assignment: what each member should end up with, computed for the whole group at once.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The assignor with the most votes. Where Kafka leaves a tie to the order of a hash map, the last name wins here.
pub(in crate::group) fn preferred_assignor(votes: &BTreeMap<Arc<str>, usize>) -> Option<&str> {
    votes.iter().max_by_key(|(_, count)| **count).map(|(name, _)| &**name)
}
