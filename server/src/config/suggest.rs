//! "Did you mean": the known name nearest to an unknown one.

/// The candidate with the fewest single-letter edits from `name`, if so few that a slip is likely.
#[must_use]
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase().replace(['_', '-'], ".");
    let limit = (name.len() / 6).clamp(1, 4);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate.len().abs_diff(name.len()) > limit {
            continue;
        }
        let edits = distance(name.as_bytes(), candidate.as_bytes());
        if edits <= limit && best.is_none_or(|(least, _)| edits < least) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one into the other.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let width = right.len() + 1;
    let mut before_last = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (i, l) in left.iter().enumerate() {
        let mut row = vec![i + 1; width];
        for (j, r) in right.iter().enumerate() {
            let replaced = last[j] + usize::from(l != r);
            row[j + 1] = replaced.min(row[j] + 1).min(last[j + 1] + 1);
            if i > 0 && j > 0 && *l == right[j - 1] && left[i - 1] == *r {
                row[j + 1] = row[j + 1].min(before_last[j - 1] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::super::keys::BROKER_KEYS;
    use super::*;

    fn suggestion(name: &str) -> Option<&'static str> {
        nearest(name, BROKER_KEYS.iter().map(|key| key.name))
    }

    #[test]
    fn slips_find_the_key_that_was_meant() {
        for (slip, meant) in [
            ("num.partition", "num.partitions"),
            ("num.partitoins", "num.partitions"),
            ("listener", "listeners"),
            ("Log.Dirs", "log.dirs"),
            ("log_dirs", "log.dirs"),
            ("auto.create.topic.enable", "auto.create.topics.enable"),
            ("advertised.listener", "advertised.listeners"),
            ("log.retention.hour", "log.retention.hours"),
            ("offset.topic.replication.factor", "offsets.topic.replication.factor"),
            ("ottla.reactor", "ottla.reactors"),
        ] {
            assert_eq!(suggestion(slip), Some(meant), "{slip}");
        }
    }

    #[test]
    fn a_stranger_finds_nothing() {
        for stranger in ["url", "my.own.plugin.setting", "zookeeper.connect", "x", ""] {
            assert_eq!(suggestion(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn a_swap_of_neighbours_is_one_edit() {
        assert_eq!(distance(b"abcd", b"abdc"), 1);
        assert_eq!(distance(b"abcd", b"abcd"), 0);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
    }
}
