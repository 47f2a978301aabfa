//! Topics and their partitions.

use super::super::family::{Family, Rows, counter, gauge};
use super::{signed, whole};
use ottla_coordinator::metadata::BrokerId;

#[rustfmt::skip]
pub(super) static FAMILIES: &[Family] = &[
    counter("kafka_server_brokertopicmetrics_messagesin_total", "Records appended.", Rows::Traffic(|t| t.messages_in)),
    counter("kafka_server_brokertopicmetrics_bytesin_total", "Bytes appended.", Rows::Traffic(|t| t.bytes_in)),
    counter("kafka_server_brokertopicmetrics_bytesout_total", "Bytes fetched by consumers.", Rows::Traffic(|t| t.bytes_out)),
    counter("kafka_server_brokertopicmetrics_totalproducerequests_total", "Appends asked for, one for each partition of a request.", Rows::Traffic(|t| t.produce_requests)),
    counter("kafka_server_brokertopicmetrics_totalfetchrequests_total", "Reads asked for, one for each partition of a request.", Rows::Traffic(|t| t.fetch_requests)),
    counter("kafka_server_brokertopicmetrics_failedproducerequests_total", "Appends that were refused.", Rows::Traffic(|t| t.failed_produce_requests)),
    counter("kafka_server_brokertopicmetrics_failedfetchrequests_total", "Reads that were refused.", Rows::Traffic(|t| t.failed_fetch_requests)),

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

    gauge("kafka_topic_partitions", "Partitions of the topic.", Rows::Topics(|topic| whole(topic.count))),
    gauge("kafka_topic_partition_current_offset", "High watermark: the offset after the last that consumers see.", Rows::Summed(|p| p.led().map(|f| f.offsets.high_watermark.0))),
    gauge("kafka_topic_partition_oldest_offset", "First offset of the partition.", Rows::Summed(|p| p.led().map(|f| f.offsets.log_start_offset.0))),
    gauge("kafka_topic_partition_leader", "Id of the leading broker, -1 without one.", Rows::Alone(|p| Some(p.registration.leader.unwrap_or(BrokerId::NONE).0.into()))),
    gauge("kafka_topic_partition_leader_is_preferred", "1 when the first replica leads.", Rows::Alone(|p| Some(p.leader_is_preferred().into()))),
    gauge("kafka_topic_partition_replicas", "Replicas of the partition.", Rows::Summed(|p| Some(signed(p.registration.replicas.len())))),
    gauge("kafka_topic_partition_in_sync_replica", "Replicas of the partition in sync.", Rows::Summed(|p| Some(signed(p.registration.isr.len())))),
    gauge("kafka_topic_partition_under_replicated_partition", "1 when a replica of the partition is not in sync.", Rows::Summed(|p| Some(p.is_under_replicated().into()))),
    gauge("kafka_partition_latest_offset", "High watermark, as kafka-lag-exporter names it.", Rows::NamedPartitions(|p| p.led().map(|f| f.offsets.high_watermark.0))),
    gauge("kafka_partition_earliest_offset", "First offset, as kafka-lag-exporter names it.", Rows::NamedPartitions(|p| p.led().map(|f| f.offsets.log_start_offset.0))),
];
