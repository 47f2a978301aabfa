//! Who owns which partition: handed out by a leader, checked by the load.

use anyhow::{Result, ensure};

/// Contiguous ranges, one for each of `members`, the first ones longer; what a range assignor does with one topic.
pub fn ranges(partitions: i32, members: usize) -> Vec<Vec<i32>> {
    let members = i32::try_from(members).unwrap_or(i32::MAX).max(1);
    let (each, more) = (partitions / members, partitions % members);
    let mut next = 0;
    let mut take = |count| {
        next += count;
        (next - count..next).collect()
    };
    (0..members).map(|member| take(each + i32::from(member < more))).collect()
}

/// Fails unless each of the partitions has exactly one owner.
pub fn check<'a>(partitions: i32, owned: impl Iterator<Item = &'a [i32]>) -> Result<()> {
    let mut owners = vec![0; usize::try_from(partitions)?];
    for &partition in owned.flatten() {
        ensure!((0..partitions).contains(&partition), "partition {partition} does not exist");
        owners[partition as usize] += 1;
    }
    let wrong: Vec<_> = owners.iter().enumerate().filter(|(_, count)| **count != 1).take(5).collect();
    ensure!(wrong.is_empty(), "partitions and their number of owners: {wrong:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_give_every_partition_to_one_member() {
        for (partitions, members) in [(100, 1), (100, 3), (100, 50), (100, 100), (100, 500)] {
            let ranges = ranges(partitions, members);
            assert_eq!(ranges.len(), members);
            check(partitions, ranges.iter().map(Vec::as_slice)).unwrap();
            let sizes: Vec<_> = ranges.iter().map(Vec::len).collect();
            assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes[0] - sizes[members - 1] <= 1, "{sizes:?}");
        }
    }

    #[test]
    fn two_owners_and_none_are_told() {
        assert!(check(2, [&[0, 1][..], &[1]].into_iter()).is_err());
        assert!(check(2, [&[0][..]].into_iter()).is_err());
        assert!(check(2, [&[0, 1, 2][..]].into_iter()).is_err());
    }
}
