//! The consumer's own bytes inside the classic protocol: `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`.
//!
//! Elsewhere they are opaque. Only a group between the protocols looks inside, and never trusts a length before the bytes are there. A
//! version from the future is read and written as the newest that we know, as Kafka does.

use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What consumers of the classic protocol call themselves.
pub(super) const PROTOCOL_TYPE: &str = "consumer";

const NEWEST_VERSION: i16 = 3;

/// The bytes are not what the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Partitions by topic name.
pub(super) type Partitions = Vec<(Arc<str>, Vec<i32>)>;

/// What a member asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) topics: BTreeSet<Arc<str>>,
    /// What it holds; nothing before version 1.
    pub(super) owned: Partitions,
    /// From version 3 on, and not empty.
    pub(super) rack_id: Option<Arc<str>>,
}

/// What a member was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EmbeddedAssignment {
    pub(super) partitions: Partitions,
    /// An assignor has put data of its own beside the partitions.
    pub(super) has_user_data: bool,
}

/// Reads a member's metadata.
pub(super) fn read_subscription(bytes: &[u8]) -> Result<Subscription, Malformed> {
    let mut reader = Reader(bytes);
    let version = reader.version()?;
    let topics = (0..reader.count()?).map(|_| reader.text()).collect::<Result<_, _>>()?;
    reader.nullable_bytes()?;
    let owned = if version >= 1 { reader.partitions()? } else { Vec::new() };
    if version >= 2 {
        let _generation: [u8; 4] = reader.take()?;
    }
    let rack_id = if version >= 3 { reader.nullable_text()?.filter(|rack| !rack.is_empty()) } else { None };
    Ok(Subscription { topics, owned, rack_id })
}

/// Reads a member's assignment.
pub(super) fn read_assignment(bytes: &[u8]) -> Result<EmbeddedAssignment, Malformed> {
    let mut reader = Reader(bytes);
    reader.version()?;
    let partitions = reader.partitions()?;
    let has_user_data = reader.nullable_bytes()?.is_some_and(|data| !data.is_empty());
    Ok(EmbeddedAssignment { partitions, has_user_data })
}

/// Writes an assignment in the version of the metadata of whom it is for.
pub(super) fn write_assignment(metadata: &[u8], partitions: &[(&str, Vec<i32>)]) -> Result<Bytes, Malformed> {
    let count = |count: usize| i32::try_from(count).map(i32::to_be_bytes).map_err(|_| Malformed);
    let mut bytes = Reader(metadata).version()?.to_be_bytes().to_vec();
    bytes.extend_from_slice(&count(partitions.len())?);
    for (topic, partitions) in partitions {
        bytes.extend_from_slice(&i16::try_from(topic.len()).map_err(|_| Malformed)?.to_be_bytes());
        bytes.extend_from_slice(topic.as_bytes());
        bytes.extend_from_slice(&count(partitions.len())?);
        bytes.extend(partitions.iter().flat_map(|partition| partition.to_be_bytes()));
    }
    // No user data.
    bytes.extend_from_slice(&(-1i32).to_be_bytes());
    Ok(bytes.into())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn version(&mut self) -> Result<i16, Malformed> {
        let version = i16::from_be_bytes(self.take()?);
        if version < 0 { Err(Malformed) } else { Ok(version.min(NEWEST_VERSION)) }
    }

    fn count(&mut self) -> Result<usize, Malformed> {
        usize::try_from(i32::from_be_bytes(self.take()?)).map_err(|_| Malformed)
    }

    fn text(&mut self) -> Result<Arc<str>, Malformed> {
        self.nullable_text()?.ok_or(Malformed)
    }

    fn nullable_text(&mut self) -> Result<Option<Arc<str>>, Malformed> {
        let Ok(length) = usize::try_from(i16::from_be_bytes(self.take()?)) else { return Ok(None) };
        let text = std::str::from_utf8(self.slice(length)?).map_err(|_| Malformed)?;
        Ok(Some(text.into()))
    }

    fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match usize::try_from(i32::from_be_bytes(self.take()?)) {
            Ok(length) => self.slice(length).map(Some),
            Err(_) => Ok(None),
        }
    }

    fn partitions(&mut self) -> Result<Partitions, Malformed> {
        (0..self.count()?).map(|_| Ok((self.text()?, self.numbers()?))).collect()
    }

    fn numbers(&mut self) -> Result<Vec<i32>, Malformed> {
        let bytes = self.count()?.checked_mul(4).ok_or(Malformed).and_then(|length| self.slice(length))?;
        let (numbers, _) = bytes.as_chunks::<4>();
        Ok(numbers.iter().map(|number| i32::from_be_bytes(*number)).collect())
    }
}
