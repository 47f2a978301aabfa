//! The records of `__consumer_offsets` against bytes that Apache Kafka's own classes wrote (see `golden/README.md`), against
//! themselves, and against bytes that are no records.

use bytes::Bytes;
use ottla_coordinator::group::assignment::Assignment;
use ottla_coordinator::group::records::*;
use ottla_coordinator::group::{GroupId, MemberId};
use ottla_coordinator::metadata::TopicId;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

#[path = "support/hostile.rs"]
mod hostile;

const A: TopicId = TopicId(Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10));
const B: TopicId = TopicId(Uuid::from_u128(0x1112_1314_1516_1718_191a_1b1c_1d1e_1f20));

type Encoded = (Vec<u8>, Option<Vec<u8>>);

fn unhex(text: &str) -> Vec<u8> {
    let nibble = |c: u8| (c as char).to_digit(16).expect("a hex digit") as u8;
    text.as_bytes().chunks(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect()
}

fn golden() -> BTreeMap<&'static str, Encoded> {
    let line = |line: &'static str| {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("label, key and value");
        let (label, key, value) = (word(), word(), word());
        (label, (unhex(key), (value != "-").then(|| unhex(value))))
    };
    include_str!("golden/group_records.hex").lines().map(line).collect()
}

fn names(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn offset(group: &str, topic: &str, partition: i32, value: Option<OffsetCommitValue>) -> GroupRecord {
    GroupRecord::OffsetCommit { group: group.into(), topic: topic.into(), partition, value }
}

fn committed() -> OffsetCommitValue {
    OffsetCommitValue {
        offset: 42,
        leader_epoch: -1,
        metadata: "m".into(),
        commit_timestamp_ms: 1000,
        expire_timestamp_ms: -1,
        topic_id: TopicId::default(),
    }
}

fn offsets() -> Vec<(&'static str, GroupRecord)> {
    let usual = |value| offset("group", "orders", 7, Some(value));
    let full = OffsetCommitValue {
        leader_epoch: 5,
        metadata: "text é".into(),
        commit_timestamp_ms: 1_234_567_890_123,
        topic_id: A,
        ..committed()
    };
    let bare = OffsetCommitValue { offset: 0, metadata: "".into(), commit_timestamp_ms: 1, ..committed() };
    let expiring = OffsetCommitValue { expire_timestamp_ms: 2000, ..committed() };
    vec![
        ("offset-commit", usual(full)),
        ("offset-commit-bare", offset("", "", -1, Some(bare))),
        ("offset-commit-expiring", usual(expiring.clone())),
        ("offset-commit-tombstone", offset("group", "orders", 7, None)),
        ("offset-commit-v0", usual(committed())),
        ("offset-commit-v1", usual(expiring)),
        ("offset-commit-v2", usual(committed())),
        ("offset-commit-v3", usual(OffsetCommitValue { leader_epoch: 5, ..committed() })),
        ("offset-commit-v4", usual(OffsetCommitValue { leader_epoch: 5, topic_id: A, ..committed() })),
        ("offset-commit-unknown-tag-v4", usual(OffsetCommitValue { topic_id: A, ..committed() })),
        ("legacy-offset-commit-v0", usual(committed())),
        ("legacy-offset-commit-tombstone", offset("group", "orders", 7, None)),
    ]
}

/// What a version of GroupMetadata can say of the golden group.
fn classic_group(version: i16) -> GroupRecord {
    let member = |member_id: &str, rebalance_timeout_ms, session_timeout_ms| GroupMetadataMember {
        member_id: member_id.into(),
        group_instance_id: None,
        client_id: "".into(),
        client_host: "".into(),
        rebalance_timeout_ms: if version >= 1 { rebalance_timeout_ms } else { -1 },
        session_timeout_ms,
        subscription: Bytes::new(),
        assignment: Bytes::new(),
    };
    let first = GroupMetadataMember {
        group_instance_id: (version >= 3).then(|| "static".into()),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        subscription: Bytes::from_static(&[0, 1, 0xff]),
        assignment: Bytes::from_static(&[9]),
        ..member("m-1", 60_000, 45_000)
    };
    let value = GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 3,
        protocol: Some("range".into()),
        leader: Some("m-1".into()),
        current_state_timestamp_ms: if version >= 2 { 1000 } else { -1 },
        members: vec![first, member("m-2", 1, 2)],
    };
    GroupRecord::GroupMetadata { group: "group".into(), value: Some(value) }
}

fn classic() -> Vec<(&'static str, GroupRecord)> {
    let empty = GroupMetadataValue {
        protocol_type: "".into(),
        generation: 0,
        protocol: None,
        leader: None,
        current_state_timestamp_ms: 1000,
        members: vec![],
    };
    let group = |value| GroupRecord::GroupMetadata { group: "group".into(), value };
    vec![
        ("group-metadata-v0", classic_group(0)),
        ("group-metadata-v1", classic_group(1)),
        ("group-metadata-v2", classic_group(2)),
        ("group-metadata-v3", classic_group(3)),
        ("group-metadata-v4", classic_group(4)),
        ("group-metadata-empty-v3", group(Some(empty.clone()))),
        ("group-metadata-empty-v4", group(Some(empty))),
        ("group-metadata-tombstone", group(None)),
    ]
}

fn subscriptions() -> Vec<(&'static str, GroupRecord)> {
    let of = |member: &str, value| GroupRecord::ConsumerGroupMemberMetadata { group: "group".into(), member: member.into(), value };
    let bare = ConsumerGroupMemberMetadataValue { rebalance_timeout_ms: -1, ..ConsumerGroupMemberMetadataValue::default() };
    let full = ConsumerGroupMemberMetadataValue {
        instance_id: Some("static".into()),
        rack_id: Some("rack".into()),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        subscribed_topic_names: names(&["a", "b"]),
        subscribed_topic_regex: Some("a.*".into()),
        rebalance_timeout_ms: 60_000,
        server_assignor: Some("uniform".into()),
        classic: None,
    };
    let classic = ConsumerGroupMemberMetadataValue {
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        subscribed_topic_names: names(&["a"]),
        subscribed_topic_regex: Some("".into()),
        rebalance_timeout_ms: 1000,
        classic: Some(ClassicMemberMetadata {
            session_timeout_ms: 45_000,
            supported_protocols: vec![("range".into(), Bytes::from_static(&[1, 2])), ("".into(), Bytes::new())],
        }),
        ..bare.clone()
    };
    let default_classic = ConsumerGroupMemberMetadataValue { classic: Some(ClassicMemberMetadata::default()), ..bare.clone() };
    vec![
        ("member-metadata", of("m-1", Some(full))),
        ("member-metadata-bare", of("m-2", Some(bare))),
        ("member-metadata-classic", of("m-3", Some(classic))),
        ("member-metadata-tombstone", of("m-1", None)),
        ("member-metadata-default-classic-v0", of("m-4", Some(default_classic))),
    ]
}

fn current_assignments() -> Vec<(&'static str, GroupRecord)> {
    let of =
        |member: &str, value| GroupRecord::ConsumerGroupCurrentMemberAssignment { group: "group".into(), member: member.into(), value };
    let epochs = |partitions: &[(TopicId, i32, Option<i32>)]| {
        let mut assignment = EpochAssignment::default();
        for (topic, partition, epoch) in partitions {
            assignment.0.entry(*topic).or_default().insert(*partition, *epoch);
        }
        assignment
    };
    let current = |member_epoch, previous_member_epoch, state, assigned, pending_revocation| {
        Some(ConsumerGroupCurrentMemberAssignmentValue { member_epoch, previous_member_epoch, state, assigned, pending_revocation })
    };
    let none = || epochs(&[]);
    let full = epochs(&[(A, 0, Some(3)), (A, 5, Some(4)), (B, 1, Some(1))]);
    let without = epochs(&[(A, 0, None), (A, 5, None)]);
    vec![
        ("current-assignment", of("m-1", current(4, 3, 1, full, epochs(&[(B, 2, Some(2))])))),
        ("current-assignment-bare", of("m-2", current(1, 0, 0, none(), none()))),
        ("current-assignment-tombstone", of("m-1", None)),
        ("current-assignment-no-epochs-v0", of("m-1", current(4, 3, 0, without.clone(), none()))),
        ("current-assignment-wrong-epochs-v0", of("m-1", current(4, 3, 0, without, none()))),
    ]
}

fn consumer_groups() -> Vec<(&'static str, GroupRecord)> {
    let group = GroupId::from("group");
    let epoch = |value| GroupRecord::ConsumerGroupMetadata { group: group.clone(), value };
    let target_epoch = |value| GroupRecord::ConsumerGroupTargetAssignmentMetadata { group: group.clone(), value };
    let target = |value| GroupRecord::ConsumerGroupTargetAssignmentMember { group: group.clone(), member: "m-1".into(), value };
    let regex = |regex: &str, value| GroupRecord::ConsumerGroupRegularExpression { group: group.clone(), regex: regex.into(), value };
    let counts = |value| GroupRecord::ConsumerGroupPartitionMetadata { group: group.clone(), value };
    let mut assignment = Assignment::default();
    for (topic, partition) in [(A, 0), (A, 5), (B, 1)] {
        assignment.insert(topic, partition);
    }
    let at = |assignment_timestamp_ms| ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch: 7, assignment_timestamp_ms };
    let resolved = ConsumerGroupRegularExpressionValue { topics: names(&["a", "ab"]), version: 77, timestamp_ms: 1000 };
    let nothing = ConsumerGroupRegularExpressionValue { topics: names(&[]), version: -1, timestamp_ms: -1 };
    let three_partitions = BTreeMap::from([(A, (Arc::from("orders"), 3))]);
    vec![
        ("group-epoch", epoch(Some(ConsumerGroupMetadataValue { epoch: 7, metadata_hash: -2 }))),
        ("group-epoch-no-hash", epoch(Some(ConsumerGroupMetadataValue { epoch: 7, metadata_hash: 0 }))),
        ("group-epoch-tombstone", epoch(None)),
        ("target-epoch", target_epoch(Some(at(1000)))),
        ("target-epoch-no-time", target_epoch(Some(at(0)))),
        ("target-epoch-tombstone", target_epoch(None)),
        ("target-assignment", target(Some(assignment))),
        ("target-assignment-empty", target(Some(Assignment::default()))),
        ("target-assignment-tombstone", target(None)),
        ("regex", regex("a.*", Some(resolved))),
        ("regex-nothing", regex("", Some(nothing))),
        ("regex-tombstone", regex("a.*", None)),
        ("partition-metadata-v0", counts(Some(three_partitions.clone()))),
        ("partition-metadata-racks-v0", counts(Some(three_partitions))),
        ("partition-metadata-tombstone", counts(None)),
    ]
}

fn foreign() -> Vec<(&'static str, GroupRecord)> {
    let whole = |label| {
        let (key, value) = golden()[label].clone();
        (label, GroupRecord::Foreign { key: key.into(), value: value.map(Bytes::from) })
    };
    ["foreign-share-v0", "foreign-share-tombstone", "foreign-streams-v0"].map(whole).into()
}

fn expected() -> Vec<(&'static str, GroupRecord)> {
    [offsets(), classic(), subscriptions(), current_assignments(), consumer_groups(), foreign()].concat()
}

/// What Kafka 4.3.1 reads but writes no more.
const READ_ONLY: &[&str] = &[
    "offset-commit-v0",
    "offset-commit-v2",
    "offset-commit-v3",
    "offset-commit-unknown-tag-v4",
    "legacy-offset-commit-v0",
    "legacy-offset-commit-tombstone",
    "group-metadata-v0",
    "group-metadata-v1",
    "group-metadata-v2",
    "group-metadata-v4",
    "group-metadata-empty-v4",
    "current-assignment-wrong-epochs-v0",
    "partition-metadata-racks-v0",
];

#[test]
fn every_record_at_every_version_is_kafkas_bytes() {
    let golden = golden();
    let expected = expected();
    assert_eq!(
        expected.iter().map(|(label, _)| *label).collect::<BTreeSet<_>>(),
        golden.keys().copied().collect(),
        "one expectation a line"
    );
    for (label, record) in expected {
        let (key, value) = &golden[label];
        assert_eq!(GroupRecord::decode(key, value.as_deref()).as_ref(), Ok(&record), "{label}");
        if !READ_ONLY.contains(&label) {
            assert_eq!(record.encode().as_ref(), Ok(&golden[label]), "{label}");
        }
    }
}

#[test]
fn what_kafka_writes_no_more_is_written_as_it_writes_today() {
    for (old, today) in
        [("offset-commit-v3", "4"), ("group-metadata-v0", "3"), ("group-metadata-v4", "3"), ("legacy-offset-commit-v0", "4")]
    {
        let (key, value) = &golden()[old];
        let record = GroupRecord::decode(key, value.as_deref()).expect("a record");
        let (_, value) = record.encode().expect("a short record");
        assert_eq!(value.expect("a value")[..2], [0, today.parse().expect("a version")], "{old}");
    }
}

#[test]
fn versions_that_kafka_does_not_read_are_refused_by_number() {
    for (label, newest) in
        [("offset-commit", 4), ("legacy-offset-commit-v0", 0), ("group-metadata-v3", 4), ("regex", 0), ("group-epoch", 0)]
    {
        let (key, value) = &golden()[label];
        let record_type = i16::from_be_bytes([key[0], key[1]]);
        for version in [newest + 1, -1, i16::MIN, i16::MAX] {
            let mut value = value.clone().expect("a value");
            value[..2].copy_from_slice(&version.to_be_bytes());
            let refused = RecordError::UnknownVersion { record_type, version, newest };
            assert_eq!(GroupRecord::decode(key, Some(&value)), Err(refused), "{label}");
        }
    }
}

#[test]
fn a_record_cut_short_anywhere_is_refused() {
    for (label, (key, value)) in golden() {
        if label.starts_with("foreign") {
            continue;
        }
        for cut in 0..key.len() {
            assert!(GroupRecord::decode(&key[..cut], value.as_deref()).is_err(), "{label}: key cut at {cut}");
        }
        let Some(value) = value else { continue };
        for cut in 0..value.len() {
            assert!(GroupRecord::decode(&key, Some(&value[..cut])).is_err(), "{label}: value cut at {cut}");
        }
        let grown = [&value[..], &[0xff; 3]].concat();
        assert_eq!(GroupRecord::decode(&key, Some(&grown)), GroupRecord::decode(&key, Some(&value)), "{label}: Kafka ignores what follows");
    }
}

#[test]
fn a_length_beyond_the_bytes_is_refused_without_setting_memory_aside() {
    // Every place where a length can stand gets the largest ones of each form; a reader that believed one of them would abort.
    for (key, value) in golden().into_values() {
        for (bytes, is_key) in [(Some(key.clone()), true), (value.clone(), false)] {
            let Some(bytes) = bytes else { continue };
            for at in 2..bytes.len() {
                for giant in [&[0x7f, 0xff, 0xff, 0xff][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0xff, 0xff, 0xff, 0xff], &[0x7f, 0xff]] {
                    let hostile = [&bytes[..at], giant, &bytes[at..]].concat();
                    let (key, value) = if is_key { (&hostile, value.as_deref()) } else { (&key, Some(&hostile[..])) };
                    let _ = GroupRecord::decode(key, value);
                }
            }
        }
    }
}

#[test]
fn a_text_that_no_record_can_hold_is_refused_before_it_reaches_the_log() {
    let long: String = "x".repeat(32_768);
    let longest = &long[1..];
    assert!(offset(longest, longest, 0, Some(committed())).encode().is_ok());
    assert_eq!(offset(&long, "t", 0, None).encode(), Err(RecordError::TooLong));
    assert_eq!(
        offset("g", "t", 0, Some(OffsetCommitValue { metadata: long[..].into(), ..committed() })).encode(),
        Err(RecordError::TooLong)
    );
    let GroupRecord::GroupMetadata { group, value: Some(mut value) } = classic_group(3) else { panic!("a classic group") };
    value.members[1].member_id = long[..].into();
    assert_eq!(GroupRecord::GroupMetadata { group, value: Some(value) }.encode(), Err(RecordError::TooLong));
    let classic = ClassicMemberMetadata { session_timeout_ms: 1, supported_protocols: vec![(long[..].into(), Bytes::new())] };
    let inside_a_tag = ConsumerGroupMemberMetadataValue { classic: Some(classic), ..ConsumerGroupMemberMetadataValue::default() };
    let record = GroupRecord::ConsumerGroupMemberMetadata { group: "g".into(), member: "m".into(), value: Some(inside_a_tag) };
    assert_eq!(record.encode(), Err(RecordError::TooLong));
}

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![3 => "[a-zé]{0,6}", 1 => "[a-z]{120,140}"].prop_map(Arc::from)
}

fn opaque() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

fn topic_id() -> impl Strategy<Value = TopicId> {
    any::<u128>().prop_map(|bits| TopicId(Uuid::from_u128(bits)))
}

fn offset_commit() -> impl Strategy<Value = GroupRecord> {
    let plain = (any::<i64>(), any::<i32>(), text(), any::<i64>(), topic_id());
    let value = (plain, option::of(any::<i64>())).prop_map(|((offset, leader_epoch, metadata, commit_timestamp_ms, topic_id), expires)| {
        // An offset with an expiry of its own is version 1, which knows neither epoch nor topic id.
        let expires = expires.filter(|at| *at != -1);
        OffsetCommitValue {
            offset,
            leader_epoch: if expires.is_some() { -1 } else { leader_epoch },
            metadata,
            commit_timestamp_ms,
            expire_timestamp_ms: expires.unwrap_or(-1),
            topic_id: if expires.is_some() { TopicId::default() } else { topic_id },
        }
    });
    (text(), text(), any::<i32>(), option::of(value)).prop_map(|(group, topic, partition, value)| offset(&group, &topic, partition, value))
}

fn group_metadata() -> impl Strategy<Value = GroupRecord> {
    let member = (text(), option::of(text()), text(), text(), any::<i32>(), any::<i32>(), opaque(), opaque()).prop_map(
        |(member_id, group_instance_id, client_id, client_host, rebalance_timeout_ms, session_timeout_ms, subscription, assignment)| {
            GroupMetadataMember {
                member_id: MemberId(member_id),
                group_instance_id,
                client_id,
                client_host,
                rebalance_timeout_ms,
                session_timeout_ms,
                subscription,
                assignment,
            }
        },
    );
    let value = (text(), any::<i32>(), option::of(text()), option::of(text()), any::<i64>(), vec(member, 0..4)).prop_map(
        |(protocol_type, generation, protocol, leader, current_state_timestamp_ms, members)| GroupMetadataValue {
            protocol_type,
            generation,
            protocol,
            leader: leader.map(MemberId),
            current_state_timestamp_ms,
            members,
        },
    );
    (text(), option::of(value)).prop_map(|(group, value)| GroupRecord::GroupMetadata { group: GroupId(group), value })
}

fn member_metadata() -> impl Strategy<Value = ConsumerGroupMemberMetadataValue> {
    let classic = (any::<i32>(), vec((text(), opaque()), 0..4))
        .prop_map(|(session_timeout_ms, supported_protocols)| ClassicMemberMetadata { session_timeout_ms, supported_protocols });
    let who = (option::of(text()), option::of(text()), text(), text());
    let what = (btree_set(text(), 0..4), option::of(text()), any::<i32>(), option::of(text()), option::of(classic));
    (who, what).prop_map(
        |((instance_id, rack_id, client_id, client_host), (topics, regex, rebalance_timeout_ms, server_assignor, classic))| {
            ConsumerGroupMemberMetadataValue {
                instance_id,
                rack_id,
                client_id,
                client_host,
                subscribed_topic_names: topics,
                subscribed_topic_regex: regex,
                rebalance_timeout_ms,
                server_assignor,
                classic,
            }
        },
    )
}

fn epoch_assignment() -> impl Strategy<Value = EpochAssignment> {
    let with = btree_map(any::<i32>(), any::<i32>().prop_map(Some), 1..4);
    let without = btree_map(any::<i32>(), Just(None), 1..4);
    btree_map(topic_id(), prop_oneof![with, without], 0..3).prop_map(EpochAssignment)
}

fn current_assignment() -> impl Strategy<Value = ConsumerGroupCurrentMemberAssignmentValue> {
    (any::<i32>(), any::<i32>(), any::<i8>(), epoch_assignment(), epoch_assignment()).prop_map(
        |(member_epoch, previous_member_epoch, state, assigned, pending_revocation)| ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch,
            previous_member_epoch,
            state,
            assigned,
            pending_revocation,
        },
    )
}

fn record_of_a_member() -> impl Strategy<Value = GroupRecord> {
    use GroupRecord as R;
    let ids = || (text(), text()).prop_map(|(group, member)| (GroupId(group), MemberId(member)));
    let target = btree_map(topic_id(), btree_set(any::<i32>(), 1..5), 0..3).prop_map(Assignment);
    prop_oneof![
        (ids(), option::of(member_metadata())).prop_map(|((group, member), value)| R::ConsumerGroupMemberMetadata { group, member, value }),
        (ids(), option::of(target)).prop_map(|((group, member), value)| R::ConsumerGroupTargetAssignmentMember { group, member, value }),
        (ids(), option::of(current_assignment())).prop_map(|((group, member), value)| R::ConsumerGroupCurrentMemberAssignment {
            group,
            member,
            value
        }),
    ]
}

fn record_of_a_consumer_group() -> impl Strategy<Value = GroupRecord> {
    use GroupRecord as R;
    let group = || text().prop_map(GroupId);
    let epoch = (any::<i32>(), any::<i64>()).prop_map(|(epoch, metadata_hash)| ConsumerGroupMetadataValue { epoch, metadata_hash });
    let target_epoch = (any::<i32>(), any::<i64>()).prop_map(|(assignment_epoch, assignment_timestamp_ms)| {
        ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch, assignment_timestamp_ms }
    });
    let counts = btree_map(topic_id(), (text(), any::<i32>()), 0..3);
    let resolved = (btree_set(text(), 0..4), any::<i64>(), any::<i64>())
        .prop_map(|(topics, version, timestamp_ms)| ConsumerGroupRegularExpressionValue { topics, version, timestamp_ms });
    prop_oneof![
        (group(), option::of(epoch)).prop_map(|(group, value)| R::ConsumerGroupMetadata { group, value }),
        (group(), option::of(target_epoch)).prop_map(|(group, value)| R::ConsumerGroupTargetAssignmentMetadata { group, value }),
        (group(), option::of(counts)).prop_map(|(group, value)| R::ConsumerGroupPartitionMetadata { group, value }),
        (group(), text(), option::of(resolved)).prop_map(|(group, regex, value)| R::ConsumerGroupRegularExpression { group, regex, value }),
    ]
}

fn any_record() -> impl Strategy<Value = GroupRecord> {
    prop_oneof![offset_commit(), group_metadata(), record_of_a_member(), record_of_a_consumer_group()]
}

/// The form `hostile::group_log` takes.
fn framed(records: &[Encoded]) -> Vec<u8> {
    let mut log = Vec::new();
    for (key, value) in records {
        let Ok(key_length) = u8::try_from(key.len()) else { continue };
        let value_length = value.as_ref().map_or(255, Vec::len);
        if value_length > 255 || value_length == 255 && value.is_some() {
            continue;
        }
        log.push(key_length);
        log.extend_from_slice(key);
        log.push(value_length as u8);
        log.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    log
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_record_reads_back_as_it_was_written(record in any_record()) {
        let (key, value) = record.encode().expect("short texts");
        prop_assert_eq!(GroupRecord::decode(&key, value.as_deref()), Ok(record));
    }

    #[test]
    fn a_shard_starts_on_whatever_log_decodes(
        records in vec(any_record(), 0..12),
        known in vec(proptest::sample::select(golden().into_values().collect::<Vec<_>>()), 0..12),
        flips in vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut records: Vec<Encoded> = records.iter().map(|record| record.encode().expect("short texts")).collect();
        records.extend(known);
        let mut log = framed(&records);
        for (at, byte) in flips {
            if !log.is_empty() {
                let at = at.index(log.len());
                log[at] = byte;
            }
        }
        hostile::group_log(&log);
    }

    #[test]
    fn bytes_of_chance_never_panic(log in vec(any::<u8>(), 0..400)) {
        hostile::group_log(&log);
    }
}
