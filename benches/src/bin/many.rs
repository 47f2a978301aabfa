//! `many`: a broker with many topics and partitions, from its first start to its last: one JSON line with the time and room of each step.
//!
//! Empty start, topics created, metadata of all of them, one record to each partition, rest, clean stop and start, kill and start, stop.

use anyhow::{Context, Result, ensure};
use bytes::BufMut;
use clap::Parser;
use ottla_benches::client::Client;
use ottla_benches::wire::{self, Reader, key, put_string};
use ottla_benches::{batch, process};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CREATE_TOPICS_VERSION: i16 = 4;
const PRODUCE_VERSION: i16 = 7;
const METADATA_VERSION: i16 = 8;
/// So many partitions are written to with one request.
const PARTITIONS_PER_PRODUCE: i32 = 1000;

#[derive(Debug, Parser)]
struct Arguments {
    /// Name of the cell in the answer.
    #[arg(long, default_value = "")]
    label: String,
    /// The broker's binary.
    #[arg(long, default_value = "target/release/ottla")]
    broker: PathBuf,
    /// Parent of the data directory, which is removed again.
    #[arg(long)]
    scratch: PathBuf,
    #[arg(long, default_value_t = 1)]
    topics: u32,
    /// Of each topic.
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    /// How many topics one request creates.
    #[arg(long, default_value_t = 1)]
    topics_per_request: u32,
    /// Records written to each partition before the stop, one request per thousand partitions each.
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// `ulimit -n` of the broker.
    #[arg(long)]
    files: Option<u32>,
    /// How long the broker rests while its CPU time is read.
    #[arg(long, default_value_t = 10.0)]
    rest_seconds: f64,
    /// Arguments passed on to the broker.
    #[arg(last = true)]
    more: Vec<String>,
}

struct Running {
    child: Child,
    address: SocketAddr,
    started: Instant,
}

impl Running {
    /// Starts the broker on a port the system chooses and waits for its ready line.
    fn start(arguments: &Arguments, dir: &Path) -> Result<Self> {
        let limit = arguments.files.map_or_else(String::new, |files| format!("ulimit -n {files}; "));
        let started = Instant::now();
        let mut child = Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("{limit}exec \"$0\" \"$@\""))
            .arg(&arguments.broker)
            .args(["--port", "0", "--data-dir"])
            .arg(dir)
            .args(&arguments.more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the broker")?;
        let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        let mut address = None;
        for line in &mut lines {
            let line = line?;
            if line.contains("ready in") {
                address = line.split_whitespace().find_map(port_in);
                break;
            }
            eprintln!("{line}");
        }
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        let port = address.context("the broker did not become ready")?;
        Ok(Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)), started })
    }

    fn client(&self) -> Result<Client> {
        let mut client = Client::connect(self.address)?;
        client.reserve_input(4 << 20);
        Ok(client)
    }

    fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count)
    }

    fn rss_kib(&self) -> u64 {
        process::memory(self.child.id()).map_or(0, |memory| memory.rss_kib)
    }

    /// How long a clean stop takes.
    fn stop(mut self) -> Result<Duration> {
        let begun = Instant::now();
        process::terminate(self.child.id())?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the stop failed: {status}");
        Ok(begun.elapsed())
    }

    fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

fn port_in(word: &str) -> Option<u16> {
    word.trim_end_matches(|c: char| !c.is_ascii_digit()).rsplit_once(':')?.1.parse().ok()
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let dir = arguments.scratch.join(format!("many-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let outcome = run(&arguments, &dir);
    std::fs::remove_dir_all(&dir)?;
    outcome
}

fn run(arguments: &Arguments, dir: &Path) -> Result<()> {
    let mut line = serde_json::Map::new();
    let mut set = |name: &str, value: f64| {
        eprintln!("{name:>28} {value:.1}");
        line.insert(name.to_owned(), serde_json::json!((value * 10.0).round() / 10.0));
    };
    let ms = |span: Duration| span.as_secs_f64() * 1e3;
    let names: Vec<String> = (0..arguments.topics).map(|topic| format!("many-{topic:05}")).collect();
    let partitions = arguments.topics as usize * usize::try_from(arguments.partitions)?;

    let broker = Running::start(arguments, dir)?;
    let mut client = broker.client()?;
    set("empty_start_ms", ms(broker.started.elapsed()));
    set("empty_rss_kib", broker.rss_kib() as f64);
    set("empty_open_files", broker.open_files() as f64);

    let begun = Instant::now();
    for chunk in names.chunks(arguments.topics_per_request as usize) {
        create(&mut client, chunk, arguments.partitions)?;
    }
    set("create_ms", ms(begun.elapsed()));
    set("created_rss_kib", broker.rss_kib() as f64);
    set("created_open_files", broker.open_files() as f64);
    metadata(&mut client, partitions, &mut set)?;

    let begun = Instant::now();
    for _ in 0..arguments.rounds {
        produce(&mut client, &names, arguments.partitions)?;
    }
    set("produce_ms", ms(begun.elapsed()));
    set("produced_rss_kib", broker.rss_kib() as f64);
    set("produced_open_files", broker.open_files() as f64);

    std::thread::sleep(Duration::from_secs(1));
    let before = process::cpu_seconds(broker.child.id())?;
    std::thread::sleep(Duration::from_secs_f64(arguments.rest_seconds));
    let spent = process::cpu_seconds(broker.child.id())? - before;
    set("resting_cpu_percent", 100.0 * spent / arguments.rest_seconds);
    drop(client);
    set("clean_stop_ms", ms(broker.stop()?));

    let broker = Running::start(arguments, dir)?;
    let mut client = broker.client()?;
    set("clean_start_ms", ms(broker.started.elapsed()));
    set("clean_start_cpu_ms", process::cpu_seconds(broker.child.id())? * 1e3);
    set("clean_start_rss_kib", broker.rss_kib() as f64);
    set("clean_start_open_files", broker.open_files() as f64);
    produce(&mut client, &names, arguments.partitions)?;
    set("clean_start_first_round_ms", ms(broker.started.elapsed()));
    drop(client);
    broker.kill()?;

    let broker = Running::start(arguments, dir)?;
    let mut client = broker.client()?;
    set("killed_start_ms", ms(broker.started.elapsed()));
    set("killed_start_rss_kib", broker.rss_kib() as f64);
    set("killed_start_open_files", broker.open_files() as f64);
    for name in &names {
        for partition in (0..arguments.partitions).step_by(97) {
            let end = client.offset(name, partition, -1)?;
            ensure!(end == i64::from(arguments.rounds) + 1, "{name}-{partition} ends at {end}");
        }
    }
    let begun = Instant::now();
    delete(&mut client, &names)?;
    set("delete_ms", ms(begun.elapsed()));
    drop(client);
    set("empty_stop_ms", ms(broker.stop()?));

    line.insert("label".to_owned(), arguments.label.as_str().into());
    line.insert("topics".to_owned(), arguments.topics.into());
    line.insert("partitions".to_owned(), arguments.partitions.into());
    line.insert("load".to_owned(), process::load_average().into());
    println!("{}", serde_json::Value::Object(line));
    Ok(())
}

fn create(client: &mut Client, names: &[String], partitions: i32) -> Result<()> {
    let request = wire::request(key::CREATE_TOPICS, CREATE_TOPICS_VERSION, |out| {
        out.put_i32(names.len() as i32);
        for name in names {
            put_string(out, name.as_bytes());
            out.put_i32(partitions);
            out.put_i16(1);
            out.put_i32(0); // assignments
            out.put_i32(0); // configs
        }
        out.put_i32(30_000);
        out.put_i8(0); // validate only: no
    });
    let answer = client.call(request)?;
    let mut reader = Reader::new(answer);
    let mut walk = || -> Option<i16> {
        reader.i32()?;
        reader.i32()?; // throttle time
        for _ in 0..reader.count()? {
            reader.string()?;
            let error = reader.i16()?;
            reader.string()?; // message
            if error != 0 {
                return Some(error);
            }
        }
        Some(0)
    };
    let error = walk().context("CreateTopics answer")?;
    ensure!(error == 0, "CreateTopics failed with error {error}");
    Ok(())
}

fn delete(client: &mut Client, names: &[String]) -> Result<()> {
    let request = wire::request(key::DELETE_TOPICS, 3, |out| {
        out.put_i32(names.len() as i32);
        names.iter().for_each(|name| put_string(out, name.as_bytes()));
        out.put_i32(30_000);
    });
    let error = wire::read_topic_error(client.call(request)?).context("DeleteTopics answer")?;
    ensure!(error == 0, "DeleteTopics failed with error {error}");
    Ok(())
}

/// The time of a request for the metadata of all topics, the shortest of a few.
fn metadata(client: &mut Client, partitions: usize, set: &mut impl FnMut(&str, f64)) -> Result<()> {
    let mut best = f64::INFINITY;
    for _ in 0..7 {
        let request = wire::request(key::METADATA, METADATA_VERSION, |out| {
            out.put_i32(-1);
            out.put_slice(&[0, 0, 0]);
        });
        let begun = Instant::now();
        let size_bytes = client.call(request)?.len();
        best = best.min(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(size_bytes > 30 * partitions, "an answer of {size_bytes} bytes for {partitions} partitions");
    }
    set("metadata_ms", best);
    Ok(())
}

/// One record to each partition.
fn produce(client: &mut Client, names: &[String], partitions: i32) -> Result<()> {
    let records = batch::single(b"one small record, as many logs have few and many have none", 1_700_000_000_000).bytes;
    let mut places = names.iter().flat_map(|name| (0..partitions).map(move |partition| (name, partition))).peekable();
    while places.peek().is_some() {
        let mut topics: Vec<(&String, Vec<i32>)> = Vec::new();
        for (name, partition) in places.by_ref().take(PARTITIONS_PER_PRODUCE as usize) {
            match topics.last_mut() {
                Some((last, numbers)) if *last == name => numbers.push(partition),
                _ => topics.push((name, vec![partition])),
            }
        }
        let request = wire::request(key::PRODUCE, PRODUCE_VERSION, |out| {
            out.put_i16(-1); // transactional id: null
            out.put_i16(-1); // acks: all
            out.put_i32(30_000);
            out.put_i32(topics.len() as i32);
            for (name, numbers) in &topics {
                put_string(out, name.as_bytes());
                out.put_i32(numbers.len() as i32);
                for number in numbers {
                    out.put_i32(*number);
                    out.put_i32(records.len() as i32);
                    out.put_slice(&records);
                }
            }
        });
        let answer = client.call(request)?;
        let mut reader = Reader::new(answer);
        let mut walk = || -> Option<i16> {
            reader.i32()?;
            for _ in 0..reader.count()? {
                reader.string()?;
                for _ in 0..reader.count()? {
                    reader.i32()?;
                    let error = reader.i16()?;
                    reader.take(24)?; // base offset, append time, log start offset
                    if error != 0 {
                        return Some(error);
                    }
                }
            }
            Some(0)
        };
        let error = walk().context("Produce answer")?;
        ensure!(error == 0, "Produce failed with error {error}");
    }
    Ok(())
}
