//! The life of a node's metadata: first start, restarts, clean stops, transactions, snapshots, producer ids, configs.

mod support;

use ottla_coordinator::effects::Ticket;
use ottla_coordinator::metadata::image::{ConfigResource, ConfigResourceType, LeaderRecoveryState};
use ottla_coordinator::metadata::records::*;
use ottla_coordinator::metadata::*;
use ottla_coordinator::shard::Shard;
use ottla_coordinator::timers::Millis;
use support::*;
use uuid::Uuid;

fn replayed(records: &[MetadataRecord]) -> MetadataShard {
    let mut shard = MetadataShard::new();
    records.iter().for_each(|record| shard.replay(record));
    shard.publish(records.len() as i64 - 1, 1).expect("records that fit");
    shard
}

#[test]
fn an_empty_log_opens_with_what_kafka_writes_for_its_release_4_1() {
    let mut node = Node::default();
    node.run(|shard, _| shard.bootstrap(Ticket(0), &Bootstrap { min_insync_replicas: 1 }));
    // Byte for byte the first data records of a node formatted with `--release-version 4.1`.
    let hex: Vec<String> = node.log.iter().map(|bytes| bytes.iter().map(|b| format!("{b:02x}")).collect()).collect();
    assert_eq!(
        hex,
        [
            "01170001001212426f6f747374726170207265636f726473",
            "010c00116d657461646174612e76657273696f6e001b00",
            "010c0021656c696769626c652e6c65616465722e7265706c696361732e76657273696f6e000100",
            "010c000e67726f75702e76657273696f6e000100",
            "010c00147472616e73616374696f6e2e76657273696f6e000200",
            "0104000401146d696e2e696e73796e632e7265706c69636173023100",
            "01180000",
        ]
    );
    assert_eq!(node.image().features().metadata_version(), 27);
    node.run(|shard, _| shard.bootstrap(Ticket(0), &Bootstrap { min_insync_replicas: 1 }));
    assert_eq!(node.log.len(), 7, "only an empty log is opened");
}

#[test]
fn nothing_of_an_open_transaction_is_published() {
    let mut shard = MetadataShard::new();
    let level = |level| MetadataRecord::FeatureLevel(FeatureLevelRecord { name: "metadata.version".into(), level });
    shard.replay(&level(25));
    assert!(shard.publish(0, 1).expect("fits").is_some());
    shard.replay(&MetadataRecord::BeginTransaction(BeginTransactionRecord::default()));
    shard.replay(&level(26));
    assert!(shard.publish(2, 1).expect("fits").is_none());
    assert_eq!(shard.published().features().metadata_version(), 25);
    shard.replay(&MetadataRecord::AbortTransaction(AbortTransactionRecord::default()));
    let published = shard.publish(3, 1).expect("fits").expect("closed");
    assert!(published.delta.is_empty());
    assert_eq!(published.new.provenance(), Provenance { last_offset: 3, epoch: 1 });
    shard.replay(&MetadataRecord::BeginTransaction(BeginTransactionRecord::default()));
    shard.replay(&level(27));
    shard.replay(&MetadataRecord::EndTransaction);
    let published = shard.publish(6, 1).expect("fits").expect("closed");
    assert_eq!(published.delta.changed_features.get("metadata.version"), Some(&27));
}

#[test]
fn a_transaction_left_open_by_a_crash_is_aborted_after_loading() {
    let mut shard = MetadataShard::new();
    shard.replay(&MetadataRecord::BeginTransaction(BeginTransactionRecord::default()));
    shard.replay(&MetadataRecord::FeatureLevel(FeatureLevelRecord { name: "metadata.version".into(), level: 27 }));
    let effects = shard.on_loaded(Millis(0));
    assert!(matches!(effects.records.as_slice(), [MetadataRecord::AbortTransaction(_)]));
    effects.records.iter().for_each(|record| shard.replay(record));
    assert!(shard.publish(2, 1).expect("fits").expect("closed").new.is_empty());
    assert!(shard.on_loaded(Millis(0)).records.is_empty());
}

#[test]
fn a_record_that_does_not_fit_stops_the_shard() {
    let mut shard = MetadataShard::new();
    let gone = TopicId(Uuid::from_u128(9));
    shard.replay(&MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: gone }));
    shard.replay(&MetadataRecord::NoOp);
    assert_eq!(shard.publish(1, 1).err(), Some(ReplayError::UnknownTopic(gone)));
    for record in [
        MetadataRecord::EndTransaction,
        MetadataRecord::AbortTransaction(AbortTransactionRecord::default()),
        MetadataRecord::PartitionChange(PartitionChangeRecord::new(gone, 0)),
        MetadataRecord::UnregisterBroker(UnregisterBrokerRecord { broker_id: NODE, broker_epoch: BrokerEpoch(1) }),
        MetadataRecord::RemoveAccessControlEntry(RemoveAccessControlEntryRecord { id: Uuid::nil() }),
    ] {
        let mut shard = MetadataShard::new();
        shard.replay(&record);
        assert!(shard.publish(0, 1).is_err(), "{record:?}");
    }
}

#[test]
fn each_start_gives_a_new_broker_epoch_and_every_partition_a_new_leader_epoch() {
    let mut node = Node::started();
    node.create(&create(&[topic("a", 2, 1), topic("b", 1, 1)]));
    let (first, id) = {
        let broker = node.image().cluster().broker(NODE).expect("registered");
        (broker.epoch, broker.incarnation_id)
    };
    let log_end_offset = node.log.len() as i64;
    // A kill: the log still says this broker leads, unfenced.
    let epoch = node.register();
    assert_eq!(epoch, BrokerEpoch(log_end_offset), "the broker epoch is the offset of its registration");
    let broker = node.image().cluster().broker(NODE).expect("registered");
    assert!(broker.epoch > first && broker.incarnation_id != id && broker.is_active());
    for (name, partition) in [("a", 0), ("a", 1), ("b", 0)] {
        let partition = node.partition(name, partition);
        assert_eq!((partition.leader, partition.leader_epoch, partition.partition_epoch), (Some(NODE), LeaderEpoch(1), PartitionEpoch(1)));
        assert_eq!(partition.isr, [NODE]);
    }
    let local = node.last_delta().local_changes(NODE);
    assert_eq!((local.leaders.len(), local.elected.len()), (3, 3));
    assert!(local.elected.iter().all(|(_, _, epoch)| *epoch == LeaderEpoch(1)));
}

#[test]
fn a_clean_stop_gives_leaderships_up_as_kafka_does_and_a_start_takes_them_back() {
    let mut node = Node::started();
    node.create(&create(&[topic("a", 1, 1)]));
    let before = node.log.len();
    node.run(|shard, _| shard.fence_broker(Ticket(0), NODE));
    let records: Vec<_> = node.log[before..].iter().map(|bytes| MetadataRecord::decode(bytes).expect("ours")).collect();
    // Kafka's log at this point: controlled shutdown, the change with ISR and ELR, fenced.
    let MetadataRecord::PartitionChange(change) = &records[1] else { panic!("{records:?}") };
    assert_eq!((change.leader, change.isr.as_deref()), (Some(BrokerId::NONE), Some(&[][..])));
    assert_eq!((change.elr.as_deref(), change.last_known_elr.as_deref()), (Some(&[NODE][..]), Some(&[NODE][..])));
    assert_eq!(records.len(), 3);
    let partition = node.partition("a", 0);
    assert_eq!((partition.leader, partition.leader_epoch), (None, LeaderEpoch(1)));
    assert!(!node.image().cluster().is_active(NODE));
    assert_eq!(node.last_delta().local_changes(NODE).followers.len(), 1, "leaderless is not led");
    node.run(|shard, _| shard.fence_broker(Ticket(0), NODE));
    assert_eq!(node.log.len(), before + 3, "stopping twice says nothing new");

    node.register();
    let partition = node.partition("a", 0);
    assert_eq!((partition.leader, partition.leader_epoch), (Some(NODE), LeaderEpoch(2)));
    assert_eq!((partition.isr.as_slice(), partition.elr.len(), partition.last_known_elr.len()), (&[NODE][..], 0, 0));
}

#[test]
fn only_partitions_this_broker_may_lead_are_elected() {
    let mut node = Node::started();
    node.create(&create(&[topic("a", 6, 1)]));
    let topic_id = node.image().topics().by_name("a").expect("created").id;
    let other = BrokerId(8);
    let place = |node: &mut Node, partition, replicas: &[BrokerId], isr: &[BrokerId], leader, elr: &[BrokerId], last: &[BrokerId]| {
        let mut change = PartitionChangeRecord::new(topic_id, partition);
        change.replicas = Some(replicas.to_vec());
        change.isr = Some(isr.to_vec());
        change.leader = Some(leader);
        change.elr = Some(elr.to_vec());
        change.last_known_elr = Some(last.to_vec());
        node.append(&MetadataRecord::PartitionChange(change));
    };
    let none = BrokerId::NONE;
    place(&mut node, 0, &[other], &[other], none, &[], &[]); // not ours
    place(&mut node, 1, &[NODE, other], &[other], none, &[], &[]); // we fell out of sync
    place(&mut node, 2, &[NODE, other], &[], none, &[NODE, other], &[]); // eligible
    place(&mut node, 3, &[NODE, other], &[], none, &[other], &[NODE]); // another is eligible
    place(&mut node, 4, &[NODE, other], &[], none, &[], &[NODE]); // the last known leader
    place(&mut node, 5, &[NODE, other], &[other], none, &[NODE], &[]); // eligible, but another is in sync
    node.register();
    let leaders: Vec<_> = (0..6).map(|partition| node.partition("a", partition).leader).collect();
    assert_eq!(leaders, [None, None, Some(NODE), None, Some(NODE), None]);
    assert_eq!(node.partition("a", 2).elr, [other]);
    assert_eq!(node.partition("a", 2).isr, [NODE]);
}

#[test]
fn a_failed_directory_takes_its_leaders_with_it_until_it_is_registered_again() {
    let mut node = Node::started();
    let directories = [DirectoryId(Uuid::from_u128(1001)), DirectoryId(Uuid::from_u128(1002))];
    let register = |node: &mut Node, log_dirs: &[DirectoryId]| {
        let request = BrokerRegistrationRequest { log_dirs: log_dirs.to_vec(), ..node.registration() };
        node.run(|shard, end| shard.register_broker(Ticket(0), &request, end));
    };
    register(&mut node, &directories);
    node.create(&create(&[topic("a", 3, 1)]));
    let topic_id = node.image().topics().by_name("a").expect("created").id;
    assert_eq!(node.partition("a", 0).directories, [DirectoryId::UNASSIGNED], "with two to choose from nobody has said");
    let assigned = [(topic_id, 0, directories[0]), (topic_id, 1, directories[1])];
    node.run(|shard, _| shard.assign_directories(Ticket(0), NODE, &assigned));
    assert_eq!(node.partition("a", 0).leader_epoch, LeaderEpoch(0), "where it lies changes no leader");

    let fail = |node: &mut Node| node.run(|shard, _| shard.directories_offline(Ticket(0), NODE, &[directories[1]]));
    fail(&mut node);
    let leaders = |node: &Node| (0..3).map(|partition| node.partition("a", partition).leader.is_some()).collect::<Vec<_>>();
    assert_eq!(leaders(&node), [true, false, true], "a partition that nobody has placed is believed to be well");
    assert_eq!(node.partition("a", 1).leader_epoch, LeaderEpoch(1));
    let cluster = node.image().cluster();
    assert_eq!(cluster.broker(NODE).expect("registered").log_dirs, [directories[0]]);
    let serves: Vec<bool> = (0..3).map(|partition| cluster.serves(NODE, node.partition("a", partition))).collect();
    assert_eq!(serves, [true, false, true]);
    let told = node.log.len();
    fail(&mut node);
    assert_eq!(node.log.len(), told, "once");

    register(&mut node, &directories[..1]);
    assert_eq!(leaders(&node), [true, false, true], "it did not come back with the broker");
    register(&mut node, &directories);
    assert_eq!(leaders(&node), [true, true, true]);
    // A kill left it leading, and the directory is missing at the start.
    register(&mut node, &directories[..1]);
    assert_eq!(leaders(&node), [true, false, true]);
}

#[test]
fn an_unclean_leader_of_the_only_replica_has_recovered_at_the_next_start() {
    let mut node = Node::started();
    node.create(&create(&[topic("a", 1, 1)]));
    let topic_id = node.image().topics().by_name("a").expect("created").id;
    let mut change = PartitionChangeRecord::new(topic_id, 0);
    change.leader_recovery_state = Some(1);
    node.append(&MetadataRecord::PartitionChange(change));
    assert_eq!(node.shard.image().topics().partition(topic_id, 0).map(|p| p.leader_recovery_state), Some(LeaderRecoveryState::Recovering));
    node.register();
    assert_eq!(node.partition("a", 0).leader_recovery_state, LeaderRecoveryState::Recovered);
}

#[test]
fn a_change_of_an_older_registration_does_not_fit() {
    let mut node = Node::started();
    let older = node.image().cluster().broker(NODE).expect("registered").epoch;
    let newer = node.register();
    let fence = |epoch| {
        MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            fenced: FenceChange::Fence,
            ..BrokerRegistrationChangeRecord::new(NODE, epoch)
        })
    };
    let mut shard = node.reloaded();
    shard.replay(&fence(newer));
    assert!(shard.publish(100, 1).is_ok());
    shard.replay(&fence(older));
    assert_eq!(shard.publish(101, 1).err(), Some(ReplayError::UnknownBroker { broker_id: NODE, broker_epoch: older }));
}

#[test]
fn a_feature_at_level_zero_leaves_no_trace() {
    let level = |level| MetadataRecord::FeatureLevel(FeatureLevelRecord { name: "group.version".into(), level });
    let on_and_off = replayed(&[level(1), level(0)]);
    assert!(on_and_off.published().is_empty());
    assert_eq!(on_and_off.published().features().iter().count(), 0);
}

#[test]
fn a_registration_without_usable_directories_is_refused() {
    let mut node = Node::started();
    let directory = DirectoryId(Uuid::from_u128(7 << 100));
    for log_dirs in [vec![], vec![DirectoryId::LOST], vec![directory, directory]] {
        let request = BrokerRegistrationRequest { log_dirs, ..node.registration() };
        let before = node.log.len();
        let replies = node.run(|shard, end| shard.register_broker(Ticket(0), &request, end));
        assert!(matches!(&replies[..], [MetadataReply::Registered(Err(_))]), "{replies:?}");
        assert_eq!(node.log.len(), before);
    }
}

#[test]
fn with_several_directories_new_replicas_wait_for_the_broker_to_choose() {
    let mut node = Node::default();
    node.run(|shard, _| shard.bootstrap(Ticket(0), &Bootstrap { min_insync_replicas: 1 }));
    let [one, two] = [DirectoryId(Uuid::from_u128(1 << 100)), DirectoryId(Uuid::from_u128(2 << 100))];
    let request = BrokerRegistrationRequest { log_dirs: vec![two, one], ..node.registration() };
    node.run(|shard, end| shard.register_broker(Ticket(0), &request, end));
    assert_eq!(node.image().cluster().broker(NODE).map(|b| b.log_dirs.clone()), Some(vec![one, two]));
    node.create(&create(&[topic("a", 2, 1)]));
    assert_eq!(node.partition("a", 0).directories, [DirectoryId::UNASSIGNED]);
    let id = node.image().topics().by_name("a").expect("created").id;
    let assigned = [(id, 0, two), (id, 9, two), (TopicId(Uuid::from_u128(1)), 0, two)];
    node.run(|shard, _| shard.assign_directories(Ticket(0), NODE, &assigned));
    assert_eq!(node.partition("a", 0).directory_of(NODE), Some(two));
    assert_eq!(node.partition("a", 0).leader_epoch, LeaderEpoch(0), "no election");
    let before = node.log.len();
    node.run(|shard, _| shard.assign_directories(Ticket(0), NODE, &assigned));
    assert_eq!(node.log.len(), before, "nothing new to say");
}

#[test]
fn producer_ids_come_in_blocks_that_are_never_handed_out_twice() {
    let mut node = Node::started();
    let take = |node: &mut Node, epoch| match node.run(|shard, _| shard.allocate_producer_ids(Ticket(0), NODE, epoch)).remove(0) {
        MetadataReply::ProducerIds(outcome) => outcome.map(|block| (block.first, block.count)).map_err(|error| error.error.code()),
        other => panic!("{other:?}"),
    };
    let epoch = node.image().cluster().broker(NODE).expect("registered").epoch;
    assert_eq!(take(&mut node, epoch), Ok((0, 1000)));
    assert_eq!(take(&mut node, epoch), Ok((1000, 1000)));
    assert_eq!(node.last_delta().next_producer_id, Some(2000));
    let newer = node.register();
    assert_eq!(take(&mut node, epoch), Err(77), "a broker of an older registration gets none");
    assert_eq!(take(&mut node, newer), Ok((2000, 1000)));
    assert_eq!(node.reloaded().published().next_producer_id(), 3000, "also after a restart");
}

#[test]
fn a_snapshot_replays_to_the_same_image_in_kafkas_order() {
    let mut node = Node::started();
    node.create(&create(&[with_config(topic("b", 2, 1), "retention.ms", Some("5")), topic("a", 1, 1)]));
    node.run(|shard, _| shard.allocate_producer_ids(Ticket(0), NODE, shard.image().cluster().broker(NODE).expect("registered").epoch));
    for record in security_records() {
        node.append(&record);
    }
    node.run(|_, _| MetadataEffects::default());
    let records = image_records(node.image());
    let types: Vec<u32> = records.iter().map(MetadataRecord::type_id).collect();
    let mut phases = types.clone();
    phases.dedup();
    // Features, brokers, controllers, topics with their partitions, configs, quotas, producer ids, ACLs, SCRAM, tokens.
    assert_eq!(phases, [12, 0, 2, 3, 2, 3, 4, 14, 15, 18, 11, 10]);
    assert!(matches!(&records[0], MetadataRecord::FeatureLevel(first) if first.name == "metadata.version"));
    let loaded = replayed(&records);
    assert!(loaded.published().same_contents(node.image()));
    assert_eq!(image_records(loaded.published()), records);
    assert!(MetadataDelta::between(node.image(), loaded.published()).is_empty());
}

fn security_records() -> Vec<MetadataRecord> {
    vec![
        MetadataRecord::ClientQuota(ClientQuotaRecord {
            entity: vec![
                QuotaEntityPart { entity_type: "user".into(), entity_name: Some("alice".into()) },
                QuotaEntityPart { entity_type: "client-id".into(), entity_name: None },
            ],
            key: "producer_byte_rate".into(),
            value: 1024.0,
            remove: false,
        }),
        MetadataRecord::AccessControlEntry(AccessControlEntryRecord {
            id: Uuid::from_u128(4),
            resource_type: 2,
            resource_name: "a".into(),
            pattern_type: 3,
            principal: "User:alice".into(),
            host: "*".into(),
            operation: 3,
            permission_type: 3,
        }),
        MetadataRecord::UserScramCredential(UserScramCredentialRecord {
            name: "alice".into(),
            mechanism: 1,
            salt: vec![1],
            stored_key: vec![2],
            server_key: vec![3],
            iterations: 4096,
        }),
        MetadataRecord::DelegationToken(DelegationTokenRecord {
            owner: "User:a".into(),
            requester: "User:a".into(),
            renewers: vec![],
            issue_timestamp: 1,
            max_timestamp: 2,
            expiration_timestamp: 3,
            token_id: "t".into(),
        }),
    ]
}

#[test]
fn a_loaded_snapshot_deletes_what_it_does_not_name() {
    let mut node = Node::started();
    node.create(&create(&[with_config(topic("a", 1, 1), "retention.ms", Some("5"))]));
    let old = node.image().clone();
    let delta = MetadataDelta::between(&old, &MetadataImage::default());
    assert_eq!((delta.deleted_topics.len(), delta.removed_brokers.as_slice()), (1, &[NODE][..]));
    assert_eq!(delta.changed_features.get("metadata.version"), Some(&0));
    assert_eq!(delta.changed_configs.len(), 2, "the topic's and the cluster's");
}

#[test]
fn snapshots_are_named_as_kafka_names_them() {
    let id = SnapshotId::of(Provenance { last_offset: 1242, epoch: 3 });
    assert_eq!(id.to_string(), "00000000000000001243-0000000003.checkpoint");
    assert_eq!(SnapshotId::parse_file_name(&id.to_string()), Some(id));
    for other in [
        "bootstrap.checkpoint",
        "00000000000000001243.log",
        "1-1.checkpoint",
        "00000000000000001243-0000000003.checkpoint.part",
        "é-x.checkpoint",
    ] {
        assert_eq!(SnapshotId::parse_file_name(other), None, "{other}");
    }
    assert_eq!(SnapshotId::parse_file_name("99999999999999999999-0000000003.checkpoint"), None, "beyond 64 bits");
}

fn change(resource: ConfigResource, operations: &[(&str, ConfigOperation)]) -> ConfigChange {
    ConfigChange { resource, operations: operations.iter().map(|(key, operation)| ((*key).to_owned(), operation.clone())).collect() }
}

fn alter(node: &mut Node, changes: &[ConfigChange]) -> Vec<(i16, String)> {
    match node.run(|shard, _| shard.alter_configs(Ticket(0), changes, ConfigScope::NamedKeys, false, &Configs)).remove(0) {
        MetadataReply::Configs(outcomes) => outcomes
            .into_iter()
            .map(|outcome| outcome.err().map_or((0, String::new()), |error| (error.error.code(), error.message.unwrap_or_default())))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn configs_are_set_appended_subtracted_and_deleted() {
    use ConfigOperation::{Append, Delete, Set, Subtract};
    let mut node = Node::started();
    node.create(&create(&[topic("a", 1, 1)]));
    let resource = ConfigResource::topic(&TopicName::parse("a").expect("a valid name"));
    let ok = (0, String::new());
    let mut step = |operation: (&str, ConfigOperation)| {
        assert_eq!(alter(&mut node, &[change(resource.clone(), &[operation])]), std::slice::from_ref(&ok));
        node.image().configs().value(&resource, "cleanup.policy").map(str::to_owned)
    };
    assert_eq!(step(("cleanup.policy", Append("compact".into()))).as_deref(), Some("delete,compact"), "starts from the default");
    assert_eq!(step(("cleanup.policy", Append("compact".into()))).as_deref(), Some("delete,compact"));
    assert_eq!(step(("cleanup.policy", Subtract("delete".into()))).as_deref(), Some("compact"));
    assert_eq!(step(("cleanup.policy", Subtract("compact".into()))).as_deref(), Some(""));
    assert_eq!(step(("cleanup.policy", Set("delete".into()))).as_deref(), Some("delete"));
    assert_eq!(step(("cleanup.policy", Delete)), None);
    assert!(node.image().configs().of(&resource).is_none(), "a resource without configs leaves no trace");
}

#[test]
fn a_wrong_change_is_refused_alone_in_kafkas_words() {
    use ConfigOperation::{Append, Delete, Set};
    let mut node = Node::started();
    node.create(&create(&[topic("a", 1, 1)]));
    let of = |name: &str| ConfigResource { resource_type: ConfigResourceType::Topic, name: name.into() };
    let broker = |name: &str| ConfigResource { resource_type: ConfigResourceType::Broker, name: name.into() };
    let set = |value: &str| [("retention.ms", Set(value.into()))];
    let outcomes = alter(
        &mut node,
        &[
            change(of("a"), &set("x")),
            change(of("nope"), &set("5")),
            change(of("nope"), &set("x")),
            change(of("no/pe"), &set("5")),
            change(of(""), &set("5")),
            change(of("a"), &[("retention.ms", Append("5".into()))]),
            change(broker("x"), &set("5")),
            change(broker(""), &[("min.insync.replicas", Delete)]),
            change(broker("3"), &[("min.insync.replicas", Set("1".into()))]),
            change(of("a"), &[("no.such", Delete)]),
            change(of("a"), &set("5")),
        ],
    );
    let invalid = "Invalid value x for configuration retention.ms: Not a number of type LONG";
    let name = "Topic name is invalid: 'no/pe' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
    let expected = [
        (40, invalid),
        (3, "The topic 'nope' does not exist."),
        (40, invalid),
        (17, name),
        (42, "Default topic resources are not allowed."),
        (40, "Can't APPEND to key retention.ms because its type is not LIST."),
        (42, "Unable to parse broker name as a base 10 number."),
        (40, "Cluster-level min.insync.replicas cannot be removed while ELR is enabled."),
        (40, "Broker-level min.insync.replicas cannot be altered while ELR is enabled."),
        (0, ""),
        (0, ""),
    ];
    assert_eq!(outcomes, expected.map(|(code, text)| (code, text.to_owned())));
    assert_eq!(node.image().configs().value(&of("a"), "retention.ms"), Some("5"));
}

#[test]
fn a_new_min_insync_replicas_forgets_who_was_eligible() {
    let mut node = Node::started();
    node.create(&create(&[topic("a", 1, 1)]));
    node.run(|shard, _| shard.fence_broker(Ticket(0), NODE));
    assert_eq!(node.partition("a", 0).elr, [NODE]);
    let resource = ConfigResource::topic(&TopicName::parse("a").expect("a valid name"));
    alter(&mut node, &[change(resource, &[("min.insync.replicas", ConfigOperation::Set("2".into()))])]);
    assert!(node.partition("a", 0).elr.is_empty() && node.partition("a", 0).last_known_elr.is_empty());
}

#[test]
fn the_old_alter_configs_replaces_everything() {
    let mut node = Node::started();
    node.create(&create(&[with_config(topic("a", 1, 1), "retention.ms", Some("5"))]));
    let resource = ConfigResource::topic(&TopicName::parse("a").expect("a valid name"));
    let changes = [change(resource.clone(), &[("cleanup.policy", ConfigOperation::Set("compact".into()))])];
    node.run(|shard, _| shard.alter_configs(Ticket(0), &changes, ConfigScope::AllKeys, true, &Configs));
    assert_eq!(node.image().configs().value(&resource, "retention.ms"), Some("5"), "validated only");
    node.run(|shard, _| shard.alter_configs(Ticket(0), &changes, ConfigScope::AllKeys, false, &Configs));
    assert_eq!(node.image().configs().value(&resource, "retention.ms"), None);
    assert_eq!(node.image().configs().value(&resource, "cleanup.policy"), Some("compact"));
}

#[test]
fn readers_of_an_older_image_are_not_disturbed() {
    let mut node = Node::started();
    node.create(&create(&[topic("a", 1, 1)]));
    let old = node.shard.published().clone();
    node.create(&create(&[topic("b", 1, 1)]));
    node.register();
    assert_eq!(old.topics().len(), 1);
    let a = old.topics().by_name("a").expect("still there");
    assert_eq!(a.partitions[&0].leader_epoch, LeaderEpoch(0));
    assert!(std::ptr::eq(old.configs(), node.image().configs()), "an untouched part is shared, not copied");
}
