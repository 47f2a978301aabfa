//! Consumer groups and transactions.

use super::super::family::{Family, Rows, gauge};
use super::super::text::Number;
use super::whole;

const STATES_OF_CONSUMER_GROUPS: [&str; 5] = ["Empty", "Assigning", "Reconciling", "Stable", "Dead"];

fn seconds(ms: i64) -> Number {
    Number::Real(ms as f64 / 1000.0)
}

#[rustfmt::skip]
pub(super) static FAMILIES: &[Family] = &[
    gauge("kafka_coordinator_group_groupmetadatamanager_numgroups", "Groups with the classic protocol.", Rows::One(|s| s.groups.count("classic", None).into())),
    gauge("kafka_coordinator_group_groupmetadatamanager_numgroupsempty", "The empty ones of them.", Rows::One(|s| s.groups.count("classic", Some("Empty")).into())),
    gauge("kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance", "Those of them that wait for members to join.", Rows::One(|s| s.groups.count("classic", Some("PreparingRebalance")).into())),
    gauge("kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance", "Those of them that wait for their leader's assignment.", Rows::One(|s| s.groups.count("classic", Some("CompletingRebalance")).into())),
    gauge("kafka_coordinator_group_groupmetadatamanager_numgroupsstable", "Those of them that have an assignment.", Rows::One(|s| s.groups.count("classic", Some("Stable")).into())),
    gauge("kafka_coordinator_group_groupmetadatamanager_numgroupsdead", "Those of them that are about to go.", Rows::One(|s| s.groups.count("classic", Some("Dead")).into())),
    gauge("kafka_coordinator_group_groupmetadatamanager_numoffsets", "Committed offsets.", Rows::Maybe(|s| s.tells_topics().then(|| whole(s.groups.offsets.len())))),
    gauge("kafka_server_group_coordinator_metrics_group_count", "Groups by protocol.", Rows::Few(&["protocol"], |s, samples| {
        for protocol in ["classic", "consumer"] {
            samples.sample().plain("protocol", protocol).value(s.groups.count(protocol, None));
        }
    })),
    gauge("kafka_server_group_coordinator_metrics_consumer_group_count", "Groups with the consumer protocol by state.", Rows::Few(&["state"], |s, samples| {
        for state in STATES_OF_CONSUMER_GROUPS {
            samples.sample().plain("state", state).value(s.groups.count("consumer", Some(state)));
        }
    })),
    gauge("ottla_transactions", "Transactional ids by the state of their last transaction.", Rows::Few(&["state"], |s, samples| {
        s.groups.transactions.iter().for_each(|(state, count)| samples.sample().plain("state", state).value(*count));
    })),

    gauge("kafka_consumergroup_members", "Members of the group.", Rows::Groups(|g| Some(whole(g.members)))),
    gauge("kafka_consumergroup_current_offset", "Committed offset of the group.", Rows::Offsets(|o| o.committed_offset, |t| t.offset_sum)),
    gauge("kafka_consumergroup_lag", "Records the group is behind the high watermark.", Rows::Offsets(|o| o.lag_records, |t| t.lag_sum)),
    gauge("kafka_consumergroup_current_offset_sum", "Committed offsets of the group on the topic, added up.", Rows::GroupTopics(|t| t.offset_sum)),
    gauge("kafka_consumergroup_lag_sum", "Records the group is behind on the topic.", Rows::GroupTopics(|t| t.lag_sum)),

    gauge("kafka_consumergroup_group_offset", "Committed offset of the group, as kafka-lag-exporter names it.", Rows::NamedOffsets(|o| Some(o.committed_offset.into()))),
    gauge("kafka_consumergroup_group_lag", "Records the group is behind, as kafka-lag-exporter names it.", Rows::NamedOffsets(|o| Some(o.lag_records.into()))),
    gauge("kafka_consumergroup_group_lag_seconds", "Age of the first record the group has not committed, 0 when there is none.", Rows::NamedOffsets(|o| o.lag_ms.map(seconds))),
    gauge("kafka_consumergroup_group_max_lag", "Records the group is behind on the partition where that is most.", Rows::NamedGroups(|g| g.lag.map(|lag| lag.max.into()))),
    gauge("kafka_consumergroup_group_max_lag_seconds", "Age of the oldest record that the group has not committed.", Rows::NamedGroups(|g| g.lag?.max_ms.map(seconds))),
    gauge("kafka_consumergroup_group_sum_lag", "Records the group is behind in all.", Rows::NamedGroups(|g| g.lag.map(|lag| lag.sum.into()))),
    gauge("kafka_consumergroup_group_topic_sum_lag", "Records the group is behind on the topic, as kafka-lag-exporter names it.", Rows::NamedGroupTopics(|t| t.lag_sum)),
    gauge("ottla_metrics_offsets_left_out", "1 when there were more committed offsets than one scrape tells.", Rows::One(|s| s.groups.cut.into())),
];
