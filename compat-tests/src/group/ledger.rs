//! The books of one group: who owns what, who read what, what was acknowledged as committed.
//!
//! Promises: every line of a member is entered in the order of the pipe, and what may never happen is an error at the line where it
//! does: a partition with two living owners (or two in one generation), a record from a partition that the reader does not own, a hole
//! within one ownership, a second read that no unclean end excuses.

use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// Where a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Started, or in the group.
    In,
    /// Stopped by a signal, or continued but not yet aware of what it missed: others may own what it believes to own.
    Frozen,
    /// Killed.
    Dead,
    /// Left and ended.
    Left,
}

/// What is known of one member.
#[derive(Debug)]
pub struct Seat {
    pub life: Life,
    pub owns: BTreeSet<i32>,
    /// How often it was told of an assignment, a revocation or a loss.
    pub turns: u32,
    /// The offset that the next record of a partition must have, while the partition is owned.
    next: BTreeMap<i32, i64>,
    /// Partitions whose next record may be the last one once more: see [`Ledger::echoes`].
    echo: BTreeSet<i32>,
    /// The offset after the last record that it said, per partition that it ever owned; none before the first.
    reached: BTreeMap<i32, Option<i64>>,
    /// Acknowledged commits of this member.
    pub committed: BTreeMap<i32, i64>,
    /// Commits that were refused, with the client's words.
    pub refused: Vec<String>,
    pub read_count: u64,
    /// Answers to commands, newest last.
    pub answers: Vec<String>,
}

struct Read {
    reader: String,
    /// Not committed when its reader came to an unclean end: somebody will read it again.
    stale: bool,
}

/// Everything that the members said.
#[derive(Default)]
pub struct Ledger {
    seats: BTreeMap<String, Seat>,
    /// Earlier bearers of names.
    gone: Vec<Seat>,
    reads: BTreeMap<(i32, i64), Vec<Read>>,
    checksums: BTreeMap<(i32, i64), u32>,
    /// The highest acknowledged commit of a partition.
    acknowledged: BTreeMap<i32, (i64, String)>,
    owners: BTreeMap<(u64, i32), String>,
    /// The program is not ours (kcat). Lines of different members do not come through one pipe: ownership cannot be compared between
    /// them. And told to end it may drop one record that it has taken from its client, which commits it.
    pub foreign: bool,
    /// The client is a librdkafka: around an incremental assignment it may hand out the last record of a partition that it keeps a second
    /// time, at any broker.
    pub echoes: bool,
    /// The story moves positions by hand: reading twice is what it asks for.
    pub repeats_wanted: bool,
    /// The broker dies now and then: what no commit covers may be read again by anybody, what was acknowledged by nobody.
    pub broker_dies: bool,
    pub repeats: u64,
}

impl Ledger {
    /// A member is about to start. A name may come back after its first bearer ended.
    pub fn seat(&mut self, name: &str) -> Result<()> {
        let seat = Seat {
            life: Life::In,
            owns: BTreeSet::new(),
            turns: 0,
            next: BTreeMap::new(),
            echo: BTreeSet::new(),
            reached: BTreeMap::new(),
            committed: BTreeMap::new(),
            refused: Vec::new(),
            read_count: 0,
            answers: Vec::new(),
        };
        if let Some(before) = self.seats.insert(name.to_owned(), seat) {
            ensure!(matches!(before.life, Life::Dead | Life::Left), "two members named {name}");
            self.gone.push(before);
        }
        Ok(())
    }

    /// What is known of a member.
    pub fn member(&self, name: &str) -> Option<&Seat> {
        self.seats.get(name)
    }

    /// The members that are in the group as far as they know themselves, and aware of it.
    pub fn living(&self) -> impl Iterator<Item = (&str, &Seat)> {
        self.seats.iter().filter(|(_, seat)| seat.life == Life::In).map(|(name, seat)| (name.as_str(), seat))
    }

    /// Whether everything that was sent was read; cheap as long as it was not.
    pub fn has_all(&self, sent: &BTreeMap<(i32, i64), u32>) -> bool {
        let dropped = if self.foreign { self.seats.len() + self.gone.len() } else { 0 };
        self.reads.len() + dropped >= sent.len() && self.complete(sent).is_ok()
    }

    /// How many different records were read.
    pub fn read_count(&self) -> usize {
        self.reads.len()
    }

    /// The highest acknowledged commit of each partition.
    pub fn acknowledged(&self) -> BTreeMap<i32, i64> {
        self.acknowledged.iter().map(|(&partition, &(offset, _))| (partition, offset)).collect()
    }

    /// The members named own `partitions` partitions between them, each at least one, and nobody else owns any.
    pub fn settled(&self, names: &[&str], partitions: usize) -> bool {
        let own = |name: &str| self.seats.get(name).map_or(0, |seat| if seat.life == Life::In { seat.owns.len() } else { 0 });
        let total: usize = self.living().map(|(_, seat)| seat.owns.len()).sum();
        names.iter().all(|name| own(name) > 0) && names.iter().map(|name| own(name)).sum::<usize>() == partitions && total == partitions
    }

    /// The member was killed or stopped: what it read and did not commit will be read again.
    pub fn unclean(&mut self, name: &str, life: Life) -> Result<()> {
        let seat = self.seats.get_mut(name).with_context(|| format!("no member {name}"))?;
        seat.life = life;
        for (&(partition, offset), reads) in &mut self.reads {
            let open = seat.committed.get(&partition).is_none_or(|&committed| offset >= committed);
            reads.iter_mut().filter(|read| open && read.reader == name).for_each(|read| read.stale = true);
        }
        Ok(())
    }

    /// Enters one line.
    pub fn enter(&mut self, line: &str) -> Result<()> {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let (name, verb) = (words.next().context("a name")?, words.next().context("a verb")?);
        ensure!(self.seats.contains_key(name), "nobody is named {name}");
        match verb {
            "ready" => Ok(()),
            "assigned" => {
                let generation = words.next().context("a generation")?.parse().ok();
                let partitions = numbers(words)?;
                self.assigned(name, generation, &partitions)
            }
            "revoked" | "lost" => {
                let partitions = numbers(words)?;
                self.let_go(name, &partitions);
                Ok(())
            }
            "record" => {
                let (partition, offset) = (number(words.next())? as i32, number(words.next())?);
                let checksum = words.next().and_then(|word| u32::from_str_radix(word, 16).ok());
                self.read(name, partition, offset, checksum)
            }
            "committed" => words.try_for_each(|word| self.committed(name, word)),
            "refused" => {
                self.seat_mut(name).refused.push(line.to_owned());
                Ok(())
            }
            "left" => {
                let seat = self.seat_mut(name);
                seat.life = Life::Left;
                seat.owns.clear();
                Ok(())
            }
            "paused" | "resumed" | "sought" | "position" => {
                let answer = line[name.len()..].trim().to_owned();
                if verb == "sought" {
                    let partition = number(words.next())? as i32;
                    self.seat_mut(name).next.remove(&partition);
                }
                self.seat_mut(name).answers.push(answer);
                Ok(())
            }
            "failed" => bail!("the program failed"),
            "note" => Ok(()),
            other => bail!("unknown word {other}"),
        }
    }

    fn seat_mut(&mut self, name: &str) -> &mut Seat {
        self.seats.get_mut(name).expect("enter has looked the name up")
    }

    fn assigned(&mut self, name: &str, generation: Option<u64>, partitions: &[i32]) -> Result<()> {
        for &partition in partitions {
            if !self.foreign {
                let other = self.living().find(|(other, seat)| *other != name && seat.owns.contains(&partition));
                ensure!(other.is_none(), "partition {partition} has two owners, the other is {:?}", other.map(|(other, _)| other));
            }
            if let Some(generation) = generation {
                let owner = self.owners.entry((generation, partition)).or_insert_with(|| name.to_owned());
                ensure!(owner == name, "partition {partition} had the owner {owner} in generation {generation}");
            }
        }
        let seat = self.seat_mut(name);
        // Whoever gets an assignment has heard of what it missed.
        ensure!(matches!(seat.life, Life::In | Life::Frozen), "assigned to a member that is {:?}", seat.life);
        seat.life = Life::In;
        seat.turns += 1;
        seat.echo = seat.owns.clone();
        for partition in partitions {
            seat.owns.insert(*partition);
            seat.reached.entry(*partition).or_default();
            seat.next.remove(partition);
        }
        Ok(())
    }

    fn let_go(&mut self, name: &str, partitions: &[i32]) {
        let seat = self.seat_mut(name);
        seat.turns += 1;
        for partition in partitions {
            seat.owns.remove(partition);
            seat.next.remove(partition);
        }
        seat.echo = seat.owns.clone();
        if seat.life == Life::Frozen && seat.owns.is_empty() {
            seat.life = Life::In;
        }
    }

    fn read(&mut self, name: &str, partition: i32, offset: i64, checksum: Option<u32>) -> Result<()> {
        let wanted = self.repeats_wanted;
        let uncovered = self.broker_dies && self.acknowledged.get(&partition).is_none_or(|(acknowledged, _)| offset >= *acknowledged);
        let echoes = self.echoes;
        let seat = self.seat_mut(name);
        if echoes && seat.echo.remove(&partition) && seat.next.get(&partition) == Some(&(offset + 1)) {
            self.repeats += 1;
            return Ok(());
        }
        ensure!(seat.owns.contains(&partition), "a record of partition {partition}, which it does not own");
        let expected = seat.next.insert(partition, offset + 1);
        ensure!(expected.is_none_or(|expected| expected == offset), "partition {partition}: {offset} where {expected:?} is due");
        seat.reached.insert(partition, Some(offset + 1));
        seat.read_count += 1;
        // A member that was killed may still have lines in the pipe.
        let stale = seat.life != Life::In && seat.committed.get(&partition).is_none_or(|&committed| offset >= committed);
        let reads = self.reads.entry((partition, offset)).or_default();
        let unexcused = reads.iter().find(|read| !read.stale);
        if let Some(before) = unexcused {
            ensure!(stale || wanted || uncovered, "partition {partition}, offset {offset} was read before, by {}", before.reader);
        }
        self.repeats += u64::from(!reads.is_empty());
        reads.push(Read { reader: name.to_owned(), stale });
        if let Some(checksum) = checksum {
            let before = self.checksums.insert((partition, offset), checksum);
            ensure!(before.is_none_or(|before| before == checksum), "partition {partition}, offset {offset} changed its bytes");
        }
        Ok(())
    }

    /// `PARTITION:OFFSET`
    fn committed(&mut self, name: &str, word: &str) -> Result<()> {
        let (partition, offset) = word.split_once(':').context("PARTITION:OFFSET")?;
        let (partition, offset): (i32, i64) = (partition.parse()?, offset.parse()?);
        let seat = self.seat_mut(name);
        seat.committed.insert(partition, offset);
        let late = seat.life != Life::In;
        if late {
            // Said before its end, heard after it: these were safe.
            for (_, reads) in self.reads.range_mut((partition, 0)..(partition, offset)) {
                reads.iter_mut().filter(|read| read.reader == name).for_each(|read| read.stale = false);
            }
        }
        let (highest, by) = self.acknowledged.entry(partition).or_insert_with(|| (offset, name.to_owned()));
        // What one member commits in the background may be heard late, and so may everything from one that stood still; another's
        // commits were over before this member's began.
        ensure!(
            offset >= *highest || by == name || late || self.repeats_wanted,
            "partition {partition}: {offset} was taken after {highest} of {by}"
        );
        if offset >= *highest {
            (*highest, *by) = (offset, name.to_owned());
        }
        Ok(())
    }

    /// Every record that was sent was read, with its bytes; nothing else was.
    pub fn complete(&self, sent: &BTreeMap<(i32, i64), u32>) -> Result<()> {
        let left = self.gone.iter().chain(self.seats.values()).filter(|seat| self.foreign && seat.life == Life::Left);
        let mut droppers: Vec<&BTreeMap<i32, Option<i64>>> = left.map(|seat| &seat.reached).collect();
        for (place, checksum) in sent {
            if !self.reads.contains_key(place) {
                let dropper = droppers.iter().position(|reached| reached.get(&place.0).is_some_and(|at| at.is_none_or(|at| at == place.1)));
                droppers.swap_remove(dropper.with_context(|| format!("{place:?} was never read"))?);
            }
            let read = self.checksums.get(place);
            ensure!(read.is_none_or(|read| read == checksum), "{place:?} was read with other bytes");
        }
        let surplus = self.reads.keys().find(|place| !sent.contains_key(*place));
        ensure!(surplus.is_none(), "{surplus:?} was read, but nobody sent it");
        Ok(())
    }

    /// Where everybody stands, for the message of a failure.
    pub fn summary(&self) -> String {
        let line = |(name, seat): (&String, &Seat)| {
            let refused = seat.refused.last().map(|last| format!("; {} refused, last: {last}", seat.refused.len())).unwrap_or_default();
            format!("  {name}: {:?}, owns {:?}, read {}, committed {:?}{refused}", seat.life, seat.owns, seat.read_count, seat.committed)
        };
        let seats: Vec<String> = self.seats.iter().map(line).collect();
        format!("{} records read, {} again\n{}", self.reads.len(), self.repeats, seats.join("\n"))
    }
}

fn number(word: Option<&str>) -> Result<i64> {
    let word = word.context("a number")?;
    word.parse().with_context(|| word.to_owned())
}

fn numbers<'a>(words: impl Iterator<Item = &'a str>) -> Result<Vec<i32>> {
    words.map(|word| word.parse().with_context(|| word.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::{Ledger, Life};
    use std::collections::BTreeMap;

    fn told(lines: &[&str]) -> anyhow::Result<Ledger> {
        let mut ledger = Ledger::default();
        ledger.seat("a")?;
        ledger.seat("b")?;
        for line in lines {
            match line.strip_prefix("kill ") {
                Some(name) => ledger.unclean(name, Life::Dead)?,
                None => ledger.enter(line)?,
            }
        }
        Ok(ledger)
    }

    #[test]
    fn a_partition_with_two_living_owners_is_noticed() {
        assert!(told(&["a assigned - 0 1", "b assigned - 1"]).is_err());
        assert!(told(&["a assigned - 0 1", "a revoked 1", "b assigned - 1"]).is_ok());
        assert!(told(&["a assigned - 0 1", "kill a", "b assigned - 1"]).is_ok());
        assert!(told(&["a assigned 3 0", "a revoked 0", "b assigned 3 0"]).is_err());
        assert!(told(&["a assigned 3 0", "a revoked 0", "b assigned 4 0"]).is_ok());
    }

    #[test]
    fn a_second_read_is_excused_only_above_the_last_commit_of_a_dead_reader() {
        let before = ["a assigned - 0", "a record 0 0 1", "a record 0 1 1", "a committed 0:1", "kill a", "b assigned - 0"];
        assert!(told(&[&before[..], &["b record 0 1 1"]].concat()).is_ok());
        assert!(told(&[&before[..], &["b record 0 0 1"]].concat()).is_err());
        assert!(told(&["a assigned - 0", "a record 0 0 1", "a revoked 0", "b assigned - 0", "b record 0 0 1"]).is_err());
        // The commit was acknowledged before the kill and is heard after it.
        assert!(told(&["a assigned - 0", "a record 0 0 1", "kill a", "a committed 0:1", "b assigned - 0", "b record 0 0 1"]).is_err());
    }

    #[test]
    fn holes_foreign_records_changed_bytes_and_commits_that_go_back_are_noticed() {
        assert!(told(&["a assigned - 0", "a record 0 0 1", "a record 0 2 1"]).is_err());
        assert!(told(&["a assigned - 0", "a record 1 0 1"]).is_err());
        assert!(told(&["a assigned - 0", "a record 0 0 1", "kill a", "b assigned - 0", "b record 0 0 2"]).is_err());
        assert!(told(&["a assigned - 0", "a committed 0:5", "b committed 0:4"]).is_err());
    }

    #[test]
    fn an_echo_is_the_last_record_of_a_kept_partition_once_and_right_after_an_incremental_assignment() {
        let before = ["a assigned - 0", "a record 0 0 1", "a record 0 1 1", "a assigned - 1"];
        let heard = |lines: &[&str], echoes| {
            let mut ledger = Ledger { echoes, ..Ledger::default() };
            ledger.seat("a").and_then(|()| before.iter().chain(lines).try_for_each(|line| ledger.enter(line)))
        };
        assert!(heard(&["a record 0 1 1", "a record 0 2 1"], true).is_ok());
        assert!(heard(&["a record 0 1 1"], false).is_err());
        assert!(heard(&["a record 0 0 1"], true).is_err());
        assert!(heard(&["a record 0 1 1", "a record 0 1 1"], true).is_err());
        assert!(heard(&["a record 0 2 1", "a record 0 2 1"], true).is_err());
    }

    #[test]
    fn what_was_not_read_or_not_sent_is_noticed() {
        let ledger = told(&["a assigned - 0", "a record 0 0 1", "a record 0 1 2"]).expect("nothing wrong so far");
        let sent = |records: &[(i64, u32)]| records.iter().map(|&(offset, sum)| ((0, offset), sum)).collect::<BTreeMap<_, _>>();
        assert!(ledger.complete(&sent(&[(0, 1), (1, 2)])).is_ok());
        assert!(ledger.complete(&sent(&[(0, 1), (1, 2), (2, 3)])).is_err());
        assert!(ledger.complete(&sent(&[(0, 1)])).is_err());
        assert!(ledger.complete(&sent(&[(0, 1), (1, 7)])).is_err());
    }
}
