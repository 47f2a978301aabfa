//! Walks a request before anything decodes it: nothing from a socket reaches the decoder unguarded (DESIGN.md 0.2, item 16).
//!
//! Called by `frame` and `connection`. The decoder allocates by the array lengths it reads; the guard has checked every one of them
//! against the bytes that are left, divided by the least an element takes, and against `limits`. It allocates nothing and does not look
//! at values. Bytes behind the last field are left alone and counted out, as Kafka does.
//!
//! Stricter than Kafka in two points that no client needs: a null length is exactly -1, and a known tagged field is as long as it says.

use super::shapes::{self, CountsAs, Field, Shape, Type};
use crate::limits::Limits;
use kafka_protocol::messages::ApiKey;
use thiserror::Error;

/// Longest string: its length is an int16, and Kafka holds compact strings to the same.
const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// A request that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Safe to decode; the decoder will consume so many bytes, any behind them mean nothing.
    Walked {
        /// Size of the request body proper.
        consumed_bytes: usize,
    },
    /// ApiVersions of a version we do not know: to be answered without reading its body (KIP-511).
    NotToBeRead,
}

/// Why a request may not be decoded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The table has no such API or version.
    #[error("unknown API or version")]
    Unknown,
    /// The bytes end before the request does.
    #[error("cut off in {field}")]
    CutOff {
        /// Where.
        field: &'static str,
    },
    /// An array or string announces more than can follow.
    #[error("{field} announces {announced} elements or bytes, more than can follow")]
    TooLong {
        /// Where.
        field: &'static str,
        /// The length on the wire.
        announced: u64,
    },
    /// A length that is negative, or null where null is not allowed, or a varint that does not end.
    #[error("{field} has an invalid length")]
    BadLength {
        /// Where.
        field: &'static str,
    },
    /// More elements than `limits` allows.
    #[error("too many {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
    },
    /// A tagged field that this version does not have, or whose length is not its own.
    #[error("tagged field {field} is not as it should be")]
    BadTag {
        /// Which.
        field: &'static str,
    },
}

/// The version of the request header, or `None` for an API or version we do not know. ApiVersions has one for any version.
pub fn request_header_version(api_key: i16, api_version: i16) -> Option<i16> {
    let shape = shapes::find(api_key)?;
    let known = shape.has(api_version) || api_key == ApiKey::ApiVersions as i16;
    known.then(|| if shape.is_flexible(api_version) { 2 } else { 1 })
}

/// Kafka's name of an API, for logs.
pub fn api_name(api_key: i16) -> &'static str {
    shapes::find(api_key).map_or("unknown", |shape| shape.name)
}

/// Walks a request body.
pub fn check(api_key: i16, api_version: i16, body: &[u8], limits: &Limits) -> Result<Verdict, Refusal> {
    let shape = shapes::find(api_key).ok_or(Refusal::Unknown)?;
    if !shape.has(api_version) {
        return if api_key == ApiKey::ApiVersions as i16 { Ok(Verdict::NotToBeRead) } else { Err(Refusal::Unknown) };
    }
    let mut walker = Walker::new(body, api_version, shape, limits);
    walker.structure(shape.fields)?;
    Ok(Verdict::Walked { consumed_bytes: body.len() - walker.rest.len() })
}

/// Size of the tagged fields at the front of `bytes`, none of which are known: the end of a request header v2.
pub(super) fn tagged_fields_size(bytes: &[u8], limits: &Limits) -> Result<usize, Refusal> {
    let mut walker = Walker { rest: bytes, version: 0, flexible: true, limits, elements: 0, topics: 0, partitions: 0 };
    walker.tagged_fields(&[])?;
    Ok(bytes.len() - walker.rest.len())
}

struct Walker<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    limits: &'a Limits,
    elements: usize,
    topics: usize,
    partitions: usize,
}

impl<'a> Walker<'a> {
    fn new(body: &'a [u8], version: i16, shape: &Shape, limits: &'a Limits) -> Self {
        Self { rest: body, version, flexible: shape.is_flexible(version), limits, elements: 0, topics: 0, partitions: 0 }
    }

    /// Recursion goes as deep as the table nests, four levels; the bytes have no say in it.
    fn structure(&mut self, fields: &'static [Field]) -> Result<(), Refusal> {
        for field in fields {
            if field.is_in_place(self.version) {
                self.field(field)?;
            }
        }
        if self.flexible { self.tagged_fields(fields) } else { Ok(()) }
    }

    fn field(&mut self, field: &'static Field) -> Result<(), Refusal> {
        let nullable = field.is_nullable(self.version);
        match &field.of {
            Type::Array(element) => self.array(field, element, nullable),
            // A structure that may be null is led by one byte: -1 for null, 1 for not.
            Type::Struct(fields) if nullable => match self.take(field.name, 1)? {
                [0xff] => Ok(()),
                [1] => self.structure(fields),
                _ => Err(Refusal::BadLength { field: field.name }),
            },
            of => self.value(field.name, of, nullable),
        }
    }

    fn value(&mut self, name: &'static str, of: &'static Type, nullable: bool) -> Result<(), Refusal> {
        match of {
            Type::Struct(fields) => self.structure(fields),
            Type::String => {
                let length = if self.flexible { self.varint_length(name)? } else { self.int16_length(name)? };
                self.counted_bytes(name, length, nullable, STRING_BYTES_MAX)
            }
            Type::Bytes => {
                let length = if self.flexible { self.varint_length(name)? } else { self.int32_length(name)? };
                self.counted_bytes(name, length, nullable, usize::MAX)
            }
            Type::Array(_) => Err(Refusal::BadLength { field: name }), // The table has no arrays of arrays; a test says so.
            fixed => self.take(name, fixed_size(fixed)).map(|_| ()),
        }
    }

    fn array(&mut self, field: &'static Field, element: &'static Type, nullable: bool) -> Result<(), Refusal> {
        let name = field.name;
        let length = if self.flexible { self.varint_length(name)? } else { self.int32_length(name)? };
        let Some(length) = length else {
            return if nullable { Ok(()) } else { Err(Refusal::BadLength { field: name }) };
        };
        let element_bytes_min = self.size_min(element, false);
        if length > self.rest.len() / element_bytes_min {
            return Err(Refusal::TooLong { field: name, announced: length as u64 });
        }
        self.count(field.counts_as, length)?;
        match element {
            Type::Struct(_) | Type::String | Type::Bytes | Type::Array(_) => {
                for _ in 0..length {
                    self.value(name, element, false)?;
                }
                Ok(())
            }
            // The product is at most the bytes that are left.
            fixed => self.take(name, length * fixed_size(fixed)).map(|_| ()),
        }
    }

    /// Counts before the elements are walked, so that a refused request costs little.
    fn count(&mut self, counts_as: CountsAs, length: usize) -> Result<(), Refusal> {
        let (counter, max, what) = match counts_as {
            CountsAs::Topic => (&mut self.topics, self.limits.request_topics_max, "topics"),
            CountsAs::Partition => (&mut self.partitions, self.limits.request_partitions_max, "partitions"),
            CountsAs::Element => (&mut self.elements, self.limits.request_elements_max, "elements"),
        };
        *counter += length;
        if *counter > max {
            return Err(Refusal::TooMany { what });
        }
        if self.elements + self.topics + self.partitions > self.limits.request_elements_max {
            return Err(Refusal::TooMany { what: "elements" });
        }
        Ok(())
    }

    fn tagged_fields(&mut self, fields: &'static [Field]) -> Result<(), Refusal> {
        const NAME: &str = "tagged fields";
        let count = self.varint(NAME)? as usize;
        if count > self.limits.tagged_fields_max {
            return Err(Refusal::TooMany { what: NAME });
        }
        for _ in 0..count {
            let tag = self.varint(NAME)?;
            let size_bytes = self.varint(NAME)? as usize;
            if size_bytes > self.rest.len() {
                return Err(Refusal::TooLong { field: NAME, announced: size_bytes as u64 });
            }
            match fields.iter().find(|field| field.is_tagged_as(tag)) {
                // The decoder keeps unknown ones, each in an entry of a map.
                None => {
                    self.count(CountsAs::Element, 1)?;
                    self.take(NAME, size_bytes)?;
                }
                // The decoder goes by the field and not by the size it was given, so the two must agree.
                Some(field) => {
                    let before = self.rest.len();
                    if !field.is_known(self.version) {
                        return Err(Refusal::BadTag { field: field.name });
                    }
                    self.field(field)?;
                    if before - self.rest.len() != size_bytes {
                        return Err(Refusal::BadTag { field: field.name });
                    }
                }
            }
        }
        Ok(())
    }

    /// The fewest bytes a value takes; at least 1.
    fn size_min(&self, of: &'static Type, nullable: bool) -> usize {
        match of {
            Type::Struct(_) if nullable => 1,
            Type::Struct(fields) => {
                let in_place = fields.iter().filter(|field| field.is_in_place(self.version));
                let fields: usize = in_place.map(|field| self.size_min(&field.of, field.is_nullable(self.version))).sum();
                (fields + usize::from(self.flexible)).max(1)
            }
            Type::String | Type::Bytes | Type::Array(_) if self.flexible => 1,
            Type::String => 2,
            Type::Bytes | Type::Array(_) => 4,
            fixed => fixed_size(fixed),
        }
    }

    fn counted_bytes(&mut self, name: &'static str, length: Option<usize>, nullable: bool, max: usize) -> Result<(), Refusal> {
        match length {
            None if nullable => Ok(()),
            None => Err(Refusal::BadLength { field: name }),
            Some(length) if length > max || length > self.rest.len() => Err(Refusal::TooLong { field: name, announced: length as u64 }),
            Some(length) => self.take(name, length).map(|_| ()),
        }
    }

    fn int16_length(&mut self, name: &'static str) -> Result<Option<usize>, Refusal> {
        match self.take(name, 2)? {
            [0xff, 0xff] => Ok(None),
            &[b0, b1] => usize::try_from(i16::from_be_bytes([b0, b1])).map(Some).map_err(|_| Refusal::BadLength { field: name }),
            _ => Err(Refusal::CutOff { field: name }),
        }
    }

    fn int32_length(&mut self, name: &'static str) -> Result<Option<usize>, Refusal> {
        match self.take(name, 4)? {
            [0xff, 0xff, 0xff, 0xff] => Ok(None),
            &[b0, b1, b2, b3] => {
                usize::try_from(i32::from_be_bytes([b0, b1, b2, b3])).map(Some).map_err(|_| Refusal::BadLength { field: name })
            }
            _ => Err(Refusal::CutOff { field: name }),
        }
    }

    /// A compact length: one more than the length, 0 for null.
    fn varint_length(&mut self, name: &'static str) -> Result<Option<usize>, Refusal> {
        Ok((self.varint(name)? as usize).checked_sub(1))
    }

    fn varint(&mut self, name: &'static str) -> Result<u32, Refusal> {
        let mut value: u32 = 0;
        for shift in [0, 7, 14, 21, 28] {
            let (byte, rest) = self.rest.split_first().ok_or(Refusal::CutOff { field: name })?;
            self.rest = rest;
            // Of the fifth byte only four bits have a place.
            if shift == 28 && *byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Refusal::BadLength { field: name })
    }

    fn take(&mut self, name: &'static str, count: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Refusal::CutOff { field: name })?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Size of a value whose size does not depend on it. Those that do have none: 0, and are never asked.
fn fixed_size(of: &Type) -> usize {
    match of {
        Type::Bool | Type::Int8 => 1,
        Type::Int16 | Type::Uint16 => 2,
        Type::Int32 => 4,
        Type::Int64 | Type::Float64 => 8,
        Type::Uuid => 16,
        Type::String | Type::Bytes | Type::Struct(_) | Type::Array(_) => 0,
    }
}
