//! InitProducerId: new ids, resuming, fencing, epochs that are used up; and one transaction from beginning to end.

use super::super::*;
use super::harness::*;

#[test]
fn a_new_id_gets_a_fresh_producer_id_at_epoch_0() {
    let mut world = World::at(2);
    assert_eq!(world.init_new(), Ok(producer(101, 0)));
    assert_eq!(world.init_new(), Ok(producer(101, 1)));
}

#[test]
fn a_transaction_from_beginning_to_end() {
    for (version, next) in [(V1, producer(101, 0)), (V2, producer(101, 1))] {
        let mut world = World::at(2);
        let first = world.init_new().expect("a producer");
        assert_eq!(world.add(first, version, &[("a", &[0, 1])]), Ok(()));
        let answered = world.end(first, true, version).expect("ended");
        assert_eq!(answered, version.supports_epoch_bump().then_some(next));
        let written = world.carry_out();
        assert_eq!((written[0].producer, written[0].committed), (next, true));
        assert_eq!((world.state(), world.producer()), (TransactionState::CompleteCommit, next));
        assert_eq!(world.init_new(), Ok(producer(101, next.epoch + 1)));
    }
}
