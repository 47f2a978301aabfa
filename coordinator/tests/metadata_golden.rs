//! Our codecs against bytes that Apache Kafka's own classes wrote; see `golden/README.md`.

use ottla_coordinator::metadata::records::control::{ControlRecord, Voter};
use ottla_coordinator::metadata::records::*;
use ottla_coordinator::metadata::{
    BrokerEpoch, BrokerId, DirectoryId, IncarnationId, LeaderEpoch, MetadataShard, PartitionEpoch, TopicId, TopicName,
};
use ottla_coordinator::shard::Shard;
use std::collections::BTreeMap;
use uuid::Uuid;

const A: Uuid = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
const B: Uuid = Uuid::from_u128(0x1112_1314_1516_1718_191a_1b1c_1d1e_1f20);
const C: Uuid = Uuid::from_u128(0xf1f2_f3f4_f5f6_f7f8_f9fa_fbfc_fdfe_ff00);

fn unhex(text: &str) -> Vec<u8> {
    let nibble = |c: u8| (c as char).to_digit(16).expect("a hex digit") as u8;
    text.as_bytes().chunks(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect()
}

fn golden() -> BTreeMap<&'static str, Vec<u8>> {
    let lines = include_str!("golden/metadata_records.hex").lines();
    lines.map(|line| line.split_once(' ').expect("label and bytes")).map(|(label, hex)| (label, unhex(hex))).collect()
}

fn brokers(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

fn directories(ids: &[Uuid]) -> Vec<DirectoryId> {
    ids.iter().copied().map(DirectoryId).collect()
}

fn broker() -> RegisterBrokerRecord {
    let endpoint =
        |name: &str, host: &str, port, security_protocol| Endpoint { name: name.into(), host: host.into(), port, security_protocol };
    RegisterBrokerRecord {
        broker_id: BrokerId(1),
        is_migrating_zk_broker: false,
        incarnation_id: IncarnationId(A),
        broker_epoch: BrokerEpoch(11),
        endpoints: vec![endpoint("PLAINTEXT", "localhost", 9092, 0), endpoint("SECURE", "broker.example", 65535, 3)],
        features: vec![SupportedFeature { name: "metadata.version".into(), min: 22, max: 27 }],
        rack: Some("rack-1".into()),
        fenced: true,
        in_controlled_shutdown: false,
        log_dirs: vec![],
        cordoned_log_dirs: None,
    }
}

fn partition() -> PartitionRecord {
    PartitionRecord {
        partition_id: 7,
        topic_id: TopicId(A),
        replicas: brokers(&[1, 2, 3]),
        isr: brokers(&[1, 2]),
        removing_replicas: brokers(&[3]),
        adding_replicas: brokers(&[4]),
        leader: BrokerId(1),
        leader_recovery_state: 0,
        leader_epoch: LeaderEpoch(5),
        partition_epoch: PartitionEpoch(9),
        directories: vec![],
        elr: None,
        last_known_elr: None,
    }
}

fn change() -> PartitionChangeRecord {
    PartitionChangeRecord::new(TopicId(A), 7)
}

fn registration_change() -> BrokerRegistrationChangeRecord {
    BrokerRegistrationChangeRecord::new(BrokerId(1), BrokerEpoch(11))
}

/// Every data record of the golden file, as we would make it.
fn expected() -> Vec<(&'static str, u16, MetadataRecord)> {
    use MetadataRecord as R;
    let mut all = vec![
        ("register-broker", 0, R::RegisterBroker(broker())),
        ("register-broker", 1, R::RegisterBroker(RegisterBrokerRecord { in_controlled_shutdown: true, ..broker() })),
        (
            "register-broker",
            2,
            R::RegisterBroker(RegisterBrokerRecord { in_controlled_shutdown: true, is_migrating_zk_broker: true, ..broker() }),
        ),
        (
            "register-broker",
            3,
            R::RegisterBroker(RegisterBrokerRecord { rack: None, fenced: false, log_dirs: directories(&[A, B]), ..broker() }),
        ),
        ("register-broker-no-dirs", 3, R::RegisterBroker(broker())),
        (
            "register-broker",
            4,
            R::RegisterBroker(RegisterBrokerRecord { log_dirs: directories(&[A]), cordoned_log_dirs: Some(directories(&[A])), ..broker() }),
        ),
        (
            "register-broker-nothing-cordoned",
            4,
            R::RegisterBroker(RegisterBrokerRecord { log_dirs: directories(&[A]), cordoned_log_dirs: Some(vec![]), ..broker() }),
        ),
        ("unregister-broker", 0, R::UnregisterBroker(UnregisterBrokerRecord { broker_id: BrokerId(1), broker_epoch: BrokerEpoch(11) })),
        ("fence-broker", 0, R::FenceBroker(FenceBrokerRecord { broker_id: BrokerId(1), broker_epoch: BrokerEpoch(11) })),
        ("unfence-broker", 0, R::UnfenceBroker(UnfenceBrokerRecord { broker_id: BrokerId(1), broker_epoch: BrokerEpoch(11) })),
        (
            "broker-registration-change-unfence",
            0,
            R::BrokerRegistrationChange(BrokerRegistrationChangeRecord { fenced: FenceChange::Unfence, ..registration_change() }),
        ),
        (
            "broker-registration-change-fence",
            0,
            R::BrokerRegistrationChange(BrokerRegistrationChangeRecord { fenced: FenceChange::Fence, ..registration_change() }),
        ),
        (
            "broker-registration-change",
            1,
            R::BrokerRegistrationChange(BrokerRegistrationChangeRecord { in_controlled_shutdown: true, ..registration_change() }),
        ),
        (
            "broker-registration-change",
            2,
            R::BrokerRegistrationChange(BrokerRegistrationChangeRecord { log_dirs: directories(&[A, B]), ..registration_change() }),
        ),
        (
            "broker-registration-change",
            3,
            R::BrokerRegistrationChange(BrokerRegistrationChangeRecord { cordoned_log_dirs: Some(vec![]), ..registration_change() }),
        ),
    ];
    all.extend(expected_partitions());
    all.extend(expected_others());
    all
}

fn expected_partitions() -> Vec<(&'static str, u16, MetadataRecord)> {
    use MetadataRecord as R;
    let placed = || PartitionRecord { directories: directories(&[A, B, C]), ..partition() };
    vec![
        ("partition", 0, R::Partition(partition())),
        ("partition", 1, R::Partition(PartitionRecord { leader_recovery_state: 1, ..placed() })),
        ("partition", 2, R::Partition(placed())),
        (
            "partition-elr",
            2,
            R::Partition(PartitionRecord {
                leader: BrokerId::NONE,
                leader_recovery_state: 1,
                elr: Some(brokers(&[2])),
                last_known_elr: Some(brokers(&[1])),
                ..placed()
            }),
        ),
        ("partition-change-nothing", 0, R::PartitionChange(change())),
        (
            "partition-change",
            0,
            R::PartitionChange(PartitionChangeRecord { isr: Some(brokers(&[1])), leader: Some(BrokerId(1)), ..change() }),
        ),
        (
            "partition-change",
            1,
            R::PartitionChange(PartitionChangeRecord { leader: Some(BrokerId::NONE), directories: Some(directories(&[A])), ..change() }),
        ),
        (
            "partition-change",
            2,
            R::PartitionChange(PartitionChangeRecord {
                isr: Some(vec![]),
                leader: Some(BrokerId(2)),
                replicas: Some(brokers(&[2, 1])),
                removing_replicas: Some(brokers(&[1])),
                adding_replicas: Some(brokers(&[2])),
                leader_recovery_state: Some(0),
                elr: Some(brokers(&[1])),
                last_known_elr: Some(vec![]),
                directories: Some(directories(&[A, B])),
                ..change()
            }),
        ),
        ("clear-elr", 0, R::ClearElr(ClearElrRecord { topic: Some(TopicName::parse("orders").expect("a valid name")) })),
        ("clear-elr-all", 0, R::ClearElr(ClearElrRecord { topic: None })),
    ]
}

fn expected_others() -> Vec<(&'static str, u16, MetadataRecord)> {
    use MetadataRecord as R;
    let config = |resource_type, resource_name: &str, name: &str, value: Option<&str>| {
        R::Config(ConfigRecord { resource_type, resource_name: resource_name.into(), name: name.into(), value: value.map(str::to_owned) })
    };
    let part =
        |entity_type: &str, name: Option<&str>| QuotaEntityPart { entity_type: entity_type.into(), entity_name: name.map(str::to_owned) };
    vec![
        ("topic", 0, R::Topic(TopicRecord { name: TopicName::parse("orders.v1_a-b").expect("a valid name"), topic_id: TopicId(A) })),
        ("remove-topic", 0, R::RemoveTopic(RemoveTopicRecord { topic_id: TopicId(A) })),
        ("config", 0, config(2, "orders", "retention.ms", Some("1000"))),
        ("config-removed", 0, config(4, "", "min.insync.replicas", None)),
        (
            "delegation-token",
            0,
            R::DelegationToken(DelegationTokenRecord {
                owner: "User:a".into(),
                requester: "User:b".into(),
                renewers: vec!["User:c".into(), "User:d".into()],
                issue_timestamp: 1,
                max_timestamp: 2,
                expiration_timestamp: 3,
                token_id: "token".into(),
            }),
        ),
        ("remove-delegation-token", 0, R::RemoveDelegationToken(RemoveDelegationTokenRecord { token_id: "token".into() })),
        (
            "user-scram-credential",
            0,
            R::UserScramCredential(UserScramCredentialRecord {
                name: "alice".into(),
                mechanism: 1,
                salt: vec![1, 2],
                stored_key: vec![3],
                server_key: vec![],
                iterations: 4096,
            }),
        ),
        (
            "remove-user-scram-credential",
            0,
            R::RemoveUserScramCredential(RemoveUserScramCredentialRecord { name: "alice".into(), mechanism: 2 }),
        ),
        ("feature-level", 0, R::FeatureLevel(FeatureLevelRecord { name: "metadata.version".into(), level: 27 })),
        (
            "client-quota",
            0,
            R::ClientQuota(ClientQuotaRecord {
                entity: vec![part("user", Some("alice")), part("client-id", None)],
                key: "producer_byte_rate".into(),
                value: 1_048_576.5,
                remove: false,
            }),
        ),
        (
            "producer-ids",
            0,
            R::ProducerIds(ProducerIdsRecord { broker_id: BrokerId(1), broker_epoch: BrokerEpoch(11), next_producer_id: 3000 }),
        ),
        (
            "access-control-entry",
            0,
            R::AccessControlEntry(AccessControlEntryRecord {
                id: A,
                resource_type: 2,
                resource_name: "orders".into(),
                pattern_type: 3,
                principal: "User:alice".into(),
                host: "*".into(),
                operation: 3,
                permission_type: 3,
            }),
        ),
        ("remove-access-control-entry", 0, R::RemoveAccessControlEntry(RemoveAccessControlEntryRecord { id: A })),
        ("no-op", 0, R::NoOp),
        ("zk-migration-state", 0, R::ZkMigrationState(ZkMigrationStateRecord { state: 3 })),
        ("begin-transaction", 0, R::BeginTransaction(BeginTransactionRecord { name: Some("Bootstrap records".into()) })),
        ("begin-transaction-unnamed", 0, R::BeginTransaction(BeginTransactionRecord { name: None })),
        ("end-transaction", 0, R::EndTransaction),
        ("abort-transaction", 0, R::AbortTransaction(AbortTransactionRecord { reason: Some("because".into()) })),
        (
            "register-controller",
            0,
            R::RegisterController(RegisterControllerRecord {
                controller_id: BrokerId(1),
                incarnation_id: IncarnationId(A),
                zk_migration_ready: false,
                endpoints: vec![Endpoint { name: "CONTROLLER".into(), host: "localhost".into(), port: 9093, security_protocol: 0 }],
                features: vec![SupportedFeature { name: "kraft.version".into(), min: 0, max: 1 }],
            }),
        ),
    ]
}

fn expected_control() -> Vec<(&'static str, u16, ControlRecord)> {
    let leader_change = |directory: Option<Uuid>| {
        let voters = vec![(BrokerId(1), directory.map(DirectoryId))];
        ControlRecord::LeaderChange { leader_id: BrokerId(1), granting_voters: voters.clone(), voters }
    };
    vec![
        ("leader-change", 0, leader_change(None)),
        ("leader-change", 1, leader_change(Some(A))),
        ("snapshot-header", 0, ControlRecord::SnapshotHeader { last_contained_log_timestamp: 1_234_567_890_123 }),
        ("snapshot-footer", 0, ControlRecord::SnapshotFooter),
        ("kraft-version", 0, ControlRecord::KRaftVersion { level: 1 }),
        (
            "voters",
            0,
            ControlRecord::Voters {
                voters: vec![Voter {
                    id: BrokerId(1),
                    directory_id: DirectoryId(A),
                    endpoints: vec![("CONTROLLER".into(), "localhost".into(), 9093)],
                    kraft_versions: (0, 1),
                }],
            },
        ),
    ]
}

#[test]
fn every_record_at_every_version_is_kafkas_bytes() {
    let mut golden = golden();
    for (label, version, record) in expected() {
        let bytes = golden.remove(format!("{label}-v{version}").as_str()).unwrap_or_else(|| panic!("{label}-v{version} is golden"));
        assert_eq!(&record.encode_at(version)[..], &bytes[..], "{label}-v{version} encoded");
        assert_eq!(MetadataRecord::decode(&bytes).as_ref(), Ok(&record), "{label}-v{version} decoded");
    }
    for (label, version, record) in expected_control() {
        let bytes = golden.remove(format!("{label}-v{version}").as_str()).unwrap_or_else(|| panic!("{label}-v{version} is golden"));
        let ours = record.encode();
        assert_eq!(&ours.value[..], &bytes[..], "{label}-v{version} encoded");
        assert_eq!(ControlRecord::decode(&ours.key, &bytes), Ok(Some(record)), "{label}-v{version} decoded");
    }
    assert!(golden.is_empty(), "nothing golden is left unread: {:?}", golden.keys());
}

#[test]
fn a_record_cut_short_or_grown_anywhere_is_refused() {
    for (label, bytes) in golden() {
        for cut in 0..bytes.len() {
            // Cut control values would need their key; data records must never decode from a prefix.
            assert!(MetadataRecord::decode(&bytes[..cut]).is_err(), "{label} cut at {cut}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(MetadataRecord::decode(&longer).is_err(), "{label} with a byte behind it");
    }
}

#[test]
fn what_is_newer_than_this_code_is_refused_by_name() {
    assert_eq!(MetadataRecord::decode(&[0, 20, 0, 0]), Err(RecordError::FrameVersion(0)));
    assert_eq!(MetadataRecord::decode(&[2, 20, 0, 0]), Err(RecordError::FrameVersion(2)));
    assert_eq!(MetadataRecord::decode(&[1, 29, 0, 0]), Err(RecordError::UnknownType(29)));
    assert_eq!(MetadataRecord::decode(&[1, 6, 0, 0]), Err(RecordError::UnknownType(6)));
    let newer = RecordError::UnsupportedVersion { record: "NoOpRecord", version: 1, newest: 0 };
    assert_eq!(MetadataRecord::decode(&[1, 20, 1, 0]), Err(newer));
}

#[test]
fn a_topic_name_that_could_leave_its_directory_is_no_topic_name() {
    let record = MetadataRecord::Topic(TopicRecord { name: TopicName::parse("aaaa").expect("a valid name"), topic_id: TopicId(A) });
    let bytes = record.encode();
    let at = bytes.windows(4).position(|window| window == b"aaaa").expect("the name");
    let with_name = |name: &[u8; 4]| [&bytes[..at], name, &bytes[at + 4..]].concat();
    assert_eq!(MetadataRecord::decode(&with_name(b"bbbb")).map(|record| record.type_id()), Ok(2));
    assert!(matches!(MetadataRecord::decode(&with_name(b"../x")), Err(RecordError::TopicName(_))));
    assert!(matches!(MetadataRecord::decode(&with_name(b"a/\0b")), Err(RecordError::TopicName(_))));
}

#[test]
fn a_flipped_byte_never_panics() {
    for bytes in golden().into_values() {
        for slot in 0..bytes.len() {
            for flip in [0x01, 0x10, 0x7f, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[slot] ^= flip;
                if let Ok(record) = MetadataRecord::decode(&damaged) {
                    // Whatever was understood says the same when written and read again.
                    assert_eq!(MetadataRecord::decode(&record.encode_at(newest(&record))).as_ref(), Ok(&record));
                }
                for type_id in 0..9i16 {
                    let key = [[0, 0], type_id.to_be_bytes()].concat();
                    let _ = ControlRecord::decode(&key, &damaged);
                }
            }
        }
    }
}

/// The version that loses nothing.
fn newest(record: &MetadataRecord) -> u16 {
    match record {
        MetadataRecord::RegisterBroker(_) => 4,
        MetadataRecord::BrokerRegistrationChange(_) => 3,
        MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_) => 2,
        _ => 0,
    }
}

#[test]
fn a_log_that_kafka_wrote_is_read_and_written_alike() {
    let mut shard = MetadataShard::new();
    let mut types = BTreeMap::new();
    for (offset, line) in (0..).zip(include_str!("golden/kafka_metadata.hex").lines()) {
        let bytes = unhex(line);
        let record = MetadataRecord::decode(&bytes).unwrap_or_else(|error| panic!("{line}: {error}"));
        // That log is at metadata.version 30, where registrations are v4 even with nothing to say there.
        let version = u16::from(bytes[2]);
        assert_eq!(&record.encode_at(version)[..], &bytes[..], "{record:?}");
        if !matches!(record, MetadataRecord::RegisterBroker(_)) {
            assert_eq!(record.version(), version, "Kafka's choice of version for {record:?}");
        }
        *types.entry(record.type_id()).or_insert(0) += 1;
        shard.replay(&record);
        shard.publish(offset, 1).expect("a log that fits together");
    }
    assert!(types.len() >= 13, "the log exercises most types: {types:?}");
    let image = shard.published();
    assert_eq!(image.features().metadata_version(), 30);
    let topic = image.topics().by_name("t.one").expect("the topic that was kept");
    // Created at epoch 0; a clean stop and start, then a kill and start: each gives the leadership up and takes it again.
    assert_eq!(topic.partitions[&0].leader_epoch, LeaderEpoch(4));
    assert_eq!(topic.partitions[&0].leader, Some(BrokerId(1)));
    assert!(image.topics().by_name("two").is_none(), "it was deleted");
    assert_eq!(image.next_producer_id(), 1000);
    assert!(image.cluster().is_active(BrokerId(1)));
}
