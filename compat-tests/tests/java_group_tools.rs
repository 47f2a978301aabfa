//! Apache Kafka's tools for groups: what they print, what they do to offsets, and what they read in the broker's own topic.
//!
//! What they print is compared with what they printed at Apache Kafka 4.3.1, kept in `golden/`, without ids, ports, times and the order
//! of lines, which a hash map decides.

use anyhow::{Context, Result, ensure};
use compat_tests::group::client::RDKAFKA;
use compat_tests::group::load::send;
use compat_tests::group::{Group, Protocol, stories};
use compat_tests::java::{Java, Tools, same_as_golden};
use compat_tests::{Broker, need, story};
use std::collections::BTreeMap;
use std::fs;

const CONSUMER_GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const GROUPS: &str = "org.apache.kafka.tools.GroupsCommand";
const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const DUMP_LOG: &str = "org.apache.kafka.tools.DumpLogSegments";
const SESSION_MS: u32 = 45_000;

fn group_tools_story(name: &str, tell: impl Fn(&Tools, &Broker) -> Result<()>) {
    let Some(java) = need(name, Java::find()) else { return };
    story(name, stories::group_options(SESSION_MS).set("node.id", 1), |broker| tell(&Tools::new(&java, broker), broker));
}

/// A group of one member that has read the topic and committed the middle of partition 0 and the end of partition 3.
fn group(broker: &Broker, name: &'static str, instance: &[(&str, &str)]) -> Result<Group> {
    let launcher = (RDKAFKA.install)().map_err(anyhow::Error::msg)?;
    let protocol = Protocol { name, assignor: if name == "classic" { "range" } else { "default" } };
    let mut group = Group::new(broker, &RDKAFKA, protocol, launcher, name, "t", SESSION_MS)?;
    group.join("m1", &[&[("commit", "none")], instance].concat())?;
    group.wait("60 records", |ledger| ledger.read_count() == 60)?;
    for (partition, offset) in [(0, 4), (3, 10)] {
        group.tell("m1", &format!("commit sync {partition} {offset}"))?;
        group.committed_at(partition, offset)?;
    }
    Ok(group)
}

/// Everything that tools printed, in a form that two brokers can share.
struct Transcript<'a> {
    tools: &'a Tools<'a>,
    /// What to write instead of what only one run knows.
    masks: BTreeMap<String, &'static str>,
    text: String,
}

impl<'a> Transcript<'a> {
    fn new(tools: &'a Tools<'a>, broker: &Broker) -> Transcript<'a> {
        Transcript { tools, masks: BTreeMap::from([(broker.bootstrap(), "BROKER")]), text: String::new() }
    }

    fn run(&mut self, class: &str, args: &[&str]) -> Result<()> {
        let finished = self.tools.start(class, args, "")?;
        let said = finished.text() + &finished.stderr;
        let masked = |word: &str| self.masks.iter().fold(word.to_owned(), |word, (id, name)| word.replace(id, name));
        let words = |line: &str| line.split_whitespace().map(masked).collect::<Vec<_>>().join(" ");
        let mut lines: Vec<String> = said.lines().map(words).filter(|line| !line.is_empty()).collect();
        lines.sort();
        self.text.push_str(&format!("$ {}\n", masked(&args.join(" "))));
        lines.iter().for_each(|line| self.text.push_str(&format!("{line}\n")));
        Ok(())
    }
}

#[test]
fn kafka_consumer_groups_prints_what_it_prints_at_apache_kafka() {
    group_tools_story("kafka_consumer_groups", |tools, broker| {
        send(broker, "t", 60)?;
        let groups = [group(broker, "classic", &[("instance", "static-1")])?, group(broker, "consumer", &[])?];
        let mut transcript = Transcript::new(tools, broker);
        for name in ["classic", "consumer"] {
            let members = tools.start(CONSUMER_GROUPS, &["--describe", "--group", name, "--members"], "")?.text();
            let id = members.lines().last().and_then(|line| line.split_whitespace().nth(1)).context("the member's id")?;
            transcript.masks.insert(id.to_owned(), if name == "classic" { "CLASSIC-MEMBER" } else { "CONSUMER-MEMBER" });
        }
        active(&mut transcript)?;
        for mut group in groups {
            group.leave_all()?;
        }
        inactive(&mut transcript)?;
        resets(&mut transcript, broker)?;
        same_as_golden("kafka-consumer-groups.txt", &transcript.text)
    });
}

fn active(transcript: &mut Transcript<'_>) -> Result<()> {
    for args in [&["--list"][..], &["--list", "--state"], &["--list", "--type"], &["--list", "--state", "empty"]] {
        transcript.run(CONSUMER_GROUPS, args)?;
    }
    transcript.run(GROUPS, &["--list"])?;
    for group in ["classic", "consumer"] {
        for what in [&["--offsets"][..], &["--offsets", "--verbose"], &["--members", "--verbose"], &["--state"], &["--state", "--verbose"]]
        {
            transcript.run(CONSUMER_GROUPS, &[&["--describe", "--group", group], what].concat())?;
        }
        // None of these is allowed as long as somebody is there.
        transcript.run(CONSUMER_GROUPS, &["--reset-offsets", "--group", group, "--to-earliest", "--topic", "t", "--execute"])?;
        transcript.run(CONSUMER_GROUPS, &["--delete", "--group", group])?;
        transcript.run(CONSUMER_GROUPS, &["--delete-offsets", "--group", group, "--topic", "t"])?;
    }
    Ok(())
}

fn inactive(transcript: &mut Transcript<'_>) -> Result<()> {
    // The static member of the classic group is expected back, the other group is empty.
    for args in [
        &["--describe", "--group", "classic", "--members"][..],
        &["--describe", "--group", "consumer", "--state"],
        &["--describe", "--group", "consumer"],
        &["--reset-offsets", "--group", "consumer", "--to-latest", "--topic", "t", "--execute"],
        &["--describe", "--group", "consumer"],
    ] {
        transcript.run(CONSUMER_GROUPS, args)?;
    }
    Ok(())
}

/// Every way to reset offsets, on a group that begins to exist by it, up to its end.
fn resets(transcript: &mut Transcript<'_>, broker: &Broker) -> Result<()> {
    let file = broker.scratch_dir()?.join("offsets.csv");
    fs::write(&file, "t,0,3\nt,1,4\n")?;
    let file = file.to_string_lossy().into_owned();
    transcript.masks.insert(file.clone(), "FILE");
    for how in [
        &["--to-offset", "5", "--topic", "t:0,1", "--execute"][..],
        &["--shift-by", "2", "--topic", "t:0,1", "--dry-run"],
        &["--shift-by", "-3", "--topic", "t:0,1", "--execute"],
        &["--shift-by", "200", "--topic", "t:0", "--execute"],
        &["--to-earliest", "--topic", "t", "--execute"],
        &["--to-datetime", "2020-01-01T00:00:00.000", "--topic", "t", "--dry-run"],
        &["--to-latest", "--topic", "t", "--execute"],
        &["--by-duration", "P1D", "--topic", "t", "--execute"],
        &["--by-duration", "PT0S", "--topic", "t:2", "--execute"],
        &["--from-file", &file, "--execute"],
        &["--to-current", "--all-topics", "--export", "--dry-run"],
    ] {
        transcript.run(CONSUMER_GROUPS, &[&["--reset-offsets", "--group", "plain"], how].concat())?;
    }
    for args in [
        &["--delete-offsets", "--group", "plain", "--topic", "t:0"][..],
        &["--describe", "--group", "plain"],
        &["--delete", "--group", "plain"],
        &["--delete", "--group", "plain"],
        &["--describe", "--group", "plain"],
        &["--list"],
    ] {
        transcript.run(CONSUMER_GROUPS, args)?;
    }
    Ok(())
}

#[test]
fn the_console_consumer_reads_a_topic_with_a_group_of_its_own() {
    group_tools_story("kafka_console_group", |tools, broker| {
        let sent = send(broker, "t", 600)?;
        let read = tools.start(CONSOLE_CONSUMER, &["--topic", "t", "--from-beginning", "--max-messages", "600"], "")?.quiet()?;
        ensure!(read.stderr.contains("Processed a total of 600 messages"), "{}", read.stderr);
        ensure!(read.text().lines().count() == sent.len(), "{} lines", read.text().lines().count());
        // A second reader in a named group goes on where the first one stopped.
        let named = |count: &str| {
            let args = ["--topic", "t", "--group", "named", "--max-messages", count, "--command-property", "auto.offset.reset=earliest"];
            tools.start(CONSOLE_CONSUMER, &args, "")?.ok()
        };
        let (first, second) = (named("250")?.text(), named("350")?.text());
        let mut lines: Vec<&str> = first.lines().chain(second.lines()).collect();
        let all = read.text();
        let mut expected: Vec<&str> = all.lines().collect();
        lines.sort_unstable();
        expected.sort_unstable();
        ensure!(lines == expected, "{} lines by two readers of one group, {} by one reader", lines.len(), expected.len());
        Ok(())
    });
}

#[test]
fn the_broker_s_own_records_are_read_by_apache_kafka_s_formatters() {
    group_tools_story("kafka_group_records", |tools, broker| {
        send(broker, "t", 60)?;
        let _classic = group(broker, "classic", &[("instance", "static-1")])?;
        let _consumer = group(broker, "consumer", &[])?;
        let mut text = String::new();
        for (formatter, count) in [("OffsetsMessageFormatter", 4), ("GroupMetadataMessageFormatter", 2)] {
            let class = format!("org.apache.kafka.tools.consumer.{formatter}");
            // A partition at a time: the tool ends when it has what it was asked for, and a group of its own would write too.
            let mut records = Vec::new();
            for partition in partitions_of(broker, &["classic", "consumer"])? {
                let partition = partition.to_string();
                let args = ["--topic", "__consumer_offsets", "--partition", &partition, "--from-beginning", "--formatter", &class];
                let said = tools.start(CONSOLE_CONSUMER, &[&args[..], &["--timeout-ms", "3000"]].concat(), "")?.ok()?.text();
                records.extend(said.replace("}{", "}\n{").lines().map(masked));
            }
            ensure!(records.len() == count, "{formatter}: {records:#?}");
            text.push_str(&format!("$ {formatter}\n{}\n", records.join("\n")));
        }
        text.push_str("$ kafka-dump-log --offsets-decoder\n");
        for partition in partitions_of(broker, &["classic", "consumer"])? {
            let log = broker.data_dir().join(format!("__consumer_offsets-{partition}/00000000000000000000.log"));
            let said = tools.java.main(DUMP_LOG, &["--offsets-decoder", "--files", &log.to_string_lossy()])?.quiet()?.text();
            // What is left of each key: how often a broker says the same is its own affair.
            let mut last = BTreeMap::new();
            for line in said.lines().filter_map(|line| line.split_once("key: ")) {
                let (key, payload) = line.1.split_once(" payload: ").context("a payload")?;
                last.insert(masked(key), masked(payload));
            }
            last.iter().for_each(|(key, payload)| text.push_str(&format!("{key} -> {payload}\n")));
        }
        same_as_golden("consumer-offsets-records.txt", &text)
    });
}

/// The partitions of `__consumer_offsets` in which these groups have written.
fn partitions_of(broker: &Broker, groups: &[&str]) -> Result<Vec<i32>> {
    let mut partitions = Vec::new();
    compat_tests::librdkafka::read_topic(broker, "__consumer_offsets", &[], |record| {
        use rdkafka::message::Message;
        let key = record.key().unwrap_or_default();
        if groups.iter().any(|group| key.windows(group.len()).any(|window| window == group.as_bytes())) {
            partitions.push(record.partition());
        }
    })?;
    partitions.sort_unstable();
    partitions.dedup();
    Ok(partitions)
}

/// Without times and ids.
fn masked(json: &str) -> String {
    let mut text = json.to_owned();
    let fields =
        ["assignmentTimestamp", "commitTimestamp", "currentStateTimestamp", "topicId", "memberId", "leader", "metadataHash", "clientHost"];
    for field in fields {
        let name = format!("\"{field}\":");
        let mut from = 0;
        while let Some(at) = text[from..].find(&name).map(|at| from + at + name.len()) {
            let rest = &text[at..];
            let value_size = rest.find([',', '}']).unwrap_or(rest.len());
            text.replace_range(at..at + value_size, "*");
            from = at;
        }
    }
    text
}
