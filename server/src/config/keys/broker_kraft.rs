//! Broker keys of the controller quorum and the metadata log. Ottla is its own single-voter controller.

use super::super::key::{
    Importance::{High, Low, Medium},
    KeyDef,
    Kind::{Bool, Int, List, Long, Text},
    key, unset,
};

#[rustfmt::skip]
pub(super) const KEYS: &[KeyDef] = &[
    unset("controller.listener.names", List, High).not_empty()
        .doc("Listener names of the controller; accepted so that a combined-mode file works, not opened for clients."),
    key("controller.performance.always.log.threshold.ms", Long, "2000", Medium).at_least(0).internal()
        .no_effect("milliseconds above which a controller event is always logged"),
    key("controller.performance.sample.period.ms", Long, "60000", Medium).at_least(100).internal()
        .no_effect("milliseconds between samples of controller performance"),
    key("controller.quorum.append.linger.ms", Int, "25", Medium).at_least(0)
        .no_effect("milliseconds the quorum leader gathers records before it writes them"),
    key("controller.quorum.auto.join.enable", Bool, "false", Low)
        .no_effect("whether a new controller joins the voters by itself"),
    key("controller.quorum.bootstrap.servers", List, "", High)
        .doc("`host:port,...` where to find the controller quorum; only this node itself is supported yet."),
    key("controller.quorum.election.backoff.max.ms", Int, "1000", High).at_least(0)
        .no_effect("milliseconds at most between two elections"),
    key("controller.quorum.election.timeout.ms", Int, "1000", High).at_least(0)
        .no_effect("milliseconds without votes before a new election"),
    key("controller.quorum.fetch.max.bytes", Int, "1048576", Low).at_least(1)
        .no_effect("bytes of metadata records one quorum fetch returns"),
    key("controller.quorum.fetch.snapshot.max.bytes", Int, "1048576", Low).at_least(1)
        .no_effect("bytes of a snapshot one quorum fetch returns"),
    key("controller.quorum.fetch.timeout.ms", Int, "2000", High).at_least(0)
        .no_effect("milliseconds without a successful fetch before a voter becomes a candidate"),
    key("controller.quorum.request.timeout.ms", Int, "2000", Medium).at_least(0)
        .no_effect("milliseconds to wait for an answer of another voter"),
    key("controller.quorum.retry.backoff.ms", Int, "20", Low).at_least(0)
        .no_effect("milliseconds before a failed quorum request is repeated"),
    key("controller.quorum.voters", List, "", High)
        .doc("`id@host:port,...` of a static controller quorum; only this node itself is supported yet."),
    key("initial.broker.registration.timeout.ms", Int, "60000", Medium)
        .no_effect("milliseconds to register with a remote controller at start"),
    key("internal.metadata.delete.delay.millis", Long, "60000", Low).internal()
        .no_effect("milliseconds an old metadata file stays on disk"),
    unset("internal.metadata.log.segment.bytes", Int, Low).internal()
        .no_effect("bytes of a metadata log segment, without the lower bound of the public key"),
    key("internal.metadata.max.batch.size.in.bytes", Int, "8388608", Low).internal()
        .no_effect("bytes of one batch in the metadata log"),
    unset("metadata.log.dir", Text, High)
        .doc("Directory of the metadata log; unset is the first of `log.dirs`."),
    key("metadata.log.max.record.bytes.between.snapshots", Long, "20971520", High).at_least(1)
        .doc("Bytes of metadata records after which a new snapshot is written."),
    key("metadata.log.max.snapshot.interval.ms", Long, "3600000", High).at_least(0)
        .later("Milliseconds after which a new snapshot is written if anything changed; 0 never by time."),
    key("metadata.log.segment.bytes", Int, "1073741824", High).at_least(8_388_608)
        .later("Bytes of one metadata log segment at most."),
    key("metadata.log.segment.ms", Long, "604800000", High)
        .later("Milliseconds after which a metadata log segment is closed."),
    key("metadata.max.idle.interval.ms", Int, "500", Low).at_least(0)
        .no_effect("milliseconds between no-op records that show a quorum leader is alive"),
    key("metadata.max.retention.bytes", Long, "104857600", High)
        .later("Bytes of metadata log and snapshots kept; older ones covered by a snapshot go."),
    key("metadata.max.retention.ms", Long, "604800000", High)
        .later("Milliseconds metadata segments and snapshots are kept once a newer snapshot covers them."),
    unset("process.roles", List, High).items_of(&["broker", "controller"]).not_empty()
        .doc("Roles of this process: `broker,controller` (or unset). Separate roles are not supported yet."),
    key("unclean.leader.election.interval.ms", Long, "300000", Medium).at_least(1).internal()
        .no_effect("milliseconds between looks for partitions in need of an unclean election"),
    key("unstable.feature.versions.enable", Bool, "false", High).internal()
        .no_effect("whether feature levels under development may be set"),
];
