//! Foreign bytes against every reader of the vault: seeded, so that a machine without a fuzzer still tries some hundred thousand inputs.
//!
//! Inputs are files as Kafka wrote them with bytes flipped, cut, doubled and spliced, and plain noise.

mod targets;

use std::fs;
use std::path::{Path, PathBuf};

const INPUTS_PER_TARGET: u64 = 20_000;

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn pick<'a>(&mut self, corpus: &'a [Vec<u8>]) -> &'a [u8] {
        corpus.get(self.below(corpus.len())).map_or(&[], Vec::as_slice)
    }
}

/// Values that sit at the edges of lengths, counts and varints.
const EDGES: [&[u8]; 8] =
    [&[0], &[0xff], &[0x80], &[0x7f, 0xff, 0xff, 0xff], &[0x80, 0, 0, 0], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0xff; 8], b"\n"];

fn mutate(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.pick(corpus).to_vec();
    if random.below(20) == 0 {
        return (0..random.below(200)).map(|_| random.next() as u8).collect();
    }
    for _ in 0..random.below(4) + usize::from(random.below(50) != 0) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => {
                let edge = EDGES[random.below(EDGES.len())];
                let end = (at + edge.len()).min(bytes.len());
                bytes.splice(at..end, edge.iter().copied());
            }
            4 => {
                let other = random.pick(corpus);
                let from = random.below(other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
            _ => {
                let end = at + random.below(bytes.len() - at);
                let doubled = bytes[at..end].to_vec();
                bytes.splice(at..at, doubled);
            }
        }
    }
    bytes
}

fn golden(extensions: &[&str]) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden"), &mut files);
    files.sort();
    let wanted = files.iter().filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        extensions.iter().any(|extension| name.ends_with(extension))
    });
    // What is larger only makes every input slower.
    let corpus: Vec<Vec<u8>> = wanted.map(|path| fs::read(path).expect("readable")).filter(|bytes| bytes.len() < 20_000).collect();
    assert!(!corpus.is_empty(), "no golden file ends with {extensions:?}");
    corpus
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("listed") {
        let path = entry.expect("read").path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

fn run(name: &str, corpus: &[Vec<u8>], target: fn(&[u8])) {
    if let Some(seeds) = std::env::var_os("OTTLA_FUZZ_SEEDS") {
        write_seeds(&PathBuf::from(seeds).join(name), corpus);
    }
    corpus.iter().for_each(|bytes| target(bytes));
    for seed in 0..INPUTS_PER_TARGET {
        let bytes = mutate(&mut Random(seed), corpus);
        let outcome = std::panic::catch_unwind(|| target(&bytes));
        assert!(outcome.is_ok(), "{name}, seed {seed}: {bytes:?}");
    }
}

/// Gives the fuzz targets what the tests begin with.
fn write_seeds(dir: &Path, corpus: &[Vec<u8>]) {
    fs::create_dir_all(dir).expect("created");
    for (number, bytes) in corpus.iter().enumerate() {
        fs::write(dir.join(format!("seed-{number}")), bytes).expect("written");
    }
}

#[test]
fn any_bytes_can_be_offered_as_record_batches() {
    run("batches", &golden(&[".batch", ".log"]), targets::batches);
}

#[test]
fn any_bytes_behind_a_right_checksum_can_be_offered_as_a_record_batch() {
    run("batches_with_right_checksum", &golden(&[".batch"]), targets::batches_with_right_checksum);
}

#[test]
fn any_bytes_can_be_offered_to_the_codecs() {
    let mut corpus = Vec::new();
    for bytes in golden(&[".batch"]).iter().filter(|bytes| bytes.len() > 61) {
        corpus.push([&[bytes[22] & 7], &bytes[61..]].concat());
    }
    run("codecs", &corpus, targets::codecs);
}

#[test]
fn any_bytes_can_be_offered_as_a_producer_snapshot() {
    run("producer_snapshot", &golden(&[".snapshot"]), targets::producer_snapshot);
    run("producer_snapshot_with_right_checksum", &golden(&[".snapshot"]), targets::producer_snapshot_with_right_checksum);
}

#[test]
fn any_bytes_can_be_offered_as_a_checkpoint() {
    run("checkpoints", &golden(&["offset-checkpoint", "epoch-checkpoint"]), targets::checkpoints);
}

#[test]
fn any_bytes_can_be_offered_as_meta_properties() {
    run("meta_properties", &golden(&["meta.properties"]), targets::meta_properties);
}

#[test]
fn any_bytes_can_be_offered_as_a_small_text() {
    let mut corpus = golden(&["partition.metadata", ".kafka_cleanshutdown"]);
    corpus.push(b"8Zse4M6WSiW20NYEuxNfRA".to_vec());
    corpus.push(b"a.b-1.8a371ab2070b4f94882b0958fb907a96-delete".to_vec());
    run("small_texts", &corpus, targets::small_texts);
}

/// A directory of files in the form that [`targets::log_directory`] takes, once for each way to open it.
fn packed(files: &[(u8, Vec<u8>)]) -> impl Iterator<Item = Vec<u8>> {
    [0b0000_0000, 0b0000_0001, 0b0000_0010, 0b0000_0100, 0b0001_1001, 0b0010_1110].into_iter().map(move |options| {
        let mut bytes = vec![options];
        for (name, content) in files {
            bytes.push(*name);
            bytes.extend(u16::try_from(content.len()).expect("small").to_be_bytes());
            bytes.extend(content);
        }
        bytes
    })
}

#[test]
fn a_log_can_be_opened_over_any_files() {
    let mut corpus = Vec::new();
    let mut dirs = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/kafka-4.3.1"), &mut dirs);
    let mut dirs: Vec<PathBuf> = dirs.into_iter().filter_map(|path| path.parent().map(Path::to_owned)).collect();
    dirs.sort();
    dirs.dedup();
    for dir in dirs {
        let named = targets::LOG_FILE_NAMES.iter().enumerate().filter_map(|(number, name)| {
            let bytes = fs::read(dir.join(name)).ok().filter(|bytes| bytes.len() < 20_000)?;
            Some((number as u8, bytes))
        });
        let files: Vec<(u8, Vec<u8>)> = named.collect();
        if !files.is_empty() {
            corpus.extend(packed(&files));
        }
    }
    // Batches of all kinds, small enough to be mixed often.
    let batches: Vec<Vec<u8>> = golden(&[".batch"]).into_iter().filter(|bytes| bytes.len() < 600).collect();
    let snapshot = golden(&[".snapshot"]).concat();
    corpus.extend(packed(&[(0, batches.concat()), (5, batches[0].clone()), (4, snapshot), (1, vec![0; 16]), (2, vec![0; 24])]));
    run("log_directory", &corpus, targets::log_directory);
}
