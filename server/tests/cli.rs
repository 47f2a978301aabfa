//! The binary from outside: what it prints, how it ends.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

fn ottla() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    // Settings of whoever runs the tests are none of ours.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("KAFKA_") || name.starts_with("OTTLA_") || name == "CLUSTER_ID" {
            command.env_remove(&*name);
        }
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    ottla().args(arguments).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running server, its ready line, and what it prints after that.
struct Running {
    child: Child,
    ready: String,
    port: String,
    rest: BufReader<std::process::ChildStdout>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary runs");
        let mut rest = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        while !line.starts_with("Ottla ") {
            line.clear();
            assert_ne!(rest.read_line(&mut line).expect("readable"), 0, "ended before it was ready");
        }
        let port = line.split("localhost:").nth(1).and_then(|rest| rest.split(' ').next()).expect("a port").to_owned();
        Self { child, ready: line, port, rest }
    }

    /// Sends the signal and waits; gives the exit code and what was printed since the ready line.
    fn signal(mut self, name: &str) -> (Option<i32>, String) {
        let kill = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().expect("a shell");
        assert!(kill.success());
        let mut printed = String::new();
        self.rest.read_to_string(&mut printed).expect("readable");
        (self.child.wait().expect("a child").code(), printed)
    }
}

impl Drop for Running {
    /// A failed test leaves no server behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn server(dir: &std::path::Path) -> Command {
    let mut command = ottla();
    command.args(["--port", "0", "--data-dir"]).arg(dir);
    command
}

#[test]
fn it_says_its_version_and_explains_its_keys() {
    let version = run(&["--version"]);
    assert_eq!(text(&version.stdout), format!("ottla {}\n", env!("CARGO_PKG_VERSION")));
    let docs = run(&["config", "--docs"]);
    assert!(docs.status.success());
    assert!(text(&docs.stdout).contains("- **`log.flush.interval.messages`**"));
}

#[test]
fn a_wrong_setting_ends_the_start_with_one_readable_line() {
    let output = run(&["--override", "num.partition=3"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "ottla: unknown configuration key num.partition (command line --override); did you mean num.partitions?\n"
    );
    let output = run(&["--config", "/no/such/file"]);
    assert_eq!((output.status.code(), text(&output.stderr).lines().count()), (Some(1), 1));
    assert_eq!(run(&["--no-such-flag"]).status.code(), Some(2));
}

#[test]
fn it_starts_answers_health_checks_and_stops_on_sigterm() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let mut command = server(&data);
    command.args(["--cluster-id", "4L6g3nShT-eMCtK--X86sw"]);
    let running = Running::start(command);
    let port = running.port.clone();
    let ready = format!("Ottla {} ready in ", env!("CARGO_PKG_VERSION"));
    assert!(running.ready.starts_with(&ready), "{}", running.ready);
    let whereabouts = format!(" ms: localhost:{port} (data in {}, cluster id 4L6g3nShT-eMCtK--X86sw)\n", data.display());
    assert!(running.ready.ends_with(&whereabouts), "{}", running.ready);

    let bootstrap = format!("localhost:{port}");
    let health = run(&["health", "--bootstrap", &bootstrap]);
    assert!(health.status.success(), "{}", text(&health.stderr));
    assert_eq!(running.signal("TERM").0, Some(0));
    assert!(data.join(".kafka_cleanshutdown").exists());

    let health = run(&["health", "--bootstrap", &bootstrap]);
    assert_eq!(health.status.code(), Some(1));
    assert!(text(&health.stderr).starts_with("ottla: localhost:"), "{}", text(&health.stderr));
}

#[test]
fn it_keeps_its_cluster_id_and_stops_on_sigint_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let id = |running: &Running| running.ready.split("cluster id ").nth(1).map(str::to_owned);
    let first = Running::start(server(dir.path()));
    let first_id = id(&first);
    assert_eq!(first.signal("INT").0, Some(0));
    let second = Running::start(server(dir.path()));
    assert_eq!(id(&second), first_id);
    assert_eq!(second.signal("TERM").0, Some(0));
}

#[test]
fn a_data_directory_in_use_is_a_readable_error() {
    let dir = tempfile::tempdir().expect("a directory");
    let running = Running::start(server(dir.path()));
    let output = server(dir.path()).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.lines().count() == 1 && error.contains(&*dir.path().to_string_lossy()), "{error}");
    assert_eq!(running.signal("TERM").0, Some(0));
}

#[test]
fn log_lines_come_as_json_when_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = server(dir.path());
    command.args(["--log-format", "json"]).env("KAFKA_URL", "x");
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary runs");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut first).expect("readable");
    assert!(first.starts_with("{\"timestamp\":\"") && first.contains("KAFKA_URL names no known key"), "{first}");
    child.kill().expect("still there");
    child.wait().expect("a child");
}
