//! Index files, snapshots and the epoch file are caches: whatever happens to them, the answers stay the same.

use std::fs;
use std::path::PathBuf;

use super::*;

/// Several segments with plain, idempotent and transactional batches, two aborted transactions, one open, two leader epochs.
fn rich_log() -> House {
    let house = House::small(1500);
    let mut log = house.open();
    let mut sequence = 0;
    for round in 0..30 {
        log.assign_leader_epoch(LeaderEpoch(round / 12 * 2)).expect("assigned");
        append(&mut log, &batch_at(Millis(NOW.0 + i64::from(round) * 10), 2));
        append(&mut log, &produced(1, 0, sequence, 2, false));
        sequence += 2;
        match round {
            3 | 12 => drop(append(&mut log, &produced(2, 0, if round == 3 { 0 } else { 1 }, 1, true))),
            5 | 20 => end_transaction(&mut log, 2, false),
            14 => drop(append(&mut log, &produced(3, 0, 0, 1, true))),
            15 => end_transaction(&mut log, 3, true),
            25 => drop(append(&mut log, &produced(4, 0, 0, 1, true))),
            _ => {}
        }
    }
    assert!(log.segment_count() > 3);
    log.close(true).expect("closed");
    house
}

/// Everything a client could ask, one answer a line.
fn answers(log: &mut PartitionLog) -> Vec<String> {
    let end = log.log_end_offset();
    log.set_high_watermark(end);
    let mut told = vec![format!("ends {end}, stable {}", log.last_stable_offset())];
    told.push(format!("largest {:?}", log.list_offset(ListOffset::MaxTimestamp, end).expect("answered")));
    for epoch in 0..8 {
        told.push(format!("epoch {epoch} {:?}", log.end_offset_for_epoch(LeaderEpoch(epoch))));
    }
    for delta in -5..310 {
        let found = log.list_offset(ListOffset::Timestamp(Millis(NOW.0 + delta)), end).expect("answered");
        told.push(format!("at {delta} {found:?}"));
    }
    for from in 0..end.0 {
        let plan = log.read(Offset(from), end, 700, true).expect("read");
        told.push(format!("from {from} {} {} {}", plan.first_offset, plan.next_offset, crc32c::crc32c(&plan_bytes(&plan))));
    }
    for from in (0..end.0).step_by(7) {
        told.push(format!("aborted {from} {:?}", log.aborted_transactions(Offset(from), Offset(from + 30)).expect("answered")));
    }
    let mut producers: Vec<_> = log.producers().producers().collect();
    producers.sort_by_key(|entry| entry.producer_id);
    for entry in producers {
        told.push(format!("producer {} {} {:?}", entry.producer_id, entry.last_sequence(), entry.current_txn_first_offset));
    }
    told
}

fn assert_same(told: &[String], expected: &[String], when: &str) {
    let differing = told.iter().zip(expected).find(|(a, b)| a != b);
    assert!(differing.is_none() && told.len() == expected.len(), "{when}: {differing:?}");
}

fn companions(house: &House) -> Vec<PathBuf> {
    house.names().iter().filter(|name| !name.ends_with(".log")).map(|name| house.log_dir().join(name)).collect()
}

#[test]
fn the_story_is_rich_enough_to_tell_right_from_wrong() {
    let house = rich_log();
    let told = answers(&mut house.open()).join("\n");
    for word in ["ProducerId(2)", "first_offset", "LeaderEpoch(4)", "Some(Offset("] {
        assert!(told.contains(word), "{word} in {told}");
    }
    for suffix in [".index", ".timeindex", ".txnindex", ".snapshot", "leader-epoch-checkpoint"] {
        assert!(house.names().iter().any(|name| name.ends_with(suffix)), "{suffix}");
    }
    assert_eq!(answers(&mut house.open()).join("\n"), told);
}

#[test]
fn each_companion_deleted_after_a_clean_stop_changes_no_answer() {
    let house = rich_log();
    let expected = answers(&mut house.open());
    for path in companions(&house) {
        let bytes = fs::read(&path).expect("read");
        fs::remove_file(&path).expect("removed");
        assert_same(&answers(&mut house.open()), &expected, &format!("without {}", path.display()));
        fs::write(&path, bytes).expect("restored");
    }
}

#[test]
fn all_companions_deleted_change_no_answer() {
    let house = rich_log();
    let expected = answers(&mut house.open());
    for path in companions(&house) {
        fs::remove_file(&path).expect("removed");
    }
    assert_same(&answers(&mut house.open()), &expected, "clean");
    for path in companions(&house) {
        fs::remove_file(&path).expect("removed");
    }
    assert_same(&answers(&mut house.open_after_crash().0), &expected, "crashed");
}

#[test]
fn each_companion_damaged_after_a_clean_stop_changes_no_answer() {
    let house = rich_log();
    let expected = answers(&mut house.open());
    for path in companions(&house) {
        let bytes = fs::read(&path).expect("read");
        let half = bytes.len() / 2;
        let mut flipped = bytes.clone();
        if let Some(byte) = flipped.get_mut(half) {
            *byte ^= 0x10;
        }
        let garbage: Vec<u8> = (0..bytes.len().max(24)).map(|n| (n * 89 + 41) as u8).collect();
        let entry_bytes = [("timeindex", 12), ("txnindex", 34), ("index", 8)]
            .into_iter()
            .find_map(|(suffix, size)| path.to_string_lossy().ends_with(suffix).then_some(size))
            .unwrap_or(2);
        let damages: [(&str, Vec<u8>); 8] = [
            ("without its last entry", bytes[..bytes.len().saturating_sub(entry_bytes)].to_vec()),
            ("empty", Vec::new()),
            ("cut by a byte", bytes[..bytes.len().saturating_sub(1)].to_vec()),
            ("cut to half", bytes[..half].to_vec()),
            ("zeros", vec![0; bytes.len()]),
            ("zeros behind", [bytes.as_slice(), &[0; 816]].concat()),
            ("garbage", garbage),
            ("a bit flipped", flipped),
        ];
        for (name, damaged) in damages {
            fs::write(&path, &damaged).expect("written");
            for clean_stop in [true, false] {
                let (mut log, _) = house.open_as(OpenOptions { clean: clean_stop, ..clean() });
                assert_same(&answers(&mut log), &expected, &format!("{}: {name}, clean {clean_stop}", path.display()));
                drop(log);
                fs::write(&path, &damaged).expect("written");
            }
        }
        fs::write(&path, bytes).expect("restored");
    }
}

#[test]
fn duplicates_are_known_again_after_a_clean_stop_without_a_snapshot() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    let first = append(&mut log, &produced(9, 0, 0, 3, false));
    log.close(true).expect("closed");
    for name in house.names().iter().filter(|name| name.ends_with(".snapshot")) {
        fs::remove_file(house.log_dir().join(name)).expect("removed");
    }
    let mut log = house.open();
    let again = append(&mut log, &produced(9, 0, 0, 3, false));
    assert!(again.duplicate);
    assert_eq!((again.first_offset, again.last_offset), (first.first_offset, first.last_offset));
    assert_eq!(log.log_end_offset(), Offset(3));
}

/// As a directory that another broker wrote: nobody left word of the companions.
fn unsealed(house: &House) {
    fs::remove_file(house.log_dir().join("ottla-seals")).expect("removed");
}

#[test]
fn index_entries_that_are_wrong_but_plausible_mislead_nobody() {
    let house = rich_log();
    let expected = answers(&mut house.open());
    unsealed(&house);
    for name in house.names().iter().filter(|name| name.ends_with(".index")) {
        let path = house.log_dir().join(name);
        let mut bytes = fs::read(&path).expect("read");
        for entry in bytes.chunks_exact_mut(8).skip(1).step_by(2) {
            entry[7] ^= 3;
        }
        fs::write(path, bytes).expect("written");
    }
    assert_same(&answers(&mut house.open()), &expected, "positions between batches");
}

#[test]
fn time_index_entries_that_are_wrong_but_plausible_mislead_nobody() {
    let house = rich_log();
    let expected = answers(&mut house.open());
    unsealed(&house);
    for name in house.names().iter().filter(|name| name.ends_with(".timeindex")) {
        let path = house.log_dir().join(name);
        let mut bytes = fs::read(&path).expect("read");
        let count = bytes.len() / 12;
        // Each entry but the last names a later offset than it should.
        for index in 0..count - 1 {
            let later = bytes[(index + 1) * 12 + 8..(index + 2) * 12].to_vec();
            bytes[index * 12 + 8..(index + 1) * 12].copy_from_slice(&later);
        }
        fs::write(path, bytes).expect("written");
    }
    assert_same(&answers(&mut house.open()), &expected, "offsets too late");
}

#[test]
fn a_transaction_index_nobody_vouched_for_is_checked_before_it_grows() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    append(&mut log, &produced(1, 0, 0, 1, true));
    end_transaction(&mut log, 1, false);
    log.close(true).expect("closed");
    unsealed(&house);
    let mut log = house.open();
    append(&mut log, &produced(1, 0, 1, 1, true));
    end_transaction(&mut log, 1, false);
    let listed = |log: &PartitionLog| -> Vec<i64> {
        log.aborted_transactions(Offset(0), Offset(9)).expect("listed").iter().map(|transaction| transaction.first_offset.0).collect()
    };
    log.close(true).expect("closed");
    assert_eq!(fs::metadata(house.file(0, "txnindex")).expect("there").len(), 2 * 34, "right for whoever reads it next");
    assert_eq!(listed(&house.open()), [0, 2]);
}
