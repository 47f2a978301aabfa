//! The checker of a copy: what readers see of the target against what was sent to the source and what the copiers said.
//!
//! A copied record carries where it comes from and the transaction that copied it, so five failures are told apart: lost, doubled,
//! changed, out of order, and a transaction that is visible in part (or visible although its copier was told that it was aborted).

use crate::group::load::Sent;
use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// How many partitions the target has; not as many as the source, so that every transaction spans several.
pub const TARGET_PARTITIONS: i32 = 4;

/// A record of the target, as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Where in the source it comes from.
    pub source: (i32, i64),
    /// The transaction that wrote it: unique over copiers and their lives.
    pub transaction: String,
    /// Which of the transaction's records it is.
    pub index: u32,
    /// How many records the transaction has.
    pub count: u32,
    /// Checksum of the source's key and value.
    pub checksum: u32,
}

impl Copied {
    /// Reads a record back: `PARTITION OFFSET TRANSACTION INDEX COUNT` and a newline, then the source's value from its end to its beginning.
    pub fn parse(key: &[u8], value: &[u8]) -> Result<Copied> {
        let line_end = value.iter().position(|&byte| byte == b'\n').context("a copy begins with a line")?;
        let line = std::str::from_utf8(&value[..line_end])?;
        let words: Vec<&str> = line.split(' ').collect();
        let [partition, offset, transaction, index, count] = words[..] else { bail!("not a copier's line: {line}") };
        let original: Vec<u8> = value[line_end + 1..].iter().rev().copied().collect();
        let mut sum = flate2::Crc::new();
        sum.update(key);
        sum.update(&original);
        Ok(Copied {
            source: (partition.parse()?, offset.parse()?),
            transaction: transaction.to_owned(),
            index: index.parse()?,
            count: count.parse()?,
            checksum: sum.sum(),
        })
    }
}

/// A topic as a reader sees it: each partition's records by offset.
pub type View = BTreeMap<i32, BTreeMap<i64, Copied>>;

/// What the copiers said of their transactions.
#[derive(Debug, Default)]
pub struct Said {
    pub committed: BTreeSet<String>,
    pub aborted: BTreeSet<String>,
}

/// Checks a copy. `committed` is what `read_committed` sees, `everything` what `read_uncommitted` sees.
pub fn check(sent: &Sent, said: &Said, committed: &View, everything: &View) -> Result<()> {
    let mut copies: BTreeMap<(i32, i64), &Copied> = BTreeMap::new();
    let mut transactions: BTreeMap<&str, (u32, BTreeSet<u32>)> = BTreeMap::new();
    for (partition, records) in committed {
        let mut last: BTreeMap<i32, (i64, i64)> = BTreeMap::new();
        for (&offset, copy) in records {
            let at = format!("{partition}@{offset} ({copy:?})");
            let original = sent.get(&copy.source).with_context(|| format!("{at}: nobody sent that"))?;
            ensure!(*original == copy.checksum, "{at}: changed on the way");
            let wanted = target_partition(copy.source);
            ensure!(wanted == *partition, "{at}: belongs into partition {wanted}");
            if let Some(before) = copies.insert(copy.source, copy) {
                bail!("{at}: copied twice, before by {}", before.transaction);
            }
            if let Some((source, at_offset)) = last.insert(copy.source.0, (copy.source.1, offset)) {
                ensure!(source < copy.source.1, "{at}: out of order, {} {source} lies before it at {at_offset}", copy.source.0);
            }
            ensure!(!said.aborted.contains(&copy.transaction), "{at}: of a transaction that was aborted");
            let (count, indexes) = transactions.entry(&copy.transaction).or_insert_with(|| (copy.count, BTreeSet::new()));
            ensure!(*count == copy.count && indexes.insert(copy.index), "{at}: its transaction has it twice");
            let raw = everything.get(partition).and_then(|records| records.get(&offset));
            ensure!(raw == Some(copy), "{at}: read_uncommitted sees {raw:?} there");
        }
    }
    for (transaction, (count, indexes)) in &transactions {
        ensure!(indexes.len() as u32 == *count, "transaction {transaction} is visible in part: {} of {count}", indexes.len());
    }
    if let Some(lost) = said.committed.iter().find(|transaction| !transactions.contains_key(transaction.as_str())) {
        bail!("transaction {lost} was committed and is not there");
    }
    let missing: Vec<_> = sent.keys().filter(|source| !copies.contains_key(source)).take(10).collect();
    ensure!(missing.is_empty(), "{} of {} were copied, missing are {missing:?} ...", copies.len(), sent.len());
    Ok(())
}

/// Where a copier puts a record.
pub fn target_partition((partition, offset): (i32, i64)) -> i32 {
    ((i64::from(partition) + offset) % i64::from(TARGET_PARTITIONS)) as i32
}

/// How many records `read_committed` does not see, and the transactions they belong to.
pub fn hidden(committed: &View, everything: &View) -> (usize, BTreeSet<String>) {
    let seen = |partition: &i32, offset: &i64| committed.get(partition).is_some_and(|records| records.contains_key(offset));
    let all = everything.iter().flat_map(|(partition, records)| records.iter().map(move |(offset, copy)| (partition, offset, copy)));
    let hidden: Vec<&Copied> = all.filter(|(partition, offset, _)| !seen(partition, offset)).map(|(_, _, copy)| copy).collect();
    (hidden.len(), hidden.iter().map(|copy| copy.transaction.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten records of one source partition, copied in transactions of five; then an aborted one that copied the last again.
    fn faultless() -> (Sent, Said, View, View) {
        let mut sent = Sent::new();
        let (mut committed, mut everything) = (View::new(), View::new());
        let mut said = Said::default();
        for offset in 0..10 {
            sent.insert((0, offset), offset as u32);
            let transaction = format!("t{}", offset / 5);
            said.committed.insert(transaction.clone());
            let copy = Copied { source: (0, offset), transaction, index: (offset % 5) as u32, count: 5, checksum: offset as u32 };
            for view in [&mut committed, &mut everything] {
                view.entry(target_partition((0, offset))).or_default().insert(offset, copy.clone());
            }
        }
        let again = Copied { source: (0, 9), transaction: "t2".to_owned(), index: 0, count: 1, checksum: 9 };
        everything.entry(1).or_default().insert(30, again);
        said.aborted.insert("t2".to_owned());
        (sent, said, committed, everything)
    }

    fn verdict(spoil: impl FnOnce(&mut Sent, &mut Said, &mut View, &mut View)) -> String {
        let (mut sent, mut said, mut committed, mut everything) = faultless();
        spoil(&mut sent, &mut said, &mut committed, &mut everything);
        check(&sent, &said, &committed, &everything).map_or_else(|error| format!("{error:#}"), |()| "good".to_owned())
    }

    fn in_both(committed: &mut View, everything: &mut View, change: impl Fn(&mut View)) {
        change(committed);
        change(everything);
    }

    #[test]
    fn a_faultless_copy_passes() {
        assert_eq!(verdict(|_, _, _, _| {}), "good");
        let (_, _, committed, everything) = faultless();
        assert_eq!(hidden(&committed, &everything), (1, BTreeSet::from(["t2".to_owned()])));
    }

    #[test]
    fn a_reader_that_sees_the_aborted_is_found() {
        let said = verdict(|_, _, committed, everything| *committed = everything.clone());
        assert!(said.contains("copied twice"), "{said}");
        // Also when the other copy of it is not there.
        let said = verdict(|_, _, committed, everything| {
            *committed = everything.clone();
            committed.entry(1).or_default().remove(&9);
        });
        assert!(said.contains("was aborted"), "{said}");
    }

    #[test]
    fn loss_doubling_change_and_disorder_are_found() {
        let said = verdict(|sent, _, _, _| _ = sent.insert((0, 10), 1));
        assert!(said.contains("missing are [(0, 10)]"), "{said}");
        let said = verdict(|_, _, committed, everything| {
            let twin = Copied { transaction: "t9".to_owned(), ..committed[&1][&9].clone() };
            in_both(committed, everything, |view| _ = view.entry(1).or_default().insert(40, twin.clone()));
        });
        assert!(said.contains("copied twice"), "{said}");
        let said = verdict(|sent, _, _, _| _ = sent.insert((0, 3), 99));
        assert!(said.contains("changed"), "{said}");
        let said = verdict(|_, _, committed, everything| {
            in_both(committed, everything, |view| {
                let records = view.entry(1).or_default();
                let (five, nine) = (records[&5].clone(), records[&9].clone());
                records.insert(5, nine);
                records.insert(9, five);
            });
        });
        assert!(said.contains("out of order"), "{said}");
        let said = verdict(|_, _, committed, everything| {
            in_both(committed, everything, |view| {
                let moved = view.entry(1).or_default().remove(&9).expect("it is there");
                view.entry(2).or_default().insert(50, moved);
            });
        });
        assert!(said.contains("belongs into"), "{said}");
    }

    #[test]
    fn a_transaction_in_part_or_gone_is_found() {
        let said = verdict(|sent, _, committed, _| {
            sent.remove(&(0, 9));
            committed.entry(1).or_default().remove(&9);
        });
        assert!(said.contains("visible in part: 4 of 5"), "{said}");
        let said = verdict(|_, said, _, _| _ = said.committed.insert("t7".to_owned()));
        assert!(said.contains("t7 was committed"), "{said}");
        let said = verdict(|_, _, _, everything| _ = everything.entry(1).or_default().remove(&9));
        assert!(said.contains("read_uncommitted sees None"), "{said}");
    }
}
