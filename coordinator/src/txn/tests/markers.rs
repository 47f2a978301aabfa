//! What becomes of a decision: its completion, repeated, late, or after a reload.

use super::super::*;
use super::harness::*;
use TransactionState::*;

fn decided(world: &mut World, producer: ProducerIdAndEpoch, version: TransactionVersion, committed: bool) -> WriteMarkers {
    world.add(producer, version, &[("a", &[0])]).expect("added");
    world.end(producer, committed, version).expect("decided");
    match world.commands.pop() {
        Some(TxnCommand::WriteMarkers(markers)) => markers,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_completion_that_is_repeated_changes_nothing() {
    for version in [V1, V2] {
        let mut world = World::at(2);
        let first = world.init_new().expect("a producer");
        let markers = decided(&mut world, first, version, true);
        assert!(world.shard.awaits(&markers));
        world.written(&markers);
        assert_eq!(world.state(), CompleteCommit);
        assert!(!world.shard.awaits(&markers), "it is complete");
        let records = world.log.len();
        world.written(&markers);
        assert_eq!((world.state(), world.log.len()), (CompleteCommit, records));
        let next = world.producer();
        world.add(next, version, &[("b", &[0])]).expect("the next transaction");
        world.written(&markers);
        assert_eq!(world.state(), Ongoing);
    }
}

#[test]
fn a_late_completion_does_not_complete_the_next_transaction() {
    // With the older versions both have the same producer, the same outcome, the same partitions, the same millisecond.
    let mut world = World::at(2);
    let first = world.init_new().expect("a producer");
    let late = decided(&mut world, first, V1, true);
    world.written(&late);
    let next = decided(&mut world, first, V1, true);
    assert_eq!(WriteMarkers { decision: late.decision, ..next.clone() }, late);
    world.written(&late);
    assert_eq!(world.state(), PrepareCommit, "its markers are not written");
    world.written(&next);
    assert_eq!(world.state(), CompleteCommit);
}

#[test]
fn a_completion_for_something_else_changes_nothing() {
    let mut world = World::at(2);
    let first = world.init_new().expect("a producer");
    let markers = decided(&mut world, first, V2, true);
    let others = [
        WriteMarkers { transactional_id: "somebody".into(), ..markers.clone() },
        WriteMarkers { producer: first, ..markers.clone() },
        WriteMarkers { producer: producer(9, markers.producer.epoch), ..markers.clone() },
        WriteMarkers { committed: false, ..markers.clone() },
        WriteMarkers { decision: markers.decision + 1, ..markers.clone() },
    ];
    for other in others {
        world.written(&other);
        assert_eq!(world.state(), PrepareCommit, "{other:?}");
    }
    world.written(&markers);
    assert_eq!(world.state(), CompleteCommit);
}

#[test]
fn a_start_asks_again_for_every_decision_that_is_not_complete() {
    for state in TransactionState::ALL {
        let mut world = World::at(2);
        world.put(standing(state, producer(7, 5)));
        world.reload();
        let asked: Vec<_> = world.commands.clone();
        match (&asked[..], state) {
            ([TxnCommand::WriteMarkers(markers)], PrepareCommit | PrepareAbort) => {
                assert_eq!((markers.producer, markers.committed), (producer(7, 5), state == PrepareCommit));
                assert_eq!(markers.partitions, partitions(&[("a", &[0, 1]), ("b", &[7])]));
                world.carry_out();
                assert_eq!(world.state(), if state == PrepareCommit { CompleteCommit } else { CompleteAbort });
            }
            ([], _) => assert!(!state.is_prepared()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_answer_to_the_shards_former_life_does_not_count() {
    let mut world = World::at(2);
    let first = world.init_new().expect("a producer");
    let former = decided(&mut world, first, V1, true);
    world.now = Millis(world.now.0 + 1);
    world.reload();
    assert!(!world.shard.awaits(&former), "nor does anybody wait for its markers");
    world.written(&former);
    assert_eq!(world.state(), PrepareCommit, "the markers are being written again");
    world.carry_out();
    assert_eq!(world.state(), CompleteCommit);
}

#[test]
fn an_abort_of_nothing_is_a_decision_without_partitions() {
    let mut world = World::at(2);
    let first = world.init_new().expect("a producer");
    assert_eq!(world.end(first, false, V2), Ok(Some(producer(101, 1))));
    let written = world.carry_out();
    assert!(written[0].partitions.is_empty());
    assert_eq!((world.state(), world.producer()), (CompleteAbort, producer(101, 1)));
    world.add(producer(101, 1), V2, &[("a", &[0])]).expect("the next transaction");
}
