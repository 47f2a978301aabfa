//! One member program: started with the group's pipe as its standard output, told what to do through its standard input.

use crate::process::{pid_of, wait_at_most};
use anyhow::{Context, Result, ensure};
use rustix::process::{Signal, kill_process};
use std::fs::{self, File};
use std::io::{PipeWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// A running member.
pub(crate) struct Member {
    child: Child,
    commands: ChildStdin,
    log: PathBuf,
}

impl Member {
    pub(crate) fn start(mut command: Command, voice: PipeWriter, log: PathBuf) -> Result<Member> {
        let errors = File::options().create(true).append(true).open(&log)?;
        let mut child =
            command.stdin(Stdio::piped()).stdout(voice).stderr(errors).spawn().with_context(|| format!("could not start {command:?}"))?;
        let commands = child.stdin.take().context("stdin is piped")?;
        Ok(Member { child, commands, log })
    }

    pub(crate) fn tell(&mut self, command: &str) -> Result<()> {
        self.commands.write_all(format!("{command}\n").as_bytes()).with_context(|| format!("telling {command:?}: has it ended?"))?;
        self.commands.flush().context("flush")
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(pid_of(&self.child), signal).context("signal")
    }

    /// Waits for the end of a program that was told to leave.
    pub(crate) fn ended(mut self) -> Result<()> {
        let (status, killed) = wait_at_most(&mut self.child, ENDED_WITHIN)?;
        ensure!(!killed, "left, but still runs after {ENDED_WITHIN:?}");
        ensure!(status.success(), "left with {status}");
        Ok(())
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
