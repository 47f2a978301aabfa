//! Typed access to what the broker needs. Each getter is named after its key; names and types are checked by the compiler.

use super::key::Kind::{self, Bool, Class, Double, Int, List, Long, Short, Text};
use super::keys::index_of;
use super::{Config, Value};
use crate::limits::Limits;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

const NUMBER: &[Kind] = &[Int, Long, Short];
const WORD: &[Kind] = &[Text, Class];

/// A getter per line: name, type, key, doc. The macro only saves repeating the same three lines eighty times.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $key:literal;)*) => {
        impl Config {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> $type {
                    let number = self.number(const { index_of($key, NUMBER) }).unwrap_or_default();
                    // Only a number that means "no bound" (-1) can be outside.
                    <$type>::try_from(number).unwrap_or(<$type>::MAX)
                }
            )*
        }
    };
}

numbers! {
    /// `node.id`
    node_id: i32 = "node.id";

    /// `num.partitions`
    num_partitions: i32 = "num.partitions";
    /// `default.replication.factor`
    default_replication_factor: i16 = "default.replication.factor";
    /// `min.insync.replicas`
    min_insync_replicas: i32 = "min.insync.replicas";
    /// `message.max.bytes`
    message_max_bytes: u32 = "message.max.bytes";
    /// `fetch.max.bytes`
    fetch_max_bytes: u64 = "fetch.max.bytes";
    /// `max.incremental.fetch.session.cache.slots`
    fetch_session_cache_slots: usize = "max.incremental.fetch.session.cache.slots";
    /// `max.request.partition.size.limit`
    max_request_partition_size_limit: i32 = "max.request.partition.size.limit";

    /// `quota.window.num`
    quota_window_num: usize = "quota.window.num";
    /// `quota.window.size.seconds`
    quota_window_size_seconds: i64 = "quota.window.size.seconds";
    /// `controller.quota.window.num`
    controller_quota_window_num: usize = "controller.quota.window.num";
    /// `controller.quota.window.size.seconds`
    controller_quota_window_size_seconds: i64 = "controller.quota.window.size.seconds";
    /// `max.connection.creation.rate`
    max_connection_creation_rate: i64 = "max.connection.creation.rate";

    /// `log.initial.task.delay.ms`
    log_initial_task_delay_ms: i64 = "log.initial.task.delay.ms";
    /// `log.retention.check.interval.ms`
    log_retention_check_interval_ms: i64 = "log.retention.check.interval.ms";
    /// `log.flush.scheduler.interval.ms`
    log_flush_scheduler_interval_ms: i64 = "log.flush.scheduler.interval.ms";
    /// `log.flush.offset.checkpoint.interval.ms`
    flush_offset_checkpoint_interval_ms: i64 = "log.flush.offset.checkpoint.interval.ms";
    /// `log.flush.start.offset.checkpoint.interval.ms`
    flush_start_offset_checkpoint_interval_ms: i64 = "log.flush.start.offset.checkpoint.interval.ms";
    /// `replica.high.watermark.checkpoint.interval.ms`
    high_watermark_checkpoint_interval_ms: i64 = "replica.high.watermark.checkpoint.interval.ms";
    /// `num.recovery.threads.per.data.dir`
    num_recovery_threads_per_data_dir: usize = "num.recovery.threads.per.data.dir";
    /// `producer.id.expiration.ms`
    producer_id_expiration_ms: i64 = "producer.id.expiration.ms";
    /// `producer.id.expiration.check.interval.ms`
    producer_id_expiration_check_interval_ms: i64 = "producer.id.expiration.check.interval.ms";
    /// `log.cleaner.threads`
    log_cleaner_threads: usize = "log.cleaner.threads";
    /// `log.cleaner.backoff.ms`
    log_cleaner_backoff_ms: i64 = "log.cleaner.backoff.ms";
    /// `log.cleaner.dedupe.buffer.size`
    log_cleaner_dedupe_buffer_bytes: u64 = "log.cleaner.dedupe.buffer.size";
    /// `log.cleaner.io.buffer.size`
    log_cleaner_io_buffer_bytes: u64 = "log.cleaner.io.buffer.size";

    /// `metadata.log.segment.bytes`
    metadata_log_segment_bytes: u32 = "metadata.log.segment.bytes";
    /// `metadata.log.segment.ms`
    metadata_log_segment_ms: i64 = "metadata.log.segment.ms";
    /// `metadata.max.retention.bytes`
    metadata_max_retention_bytes: i64 = "metadata.max.retention.bytes";
    /// `metadata.max.retention.ms`
    metadata_max_retention_ms: i64 = "metadata.max.retention.ms";
    /// `metadata.log.max.record.bytes.between.snapshots`
    metadata_log_max_record_bytes_between_snapshots: u64 = "metadata.log.max.record.bytes.between.snapshots";
    /// `metadata.log.max.snapshot.interval.ms`
    metadata_log_max_snapshot_interval_ms: i64 = "metadata.log.max.snapshot.interval.ms";

    /// `offsets.topic.num.partitions`
    offsets_topic_num_partitions: i32 = "offsets.topic.num.partitions";
    /// `offsets.topic.replication.factor`
    offsets_topic_replication_factor: i16 = "offsets.topic.replication.factor";
    /// `offsets.topic.segment.bytes`
    offsets_topic_segment_bytes: u32 = "offsets.topic.segment.bytes";
    /// `offsets.topic.compression.codec`: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    offsets_topic_compression_codec: u8 = "offsets.topic.compression.codec";
    /// `offsets.retention.minutes`
    offsets_retention_minutes: i64 = "offsets.retention.minutes";
    /// `offsets.retention.check.interval.ms`
    offsets_retention_check_interval_ms: i64 = "offsets.retention.check.interval.ms";
    /// `offsets.commit.timeout.ms`
    offsets_commit_timeout_ms: i64 = "offsets.commit.timeout.ms";
    /// `offsets.load.buffer.size`
    offsets_load_buffer_bytes: u64 = "offsets.load.buffer.size";
    /// `offset.metadata.max.bytes`
    offset_metadata_max_bytes: usize = "offset.metadata.max.bytes";
    /// `group.initial.rebalance.delay.ms`
    group_initial_rebalance_delay_ms: i64 = "group.initial.rebalance.delay.ms";
    /// `group.min.session.timeout.ms`
    group_min_session_timeout_ms: i32 = "group.min.session.timeout.ms";
    /// `group.max.session.timeout.ms`
    group_max_session_timeout_ms: i32 = "group.max.session.timeout.ms";
    /// `group.max.size`
    group_max_size: usize = "group.max.size";
    /// `group.consumer.min.session.timeout.ms`
    group_consumer_min_session_timeout_ms: i32 = "group.consumer.min.session.timeout.ms";
    /// `group.consumer.max.session.timeout.ms`
    group_consumer_max_session_timeout_ms: i32 = "group.consumer.max.session.timeout.ms";
    /// `group.consumer.min.heartbeat.interval.ms`
    group_consumer_min_heartbeat_interval_ms: i32 = "group.consumer.min.heartbeat.interval.ms";
    /// `group.consumer.max.heartbeat.interval.ms`
    group_consumer_max_heartbeat_interval_ms: i32 = "group.consumer.max.heartbeat.interval.ms";
    /// `group.consumer.min.assignment.interval.ms`
    group_consumer_min_assignment_interval_ms: i32 = "group.consumer.min.assignment.interval.ms";
    /// `group.consumer.max.assignment.interval.ms`
    group_consumer_max_assignment_interval_ms: i32 = "group.consumer.max.assignment.interval.ms";
    /// `group.consumer.assignment.interval.ms`
    group_consumer_assignment_interval_ms: i32 = "group.consumer.assignment.interval.ms";
    /// `group.consumer.regex.refresh.interval.ms`
    group_consumer_regex_refresh_interval_ms: i64 = "group.consumer.regex.refresh.interval.ms";
    /// `group.consumer.session.timeout.ms`
    group_consumer_session_timeout_ms: i32 = "group.consumer.session.timeout.ms";
    /// `group.consumer.heartbeat.interval.ms`
    group_consumer_heartbeat_interval_ms: i32 = "group.consumer.heartbeat.interval.ms";
    /// `group.consumer.max.size`
    group_consumer_max_size: usize = "group.consumer.max.size";

    /// `transaction.state.log.num.partitions`
    transaction_state_log_num_partitions: i32 = "transaction.state.log.num.partitions";
    /// `transaction.state.log.replication.factor`
    transaction_state_log_replication_factor: i16 = "transaction.state.log.replication.factor";
    /// `transaction.state.log.min.isr`
    transaction_state_log_min_isr: i32 = "transaction.state.log.min.isr";
    /// `transaction.state.log.segment.bytes`
    transaction_state_log_segment_bytes: u32 = "transaction.state.log.segment.bytes";
    /// `transaction.state.log.load.buffer.size`
    transaction_state_log_load_buffer_bytes: u64 = "transaction.state.log.load.buffer.size";
    /// `transaction.max.timeout.ms`
    transaction_max_timeout_ms: i32 = "transaction.max.timeout.ms";
    /// `transactional.id.expiration.ms`
    transactional_id_expiration_ms: i64 = "transactional.id.expiration.ms";
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`
    transaction_remove_expired_interval_ms: i64 = "transaction.remove.expired.transaction.cleanup.interval.ms";

    /// `socket.send.buffer.bytes`; -1 leaves it to the kernel.
    socket_send_buffer_bytes: i32 = "socket.send.buffer.bytes";
    /// `socket.receive.buffer.bytes`; -1 leaves it to the kernel.
    socket_receive_buffer_bytes: i32 = "socket.receive.buffer.bytes";
    /// `telemetry.max.bytes`
    telemetry_max_bytes: i32 = "telemetry.max.bytes";
    /// `socket.request.max.bytes`
    socket_request_max_bytes: usize = "socket.request.max.bytes";
    /// `connections.max.idle.ms`
    connections_max_idle_ms: i64 = "connections.max.idle.ms";
}

impl Config {
    /// `broker.rack`
    #[must_use]
    pub fn broker_rack(&self) -> Option<&str> {
        self.word(const { index_of("broker.rack", WORD) })
    }

    /// `auto.create.topics.enable`
    #[must_use]
    pub fn auto_create_topics_enable(&self) -> bool {
        self.flag(const { index_of("auto.create.topics.enable", &[Bool]) })
    }

    /// `unclean.leader.election.enable`
    #[must_use]
    pub fn unclean_leader_election_enable(&self) -> bool {
        self.flag(const { index_of("unclean.leader.election.enable", &[Bool]) })
    }

    /// `delete.topic.enable`
    #[must_use]
    pub fn delete_topic_enable(&self) -> bool {
        self.flag(const { index_of("delete.topic.enable", &[Bool]) })
    }

    /// `log.cleaner.enable`
    #[must_use]
    pub fn log_cleaner_enable(&self) -> bool {
        self.flag(const { index_of("log.cleaner.enable", &[Bool]) })
    }

    /// `log.cleaner.io.buffer.load.factor`
    #[must_use]
    pub fn log_cleaner_io_buffer_load_factor(&self) -> f64 {
        self.real(const { index_of("log.cleaner.io.buffer.load.factor", &[Double]) })
    }

    /// `log.cleaner.io.max.bytes.per.second`
    #[must_use]
    pub fn log_cleaner_io_max_bytes_per_second(&self) -> f64 {
        self.real(const { index_of("log.cleaner.io.max.bytes.per.second", &[Double]) })
    }

    /// `transaction.partition.verification.enable`
    #[must_use]
    pub fn transaction_partition_verification_enable(&self) -> bool {
        self.flag(const { index_of("transaction.partition.verification.enable", &[Bool]) })
    }

    /// `transaction.two.phase.commit.enable`
    #[must_use]
    pub fn transaction_two_phase_commit_enable(&self) -> bool {
        self.flag(const { index_of("transaction.two.phase.commit.enable", &[Bool]) })
    }

    /// `group.coordinator.rebalance.protocols` has `consumer`.
    #[must_use]
    pub fn group_consumer_protocol_enabled(&self) -> bool {
        self.values[const { index_of("group.coordinator.rebalance.protocols", &[List]) }].items().any(|protocol| protocol == "consumer")
    }

    /// `group.consumer.assignors`, as names; Kafka's class names for them are understood too.
    #[must_use]
    pub fn group_consumer_assignors(&self) -> Vec<String> {
        let name = |item: &str| match item {
            "org.apache.kafka.coordinator.group.assignor.UniformAssignor" => "uniform".to_owned(),
            "org.apache.kafka.coordinator.group.assignor.RangeAssignor" => "range".to_owned(),
            other => other.to_owned(),
        };
        self.values[const { index_of("group.consumer.assignors", &[List]) }].items().map(name).collect()
    }

    /// `group.consumer.migration.policy`
    #[must_use]
    pub fn group_consumer_migration_policy(&self) -> &str {
        self.word(const { index_of("group.consumer.migration.policy", WORD) }).unwrap_or_default()
    }

    /// `ottla.batch.strict`: Produce decompresses and walks every batch.
    #[must_use]
    pub fn batch_strict(&self) -> bool {
        self.flag(const { index_of("ottla.batch.strict", &[Bool]) })
    }

    /// `ottla.cluster.id`: the id for data directories that have none yet.
    #[must_use]
    pub fn cluster_id(&self) -> Option<&str> {
        self.word(const { index_of("ottla.cluster.id", WORD) })
    }

    /// `ottla.metrics.detail`
    #[must_use]
    pub fn metrics_detail(&self) -> &str {
        self.word(const { index_of("ottla.metrics.detail", WORD) }).unwrap_or_default()
    }

    /// `ottla.disk.reserve.bytes`.
    #[must_use]
    pub fn disk_reserve_bytes(&self) -> u64 {
        let bytes = self.number(const { index_of("ottla.disk.reserve.bytes", NUMBER) });
        bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default()
    }

    /// `log.dirs`, else `log.dir`; never empty.
    #[must_use]
    pub fn log_dirs(&self) -> Vec<PathBuf> {
        let dirs = &self.values[const { index_of("log.dirs", &[List]) }];
        let dirs = if *dirs == Value::Null { &self.values[const { index_of("log.dir", &[List]) }] } else { dirs };
        dirs.items().map(PathBuf::from).collect()
    }

    /// `metadata.log.dir`, else the first of [`Self::log_dirs`].
    #[must_use]
    pub fn metadata_log_dir(&self) -> PathBuf {
        match self.word(const { index_of("metadata.log.dir", WORD) }) {
            Some(dir) => PathBuf::from(dir),
            None => self.log_dirs().into_iter().next().unwrap_or_default(),
        }
    }

    /// How many reactors to run: `ottla.reactors`, else `num.network.threads` if somebody set it; none means one per core.
    #[must_use]
    pub fn reactors(&self) -> Option<usize> {
        let own = self.number(const { index_of("ottla.reactors", NUMBER) }).filter(|count| *count > 0);
        let kafka = || self.number(const { index_of("num.network.threads", NUMBER) }).filter(|_| self.is_set("num.network.threads"));
        own.or_else(kafka).and_then(|count| usize::try_from(count).ok())
    }

    /// The bounds of network and requests: of a Kafka key and an `ottla.limit.*` key for the same thing, the tighter one.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let size = |index: usize| self.number(index).and_then(|number| usize::try_from(number).ok());
        let of = |index: usize| size(index).unwrap_or(usize::MAX);
        // A year stands for "never": the sum of it and any instant still exists.
        let span = |index: usize| Duration::from_millis(of(index) as u64).min(Duration::from_secs(365 * 24 * 3600));
        let base = Limits::default();
        let produce_frame_bytes_max = self.socket_request_max_bytes();
        let memory = of(const { index_of("ottla.limit.request.memory.bytes", NUMBER) });
        Limits {
            produce_frame_bytes_max,
            other_frame_bytes_max: of(const { index_of("ottla.limit.other.frame.bytes", NUMBER) }).min(produce_frame_bytes_max),
            unauthenticated_frame_bytes_max: of(const { index_of("sasl.server.max.receive.size", NUMBER) }),
            // -1 is no size, so an unset Kafka key leaves ours alone. One request of the largest size must always fit.
            request_memory_bytes_max: size(const { index_of("queued.max.request.bytes", NUMBER) })
                .map_or(memory, |bytes| bytes.min(memory))
                .max(produce_frame_bytes_max),
            connections_max: of(const { index_of("max.connections", NUMBER) })
                .min(of(const { index_of("ottla.limit.connections", NUMBER) })),
            connections_per_ip_max: of(const { index_of("max.connections.per.ip", NUMBER) })
                .min(of(const { index_of("ottla.limit.connections.per.ip", NUMBER) })),
            connections_per_ip_overrides: self.connections_per_ip_overrides(),
            connection_rate_per_ip_max: u32::try_from(of(const { index_of("ottla.limit.connection.rate.per.ip", NUMBER) }))
                .unwrap_or(u32::MAX),
            half_open_connections_max: of(const { index_of("ottla.limit.half.open.connections", NUMBER) }),
            listen_backlog: if self.is_set("socket.listen.backlog.size") {
                i32::try_from(of(const { index_of("socket.listen.backlog.size", NUMBER) })).unwrap_or(i32::MAX)
            } else {
                base.listen_backlog
            },
            first_request_within: span(const { index_of("ottla.limit.first.request.ms", NUMBER) }),
            whole_frame_within: span(const { index_of("ottla.limit.whole.frame.ms", NUMBER) }),
            idle_max: span(const { index_of("connections.max.idle.ms", NUMBER) }),
            stalled_reader_max: span(const { index_of("ottla.limit.stalled.reader.ms", NUMBER) }),
            in_flight_requests_max: of(const { index_of("ottla.limit.in.flight.requests", NUMBER) }),
            queued_response_bytes_max: of(const { index_of("ottla.limit.queued.response.bytes", NUMBER) }) as u64,
            request_topics_max: of(const { index_of("ottla.limit.request.topics", NUMBER) }),
            request_partitions_max: of(const { index_of("ottla.limit.request.partitions", NUMBER) }),
            request_elements_max: of(const { index_of("ottla.limit.request.elements", NUMBER) }),
            ..base
        }
    }

    /// `max.connections.per.ip.overrides`, as far as it names addresses. Names of hosts are passed over: nothing here resolves names.
    fn connections_per_ip_overrides(&self) -> BTreeMap<IpAddr, usize> {
        let text = self.word(const { index_of("max.connections.per.ip.overrides", WORD) }).unwrap_or_default();
        let parse = |item: &str| {
            let (host, count) = item.trim().rsplit_once(':')?;
            let host = host.trim().trim_start_matches('[').trim_end_matches(']');
            Some((host.parse().ok()?, count.trim().parse().ok()?))
        };
        text.split(',').filter_map(parse).collect()
    }

    /// Whether anybody set the key, at start or since.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        [&self.dynamic, &self.dynamic_defaults, &self.fixed.settings].iter().any(|layer| layer.get(name).is_some())
    }

    fn number(&self, index: usize) -> Option<i64> {
        match self.values[index] {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    fn real(&self, index: usize) -> f64 {
        match self.values[index] {
            Value::Real(real) => real,
            _ => 0.0,
        }
    }

    fn flag(&self, index: usize) -> bool {
        self.values[index] == Value::Bool(true)
    }

    fn word(&self, index: usize) -> Option<&str> {
        match &self.values[index] {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}
