//! What the system knows of this process, from `/proc`. Elsewhere than on Linux there is nothing to read, and the metrics are left out.

/// Figures of the process; each is `None` where the system does not tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Process {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) virtual_bytes: Option<u64>,
    pub(super) threads: Option<u64>,
    pub(super) open_files: Option<u64>,
    pub(super) open_files_max: Option<u64>,
    pub(super) disk_read_bytes: Option<u64>,
    pub(super) disk_written_bytes: Option<u64>,
}

impl Process {
    pub(super) fn look() -> Self {
        let text = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
        let (status, io) = (text("status"), text("io"));
        let kib = |key| number_after(&status, key).map(|kib| kib * 1024);
        Self {
            cpu_seconds: cpu_ticks(&text("stat")).map(|ticks| ticks as f64 / rustix::param::clock_ticks_per_second() as f64),
            resident_bytes: kib("VmRSS:"),
            virtual_bytes: kib("VmSize:"),
            threads: number_after(&status, "Threads:"),
            open_files: std::fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64),
            open_files_max: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            disk_read_bytes: number_after(&io, "read_bytes:"),
            disk_written_bytes: number_after(&io, "write_bytes:"),
        }
    }
}

/// User and system time. The name of the process comes before them and may hold anything, a parenthesis too.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

fn number_after(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        assert_eq!(cpu_ticks("1 (a) b) S 1 1 1 0 -1 4194560 1 2 3 4 70 30 0 0 20"), Some(100));
        assert_eq!(cpu_ticks(""), None);
    }

    #[test]
    fn the_system_tells_about_this_process() {
        let process = Process::look();
        if cfg!(target_os = "linux") {
            assert!(process.resident_bytes.is_some_and(|bytes| bytes > 100_000), "{process:?}");
            assert!(process.open_files.is_some_and(|count| count > 2) && process.threads.is_some_and(|count| count > 0), "{process:?}");
        }
        assert!(process.open_files_max.is_none_or(|count| count > 2));
    }
}
