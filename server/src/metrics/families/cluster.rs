//! Replicas, the controller and its log, brokers, log directories.

use super::super::family::{Family, Rows, counter, gauge};
use super::super::text::Number;
use super::whole;

const ZERO: Rows = Rows::One(|_| Number::Count(0));

#[rustfmt::skip]
pub(super) static FAMILIES: &[Family] = &[
    gauge("kafka_server_replicamanager_leadercount", "Partitions this broker leads.", Rows::One(|s| whole(s.count(|p| p.led().is_some())))),
    gauge("kafka_server_replicamanager_partitioncount", "Partitions with a replica here.", Rows::One(|s| whole(s.count(|p| p.here.is_some())))),
    gauge("kafka_server_replicamanager_offlinereplicacount", "Replicas here that cannot be used.", Rows::One(|s| whole(s.count(|p| p.here.as_ref().is_some_and(|f| f.offline))))),
    gauge("kafka_server_replicamanager_underreplicatedpartitions", "Partitions led here with replicas that are not in sync.", Rows::One(|s| whole(s.count(|p| p.led().is_some() && p.is_under_replicated())))),
    gauge("kafka_server_replicamanager_underminisrpartitioncount", "Partitions led here with fewer replicas in sync than min.insync.replicas.", Rows::One(|s| whole(s.count(|p| p.led().is_some_and(|f| p.registration.isr.len() < p.min_insync_replicas(f)))))),
    gauge("kafka_server_replicamanager_atminisrpartitioncount", "Partitions led here with just as many replicas in sync as min.insync.replicas.", Rows::One(|s| whole(s.count(|p| p.led().is_some_and(|f| p.registration.isr.len() == p.min_insync_replicas(f)))))),
    gauge("kafka_server_replicamanager_reassigningpartitions", "Partitions led here that are being reassigned.", Rows::One(|s| whole(s.count(|p| p.led().is_some() && !(p.registration.adding_replicas.is_empty() && p.registration.removing_replicas.is_empty()))))),
    gauge("kafka_server_replicamanager_produceridcount", "Producers that logs here remember.", Rows::One(|s| whole(s.partitions.iter().filter_map(|p| p.here.as_ref()).map(|f| f.producers).sum()))),
    gauge("kafka_server_replicamanager_partitionswithlatetransactionscount", "Partitions led here that a transaction holds up for longer than any may last.",
        Rows::One(|s| whole(s.count(|p| p.led().is_some_and(|f| f.late_transaction))))),
    counter("kafka_server_replicamanager_isrexpands_total", "Replicas that came in sync.", ZERO),
    counter("kafka_server_replicamanager_isrshrinks_total", "Replicas that fell out of sync.", ZERO),
    counter("kafka_server_replicamanager_failedisrupdates_total", "Changes of the replicas in sync that were refused.", ZERO),

    gauge("kafka_controller_kafkacontroller_activecontrollercount", "1 where the active controller is.", Rows::One(|_| Number::Count(1))),
    gauge("kafka_controller_kafkacontroller_activebrokercount", "Registered brokers that are not fenced.", Rows::One(|s| whole(s.image.cluster().brokers().filter(|b| !b.fenced).count()))),
    gauge("kafka_controller_kafkacontroller_fencedbrokercount", "Registered brokers that are fenced.", Rows::One(|s| whole(s.image.cluster().brokers().filter(|b| b.fenced).count()))),
    gauge("kafka_controller_kafkacontroller_globaltopiccount", "Topics of the cluster.", Rows::One(|s| whole(s.topics.len()))),
    gauge("kafka_controller_kafkacontroller_globalpartitioncount", "Partitions of the cluster.", Rows::One(|s| whole(s.partitions.len()))),
    gauge("kafka_controller_kafkacontroller_offlinepartitionscount", "Partitions without a leader that can be used.", Rows::One(|s| whole(s.count(|p| p.registration.leader.is_none() || p.here.as_ref().is_some_and(|f| f.offline))))),
    gauge("kafka_controller_kafkacontroller_preferredreplicaimbalancecount", "Partitions that another than their first replica leads.", Rows::One(|s| whole(s.count(|p| !p.leader_is_preferred())))),
    gauge("kafka_controller_kafkacontroller_metadataerrorcount", "Records that could not be applied; the broker stops at the first.", ZERO),
    gauge("kafka_controller_kafkacontroller_lastappliedrecordoffset", "Offset of the newest metadata in effect.", Rows::One(|s| s.image.provenance().last_offset.into())),
    gauge("kafka_controller_kafkacontroller_lastcommittedrecordoffset", "Offset of the newest metadata committed.", Rows::One(|s| s.image.provenance().last_offset.into())),
    counter("kafka_controller_controllerstats_uncleanleaderelections_total", "Leaders elected that were not in sync.", ZERO),
    gauge("kafka_server_brokermetadatametrics_last_applied_record_offset", "Offset of the newest metadata in effect.", Rows::One(|s| s.image.provenance().last_offset.into())),
    gauge("kafka_server_brokermetadatametrics_metadata_load_error_count", "Metadata that could not be read; the broker does not start with any.", ZERO),
    gauge("kafka_server_brokermetadatametrics_metadata_apply_error_count", "Metadata that could not be applied.", ZERO),
    gauge("kafka_server_raftmetrics_current_state", "Always 1; the state is in the label.", Rows::Few(&["current_state"], |_, samples| {
        samples.sample().plain("current_state", "leader").value(1);
    })),
    gauge("kafka_server_raftmetrics_current_leader", "Id of the node that leads the metadata log.", Rows::One(|s| s.node.node_id.into())),
    gauge("kafka_server_raftmetrics_current_vote", "Id of the node that this one voted for.", Rows::One(|s| s.node.node_id.into())),
    gauge("kafka_server_raftmetrics_current_epoch", "Epoch of the metadata log.", Rows::One(|s| s.image.provenance().epoch.into())),
    gauge("kafka_server_raftmetrics_high_watermark", "The offset after the last committed one of the metadata log.", Rows::One(|s| (s.image.provenance().last_offset + 1).into())),
    gauge("kafka_server_raftmetrics_log_end_offset", "The same: the log of one voter is committed when it is written.", Rows::One(|s| (s.image.provenance().last_offset + 1).into())),

    gauge("kafka_brokers", "Brokers of the cluster.", Rows::One(|s| whole(s.image.cluster().brokers().count()))),
    gauge("kafka_broker_info", "Always 1; a broker and the address it tells clients on its first listener.", Rows::Few(&["id", "address"], |s, samples| {
        for broker in s.image.cluster().brokers() {
            let Some(endpoint) = broker.endpoints.first() else { continue };
            samples.sample().plain("id", broker.id.0).label("address", &format!("{}:{}", endpoint.host, endpoint.port)).value(1);
        }
    })),

    gauge("kafka_log_logmanager_offlinelogdirectorycount", "Log directories that cannot be used.", Rows::One(|s| {
        whole(s.node.published.registry.manager().dirs().iter().filter(|dir| dir.offline_reason().is_some()).count())
    })),
    gauge("kafka_log_logmanager_logdirectoryoffline", "1 for a log directory that cannot be used.", Rows::Few(&["logDirectory"], |s, samples| {
        for dir in s.node.published.registry.manager().dirs() {
            samples.sample().label("logDirectory", &dir.path().to_string_lossy()).value(dir.offline_reason().is_some());
        }
    })),
    gauge("ottla_log_directory_total_bytes", "Size of the disk under a log directory.", Rows::Few(&["logDirectory"], |s, samples| {
        s.dirs.iter().for_each(|dir| samples.sample().label("logDirectory", &dir.path).value(dir.space.total_bytes));
    })),
    gauge("ottla_log_directory_usable_bytes", "Free space of the disk under a log directory.", Rows::Few(&["logDirectory"], |s, samples| {
        s.dirs.iter().for_each(|dir| samples.sample().label("logDirectory", &dir.path).value(dir.space.usable_bytes));
    })),
];
