//! Apache Kafka's tools for transactions: what they print, how they end what hangs, and what they read in the broker's own files.
//!
//! What they print is compared with what they printed at Apache Kafka 4.3.1, kept in `golden/`, without times and checksums.

use anyhow::{Context, Result, ensure};
use compat_tests::batch;
use compat_tests::java::{Java, Tools, same_as_golden};
use compat_tests::transactor::{self, Transactor};
use compat_tests::wire::Raw;
use compat_tests::{Broker, BrokerOptions, need, story};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";
const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const COPIER: &str = "org.apache.kafka.tools.TransactionalMessageCopier";
const DUMP_LOG: &str = "org.apache.kafka.tools.DumpLogSegments";
const PATIENCE: Duration = Duration::from_secs(60);
const TIME_DIGITS: usize = 13;

#[test]
fn kafka_transactions_and_dump_log_print_what_they_print_at_apache_kafka() {
    let name = "kafka_transactions";
    let Some((java, transactor)) = need(name, Java::find().and_then(|java| Ok((java, transactor::find(None)?)))) else { return };
    // A client that verifies nothing can leave a transaction that nobody knows of only where the broker does not verify either.
    let options = BrokerOptions::new().set("node.id", 1).set("transaction.partition.verification.enable", false);
    story(name, options, |broker| {
        let tools = Tools::new(&java, broker);
        let told = Transactor::start(&transactor, &broker.bootstrap(), broker.scratch_dir()?.join("transactor.log"))?;
        let mut transcript = Transcript { tools: &tools, told, masks: vec![(broker.data_dir().display().to_string(), "DATA")] };
        transactions(&mut transcript, broker)?;
        readers(&mut transcript)?;
        copier(&mut transcript, broker)?;
        files(&mut transcript, broker)?;
        same_as_golden("kafka-transactions.txt", &transcript.told.finish()?)
    });
}

#[test]
fn a_forgotten_transactional_id_is_told_so_and_can_begin_anew() {
    let name = "transactions_expiry";
    let Some((java, transactor)) = need(name, Java::find().and_then(|java| Ok((java, transactor::find(None)?)))) else { return };
    let options = BrokerOptions::new()
        .set("transactional.id.expiration.ms", 4000)
        .set("transaction.remove.expired.transaction.cleanup.interval.ms", 200);
    story(name, options, |broker| {
        let tools = Tools::new(&java, broker);
        let mut told = Transactor::start(&transactor, &broker.bootstrap(), broker.scratch_dir()?.join("transactor.log"))?;
        told.play("topic e 1\nproducer p tx-p 60000\ninit p\nbegin p\nsend p e 0 before\ncommit p\nsettled e")?;
        let deadline = Instant::now() + PATIENCE;
        while tools.run(TRANSACTIONS, &["list"])?.contains("tx-p") {
            ensure!(Instant::now() < deadline, "tx-p is still there after {PATIENCE:?}");
        }
        told.play(
            "begin p
            send p e 0 late
            commit p
            abort p
            close p
            producer again tx-p 60000
            init again
            begin again
            send again e 0 anew
            commit again
            settled e
            read e uncommitted
            read e committed",
        )?;
        same_as_golden("transactions-expiry.txt", &told.finish()?)
    });
}

/// What tools and producers said, in a form that two brokers can share.
struct Transcript<'a> {
    tools: &'a Tools<'a>,
    told: Transactor,
    masks: Vec<(String, &'static str)>,
}

impl Transcript<'_> {
    /// Runs a tool that talks to the broker.
    fn run(&mut self, class: &str, args: &[&str]) -> Result<()> {
        let finished = self.tools.start(class, args, "")?;
        let spans = ["describe", "find-hanging"].contains(&args[0]);
        let mut lines: Vec<String> = (finished.text() + &finished.stderr).lines().map(|line| self.masked(line, spans)).collect();
        // After the headline the order is that of a hash map.
        if let Some((_, rows)) = lines.split_first_mut() {
            rows.sort();
        }
        self.said(&args.join(" "), &lines);
        Ok(())
    }

    fn said(&mut self, question: &str, lines: &[String]) {
        let text = &mut self.told.transcript;
        text.push_str(&format!("$ {question}\n"));
        lines.iter().filter(|line| !line.is_empty()).for_each(|line| text.push_str(&format!("{line}\n")));
    }

    /// One blank between words, no times, no checksums; with `spans` a time is followed by how long ago that was.
    fn masked(&self, line: &str, spans: bool) -> String {
        let line = self.masks.iter().fold(line.to_owned(), |line, (found, name)| line.replace(found, name));
        let mut words: Vec<String> = Vec::new();
        for word in line.split_whitespace() {
            let after = words.last().map(String::as_str);
            let masked = match after {
                Some("TIME") if spans && word.bytes().all(|byte| byte.is_ascii_digit()) => "SPAN".to_owned(),
                Some("crc:") => "CRC".to_owned(),
                _ => without_times(word),
            };
            words.push(masked);
        }
        words.join(" ")
    }
}

fn without_times(word: &str) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let (digits, after) = number.split_at(number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len()));
        text.push_str(before);
        text.push_str(if digits.len() == TIME_DIGITS { "TIME" } else { digits });
        rest = after;
    }
    text + rest
}

/// Transactions that ended, one that is open, one that nobody knows of; and how the tool ends the last two.
fn transactions(transcript: &mut Transcript<'_>, broker: &Broker) -> Result<()> {
    transcript.told.play(
        "topic t 1
        topic h 1
        producer idle tx-idle 600000
        init idle
        producer p tx-p 600000
        init p
        begin p
        send p t 0 committed
        commit p
        begin p
        send p t 0 aborted
        abort p
        begin p
        send p t 0 committed-too
        commit p
        begin p
        send p t 0 open",
    )?;
    transcript.run(TRANSACTIONS, &["find-hanging", "--broker-id", "1", "--max-transaction-timeout", "0"])?;
    hang(broker)?;
    for args in [
        &["list"][..],
        &["list", "--transactional-id-pattern", "tx-[pq]"],
        &["list", "--duration-filter", "600000"],
        &["describe", "--transactional-id", "tx-p"],
        &["describe", "--transactional-id", "tx-idle"],
        &["describe", "--transactional-id", "unheard-of"],
        &["describe-producers", "--topic", "t", "--partition", "0"],
        &["describe-producers", "--topic", "h", "--partition", "0"],
        &["find-hanging", "--broker-id", "1", "--max-transaction-timeout", "0"],
        &["abort", "--topic", "h", "--partition", "0", "--start-offset", "0"],
        &["find-hanging", "--topic", "h", "--partition", "0", "--max-transaction-timeout", "0"],
        &["forceTerminateTransaction", "--transactionalId", "tx-p"],
    ] {
        transcript.run(TRANSACTIONS, args)?;
    }
    transcript.told.play("settled t\nsettled h\ncommit p\nread t committed\nread t uncommitted\nread h committed\nread h uncommitted")?;
    transcript.run(TRANSACTIONS, &["describe", "--transactional-id", "tx-p"])?;
    transcript.run(TRANSACTIONS, &["describe-producers", "--topic", "t", "--partition", "0"])
}

/// Writes in a transaction that its coordinator was never told of.
fn hang(broker: &Broker) -> Result<()> {
    let (init_producer_id, produce) = (22, 0);
    let mut raw = Raw::connect(broker.port(), PATIENCE)?;
    raw.request(init_producer_id, 0, 1, &[&string("tx-hung")[..], &60_000_i32.to_be_bytes()].concat());
    let answer = raw.answer()?;
    // Correlation id, throttle time, error code, producer id, producer epoch.
    ensure!(answer.len() == 20 && answer[8..10] == [0, 0], "InitProducerId: {answer:?}");
    let producer_id = i64::from_be_bytes(answer[10..18].try_into()?);
    let producer_epoch = i16::from_be_bytes(answer[18..20].try_into()?);
    let now_ms = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis())?;
    let batch = batch::transactional(producer_id, producer_epoch, now_ms, b"hung");
    let one = 1_i32.to_be_bytes();
    let size = i32::try_from(batch.len())?.to_be_bytes();
    let (acks, timeout_ms, partition) = ((-1_i16).to_be_bytes(), 30_000_i32.to_be_bytes(), 0_i32.to_be_bytes());
    let body: [&[u8]; 9] = [&string("tx-hung"), &acks, &timeout_ms, &one, &string("h"), &one, &partition, &size, &batch];
    raw.request(produce, 7, 2, &body.concat());
    let answer = raw.answer()?;
    // Correlation id, one topic, its name, one partition, its number, error code.
    ensure!(answer.get(19..21) == Some(&[0, 0]), "Produce: {answer:?}");
    Ok(())
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as i16).to_be_bytes()[..], text.as_bytes()].concat()
}

fn readers(transcript: &mut Transcript<'_>) -> Result<()> {
    transcript.told.play("plain t 0 last")?;
    for (isolation, count) in [("read_committed", "3"), ("read_uncommitted", "5")] {
        let args = ["--topic", "t", "--from-beginning", "--isolation-level", isolation, "--max-messages", count, "--timeout-ms", "60000"];
        transcript.run(CONSOLE_CONSUMER, &args)?;
    }
    Ok(())
}

/// Apache Kafka's own exactly-once copier, which aborts at random and starts those anew.
fn copier(transcript: &mut Transcript<'_>, broker: &Broker) -> Result<()> {
    transcript.told.play("topic from 1\ntopic to 1\nplain from 0 r0,r1,r2,r3,r4,r5,r6,r7,r8,r9")?;
    let args = ["--broker-list", &broker.bootstrap(), "--transactional-id", "tx-copier", "--consumer-group", "copiers"];
    let what = ["--input-topic", "from", "--input-partition", "0", "--output-topic", "to", "--transaction-size", "3"];
    let finished = transcript.tools.java.main(COPIER, &[&args[..], &what, &["--enable-random-aborts", "--use-group-metadata"]].concat())?;
    ensure!(finished.text().contains("ShutdownComplete"), "{}\n{}", finished.text(), finished.stderr);
    transcript.told.play("settled to\nvalues to committed\ncommitted copiers from 0 stable")
}

/// What lies on disk: control batches, aborted transactions, and the coordinator's records.
fn files(transcript: &mut Transcript<'_>, broker: &Broker) -> Result<()> {
    let mut data = Vec::new();
    for partition in ["t-0", "h-0"] {
        let dir = broker.data_dir().join(partition);
        data.extend(["log", "txnindex"].map(|extension| dir.join(format!("00000000000000000000.{extension}"))));
    }
    let said = dump(transcript.tools, &["--deep-iteration", "--print-data-log"], &data)?;
    let lines: Vec<String> = said.lines().map(|line| transcript.masked(line, false)).collect();
    transcript.said("kafka-dump-log --deep-iteration --print-data-log", &lines);
    let mut logs = Vec::new();
    for entry in fs::read_dir(broker.data_dir())? {
        let log = entry?.path().join("00000000000000000000.log");
        let of_transactions = log.to_string_lossy().contains("__transaction_state-");
        if of_transactions && fs::metadata(&log)?.len() > 0 {
            logs.push(log);
        }
    }
    let of_idle = logs.iter().find(|log| fs::read(log).is_ok_and(|bytes| bytes.windows(7).any(|window| window == b"tx-idle")));
    let partition = of_idle.and_then(|log| log.parent()?.to_str()?.rsplit_once('-')).context("the partition of tx-idle")?.1;
    let formatter = "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter";
    let args = ["--topic", "__transaction_state", "--partition", partition, "--offset", "earliest", "--formatter", formatter];
    transcript.run(CONSOLE_CONSUMER, &[&args[..], &["--max-messages", "1", "--timeout-ms", "60000"]].concat())?;
    let said = dump(transcript.tools, &["--transaction-log-decoder"], &logs)?;
    // What is left of each key: in how many steps a broker gets there is its own affair, and the copier's aborts are chance.
    let mut last = BTreeMap::new();
    for (_, pair) in said.lines().filter_map(|line| line.split_once("key: ")) {
        let (key, payload) = pair.split_once(" payload: ").context("a payload")?;
        if !key.contains("tx-copier") {
            last.insert(transcript.masked(key, false), transcript.masked(payload, false));
        }
    }
    let lines: Vec<String> = last.into_iter().map(|(key, payload)| format!("{key} -> {payload}")).collect();
    transcript.said("kafka-dump-log --transaction-log-decoder", &lines);
    Ok(())
}

fn dump(tools: &Tools<'_>, flags: &[&str], files: &[PathBuf]) -> Result<String> {
    let list = files.iter().map(|file: &PathBuf| Path::to_string_lossy(file)).collect::<Vec<_>>().join(",");
    Ok(tools.java.main(DUMP_LOG, &[flags, &["--files", &list]].concat())?.quiet()?.text())
}
