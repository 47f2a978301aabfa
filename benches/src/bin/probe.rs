//! `probe PORT`: the ceiling probe as a program. Prints what it did, and at which cost, on SIGTERM or SIGINT.

use anyhow::{Context, Result};
use clap::Parser;
use ottla_benches::probe::{Broker, Mode, serve};
use ottla_benches::process;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::thread;
use tokio::signal::unix::{SignalKind, signal};

/// The least a Kafka broker can do, as a yardstick.
#[derive(Debug, Parser)]
struct Arguments {
    /// Port on 127.0.0.1; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How much of the work is done.
    #[arg(long, value_enum, default_value = "write")]
    mode: Mode,
    /// Partitions of a topic that was not created by name.
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    /// Where the files of the partitions go; earlier ones are overwritten.
    #[arg(long)]
    data_dir: PathBuf,
    /// Run on this core only.
    #[arg(long)]
    core: Option<usize>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(core) = arguments.core {
        process::pin_to_core(core)?;
    }
    std::fs::create_dir_all(&arguments.data_dir).with_context(|| arguments.data_dir.display().to_string())?;
    let listener = TcpListener::bind(("127.0.0.1", arguments.port))?;
    let port = listener.local_addr()?.port();
    let mut broker = Broker::new(arguments.mode, arguments.data_dir, port, arguments.partitions);
    println!("probe on 127.0.0.1:{port}");
    serve(listener, &mut broker, write_when_told_to_stop)?;
    let pid = std::process::id();
    let (counters, cpu, memory) = (broker.counters(), process::cpu_seconds(pid)?, process::memory(pid)?);
    let gigabytes = (counters.produced_bytes + counters.fetched_bytes) as f64 / 1e9;
    println!(
        "requests {} produced {:.3} GB fetched {:.3} GB syncs {} cpu {cpu:.2} s, {:.3} cpu-s/GB, {:.2} us/request, peak RSS {} KiB",
        counters.requests,
        counters.produced_bytes as f64 / 1e9,
        counters.fetched_bytes as f64 / 1e9,
        counters.syncs,
        cpu / gigabytes,
        cpu * 1e6 / counters.requests as f64,
        memory.peak_kib,
    );
    Ok(())
}

/// A thread that sleeps until SIGTERM or SIGINT, then wakes the event loop.
fn write_when_told_to_stop(event: OwnedFd) {
    thread::spawn(move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            anyhow::Ok(())
        })?;
        rustix::io::write(&event, &1_u64.to_ne_bytes())?;
        Ok(())
    });
}
