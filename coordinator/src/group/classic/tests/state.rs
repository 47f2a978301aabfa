//! The transition table.

use super::super::state::{STATES, TRANSITIONS};
use super::super::{ClassicGroup, ClassicState};
use crate::timers::Millis;

#[test]
fn only_transitions_of_the_table_are_legal() {
    for from in STATES {
        for to in STATES {
            let legal = match (from, to) {
                (ClassicState::Dead, _) => false,
                (_, ClassicState::Dead) => true,
                (ClassicState::PreparingRebalance, to) => matches!(to, ClassicState::Empty | ClassicState::CompletingRebalance),
                (ClassicState::CompletingRebalance, ClassicState::Stable) => true,
                (_, to) => to == ClassicState::PreparingRebalance,
            };
            assert_eq!(from.may_become(to), legal, "{from:?} -> {to:?}");
        }
    }
    assert_eq!(TRANSITIONS.iter().filter(|(_, to)| *to == ClassicState::Dead).count(), 4);
}

#[test]
#[should_panic(expected = "cannot become")]
fn an_empty_group_does_not_become_stable() {
    ClassicGroup::empty(Millis(0)).become_state(Millis(1), ClassicState::Stable);
}
