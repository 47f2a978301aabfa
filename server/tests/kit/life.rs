//! What ends records: DeleteRecords, retention, compaction, asked for by hand; and the configuration that decides.

use super::groups::text;
use super::{Client, FetchOne, Kit, Seen, name, seen};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{DeleteRecordsRequest, IncrementalAlterConfigsRequest};
use ottla_server::background::retention;
use ottla_server::cleaner;

/// The kind of resource that a topic is.
const TOPIC: i8 = 2;
/// The kind of resource that a broker is; without a name, all of them.
const BROKER: i8 = 4;

/// A request for one partition.
pub fn delete_request(topic: &str, partition: i32, before: i64) -> DeleteRecordsRequest {
    let row = DeleteRecordsPartition::default().with_partition_index(partition).with_offset(before);
    let topic = DeleteRecordsTopic::default().with_name(name(topic)).with_partitions(vec![row]);
    DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000)
}

impl Client {
    /// DeleteRecords of one partition; the low watermark, or the error.
    pub fn try_delete_records(&mut self, topic: &str, partition: i32, before: i64) -> Result<i64, i16> {
        let mut answer = self.ask(2, &delete_request(topic, partition, before));
        let row = answer.topics.remove(0).partitions.remove(0);
        if row.error_code == 0 { Ok(row.low_watermark) } else { Err(row.error_code) }
    }

    /// Sets keys of a topic, or takes them away; the error.
    pub fn try_alter(&mut self, topic: &str, configs: &[(&str, Option<&str>)]) -> i16 {
        self.alter_resource(TOPIC, topic, configs)
    }

    /// Sets keys of a topic, or takes them away.
    pub fn alter(&mut self, topic: &str, configs: &[(&str, Option<&str>)]) {
        assert_eq!(self.try_alter(topic, configs), 0, "{configs:?}");
    }

    /// Sets keys of all brokers, or takes them away.
    pub fn alter_brokers(&mut self, configs: &[(&str, Option<&str>)]) {
        assert_eq!(self.alter_resource(BROKER, "", configs), 0, "{configs:?}");
    }

    fn alter_resource(&mut self, kind: i8, named: &str, configs: &[(&str, Option<&str>)]) -> i16 {
        let config = |(key, value): &(&str, Option<&str>)| {
            AlterableConfig::default().with_name(text(key)).with_config_operation(i8::from(value.is_none())).with_value(value.map(text))
        };
        let resource = AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(named))
            .with_configs(configs.iter().map(config).collect());
        self.ask(1, &IncrementalAlterConfigsRequest::default().with_resources(vec![resource])).responses[0].error_code
    }

    /// The records from the log start on, up to the high watermark.
    pub fn left(&mut self, topic: &str, partition: i32) -> Vec<Seen> {
        let (mut from, high_watermark) = self.ends(topic, partition);
        let mut all = Vec::new();
        while from < high_watermark {
            let answer = self.fetch(topic, partition, &FetchOne::from(from));
            assert_eq!(answer.error_code, 0, "fetch from {from}");
            let batches = seen(&answer.records.expect("never null"));
            let Some(last) = batches.last() else { break };
            let next = last.offset + 1;
            all.extend(batches.into_iter().filter(|record| record.offset >= from));
            from = next;
        }
        all
    }

    /// Log start offset and high watermark, as ListOffsets tells them.
    pub fn ends(&mut self, topic: &str, partition: i32) -> (i64, i64) {
        (self.list(8, topic, partition, -2).offset, self.list(8, topic, partition, -1).offset)
    }
}

impl Kit {
    /// Looks at every log once, as the broker does each `log.retention.check.interval.ms`; how many segments went.
    pub fn retain(&self) -> usize {
        retention::enforce(self.broker().node())
    }

    /// Compacts what is due; how many passes that took.
    pub fn compact(&self) -> usize {
        cleaner::clean(self.broker().node())
    }

    /// The names of a partition's files that end so, in order.
    pub fn files(&self, partition: &str, end: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.data().join(partition)).expect("the log's directory");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(end)).collect();
        names.sort();
        names
    }
}
