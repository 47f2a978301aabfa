//! Zigzag varints as records use them. Reading never panics; bits beyond the type's width are dropped, as Kafka does.

use super::MalformedRecord;

/// Reads a varint at `at` and moves past it.
#[inline]
pub(super) fn read_i32(bytes: &[u8], at: &mut usize) -> Result<i32, MalformedRecord> {
    if let Some(&first) = bytes.get(*at)
        && first < 0x80
    {
        *at += 1;
        return Ok(zigzag_i32(u32::from(first)));
    }
    read_i32_long(bytes, at)
}

fn read_i32_long(bytes: &[u8], at: &mut usize) -> Result<i32, MalformedRecord> {
    let mut value = 0_u32;
    for shift in (0..35).step_by(7) {
        let &byte = bytes.get(*at).ok_or(MalformedRecord::Ends)?;
        *at += 1;
        value |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(zigzag_i32(value));
        }
    }
    Err(MalformedRecord::Varint)
}

/// Reads a varlong at `at` and moves past it.
#[inline]
pub(super) fn read_i64(bytes: &[u8], at: &mut usize) -> Result<i64, MalformedRecord> {
    if let Some(&first) = bytes.get(*at)
        && first < 0x80
    {
        *at += 1;
        return Ok(zigzag_i64(u64::from(first)));
    }
    read_i64_long(bytes, at)
}

fn read_i64_long(bytes: &[u8], at: &mut usize) -> Result<i64, MalformedRecord> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let &byte = bytes.get(*at).ok_or(MalformedRecord::Ends)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(zigzag_i64(value));
        }
    }
    Err(MalformedRecord::Varint)
}

/// Appends a varint.
pub(super) fn write_i32(out: &mut Vec<u8>, value: i32) {
    write_i64(out, i64::from(value));
}

/// Appends a varlong. Zigzag gives an `i32` the same bytes in both widths.
pub(super) fn write_i64(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest as u8) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// How many bytes a varlong takes.
pub(super) fn size_i64(value: i64) -> usize {
    let bits = 64 - ((value << 1) ^ (value >> 63)).cast_unsigned().leading_zeros() as usize;
    bits.div_ceil(7).max(1)
}

fn zigzag_i32(value: u32) -> i32 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

fn zigzag_i64(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value: i64, small: i32) {
            let mut bytes = Vec::new();
            write_i64(&mut bytes, value);
            let long_size = bytes.len();
            write_i32(&mut bytes, small);
            prop_assert!(long_size <= 10 && bytes.len() - long_size <= 5);
            prop_assert_eq!((long_size, bytes.len() - long_size), (size_i64(value), size_i64(i64::from(small))));
            let mut at = 0;
            prop_assert_eq!(read_i64(&bytes, &mut at), Ok(value));
            prop_assert_eq!(read_i32(&bytes, &mut at), Ok(small));
            prop_assert_eq!(at, bytes.len());
        }

        #[test]
        fn any_bytes_end_in_a_number_or_an_error(bytes: Vec<u8>) {
            let mut at = 0;
            let _ = read_i32(&bytes, &mut at);
            prop_assert!(at <= bytes.len().min(5));
            at = 0;
            let _ = read_i64(&bytes, &mut at);
            prop_assert!(at <= bytes.len().min(10));
        }
    }

    #[test]
    fn the_extremes_take_five_and_ten_bytes() {
        for (value, size) in [(0, 1), (-1, 1), (63, 1), (-64, 1), (64, 2), (i32::MAX, 5), (i32::MIN, 5)] {
            let mut bytes = Vec::new();
            write_i32(&mut bytes, value);
            assert_eq!(bytes.len(), size, "{value}");
        }
        let mut bytes = Vec::new();
        write_i64(&mut bytes, i64::MIN);
        assert_eq!(bytes.len(), 10);
    }

    #[test]
    fn a_number_that_never_ends_is_refused() {
        let mut at = 0;
        assert_eq!(read_i32(&[0x80; 5], &mut at), Err(MalformedRecord::Varint));
        at = 0;
        assert_eq!(read_i64(&[0xff; 10], &mut at), Err(MalformedRecord::Varint));
        at = 0;
        assert_eq!(read_i32(&[0x80; 4], &mut at), Err(MalformedRecord::Ends));
    }
}
