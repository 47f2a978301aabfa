//! Records of transactions in a shard's log, and their ends.

use super::*;
use std::sync::atomic::{AtomicI64, Ordering};

const EPOCH: i16 = 3;

fn by(producer_id: i64) -> WrittenBy {
    WrittenBy { producer_id, producer_epoch: EPOCH, check: TransactionCheck::Unchecked }
}

impl Story {
    fn set_in(&self, by: WrittenBy, name: &str, number: i64) -> Result<i64, ResponseError> {
        self.tokio.block_on(self.runtime.run_transactional("any", by, |_, _, ticket| Register::set(ticket, name, number)))
    }

    fn end(&self, producer_id: i64, committed: bool) -> Result<Option<Commit>, ResponseError> {
        end(&self.runtime, producer_id, committed)
    }

    fn is_active(&self) -> bool {
        matches!(self.cell().state.lock().unwrap().phase, Phase::Active(_))
    }
}

fn end(runtime: &Runtime<Register>, producer_id: i64, committed: bool) -> Result<Option<Commit>, ResponseError> {
    runtime.write_marker(0, producer_id, committed, |log| {
        let marker = EndTransactionMarker { committed, coordinator_epoch: 0 };
        let batch = end_transaction_batch(ottla_storage::Millis(0), ProducerId(producer_id), ProducerEpoch(EPOCH), marker, LeaderEpoch(-1));
        let check = TransactionCheck::Marker { transaction_version: 1 };
        let appended = log.append_checked(&runtime.inner.flusher, 0, &batch, AppendOrigin::Coordinator, true, check)?;
        Ok(appended.commit.or(appended.flush))
    })
}

#[test]
fn what_a_transaction_writes_is_answered_at_once_and_counts_from_its_end_on() {
    let story = Story::new(LogConfig::default()).loaded();
    assert_eq!(story.set_in(by(4), "a", 7), Ok(7));
    assert_eq!(story.set_in(by(5), "b", 8), Ok(8));
    assert_eq!([story.get("a"), story.get("b")], [Ok(-1), Ok(-1)]);
    assert!(story.end(4, true).unwrap().is_none() && story.end(5, false).unwrap().is_none());
    assert_eq!([story.get("a"), story.get("b")], [Ok(7), Ok(-1)]);
    let again = Story::on(story.disk.crash_keep_page_cache(), LogConfig::default()).loaded();
    assert_eq!([again.get("a"), again.get("b")], [Ok(7), Ok(-1)]);
}

#[test]
fn a_transaction_that_is_open_when_the_shard_is_loaded_ends_as_its_marker_says() {
    let story = Story::new(LogConfig::default()).loaded();
    story.set_in(by(4), "a", 7).unwrap();
    story.set_in(by(5), "b", 8).unwrap();
    let again = Story::on(story.disk.crash_keep_page_cache(), LogConfig::default()).loaded();
    assert_eq!([again.get("a"), again.get("b")], [Ok(-1), Ok(-1)]);
    again.end(4, true).unwrap();
    again.end(5, false).unwrap();
    assert_eq!([again.get("a"), again.get("b")], [Ok(7), Ok(-1)]);
}

#[test]
fn a_log_larger_than_the_buffer_it_is_loaded_with_is_loaded_whole() {
    let story = Story::new(LogConfig::default()).loaded();
    for (index, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        story.set_in(by(4), name, index as i64).unwrap();
        story.set("between", index as i64).unwrap();
        story.set_in(by(5), name, 99).unwrap();
    }
    story.end(5, false).unwrap();
    story.end(4, true).unwrap();
    let again = Story::reading(story.disk.crash_keep_page_cache(), LogConfig::default(), 1).loaded();
    for (index, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        assert_eq!(again.get(name), Ok(index as i64), "{name}");
    }
}

#[test]
fn a_producer_that_the_log_refuses_harms_nobody_but_itself() {
    let story = Story::new(LogConfig { segment_bytes: 4_096, ..LogConfig::default() }).loaded();
    let parked = story.runtime.inner.submit(&story.cell(), None, |shard, _, ticket| shard.wait(ticket, Millis(2_000))).unwrap();
    story.set_in(by(4), "a", 7).unwrap();
    assert_eq!(
        story.set_in(WrittenBy { producer_epoch: EPOCH - 1, ..by(4) }, "a", 8),
        Err(ResponseError::InvalidProducerEpoch),
        "a zombie"
    );
    let unproven = WrittenBy { check: TransactionCheck::Verified(None), ..by(5) };
    assert_eq!(story.set_in(unproven, "b", 9), Err(ResponseError::InvalidTxnState), "nobody said that it is open");
    let large = "x".repeat(5_000);
    assert_eq!(story.set_in(by(6), &large, 9), Err(ResponseError::UnknownServerError), "larger than a segment");
    assert!(story.is_active(), "nothing is in doubt");
    assert_eq!(story.get("loads"), Ok(1));
    story.clock.advance(1_000);
    story.runtime.inner.handle_timeouts(&story.cell());
    assert_eq!(story.tokio.block_on(story.runtime.inner.await_reply(&story.cell(), parked)), Ok(2_000), "and who waits goes on waiting");
    story.end(4, true).unwrap();
    assert_eq!([story.get("a"), story.get("b")], [Ok(7), Ok(-1)]);
}

#[test]
fn a_disk_that_fails_under_a_transaction_costs_the_shard_a_reload() {
    let story = Story::new(LogConfig::default()).loaded();
    story.disk.fail_at(story.disk.operations(), Fault::NoSpace);
    assert_eq!(story.set_in(by(4), "a", 7), Err(ResponseError::NotCoordinator));
    story.until_loaded();
    assert_eq!(story.get("loads"), Ok(2));
}

#[test]
fn a_marker_that_could_not_be_written_changes_nothing_and_can_be_written_again() {
    let story = Story::new(LogConfig::default()).loaded();
    story.set_in(by(4), "a", 7).unwrap();
    story.disk.fail_at(story.disk.operations(), Fault::NoSpace);
    assert_eq!(story.end(4, true).unwrap_err(), ResponseError::KafkaStorageError);
    story.until_loaded();
    assert_eq!([story.get("a"), story.get("loads")], [Ok(-1), Ok(2)], "read back from the log, where the transaction is open");
    story.end(4, true).unwrap();
    assert_eq!(story.get("a"), Ok(7));
}

#[test]
fn a_marker_finds_no_shard_that_is_not_here_or_still_loads() {
    let story = Story::new(LogConfig::default());
    assert_eq!(story.end(4, true).unwrap_err(), ResponseError::NotCoordinator);
    story.runtime.inner.cells.store(Arc::new(vec![Some(Arc::new(Cell::new(0, 1, Arc::clone(&story.partition))))]));
    assert_eq!(story.end(4, true).unwrap_err(), ResponseError::CoordinatorLoadInProgress);
    assert_eq!(end_of(&story.partition), Some((Offset(0), Offset(0))), "and nothing was written");
    let story = story.loaded();
    story.end(4, true).unwrap();
    assert_eq!(story.get("a"), Ok(-1), "a producer that wrote nothing here");
    story.runtime.stop();
    assert_eq!(story.end(4, true).unwrap_err(), ResponseError::NotCoordinator);
}

#[test]
fn a_marker_is_told_of_once_it_is_committed() {
    let story = Story::new(LogConfig { flush_messages: 1, ..LogConfig::default() }).loaded();
    let inner = &story.runtime.inner;
    let written = inner.submit(&story.cell(), Some(by(4)), |_, _, ticket| Register::set(ticket, "a", 7)).unwrap();
    story.flush();
    let commit = story.end(4, true).unwrap().expect("not committed yet");
    let read = inner.submit(&story.cell(), None, |shard, _, ticket| shard.get(ticket, "a")).unwrap();
    story.tokio.block_on(async {
        let (cell, read) = (story.cell(), async { inner.await_reply(&story.cell(), read).await });
        tokio::pin!(read);
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut read).await.is_err(), "what the marker brought is not told yet");
        assert!(!commit.partition.reached(commit.at).unwrap());
        story.flush();
        assert!(commit.partition.reached(commit.at).unwrap());
        assert_eq!([inner.await_reply(&cell, written).await, read.await], [Ok(7), Ok(7)]);
    });
}

#[test]
fn a_shard_that_is_loaded_again_tells_nothing_that_is_not_committed() {
    let story = Story::new(LogConfig { flush_messages: 1, ..LogConfig::default() }).loaded();
    story.flush();
    let inner = &story.runtime.inner;
    let _written = inner.submit(&story.cell(), None, |_, _, ticket| Register::set(ticket, LOADS_QUIETLY, 7)).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| story.run(|_, _, _| panic!("a bug"))));
    assert!(panicked.is_err());
    assert_eq!(story.get(LOADS_QUIETLY), Err(ResponseError::CoordinatorLoadInProgress));
    story.until_loaded();
    let read = inner.submit(&story.cell(), None, |shard, _, ticket| shard.get(ticket, LOADS_QUIETLY)).unwrap();
    story.tokio.block_on(async {
        let read = async { inner.await_reply(&story.cell(), read).await };
        tokio::pin!(read);
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut read).await.is_err(), "nothing is flushed yet");
        story.flush();
        assert_eq!(read.await, Ok(7));
    });
}

#[test]
fn what_a_busy_shard_holds_is_what_its_log_gives_back() {
    let story = Story::new(LogConfig::default()).loaded();
    let expected: Vec<AtomicI64> = (0..4).map(|_| AtomicI64::new(-1)).collect();
    std::thread::scope(|threads| {
        for (producer, last) in (0i64..).zip(&expected) {
            let runtime = story.runtime.clone();
            threads.spawn(move || {
                let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                for round in 0..100 {
                    let set = |_: &mut Register, _: Millis, ticket| Register::set(ticket, &format!("of {producer}"), round);
                    assert_eq!(tokio.block_on(runtime.run_transactional("any", by(producer), set)), Ok(round));
                    tokio.block_on(runtime.run("any", |_, _, ticket| Register::set(ticket, "shared", round))).unwrap();
                    let committed = (round + producer) % 3 != 0;
                    end(&runtime, producer, committed).unwrap();
                    if committed {
                        last.store(round, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let again = Story::on(story.disk.crash_keep_page_cache(), LogConfig::default()).loaded();
    for (producer, last) in expected.iter().enumerate() {
        let last = last.load(Ordering::Relaxed);
        assert_eq!([story.get(&format!("of {producer}")), again.get(&format!("of {producer}"))], [Ok(last), Ok(last)]);
    }
    assert_eq!(again.get("shared"), story.get("shared"));
}
