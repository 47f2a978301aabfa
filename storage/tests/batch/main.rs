//! Record batches against bytes that Apache Kafka wrote, against hostile bytes, and against the rules of Produce.

mod codecs;
mod control;
mod golden;
mod properties;
mod rules;

use ottla_storage::Millis;
use ottla_storage::batch::{BatchBuilder, BatchView, Header, split};

/// The first timestamp of every test.
pub const T: Millis = Millis(1_700_000_000_000);
/// A decompression limit that no honest batch of these tests meets.
pub const LIMIT_BYTES: usize = 16 << 20;

/// The only batch in `bytes`.
pub fn only(bytes: &[u8]) -> BatchView<'_> {
    let mut batches = split(bytes);
    let view = batches.next().expect("a batch").expect("a whole batch");
    assert_eq!(batches.next().map(|b| b.is_ok()), None, "nothing follows");
    view
}

pub fn after(ms: i64) -> Millis {
    Millis(T.0 + ms)
}

/// The records of `small-*.batch`.
pub fn push_small(builder: &mut BatchBuilder) {
    let headers = [
        Header { key: b"h", value: Some(b"1") },
        Header { key: b"h", value: Some(b"2") },
        Header { key: b"null", value: None },
        Header { key: b"", value: Some(b"") },
    ];
    builder.push(T, Some(b"key"), Some(b"value"), &[]);
    builder.push(after(7), None, Some(b"no key"), &[]);
    builder.push(after(-1000), Some(b"tombstone"), None, &[]);
    builder.push(after(500), None, None, &[]);
    builder.push(after(1), Some(b""), Some(b""), &headers);
}

/// The records of `large-*.batch`.
pub fn push_large(builder: &mut BatchBuilder) {
    for i in 0..2000_i64 {
        let fox = "the quick brown fox jumps over the lazy dog ".repeat(usize::try_from(i % 5).unwrap());
        // Java's 2654435761L product, as text.
        let value = format!("value {i}: {fox}{}", i * 2_654_435_761);
        builder.push(after(i), Some(format!("key-{i}").as_bytes()), Some(value.as_bytes()), &[]);
    }
}
