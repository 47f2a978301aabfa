//! Apache Kafka's command line tools by their names, many runs in one JVM (`java/Toolbox.java`), and a transcript of what they print.
//!
//! A transcript says nothing that only one broker or one run knows: addresses, directories, ids and times are masked.

use crate::java::Java;
use crate::program::Program;
use crate::{Broker, Toolchain};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::Duration;

const JVM: [&str; 4] = ["-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off"];
const ANSWER_WITHIN: Duration = Duration::from_secs(200);

/// The scripts of Apache Kafka's `bin/` that talk to a broker, and their classes.
const CLASSES: &[(&str, &str)] = &[
    ("kafka-acls", "org.apache.kafka.tools.AclCommand"),
    ("kafka-client-metrics", "org.apache.kafka.tools.ClientMetricsCommand"),
    ("kafka-cluster", "org.apache.kafka.tools.ClusterTool"),
    ("kafka-configs", "kafka.admin.ConfigCommand"),
    ("kafka-consumer-perf-test", "org.apache.kafka.tools.ConsumerPerformance"),
    ("kafka-delegation-tokens", "org.apache.kafka.tools.DelegationTokenCommand"),
    ("kafka-delete-records", "org.apache.kafka.tools.DeleteRecordsCommand"),
    ("kafka-features", "org.apache.kafka.tools.FeatureCommand"),
    ("kafka-get-offsets", "org.apache.kafka.tools.GetOffsetShell"),
    ("kafka-groups", "org.apache.kafka.tools.GroupsCommand"),
    ("kafka-leader-election", "org.apache.kafka.tools.LeaderElectionCommand"),
    ("kafka-log-dirs", "org.apache.kafka.tools.LogDirsCommand"),
    ("kafka-metadata-quorum", "org.apache.kafka.tools.MetadataQuorumCommand"),
    ("kafka-reassign-partitions", "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"),
    ("kafka-streams-application-reset", "org.apache.kafka.tools.StreamsResetter"),
    ("kafka-topics", "org.apache.kafka.tools.TopicCommand"),
    ("kafka-transactions", "org.apache.kafka.tools.TransactionsCommand"),
    ("consoles", "Consoles"),
];

/// The compiled program.
pub fn find() -> Toolchain<Java> {
    let java = Java::find()?;
    let classes = java.compile("Toolbox.java")?;
    let more = java.compile("Consoles.java")?;
    Ok(java.with_classes(&classes).with_classes(&more))
}

/// The running program.
pub struct Toolbox {
    program: Program,
    /// What to write instead of what only one run knows; the first is `BROKER`, which arguments may use too.
    masks: Vec<(String, &'static str)>,
    /// Numbers of more than one digit are masked too.
    pub without_numbers: bool,
    transcript: String,
}

impl Toolbox {
    /// Starts the program beside a broker; what it logs goes to `log`.
    pub fn start(java: &Java, broker: &Broker, log: PathBuf) -> Result<Toolbox> {
        let masks =
            vec![(broker.bootstrap(), "BROKER"), (broker.data_dir().display().to_string(), "DATA"), (broker.port().to_string(), "PORT")];
        let program = Program::start(java.command("Toolbox", &JVM), log)?;
        Ok(Toolbox { program, masks, without_numbers: false, transcript: String::new() })
    }

    /// Writes `name` instead of `known` from now on.
    pub fn mask(&mut self, known: impl Into<String>, name: &'static str) {
        self.masks.push((known.into(), name));
    }

    /// Plays a script: one command line per line. `- ` before it: nothing of what it prints is kept. `~ ` before it: a hash map decides the
    /// order of what it prints.
    pub fn play(&mut self, script: &str) -> Result<()> {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match (line.strip_prefix("- "), line.strip_prefix("~ ")) {
                (Some(line), _) => drop(self.quietly(line)?),
                (None, Some(line)) => self.run(line, true)?,
                (None, None) => self.run(line, false)?,
            }
        }
        Ok(())
    }

    /// Runs one command line: words apart by spaces, `'` keeps spaces in a word, names of masks for what they stand for.
    fn run(&mut self, line: &str, in_any_order: bool) -> Result<()> {
        let (said, status) = self.quietly(line)?;
        let mut lines: Vec<String> = said.lines().filter(|line| !is_noise(line)).map(|line| self.masked(line)).collect();
        if in_any_order {
            for line in &mut lines {
                let mut parts: Vec<&str> = line.split([',', ' ']).map(|part| part.trim_matches(['[', ']', '{', '}'])).collect();
                parts.sort_unstable();
                *line = parts.join(" ");
            }
            lines.sort();
        }
        self.transcript.push_str(&format!("$ {line}\n"));
        lines.iter().for_each(|line| self.transcript.push_str(&format!("{line}\n")));
        if status != 0 {
            self.transcript.push_str(&format!("= {status}\n"));
        }
        Ok(())
    }

    /// As [`run`](Self::run), without a word in the transcript; with the exit status.
    pub fn quietly(&mut self, line: &str) -> Result<(String, i32)> {
        let mut words = words_of(line).into_iter();
        let name = words.next().context("a tool")?;
        let (_, class) = CLASSES.iter().find(|(tool, _)| *tool == name).with_context(|| format!("no tool {name}"))?;
        let words = words.map(|word| self.masks.iter().fold(word, |word, (known, name)| word.replace(name, known)));
        self.program.tell(&std::iter::once((*class).to_owned()).chain(words).collect::<Vec<_>>().join("\t"))?;
        let mut said = String::new();
        loop {
            let heard = self.program.line(ANSWER_WITHIN).with_context(|| line.to_owned())?;
            match (heard.strip_prefix('|'), heard.strip_prefix("= ")) {
                (Some(text), _) => said.push_str(&format!("{text}\n")),
                (None, Some(status)) => return Ok((said, status.parse()?)),
                // Written past the tool's back.
                (None, None) => {}
            }
        }
    }

    /// What was said since the last time it was asked for.
    pub fn transcript(&mut self) -> String {
        std::mem::take(&mut self.transcript)
    }

    /// Ends the program.
    pub fn end(self) -> Result<()> {
        self.program.end()
    }

    fn masked(&self, line: &str) -> String {
        let line = self.masks.iter().fold(line.to_owned(), |line, (known, name)| line.replace(known.as_str(), name));
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_age = |at: usize| self.without_numbers && words.get(at + 1) == Some(&"ms");
        let mask = |(at, word): (usize, &&str)| if is_age(at) { "N".to_owned() } else { mask_word(word, self.without_numbers) };
        let words: Vec<String> = words.iter().enumerate().map(mask).collect();
        words.join(" ")
    }
}

/// What says nothing of the broker, what is each build's own (the metadata versions), and what Ottla does not have (share and streams groups).
fn is_noise(line: &str) -> bool {
    let line = line.trim_start();
    let of_a_stack = line.starts_with("at ") || line.starts_with("... ");
    let feature = line.strip_prefix("Feature: ").unwrap_or_default();
    line.is_empty() || of_a_stack || ["share.version", "streams.version", "metadata.version"].iter().any(|name| feature.starts_with(name))
}

fn words_of(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Ids (128 bits in base64, or a UUID), times in milliseconds, and the size of batches that a producer made as it pleased.
fn mask_word(word: &str, numbers: bool) -> String {
    if word.contains("://") {
        let is_address = |part: &str| part.contains("://");
        let parts: Vec<&str> = word.split('"').map(|part| if is_address(part) { "ENDPOINT" } else { part }).collect();
        return parts.join("\"");
    }
    if let Some((before, after)) = word.split_once("\"size\":") {
        let after = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
        return format!("{}\"size\":N{}", mask_word(before, numbers), mask_word(after, numbers));
    }
    let in_token = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let mut masked = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(|letter| !in_token(letter)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(end);
        masked.push_str(mask_token(token, numbers));
        let mut letters = after.chars();
        masked.extend(letters.next());
        rest = letters.as_str();
    }
    masked
}

fn mask_token(token: &str, numbers: bool) -> &str {
    let digits = token.bytes().all(|byte| byte.is_ascii_digit());
    let has = |of: fn(&u8) -> bool| token.as_bytes().iter().any(of);
    let mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && !token.ends_with("Exception");
    if digits && token.len() == 13 && token.starts_with('1') {
        "TIME"
    } else if token.len() == 22 && mixed || token.len() == 36 && token.matches('-').count() == 4 {
        "ID"
    } else if numbers && digits && token.len() > 1 {
        "N"
    } else {
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_times_are_masked_and_nothing_else() {
        assert_eq!(mask_word("topicId=4L6g3nShT-eMCtK--X86sw,", false), "topicId=ID,");
        assert_eq!(mask_word("1763772345678", false), "TIME");
        assert_eq!(mask_word("[\"CONTROLLER://localhost:9093\"]}]", true), "[\"ENDPOINT\"]}]");
        assert_eq!(mask_word("retention.ms=604800000", false), "retention.ms=604800000");
        assert_eq!(mask_word("(9223372036854775807)", false), "(9223372036854775807)");
        assert_eq!(mask_word("{\"size\":123,\"x\":1},{\"size\":4}", false), "{\"size\":N,\"x\":1},{\"size\":N}");
    }

    #[test]
    fn quotes_keep_spaces_in_a_word() {
        assert_eq!(words_of("a --b 'c d' e"), ["a", "--b", "c d", "e"]);
    }
}
