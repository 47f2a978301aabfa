//! Foreign programs: run to the end within a time limit, or stopped by process id.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What a finished program left.
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
    what: String,
}

impl Finished {
    /// The standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Itself, or an error with everything the program said.
    pub fn ok(self) -> Result<Finished> {
        if self.status.success() { Ok(self) } else { bail!("{}: {}\n{}\n{}", self.what, self.status, self.text(), self.stderr) }
    }

    /// Itself, or an error when the program complained: any WARN, ERROR or exception in what it logged.
    pub fn quiet(self) -> Result<Finished> {
        let finished = self.ok()?;
        let complaint = |line: &&str| ["WARN", "ERROR", "Exception", "FATAL"].iter().any(|word| line.contains(word));
        if let Some(line) = finished.stderr.lines().find(complaint) {
            bail!("{}: complains: {line}\n{}", finished.what, finished.stderr);
        }
        Ok(finished)
    }
}

/// Runs `command` with `input` on its standard input; kills it and fails when it takes longer than `limit`.
pub fn run(command: &mut Command, input: impl FnOnce(&mut dyn Write) -> std::io::Result<()> + Send, limit: Duration) -> Result<Finished> {
    let what = describe(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start {what}"))?;
    let mut stdin = child.stdin.take().context("stdin is piped")?;
    let mut stdout = child.stdout.take().context("stdout is piped")?;
    let mut stderr = child.stderr.take().context("stderr is piped")?;
    std::thread::scope(|scope| {
        // A program that stops reading (kcat -c) closes the pipe: its exit status tells, not our write error.
        scope.spawn(move || {
            let mut buffered = std::io::BufWriter::with_capacity(1 << 20, &mut stdin);
            let _ = input(&mut buffered).and_then(|()| buffered.flush());
        });
        let errors = scope.spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let output = scope.spawn(move || {
            let mut bytes = Vec::new();
            let _ = stdout.read_to_end(&mut bytes);
            bytes
        });
        let (status, killed) = wait_at_most(&mut child, limit)?;
        let finished =
            Finished { status, stdout: output.join().unwrap_or_default(), stderr: errors.join().unwrap_or_default(), what: what.clone() };
        if killed {
            bail!("{what}: still running after {limit:?}, killed\n{}\n{}", finished.text(), finished.stderr);
        }
        Ok(finished)
    })
}

/// No standard input.
pub fn no_input(_: &mut dyn Write) -> std::io::Result<()> {
    Ok(())
}

/// Waits for `child`; after `limit` kills it. True when it had to be killed.
pub fn wait_at_most(child: &mut Child, limit: Duration) -> Result<(ExitStatus, bool)> {
    let pid = pid_of(child);
    let (done, watch) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let late = watch.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
        if late {
            let _ = kill_process(pid, Signal::KILL);
        }
        late
    });
    let status = child.wait().context("wait")?;
    drop(done);
    Ok((status, watchdog.join().unwrap_or(false)))
}

/// The child's process id, in the form that signals want.
pub fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn describe(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let shown = |arg: &std::ffi::OsStr| {
        let text = arg.to_string_lossy();
        if text.len() > 120 { "...".to_owned() } else { text.into_owned() }
    };
    command.get_args().fold(program, |line, arg| line + " " + &shown(arg))
}
