//! Random valid requests, made from the shape table alone.

use super::super::shapes::{Field, Shape, Type};

/// A small random number generator; the seed is the whole story.
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A request body, and where its array lengths are.
#[derive(Debug)]
pub(super) struct Generated {
    pub(super) bytes: Vec<u8>,
    pub(super) array_lengths: Vec<LengthAt>,
}

/// Where the length of an array is encoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct LengthAt {
    pub(super) field: &'static str,
    pub(super) position: usize,
    pub(super) size_bytes: usize,
}

/// Makes one request. Arrays are seldom empty, nulls are taken where they are legal, unknown tags are strewn in.
pub(super) fn generate(shape: &Shape, version: i16, random: &mut Random) -> Generated {
    let mut maker =
        Maker { version, flexible: shape.is_flexible(version), random, bytes: Vec::new(), array_lengths: Vec::new(), marks: true };
    maker.structure(shape.fields);
    Generated { bytes: maker.bytes, array_lengths: maker.array_lengths }
}

struct Maker<'r> {
    version: i16,
    flexible: bool,
    random: &'r mut Random,
    bytes: Vec<u8>,
    array_lengths: Vec<LengthAt>,
    marks: bool,
}

impl Maker<'_> {
    fn structure(&mut self, fields: &'static [Field]) {
        let version = self.version;
        for field in fields.iter().filter(|field| field.is_in_place(version)) {
            self.field(field);
        }
        if self.flexible {
            self.tagged_fields(fields);
        }
    }

    fn field(&mut self, field: &'static Field) {
        let null = field.is_nullable(self.version) && self.random.one_in(4);
        match &field.of {
            Type::Struct(fields) if field.is_nullable(self.version) => {
                self.bytes.push(if null { 0xff } else { 1 });
                if !null {
                    self.structure(fields);
                }
            }
            Type::Array(element) => {
                let count = (!null).then(|| if self.random.one_in(8) { 0 } else { 1 + self.random.below(3) });
                let position = self.bytes.len();
                self.length(count, 4);
                if self.marks {
                    self.array_lengths.push(LengthAt { field: field.name, position, size_bytes: self.bytes.len() - position });
                }
                for _ in 0..count.unwrap_or(0) {
                    self.value(element, false);
                }
            }
            of => self.value(of, null),
        }
    }

    fn value(&mut self, of: &'static Type, null: bool) {
        match of {
            Type::Struct(fields) => self.structure(fields),
            Type::String => {
                let text: String = (0..self.random.below(12)).map(|_| ['a', 'Z', '-', 'ß', '語'][self.random.below(5)]).collect();
                self.length((!null).then_some(text.len()), 2);
                if !null {
                    self.bytes.extend(text.bytes());
                }
            }
            Type::Bytes => {
                let count = (!null).then(|| self.random.below(200));
                self.length(count, 4);
                self.random_bytes(count.unwrap_or(0));
            }
            Type::Bool => {
                let value = u8::from(self.random.one_in(2));
                self.bytes.push(value);
            }
            Type::Int8 => self.random_bytes(1),
            Type::Int16 | Type::Uint16 => self.random_bytes(2),
            Type::Int32 => self.random_bytes(4),
            Type::Int64 | Type::Float64 => self.random_bytes(8),
            Type::Uuid => self.random_bytes(16),
            Type::Array(_) => panic!("the table has an array of arrays, which the guard does not walk"),
        }
    }

    fn tagged_fields(&mut self, fields: &'static [Field]) {
        let known: Vec<&Field> = fields
            .iter()
            .filter(|field| field.is_known(self.version) && !field.is_in_place(self.version))
            .filter(|_| !self.random.one_in(3))
            .collect();
        let unknown = self.random.below(3);
        self.varint((known.len() + unknown) as u32);
        for field in known {
            let tag = (0..100).find(|tag| field.is_tagged_as(*tag)).expect("a field not in place is tagged");
            let bytes = std::mem::take(&mut self.bytes);
            let marks = std::mem::replace(&mut self.marks, false);
            self.field(field);
            self.marks = marks;
            let field_bytes = std::mem::replace(&mut self.bytes, bytes);
            self.varint(tag);
            self.varint(field_bytes.len() as u32);
            self.bytes.extend(field_bytes);
        }
        // The first tags the table does not have: were the decoder to have one of them, it would choke on what follows.
        let unknown_tags = (0..).filter(|tag| !fields.iter().any(|field| field.is_tagged_as(*tag)));
        for tag in unknown_tags.take(unknown) {
            self.varint(tag);
            let size_bytes = self.random.below(5);
            self.varint(size_bytes as u32);
            self.random_bytes(size_bytes);
        }
    }

    fn length(&mut self, length: Option<usize>, size_bytes: usize) {
        match (self.flexible, length) {
            (true, None) => self.varint(0),
            (true, Some(length)) => self.varint(length as u32 + 1),
            (false, None) => self.bytes.extend(std::iter::repeat_n(0xff, size_bytes)),
            (false, Some(length)) => self.bytes.extend(&(length as u32).to_be_bytes()[4 - size_bytes..]),
        }
    }

    fn varint(&mut self, value: u32) {
        self.bytes.extend(varint(value));
    }

    fn random_bytes(&mut self, count: usize) {
        for _ in 0..count {
            let byte = self.random.next() as u8;
            self.bytes.push(byte);
        }
    }
}

/// An unsigned varint.
pub(super) fn varint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
