//! An answer as one line, without what two right brokers may say differently.

use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use std::fmt::Debug;

/// What is taken out of the text.
pub(crate) struct Words {
    /// The part of every name that belongs to the story and version alone.
    pub(crate) tag: String,
    pub(crate) port: u16,
    pub(crate) cluster_id: String,
    /// Random ids in the order they were seen.
    pub(crate) ids: Vec<String>,
    /// Producer ids in the order they were seen; 0 is nobody's.
    pub(crate) producers: Vec<String>,
}

/// What only makes the golden file long: there are hundreds of configs.
const SHORT: &[(&str, &str)] = &[
    ("DescribeConfigsResourceResult { name: ", "{ "),
    ("DescribeConfigsSynonym { name: ", "{ "),
    ("CreatableTopicConfigs { name: ", "{ "),
    (", read_only: false", ""),
    (", is_sensitive: false", ""),
    (", synonyms: []", ""),
    (", documentation: None", ""),
];

impl Words {
    pub(crate) fn clean(&mut self, text: &str) -> String {
        let mut text = text.replace(", unknown_tagged_fields: {}", "").replace(&self.tag, "");
        for (long, short) in SHORT {
            text = text.replace(long, short);
        }
        // The system gave the port; the one broker advertises a name, the other the address that was connected to.
        let text = text.replace(&format!("port: {}", self.port), "port: PORT").replace("host: \"127.0.0.1\"", "host: \"localhost\"");
        let text = text.replace(&format!("\"{}\"", self.cluster_id), "\"CLUSTER\"");
        let text = self.number_ids(&text);
        let text = self.number_producers(&text);
        // The broker's clock.
        match text.split_once("should be within [") {
            Some((before, after)) => format!("{before}should be within [{}", after.split_once(']').map_or(after, |(_, rest)| rest)),
            None => text,
        }
    }

    /// Producer ids become their order of appearance: blocks are given out by metadata history.
    fn number_producers(&mut self, text: &str) -> String {
        const FIELD: &str = "producer_id: ";
        let mut pieces = text.split(FIELD);
        let mut out = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            out.push_str(FIELD);
            let digits = piece.len() - piece.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
            let (id, rest) = piece.split_at(digits);
            if id.is_empty() || id == "0" {
                out.push_str(piece);
                continue;
            }
            let at = self.producers.iter().position(|known| known == id).unwrap_or_else(|| {
                self.producers.push(id.to_owned());
                self.producers.len() - 1
            });
            out.push_str(&format!("P{at}{rest}"));
        }
        out
    }

    /// Random UUIDs become their order of appearance; the all-zero one stays.
    fn number_ids(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(is_uuid_start(rest)) {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            match from.get(..36).filter(|word| is_uuid(word)) {
                Some(uuid) => {
                    if uuid.starts_with("00000000-0000-0000-0000-0000000") {
                        out.push_str(uuid);
                    } else {
                        let at = self.ids.iter().position(|known| known == uuid).unwrap_or_else(|| {
                            self.ids.push(uuid.to_owned());
                            self.ids.len() - 1
                        });
                        out.push_str(&format!("ID{at}"));
                    }
                    rest = &from[36..];
                }
                None => {
                    let next = from.chars().next().map_or(0, char::len_utf8);
                    out.push_str(&from[..next]);
                    rest = &from[next..];
                }
            }
        }
        out + rest
    }
}

fn is_uuid_start(_: &str) -> impl Fn(char) -> bool + use<> {
    |letter| letter.is_ascii_hexdigit()
}

fn is_uuid(word: &str) -> bool {
    word.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// Makes answers of two brokers alike where they may differ.
pub(crate) trait Tidy: Clone + Debug + Default + Decodable + Encodable + HeaderVersion {
    fn tidy(&mut self, _words: &Words) {}
}

impl Tidy for DescribeClusterResponse {}
impl Tidy for GetTelemetrySubscriptionsResponse {}
impl Tidy for PushTelemetryResponse {}
impl Tidy for DescribeAclsResponse {}
impl Tidy for CreateAclsResponse {}
impl Tidy for DeleteAclsResponse {}

impl Tidy for AlterPartitionReassignmentsResponse {}
impl Tidy for ListPartitionReassignmentsResponse {}
impl Tidy for UnregisterBrokerResponse {}
impl Tidy for SaslHandshakeResponse {}
impl Tidy for SaslAuthenticateResponse {}

/// The cluster's id stands inside a text.
fn tidy_cluster_id(message: &mut Option<StrBytes>, words: &Words) {
    if let Some(text) = message {
        *text = StrBytes::from_string(text.replace(&words.cluster_id, "CLUSTER"));
    }
}

impl Tidy for AddRaftVoterResponse {
    fn tidy(&mut self, words: &Words) {
        tidy_cluster_id(&mut self.error_message, words);
    }
}

impl Tidy for RemoveRaftVoterResponse {
    fn tidy(&mut self, words: &Words) {
        tidy_cluster_id(&mut self.error_message, words);
    }
}
impl Tidy for UpdateFeaturesResponse {}
impl Tidy for CreateDelegationTokenResponse {}
impl Tidy for RenewDelegationTokenResponse {}
impl Tidy for ExpireDelegationTokenResponse {}
impl Tidy for DescribeDelegationTokenResponse {}

impl Tidy for ElectLeadersResponse {
    fn tidy(&mut self, words: &Words) {
        // Other stories' topics, in a hash map's order.
        self.replica_election_results.retain(|topic| topic.topic.contains(&words.tag));
    }
}

impl Tidy for AlterUserScramCredentialsResponse {
    fn tidy(&mut self, _: &Words) {
        // A hash map's order.
        self.results.sort_by_key(|result| result.user.clone());
    }
}

impl Tidy for DescribeUserScramCredentialsResponse {
    fn tidy(&mut self, words: &Words) {
        // Other stories' users, in a hash map's order.
        self.results.retain(|result| result.user.is_empty() || result.user.contains(&words.tag));
        self.results.sort_by_key(|result| result.user.clone());
        for result in &mut self.results {
            result.credential_infos.sort_by_key(|info| info.mechanism);
        }
    }
}

impl Tidy for DescribeQuorumResponse {
    fn tidy(&mut self, _: &Words) {
        for partition in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            // Each broker's own history.
            partition.leader_epoch = partition.leader_epoch.signum();
            partition.high_watermark = partition.high_watermark.signum();
            for voter in &mut partition.current_voters {
                voter.log_end_offset = voter.log_end_offset.signum();
                // The broker's clock; -1 is none.
                voter.last_fetch_timestamp = voter.last_fetch_timestamp.signum();
                voter.last_caught_up_timestamp = voter.last_caught_up_timestamp.signum();
            }
        }
        // Apache Kafka's controller has a listener of its own.
        for listener in self.nodes.iter_mut().flat_map(|node| &mut node.listeners) {
            listener.name = StrBytes::from_static_str("LISTENER");
            listener.port = 0;
        }
    }
}

impl Tidy for CreatePartitionsResponse {
    fn tidy(&mut self, _: &Words) {
        // A hash set's order.
        self.results.sort_by_key(|result| result.name.clone());
    }
}

impl Tidy for OffsetForLeaderEpochResponse {
    fn tidy(&mut self, _: &Words) {
        for topic in &mut self.topics {
            topic.partitions.sort_by_key(|row| (row.partition, row.error_code));
        }
    }
}

impl Tidy for ListOffsetsResponse {
    fn tidy(&mut self, _: &Words) {
        // A hash map's order.
        self.topics.sort_by_key(|topic| topic.name.clone());
        for topic in &mut self.topics {
            topic.partitions.sort_by_key(|row| (row.partition_index, row.error_code));
            // A marker has the time of the broker's clock.
            topic.partitions.iter_mut().filter(|row| row.timestamp > 1_750_000_000_000).for_each(|row| row.timestamp = 0);
        }
    }
}

impl Tidy for ApiVersionsResponse {
    fn tidy(&mut self, _: &Words) {
        // Which keys there are is told elsewhere: each broker has its own.
        self.api_keys.clear();
        // Metadata offsets differ.
        self.finalized_features_epoch = self.finalized_features_epoch.min(0);
        self.supported_features.sort_by(|a, b| a.name.cmp(&b.name));
        self.finalized_features.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

impl Tidy for ProduceResponse {
    fn tidy(&mut self, _: &Words) {
        // A hash map's order.
        self.responses.sort_by_key(|topic| (topic.name.clone(), topic.partition_responses.first().map(|first| first.index)));
        for topic in &mut self.responses {
            topic.partition_responses.sort_by_key(|row| row.index);
        }
        for partition in self.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses) {
            // The broker's clock.
            if partition.log_append_time_ms > 1_750_000_000_000 {
                partition.log_append_time_ms = 0;
            }
        }
    }
}

impl Tidy for FetchResponse {
    fn tidy(&mut self, _: &Words) {
        // Random.
        self.session_id = self.session_id.signum();
        // The order of partitions means nothing; Apache Kafka puts those it did not read last.
        let mut topics: Vec<kafka_protocol::messages::fetch_response::FetchableTopicResponse> = Vec::new();
        for topic in self.responses.drain(..) {
            match topics.iter_mut().find(|whole| whole.topic == topic.topic && whole.topic_id == topic.topic_id) {
                Some(whole) => whole.partitions.extend(topic.partitions),
                None => topics.push(topic),
            }
        }
        for topic in &mut topics {
            topic.partitions.sort_by_key(|row| row.partition_index);
        }
        topics.sort_by_key(|topic| matches!(topic.partitions.first().map_or(0, |row| row.error_code), 3 | 100));
        self.responses = topics;
        for partition in self.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
            // Kafka has them by their ends, and Java's client sorts them.
            partition.aborted_transactions.iter_mut().for_each(|aborted| aborted.sort_by_key(|one| one.first_offset));
            partition.records = partition.records.as_ref().map(|records| super::batches::summary(records).into());
        }
    }
}

impl Tidy for MetadataResponse {
    fn tidy(&mut self, words: &Words) {
        // Other stories' topics, in a hash map's order.
        self.topics.retain(|topic| topic.name.as_ref().is_none_or(|name| name.is_empty() || name.contains(&words.tag)));
        self.topics.sort_by_key(|topic| topic.name.clone());
        for topic in &mut self.topics {
            topic.partitions.sort_by_key(|partition| partition.partition_index);
        }
    }
}

impl Tidy for DescribeTopicPartitionsResponse {
    fn tidy(&mut self, words: &Words) {
        self.topics.retain(|topic| topic.name.as_ref().is_none_or(|name| name.is_empty() || name.contains(&words.tag)));
    }
}

impl Tidy for CreateTopicsResponse {
    fn tidy(&mut self, words: &Words) {
        for topic in &mut self.topics {
            if let Some(configs) = &mut topic.configs {
                // Kafka's own order is a hash map's.
                configs.sort_by(|a, b| a.name.cmp(&b.name));
                // Written down in full once; the defaults are the same for all.
                if !topic.name.starts_with("one") || !words.tag.starts_with("-create7") {
                    configs.retain(|config| config.config_source != 5);
                }
            }
        }
    }
}

impl Tidy for DeleteTopicsResponse {
    fn tidy(&mut self, _: &Words) {
        // Kafka shuffles them on purpose.
        self.responses.sort_by_key(|topic| (topic.name.clone(), topic.topic_id, topic.error_code));
    }
}

impl Tidy for DescribeLogDirsResponse {
    fn tidy(&mut self, words: &Words) {
        for dir in &mut self.results {
            dir.log_dir = StrBytes::from_static_str(if dir.log_dir.starts_with('/') { "an absolute path" } else { "a relative path" });
            // Other stories' topics, and hash maps' orders.
            dir.topics.retain(|topic| topic.name.contains(&words.tag));
            dir.topics.sort_by_key(|topic| topic.name.clone());
            dir.topics.iter_mut().for_each(|topic| topic.partitions.sort_by_key(|row| row.partition_index));
            // The machine's disk.
            for bytes in [&mut dir.total_bytes, &mut dir.usable_bytes] {
                *bytes = bytes.signum();
            }
        }
    }
}

impl Tidy for DeleteRecordsResponse {
    fn tidy(&mut self, _: &Words) {
        // A hash map's order.
        self.topics.sort_by_key(|topic| topic.name.clone());
        for topic in &mut self.topics {
            topic.partitions.sort_by_key(|row| row.partition_index);
        }
    }
}

impl Tidy for InitProducerIdResponse {}
impl Tidy for EndTxnResponse {}
impl Tidy for AddOffsetsToTxnResponse {}

impl Tidy for TxnOffsetCommitResponse {
    fn tidy(&mut self, _: &Words) {
        // A hash map's order.
        self.topics.sort_by_key(|topic| topic.name.clone());
    }
}

impl Tidy for AddPartitionsToTxnResponse {
    fn tidy(&mut self, _: &Words) {
        // A hash map's order, but for a request that was not looked into.
        let of_client = std::iter::once(&mut self.results_by_topic_v3_and_below);
        for topics in of_client.chain(self.results_by_transaction.iter_mut().map(|result| &mut result.topic_results)) {
            topics.sort_by_key(|topic| topic.name.clone());
            for topic in topics {
                topic.results_by_partition.sort_by_key(|row| row.partition_index);
            }
        }
        self.results_by_transaction.sort_by_key(|result| result.transactional_id.clone());
    }
}

impl Tidy for DescribeProducersResponse {
    fn tidy(&mut self, _: &Words) {
        for partition in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            for producer in &mut partition.active_producers {
                // A marker has the time of the broker's clock.
                if producer.last_timestamp > 1_750_000_000_000 {
                    producer.last_timestamp = 0;
                }
            }
            // A hash map's order.
            partition.active_producers.sort_by_key(|producer| producer.producer_id);
        }
    }
}

impl Tidy for WriteTxnMarkersResponse {
    fn tidy(&mut self, _: &Words) {
        // A hash map's order.
        self.markers.sort_by_key(|marker| marker.producer_id.0);
        for marker in &mut self.markers {
            marker.topics.sort_by_key(|topic| topic.name.clone());
            for topic in &mut marker.topics {
                topic.partitions.sort_by_key(|row| row.partition_index);
            }
        }
    }
}

impl Tidy for DescribeTransactionsResponse {
    fn tidy(&mut self, _: &Words) {
        for state in &mut self.transaction_states {
            // A hash map's order.
            state.topics.sort_by_key(|topic| topic.topic.clone());
            for topic in &mut state.topics {
                topic.partitions.sort_unstable();
            }
            // The broker's clock.
            state.transaction_start_time_ms = state.transaction_start_time_ms.min(0);
        }
    }
}

impl Tidy for ListTransactionsResponse {
    fn tidy(&mut self, words: &Words) {
        // Other stories' transactions, in a hash map's order.
        self.transaction_states.retain(|state| state.transactional_id.contains(&words.tag));
        self.transaction_states.sort_by_key(|state| state.transactional_id.clone());
    }
}

impl Tidy for FindCoordinatorResponse {}
impl Tidy for SyncGroupResponse {}
impl Tidy for HeartbeatResponse {}
impl Tidy for LeaveGroupResponse {}
impl Tidy for OffsetCommitResponse {}
impl Tidy for OffsetDeleteResponse {}

impl Tidy for OffsetFetchResponse {
    fn tidy(&mut self, _: &Words) {
        // "All topics" come in a hash map's order.
        self.topics.sort_by_key(|topic| topic.name.clone());
        for group in &mut self.groups {
            group.topics.sort_by_key(|topic| topic.name.clone());
        }
    }
}

impl Tidy for DescribeGroupsResponse {
    fn tidy(&mut self, _: &Words) {
        // A hash map's order.
        self.groups.sort_by_key(|group| group.group_id.clone());
        for group in &mut self.groups {
            group.members.sort_by_key(|member| member.member_id.clone());
        }
    }
}

impl Tidy for DeleteGroupsResponse {
    fn tidy(&mut self, _: &Words) {
        // A hash map's order.
        self.results.sort_by_key(|result| result.group_id.clone());
    }
}

impl Tidy for ListGroupsResponse {
    fn tidy(&mut self, words: &Words) {
        // Other stories' groups, in a hash map's order.
        self.groups.retain(|group| group.group_id.contains(&words.tag));
        self.groups.sort_by_key(|group| group.group_id.clone());
    }
}

/// An id that the coordinator of a consumer group made: a random UUID in base64.
fn tidy_member_id(id: &mut StrBytes) {
    if id.len() == 22 {
        *id = StrBytes::from_static_str("RANDOM");
    }
}

impl Tidy for JoinGroupResponse {
    fn tidy(&mut self, _: &Words) {
        tidy_member_id(&mut self.member_id);
    }
}

impl Tidy for ConsumerGroupHeartbeatResponse {
    fn tidy(&mut self, _: &Words) {
        self.member_id.iter_mut().for_each(tidy_member_id);
    }
}

impl Tidy for ConsumerGroupDescribeResponse {
    fn tidy(&mut self, _: &Words) {
        // A hash map's order.
        self.groups.sort_by_key(|group| group.group_id.clone());
        for group in &mut self.groups {
            group.members.sort_by_key(|member| member.member_id.clone());
        }
    }
}

/// Values that name the machine, the directory or the process.
const LOCAL_VALUES: &[&str] = &[
    "log.dirs",
    "log.dir",
    "listeners",
    "advertised.listeners",
    "controller.quorum.voters",
    "controller.listener.names",
    "process.roles",
    "listener.security.protocol.map",
];

impl Tidy for DescribeConfigsResponse {
    fn tidy(&mut self, words: &Words) {
        for result in &mut self.results {
            let _ = words;
            // Our own keys.
            result.configs.retain(|config| !config.name.starts_with("ottla."));
            result.configs.sort_by(|a, b| a.name.cmp(&b.name));
            for config in &mut result.configs {
                config.documentation = config.documentation.take().map(|_| Default::default());
                if LOCAL_VALUES.contains(&config.name.as_str()) {
                    config.value = None;
                    config.config_source = 0;
                    config.synonyms.clear();
                }
            }
        }
    }
}

impl Tidy for AlterConfigsResponse {}
impl Tidy for IncrementalAlterConfigsResponse {}

impl Tidy for ListConfigResourcesResponse {
    fn tidy(&mut self, words: &Words) {
        const BROKER_AND_LOGGER: [i8; 2] = [4, 8];
        let rows = &mut self.config_resources;
        rows.retain(|row| BROKER_AND_LOGGER.contains(&row.resource_type) || row.resource_name.contains(&words.tag));
        // Hash maps' order, but types come in theirs.
        let mut types: Vec<i8> = rows.iter().map(|row| row.resource_type).collect();
        types.dedup();
        rows.sort_by_key(|row| (types.iter().position(|kind| *kind == row.resource_type), row.resource_name.clone()));
    }
}
impl Tidy for AlterClientQuotasResponse {
    fn tidy(&mut self, _: &Words) {
        // A hash map's order.
        for entry in &mut self.entries {
            entry.entity.sort_by(|a, b| a.entity_type.cmp(&b.entity_type));
        }
        self.entries.sort_by_key(|entry| format!("{:?}", entry.entity));
    }
}

impl Tidy for DescribeClientQuotasResponse {
    fn tidy(&mut self, _: &Words) {
        // A hash map's order.
        for entry in self.entries.iter_mut().flatten() {
            entry.entity.sort_by(|a, b| a.entity_type.cmp(&b.entity_type));
            entry.values.sort_by(|a, b| a.key.cmp(&b.key));
        }
        if let Some(entries) = &mut self.entries {
            entries.sort_by_key(|entry| format!("{:?}", entry.entity));
        }
    }
}
