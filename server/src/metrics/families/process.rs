//! The process and its broker, as a whole.

use super::super::family::{Family, Rows, counter, gauge};
use super::super::text::Number;

#[rustfmt::skip]
pub(super) static FAMILIES: &[Family] = &[
    gauge("ottla_build_info", "Always 1; the version is in the label.", Rows::Few(&["version"], |_, samples| {
        samples.sample().label("version", env!("CARGO_PKG_VERSION")).value(1);
    })),
    counter("process_cpu_seconds_total", "User and system CPU time.", Rows::Maybe(|s| s.process.cpu_seconds.map(Number::from))),
    gauge("process_resident_memory_bytes", "Resident memory.", Rows::Maybe(|s| s.process.resident_bytes.map(Number::from))),
    gauge("process_virtual_memory_bytes", "Virtual memory.", Rows::Maybe(|s| s.process.virtual_bytes.map(Number::from))),
    gauge("process_open_fds", "Open file descriptors.", Rows::Maybe(|s| s.process.open_files.map(Number::from))),
    gauge("process_max_fds", "Limit of open file descriptors.", Rows::Maybe(|s| s.process.open_files_max.map(Number::from))),
    gauge("process_threads", "Threads.", Rows::Maybe(|s| s.process.threads.map(Number::from))),
    gauge("process_start_time_seconds", "When the broker began to serve, in seconds since 1970.",
        Rows::One(|s| (s.node.started_at_ms as f64 / 1000.0).into())),
    gauge("kafka_server_kafkaserver_brokerstate", "3 while the broker serves, 6 while it stops.",
        Rows::One(|s| Number::Count(if s.node.is_stopping() { 6 } else { 3 }))),
    gauge("kafka_server_kafkaserver_linux_disk_read_bytes", "Bytes this process had read from disks.",
        Rows::Maybe(|s| s.process.disk_read_bytes.map(Number::from))),
    gauge("kafka_server_kafkaserver_linux_disk_write_bytes", "Bytes this process had written to disks.",
        Rows::Maybe(|s| s.process.disk_written_bytes.map(Number::from))),
];
