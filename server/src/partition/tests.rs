use super::flusher::Flusher;
use super::*;
use ottla_storage::StorageError;
use ottla_storage::batch::BatchBuilder;
use ottla_storage::disk::faulty::{Fault, FaultyDisk};
use ottla_storage::log::OpenOptions;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A leader on a simulated disk. The flusher queues and does nothing: the story flushes when it wants to.
struct Story {
    disk: FaultyDisk,
    flusher: Flusher,
    partition: Arc<Partition>,
}

impl Story {
    fn new(log: LogConfig) -> Self {
        let disk = FaultyDisk::new(1);
        let id = LogId { topic: "t".to_owned(), topic_id: uuid::Uuid::from_u128(7), partition: 0 };
        let config = PartitionConfig { log: Arc::new(log), min_insync_replicas: 1 };
        let (clean, machine_stopped, start) = (true, false, Offset(0));
        let how = OpenOptions { clean, machine_stopped, recovery_point: start, log_start_offset: start, now: Millis(0) };
        let opened = PartitionLog::open(Arc::new(disk.clone()), Path::new("/d"), id.clone(), Arc::clone(&config.log), how);
        let partition = Arc::new(Partition::new(id, opened.unwrap().0, config));
        partition.set_role(Role::Leader { leader_epoch: LeaderEpoch(1), isr: vec![1], replicas: 1 });
        let flusher = Flusher::new();
        flusher.stop();
        Self { disk, flusher, partition }
    }

    fn append(&self, now_ms: i64) -> Result<Appended, PartitionError> {
        let mut batch = BatchBuilder::new();
        batch.push(Millis(now_ms), None, Some(b"v"), &[]);
        self.partition.append(&self.flusher, now_ms, &batch.build().unwrap(), AppendOrigin::Client, true)
    }

    fn complete(&self, plan: FlushPlan, outcome: Result<(), StorageError>) {
        self.partition.complete_flush(&self.flusher, plan, outcome);
    }

    fn flush(&self) {
        let plan = self.partition.prepare_flush().unwrap();
        let outcome = plan.run();
        self.complete(plan, outcome);
    }
}

fn each_message() -> LogConfig {
    LogConfig { flush_messages: 1, ..LogConfig::default() }
}

#[test]
fn a_log_that_fails_with_a_flush_due_ends_the_waits_and_is_not_flushed_again_and_again() {
    let story = Story::new(each_message());
    let waits = story.append(0).unwrap().commit.unwrap();
    let waiter = Waiter::new();
    assert!(story.partition.park(&waiter, waits, 0));
    // The write fails, and so does cutting its torn part off.
    story.disk.fail_from(story.disk.operations(), Fault::Io);
    assert!(matches!(story.append(0), Err(PartitionError::Storage(_))));
    assert!(matches!(story.partition.reached(waits), Err(PartitionError::Offline(_))));
    assert_eq!(story.partition.lock().waiters.len(), 0, "the parked request was woken");
    assert_eq!(story.flusher.queued(), 1);
    story.flush();
    assert_eq!(story.flusher.queued(), 1, "the one from before");
}

#[test]
fn too_few_in_sync_replicas_refuse_before_the_append() {
    let story = Story::new(LogConfig::default());
    let config = PartitionConfig { log: Arc::new(LogConfig::default()), min_insync_replicas: 2 };
    story.partition.reconfigure(config);
    // One replica is all there is: more cannot be in sync.
    assert_eq!(story.append(0).unwrap().info.first_offset, Offset(0));
    story.partition.set_role(Role::Leader { leader_epoch: LeaderEpoch(2), isr: vec![1], replicas: 3 });
    assert!(matches!(story.append(0), Err(PartitionError::NotEnoughReplicas { isr: 1, min_insync_replicas: 2 })));
    story.partition.set_role(Role::Leader { leader_epoch: LeaderEpoch(3), isr: vec![1, 2], replicas: 3 });
    assert_eq!(story.append(0).unwrap().info.first_offset, Offset(1), "nothing was appended before");
}

#[test]
fn what_came_during_a_flush_is_acknowledged_by_the_next_one() {
    let story = Story::new(each_message());
    let first = story.append(0).unwrap().commit.unwrap();
    let plan = story.partition.prepare_flush().unwrap();
    plan.run().unwrap();
    let second = story.append(0).unwrap().commit.unwrap();
    story.complete(plan, Ok(()));
    assert!(story.partition.reached(first).unwrap() && !story.partition.reached(second).unwrap());
    story.flush();
    assert!(story.partition.reached(second).unwrap());
}

#[test]
fn a_flush_that_is_wanted_while_another_runs_comes_after_it() {
    let story = Story::new(each_message());
    story.append(0).unwrap();
    let plan = story.partition.prepare_flush().unwrap();
    let second = story.append(0).unwrap().commit.unwrap();
    let before = story.flusher.queued();
    assert!(story.partition.prepare_flush().is_none(), "a second thread has nothing to do");
    plan.run().unwrap();
    story.complete(plan, Ok(()));
    assert_eq!(story.flusher.queued(), before + 1, "it is queued once more");
    story.flush();
    assert!(story.partition.reached(second).unwrap());
}

#[test]
fn the_age_for_flush_ms_is_that_of_what_the_last_flush_did_not_cover() {
    let story = Story::new(LogConfig { flush_ms: 1000, ..LogConfig::default() });
    let tick = |now_ms| {
        let before = story.flusher.queued();
        story.partition.flush_if_old(&story.flusher, now_ms);
        story.flusher.queued() > before
    };
    story.append(0).unwrap();
    assert!(!tick(999));
    assert!(tick(1000));
    let plan = story.partition.prepare_flush().unwrap();
    plan.run().unwrap();
    story.append(1000).unwrap();
    story.complete(plan, Ok(()));
    assert!(!tick(1999), "the record is not yet a second old");
    assert!(tick(2000));
    story.flush();
    assert!(!tick(9000), "nothing is left to flush");
    story.append(10_000).unwrap();
    assert!(!tick(5000), "the clock jumped back");
    assert!(tick(6000));
}

#[test]
fn a_log_is_not_given_up_while_a_flush_writes_to_its_directory() {
    let story = Story::new(each_message());
    story.append(0).unwrap();
    let plan = story.partition.prepare_flush().unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let retiring = scope.spawn(|| {
            story.partition.retire().unwrap();
            ended.load(Ordering::SeqCst)
        });
        while story.partition.offsets().is_some() {
            std::thread::yield_now();
        }
        plan.run().unwrap();
        ended.store(true, Ordering::SeqCst);
        story.complete(plan, Ok(()));
        assert!(retiring.join().unwrap(), "the flush has ended");
    });
}

#[test]
fn a_reader_that_waits_is_woken_when_the_log_start_offset_moves() {
    let story = Story::new(LogConfig::default());
    story.append(0).unwrap();
    let waiter = Waiter::new();
    let changes = story.partition.lock().changes;
    assert!(story.partition.park(&waiter, WakeAt::AnyChange, changes));
    story.partition.with_log(|log| log.expire_producers(Millis(0)));
    assert_eq!(story.partition.lock().waiters.len(), 1, "nothing has moved");
    story.partition.with_log(|log| log.advance_log_start_offset(Offset(1))).unwrap().unwrap();
    assert_eq!(story.partition.lock().waiters.len(), 0);
    assert!(!story.partition.park(&waiter, WakeAt::AnyChange, changes), "and who read before must not park");
}

#[test]
fn after_a_panic_in_the_middle_of_a_change_the_log_is_not_trusted() {
    let story = Story::new(LogConfig::default());
    story.append(0).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| story.partition.with_log(|_| panic!("a broken invariant"))));
    assert!(panicked.is_err());
    assert!(matches!(story.append(0), Err(PartitionError::Offline(_))));
    assert!(story.partition.retire().unwrap().is_offline());
}
