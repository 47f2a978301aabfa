//! kcat, as Debian ships it (librdkafka 2.0.2): found on the path, run with the broker's address.

use crate::process::{Finished, no_input, run};
use crate::{Broker, Toolchain};
use anyhow::Result;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(180);

/// A kcat that is installed.
pub struct Kcat(());

impl Kcat {
    /// Looks for kcat on the path.
    pub fn find() -> Toolchain<Kcat> {
        match Command::new("kcat").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Ok(status) if status.success() => Ok(Kcat(())),
            _ => Err("kcat is not installed (Debian: apt install kcat)".to_owned()),
        }
    }

    /// Runs it; success and silence are for the caller to ask.
    pub fn run(&self, broker: &Broker, args: &[&str]) -> Result<Finished> {
        self.feed(broker, args, no_input)
    }

    /// Runs it with something on its standard input.
    pub fn feed(
        &self,
        broker: &Broker,
        args: &[&str],
        input: impl FnOnce(&mut dyn Write) -> std::io::Result<()> + Send,
    ) -> Result<Finished> {
        run(Command::new("kcat").arg("-b").arg(broker.bootstrap()).args(args), input, LIMIT)
    }
}
