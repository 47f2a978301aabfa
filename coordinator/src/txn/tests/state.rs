//! The transition table.

use super::super::TransactionState::{self, *};

/// Kafka's table of valid previous states, without the two states that are never in a log.
const LEGAL: [(TransactionState, &[TransactionState]); 6] = [
    (Empty, &[Empty, CompleteCommit, CompleteAbort]),
    (Ongoing, &[Ongoing, Empty, CompleteCommit, CompleteAbort]),
    (PrepareCommit, &[Ongoing]),
    (PrepareAbort, &[Ongoing, Empty, CompleteCommit, CompleteAbort]),
    (CompleteCommit, &[PrepareCommit]),
    (CompleteAbort, &[PrepareAbort]),
];

#[test]
fn only_transitions_of_the_table_are_legal() {
    for (to, previous) in LEGAL {
        for from in TransactionState::ALL {
            assert_eq!(from.may_become(to), previous.contains(&from), "{from:?} -> {to:?}");
        }
    }
}

#[test]
fn only_states_without_a_transaction_may_expire() {
    let may_expire: Vec<_> = TransactionState::ALL.into_iter().filter(|state| state.may_expire()).collect();
    assert_eq!(may_expire, [Empty, CompleteCommit, CompleteAbort]);
}

#[test]
fn numbers_and_names_lead_back() {
    for state in TransactionState::ALL {
        assert_eq!(TransactionState::from_id(state.id()), Some(state));
        assert_eq!(TransactionState::from_name(state.name()), Some(state));
    }
    assert_eq!([-1, 6, 7].map(TransactionState::from_id), [None; 3]);
}
