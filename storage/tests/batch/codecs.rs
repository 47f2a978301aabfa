//! The four codecs: round trips, the framings of real clients, bombs, and announced lengths that are lies.

use crate::golden::golden;
use crate::{LIMIT_BYTES, only};
use ottla_storage::batch::compression::{Compression, CompressionError, compress, decompress};
use ottla_storage::batch::{BatchError, ValidateOptions, recompress, records, validate};
use proptest::prelude::*;

fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

#[test]
fn every_codec_gives_back_what_it_took() {
    for codec in Compression::ALL {
        for data in [vec![], vec![7], b"abc".repeat(100_000), noise(200_000)] {
            let compressed = compress(codec, None, &data, LIMIT_BYTES).unwrap();
            assert_eq!(decompress(codec, &compressed, data.len()).unwrap(), data, "{codec}, {} bytes", data.len());
        }
    }
}

#[test]
fn every_level_gives_back_what_it_took() {
    let data = b"level ".repeat(10_000);
    for codec in Compression::ALL {
        let levels = codec.levels().map_or(vec![], |l| vec![*l.start(), -1, 0, 1, 5, *l.end()]);
        for level in levels {
            let compressed = compress(codec, Some(level), &data, LIMIT_BYTES).unwrap();
            assert_eq!(decompress(codec, &compressed, LIMIT_BYTES).unwrap(), data, "{codec} level {level}");
        }
    }
}

#[test]
fn one_byte_over_the_limit_is_too_much() {
    for codec in Compression::ALL {
        let data = vec![1; 100_000];
        let compressed = compress(codec, None, &data, LIMIT_BYTES).unwrap();
        assert!(decompress(codec, &compressed, 100_000).is_ok());
        let refused = decompress(codec, &compressed, 99_999);
        assert_eq!(refused, Err(CompressionError::TooLarge { limit_bytes: 99_999 }), "{codec}");
        assert_eq!(decompress(codec, &compressed, 0), Err(CompressionError::TooLarge { limit_bytes: 0 }), "{codec}");
        assert_eq!(compress(codec, None, &noise(1000), 999), Err(CompressionError::TooLarge { limit_bytes: 999 }), "{codec}");
    }
}

#[test]
fn a_bomb_stops_at_the_limit_and_the_batch_is_refused() {
    for codec in Compression::ALL.into_iter().skip(1) {
        let mut builder = ottla_storage::batch::BatchBuilder::new().compression(codec, None);
        builder.push(crate::T, None, Some(&vec![0; 8 << 20]), &[]);
        let bytes = builder.build().unwrap();
        assert!(bytes.len() < 1 << 20, "{codec} packs zeros well");
        let options = ValidateOptions { strict: true, decompress_limit_bytes: 1 << 20, ..ValidateOptions::client(crate::T) };
        assert_eq!(validate(&only(&bytes), &options), Err(BatchError::DecompressionTooLarge { limit_bytes: 1 << 20 }));
        assert!(records(&only(&bytes), 1 << 20).is_err());
        assert!(recompress(&only(&bytes), Compression::None, None, 1 << 20).is_err());
    }
}

#[test]
fn a_bare_snappy_block_and_two_joined_xerial_streams_are_read() {
    let data = b"snappy without any framing ".repeat(50);
    let bare = snap::raw::Encoder::new().compress_vec(&data).unwrap();
    assert_eq!(decompress(Compression::Snappy, &bare, LIMIT_BYTES).unwrap(), data);

    let framed = compress(Compression::Snappy, None, &data, LIMIT_BYTES).unwrap();
    assert_eq!(&framed[..16], b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
    let twice = decompress(Compression::Snappy, &framed.repeat(2), LIMIT_BYTES).unwrap();
    assert_eq!(twice, data.repeat(2));
}

#[test]
fn snappy_lengths_that_lie_allocate_nothing() {
    let header = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
    // A block said to be 2 GiB long, one said to decompress to 4 GiB, one cut short.
    let announced_4_gib = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
    let cases: [Vec<u8>; 5] = [
        [&header[..], &[0x7f, 0xff, 0xff, 0xff], b"xx"].concat(),
        [&header[..], &[0, 0, 0, 6], &announced_4_gib].concat(),
        announced_4_gib.to_vec(),
        [&header[..], &[0, 0, 0]].concat(),
        header[..12].to_vec(),
    ];
    for bytes in cases {
        let refused = decompress(Compression::Snappy, &bytes, usize::MAX);
        let Err(CompressionError::Malformed { reason }) = refused else { panic!("{bytes:x?}: {refused:?}") };
        assert!(!bytes.ends_with(&announced_4_gib) || reason.contains("announces"), "refused before anything is allocated: {reason}");
    }
}

#[test]
fn a_zstd_frame_of_the_widest_window_is_read_and_a_wider_one_refused() {
    // Java's zstd at level 22 streams with a window of 128 MiB whatever the input.
    let bytes = golden("large-zstd-22.batch");
    assert!(records(&only(&bytes), LIMIT_BYTES).is_ok());
    // magic, no content size, window descriptor 2^28, one empty last block
    let frame = |log: u8| [0x28, 0xb5, 0x2f, 0xfd, 0x00, (log - 10) << 3, 0x01, 0x00, 0x00];
    assert_eq!(decompress(Compression::Zstd, &frame(27), LIMIT_BYTES), Ok(vec![]));
    assert!(decompress(Compression::Zstd, &frame(28), LIMIT_BYTES).is_err());
}

#[test]
fn streams_cut_short_are_refused() {
    let data = noise(100_000);
    for codec in Compression::ALL.into_iter().skip(1) {
        let compressed = compress(codec, None, &data, LIMIT_BYTES).unwrap();
        for cut in [compressed.len() / 2, compressed.len() - 1] {
            let short = decompress(codec, &compressed[..cut], LIMIT_BYTES);
            assert!(short.is_err(), "{codec} cut at {cut} of {}", compressed.len());
        }
    }
}

#[test]
fn codes_and_names_are_kafkas() {
    let names = Compression::ALL.map(Compression::name);
    assert_eq!(names, ["none", "gzip", "snappy", "lz4", "zstd"]);
    for (code, codec) in (0_u8..).zip(Compression::ALL) {
        assert_eq!((codec.code(), Compression::from_code(code)), (code, Some(codec)));
    }
    assert_eq!(Compression::from_code(5), None);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_a_codec_nor_pass_the_limit(bytes: Vec<u8>, limit in 0_usize..10_000) {
        for codec in Compression::ALL {
            if let Ok(out) = decompress(codec, &bytes, limit) {
                prop_assert!(out.len() <= limit);
            }
        }
    }

    #[test]
    fn damaged_streams_never_panic_a_codec(at: prop::sample::Index, flip in 1_u8..) {
        let data = b"some text to damage ".repeat(200);
        for codec in Compression::ALL {
            let mut bytes = compress(codec, None, &data, LIMIT_BYTES).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(out) = decompress(codec, &bytes, 10_000) {
                prop_assert!(out.len() <= 10_000);
            }
        }
    }
}
