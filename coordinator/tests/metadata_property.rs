//! Random lives: whatever the handlers do, the bytes they leave replay to the same image, and so does its snapshot.

#[path = "support/hostile.rs"]
#[allow(unreachable_pub, reason = "shared with the fuzzer")]
mod hostile;
mod support;

use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterUserScramCredentialsRequest, DeleteTopicsRequest, ElectLeadersRequest, UpdateFeaturesRequest,
};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::metadata::image::ConfigResource;
use ottla_coordinator::metadata::records::*;
use ottla_coordinator::metadata::*;
use ottla_coordinator::shard::Shard;
use proptest::prelude::*;
use std::collections::BTreeMap;
use support::*;
use uuid::Uuid;

/// A topic that is to have so many partitions, the new ones on these brokers.
#[derive(Clone, Debug)]
struct Growth {
    name: u8,
    count: i32,
    brokers: Option<Vec<Vec<i32>>>,
}

#[derive(Clone, Debug)]
enum Step {
    Create(Vec<(u8, i32, i16, bool)>),
    CreateAssigned(u8, Vec<(i32, Vec<i32>)>),
    Grow(Vec<Growth>),
    DeleteByName(Vec<u8>),
    DeleteById(Vec<u8>),
    Restart,
    Stop,
    ProducerIds,
    Configs(u8, ConfigOperation),
    ClusterConfig(Option<u8>),
    Directory(u8, i32, u8),
    Security(u8, bool),
    Other(i32, bool),
    Elect(i8),
    Reassign(u8, i32, Option<Vec<i32>>),
    Unregister(i32),
    Feature(u8, i16, i8),
    Scram(u8, i8, bool),
}

/// Few names, so that steps meet; some are invalid, some collide.
fn name(n: u8) -> String {
    ["a", "b", "c.d", "c_d", "../etc", "", "long-name-with-dashes"][usize::from(n) % 7].to_owned()
}

fn step() -> impl Strategy<Value = Step> {
    let names = || prop::collection::vec(any::<u8>(), 0..4);
    let operation = prop_oneof![
        any::<bool>().prop_map(|good| ConfigOperation::Set(if good { "5" } else { "x" }.to_owned())),
        Just(ConfigOperation::Delete),
        Just(ConfigOperation::Append("compact".to_owned())),
        Just(ConfigOperation::Subtract("delete".to_owned())),
    ];
    prop_oneof![
        4 => prop::collection::vec((any::<u8>(), -2..6i32, -2..3i16, any::<bool>()), 0..4).prop_map(Step::Create),
        1 => (any::<u8>(), prop::collection::vec((-1..3i32, prop::collection::vec(2..5i32, 0..3)), 1..3))
            .prop_map(|(n, assignments)| Step::CreateAssigned(n, assignments)),
        2 => prop::collection::vec(
            (any::<u8>(), -1..8i32, prop::option::of(prop::collection::vec(prop::collection::vec(2..5i32, 0..3), 0..3))).prop_map(|(name, count, brokers)| Growth { name, count, brokers }), 0..4
        ).prop_map(Step::Grow),
        1 => names().prop_map(Step::DeleteByName),
        1 => names().prop_map(Step::DeleteById),
        2 => Just(Step::Restart),
        1 => Just(Step::Stop),
        1 => Just(Step::ProducerIds),
        2 => (any::<u8>(), operation).prop_map(|(n, operation)| Step::Configs(n, operation)),
        1 => any::<Option<u8>>().prop_map(Step::ClusterConfig),
        1 => (any::<u8>(), 0..3i32, any::<u8>()).prop_map(|(n, partition, directory)| Step::Directory(n, partition, directory)),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(n, add)| Step::Security(n, add)),
        2 => (2..5i32, any::<bool>()).prop_map(|(broker, starts)| Step::Other(broker, starts)),
        1 => (0..3i8).prop_map(Step::Elect),
        3 => (any::<u8>(), -1..3i32, prop::option::of(prop::collection::vec(2..5i32, 0..4)))
            .prop_map(|(n, partition, brokers)| Step::Reassign(n, partition, brokers)),
        1 => (2..5i32).prop_map(Step::Unregister),
        1 => (any::<u8>(), -1..3i16, 0..4i8).prop_map(|(n, level, upgrade_type)| Step::Feature(n, level, upgrade_type)),
        1 => (any::<u8>(), 0..4i8, any::<bool>()).prop_map(|(n, mechanism, add)| Step::Scram(n, mechanism, add)),
    ]
}

fn take(node: &mut Node, step: &Step) {
    match step {
        Step::Create(topics) => {
            let topics: Vec<_> = topics
                .iter()
                .map(|(n, partitions, factor, config)| match config {
                    true => with_config(topic(&name(*n), *partitions, *factor), "retention.ms", Some("7")),
                    false => topic(&name(*n), *partitions, *factor),
                })
                .collect();
            let results = node.create(&create(&topics));
            for result in results.iter().filter(|result| result.error_code == 0) {
                let image = node.image().topics().by_name(&result.name.0).expect("what was created is there");
                assert_eq!(image.id.0, result.topic_id);
            }
        }
        Step::CreateAssigned(n, assignments) => {
            let assignments: Vec<(i32, &[i32])> = assignments.iter().map(|(partition, brokers)| (*partition, &brokers[..])).collect();
            node.create(&create(&[assigned(&name(*n), &assignments)]));
        }
        Step::Grow(topics) => {
            let topics: Vec<_> = topics.iter().map(|asked| grow(&name(asked.name), asked.count, asked.brokers.as_deref())).collect();
            let results = node.grow(&topics);
            for result in results.iter().filter(|result| result.error_code == 0) {
                let asked = topics.iter().find(|topic| topic.name == result.name).expect("a row for a topic that was asked for");
                let image = node.image().topics().by_name(&result.name.0).expect("it is there");
                assert_eq!(image.partitions.len(), asked.count as usize);
            }
        }
        Step::DeleteByName(names) => {
            let names = names.iter().map(|n| topic_name(&name(*n))).collect();
            node.delete_with(&DeleteTopicsRequest::default().with_topic_names(names), 5, true, &Unrestricted);
        }
        Step::DeleteById(picks) => {
            let ids: Vec<Uuid> = node.image().topics().iter_by_id().map(|topic| topic.id.0).collect();
            let state = |pick: &u8| {
                let id = ids.get(usize::from(*pick) % (ids.len() + 1)).copied().unwrap_or(Uuid::from_u128(77));
                DeleteTopicState::default().with_name(None).with_topic_id(id)
            };
            let request = DeleteTopicsRequest::default().with_topics(picks.iter().map(state).collect());
            node.delete_with(&request, 6, true, &Unrestricted);
        }
        Step::Restart => {
            node.register();
        }
        Step::Stop => {
            node.run(|shard, _| shard.fence_broker(Ticket(0), NODE));
        }
        Step::ProducerIds => {
            let epoch = node.image().cluster().broker(NODE).expect("registered").epoch;
            node.run(|shard, _| shard.allocate_producer_ids(Ticket(0), NODE, epoch));
        }
        Step::Configs(n, operation) => {
            let resource = ConfigResource { resource_type: image::ConfigResourceType::Topic, name: name(*n) };
            let key = if matches!(operation, ConfigOperation::Set(_)) { "retention.ms" } else { "cleanup.policy" };
            alter(node, resource, key, operation.clone());
        }
        Step::ClusterConfig(value) => {
            let operation = value.map_or(ConfigOperation::Delete, |value| ConfigOperation::Set(value.to_string()));
            alter(node, ConfigResource::cluster_default(), "min.insync.replicas", operation);
        }
        Step::Directory(n, partition, directory) => {
            let Some(id) = node.image().topics().by_name(&name(*n)).map(|topic| topic.id) else { return };
            let directory = DirectoryId(Uuid::from_u128(u128::from(*directory) + 1000));
            node.run(|shard, _| shard.assign_directories(Ticket(0), NODE, &[(id, *partition, directory)]));
        }
        Step::Security(n, add) => security(node, *n, *add),
        step => take_cluster_step(node, step),
    }
}

fn take_cluster_step(node: &mut Node, step: &Step) {
    match step {
        Step::Other(broker, starts) if BrokerId(*broker) != NODE => match starts {
            true => node.register_as(BrokerId(*broker)),
            false => drop(node.run(|shard, _| shard.fence_broker(Ticket(0), BrokerId(*broker)))),
        },
        Step::Elect(election_type) => {
            let request = ElectLeadersRequest::default().with_election_type(*election_type).with_topic_partitions(None);
            node.run(|shard, _| shard.elect_leaders(Ticket(0), &request, &Minimum));
        }
        Step::Reassign(n, partition, brokers) => {
            let brokers = brokers.as_ref().map(|ids| ids.iter().map(|id| kafka_protocol::messages::BrokerId(*id)).collect());
            let asked = ReassignablePartition::default().with_partition_index(*partition).with_replicas(brokers);
            let topic = ReassignableTopic::default().with_name(topic_name(&name(*n))).with_partitions(vec![asked]);
            let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
            node.run(|shard, _| shard.alter_partition_reassignments(Ticket(0), &request, &Minimum));
        }
        Step::Unregister(broker) => {
            node.run(|shard, _| shard.unregister_broker(Ticket(0), BrokerId(*broker), &Minimum));
            if BrokerId(*broker) == NODE {
                assert_sound(node.image());
                node.register();
            }
        }
        Step::Feature(n, level, upgrade_type) => {
            let name = ["group.version", "transaction.version", "eligible.leader.replicas.version", "kraft.version"][usize::from(*n) % 4];
            let update = FeatureUpdateKey::default()
                .with_feature(StrBytes::from_static_str(name))
                .with_max_version_level(*level)
                .with_upgrade_type(*upgrade_type);
            let request = UpdateFeaturesRequest::default().with_feature_updates(vec![update]);
            let context = UpdateFeaturesContext { api_version: 1, controller: NODE, min_insync_replicas: 1 };
            node.run(|shard, _| shard.update_features(Ticket(0), &request, context));
        }
        Step::Scram(n, mechanism, add) => {
            let user = StrBytes::from_string(format!("user-{}", n % 3));
            let request = AlterUserScramCredentialsRequest::default();
            let request = match add {
                true => {
                    let upsertion = ScramCredentialUpsertion::default().with_name(user).with_mechanism(*mechanism).with_iterations(4_096);
                    request.with_upsertions(vec![upsertion.with_salted_password(vec![*n].into())])
                }
                false => request.with_deletions(vec![ScramCredentialDeletion::default().with_name(user).with_mechanism(*mechanism)]),
            };
            node.run(|shard, _| shard.alter_user_scram_credentials(Ticket(0), &request));
        }
        _ => {}
    }
}

/// Two in sync where there are two replicas.
struct Minimum;

impl ElectionRules for Minimum {
    fn min_insync_replicas(&self, _: &str) -> usize {
        2
    }
}

fn alter(node: &mut Node, resource: ConfigResource, key: &str, operation: ConfigOperation) {
    let change = ConfigChange { resource, operations: BTreeMap::from([(key.to_owned(), operation)]) };
    node.run(|shard, _| shard.alter_configs(Ticket(0), &[change], ConfigScope::NamedKeys, false, &Configs));
}

/// What no handler writes yet, but logs of other nodes hold.
fn security(node: &mut Node, n: u8, add: bool) {
    let user = format!("user-{}", n % 3);
    let acl = Uuid::from_u128(u128::from(n % 3));
    let acl_is_there = node.image().acls().iter().any(|entry| entry.id == acl);
    let quota = QuotaEntityPart { entity_type: "user".into(), entity_name: Some(user.clone()) };
    node.append(&MetadataRecord::ClientQuota(ClientQuotaRecord {
        entity: vec![quota],
        key: "k".into(),
        value: f64::from(n),
        remove: !add,
    }));
    if add {
        node.append(&MetadataRecord::AccessControlEntry(AccessControlEntryRecord {
            id: acl,
            resource_type: 2,
            resource_name: user.clone(),
            pattern_type: 3,
            principal: "User:x".into(),
            host: "*".into(),
            operation: 3,
            permission_type: 2,
        }));
        node.append(&MetadataRecord::UserScramCredential(UserScramCredentialRecord {
            name: user,
            mechanism: 1,
            salt: vec![n],
            stored_key: vec![],
            server_key: vec![],
            iterations: 4096,
        }));
    } else {
        if acl_is_there {
            node.append(&MetadataRecord::RemoveAccessControlEntry(RemoveAccessControlEntryRecord { id: acl }));
        }
        node.append(&MetadataRecord::RemoveUserScramCredential(RemoveUserScramCredentialRecord { name: user, mechanism: 1 }));
    }
    node.run(|_, _| MetadataEffects::default());
}

/// What every image must keep, whatever happened.
fn assert_sound(image: &MetadataImage) {
    for topic in image.topics().iter() {
        assert!(topic.is_contiguous() && !topic.partitions.is_empty());
        assert!(image.topics().by_id(topic.id).is_some_and(|by_id| by_id.name == topic.name));
        for partition in topic.partitions.values() {
            assert_eq!(partition.replicas.len(), partition.directories.len());
            assert!(partition.isr.iter().all(|id| partition.has_replica(*id)), "in sync means assigned");
            assert!(partition.leader.is_none_or(|leader| partition.isr.contains(&leader)), "a leader is in sync");
            assert!(partition.leader.is_none_or(|leader| image.cluster().is_active(leader)), "a leader is alive");
            assert!(partition.partition_epoch.0 >= partition.leader_epoch.0);
            assert!(!partition.replicas.is_empty());
            assert!(partition.adding_replicas.iter().chain(&partition.removing_replicas).all(|id| partition.has_replica(*id)));
            assert!(partition.elr.iter().all(|id| partition.has_replica(*id) && !partition.isr.contains(id)), "eligible means not in sync");
        }
    }
    for (resource, _) in image.configs().iter().filter(|(resource, _)| resource.resource_type == image::ConfigResourceType::Topic) {
        assert!(image.topics().by_name(&resource.name).is_some(), "configs belong to a topic that exists");
    }
}

/// Epochs of topics that are still there never go back.
fn assert_forward(old: &MetadataImage, new: &MetadataImage) {
    assert!(new.next_producer_id() >= old.next_producer_id());
    for topic in new.topics().iter_by_id() {
        let Some(before) = old.topics().by_id(topic.id) else { continue };
        assert!(topic.partitions.len() >= before.partitions.len(), "partitions are never taken away");
        for (number, partition) in &topic.partitions {
            let Some(was) = before.partitions.get(number) else { continue };
            assert!(partition.leader_epoch >= was.leader_epoch && partition.partition_epoch >= was.partition_epoch);
            if partition.leader != was.leader {
                assert!(partition.leader_epoch > was.leader_epoch, "never two leaders under one epoch");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_log_says_is_what_the_node_knew(steps in prop::collection::vec(step(), 0..25)) {
        let mut node = Node::started();
        for step in &steps {
            let old = node.image().clone();
            take(&mut node, step);
            assert_sound(node.image());
            assert_forward(&old, node.image());
        }
        prop_assert!(node.reloaded().published().same_contents(node.image()), "the log replays to the image");

        let records = image_records(node.image());
        let mut loaded = MetadataShard::new();
        for record in &records {
            loaded.replay(&MetadataRecord::decode(&record.encode()).expect("our own bytes"));
        }
        loaded.publish(records.len() as i64, 1).expect("a snapshot fits together");
        prop_assert!(loaded.published().same_contents(node.image()), "the snapshot replays to the image");
        prop_assert!(MetadataDelta::between(node.image(), loaded.published()).is_empty());
    }

    #[test]
    fn deltas_add_up_to_the_partitions_of_the_image(steps in prop::collection::vec(step(), 0..25)) {
        let mut node = Node::started();
        for step in &steps {
            take(&mut node, step);
        }
        // A consumer that only ever sees deltas, as the partition registry does.
        let mut held: BTreeMap<(TopicId, i32), PartitionRegistration> = BTreeMap::new();
        for delta in &node.deltas {
            let local = delta.local_changes(NODE);
            for gone in local.deletes {
                prop_assert!(held.remove(&(gone.topic_id, gone.partition_id)).is_some(), "only what was there is deleted");
            }
            for partition in local.leaders.into_iter().chain(local.followers) {
                held.insert((partition.topic_id, partition.partition_id), (*partition.registration).clone());
            }
        }
        let wanted: BTreeMap<_, _> = node
            .image()
            .topics()
            .iter_by_id()
            .flat_map(|topic| topic.partitions.iter().map(|(number, partition)| ((topic.id, *number), (**partition).clone())))
            .filter(|(_, partition)| partition.has_replica(NODE))
            .collect();
        prop_assert_eq!(held, wanted);
    }

    #[test]
    fn any_bytes_are_refused_or_understood(
        values in prop::collection::vec((0u8..30, 0u8..5, prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..60)), 0..20)
    ) {
        // Framed as records of known types, or nothing would get past the first bytes.
        let framed = values.iter().flat_map(|(type_id, version, body)| [&[body.len() as u8 + 3, 1, *type_id, *version], &body[..]].concat());
        hostile::metadata_log(&framed.collect::<Vec<u8>>());
    }

    #[test]
    fn a_damaged_log_of_kafka_is_refused_or_understood(
        damage in prop::collection::vec((0usize..60, 0usize..80, any::<u8>()), 0..6),
        lost in prop::collection::vec(0usize..60, 0..3),
    ) {
        let mut log: Vec<Vec<u8>> = include_str!("golden/kafka_metadata.hex").lines().map(unhex).collect();
        for (line, at, byte) in damage {
            if let Some(byte_there) = log.get_mut(line).and_then(|value| value.get_mut(at)) {
                *byte_there = byte;
            }
        }
        for line in lost {
            if line < log.len() {
                log.remove(line);
            }
        }
        let framed = log.iter().flat_map(|value| [&[value.len() as u8], &value[..]].concat());
        hostile::metadata_log(&framed.collect::<Vec<u8>>());
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let nibble = |c: u8| (c as char).to_digit(16).expect("a hex digit") as u8;
    text.as_bytes().chunks(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect()
}
