//! The table: which client, in which of its protocols and assignors, plays the stories, and how its member program is started.

use super::Translate;
use crate::Toolchain;
use crate::java::Java;
use crate::kcat::Kcat;
use crate::toolchain::{has, installed, step};
use crate::workspace_root;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A rebalance protocol and the assignor in it.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// `group.protocol`: `classic` or `consumer`.
    pub name: &'static str,
    /// The client's name for it; `default` leaves the choice to the client, or to the broker.
    pub assignor: &'static str,
}

/// Makes the command that runs a member, from its arguments.
pub type Launcher = Arc<dyn Fn(&BTreeMap<&str, &str>) -> Command>;

/// A row of the table.
pub struct Client {
    pub name: &'static str,
    /// The first is played by default, all of them with `OTTLA_COMPAT_FULL=1`.
    pub protocols: &'static [Protocol],
    pub install: fn() -> Toolchain<Launcher>,
    /// How its members commit where nothing may be read twice.
    pub clean_commit: &'static str,
    /// How its members commit where somebody dies: soon after reading.
    pub eager_commit: &'static str,
    /// A librdkafka: see [`super::ledger::Ledger::echoes`].
    pub echoes: bool,
    /// For a program that is not ours.
    pub foreign_voice: Option<Translate>,
}

const fn classic(assignor: &'static str) -> Protocol {
    Protocol { name: "classic", assignor }
}

const fn consumer(assignor: &'static str) -> Protocol {
    Protocol { name: "consumer", assignor }
}

/// The `rdkafka` crate: a current librdkafka.
pub static RDKAFKA: Client = Client {
    name: "rdkafka",
    protocols: &[classic("range"), consumer("default"), classic("cooperative-sticky"), classic("roundrobin"), consumer("range")],
    install: || {
        // Cargo builds this package's programs before its tests.
        let program = crate::ottla::profile_dir().map_err(|error| format!("{error:#}"))?.join("rdkafka-member");
        Ok(words(move || Command::new(&program)))
    },
    clean_commit: "revoke",
    eager_commit: "sync",
    echoes: true,
    foreign_voice: None,
};

/// The Java client.
pub static JAVA: Client = Client {
    name: "java",
    protocols: &[
        consumer("default"),
        classic("default"),
        classic("cooperative-sticky"),
        classic("range"),
        classic("roundrobin"),
        classic("sticky"),
        consumer("range"),
    ],
    install: || {
        let java = Java::find()?;
        let classes = java.compile("Member.java")?;
        Ok(words(move || java.with_classes(&classes).command("Member", &MEMBER_JVM)))
    },
    clean_commit: "revoke",
    eager_commit: "sync",
    echoes: false,
    foreign_voice: None,
};

pub(crate) const MEMBER_JVM: [&str; 5] =
    ["-Xmx96m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info"];

const fn python(name: &'static str, protocols: &'static [Protocol], echoes: bool, install: fn() -> Toolchain<Launcher>) -> Client {
    Client { name, protocols, install, clean_commit: "auto", eager_commit: "sync", echoes, foreign_voice: None }
}

/// confluent-kafka from PyPI, with the librdkafka of its wheel.
pub static CONFLUENT: Client = python(
    "confluent-kafka",
    &[consumer("default"), classic("default"), classic("cooperative-sticky"), classic("range"), classic("roundrobin"), consumer("range")],
    true,
    || python_member("confluent"),
);

/// kafka-python with its defaults; its automatic commit may be skipped before a rebalance.
pub static KAFKA_PYTHON: Client =
    Client { clean_commit: "revoke", ..python("kafka-python", DEFAULTS, false, || python_member("kafka-python")) };

/// aiokafka with its defaults.
pub static AIOKAFKA: Client = python("aiokafka", DEFAULTS, false, || python_member("aiokafka"));

fn python_member(client: &'static str) -> Toolchain<Launcher> {
    let venv = python_venv()?;
    Ok(words(move || {
        let mut command = Command::new(venv.join("bin/python"));
        command.arg(workspace_root().join("compat-tests/python/member.py")).arg(format!("client={client}"));
        command
    }))
}

/// The Python clients in their virtual environment.
pub(crate) fn python_venv() -> Toolchain<PathBuf> {
    let requirements = workspace_root().join("compat-tests/python/requirements.txt");
    if !has("python3", "--version") {
        return Err("python3 is not on the path (Debian: apt install python3-venv)".to_owned());
    }
    installed("python", &[&requirements], |into| {
        step(Command::new("python3").args(["-m", "venv"]).arg(into))?;
        let pip = ["-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps", "--requirement"];
        step(Command::new(into.join("bin/python")).args(pip).arg(&requirements))
    })
}

const DEFAULTS: &[Protocol] = &[classic("default")];

const fn stock(name: &'static str, eager_commit: &'static str, install: fn() -> Toolchain<Launcher>) -> Client {
    Client { name, protocols: DEFAULTS, install, clean_commit: "auto", eager_commit, echoes: false, foreign_voice: None }
}

/// kafkajs with its defaults.
pub static KAFKAJS: Client = stock("kafkajs", "auto", || {
    let modules = node_modules()?;
    Ok(words(move || {
        let mut command = Command::new("node");
        command.env("NODE_PATH", modules.join("node_modules")).arg(workspace_root().join("compat-tests/node/member.js"));
        command
    }))
});

/// The Node.js clients.
pub(crate) fn node_modules() -> Toolchain<PathBuf> {
    let sources = workspace_root().join("compat-tests/node");
    let (package, lock) = (sources.join("package.json"), sources.join("package-lock.json"));
    if !has("npm", "--version") || !has("node", "--version") {
        return Err("node and npm are not on the path (Debian: apt install nodejs npm)".to_owned());
    }
    installed("node", &[&package, &lock], |into| {
        for file in [&package, &lock] {
            std::fs::copy(file, into.join(file.file_name().unwrap_or_default())).map_err(|error| error.to_string())?;
        }
        step(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(into))
    })
}

/// franz-go with its defaults.
pub static FRANZ_GO: Client = stock("franz-go", "sync", || go_member("franz-go"));

/// Sarama with its defaults.
pub static SARAMA: Client = stock("sarama", "sync", || go_member("sarama"));

fn go_member(client: &'static str) -> Toolchain<Launcher> {
    let built = go_module()?;
    Ok(words(move || {
        let mut command = Command::new(built.join("member"));
        command.arg(format!("client={client}"));
        command
    }))
}

/// The programs on the Go clients.
pub(crate) fn go_module() -> Toolchain<PathBuf> {
    if !has("go", "version") {
        return Err("go is not on the path (https://go.dev/dl)".to_owned());
    }
    let sources = workspace_root().join("compat-tests/go");
    let files: Vec<PathBuf> =
        ["go.mod", "go.sum", "member.go", "franz.go", "sarama.go", "transactor/main.go"].iter().map(|file| sources.join(file)).collect();
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    installed("go", &files, |into| {
        for (program, package) in [("member", "."), ("transactor", "./transactor")] {
            // An older Go fetches the one that go.mod asks for.
            let mut build = Command::new("go");
            build.env("GOTOOLCHAIN", "auto").args(["build", "-mod=readonly", "-buildvcs=false", "-o"]);
            step(build.arg(into.join(program)).arg(package).current_dir(&sources))?;
        }
        Ok(())
    })
}

/// Debian's kcat (librdkafka 2.0.2), which knows nothing of our words; SIGINT makes it leave.
pub static KCAT: Client = Client {
    name: "kcat",
    protocols: &[classic("default"), classic("cooperative-sticky"), classic("roundrobin")],
    install: || {
        Kcat::find()?;
        Ok(Arc::new(kcat_member))
    },
    clean_commit: "auto",
    eager_commit: "auto",
    echoes: true,
    foreign_voice: Some(kcat_voice),
};

fn kcat_member(args: &BTreeMap<&str, &str>) -> Command {
    let given = |key: &str| args.get(key).copied().unwrap_or_default();
    // Rebalances are told on standard error.
    let mut command = Command::new("sh");
    command.args(["-c", "exec kcat \"$@\" 2>&1", "kcat", "-u", "-f", "record %p %o -\\n"]);
    command.args(["-b", given("bootstrap"), "-G", given("group")]);
    let mut set = |key: &str, value: &str| _ = command.args(["-X", &format!("{key}={value}")]);
    set("auto.offset.reset", "earliest");
    set("client.id", given("name"));
    set("session.timeout.ms", given("session_ms"));
    set("heartbeat.interval.ms", given("heartbeat_ms"));
    set("reconnect.backoff.max.ms", "200");
    if given("assignor") != "default" {
        set("partition.assignment.strategy", given("assignor"));
    }
    if let Some(instance) = args.get("instance") {
        set("group.instance.id", instance);
    }
    command.arg(given("topic"));
    command
}

fn kcat_voice(line: &str) -> Option<String> {
    if line.starts_with("record ") {
        // A kcat that is killed leaves a torn line.
        return line.ends_with(" -").then(|| line.to_owned());
    }
    // % Group NAME rebalanced (memberid ID): assigned: TOPIC [0], TOPIC [1]
    // % Group NAME rebalanced: incremental assign of 2 partition(s) (memberid ID, COOPERATIVE rebalance protocol): TOPIC [0], TOPIC [1]
    let (_, turn) = line.strip_prefix("% Group ")?.split_once("): ")?;
    let incremental = line.split_once(": incremental ").map(|(_, rest)| if rest.starts_with("assign") { "assigned" } else { "revoked" });
    let (word, places) = incremental.map(|word| (word, turn)).or_else(|| turn.split_once(": ")).unwrap_or((turn.trim_end_matches(':'), ""));
    let partitions: Vec<&str> = places.split('[').skip(1).filter_map(|place| place.split(']').next()).collect();
    match word {
        "assigned" => Some(format!("assigned - {}", partitions.join(" "))),
        "revoked" => Some(format!("revoked {}", partitions.join(" "))),
        _ => Some(format!("note {turn}")),
    }
}

/// A launcher for a program that takes `key=value` words.
pub(crate) fn words(program: impl Fn() -> Command + 'static) -> Launcher {
    Arc::new(move |args| {
        let mut command = program();
        command.args(args.iter().map(|(key, value)| format!("{key}={value}")));
        command
    })
}
