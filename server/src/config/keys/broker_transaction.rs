//! Broker keys of the transaction coordinator and of the share coordinator, both shards over an internal topic.

use super::super::key::{
    Importance::{High, Low, Medium},
    KeyDef,
    Kind::{Bool, Int, Short},
    key,
};

#[rustfmt::skip]
pub(super) const KEYS: &[KeyDef] = &[
    key("add.partitions.to.txn.retry.backoff.max.ms", Int, "100", High).at_least(0)
        .no_effect("milliseconds at most between tries to add a partition to a transaction from the data path"),
    key("add.partitions.to.txn.retry.backoff.ms", Int, "20", High).at_least(1)
        .no_effect("milliseconds between tries to add a partition to a transaction from the data path"),
    key("share.coordinator.append.linger.ms", Int, "-1", Medium).at_least(-1)
        .no_effect("milliseconds the share coordinator gathers records before it writes them; -1 adapts to the load"),
    key("share.coordinator.cached.buffer.max.bytes", Int, "1048588", Medium).at_least(524_288).cluster_wide()
        .no_effect("bytes of write buffer the share coordinator keeps"),
    key("share.coordinator.cold.partition.snapshot.interval.ms", Int, "300000", Low).at_least(1).internal()
        .later("Milliseconds between snapshots of share partitions that nobody changes."),
    key("share.coordinator.load.buffer.size", Int, "5242880", High).at_least(1)
        .later("Bytes read at a time while a coordinator loads `__share_group_state`."),
    key("share.coordinator.snapshot.update.records.per.snapshot", Int, "500", Medium).between(0, 500)
        .later("Update records of a share partition between two snapshots."),
    key("share.coordinator.state.topic.compression.codec", Int, "0", High)
        .later("Codec (0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd) of batches in `__share_group_state`."),
    key("share.coordinator.state.topic.min.isr", Short, "2", High).at_least(1)
        .later("In-sync replicas that `__share_group_state` needs to be written."),
    key("share.coordinator.state.topic.num.partitions", Int, "50", High).at_least(1)
        .later("Partitions of `__share_group_state` when it is created; changing it later has no effect."),
    key("share.coordinator.state.topic.prune.interval.ms", Int, "300000", Low).at_least(1).internal()
        .later("Milliseconds between deletions of records in `__share_group_state` that newer ones replace."),
    key("share.coordinator.state.topic.replication.factor", Short, "3", High).at_least(1)
        .later("Replicas of `__share_group_state` when it is created."),
    key("share.coordinator.state.topic.segment.bytes", Int, "104857600", High).at_least(1)
        .later("Bytes of one segment of `__share_group_state`."),
    key("share.coordinator.threads", Int, "1", Medium).at_least(1)
        .no_effect("share coordinator threads; shards run on the reactors here"),
    key("share.coordinator.write.timeout.ms", Int, "5000", High).at_least(1)
        .later("Milliseconds a write to `__share_group_state` may take."),
    key("transaction.abort.timed.out.transaction.cleanup.interval.ms", Int, "10000", Low).at_least(1)
        .no_effect("milliseconds between looks for transactions past their timeout; each has a timer of its own here"),
    key("transaction.max.timeout.ms", Int, "900000", High).at_least(1)
        .doc("Milliseconds a producer may ask for as `transaction.timeout.ms` at most."),
    key("transaction.partition.verification.enable", Bool, "true", Low).cluster_wide()
        .doc("Whether a produce into a transaction first checks that the coordinator knows the transaction (KIP-890)."),
    key("transaction.remove.expired.transaction.cleanup.interval.ms", Int, "3600000", Low).at_least(1)
        .doc("Milliseconds between looks for transactional ids to forget."),
    key("transaction.state.log.load.buffer.size", Int, "5242880", High).at_least(1)
        .doc("Bytes read at a time while a coordinator loads `__transaction_state`."),
    key("transaction.state.log.min.isr", Int, "2", High).at_least(1)
        .doc("In-sync replicas that `__transaction_state` needs to be written."),
    key("transaction.state.log.num.partitions", Int, "50", High).at_least(1)
        .doc("Partitions of `__transaction_state` when it is created; changing it later has no effect."),
    key("transaction.state.log.replication.factor", Short, "3", High).at_least(1)
        .doc("Replicas of `__transaction_state` when it is created."),
    key("transaction.state.log.segment.bytes", Int, "104857600", High).at_least(1)
        .doc("Bytes of one segment of `__transaction_state`."),
    key("transaction.two.phase.commit.enable", Bool, "false", Low)
        .later("Whether producers may leave a transaction prepared without a time limit (KIP-939)."),
    key("transactional.id.expiration.ms", Int, "604800000", High).at_least(1)
        .doc("Milliseconds an unused transactional id is remembered."),
];
