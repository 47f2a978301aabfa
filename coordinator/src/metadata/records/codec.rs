//! Kafka's flexible encoding: unsigned varints, compact strings and arrays, tagged fields. Private to the records.
//!
//! The reader works inside one slice and never trusts a length: a length past the end is an error before anything is
//! allocated. The writer cannot fail.

use super::RecordError;
use uuid::Uuid;

type Result<T> = std::result::Result<T, RecordError>;

/// A cursor over one record's bytes.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, size: usize, field: &'static str) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(size).ok_or(RecordError::Truncated { field })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(RecordError::Truncated { field })?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn i8(&mut self, field: &'static str) -> Result<i8> {
        Ok(i8::from_be_bytes(self.array(field)?))
    }

    pub(super) fn bool(&mut self, field: &'static str) -> Result<bool> {
        Ok(self.i8(field)? != 0)
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    pub(super) fn i16(&mut self, field: &'static str) -> Result<i16> {
        Ok(i16::from_be_bytes(self.array(field)?))
    }

    pub(super) fn i32(&mut self, field: &'static str) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array(field)?))
    }

    pub(super) fn i64(&mut self, field: &'static str) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array(field)?))
    }

    pub(super) fn f64(&mut self, field: &'static str) -> Result<f64> {
        Ok(f64::from_be_bytes(self.array(field)?))
    }

    pub(super) fn uuid(&mut self, field: &'static str) -> Result<Uuid> {
        Ok(Uuid::from_bytes(self.array(field)?))
    }

    /// An unsigned varint of at most 32 bits.
    pub(super) fn varint(&mut self, field: &'static str) -> Result<u32> {
        let mut value = 0u32;
        for shift in [0u32, 7, 14, 21, 28] {
            let [byte] = self.array::<1>(field)?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecordError::OutOfRange { field })
    }

    /// The length of a compact string, array or bytes; `None` for null.
    fn compact_len(&mut self, field: &'static str) -> Result<Option<usize>> {
        Ok((self.varint(field)? as usize).checked_sub(1))
    }

    pub(super) fn nullable_string(&mut self, field: &'static str) -> Result<Option<String>> {
        let Some(size) = self.compact_len(field)? else { return Ok(None) };
        if size > i16::MAX as usize {
            return Err(RecordError::OutOfRange { field });
        }
        let bytes = self.take(size, field)?;
        let text = std::str::from_utf8(bytes).map_err(|_| RecordError::NotUtf8 { field })?;
        Ok(Some(text.to_owned()))
    }

    pub(super) fn string(&mut self, field: &'static str) -> Result<String> {
        self.nullable_string(field)?.ok_or(RecordError::OutOfRange { field })
    }

    pub(super) fn bytes(&mut self, field: &'static str) -> Result<Vec<u8>> {
        let size = self.compact_len(field)?.ok_or(RecordError::OutOfRange { field })?;
        Ok(self.take(size, field)?.to_vec())
    }

    pub(super) fn nullable_list<T>(&mut self, field: &'static str, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Option<Vec<T>>> {
        let Some(count) = self.compact_len(field)? else { return Ok(None) };
        // Nothing is set aside for the count: every element takes at least a byte, so memory follows the input and a count
        // beyond the bytes left ends in an error.
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(Some(items))
    }

    pub(super) fn list<T>(&mut self, field: &'static str, item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.nullable_list(field, item)?.ok_or(RecordError::OutOfRange { field })
    }

    /// Reads the tagged fields; `field` gets each tag with a reader of exactly its bytes, and leaves unknown ones alone.
    pub(super) fn tagged(&mut self, mut field: impl FnMut(u32, &mut Reader<'a>) -> Result<()>) -> Result<()> {
        const NAME: &str = "tagged fields";
        let count = self.varint(NAME)?;
        let mut previous = None;
        for _ in 0..count {
            let tag = self.varint(NAME)?;
            if previous.is_some_and(|p| p >= tag) {
                return Err(RecordError::OutOfRange { field: NAME });
            }
            previous = Some(tag);
            let size = self.varint(NAME)? as usize;
            let mut inner = Reader::new(self.take(size, NAME)?);
            field(tag, &mut inner)?;
        }
        Ok(())
    }

    /// Skips tagged fields of a structure that has none of its own.
    pub(super) fn no_tags(&mut self) -> Result<()> {
        self.tagged(|_, _| Ok(()))
    }
}

/// Builds one record's bytes.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn i8(&mut self, value: i8) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.i8(i8::from(value));
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn f64(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn uuid(&mut self, value: Uuid) {
        self.bytes.extend_from_slice(value.as_bytes());
    }

    pub(super) fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.bytes.push((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn compact_len(&mut self, len: Option<usize>) {
        let coded = len.map_or(0, |len| len + 1);
        self.varint(u32::try_from(coded).expect("a record's part is far below 4 GiB"));
    }

    pub(super) fn string(&mut self, value: &str) {
        self.nullable_string(Some(value));
    }

    pub(super) fn nullable_string(&mut self, value: Option<&str>) {
        self.compact_len(value.map(str::len));
        self.bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
    }

    pub(super) fn byte_string(&mut self, value: &[u8]) {
        self.compact_len(Some(value.len()));
        self.bytes.extend_from_slice(value);
    }

    pub(super) fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.compact_len(Some(items.len()));
        for each in items {
            item(self, each);
        }
    }

    /// Writes the tagged fields; `fields` adds them in ascending order of tag.
    pub(super) fn tagged(&mut self, fields: impl FnOnce(&mut TagWriter)) {
        let mut tags = TagWriter::default();
        fields(&mut tags);
        self.varint(tags.count);
        self.bytes.append(&mut tags.bytes);
    }

    pub(super) fn no_tags(&mut self) {
        self.varint(0);
    }
}

/// Collects tagged fields.
#[derive(Debug, Default)]
pub(super) struct TagWriter {
    bytes: Vec<u8>,
    count: u32,
    last: Option<u32>,
}

impl TagWriter {
    /// Adds one field; leaving a field out means its default.
    pub(super) fn field(&mut self, tag: u32, value: impl FnOnce(&mut Writer)) {
        assert!(self.last.is_none_or(|last| last < tag), "tags ascend");
        self.last = Some(tag);
        self.count += 1;
        let mut body = Writer::default();
        value(&mut body);
        let mut head = Writer::default();
        head.varint(tag);
        head.varint(u32::try_from(body.bytes.len()).expect("a tagged field is far below 4 GiB"));
        self.bytes.append(&mut head.bytes);
        self.bytes.append(&mut body.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_at_every_length() {
        for value in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455, 268_435_456, u32::MAX] {
            let mut writer = Writer::default();
            writer.varint(value);
            let mut reader = Reader::new(&writer.bytes);
            assert_eq!(reader.varint("v"), Ok(value));
            assert_eq!(reader.remaining(), 0);
        }
    }

    #[test]
    fn an_endless_varint_is_refused() {
        assert_eq!(Reader::new(&[0xff; 9]).varint("v"), Err(RecordError::OutOfRange { field: "v" }));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x10]).varint("v"), Err(RecordError::OutOfRange { field: "v" }));
        assert_eq!(Reader::new(&[0x80]).varint("v"), Err(RecordError::Truncated { field: "v" }));
    }

    #[test]
    fn a_count_beyond_the_bytes_allocates_nothing() {
        let four_billion = [0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3];
        assert!(matches!(Reader::new(&four_billion).list("l", |r| r.i8("i")), Err(RecordError::Truncated { .. })));
        assert!(matches!(Reader::new(&four_billion).bytes("b"), Err(RecordError::Truncated { .. })));
        assert!(Reader::new(&four_billion).string("s").is_err());
    }

    #[test]
    fn tags_out_of_order_or_twice_are_refused() {
        for tags in [[2, 5, 0, 3, 0], [2, 5, 0, 5, 0]] {
            assert_eq!(Reader::new(&tags).no_tags(), Err(RecordError::OutOfRange { field: "tagged fields" }));
        }
        assert_eq!(Reader::new(&[2, 3, 0, 5, 0]).no_tags(), Ok(()));
    }

    #[test]
    fn unknown_tags_are_skipped_and_known_ones_found() {
        let mut writer = Writer::default();
        writer.tagged(|t| {
            t.field(1, |w| w.i32(7));
            t.field(90, |w| w.string("from the future"));
        });
        let mut found = None;
        let mut reader = Reader::new(&writer.bytes);
        let outcome = reader.tagged(|tag, r| {
            if tag == 1 {
                found = Some(r.i32("one")?);
            }
            Ok(())
        });
        assert_eq!((outcome, found, reader.remaining()), (Ok(()), Some(7), 0));
    }
}
