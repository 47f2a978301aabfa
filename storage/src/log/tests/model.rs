//! A log against the simplest thing that could be one: a list of batches. Random lives, printed when they go wrong.

use proptest::prelude::*;

use super::*;

/// One thing that happens to a log.
#[derive(Clone, Debug)]
enum Event {
    Append { count: i32, padding: usize },
    Idempotent { id: i64, repeat: bool },
    Transaction { id: i64, committed: bool },
    Roll,
    NewEpoch,
    Truncate { back: i64 },
    DeleteRecords { forward: i64 },
    Retention,
    Flush,
    CleanRestart,
    Kill,
    LoseCompanions { which: usize },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (1..6_i32, 0..80_usize).prop_map(|(count, padding)| Event::Append { count, padding }),
        4 => (1..4_i64, any::<bool>()).prop_map(|(id, repeat)| Event::Idempotent { id, repeat }),
        3 => (10..13_i64, any::<bool>()).prop_map(|(id, committed)| Event::Transaction { id, committed }),
        1 => Just(Event::Roll),
        1 => Just(Event::NewEpoch),
        2 => (0..12_i64).prop_map(|back| Event::Truncate { back }),
        1 => (0..9_i64).prop_map(|forward| Event::DeleteRecords { forward }),
        1 => Just(Event::Retention),
        1 => Just(Event::Flush),
        2 => Just(Event::CleanRestart),
        2 => Just(Event::Kill),
        1 => any::<usize>().prop_map(|which| Event::LoseCompanions { which }),
    ]
}

/// A batch as the model remembers it, in the bytes that the log must give back.
#[derive(Clone, Debug)]
struct Kept {
    header: BatchHeader,
    bytes: Vec<u8>,
    timestamps: Vec<i64>,
    /// Set for an abort marker that ended a transaction: its first offset.
    aborted_from: Option<Offset>,
}

struct Life {
    house: House,
    log: PartitionLog,
    kept: Vec<Kept>,
    log_start: Offset,
    epoch: i32,
    clock: i64,
    recovery_point: Offset,
}

impl Life {
    fn begin() -> Self {
        let house = House::small(600);
        let log = house.open();
        Self { house, log, kept: Vec::new(), log_start: Offset(0), epoch: 0, clock: NOW.0, recovery_point: Offset(0) }
    }

    fn end(&self) -> Offset {
        self.kept.last().map_or(self.log_start, |kept| kept.header.next_offset())
    }

    fn append(&mut self, bytes: &[u8], timestamps: Vec<i64>, origin: AppendOrigin) -> AppendInfo {
        let mut header = BatchHeader::read(bytes).expect("a batch");
        header.set_base_offset(self.end());
        header.set_partition_leader_epoch(LeaderEpoch(self.epoch));
        let info = self.log.append_as_leader(Millis(self.clock), bytes, LeaderEpoch(self.epoch), origin).expect("appended");
        if !info.duplicate {
            assert_eq!((info.first_offset, info.last_offset), (header.base_offset(), header.last_offset()));
            let bytes = [header.as_bytes().as_slice(), &bytes[header.as_bytes().len()..]].concat();
            self.kept.push(Kept { header, bytes, timestamps, aborted_from: None });
        }
        self.log.set_high_watermark(self.log.log_end_offset());
        info
    }

    /// Next sequence of a producer, and its newest batch, by looking at what is kept.
    fn sequence(&self, id: i64) -> (i32, Option<&Kept>) {
        let newest = self.kept.iter().rev().find(|kept| kept.header.producer_id().0 == id && !kept.header.is_control());
        (newest.map_or(0, |kept| kept.header.last_sequence().0 + 1), newest)
    }

    fn open_transaction(&self, id: i64) -> Option<Offset> {
        let mut first = None;
        for kept in self.kept.iter().filter(|kept| kept.header.producer_id().0 == id) {
            first = if kept.header.is_control() { None } else { first.or(Some(kept.header.base_offset())) };
        }
        first
    }

    fn live(&mut self, event: Event) {
        self.clock += 7;
        match event {
            Event::Append { count, padding } => {
                let mut builder = BatchBuilder::new();
                let timestamps: Vec<i64> = (0..count).map(|n| self.clock + (i64::from(n) * 31) % 17 - 8).collect();
                for timestamp in &timestamps {
                    builder.push(Millis(*timestamp), None, Some(&vec![b'p'; padding]), &[]);
                }
                self.append(&builder.build().expect("built"), timestamps, AppendOrigin::Client);
            }
            Event::Idempotent { id, repeat } => {
                let (sequence, newest) = self.sequence(id);
                match newest.filter(|_| repeat) {
                    Some(kept) => {
                        let (header, mut bytes) = (kept.header, kept.bytes.clone());
                        bytes[..8].fill(0);
                        let info = self.append(&bytes, Vec::new(), AppendOrigin::Client);
                        assert!(info.duplicate, "{header:?}");
                        assert_eq!((info.first_offset, info.last_offset), (header.base_offset(), header.last_offset()));
                    }
                    None => drop(self.append(&produced(id, 0, sequence, 2, false), vec![NOW.0; 2], AppendOrigin::Client)),
                }
            }
            Event::Transaction { id, committed } => match self.open_transaction(id) {
                Some(first) => {
                    self.append(&marker(id, 0, committed), vec![NOW.0], AppendOrigin::Coordinator);
                    self.kept.last_mut().expect("appended").aborted_from = (!committed).then_some(first);
                }
                None => {
                    let (sequence, _) = self.sequence(id);
                    self.append(&produced(id, 0, sequence, 1, true), vec![NOW.0], AppendOrigin::Client);
                }
            },
            Event::Roll => self.log.roll(Millis(self.clock)).expect("rolled"),
            Event::NewEpoch => {
                self.epoch += 1;
                self.log.assign_leader_epoch(LeaderEpoch(self.epoch)).expect("assigned");
            }
            Event::Truncate { back } => {
                let target = Offset((self.end().0 - back).max(self.log_start.0));
                self.log.truncate_to(target).expect("truncated");
                self.kept.retain(|kept| kept.header.last_offset() < target);
                // Below the log start, records of a batch that begins before it go with the batch.
                self.log_start = self.log_start.min(self.log.log_end_offset());
            }
            Event::DeleteRecords { forward } => {
                let target = Offset((self.log_start.0 + forward).min(self.end().0));
                self.log.advance_log_start_offset(target).expect("moved");
                self.log_start = self.log_start.max(target);
            }
            Event::Retention => drop(self.log.enforce_retention(Millis(self.clock)).expect("enforced")),
            Event::Flush => {
                let plan = self.log.prepare_flush();
                plan.run().expect("synced");
                self.log.complete_flush(plan);
            }
            Event::CleanRestart => self.restart(true),
            Event::Kill => self.restart(false),
            Event::LoseCompanions { which } => {
                self.stop(true);
                // A snapshot is all that tells of producers whose records are gone.
                let irreplaceable = |name: &str| name.ends_with(".snapshot") && !exists(&self.house.file(0, "log"));
                let names: Vec<_> = self.house.names().into_iter().filter(|name| !name.ends_with(".log") && !irreplaceable(name)).collect();
                if let Some(name) = names.get(which % names.len().max(1)) {
                    let path = self.house.log_dir().join(name);
                    match which % 3 {
                        0 => std::fs::remove_file(path).expect("removed"),
                        1 => std::fs::write(path, vec![0x5a; which % 100]).expect("written"),
                        _ => {
                            let half = std::fs::metadata(&path).expect("there").len() / 2;
                            std::fs::File::options().write(true).open(path).expect("opened").set_len(half).expect("cut");
                        }
                    }
                }
                self.start(which % 2 == 0);
            }
        }
    }

    fn restart(&mut self, clean: bool) {
        self.stop(clean);
        self.start(clean);
    }

    fn stop(&mut self, clean: bool) {
        self.recovery_point = if clean { self.log.log_end_offset() } else { self.log.recovery_point() };
        let elsewhere = House::new(LogConfig::default()).open();
        std::mem::replace(&mut self.log, elsewhere).close(clean).expect("closed");
    }

    fn start(&mut self, clean: bool) {
        let how = OpenOptions {
            clean,
            machine_stopped: false,
            recovery_point: self.recovery_point,
            log_start_offset: self.log_start,
            now: Millis(self.clock),
        };
        let (log, report) = self.house.open_as(how);
        assert_eq!((report.bytes_truncated, report.corruption), (0, None));
        self.log = log;
        self.log.set_high_watermark(self.log.log_end_offset());
    }

    fn check(&self, seed: i64) {
        let (start, end) = (self.log_start, self.end().max(self.log_start));
        assert_eq!((self.log.log_start_offset(), self.log.log_end_offset()), (start, end));
        let readable: Vec<&Kept> = self.kept.iter().filter(|kept| kept.header.last_offset() >= start).collect();

        // Everything, in plans of varying size.
        let mut offset = start;
        let mut bytes = Vec::new();
        while offset < end {
            let plan = self.log.read(offset, end, (seed as u64 * 37) % 700, true).expect("read");
            assert!(plan.next_offset > offset, "no progress at {offset}");
            bytes.extend(plan_bytes(&plan));
            offset = plan.next_offset;
        }
        assert_eq!(bytes, readable.iter().flat_map(|kept| kept.bytes.clone()).collect::<Vec<_>>());

        // From one offset up to another.
        if start < end {
            let from = Offset(start.0 + seed % end.since(start));
            let up_to = Offset(from.0 + 1 + seed % 9).min(end);
            let plan = self.log.read(from, up_to, u64::MAX, true).expect("read");
            let expected: Vec<u8> = readable
                .iter()
                .filter(|kept| kept.header.last_offset() >= from && kept.header.next_offset() <= up_to)
                .flat_map(|kept| kept.bytes.clone())
                .collect();
            assert_eq!(plan_bytes(&plan), expected, "{from}..{up_to}");
        }

        // By timestamp.
        let wanted = self.clock - seed % 60;
        let expected = readable
            .iter()
            .flat_map(|kept| kept.timestamps.iter().enumerate().map(|(n, t)| (kept.header.base_offset().plus(n as i64), *t)))
            .find(|(offset, timestamp)| *offset >= start && *timestamp >= wanted);
        let found = self.log.list_offset(ListOffset::Timestamp(Millis(wanted)), end).expect("answered");
        assert_eq!(found.map(|found| (found.offset, found.timestamp.0)), expected);

        // Transactions.
        let unstable = (10..13).filter_map(|id| self.open_transaction(id)).min();
        assert_eq!(self.log.last_stable_offset(), unstable.map_or(end, |first| first.max(start)));
        let aborted = self.log.aborted_transactions(start, end).expect("listed");
        let mut expected: Vec<_> = readable
            .iter()
            .filter_map(|kept| kept.aborted_from.map(|first| (kept.header.producer_id(), first, kept.header.last_offset())))
            .collect();
        expected.sort_by_key(|(_, first, _)| *first);
        assert_eq!(aborted.iter().map(|t| (t.producer_id, t.first_offset, t.last_offset)).collect::<Vec<_>>(), expected);

        // Epochs of the records that are there.
        for kept in &readable {
            let offset = kept.header.base_offset().max(start);
            assert_eq!(self.log.epoch_for_offset(offset), Some(kept.header.partition_leader_epoch()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_lives_like_a_list_of_batches(events in prop::collection::vec(event(), 1..70), seed in 1..10_000_i64) {
        let mut life = Life::begin();
        for (number, event) in events.into_iter().enumerate() {
            life.live(event);
            life.check(seed + number as i64);
        }
    }
}
