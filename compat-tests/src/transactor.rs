//! The Java program of transactions (`java/Transactor.java`): told what to do line by line, everything it answers kept as a transcript.
//!
//! A transcript says what happened in words that do not depend on the broker, so a golden file of one broker fits the other.

use crate::Toolchain;
use crate::java::Java;
use crate::program::Program;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::Duration;

// It is told of every mistake that it makes on purpose.
const JVM: [&str; 4] = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"];
/// Longer than anything the program waits for by itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(200);

/// The compiled program with one version of the client.
pub fn find(client: Option<&'static str>) -> Toolchain<Java> {
    let java = Java::find()?;
    let java = client.map_or(Ok(java.clone()), |version| java.with_old_client(version))?;
    let classes = java.compile("Transactor.java")?;
    Ok(java.with_classes(&classes))
}

/// The running program.
pub struct Transactor {
    program: Program,
    /// What it was told and what it said.
    pub transcript: String,
}

impl Transactor {
    /// Starts the program; what it logs goes to `log`.
    pub fn start(java: &Java, bootstrap: &str, log: PathBuf) -> Result<Transactor> {
        let mut command = java.command("Transactor", &JVM);
        command.arg(bootstrap);
        Ok(Transactor { program: Program::start(command, log)?, transcript: String::new() })
    }

    /// Gives the commands of a script, one per line, each after the answer to the one before; errors are answers too.
    pub fn play(&mut self, script: &str) -> Result<()> {
        script.lines().map(str::trim).filter(|line| !line.is_empty()).try_for_each(|command| self.ask(command).map(drop))
    }

    /// Gives one command and the lines of its answer; the last one begins with `ok` or `error`.
    pub fn ask(&mut self, command: &str) -> Result<Vec<String>> {
        self.transcript.push_str(&format!("$ {command}\n"));
        self.program.tell(command)?;
        let mut answer = Vec::new();
        loop {
            let line = self.program.line(ANSWER_WITHIN).with_context(|| format!("no answer to the last of\n{}", self.transcript))?;
            self.transcript.push_str(&format!("{line}\n"));
            let last = line.starts_with("ok") || line.starts_with("error");
            answer.push(line);
            if last {
                return Ok(answer);
            }
        }
    }

    /// A headline in the transcript.
    pub fn chapter(&mut self, name: &str) {
        self.transcript.push_str(&format!("$ # {name}\n"));
    }

    /// Ends the program; gives the transcript.
    pub fn finish(self) -> Result<String> {
        self.program.end()?;
        Ok(self.transcript)
    }
}
