//! Requests and responses of the Kafka protocol as bytes: only the versions without tagged fields, only the APIs a load needs.
//!
//! Written by hand so that a request can be encoded once and sent a million times with four bytes changed, and so that the probe pays
//! for nothing it does not need. Unit tests decode what is encoded here with the `kafka-protocol` crate.

use anyhow::{Result, bail};
use bytes::BufMut;

/// API keys used here.
pub mod key {
    pub const PRODUCE: i16 = 0;
    pub const FETCH: i16 = 1;
    pub const LIST_OFFSETS: i16 = 2;
    pub const METADATA: i16 = 3;
    pub const FIND_COORDINATOR: i16 = 10;
    pub const API_VERSIONS: i16 = 18;
    pub const CREATE_TOPICS: i16 = 19;
    pub const DELETE_TOPICS: i16 = 20;
}

/// Where the correlation id sits in an encoded request, its size prefix included.
pub const CORRELATION_ID_AT: usize = 8;

/// Reads protocol fields off a byte slice; `None` when the bytes end too early.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.position.checked_add(count)?;
        let taken = self.bytes.get(self.position..end)?;
        self.position = end;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn i8(&mut self) -> Option<i8> {
        self.array().map(i8::from_be_bytes)
    }

    pub fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// A string or byte field with a 16-bit length; null reads as empty.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.i16()?;
        self.take(usize::try_from(length).unwrap_or(0))
    }

    /// A bytes field with a 32-bit length; null reads as empty.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.i32()?;
        self.take(usize::try_from(length).unwrap_or(0))
    }

    /// An array length; null reads as empty.
    pub fn count(&mut self) -> Option<usize> {
        Some(usize::try_from(self.i32()?).unwrap_or(0))
    }
}

/// Appends a string with a 16-bit length.
pub fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    out.put_i16(text.len() as i16);
    out.put_slice(text);
}

/// A whole request: size prefix, header v1 (correlation id 0) and what `body` appends.
pub fn request(api_key: i16, api_version: i16, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.put_i32(0);
    out.put_i16(api_key);
    out.put_i16(api_version);
    out.put_i32(0);
    put_string(&mut out, b"ottla-load");
    body(&mut out);
    let size = (out.len() - 4) as i32;
    out[..4].copy_from_slice(&size.to_be_bytes());
    out
}

/// Writes the correlation id into an encoded request.
pub fn set_correlation_id(request: &mut [u8], correlation_id: i32) {
    request[CORRELATION_ID_AT..CORRELATION_ID_AT + 4].copy_from_slice(&correlation_id.to_be_bytes());
}

/// Produce v3-8 of one partition.
pub fn produce(version: i16, acks: i16, topic: &str, partition: i32, records: &[u8]) -> Vec<u8> {
    request(key::PRODUCE, version, |out| {
        out.reserve(records.len() + topic.len() + 64);
        out.put_i16(-1); // transactional id: null
        out.put_i16(acks);
        out.put_i32(30_000);
        out.put_i32(1);
        put_string(out, topic.as_bytes());
        out.put_i32(1);
        out.put_i32(partition);
        out.put_i32(records.len() as i32);
        out.put_slice(records);
    })
}

/// What a Produce answer says of its only partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProduceAnswer {
    pub error: i16,
    pub base_offset: i64,
}

/// Reads a Produce v3-8 answer of one partition, header included.
pub fn read_produce(answer: &[u8]) -> Option<ProduceAnswer> {
    let mut reader = Reader::new(answer);
    reader.i32()?; // correlation id
    reader.count()?;
    reader.string()?;
    reader.count()?;
    reader.i32()?;
    Some(ProduceAnswer { error: reader.i16()?, base_offset: reader.i64()? })
}

/// What one Fetch request asks.
#[derive(Clone, Debug)]
pub struct FetchAsk<'a> {
    pub topic: &'a str,
    /// Partition and the offset to read from.
    pub partitions: &'a [(i32, i64)],
    pub wait_ms_max: i32,
    pub size_bytes_min: i32,
    pub size_bytes_max: i32,
    pub partition_bytes_max: i32,
}

/// Fetch v4-11 without a session.
pub fn fetch(version: i16, ask: &FetchAsk<'_>) -> Vec<u8> {
    request(key::FETCH, version, |out| {
        out.put_i32(-1); // replica id: a consumer
        out.put_i32(ask.wait_ms_max);
        out.put_i32(ask.size_bytes_min);
        out.put_i32(ask.size_bytes_max);
        out.put_i8(0); // read uncommitted
        if version >= 7 {
            out.put_i32(0); // session id
            out.put_i32(-1); // session epoch: no session
        }
        out.put_i32(1);
        put_string(out, ask.topic.as_bytes());
        out.put_i32(ask.partitions.len() as i32);
        for &(partition, offset) in ask.partitions {
            out.put_i32(partition);
            if version >= 9 {
                out.put_i32(-1); // current leader epoch: unknown
            }
            out.put_i64(offset);
            if version >= 5 {
                out.put_i64(-1); // log start offset: a consumer has none
            }
            out.put_i32(ask.partition_bytes_max);
        }
        if version >= 7 {
            out.put_i32(0); // forgotten topics
        }
        if version >= 11 {
            put_string(out, b""); // rack
        }
    })
}

/// One partition of a Fetch answer.
#[derive(Clone, Copy, Debug)]
pub struct FetchedPartition<'a> {
    pub partition: i32,
    pub error: i16,
    pub high_watermark: i64,
    pub records: &'a [u8],
}

/// Reads a Fetch v4-11 answer (header included), handing every partition to `each`.
pub fn read_fetch<'a>(version: i16, answer: &'a [u8], mut each: impl FnMut(FetchedPartition<'a>) -> Result<()>) -> Result<()> {
    let mut reader = Reader::new(answer);
    let mut walk = || -> Option<Result<()>> {
        reader.i32()?; // correlation id
        reader.i32()?; // throttle time
        if version >= 7 {
            let error = reader.i16()?;
            reader.i32()?; // session id
            if error != 0 {
                return Some(Err(anyhow::anyhow!("fetch failed with error {error}")));
            }
        }
        for _ in 0..reader.count()? {
            reader.string()?;
            for _ in 0..reader.count()? {
                let (partition, error, high_watermark) = (reader.i32()?, reader.i16()?, reader.i64()?);
                reader.i64()?; // last stable offset
                if version >= 5 {
                    reader.i64()?; // log start offset
                }
                for _ in 0..reader.count()? {
                    reader.take(16)?; // aborted transaction
                }
                if version >= 11 {
                    reader.i32()?; // preferred read replica
                }
                let records = reader.bytes()?;
                if let Err(error) = each(FetchedPartition { partition, error, high_watermark, records }) {
                    return Some(Err(error));
                }
            }
        }
        Some(Ok(()))
    };
    walk().unwrap_or_else(|| bail!("fetch answer of {} bytes ends too early", answer.len()))
}

/// ListOffsets v1-5 of one partition; `timestamp` -1 is the log end offset, -2 the log start offset.
pub fn list_offsets(version: i16, topic: &str, partition: i32, timestamp: i64) -> Vec<u8> {
    request(key::LIST_OFFSETS, version, |out| {
        out.put_i32(-1);
        if version >= 2 {
            out.put_i8(0);
        }
        out.put_i32(1);
        put_string(out, topic.as_bytes());
        out.put_i32(1);
        out.put_i32(partition);
        if version >= 4 {
            out.put_i32(-1);
        }
        out.put_i64(timestamp);
    })
}

/// Reads error code and offset off a ListOffsets v1-5 answer of one partition.
pub fn read_list_offsets(version: i16, answer: &[u8]) -> Option<(i16, i64)> {
    let mut reader = Reader::new(answer);
    reader.i32()?;
    if version >= 2 {
        reader.i32()?;
    }
    reader.count()?;
    reader.string()?;
    reader.count()?;
    reader.i32()?;
    let error = reader.i16()?;
    reader.i64()?;
    Some((error, reader.i64()?))
}

/// Metadata v1-8 of one topic.
pub fn metadata(version: i16, topic: &str) -> Vec<u8> {
    request(key::METADATA, version, |out| {
        out.put_i32(1);
        put_string(out, topic.as_bytes());
        if version >= 4 {
            out.put_i8(1); // allow auto creation
        }
        if version >= 8 {
            out.put_slice(&[0, 0]);
        }
    })
}

/// Topic error and number of partitions that have a leader, off a Metadata v1-8 answer of one topic.
pub fn read_metadata(version: i16, answer: &[u8]) -> Option<(i16, usize)> {
    let mut reader = Reader::new(answer);
    reader.i32()?;
    if version >= 3 {
        reader.i32()?;
    }
    for _ in 0..reader.count()? {
        reader.i32()?;
        reader.string()?;
        reader.i32()?;
        reader.string()?;
    }
    if version >= 2 {
        reader.string()?;
    }
    reader.i32()?;
    reader.count()?;
    let error = reader.i16()?;
    reader.string()?;
    reader.i8()?;
    let mut led = 0;
    for _ in 0..reader.count()? {
        let partition_error = reader.i16()?;
        reader.i32()?;
        led += usize::from(partition_error == 0 && reader.i32()? >= 0);
        if version >= 7 {
            reader.i32()?;
        }
        for _ in 0..if version >= 5 { 3 } else { 2 } {
            let replicas = reader.count()?;
            reader.take(replicas.checked_mul(4)?)?;
        }
    }
    Some((error, led))
}

/// CreateTopics v2-4 of one topic with replication factor 1.
pub fn create_topic(version: i16, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> Vec<u8> {
    request(key::CREATE_TOPICS, version, |out| {
        out.put_i32(1);
        put_string(out, topic.as_bytes());
        out.put_i32(partitions);
        out.put_i16(1);
        out.put_i32(0); // assignments
        out.put_i32(configs.len() as i32);
        for (name, value) in configs {
            put_string(out, name.as_bytes());
            put_string(out, value.as_bytes());
        }
        out.put_i32(30_000);
        out.put_i8(0); // validate only: no
    })
}

/// DeleteTopics v1-3 of one topic.
pub fn delete_topic(version: i16, topic: &str) -> Vec<u8> {
    request(key::DELETE_TOPICS, version, |out| {
        out.put_i32(1);
        put_string(out, topic.as_bytes());
        out.put_i32(30_000);
    })
}

/// Error code of the only topic of a CreateTopics v2-4 or DeleteTopics v1-3 answer.
pub fn read_topic_error(answer: &[u8]) -> Option<i16> {
    let mut reader = Reader::new(answer);
    reader.i32()?;
    reader.i32()?; // throttle time
    reader.count()?;
    reader.string()?;
    reader.i16()
}

/// ApiVersions v0, which every broker answers.
pub fn api_versions() -> Vec<u8> {
    request(key::API_VERSIONS, 0, |_| {})
}

/// Key, lowest and highest version of each API in an ApiVersions v0 answer.
pub fn read_api_versions(answer: &[u8]) -> Option<Vec<(i16, i16, i16)>> {
    let mut reader = Reader::new(answer);
    reader.i32()?;
    if reader.i16()? != 0 {
        return None;
    }
    (0..reader.count()?).map(|_| Some((reader.i16()?, reader.i16()?, reader.i16()?))).collect()
}

#[cfg(test)]
mod tests;
