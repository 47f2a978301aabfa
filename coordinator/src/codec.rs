//! How Kafka's generated classes write fields, shared by the records of all shards. Two forms: *flexible* has unsigned varints,
//! compact strings and arrays, and tagged fields; *plain* has lengths of fixed size and no tags.
//!
//! The reader works inside one slice and never trusts a length: a length past the end is an error before anything is
//! allocated. The writer cannot fail; a string that no record can hold is remembered in `too_long`.

use uuid::Uuid;

/// Why bytes are not the fields they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The bytes end before the fields do.
    #[error("the record ends inside {field}")]
    Truncated {
        /// What was being read.
        field: &'static str,
    },
    /// A length or a number is outside what the field allows.
    #[error("{field} is out of range")]
    OutOfRange {
        /// What was being read.
        field: &'static str,
    },
    /// A string is not UTF-8.
    #[error("{field} is not UTF-8")]
    NotUtf8 {
        /// What was being read.
        field: &'static str,
    },
}

type Result<T> = std::result::Result<T, FieldError>;

/// The longest string of any record, as in Kafka's requests.
const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// A cursor over one record's bytes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    flexible: bool,
}

impl<'a> Reader<'a> {
    /// Reads the flexible form.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, flexible: true }
    }

    /// Reads the plain form.
    pub(crate) fn plain(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, flexible: false }
    }

    /// Goes on in the flexible form, or in the plain one.
    pub(crate) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, size: usize, field: &'static str) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(size).ok_or(FieldError::Truncated { field })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(FieldError::Truncated { field })?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn i8(&mut self, field: &'static str) -> Result<i8> {
        Ok(i8::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn bool(&mut self, field: &'static str) -> Result<bool> {
        Ok(self.i8(field)? != 0)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn i16(&mut self, field: &'static str) -> Result<i16> {
        Ok(i16::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn i64(&mut self, field: &'static str) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn f64(&mut self, field: &'static str) -> Result<f64> {
        Ok(f64::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn uuid(&mut self, field: &'static str) -> Result<Uuid> {
        Ok(Uuid::from_bytes(self.array(field)?))
    }

    /// An unsigned varint of at most 32 bits.
    pub(crate) fn varint(&mut self, field: &'static str) -> Result<u32> {
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
        Err(FieldError::OutOfRange { field })
    }

    /// The length of an array or of bytes; `None` for null.
    fn len(&mut self, field: &'static str) -> Result<Option<usize>> {
        if self.flexible {
            return Ok((self.varint(field)? as usize).checked_sub(1));
        }
        Ok(usize::try_from(self.i32(field)?).ok())
    }

    /// A string inside the record's bytes, or null.
    pub(crate) fn nullable_text(&mut self, field: &'static str) -> Result<Option<&'a str>> {
        let size = if self.flexible { self.len(field)? } else { usize::try_from(self.i16(field)?).ok() };
        let Some(size) = size else { return Ok(None) };
        if size > STRING_BYTES_MAX {
            return Err(FieldError::OutOfRange { field });
        }
        let bytes = self.take(size, field)?;
        std::str::from_utf8(bytes).map(Some).map_err(|_| FieldError::NotUtf8 { field })
    }

    /// A string inside the record's bytes.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str> {
        self.nullable_text(field)?.ok_or(FieldError::OutOfRange { field })
    }

    pub(crate) fn nullable_string(&mut self, field: &'static str) -> Result<Option<String>> {
        Ok(self.nullable_text(field)?.map(str::to_owned))
    }

    pub(crate) fn string(&mut self, field: &'static str) -> Result<String> {
        Ok(self.text(field)?.to_owned())
    }

    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<Vec<u8>> {
        let size = self.len(field)?.ok_or(FieldError::OutOfRange { field })?;
        Ok(self.take(size, field)?.to_vec())
    }

    pub(crate) fn nullable_list<T>(&mut self, field: &'static str, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Option<Vec<T>>> {
        let Some(count) = self.len(field)? else { return Ok(None) };
        // Nothing is set aside for the count: every element takes at least a byte, so memory follows the input and a count
        // beyond the bytes left ends in an error.
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(Some(items))
    }

    pub(crate) fn list<T>(&mut self, field: &'static str, item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.nullable_list(field, item)?.ok_or(FieldError::OutOfRange { field })
    }

    /// Reads the tagged fields, which the plain form has not; `field` gets each tag with a reader of exactly its bytes, and leaves
    /// unknown ones alone.
    pub(crate) fn tagged(&mut self, mut field: impl FnMut(u32, &mut Reader<'a>) -> Result<()>) -> Result<()> {
        const NAME: &str = "tagged fields";
        if !self.flexible {
            return Ok(());
        }
        let count = self.varint(NAME)?;
        let mut previous = None;
        for _ in 0..count {
            let tag = self.varint(NAME)?;
            if previous.is_some_and(|p| p >= tag) {
                return Err(FieldError::OutOfRange { field: NAME });
            }
            previous = Some(tag);
            let size = self.varint(NAME)? as usize;
            let mut inner = Reader::new(self.take(size, NAME)?);
            field(tag, &mut inner)?;
        }
        Ok(())
    }

    /// Skips tagged fields of a structure that has none of its own.
    pub(crate) fn no_tags(&mut self) -> Result<()> {
        self.tagged(|_, _| Ok(()))
    }
}

/// Builds one record's bytes.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
    /// A string was longer than any reader would take; the bytes are worth nothing.
    pub(crate) too_long: bool,
    flexible: bool,
}

/// Room for most records, so that the bytes do not move as they come in.
const BYTES_USUAL: usize = 96;

impl Default for Writer {
    /// Writes the flexible form.
    fn default() -> Self {
        Self { bytes: Vec::with_capacity(BYTES_USUAL), too_long: false, flexible: true }
    }
}

impl Writer {
    /// Writes the plain form.
    pub(crate) fn plain() -> Self {
        Self { flexible: false, ..Self::default() }
    }

    /// Goes on in the flexible form, or in the plain one.
    pub(crate) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    pub(crate) fn i8(&mut self, value: i8) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.i8(i8::from(value));
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn f64(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn uuid(&mut self, value: Uuid) {
        self.bytes.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn varint(&mut self, value: u32) {
        put_varint(&mut self.bytes, value);
    }

    fn len(&mut self, len: Option<usize>) {
        if self.flexible {
            let coded = len.map_or(0, |len| len + 1);
            self.varint(u32::try_from(coded).expect("a record's part is far below 4 GiB"));
        } else {
            self.i32(len.map_or(-1, |len| i32::try_from(len).expect("a record's part is far below 2 GiB")));
        }
    }

    pub(crate) fn string(&mut self, value: &str) {
        self.nullable_string(Some(value));
    }

    pub(crate) fn nullable_string(&mut self, value: Option<&str>) {
        let len = value.map(str::len);
        self.too_long |= len.is_some_and(|len| len > STRING_BYTES_MAX);
        if self.flexible {
            self.len(len);
        } else {
            self.i16(len.map_or(-1, |len| i16::try_from(len).unwrap_or(i16::MAX)));
        }
        self.bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
    }

    pub(crate) fn byte_string(&mut self, value: &[u8]) {
        self.len(Some(value.len()));
        self.bytes.extend_from_slice(value);
    }

    pub(crate) fn list<I: ExactSizeIterator>(&mut self, items: impl IntoIterator<IntoIter = I>, mut item: impl FnMut(&mut Self, I::Item)) {
        let items = items.into_iter();
        self.len(Some(items.len()));
        for each in items {
            item(self, each);
        }
    }

    /// Writes null where a list may be.
    pub(crate) fn null_list(&mut self) {
        self.len(None);
    }

    /// Writes the tagged fields, which the plain form has not; `fields` adds them in ascending order of tag.
    pub(crate) fn tagged(&mut self, fields: impl FnOnce(&mut TagWriter)) {
        if !self.flexible {
            return;
        }
        let mut tags = TagWriter::default();
        fields(&mut tags);
        self.varint(tags.count);
        self.too_long |= tags.too_long;
        self.bytes.append(&mut tags.bytes);
    }

    pub(crate) fn no_tags(&mut self) {
        self.tagged(|_| ());
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Collects tagged fields.
#[derive(Debug, Default)]
pub(crate) struct TagWriter {
    bytes: Vec<u8>,
    count: u32,
    last: Option<u32>,
    too_long: bool,
}

impl TagWriter {
    /// Adds one field; leaving a field out means its default.
    pub(crate) fn field(&mut self, tag: u32, value: impl FnOnce(&mut Writer)) {
        assert!(self.last.is_none_or(|last| last < tag), "tags ascend");
        self.last = Some(tag);
        self.count += 1;
        let mut body = Writer::default();
        value(&mut body);
        self.bytes.reserve(body.bytes.len() + 10);
        put_varint(&mut self.bytes, tag);
        put_varint(&mut self.bytes, u32::try_from(body.bytes.len()).expect("a tagged field is far below 4 GiB"));
        self.too_long |= body.too_long;
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
        assert_eq!(Reader::new(&[0xff; 9]).varint("v"), Err(FieldError::OutOfRange { field: "v" }));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x10]).varint("v"), Err(FieldError::OutOfRange { field: "v" }));
        assert_eq!(Reader::new(&[0x80]).varint("v"), Err(FieldError::Truncated { field: "v" }));
    }

    #[test]
    fn a_count_beyond_the_bytes_allocates_nothing() {
        let four_billion = [0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3];
        assert!(matches!(Reader::new(&four_billion).list("l", |r| r.i8("i")), Err(FieldError::Truncated { .. })));
        assert!(matches!(Reader::new(&four_billion).bytes("b"), Err(FieldError::Truncated { .. })));
        assert!(Reader::new(&four_billion).string("s").is_err());
    }

    #[test]
    fn tags_out_of_order_or_twice_are_refused() {
        for tags in [[2, 5, 0, 3, 0], [2, 5, 0, 5, 0]] {
            assert_eq!(Reader::new(&tags).no_tags(), Err(FieldError::OutOfRange { field: "tagged fields" }));
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
