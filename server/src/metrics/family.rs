//! What a metric is, and the shapes its samples come in. The metrics themselves are in `families/`.

use super::Detail;
use super::groups::{GroupRow, GroupTopicRow};
use super::histogram::Counts;
use super::requests::{ApiRow, ListenerRow, Times};
use super::snapshot::{PartitionRow, Snapshot, TopicRow};
use super::text::{Number, Samples};
use crate::lag::PartitionLag;
use crate::partition::Traffic;

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

pub(super) const fn gauge(name: &'static str, help: &'static str, rows: Rows) -> Family {
    Family { name, kind: Kind::Gauge, help, rows }
}

pub(super) const fn counter(name: &'static str, help: &'static str, rows: Rows) -> Family {
    Family { name, kind: Kind::Counter, help, rows }
}

pub(super) const fn summary(name: &'static str, help: &'static str, rows: Rows) -> Family {
    Family { name, kind: Kind::Summary, help, rows }
}

pub(super) const fn histogram(name: &'static str, help: &'static str, rows: Rows) -> Family {
    Family { name, kind: Kind::Histogram, help, rows }
}

/// Where the samples come from.
pub(super) enum Rows {
    /// A few samples with these labels, written at once; may be none.
    Few(&'static [&'static str], fn(&Snapshot, &mut Samples<'_>)),
    /// One sample of the broker without labels.
    One(fn(&Snapshot) -> Number),
    /// One sample, unless there is nothing to tell.
    Maybe(fn(&Snapshot) -> Option<Number>),
    /// Times of each API that was asked for.
    Times(fn(&Times) -> &Counts),
    /// One sample of each listener on each reactor.
    Listeners(fn(&ListenerRow) -> u64),
    /// One sample of all topics without labels, then one of each.
    Traffic(fn(&Traffic) -> u64),
    /// One sample of each topic.
    Topics(fn(&TopicRow) -> Number),
    /// One sample of each partition that has the number. When only topics are told, their sums.
    Summed(fn(&PartitionRow) -> Option<i64>),
    /// The same, but a sum would mean nothing.
    Alone(fn(&PartitionRow) -> Option<i64>),
    /// The same, with kafka-lag-exporter's labels.
    NamedPartitions(fn(&PartitionRow) -> Option<i64>),
    /// One sample of each group, with kafka_exporter's label.
    Groups(fn(&GroupRow) -> Option<Number>),
    /// One sample of each group and topic it has offsets of.
    GroupTopics(fn(&GroupTopicRow) -> i64),
    /// One sample of each committed offset; when only topics are told, what the second one says of the topic.
    Offsets(fn(&PartitionLag) -> i64, fn(&GroupTopicRow) -> i64),
    /// One sample of each group, with kafka-lag-exporter's labels.
    NamedGroups(fn(&GroupRow) -> Option<Number>),
    /// One sample of each group and topic it has offsets of, with kafka-lag-exporter's labels.
    NamedGroupTopics(fn(&GroupTopicRow) -> i64),
    /// One sample of each committed offset, with kafka-lag-exporter's labels.
    NamedOffsets(fn(&PartitionLag) -> Option<Number>),
}

impl Rows {
    /// How many times [`write`](Self::write) is to be called.
    pub(super) fn count(&self, snapshot: &Snapshot) -> usize {
        match (self, snapshot.detail) {
            (Self::Few(..) | Self::One(_) | Self::Maybe(_), _) => 1,
            (Self::Times(_), _) => snapshot.apis.len(),
            (Self::Listeners(_), _) => snapshot.listeners.len(),
            (Self::Traffic(_), Detail::Broker) => 1,
            (Self::Traffic(_), _) => 1 + snapshot.topics.len(),
            (_, Detail::Broker) => 0,
            (Self::Topics(_), _) | (Self::Summed(_), Detail::Topic) => snapshot.topics.len(),
            (Self::Groups(_) | Self::NamedGroups(_), _) => snapshot.groups.groups.len(),
            (Self::GroupTopics(_) | Self::NamedGroupTopics(_), _) | (Self::Offsets(..), Detail::Topic) => snapshot.groups.topics.len(),
            (Self::Alone(_) | Self::NamedPartitions(_) | Self::NamedOffsets(_), Detail::Topic) => 0,
            (Self::Summed(_) | Self::Alone(_) | Self::NamedPartitions(_), Detail::Partition) => snapshot.partitions.len(),
            (Self::Offsets(..) | Self::NamedOffsets(_), Detail::Partition) => snapshot.groups.offsets.len(),
        }
    }

    /// Writes one row.
    pub(super) fn write(&self, snapshot: &Snapshot, row: usize, samples: &mut Samples<'_>) {
        match self {
            Self::Few(_, write) => write(snapshot, samples),
            Self::One(value) => samples.sample().value(value(snapshot)),
            Self::Maybe(value) => value(snapshot).into_iter().for_each(|value| samples.sample().value(value)),
            Self::Times(of) => snapshot.apis.get(row).into_iter().for_each(|api| times(snapshot, api, *of, samples)),
            Self::Listeners(value) => {
                let Some(listener) = snapshot.listeners.get(row) else { return };
                let sample = samples.sample().label("listener", &listener.listener).plain("networkProcessor", listener.reactor);
                sample.value(value(listener));
            }
            Self::Traffic(value) if row == 0 => samples.sample().value(value(&snapshot.traffic)),
            Self::Traffic(value) => {
                let Some(topic) = snapshot.topics.get(row - 1) else { return };
                samples.sample().label("topic", &topic.name).value(value(&topic.traffic));
            }
            Self::Topics(value) => {
                let Some(topic) = snapshot.topics.get(row) else { return };
                samples.sample().label("topic", &topic.name).value(value(topic));
            }
            Self::Summed(value) if snapshot.detail == Detail::Topic => {
                let Some(topic) = snapshot.topics.get(row) else { return };
                let mut told = snapshot.partitions_of(topic).iter().filter_map(value).peekable();
                if told.peek().is_some() {
                    samples.sample().label("topic", &topic.name).value(told.sum::<i64>());
                }
            }
            Self::Summed(value) | Self::Alone(value) | Self::NamedPartitions(value) => {
                let Some(partition) = snapshot.partitions.get(row) else { return };
                let (Some(topic), Some(value)) = (snapshot.topics.get(partition.topic), value(partition)) else { return };
                let mut sample = samples.sample();
                if matches!(self, Self::NamedPartitions(_)) {
                    sample = sample.label("cluster_name", &snapshot.node.cluster_id);
                }
                sample.label("topic", &topic.name).number("partition", partition.index).value(value);
            }
            _ => self.write_group(snapshot, row, samples),
        }
    }

    fn write_group(&self, snapshot: &Snapshot, row: usize, samples: &mut Samples<'_>) {
        let groups = &snapshot.groups;
        let cluster = snapshot.node.cluster_id.as_str();
        match self {
            Self::Groups(value) => {
                let Some(group) = groups.groups.get(row) else { return };
                let Some(value) = value(group) else { return };
                samples.sample().label("consumergroup", group.id.as_str()).value(value);
            }
            Self::NamedGroups(value) => {
                let Some(group) = groups.groups.get(row) else { return };
                let Some(value) = value(group) else { return };
                samples.sample().label("cluster_name", cluster).label("group", group.id.as_str()).value(value);
            }
            Self::Offsets(_, value) if snapshot.detail == Detail::Topic => Self::GroupTopics(*value).write_group(snapshot, row, samples),
            Self::GroupTopics(value) => {
                let Some(topic) = groups.topics.get(row) else { return };
                samples.sample().label("consumergroup", topic.group.as_str()).label("topic", &topic.topic).value(value(topic));
            }
            Self::NamedGroupTopics(value) => {
                let Some(topic) = groups.topics.get(row) else { return };
                let sample = samples.sample().label("cluster_name", cluster).label("group", topic.group.as_str());
                sample.label("topic", &topic.topic).value(value(topic));
            }
            Self::Offsets(value, _) => {
                let Some(offset) = groups.offsets.get(row) else { return };
                let sample = samples.sample().label("consumergroup", offset.group.as_str()).label("topic", &offset.topic);
                sample.number("partition", offset.partition).value(value(offset));
            }
            Self::NamedOffsets(value) => {
                let Some(offset) = groups.offsets.get(row) else { return };
                let Some(value) = value(offset) else { return };
                let sample = samples.sample().label("cluster_name", cluster).label("group", offset.group.as_str());
                sample.label("topic", &offset.topic).number("partition", offset.partition).value(value);
            }
            _ => {}
        }
    }

    /// The labels, for the table of all metrics.
    pub(super) fn labels(&self) -> Vec<&'static str> {
        match self {
            Self::Few(labels, _) => labels.to_vec(),
            Self::One(_) | Self::Maybe(_) => vec![],
            Self::Times(_) => vec!["request", "quantile"],
            Self::Listeners(_) => vec!["listener", "networkProcessor"],
            Self::Traffic(_) | Self::Topics(_) => vec!["topic"],
            Self::Summed(_) | Self::Alone(_) => vec!["topic", "partition"],
            Self::NamedPartitions(_) => vec!["cluster_name", "topic", "partition"],
            Self::Groups(_) => vec!["consumergroup"],
            Self::GroupTopics(_) => vec!["consumergroup", "topic"],
            Self::Offsets(..) => vec!["consumergroup", "topic", "partition"],
            Self::NamedGroups(_) => vec!["cluster_name", "group"],
            Self::NamedGroupTopics(_) => vec!["cluster_name", "group", "topic"],
            Self::NamedOffsets(_) => vec!["cluster_name", "group", "topic", "partition"],
        }
    }

    /// From which `ottla.metrics.detail` on it is told, for the table of all metrics.
    pub(super) fn told_from(&self) -> &'static str {
        match self {
            Self::Few(..) | Self::One(_) | Self::Maybe(_) | Self::Times(_) | Self::Listeners(_) => "broker",
            Self::Traffic(_) => "broker (the sum of all), topic",
            Self::Topics(_) | Self::Groups(_) | Self::GroupTopics(_) | Self::NamedGroups(_) | Self::NamedGroupTopics(_) => "topic",
            Self::Summed(_) | Self::Offsets(..) => "topic (summed), partition",
            Self::Alone(_) | Self::NamedPartitions(_) | Self::NamedOffsets(_) => "partition",
        }
    }
}

/// Kafka's percentiles, spelled as the JMX exporter spells them.
const QUANTILES: [(&str, f64); 6] = [("0.50", 0.5), ("0.75", 0.75), ("0.95", 0.95), ("0.98", 0.98), ("0.99", 0.99), ("0.999", 0.999)];
const NS_IN_MS: f64 = 1_000_000.0;

/// The API's name; Kafka tells consumers' fetches under two names.
pub(super) fn names(api: &ApiRow) -> impl Iterator<Item = &str> {
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
