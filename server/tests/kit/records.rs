//! Batches as producers make them, and what consumers see.

use bytes::Bytes;
use ottla_storage::batch::compression::Compression;
use ottla_storage::batch::{BatchBuilder, BatchHeader, records, split};
use ottla_storage::{Millis, ProducerEpoch, ProducerId, Sequence};

/// When the stories begin.
pub const BASE_MS: i64 = 1_700_000_000_000;

/// Time, key, value.
type Entry = (i64, Option<Vec<u8>>, Option<Vec<u8>>);

/// A batch in the making; every record is a value at a time.
#[derive(Clone)]
pub struct Batch {
    entries: Vec<Entry>,
    producer: (i64, i16, i32),
    compression: Compression,
    transactional: bool,
}

impl Batch {
    /// Records with these values, without keys, all at [`BASE_MS`].
    pub fn of(values: &[&str]) -> Self {
        let entries = values.iter().map(|value| (BASE_MS, None, Some(value.as_bytes().to_vec()))).collect();
        Self { entries, producer: (-1, -1, -1), compression: Compression::None, transactional: false }
    }

    /// `count` records.
    pub fn count(count: usize) -> Self {
        Self::of(&vec!["v"; count])
    }

    /// One record of this size.
    pub fn sized(bytes: usize) -> Self {
        let mut batch = Self::of(&[""]);
        batch.entries[0].2 = Some(vec![b'x'; bytes]);
        batch
    }

    /// Records with these keys, values, and times relative to [`BASE_MS`].
    pub fn pairs<'a>(rows: impl IntoIterator<Item = (&'a str, String, i64)>) -> Self {
        let row = |(key, value, ms): (&str, String, i64)| (BASE_MS + ms, Some(key.as_bytes().to_vec()), Some(value.into_bytes()));
        Self { entries: rows.into_iter().map(row).collect(), ..Self::of(&[]) }
    }

    /// One record that says that there is nothing of this key any more.
    pub fn tombstone(key: &str) -> Self {
        let mut batch = Self::of(&[""]).keyed(key);
        batch.entries[0].2 = None;
        batch
    }

    /// The records' timestamps, in order, relative to [`BASE_MS`].
    pub fn at(mut self, offsets_ms: &[i64]) -> Self {
        for (entry, ms) in self.entries.iter_mut().zip(offsets_ms) {
            entry.0 = BASE_MS + ms;
        }
        self
    }

    /// All records get this key.
    pub fn keyed(mut self, key: &str) -> Self {
        for entry in &mut self.entries {
            entry.1 = Some(key.as_bytes().to_vec());
        }
        self
    }

    /// Producer id, epoch, base sequence.
    pub fn by(mut self, producer_id: i64, epoch: i16, sequence: i32) -> Self {
        self.producer = (producer_id, epoch, sequence);
        self
    }

    /// As part of a transaction.
    pub fn transactional(mut self) -> Self {
        self.transactional = true;
        self
    }

    /// With this codec.
    pub fn compressed(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// The bytes.
    pub fn bytes(&self) -> Bytes {
        let (id, epoch, sequence) = self.producer;
        let builder = BatchBuilder::new().compression(self.compression, None);
        let mut builder = builder.producer(ProducerId(id), ProducerEpoch(epoch), Sequence(sequence));
        if self.transactional {
            builder = builder.transactional();
        }
        for (ms, key, value) in &self.entries {
            builder.push(Millis(*ms), key.as_deref(), value.as_deref(), &[]);
        }
        builder.build().expect("a batch").into()
    }
}

/// A record as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Offset.
    pub offset: i64,
    /// Timestamp.
    pub timestamp: i64,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Vec<u8>,
    /// Header of its batch.
    pub batch: BatchHeader,
}

/// All records of a Fetch answer; a cut last batch is passed over, as clients do.
pub fn seen(bytes: &[u8]) -> Vec<Seen> {
    let mut out = Vec::new();
    for view in split(bytes).map_while(Result::ok) {
        view.check_crc().expect("a whole batch");
        for record in records(&view, 64 << 20).expect("records").iter() {
            let record = record.expect("a record");
            let value = record.value.unwrap_or_default().to_vec();
            let key = record.key.map(<[u8]>::to_vec);
            out.push(Seen { offset: record.offset.0, timestamp: record.timestamp.0, key, value, batch: view.header });
        }
    }
    out
}
