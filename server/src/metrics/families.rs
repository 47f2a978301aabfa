//! Every metric there is: its name, type, help and where its samples come from. A name is written in this file and nowhere else.
//!
//! Names are those that dashboards and alerts ask for already: of Apache Kafka's own metrics as Strimzi's rules for the JMX exporter name
//! them, of kafka_exporter, of kafka-lag-exporter, of Prometheus' process collector. What is ours begins with `ottla_`.

use super::Detail;
use super::histogram::Counts;
use super::requests::{ApiRow, ListenerRow, Times};
use super::snapshot::{PartitionRow, Snapshot, TopicRow};
use super::text::{Number, Samples};
use crate::partition::Traffic;
use ottla_coordinator::metadata::BrokerId;
use std::fmt::Write;

/// One metric: all samples of one name.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    pub(super) rows: Rows,
}

/// Prometheus' types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// Where the samples come from.
pub(super) enum Rows {
    /// A few samples with these labels, written at once; may be none.
    Few(&'static [&'static str], fn(&Snapshot, &mut Samples<'_>)),
    /// Times of each API.
    Times(fn(&Times) -> &Counts),
    /// One sample of each listener on each reactor.
    Listeners(fn(&ListenerRow) -> u64),
    /// One sample of the broker without labels.
    One(fn(&Snapshot) -> Number),
    /// One sample, unless there is nothing to tell.
    Maybe(fn(&Snapshot) -> Option<Number>),
    /// One sample of all topics without labels, then one of each.
    Traffic(fn(&Traffic) -> u64),
    /// One sample of each topic.
    Topics(fn(&Snapshot, &TopicRow) -> Number),
    /// One sample of each partition that has the number. When only topics are told, their sums.
    Summed(fn(&PartitionRow) -> Option<i64>),
    /// The same, but the sum would mean nothing.
    Alone(fn(&PartitionRow) -> Option<i64>),
}

impl Rows {
    /// How many times [`write`](Self::write) is to be called.
    pub(super) fn count(&self, snapshot: &Snapshot) -> usize {
        match (self, snapshot.detail) {
            (Self::Few(..) | Self::One(_), _) => 1,
            (Self::Times(_), _) => snapshot.apis.len(),
            (Self::Listeners(_), _) => snapshot.listeners.len(),
            (Self::Maybe(value), _) => usize::from(value(snapshot).is_some()),
            (Self::Traffic(_), Detail::Broker) => 1,
            (Self::Traffic(_), _) => 1 + snapshot.topics.len(),
            (_, Detail::Broker) | (Self::Alone(_), Detail::Topic) => 0,
            (Self::Topics(_), _) | (Self::Summed(_), Detail::Topic) => snapshot.topics.len(),
            (Self::Summed(_) | Self::Alone(_), Detail::Partition) => snapshot.partitions.len(),
        }
    }

    /// Writes one row.
    pub(super) fn write(&self, snapshot: &Snapshot, row: usize, samples: &mut Samples<'_>) {
        match (self, snapshot.detail) {
            (Self::Few(_, write), _) => write(snapshot, samples),
            (Self::Times(of), _) => snapshot.apis.get(row).into_iter().for_each(|api| times(snapshot, api, *of, samples)),
            (Self::Listeners(value), _) => {
                let Some(listener) = snapshot.listeners.get(row) else { return };
                let sample = samples.sample().label("listener", &listener.listener).plain("networkProcessor", listener.reactor);
                sample.value(value(listener));
            }
            (Self::One(value), _) => samples.sample().value(value(snapshot)),
            (Self::Maybe(value), _) => value(snapshot).into_iter().for_each(|value| samples.sample().value(value)),
            (Self::Traffic(value), _) if row == 0 => samples.sample().value(value(&snapshot.traffic)),
            (Self::Traffic(value), _) => {
                let Some(topic) = snapshot.topics.get(row - 1) else { return };
                samples.sample().label("topic", &topic.name).value(value(&topic.traffic));
            }
            (Self::Topics(value), _) => {
                let Some(topic) = snapshot.topics.get(row) else { return };
                samples.sample().label("topic", &topic.name).value(value(snapshot, topic));
            }
            (Self::Summed(value), Detail::Topic) => {
                let Some(topic) = snapshot.topics.get(row) else { return };
                let mut told = snapshot.partitions_of(topic).iter().filter_map(value).peekable();
                if told.peek().is_some() {
                    samples.sample().label("topic", &topic.name).value(told.sum::<i64>());
                }
            }
            (Self::Summed(value) | Self::Alone(value), _) => {
                let Some(partition) = snapshot.partitions.get(row) else { return };
                let Some(topic) = snapshot.topics.get(partition.topic) else { return };
                if let Some(value) = value(partition) {
                    samples.sample().label("topic", &topic.name).plain("partition", partition.index).value(value);
                }
            }
        }
    }

    /// The labels, for the table of all metrics.
    fn labels(&self) -> String {
        let labels: &[&str] = match self {
            Self::Few(labels, _) => labels,
            Self::One(_) | Self::Maybe(_) => &[],
            Self::Times(_) => &["request", "quantile"],
            Self::Listeners(_) => &["listener", "networkProcessor"],
            Self::Traffic(_) => return "none for all topics; `topic`".to_owned(),
            Self::Topics(_) => &["topic"],
            Self::Summed(_) => return "`topic`, `partition`; summed: `topic`".to_owned(),
            Self::Alone(_) => &["topic", "partition"],
        };
        labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ")
    }
}

const fn gauge(name: &'static str, help: &'static str, rows: Rows) -> Family {
    Family { name, kind: Kind::Gauge, help, rows }
}

const fn summary(name: &'static str, help: &'static str, rows: Rows) -> Family {
    Family { name, kind: Kind::Summary, help, rows }
}

const fn histogram(name: &'static str, help: &'static str, rows: Rows) -> Family {
    Family { name, kind: Kind::Histogram, help, rows }
}

const fn counter(name: &'static str, help: &'static str, rows: Rows) -> Family {
    Family { name, kind: Kind::Counter, help, rows }
}

/// Kafka's percentiles, spelled as the JMX exporter spells them.
const QUANTILES: [(&str, f64); 6] = [("0.50", 0.5), ("0.75", 0.75), ("0.95", 0.95), ("0.98", 0.98), ("0.99", 0.99), ("0.999", 0.999)];
const NS_IN_MS: f64 = 1_000_000.0;
/// The bounds of `ottla_request_duration_seconds`: 2 to so many nanoseconds, from 65 microseconds to 17 seconds.
const POWERS: [usize; 10] = [16, 18, 20, 22, 24, 26, 28, 30, 32, 34];

/// The API's name; Kafka tells consumers' fetches under two names.
fn names(api: &ApiRow) -> impl Iterator<Item = &str> {
    std::iter::once(api.name.as_str()).chain((api.name == "Fetch").then_some("FetchConsumer"))
}

fn times(snapshot: &Snapshot, api: &ApiRow, of: fn(&Times) -> &Counts, samples: &mut Samples<'_>) {
    let (now, before) = (of(&api.times), snapshot.before.times.get(&api.key).map(of));
    for name in names(api) {
        for (quantile, share) in QUANTILES {
            if let Some(ns) = now.quantile_ns(before, share) {
                samples.sample().plain("request", name).plain("quantile", quantile).value(ns / NS_IN_MS);
            }
        }
        samples.sample_of("_sum").plain("request", name).value(now.sum_ns as f64 / NS_IN_MS);
        samples.sample_of("_count").plain("request", name).value(now.total());
    }
}

fn buckets(api: &ApiRow, samples: &mut Samples<'_>) {
    let times = &api.times.total;
    for power in POWERS {
        let bound = (1_u64 << power) as f64 / 1e9;
        samples.sample_of("_bucket").plain("request", &api.name).plain("le", bound).value(times.below_power(power));
    }
    samples.sample_of("_bucket").plain("request", &api.name).plain("le", "+Inf").value(times.total());
    samples.sample_of("_sum").plain("request", &api.name).value(times.sum_ns as f64 / 1e9);
    samples.sample_of("_count").plain("request", &api.name).value(times.total());
}

fn mean(shares: &[f64]) -> Option<Number> {
    (!shares.is_empty()).then(|| Number::Real(shares.iter().sum::<f64>() / shares.len() as f64))
}

fn whole(number: usize) -> Number {
    Number::Count(number as u64)
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Every metric, in the order they are told.
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
    gauge("process_start_time_seconds", "When the broker began to serve, in seconds since 1970.", Rows::One(|s| (s.node.started_at_ms as f64 / 1000.0).into())),
    gauge("kafka_server_kafkaserver_linux_disk_read_bytes", "Bytes this process had read from disks.", Rows::Maybe(|s| s.process.disk_read_bytes.map(Number::from))),
    gauge("kafka_server_kafkaserver_linux_disk_write_bytes", "Bytes this process had written to disks.", Rows::Maybe(|s| s.process.disk_written_bytes.map(Number::from))),

    counter("kafka_server_brokertopicmetrics_messagesin_total", "Records appended.", Rows::Traffic(|t| t.messages_in)),
    counter("kafka_server_brokertopicmetrics_bytesin_total", "Bytes appended.", Rows::Traffic(|t| t.bytes_in)),
    counter("kafka_server_brokertopicmetrics_bytesout_total", "Bytes fetched by consumers.", Rows::Traffic(|t| t.bytes_out)),
    counter("kafka_server_brokertopicmetrics_totalproducerequests_total", "Appends asked for, one for each partition of a request.", Rows::Traffic(|t| t.produce_requests)),
    counter("kafka_server_brokertopicmetrics_totalfetchrequests_total", "Reads asked for, one for each partition of a request.", Rows::Traffic(|t| t.fetch_requests)),
    counter("kafka_server_brokertopicmetrics_failedproducerequests_total", "Appends that were refused.", Rows::Traffic(|t| t.failed_produce_requests)),
    counter("kafka_server_brokertopicmetrics_failedfetchrequests_total", "Reads that were refused.", Rows::Traffic(|t| t.failed_fetch_requests)),

    counter("kafka_network_requestmetrics_requests_total", "Requests answered, by version.", Rows::Few(&["request", "version"], |s, samples| {
        for api in &s.apis {
            for (name, (version, count)) in names(api).flat_map(|name| api.by_version.iter().map(move |row| (name, row))) {
                samples.sample().plain("request", name).plain("version", version).value(*count);
            }
        }
    })),
    summary("kafka_network_requestmetrics_totaltimems", "Milliseconds from the last byte of a request to its answer; quantiles are of the last minutes.", Rows::Times(|times| &times.total)),
    summary("kafka_network_requestmetrics_localtimems", "Milliseconds until a request was handled or had to wait.", Rows::Times(|times| &times.local)),
    summary("kafka_network_requestmetrics_remotetimems", "Milliseconds a request waited: for records, a rebalance, a commit.", Rows::Times(|times| &times.remote)),
    summary("kafka_network_requestmetrics_throttletimems", "Milliseconds clients were told to stay away.", Rows::Times(|times| &times.throttle)),
    summary("kafka_network_requestmetrics_requestbytes", "Bytes of requests.", Rows::Few(&["request"], |s, samples| {
        for (api, name) in s.apis.iter().flat_map(|api| names(api).map(move |name| (api, name))) {
            samples.sample_of("_sum").plain("request", name).value(api.request_bytes);
            samples.sample_of("_count").plain("request", name).value(api.times.total.total());
        }
    })),
    counter("ottla_response_bytes_total", "Bytes of answers.", Rows::Few(&["request"], |s, samples| {
        s.apis.iter().for_each(|api| samples.sample().plain("request", &api.name).value(api.response_bytes));
    })),
    histogram("ottla_request_duration_seconds", "Seconds from the last byte of a request to its answer.", Rows::Few(&["request", "le"], |s, samples| {
        s.apis.iter().for_each(|api| buckets(api, samples));
    })),
    gauge("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent", "Share of the last minutes in which reactors had nothing to do, from 0 to 1.", Rows::Maybe(|s| mean(&s.before.idle))),
    gauge("kafka_network_socketserver_networkprocessoravgidle_percent", "The same: reactors do both jobs.", Rows::Maybe(|s| mean(&s.before.idle))),
    gauge("kafka_network_processor_idle_percent", "The same for each reactor.", Rows::Few(&["networkProcessor"], |s, samples| {
        s.before.idle.iter().enumerate().for_each(|(reactor, idle)| samples.sample().plain("networkProcessor", reactor).value(*idle));
    })),
    gauge("kafka_server_socket_server_metrics_connection_count", "Open connections.", Rows::Listeners(|l| l.opened.saturating_sub(l.closed))),
    counter("kafka_server_socket_server_metrics_connection_creation_total", "Connections accepted.", Rows::Listeners(|l| l.opened)),
    counter("kafka_server_socket_server_metrics_connection_close_total", "Connections ended.", Rows::Listeners(|l| l.closed)),
    counter("kafka_server_socket_server_metrics_request_total", "Requests received.", Rows::Listeners(|l| l.requests)),
    counter("kafka_server_socket_server_metrics_response_total", "Answers given to be sent.", Rows::Listeners(|l| l.responses)),
    counter("kafka_server_socket_server_metrics_incoming_byte_total", "Bytes of requests received.", Rows::Listeners(|l| l.bytes_in)),
    counter("kafka_server_socket_server_metrics_outgoing_byte_total", "Bytes of answers sent.", Rows::Listeners(|l| l.bytes_out)),
    gauge("kafka_server_socket_server_metrics_connections_software", "Open connections by what clients say they are (KIP-511).",
        Rows::Few(&["clientSoftwareName", "clientSoftwareVersion", "listener", "networkProcessor"], |s, samples| {
        for (software, count) in &s.software {
            let sample = samples.sample().label("clientSoftwareName", &software.name).label("clientSoftwareVersion", &software.version);
            sample.label("listener", &software.listener).plain("networkProcessor", software.reactor).value(*count);
        }
    })),

    gauge("kafka_server_replicamanager_leadercount", "Partitions this broker leads.", Rows::One(|s| whole(s.count(|p| p.led().is_some())))),
    gauge("kafka_server_replicamanager_partitioncount", "Partitions with a replica here.", Rows::One(|s| whole(s.count(|p| p.here.is_some())))),
    gauge("kafka_server_replicamanager_offlinereplicacount", "Replicas here that cannot be used.", Rows::One(|s| whole(s.count(|p| p.here.as_ref().is_some_and(|f| f.offline))))),
    gauge("kafka_server_replicamanager_underreplicatedpartitions", "Partitions led here with replicas that are not in sync.", Rows::One(|s| whole(s.count(|p| p.led().is_some() && p.is_under_replicated())))),
    gauge("kafka_server_replicamanager_underminisrpartitioncount", "Partitions led here with fewer replicas in sync than min.insync.replicas.", Rows::One(|s| whole(s.count(|p| p.led().is_some_and(|f| p.registration.isr.len() < p.min_insync_replicas(f)))))),
    gauge("kafka_server_replicamanager_atminisrpartitioncount", "Partitions led here with just as many replicas in sync as min.insync.replicas.", Rows::One(|s| whole(s.count(|p| p.led().is_some_and(|f| p.registration.isr.len() == p.min_insync_replicas(f)))))),
    gauge("kafka_server_replicamanager_reassigningpartitions", "Partitions led here that are being reassigned.", Rows::One(|s| whole(s.count(|p| p.led().is_some() && !(p.registration.adding_replicas.is_empty() && p.registration.removing_replicas.is_empty()))))),
    gauge("kafka_server_replicamanager_produceridcount", "Producers that logs here remember.", Rows::One(|s| whole(s.partitions.iter().filter_map(|p| p.here.as_ref()).map(|f| f.producers).sum()))),

    gauge("kafka_controller_kafkacontroller_activecontrollercount", "1 where the active controller is.", Rows::One(|_| Number::Count(1))),
    gauge("kafka_controller_kafkacontroller_activebrokercount", "Registered brokers that are not fenced.", Rows::One(|s| whole(s.image.cluster().brokers().filter(|b| !b.fenced).count()))),
    gauge("kafka_controller_kafkacontroller_fencedbrokercount", "Registered brokers that are fenced.", Rows::One(|s| whole(s.image.cluster().brokers().filter(|b| b.fenced).count()))),
    gauge("kafka_controller_kafkacontroller_globaltopiccount", "Topics of the cluster.", Rows::One(|s| whole(s.topics.len()))),
    gauge("kafka_controller_kafkacontroller_globalpartitioncount", "Partitions of the cluster.", Rows::One(|s| whole(s.partitions.len()))),
    gauge("kafka_controller_kafkacontroller_offlinepartitionscount", "Partitions without a leader that can be used.", Rows::One(|s| whole(s.count(|p| p.registration.leader.is_none() || p.here.as_ref().is_some_and(|f| f.offline))))),
    gauge("kafka_controller_kafkacontroller_preferredreplicaimbalancecount", "Partitions that another than their first replica leads.", Rows::One(|s| whole(s.count(|p| !p.leader_is_preferred())))),

    gauge("kafka_log_logmanager_offlinelogdirectorycount", "Log directories that cannot be used.", Rows::One(|s| {
        whole(s.node.published.registry.manager().dirs().iter().filter(|dir| dir.offline_reason().is_some()).count())
    })),
    gauge("kafka_log_logmanager_logdirectoryoffline", "1 for a log directory that cannot be used.", Rows::Few(&["logDirectory"], |s, samples| {
        for dir in s.node.published.registry.manager().dirs() {
            samples.sample().label("logDirectory", &dir.path().to_string_lossy()).value(dir.offline_reason().is_some());
        }
    })),

    gauge("kafka_cluster_partition_replicascount", "Replicas.", Rows::Summed(|p| p.led().map(|_| signed(p.registration.replicas.len())))),
    gauge("kafka_cluster_partition_insyncreplicascount", "Replicas in sync.", Rows::Summed(|p| p.led().map(|_| signed(p.registration.isr.len())))),
    gauge("kafka_cluster_partition_underreplicated", "1 when a replica is not in sync.", Rows::Summed(|p| p.led().map(|_| p.is_under_replicated().into()))),
    gauge("kafka_cluster_partition_underminisr", "1 with fewer replicas in sync than min.insync.replicas.", Rows::Summed(|p| p.led().map(|f| (p.registration.isr.len() < p.min_insync_replicas(f)).into()))),
    gauge("kafka_cluster_partition_atminisr", "1 with just as many replicas in sync as min.insync.replicas.", Rows::Summed(|p| p.led().map(|f| (p.registration.isr.len() == p.min_insync_replicas(f)).into()))),
    gauge("kafka_cluster_partition_laststableoffsetlag", "Records behind the last stable offset.", Rows::Summed(|p| p.led().map(|f| f.offsets.high_watermark.0 - f.offsets.last_stable_offset.0))),
    gauge("kafka_log_log_size", "Bytes of the log.", Rows::Summed(|p| p.here.as_ref().and_then(|f| f.usable().then(|| i64::try_from(f.size_bytes).unwrap_or(i64::MAX))))),
    gauge("kafka_log_log_numlogsegments", "Segments of the log.", Rows::Summed(|p| p.here.as_ref().and_then(|f| f.usable().then(|| signed(f.segments))))),
    gauge("kafka_log_log_logstartoffset", "First offset of the log.", Rows::Summed(|p| p.here.as_ref().and_then(|f| f.usable().then_some(f.offsets.log_start_offset.0)))),
    gauge("kafka_log_log_logendoffset", "The offset after the last of the log.", Rows::Summed(|p| p.here.as_ref().and_then(|f| f.usable().then_some(f.offsets.log_end_offset.0)))),

    gauge("kafka_brokers", "Brokers of the cluster.", Rows::One(|s| whole(s.image.cluster().brokers().count()))),
    gauge("kafka_broker_info", "Always 1; a broker and the address it tells clients on its first listener.", Rows::Few(&["id", "address"], |s, samples| {
        for broker in s.image.cluster().brokers() {
            let Some(endpoint) = broker.endpoints.first() else { continue };
            samples.sample().plain("id", broker.id.0).label("address", &format!("{}:{}", endpoint.host, endpoint.port)).value(1);
        }
    })),
    gauge("kafka_topic_partitions", "Partitions of the topic.", Rows::Topics(|_, topic| whole(topic.count))),
    gauge("kafka_topic_partition_current_offset", "High watermark: the offset after the last that consumers see.", Rows::Summed(|p| p.led().map(|f| f.offsets.high_watermark.0))),
    gauge("kafka_topic_partition_oldest_offset", "First offset of the partition.", Rows::Summed(|p| p.led().map(|f| f.offsets.log_start_offset.0))),
    gauge("kafka_topic_partition_leader", "Id of the leading broker, -1 without one.", Rows::Alone(|p| Some(p.registration.leader.unwrap_or(BrokerId::NONE).0.into()))),
    gauge("kafka_topic_partition_leader_is_preferred", "1 when the first replica leads.", Rows::Alone(|p| Some(p.leader_is_preferred().into()))),
    gauge("kafka_topic_partition_replicas", "Replicas of the partition.", Rows::Summed(|p| Some(signed(p.registration.replicas.len())))),
    gauge("kafka_topic_partition_in_sync_replica", "Replicas of the partition in sync.", Rows::Summed(|p| Some(signed(p.registration.isr.len())))),
    gauge("kafka_topic_partition_under_replicated_partition", "1 when a replica of the partition is not in sync.", Rows::Summed(|p| Some(p.is_under_replicated().into()))),
];

/// Every metric as a Markdown table.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for family in FAMILIES {
        let _ = writeln!(out, "| `{}` | {} | {} | {} |", family.name, family.kind.word(), family.rows.labels(), family.help);
    }
    out
}
