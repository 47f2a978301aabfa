//! What /proc says of a process, and on which core we run.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::collections::BTreeMap;
use std::fs;

/// Runs the calling thread, and what it starts from now on, on one core only. Returns the cores it could run on before.
pub fn pin_to_core(core: usize) -> Result<CpuSet> {
    let before = sched_getaffinity(None)?;
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("cannot run on core {core} only"))?;
    Ok(before)
}

/// Lets the calling thread run on these cores again.
pub fn run_on(cores: &CpuSet) -> Result<()> {
    sched_setaffinity(None, cores).context("cannot go back to the cores from before")
}

/// User + system CPU seconds of a process so far, ended threads included (resolution: one clock tick, 10 ms).
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| path.clone())?;
    parse_cpu_seconds(&stat, rustix::param::clock_ticks_per_second()).with_context(|| format!("cannot read {path}"))
}

fn parse_cpu_seconds(stat: &str, ticks_per_second: u64) -> Option<f64> {
    // The command name may hold anything, so count fields from its closing parenthesis: utime and stime are fields 14 and 15 of all.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / ticks_per_second as f64)
}

/// CPU time of each thread of a process at one moment, in nanoseconds.
#[derive(Clone, Debug)]
pub struct CpuSnapshot {
    pid: u32,
    threads: BTreeMap<u32, u64>,
    /// Of the whole process, ended threads included, in clock ticks.
    process_seconds: f64,
}

impl CpuSnapshot {
    /// Reads `/proc/PID/task/*/schedstat`.
    pub fn take(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/task");
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(&path).with_context(|| path.clone())? {
            let entry = entry?;
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A thread may end while the directory is read.
            let Ok(stat) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
            let spent = stat.split_ascii_whitespace().next().and_then(|field| field.parse().ok());
            threads.insert(id, spent.with_context(|| format!("schedstat of thread {id}: {stat}"))?);
        }
        Ok(Self { pid, threads, process_seconds: cpu_seconds(pid)? })
    }

    /// Whose it is.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// CPU seconds the process has spent since then. What a thread spent that ended meanwhile is only known in clock ticks.
    pub fn seconds_since(&self) -> Result<f64> {
        Ok(self.seconds_until(&Self::take(self.pid)?))
    }

    fn seconds_until(&self, later: &Self) -> f64 {
        let spent = later.threads.iter().map(|(id, spent)| spent.saturating_sub(self.threads.get(id).copied().unwrap_or(0)));
        let seconds = spent.sum::<u64>() as f64 / 1e9;
        let ended = self.threads.keys().any(|id| !later.threads.contains_key(id));
        if ended { seconds.max(later.process_seconds - self.process_seconds) } else { seconds }
    }
}

/// CPU seconds of the whole machine since it came up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MachineCpu {
    /// Anything but idle.
    pub busy_seconds: f64,
    /// Taken away by the hypervisor (part of the busy ones).
    pub steal_seconds: f64,
}

/// What the whole machine has spent so far.
pub fn machine_cpu() -> Result<MachineCpu> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    parse_machine_cpu(&stat, rustix::param::clock_ticks_per_second()).context("cannot read /proc/stat")
}

fn parse_machine_cpu(stat: &str, ticks_per_second: u64) -> Option<MachineCpu> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_ascii_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
    let &[user, nice, system, _idle, _iowait, irq, softirq, steal] = fields.as_slice() else { return None };
    let seconds = |ticks: u64| ticks as f64 / ticks_per_second as f64;
    Some(MachineCpu { busy_seconds: seconds(user + nice + system + irq + softirq + steal), steal_seconds: seconds(steal) })
}

/// Lets this process, and what it starts, hold as many files and connections as the system permits.
pub fn raise_file_limit() -> Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

/// Memory of a process in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident: all.
    pub rss_kib: u64,
    /// Resident and not backed by a file: heap and stacks.
    pub anonymous_kib: u64,
    /// Highest resident size so far.
    pub peak_kib: u64,
}

/// Memory of a process now.
pub fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    Ok(parse_memory(&fs::read_to_string(&path).with_context(|| path)?))
}

fn parse_memory(status: &str) -> Memory {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    Memory { rss_kib: field("VmRSS"), anonymous_kib: field("RssAnon"), peak_kib: field("VmHWM") }
}

/// Asks a process to end (SIGTERM).
pub fn terminate(pid: u32) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("not a process id")?;
    kill_process(pid, Signal::TERM).context("cannot signal the process")
}

/// One line about the machine: processor, cores, kernel.
pub fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let gib = memory.lines().next().and_then(|line| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) >> 20;
    format!("{model}, {cores} cores, {gib} GiB, Linux {}", kernel.trim())
}

/// The load averages as the kernel shows them.
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_ascii_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_seconds_survive_a_strange_process_name() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 100 1000 10";
        assert_eq!(parse_cpu_seconds(stat, 100), Some(3.0));
        assert_eq!(parse_cpu_seconds("42 (x) S 1", 100), None);
    }

    #[test]
    fn threads_that_come_and_go_are_counted() {
        let snapshot =
            |threads: &[(u32, u64)], process_seconds| CpuSnapshot { pid: 1, threads: threads.iter().copied().collect(), process_seconds };
        let before = snapshot(&[(1, 5_000_000), (2, 1_000_000)], 0.01);
        assert_eq!(before.seconds_until(&snapshot(&[(1, 6_000_000), (2, 1_000_000), (3, 2_000_000)], 0.02)), 0.003);
        assert_eq!(before.seconds_until(&snapshot(&[(1, 6_000_000)], 0.51)), 0.5, "thread 2 has ended, so only ticks tell");
        let own = CpuSnapshot::take(std::process::id()).unwrap();
        assert!(own.threads.values().any(|spent| *spent > 0) && own.seconds_since().unwrap() < 60.0);
    }

    #[test]
    fn idle_and_waiting_for_the_disk_are_not_busy() {
        let stat = "cpu  100 10 200 5000 600 1 2 3 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(parse_machine_cpu(stat, 100), Some(MachineCpu { busy_seconds: 3.16, steal_seconds: 0.03 }));
        assert_eq!(parse_machine_cpu("cpu0 1", 100), None);
    }

    #[test]
    fn memory_fields_are_told_apart() {
        let status = "Name:\tx\nVmHWM:\t    4000 kB\nVmRSS:\t    3000 kB\nRssAnon:\t    1000 kB\n";
        assert_eq!(parse_memory(status), Memory { rss_kib: 3000, anonymous_kib: 1000, peak_kib: 4000 });
    }
}
