//! A program that is told something line by line and answers in lines: one of ours on a foreign client.

use crate::process::{pid_of, wait_at_most};
use anyhow::{Context, Result, ensure};
use rustix::process::{Signal, kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const ENDED_WITHIN: Duration = Duration::from_secs(60);

/// A running program; killed when dropped.
pub struct Program {
    child: Child,
    /// None: its standard input has ended.
    commands: Option<ChildStdin>,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Program {
    /// Starts it; what it logs goes to the end of `log`.
    pub fn start(mut command: Command, log: PathBuf) -> Result<Program> {
        let errors = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
        let commands = child.stdin.take();
        let stdout = child.stdout.take().context("stdout is piped")?;
        let (heard, lines) = channel();
        std::thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| heard.send(line)));
        Ok(Program { child, commands, lines, log })
    }

    /// Says one line to it.
    pub fn tell(&mut self, command: &str) -> Result<()> {
        let commands = self.commands.as_mut().context("it still listens")?;
        commands.write_all(format!("{command}\n").as_bytes()).with_context(|| format!("telling {command:?}: has it ended?"))?;
        commands.flush().context("flush")
    }

    /// Its next line.
    pub fn line(&self, limit: Duration) -> Result<String> {
        self.lines.recv_timeout(limit).with_context(|| format!("nothing said within {limit:?}; its log is {}", self.log.display()))
    }

    /// What it has said by now.
    pub fn said(&self) -> impl Iterator<Item = String> + '_ {
        self.lines.try_iter()
    }

    /// SIGSTOP, SIGCONT and their like.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(pid_of(&self.child), signal).context("signal")
    }

    /// Ends its standard input and waits until it has ended, with status 0.
    pub fn end(mut self) -> Result<()> {
        drop(self.commands.take());
        let (status, killed) = wait_at_most(&mut self.child, ENDED_WITHIN)?;
        ensure!(!killed, "still runs after {ENDED_WITHIN:?}; its log is {}", self.log.display());
        ensure!(status.success(), "ended with {status}; its log is {}", self.log.display());
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
