use super::super::embedded::{Malformed, read_assignment, read_subscription, write_assignment};
use super::{assignment, consumer};

/// A subscription of the given version, with everything that it may have.
fn subscription(version: i16) -> Vec<u8> {
    let mut bytes = version.to_be_bytes().to_vec();
    let mut put = |part: &[u8]| bytes.extend_from_slice(part);
    put(&[0, 0, 0, 2, 0, 1, b'b', 0, 1, b'a']);
    put(&[0, 0, 0, 1, 7]);
    if version >= 1 {
        put(&[0, 0, 0, 1, 0, 1, b'a', 0, 0, 0, 1, 0, 0, 0, 5]);
    }
    if version >= 2 {
        put(&[0, 0, 0, 9]);
    }
    if version >= 3 {
        put(&[0, 2, b'r', b'1']);
    }
    bytes
}

#[test]
fn every_version_of_a_subscription_is_read() {
    for version in [0, 1, 2, 3, 4, i16::MAX] {
        let read = read_subscription(&subscription(version)).expect("a subscription");
        assert_eq!(read.topics.iter().map(|topic| &**topic).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(read.owned.len(), usize::from(version >= 1));
        assert_eq!(read.rack_id.as_deref(), (version >= 3).then_some("r1"));
    }
}

#[test]
fn cut_or_hostile_bytes_are_malformed() {
    for version in 0..4 {
        let whole = subscription(version);
        for length in 0..whole.len() {
            assert_eq!(read_subscription(&whole[..length]), Err(Malformed), "cut after {length} bytes");
        }
    }
    assert_eq!(read_subscription(&[0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]), Err(Malformed), "a negative version");
    assert_eq!(read_subscription(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), Err(Malformed), "two thousand million topics");
    assert_eq!(read_assignment(&[0, 0, 0, 0, 0, 1, 0, 1, b'a', 0x7f, 0xff, 0xff, 0xff]), Err(Malformed), "as many partitions");
    assert_eq!(read_assignment(&[0, 0, 0xff, 0xff, 0xff, 0xff]), Err(Malformed), "no list at all");
}

#[test]
fn an_assignment_is_written_in_the_version_of_its_reader() {
    let metadata = consumer(&["a"]).metadata();
    let written = write_assignment(&metadata, &[("a", vec![1, 2])]).expect("it fits");
    assert_eq!(*written, *assignment(&[("a", vec![1, 2])]));
    assert_eq!(write_assignment(&[0, 1], &[]).expect("it fits")[..2], [0, 1]);
    assert_eq!(write_assignment(&[0, 9], &[]).expect("it fits")[..2], [0, 3], "the newest that we know");
    assert_eq!(write_assignment(&[0xff, 0xff], &[]), Err(Malformed));
}
