//! The real text that stories send: every line of every `.rs` file of the project's dependencies, keyed by file path.
//!
//! Promises the same records in the same order wherever `Cargo.lock` is the same. A [`Tally`] of what came back equals the tally of
//! what was sent exactly when nothing was lost, doubled or changed and each key's records kept their order.

use crate::workspace_root;
use anyhow::{Context, Result, ensure};
use foldhash::quality::FixedState;
use std::collections::HashMap;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Files of text; a file is a key, its lines are the values.
pub struct Corpus {
    files: Vec<(String, Vec<u8>)>,
}

/// Every dependency; tens of MB, millions of lines.
pub fn whole() -> Result<&'static Corpus> {
    static LOADED: OnceLock<Result<Corpus, String>> = OnceLock::new();
    LOADED.get_or_init(|| load(|_| true).map_err(|error| format!("{error:#}"))).as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

/// A few dependencies; a few MB, for stories with many variants.
pub fn small() -> Result<&'static Corpus> {
    static LOADED: OnceLock<Result<Corpus, String>> = OnceLock::new();
    let chosen = |name: &str| ["anyhow", "bytes", "kafka-protocol", "memchr"].contains(&name);
    LOADED.get_or_init(|| load(chosen).map_err(|error| format!("{error:#}"))).as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

impl Corpus {
    /// Key and value of every record, in order.
    pub fn records(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.files.iter().flat_map(|(path, text)| {
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            // An empty file has no line; an empty line in a file is a record with an empty value.
            let lines = (!text.is_empty()).then(|| text.split(|&byte| byte == b'\n'));
            lines.into_iter().flatten().map(|line| (path.as_bytes(), line))
        })
    }

    /// What a reader must find.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.records().for_each(|(key, value)| tally.add(key, value));
        tally
    }

    /// Writes `key TAB value NEWLINE` for each record.
    pub fn write_lines(&self, to: &mut dyn Write) -> std::io::Result<()> {
        self.records().try_for_each(|(key, value)| [key, b"\t", value, b"\n"].iter().try_for_each(|part| to.write_all(part)))
    }

    /// Writes each record as two byte strings behind 4-byte big-endian lengths: how records travel to and from Java programs.
    pub fn write_framed(&self, to: &mut dyn Write) -> std::io::Result<()> {
        for (key, value) in self.records() {
            for part in [key, value] {
                let size_bytes = u32::try_from(part.len()).map_err(std::io::Error::other)?;
                to.write_all(&size_bytes.to_be_bytes())?;
                to.write_all(part)?;
            }
        }
        Ok(())
    }
}

/// Counts and checksums of a set of records.
#[derive(Default, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    pub size_bytes: u64,
    /// Does not depend on the order of records.
    pub checksum: u64,
    /// Per key: depends on the order of this key's values.
    chains: HashMap<Vec<u8>, u64>,
}

impl Tally {
    /// Adds one record, after those of the same key that came before it.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.count += 1;
        self.size_bytes += (key.len() + value.len()) as u64;
        let own = digest(0, &[key, value]);
        self.checksum = self.checksum.wrapping_add(own);
        match self.chains.get_mut(key) {
            Some(chain) => *chain = digest(*chain, &[value]),
            None => _ = self.chains.insert(key.to_vec(), digest(1, &[value])),
        }
    }

    /// Adds records written by [`Corpus::write_framed`] or its Java twin.
    pub fn add_framed(&mut self, mut bytes: &[u8]) -> Result<()> {
        let mut next = || -> Result<Option<&[u8]>> {
            let Some((size, rest)) = bytes.split_first_chunk::<4>() else {
                ensure!(bytes.is_empty(), "a torn length");
                return Ok(None);
            };
            let (part, rest) = rest.split_at_checked(u32::from_be_bytes(*size) as usize).context("a torn record")?;
            bytes = rest;
            Ok(Some(part))
        };
        while let Some(key) = next()? {
            let value = next()?.context("a key without a value")?;
            self.add(key, value);
        }
        Ok(())
    }

    /// An error that says what is wrong when `self`, which was read, is not what was sent.
    pub fn must_equal(&self, sent: &Tally) -> Result<()> {
        let summary = |tally: &Tally| format!("{} records, {} bytes, checksum {:016x}", tally.count, tally.size_bytes, tally.checksum);
        ensure!(
            (self.count, self.size_bytes, self.checksum) == (sent.count, sent.size_bytes, sent.checksum),
            "sent {}\nread {}",
            summary(sent),
            summary(self)
        );
        let disordered = self.chains.iter().find(|(key, chain)| sent.chains.get(*key) != Some(chain));
        ensure!(disordered.is_none(), "the order within a key is lost: {:?}", disordered.map(|(key, _)| String::from_utf8_lossy(key)));
        Ok(())
    }
}

fn digest(start: u64, parts: &[&[u8]]) -> u64 {
    let mut hasher = FixedState::with_seed(start).build_hasher();
    for part in parts {
        hasher.write_usize(part.len());
        hasher.write(part);
    }
    hasher.finish()
}

fn load(chosen: impl Fn(&str) -> bool) -> Result<Corpus> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(workspace_root())
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()
        .context("cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let mut files = Vec::new();
    for package in metadata["packages"].as_array().context("packages in cargo metadata")? {
        let text = |field: &str| package[field].as_str().with_context(|| format!("{field} in cargo metadata"));
        if package["source"].is_null() || !chosen(text("name")?) {
            continue;
        }
        let dir = Path::new(text("manifest_path")?).parent().context("a manifest lies in a directory")?.to_path_buf();
        let name = format!("{}-{}", text("name")?, text("version")?);
        collect(&dir, &dir, &name, &mut files)?;
    }
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    ensure!(!files.is_empty(), "the dependencies have sources");
    Ok(Corpus { files })
}

fn collect(root: &Path, dir: &Path, package: &str, files: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("{}", dir.display()))? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            collect(root, &path, package, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push((format!("{package}/{}", path.strip_prefix(root)?.display()), fs::read(&path)?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Tally;

    fn tally(records: &[(&str, &str)]) -> Tally {
        let mut tally = Tally::default();
        records.iter().for_each(|(key, value)| tally.add(key.as_bytes(), value.as_bytes()));
        tally
    }

    #[test]
    fn other_keys_in_between_do_not_matter() {
        assert!(tally(&[("a", "1"), ("b", "x"), ("a", "2")]).must_equal(&tally(&[("a", "1"), ("a", "2"), ("b", "x")])).is_ok());
    }

    #[test]
    fn swapped_records_of_one_key_are_noticed() {
        assert!(tally(&[("a", "1"), ("a", "2")]).must_equal(&tally(&[("a", "2"), ("a", "1")])).is_err());
    }

    #[test]
    fn a_lost_a_doubled_and_a_moved_record_are_noticed() {
        let sent = tally(&[("a", "1"), ("b", "2")]);
        assert!(tally(&[("a", "1")]).must_equal(&sent).is_err());
        assert!(tally(&[("a", "1"), ("b", "2"), ("b", "2")]).must_equal(&sent).is_err());
        assert!(tally(&[("b", "1"), ("a", "2")]).must_equal(&sent).is_err());
        assert!(tally(&[("a", ""), ("b", "12")]).must_equal(&sent).is_err());
    }
}
