//! Bytes that no well-behaved client sends. The broker refuses or hangs up, stays small, and other clients notice nothing.

use anyhow::{Context, Result, ensure};
use compat_tests::librdkafka::{PATIENCE, Producer, config, read_topic, wait_for_partitions};
use compat_tests::rng::Rng;
use compat_tests::wire::{Outcome, Raw};
use compat_tests::{Broker, BrokerOptions, batch, story};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::producer::BaseRecord;
use std::io::Write;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;

#[test]
fn bombs_for_every_api_and_version_cost_nobody_anything() {
    hostile_story("hostile_bombs", |broker| {
        let apis = apis(broker)?;
        ensure!(apis.len() >= 12, "{apis:?}");
        let huge_array = 0x7fff_ffffu32.to_be_bytes();
        let huge_compact_array = [0xff, 0xff, 0xff, 0xff, 0x0f];
        let bodies: [Vec<u8>; 8] = [
            Vec::new(),
            vec![0],
            huge_array.to_vec(),
            // A flexible header's tagged fields come first: none.
            [&[0][..], &huge_compact_array].concat(),
            // So many tagged fields.
            huge_compact_array.to_vec(),
            [&[0, 0, 0][..], &huge_array, &huge_array].concat(),
            vec![0x7f; 64],
            vec![0xff; 64],
        ];
        for (key, versions) in apis {
            for version in versions {
                for body in &bodies {
                    let mut raw = Raw::connect(broker.port(), Duration::from_secs(5))?;
                    raw.request(key, version, 1, body);
                    let outcome = raw.outcome();
                    // acks=0 asks for silence, and a fetch may wait.
                    let may_be_silent = [PRODUCE, FETCH].contains(&key);
                    ensure!(may_be_silent || outcome != Outcome::Silent, "api {key} v{version}, body {body:02x?}: no reaction");
                }
            }
        }
        Ok(())
    });
}

#[test]
fn garbage_truncated_and_giant_frames_are_hung_up_on() {
    hostile_story("hostile_frames", |broker| {
        let patience = Duration::from_secs(10);
        let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[0x5a; 506]].concat();
        let beyond_limit = 104_857_601i32.to_be_bytes();
        let wrong: [&[u8]; 6] = [
            &hello,
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            &[0x7f, 0xff, 0xff, 0xff],
            &[0xff, 0xff, 0xff, 0xff],
            &beyond_limit,
            &[0, 0, 0, 2, 0, 18],
        ];
        for bytes in wrong {
            let mut raw = Raw::connect(broker.port(), patience)?;
            raw.send(bytes);
            ensure!(raw.outcome() == Outcome::Closed, "{:02x?}: the connection must be closed", &bytes[..bytes.len().min(16)]);
        }
        // Announced, never sent: costs a connection, not the announced memory.
        let announced: Result<Vec<Raw>> = (0..4)
            .map(|_| {
                let mut raw = Raw::connect(broker.port(), patience)?;
                raw.send(&[&104_857_600i32.to_be_bytes()[..], &[0, 3, 0, 1]].concat());
                Ok(raw)
            })
            .collect();
        // A good request, cut at every byte.
        let good = [&22i32.to_be_bytes()[..], &[0, 3, 0, 4, 0, 0, 0, 1, 0, 3, b'r', b'a', b'w', 0, 0, 0, 1, 0, 1, b'x', 0, 0]].concat();
        for end in 0..good.len() - 1 {
            let mut raw = Raw::connect(broker.port(), patience)?;
            raw.send(&good[..end]);
            raw.hang_up();
        }
        let mut rng = Rng::new(3);
        for _ in 0..300 {
            let size_bytes = rng.below(200) as usize;
            let body = rng.bytes(size_bytes);
            let mut raw = Raw::connect(broker.port(), patience)?;
            raw.send(&[&(body.len() as u32).to_be_bytes()[..], &body].concat());
            raw.hang_up();
        }
        drop(announced?);
        Ok(())
    });
}

#[test]
fn a_slow_sender_is_served_and_an_unknown_version_is_told_the_known_ones() {
    hostile_story("hostile_versions", |broker| {
        let mut slow = Raw::connect(broker.port(), Duration::from_secs(10))?;
        for byte in [0, 0, 0, 13, 0, 18, 0, 0, 0, 0, 0, 9, 0, 3, b'r', b'a', b'w'] {
            slow.send(&[byte]);
            std::thread::sleep(Duration::from_millis(10));
        }
        ensure!(slow.answer()?.starts_with(&[0, 0, 0, 9, 0, 0]), "correlation id 9, no error");
        let mut raw = Raw::connect(broker.port(), Duration::from_secs(10))?;
        // Version 99 of ApiVersions: answered in version 0 with error 35, and the connection stays.
        raw.request(API_VERSIONS, 99, 7, &[0, 0, 0, 0]);
        let body = raw.answer()?;
        ensure!(body.starts_with(&[0, 0, 0, 7, 0, 35]) && body.len() > 10, "{body:02x?}");
        raw.request(API_VERSIONS, 0, 8, &[]);
        ensure!(raw.answer()?.starts_with(&[0, 0, 0, 8, 0, 0]), "after a refusal");
        for (key, version) in [(METADATA, 99), (METADATA, -1), (999, 0), (-5, 0)] {
            let mut raw = Raw::connect(broker.port(), Duration::from_secs(10))?;
            raw.request(key, version, 1, &[0; 16]);
            ensure!(raw.outcome() == Outcome::Closed, "api {key} v{version} does not exist");
        }
        Ok(())
    });
}

#[test]
fn bad_checksums_and_decompression_bombs_are_refused() {
    hostile_story("hostile_batches", |broker| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let admin: AdminClient<_> = config(broker, &[]).create()?;
        let topics = [
            NewTopic::new("batches", 1, TopicReplication::Fixed(1)),
            // Here the broker itself has to look into the batch: every record needs a key.
            NewTopic::new("compacted", 1, TopicReplication::Fixed(1)).set("cleanup.policy", "compact"),
        ];
        runtime
            .block_on(admin.create_topics(&topics, &AdminOptions::new()))?
            .into_iter()
            .try_for_each(|topic| topic.map(drop).map_err(|(_, code)| code))?;
        wait_for_partitions(broker, "batches", 1)?;
        wait_for_partitions(broker, "compacted", 1)?;
        let good = batch::with_value(b"fine");
        ensure!(produce(broker, "batches", &good)? == 0, "a batch made by hand is as good as any");
        ensure!(produce(broker, "batches", &batch::with_a_flipped_bit(good.clone()))? == 2, "CORRUPT_MESSAGE");
        for end in [1, 12, 16, 17, 60, 61, good.len() - 1] {
            let code = produce(broker, "batches", &good[..end])?;
            ensure!(code != 0, "a batch cut at byte {end} was taken");
        }
        let bomb = batch::gzip_bomb(512 << 20)?;
        ensure!(bomb.len() < 1_000_000, "small enough for message.max.bytes: {}", bomb.len());
        let code = produce(broker, "compacted", &bomb)?;
        ensure!(code != 0, "half a GB of zeros was taken for a record");
        ensure!(produce(broker, "batches", &good)? == 0, "the next good one");
        ensure!(read_topic(broker, "batches", &[], |_| ())? == 2, "only the two good ones are there");
        Ok(())
    });
}

#[test]
fn names_like_paths_create_nothing() {
    hostile_story("hostile_names", |broker| {
        let long = "a".repeat(250);
        let names =
            ["../../escape", "a/b", "/etc/passwd", ".", "..", "", "nul\0byte", "new\nline", "Ünicode", "a b", "a:b", "C:\\x", &long];
        for name in names {
            let mut body = 1i32.to_be_bytes().to_vec();
            body.extend((name.len() as i16).to_be_bytes());
            body.extend(name.as_bytes());
            body.push(1); // allow auto topic creation
            let mut raw = Raw::connect(broker.port(), PATIENCE)?;
            raw.request(METADATA, 4, 1, &body);
            let code = first_topic_error(&raw.answer()?).with_context(|| format!("{name:?}"))?;
            ensure!(code == 17, "{name:?}: INVALID_TOPIC_EXCEPTION is due, not {code}");
        }
        let mut raw = Raw::connect(broker.port(), PATIENCE)?;
        raw.request(METADATA, 4, 1, &[&1i32.to_be_bytes()[..], &[0, 2, b'.', b'x', 1]].concat());
        ensure!([0, 3, 5].contains(&first_topic_error(&raw.answer()?)?), "a leading dot is a fine name");
        let above = broker.data_dir().join("..");
        let outside: Vec<_> = std::fs::read_dir(&above)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        ensure!(!outside.iter().any(|name| name.contains("escape")), "{outside:?}");
        Ok(())
    });
}

/// Runs `attack` while an honest producer works; it must get every receipt, soon, and the broker must stay small.
fn hostile_story(name: &str, attack: impl Fn(&Broker) -> Result<()>) {
    story(name, BrokerOptions::new(), |broker| {
        let over = AtomicBool::new(false);
        let broker = &*broker;
        let sent = std::thread::scope(|scope| {
            let (started, at_work) = mpsc::channel();
            let honest = scope.spawn(|| honest_producer(broker, &over, started));
            // Gone without a word when the producer fails: the attack goes on, the failure is reported below.
            let _ = at_work.recv();
            // Again and again, so that the honest one is disturbed if it can be.
            let began = Instant::now();
            let mut attacked = attack(broker);
            while attacked.is_ok() && began.elapsed() < Duration::from_secs(1) {
                attacked = attack(broker);
            }
            over.store(true, Ordering::Relaxed);
            let sent = honest.join().map_err(|_| anyhow::anyhow!("the honest producer panicked"))?;
            attacked?;
            sent.context("the honest producer")
        })?;
        ensure!(read_topic(broker, "honest", &[], |_| ())? == sent, "all of the honest producer's records");
        let (peak, now) = broker.resident_kib()?;
        println!("{name}: {sent} honest records, peak {peak} KiB, now {now} KiB");
        ensure!(peak <= broker.memory_limit_kib(), "the broker grew to {peak} KiB");
        Ok(())
    });
}

fn honest_producer(broker: &Broker, over: &AtomicBool, started: mpsc::Sender<()>) -> Result<u64> {
    let producer = Producer::new(broker, &[("linger.ms", "0")])?;
    let mut sent = 0;
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        producer.send(0, BaseRecord::with_opaque_to("honest", 0).key("k").payload("v"))?;
        let receipts = producer.receipts(PATIENCE)?;
        ensure!(matches!(receipts[..], [(0, Ok(_))]), "after {:?}: {receipts:?}", began.elapsed());
        ensure!(sent == 0 || began.elapsed() < Duration::from_secs(10), "one record took {:?}", began.elapsed());
        sent += 1;
        let _ = started.send(());
    }
    Ok(sent)
}

/// What the broker says it serves.
fn apis(broker: &Broker) -> Result<Vec<(i16, RangeInclusive<i16>)>> {
    let mut raw = Raw::connect(broker.port(), PATIENCE)?;
    raw.request(API_VERSIONS, 0, 1, &[]);
    let body = raw.answer()?;
    let (ranges, _) = body.get(10..).context("error code and count")?.as_chunks::<6>();
    let number = |pair: [u8; 2]| i16::from_be_bytes(pair);
    Ok(ranges.iter().map(|&[a, b, c, d, e, f]| (number([a, b]), number([c, d])..=number([e, f]))).collect())
}

/// Sends one batch with Produce v3, acks=1; gives the partition's error code.
fn produce(broker: &Broker, topic: &str, batch: &[u8]) -> Result<i16> {
    let mut body = vec![0xff, 0xff, 0, 1]; // no transactional id, acks 1
    body.extend(30_000i32.to_be_bytes());
    body.extend(1i32.to_be_bytes());
    body.extend((topic.len() as i16).to_be_bytes());
    body.write_all(topic.as_bytes())?;
    body.extend(1i32.to_be_bytes());
    body.extend(0i32.to_be_bytes());
    body.extend((batch.len() as i32).to_be_bytes());
    body.extend(batch);
    let mut raw = Raw::connect(broker.port(), PATIENCE)?;
    raw.request(PRODUCE, 3, 1, &body);
    // correlation id, topics, name, partitions, partition, error code
    let answer = raw.answer()?;
    let at = 4 + 4 + 2 + topic.len() + 4 + 4;
    let code = answer.get(at..at + 2).with_context(|| format!("{answer:02x?}"))?;
    Ok(i16::from_be_bytes([code[0], code[1]]))
}

/// The error code of the first topic in a Metadata v4 answer.
fn first_topic_error(body: &[u8]) -> Result<i16> {
    let mut at = 4 + 4; // correlation id, throttle time
    let int = |at: usize| Some(i32::from_be_bytes(body.get(at..at + 4)?.try_into().ok()?));
    let short = |at: usize| Some(i16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    let string = |at: usize| Some(at + 2 + usize::try_from(short(at)?).unwrap_or(0));
    let brokers = int(at).context("brokers")?;
    at += 4;
    for _ in 0..brokers {
        let port = string(at + 4).context("host")?;
        at = string(port + 4).context("rack")?;
    }
    let controller = string(at).context("cluster id")?;
    ensure!(int(controller + 4).context("topics")? == 1, "one topic");
    short(controller + 8).context("error code")
}
