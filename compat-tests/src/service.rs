//! A foreign server beside the broker: a Connect worker, MirrorMaker, a schema registry. Runs until it is told to stop.

use crate::process::{pid_of, wait_at_most};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Signal, kill_process};
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const STOPPED_WITHIN: Duration = Duration::from_secs(60);
/// What a shell says of a process that SIGTERM ended: a JVM's status after a clean stop.
const TERMINATED: i32 = 128 + 15;

/// A loopback port that was free a moment ago, for servers that must be told theirs.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A running server; killed when dropped.
pub struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts it; what it says goes to the end of `log`.
    pub fn start(mut command: Command, log: PathBuf) -> Result<Service> {
        let file = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("could not start {command:?}"))?;
        Ok(Service { child, log })
    }

    /// An error when it has ended by itself.
    pub fn is_there(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("ended with {status}\n{}", self.tail()),
        }
    }

    /// SIGTERM, and waits until it is gone: of itself, and without failure.
    pub fn stop(mut self) -> Result<()> {
        self.is_there()?;
        kill_process(pid_of(&self.child), Signal::TERM)?;
        let (status, killed) = wait_at_most(&mut self.child, STOPPED_WITHIN)?;
        ensure!(!killed, "still runs {STOPPED_WITHIN:?} after SIGTERM\n{}", self.tail());
        ensure!(status.success() || status.code() == Some(TERMINATED), "SIGTERM: {status}\n{}", self.tail());
        Ok(())
    }

    /// Kill -9.
    pub fn kill(mut self) -> Result<()> {
        self.is_there()?;
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// All it has said.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last of it.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        format!("--- {}\n{}", self.log.display(), lines[lines.len().saturating_sub(40)..].join("\n"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
