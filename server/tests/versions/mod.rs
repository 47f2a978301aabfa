//! What a broker answers to every served API at every version, written down line by line.
//!
//! The stories here know nothing of which broker they talk to. `tests/versions.rs` tells them to a broker in this process and compares
//! with the files in `golden/`, which Apache Kafka 4.3.1 itself said; `compat-tests/tests/oracle.rs` asks a living Apache Kafka again.
//! What may differ from one broker to the next is taken out in `render.rs`, each thing with its reason.

mod acls;
mod altered;
mod altered_others;
mod batches;
mod client_quotas;
mod cluster;
mod committed;
mod configs;
mod consumers;
mod credentials;
mod deletions;
mod exactly_once;
mod features;
mod fetch;
mod groups;
mod idempotence;
mod isolation;
mod log_dirs;
mod members;
mod metadata;
mod migration;
mod moves;
mod offsets;
mod partitions;
mod produce;
mod producers;
mod quorum;
mod render;
mod sessions;
mod talk;
mod telemetry;
mod topics;
mod transactions;
mod txn_members;

pub(crate) use talk::{Book, Talk};

use std::net::SocketAddr;

/// One story: told at each of its versions with topics of its own.
struct Story {
    name: &'static str,
    versions: std::ops::RangeInclusive<i16>,
    tell: fn(&mut Talk),
}

const fn story(name: &'static str, versions: std::ops::RangeInclusive<i16>, tell: fn(&mut Talk)) -> Story {
    Story { name, versions, tell }
}

/// Tells every story whose name contains `only` to the broker at `address`. `strict`: the broker's bytes are also what our encoder makes of them.
pub(crate) fn tell_all(address: SocketAddr, strict: bool, only: &str) -> Book {
    let mut book = Book::default();
    // The first producer id of a broker is 0, which stands for none in what follows.
    idempotence::fresh_producer(&mut Talk::new(address, strict, "producer 0", 0, &mut book));
    let all = [
        produce::STORIES,
        idempotence::STORIES,
        producers::STORIES,
        isolation::STORIES,
        fetch::STORIES,
        sessions::STORIES,
        offsets::STORIES,
        metadata::STORIES,
        cluster::STORIES,
        topics::STORIES,
        configs::STORIES,
        groups::STORIES,
        members::STORIES,
        committed::STORIES,
        consumers::STORIES,
        migration::STORIES,
        transactions::STORIES,
        exactly_once::STORIES,
        txn_members::STORIES,
        client_quotas::STORIES,
        log_dirs::STORIES,
        acls::STORIES,
        deletions::STORIES,
        altered::STORIES,
        altered_others::STORIES,
        partitions::STORIES,
        moves::STORIES,
        quorum::STORIES,
        features::STORIES,
        credentials::STORIES,
        telemetry::STORIES,
    ];
    for story in all.into_iter().flatten().filter(|story| story.name.contains(only)) {
        for version in story.versions.clone() {
            let mut talk = Talk::new(address, strict, story.name, version, &mut book);
            (story.tell)(&mut talk);
        }
    }
    book
}

/// What Produce with null records is answered at every version.
#[allow(dead_code, reason = "only asked of brokers that answer")]
pub(crate) fn null_records(address: SocketAddr) -> Vec<i16> {
    let ask = |version| produce::null_records(&mut Talk::new(address, true, "null records", version, &mut Book::default()));
    (3..=13).map(ask).collect()
}

/// What differs between what was said and what is written, question by question; questions that were not asked are left out.
pub(crate) fn differences(said: &str, golden: &str) -> Vec<String> {
    let golden = by_question(golden);
    let mut found = Vec::new();
    for (question, answers) in by_question(said) {
        match golden.get(question) {
            None => found.push(format!("## {question}\n   not in the golden file\n{answers}")),
            Some(expected) if *expected != answers && !allowed(question) => {
                found.push(format!("## {question}\n  expected\n{expected}  said\n{answers}"));
            }
            Some(_) => {}
        }
    }
    found
}

fn by_question(text: &str) -> std::collections::BTreeMap<&str, String> {
    let mut questions = std::collections::BTreeMap::new();
    let mut question = "";
    for line in text.lines() {
        match line.strip_prefix("## ") {
            Some(next) => question = next,
            None => {
                let answers: &mut String = questions.entry(question).or_default();
                answers.push_str(line);
                answers.push('\n');
            }
        }
    }
    questions
}

/// Where Ottla differs on purpose, and why.
const ALLOWED: &[(&str, &str)] = &[
    ("api versions: \"sweep\" \"1.0\"", "the features that exist are each broker's own"),
    ("api versions: \"a\" \"1\"", "the features that exist are each broker's own"),
    ("produce malformed: a record with an offset delta of its own", "Kafka writes the batch anew; a batch is stored as it came or refused"),
    ("produce compression: codec 1 over", "compressed batches are opened only for what their topic asks; the CRC is the producer's"),
    ("produce compression: codec 2 over", "the same"),
    ("produce compression: codec 3 over", "the same"),
    ("produce compression: codec 4 over", "the same"),
    ("fetch offsets: an isolation level that does not exist", "Kafka fails inside (UNKNOWN_SERVER_ERROR); here it is read_uncommitted"),
    ("fetch limits: -1 bytes", "Kafka fails inside (UNKNOWN_SERVER_ERROR); here it is 0 bytes"),
    ("metadata by id: neither name nor id", "Kafka fails inside (UNKNOWN_SERVER_ERROR); here it is INVALID_REQUEST"),
    ("pages: \"\"", "Kafka fails inside (UNKNOWN_SERVER_ERROR); here it is INVALID_TOPIC_EXCEPTION"),
    ("read committed: the later one is aborted first, committed from 0", "Kafka also tells what was aborted behind the records it returns"),
    ("delete records: everything, at -3", "Kafka names the latest record of the segments, deleted or not"),
    ("delete records of a producer: the third, at -3", "the same"),
    ("delete records of a transaction: up to its end, at -3", "the same"),
    ("delete records of a transaction: into an open one, at -3", "the same"),
    (
        "delete records of a transaction: into an open one, fetch",
        "Kafka's last stable offset goes back to the beginning of the batch, below the log start",
    ),
    (
        "delete records of a transaction: into the next, at 1700000000000",
        "Kafka does not look beyond the first segment that is young enough, although what is in it is deleted",
    ),
    ("delete records of a transaction: once it is aborted, at 1700000000000", "the same"),
    ("alter loggers: an operation that is none", "Kafka fails inside (UNKNOWN_SERVER_ERROR); here it is INVALID_REQUEST"),
    ("create: no time", "Kafka is never done in 0 ms, and the topic is there all the same"),
];

fn allowed(question: &str) -> bool {
    ALLOWED.iter().any(|(prefix, _)| question.starts_with(prefix))
}

/// What is written in the golden files.
pub(crate) fn golden() -> String {
    // One line each, so that areas can grow side by side.
    #[rustfmt::skip]
    let files = [
        include_str!("golden/clients.golden"),
        include_str!("golden/quotas.golden"),
        include_str!("golden/acls.golden"),
        include_str!("golden/partitions.golden"),
        include_str!("golden/moves.golden"),
        include_str!("golden/quorum.golden"),
        include_str!("golden/features.golden"),
        include_str!("golden/credentials.golden"),
        include_str!("golden/dirs.golden"),
        include_str!("golden/configs.golden"),
        include_str!("golden/life.golden"),
        include_str!("golden/telemetry.golden"),
    ];
    files.concat()
}
