//! Random batches and random bytes.

use crate::{LIMIT_BYTES, T, after, only};
use ottla_storage::batch::compression::Compression;
use ottla_storage::batch::{BatchBuilder, BatchError, Header, Origin, ValidateOptions, recompress, records, split, validate};
use proptest::prelude::*;

type Field = Option<Vec<u8>>;
type RecordSpec = (i64, Field, Field, Vec<(Vec<u8>, Field)>);

fn field() -> impl Strategy<Value = Field> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..200))
}

fn record() -> impl Strategy<Value = RecordSpec> {
    let header = (prop::collection::vec(any::<u8>(), 0..5), field());
    (-100_000_i64..100_000, field(), field(), prop::collection::vec(header, 0..4))
}

fn codec() -> impl Strategy<Value = Compression> {
    prop::sample::select(Compression::ALL.to_vec())
}

fn build(specs: &[RecordSpec], compression: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new().compression(compression, None);
    for (ms, key, value, headers) in specs {
        let headers: Vec<_> = headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        builder.push(after(*ms), key.as_deref(), value.as_deref(), &headers);
    }
    builder.build().unwrap()
}

fn strict() -> ValidateOptions {
    ValidateOptions { strict: true, decompress_limit_bytes: LIMIT_BYTES, ..ValidateOptions::client(T) }
}

proptest! {
    #[test]
    fn what_is_built_is_split_accepted_and_read_back(specs in prop::collection::vec(record(), 1..40), codec in codec(), to in codec()) {
        let built = build(&specs, codec);
        let again = recompress(&only(&built), to, None, LIMIT_BYTES).unwrap();
        for bytes in [&built, &again] {
            let view = only(bytes);
            let facts = validate(&view, &strict()).unwrap();
            let latest = specs.iter().map(|s| T.0 + s.0).max().unwrap();
            prop_assert_eq!(facts.max_timestamp.0, latest);
            let of_max = usize::try_from(facts.offset_delta_of_max_timestamp.unwrap()).unwrap();
            prop_assert_eq!(specs.iter().position(|s| T.0 + s.0 == latest), Some(of_max));

            let opened = records(&view, LIMIT_BYTES).unwrap();
            let read: Vec<RecordSpec> = opened.iter().map(|r| {
                let r = r.unwrap();
                let headers = r.headers.iter().map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect();
                (r.timestamp.0 - T.0, r.key.map(<[u8]>::to_vec), r.value.map(<[u8]>::to_vec), headers)
            }).collect();
            prop_assert_eq!(&read, &specs);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut batches = split(&bytes);
        for view in batches.by_ref().flatten() {
            let _ = validate(&view, &strict());
        }
        prop_assert!(batches.position() <= bytes.len());
    }

    /// The CRC lets nothing random through, so it is made right: any record bytes under any header.
    #[test]
    fn arbitrary_batches_with_a_right_crc_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 61..400), count in -2_i32..20, compression in 0_u8..8, sane: bool,
    ) {
        let length = i32::try_from(bytes.len() - 12).unwrap();
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[16] = 2;
        if sane {
            bytes[..8].fill(0);
            bytes[21..23].copy_from_slice(&[0, compression]);
            bytes[23..27].copy_from_slice(&(count - 1).to_be_bytes());
            bytes[57..61].copy_from_slice(&count.to_be_bytes());
        }
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        let view = only(&bytes);
        for origin in [Origin::Client, Origin::Coordinator, Origin::Replication] {
            let _ = validate(&view, &ValidateOptions { origin, require_keys: true, ..strict() });
        }
        if let Ok(opened) = records(&view, LIMIT_BYTES) {
            for record in opened.iter().flatten() {
                prop_assert!(record.headers.iter().count() == record.headers.len());
            }
        }
    }
}

/// Everything after the CRC field, and the field itself, is covered; the length and magic are caught before. Base offset and
/// leader epoch may change.
#[test]
fn every_single_flipped_bit_is_noticed() {
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new().compression(codec, None);
        crate::push_small(&mut builder);
        let good = builder.build().unwrap();
        for bit in 0..good.len() * 8 {
            let byte = bit / 8;
            let mut bad = good.clone();
            bad[byte] ^= 1 << (bit % 8);
            let result = split(&bad).next().unwrap().and_then(|view| validate(&view, &ValidateOptions::client(after(1000))));
            match byte {
                0..8 => assert!(matches!(result, Err(BatchError::BaseOffsetNotZero { .. })), "bit {bit}"),
                8..12 => assert!(
                    matches!(
                        result,
                        Err(BatchError::Truncated { .. } | BatchError::LengthOutOfRange { .. } | BatchError::CrcMismatch { .. })
                    ),
                    "bit {bit}: {result:?}"
                ),
                12..16 => assert!(result.is_ok(), "bit {bit}"),
                16 => assert!(matches!(result, Err(BatchError::UnsupportedMagic { .. })), "bit {bit}"),
                _ => assert!(matches!(result, Err(BatchError::CrcMismatch { .. })), "bit {bit}"),
            }
        }
    }
}
