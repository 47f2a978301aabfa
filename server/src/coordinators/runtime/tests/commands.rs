//! What a shard asks of the world: on its way once its record is written, believed once it is committed.

use super::*;

fn ask(ticket: Ticket, command: &'static str) -> RegisterEffects {
    Effects { commands: vec![command], ..Register::set(ticket, "asked", 1) }
}

impl Story {
    fn asked(&self) -> Vec<&'static str> {
        self.mailbox.0.lock().unwrap().iter().map(|errand| errand.command).collect()
    }

    /// Whether the log has committed what the errand must wait for.
    fn may_be_carried_out(&self, index: usize) -> bool {
        let errands = self.mailbox.0.lock().unwrap();
        errands[index].after.as_ref().is_none_or(|commit| commit.partition.reached(commit.at).unwrap())
    }
}

#[test]
fn a_command_may_be_carried_out_once_its_record_is_committed_and_not_before() {
    let story = Story::new(LogConfig { flush_messages: 1, ..LogConfig::default() }).loaded();
    story.flush();
    let inner = &story.runtime.inner;
    let waiting = inner.submit(&story.cell(), None, |_, _, ticket| ask(ticket, "first")).unwrap();
    assert_eq!(story.asked(), ["first"]);
    assert!(!story.may_be_carried_out(0));
    // Decided without a record of its own, but on the strength of one that is not committed.
    story.runtime.tell(0, 1, |_, _, _| Effects { commands: vec!["second"], ..Effects::default() }).unwrap();
    assert!(!story.may_be_carried_out(1));
    story.flush();
    assert!(story.may_be_carried_out(0) && story.may_be_carried_out(1));
    assert_eq!(story.tokio.block_on(inner.await_reply(&story.cell(), waiting)), Ok(1));
    let errand = story.mailbox.0.lock().unwrap().remove(0);
    assert_eq!((errand.place, errand.leader_epoch), (0, 1), "the coordinator epoch travels with it");
}

#[test]
fn a_command_is_not_lost_with_the_client_that_waits_for_it() {
    let story = Story::new(LogConfig { flush_messages: 1, ..LogConfig::default() }).loaded();
    story.flush();
    let gone = story.tokio.block_on(async {
        let request = story.runtime.run("any", |_, _, ticket| ask(ticket, "first"));
        tokio::time::timeout(Duration::from_millis(1), request).await
    });
    assert!(gone.is_err(), "nothing was flushed: the client goes away without an answer");
    assert_eq!(story.asked(), ["first"]);
    story.flush();
    assert!(story.may_be_carried_out(0));
}

#[test]
fn what_could_not_be_written_asks_for_nothing() {
    let story = Story::new(LogConfig::default()).loaded();
    story.disk.fail_at(story.disk.operations(), Fault::NoSpace);
    assert_eq!(story.run(|_, _, ticket| ask(ticket, "first")), Err(ResponseError::NotCoordinator));
    assert_eq!(story.asked(), [""; 0]);
    story.until_loaded();
    assert_eq!(story.run(|_, _, ticket| ask(ticket, "second")), Ok(1));
    assert_eq!(story.asked(), ["second"]);
}

#[test]
fn what_a_timer_decides_is_asked_for_too() {
    let story = Story::new(LogConfig::default()).loaded();
    let effects = |shard: &mut Register, _: Millis, ticket: Ticket| {
        shard.commands_of_timer = vec!["late"];
        shard.wait(ticket, Millis(2_000))
    };
    let parked = story.runtime.inner.submit(&story.cell(), None, effects).unwrap();
    story.clock.advance(1_000);
    story.runtime.inner.handle_timeouts(&story.cell());
    assert_eq!(story.tokio.block_on(story.runtime.inner.await_reply(&story.cell(), parked)), Ok(2_000));
    assert_eq!(story.asked(), ["late"]);
}

#[test]
fn word_for_a_shard_of_another_leader_epoch_reaches_nobody() {
    let story = Story::new(LogConfig::default()).loaded();
    let tell = |place, leader_epoch| story.runtime.tell(place, leader_epoch, |_, _, ticket| Register::set(ticket, "a", 7));
    for (place, leader_epoch) in [(0, 0), (0, 2), (1, 1), (usize::MAX, 1)] {
        assert_eq!(tell(place, leader_epoch), Err(ResponseError::NotCoordinator), "{place} {leader_epoch}");
    }
    assert_eq!(story.get("a"), Ok(-1));
    assert_eq!(tell(0, 1), Ok(()));
    assert_eq!(story.get("a"), Ok(7));
}
