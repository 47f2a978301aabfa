//! Apache Kafka's own programs: the jars of one pinned version, resolved once by Maven into `compat-tests/.cache`, run by `java`.

use crate::ottla::profile_dir;
use crate::process::{Finished, no_input, run};
use crate::toolchain::{has, installed, step};
use crate::{Broker, Toolchain, workspace_root};
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

// Tools log to standard error what they want a user to know; INFO would be every setting they have.
const TOOL: [&str; 4] = ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"];
const LIMIT: Duration = Duration::from_secs(240);

/// A JDK and the jars.
#[derive(Clone, Debug)]
pub struct Java {
    class_path: String,
    /// The version of the client where it is not the one of all other jars.
    old_client: Option<&'static str>,
}

impl Java {
    /// Looks for `java` and the jars; lets Maven fetch the jars when the cache does not hold those of today's `pom.xml`.
    pub fn find() -> Toolchain<Java> {
        static FOUND: OnceLock<Toolchain<Java>> = OnceLock::new();
        FOUND.get_or_init(resolve).clone()
    }

    /// The same JDK with only an old client and what it needs; one of the versions that `pom.xml` names.
    pub fn with_old_client(&self, version: &'static str) -> Toolchain<Java> {
        let cache = cache_dir();
        let client = cache.join(format!("old/kafka-clients-{version}.jar"));
        if !client.exists() {
            return Err(format!("{} is missing", client.display()));
        }
        let jars = fs::read_dir(cache.join("jars")).map_err(|error| format!("the jars: {error}"))?;
        // Logging and codecs; never the classes of today's client.
        let needed = |name: &str| ["slf4j", "lz4", "snappy", "zstd"].iter().any(|prefix| name.starts_with(prefix));
        let wanted =
            jars.filter_map(|jar| Some(jar.ok()?.path())).filter(|jar| jar.file_name().is_some_and(|name| needed(&name.to_string_lossy())));
        let class_path = wanted.fold(client.display().to_string(), |path, jar| format!("{path}:{}", jar.display()));
        Ok(Java { class_path, old_client: Some(version) })
    }

    /// `java ... Class`, still without the program's own arguments.
    pub fn command(&self, class: &str, jvm: &[&str]) -> Command {
        let mut command = Command::new("java");
        command.args(jvm).arg("-cp").arg(&self.class_path).arg(class);
        command
    }

    /// Runs a main class of the jars to its end.
    pub fn main(&self, class: &str, args: &[&str]) -> Result<Finished> {
        self.feed(class, args, no_input)
    }

    /// Runs a main class with something on its standard input.
    pub fn feed(&self, class: &str, args: &[&str], input: impl FnOnce(&mut dyn Write) -> std::io::Result<()> + Send) -> Result<Finished> {
        run(self.command(class, &TOOL).args(args), input, LIMIT)
    }

    /// Compiles a program of `compat-tests/java`, once as long as neither it nor the jars change; gives the directory with its classes.
    pub fn compile(&self, file: &str) -> Toolchain<PathBuf> {
        let source = java_dir().join(file);
        let of = self.old_client.map(|version| format!("-{version}")).unwrap_or_default();
        installed(&format!("java-{}{of}", file.trim_end_matches(".java")), &[&source, &java_dir().join("pom.xml")], |into| {
            let mut javac = Command::new("javac");
            javac.args(["-proc:none", "-cp", &self.class_path, "-d"]).arg(into).arg(&source);
            // The JDK and the jars are there: what does not compile is ours to mend.
            step(&mut javac).unwrap_or_else(|error| panic!("{error}"));
            Ok(())
        })
    }

    /// The same JDK and jars, and our own classes.
    pub fn with_classes(&self, dir: &Path) -> Java {
        Java { class_path: format!("{}:{}", dir.display(), self.class_path), ..*self }
    }

    /// Compiles and runs a single-file program of `compat-tests/java`.
    pub fn source(&self, file: &str, args: &[&str]) -> Result<Finished> {
        let path = java_dir().join(file);
        run(self.command(&path.to_string_lossy(), &TOOL).args(args), no_input, LIMIT)
    }
}

/// One broker and the tools pointed at it.
pub struct Tools<'a> {
    pub java: &'a Java,
    bootstrap: String,
}

impl<'a> Tools<'a> {
    /// The tools of these jars, for this broker.
    pub fn new(java: &'a Java, broker: &Broker) -> Tools<'a> {
        Tools { java, bootstrap: broker.bootstrap() }
    }

    /// Runs a tool that must succeed in silence; gives what it printed.
    pub fn run(&self, class: &str, args: &[&str]) -> Result<String> {
        Ok(self.start(class, args, "")?.quiet()?.text())
    }

    /// Runs a tool that must fail; gives everything it said.
    pub fn refused(&self, class: &str, args: &[&str]) -> Result<String> {
        let finished = self.start(class, args, "")?;
        ensure!(!finished.status.success(), "{class} {args:?} must fail: {}", finished.text());
        Ok(finished.text() + &finished.stderr)
    }

    /// Runs a tool with something on its standard input.
    pub fn start(&self, class: &str, args: &[&str], input: &str) -> Result<Finished> {
        let args = [&["--bootstrap-server", &self.bootstrap], args].concat();
        self.java.feed(class, &args, |to| to.write_all(input.as_bytes()))
    }
}

/// Compares with what Apache Kafka's tools printed at Apache Kafka, kept in `golden/`. `OTTLA_COMPAT_GOLDEN=write` writes the file instead;
/// only with the oracle.
pub fn same_as_golden(file: &str, said: &str) -> Result<()> {
    let path = workspace_root().join("compat-tests/golden").join(file);
    if std::env::var("OTTLA_COMPAT_GOLDEN").as_deref() == Ok("write") {
        ensure!(std::env::var("OTTLA_COMPAT_ORACLE").as_deref() == Ok("only"), "golden files come from Apache Kafka alone");
        fs::write(&path, said)?;
    }
    let golden = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    let (expected, found): (Vec<&str>, Vec<&str>) = (golden.lines().collect(), said.lines().collect());
    let mut differences = Vec::new();
    // Both begin each answer with its question.
    let answers = |lines: &[&str]| -> Vec<String> { lines.join("\n").split("\n$ ").map(str::to_owned).collect() };
    let (expected, found) = (answers(&expected), answers(&found));
    for (expected, found) in expected.iter().zip(&found).filter(|(expected, found)| expected != found) {
        differences.push(format!("--- Apache Kafka: {expected}\n+++ here: {found}"));
    }
    if expected.len() == found.len() && differences.is_empty() {
        return Ok(());
    }
    let kept = profile_dir()?.join("compat-runs").join(file.replace('/', "-"));
    fs::write(&kept, said)?;
    ensure!(expected.len() == found.len(), "{file}: {} answers instead of {}: {}", found.len(), expected.len(), kept.display());
    bail!("{file}: {} differences, all of it: {}\n{}", differences.len(), kept.display(), differences.join("\n"))
}

fn java_dir() -> PathBuf {
    workspace_root().join("compat-tests/java")
}

fn resolve() -> Toolchain<Java> {
    if !has("javac", "-version") || !has("java", "-version") {
        return Err("no JDK on the path (Debian: apt install default-jdk-headless)".to_owned());
    }
    let cache = cache_dir();
    let pom = fs::read(java_dir().join("pom.xml")).map_err(|error| format!("compat-tests/java/pom.xml: {error}"))?;
    let (jars, stamp) = (cache.join("jars"), cache.join("pom.xml"));
    let class_path = format!("{}/*", jars.display());
    // Several test programs may come here at once; one fetches, the others wait for the lock.
    let lock = fs::create_dir_all(&cache).and_then(|()| File::create(cache.join("lock"))).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.map_err(|error| format!("compat-tests/.cache: {error}"))?;
    if fs::read(&stamp).is_ok_and(|fetched| fetched == pom) {
        return Ok(Java { class_path, old_client: None });
    }
    fetch(&jars, &cache.join("old"))?;
    fs::write(&stamp, pom).map_err(|error| format!("compat-tests/.cache: {error}"))?;
    Ok(Java { class_path, old_client: None })
}

fn cache_dir() -> PathBuf {
    workspace_root().join("compat-tests/.cache")
}

fn fetch(jars: &Path, old_clients: &Path) -> Result<(), String> {
    if !has("mvn", "--version") {
        return Err("the Kafka jars are not cached and Maven is not on the path (Debian: apt install maven)".to_owned());
    }
    let _ = fs::remove_dir_all(jars);
    let _ = fs::remove_dir_all(old_clients);
    let output = Command::new("mvn")
        .current_dir(java_dir())
        .args(["--quiet", "--batch-mode", "dependency:copy-dependencies", "dependency:copy", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", jars.display()))
        .arg(format!("-Dold.clients={}", old_clients.display()))
        .output()
        .map_err(|error| format!("mvn: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("Maven could not fetch the Kafka jars: {}", String::from_utf8_lossy(&output.stdout).trim()))
}
