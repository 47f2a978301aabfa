//! The shape of every request of every version: what follows what, and where arrays, nulls and tagged fields may be.
//!
//! Read by `guard` only. Kept by hand, one file per family; the names are Kafka's and appear in logs. Tests hold the table against the
//! decoder: for every request and version a random request built from the table must decode to its last byte, and what the decoder's
//! crate encodes must be walked to its last byte. Versions are those that `kafka-protocol` decodes.

mod admin;
mod cluster;
mod data;
mod groups;
mod security;
mod share;
mod transactions;

/// A request type.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) key: i16,
    pub(super) name: &'static str,
    pub(super) first_version: i16,
    pub(super) last_version: i16,
    /// From this version on lengths are varints and structures end in tagged fields (KIP-482); `NEVER` if no version is.
    flexible_since: i16,
    pub(super) fields: &'static [Field],
}

/// A field of a request or of a structure in it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) of: Type,
    since: i16,
    until: i16,
    nullable_since: i16,
    tag: Option<u32>,
    pub(super) counts_as: CountsAs,
}

/// What a field holds.
#[derive(Debug)]
pub(super) enum Type {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Int64,
    Float64,
    Uuid,
    String,
    /// Bytes, or record batches: the decoder takes both as they are.
    Bytes,
    Struct(&'static [Field]),
    Array(&'static Type),
}

/// Which limit the elements of an array count against, besides the one for all elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CountsAs {
    Element,
    Topic,
    Partition,
}

const NEVER: i16 = i16::MAX;

const fn request(key: i16, name: &'static str, first_version: i16, last_version: i16, fields: &'static [Field]) -> Shape {
    Shape { key, name, first_version, last_version, flexible_since: NEVER, fields }
}

impl Shape {
    const fn flexible(self) -> Self {
        let first_version = self.first_version;
        self.flexible_since(first_version)
    }

    const fn flexible_since(mut self, version: i16) -> Self {
        self.flexible_since = version;
        self
    }

    /// True when this version has varint lengths and tagged fields, and a request header v2.
    pub(super) fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_since
    }

    /// True when the decoder knows this version.
    pub(super) fn has(&self, version: i16) -> bool {
        (self.first_version..=self.last_version).contains(&version)
    }
}

const fn field(name: &'static str, of: Type) -> Field {
    Field { name, of, since: 0, until: NEVER, nullable_since: NEVER, tag: None, counts_as: CountsAs::Element }
}

impl Field {
    const fn since(mut self, version: i16) -> Self {
        self.since = version;
        self
    }

    const fn until(mut self, version: i16) -> Self {
        self.until = version;
        self
    }

    const fn nullable(self) -> Self {
        self.nullable_since(0)
    }

    const fn nullable_since(mut self, version: i16) -> Self {
        self.nullable_since = version;
        self
    }

    const fn tagged(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }

    const fn topics(mut self) -> Self {
        self.counts_as = CountsAs::Topic;
        self
    }

    const fn partitions(mut self) -> Self {
        self.counts_as = CountsAs::Partition;
        self
    }

    /// True when this version has the field in its place among the others.
    pub(super) fn is_in_place(&self, version: i16) -> bool {
        self.tag.is_none() && self.is_known(version)
    }

    /// True when this version has the field under this tag.
    pub(super) fn is_tagged_as(&self, tag: u32) -> bool {
        self.tag == Some(tag)
    }

    /// True when this version has the field at all.
    pub(super) fn is_known(&self, version: i16) -> bool {
        (self.since..=self.until).contains(&version)
    }

    /// True when the field may be null in this version.
    pub(super) fn is_nullable(&self, version: i16) -> bool {
        version >= self.nullable_since
    }
}

/// One more than the highest api key.
pub(crate) const KEYS: usize = 93;

/// Shapes by api key.
static SHAPES: [Option<&'static Shape>; KEYS] = {
    let mut by_key = [None; KEYS];
    let families: [&'static [Shape]; 7] =
        [data::SHAPES, groups::SHAPES, transactions::SHAPES, admin::SHAPES, security::SHAPES, cluster::SHAPES, share::SHAPES];
    let mut family = 0;
    while family < families.len() {
        let mut index = 0;
        while index < families[family].len() {
            let shape = &families[family][index];
            assert!(by_key[shape.key as usize].is_none(), "an api key occurs twice");
            assert!(shape.first_version <= shape.last_version, "versions in order");
            by_key[shape.key as usize] = Some(shape);
            index += 1;
        }
        family += 1;
    }
    by_key
};

/// The shape of an API's requests.
pub(super) fn find(api_key: i16) -> Option<&'static Shape> {
    *SHAPES.get(usize::try_from(api_key).ok()?)?
}
