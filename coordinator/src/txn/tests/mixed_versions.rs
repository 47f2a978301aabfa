//! Producers of both transaction versions under one transactional id, as in a rolling upgrade.

use super::harness::*;
use kafka_protocol::ResponseError;

#[test]
fn a_replaced_producer_is_not_taken_for_its_successor_of_an_older_version() {
    for (committed, lie) in [(true, true), (false, false)] {
        let mut world = World::at(2);
        let zombie = world.init_new().expect("the first");
        let successor = world.init_new().expect("the next epoch");
        assert_eq!(successor, producer(zombie.id, zombie.epoch + 1));
        world.add(successor, V1, &[("orders", &[0])]).expect("the producer");
        world.end(successor, committed, V1).expect("the producer");
        world.carry_out();
        assert_eq!(world.end(zombie, lie, V2), Err(ResponseError::ProducerFenced), "it ended nothing");
    }
}
