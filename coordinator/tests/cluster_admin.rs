//! Elections, moves, features, credentials and brokers that leave: what the records do, and what one node never sees over the wire.

mod support;

use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{
    self, AlterPartitionReassignmentsRequest, AlterUserScramCredentialsRequest, ElectLeadersRequest, ListPartitionReassignmentsRequest,
    UpdateFeaturesRequest,
};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::metadata::image::ConfigResource;
use ottla_coordinator::metadata::records::*;
use ottla_coordinator::metadata::*;
use std::collections::BTreeMap;
use support::*;

/// Another broker of the cluster.
const OTHER: BrokerId = BrokerId(4);

struct Rules {
    min_isr: usize,
    unclean: bool,
}

impl ElectionRules for Rules {
    fn min_insync_replicas(&self, _: &str) -> usize {
        self.min_isr
    }

    fn unclean_election(&self, _: &str) -> bool {
        self.unclean
    }
}

const CLEAN: Rules = Rules { min_isr: 1, unclean: false };

/// Two brokers, a topic on both of them.
fn pair() -> Node {
    let mut node = Node::started();
    node.register_as(OTHER);
    node.create(&create(&[assigned("t", &[(0, &[3, 4]), (1, &[4, 3])])]));
    node
}

fn fence(node: &mut Node, broker: BrokerId) {
    node.run(|shard, _| shard.fence_broker(Ticket(0), broker));
}

fn elect(node: &mut Node, election_type: i8) -> Vec<(i32, i16)> {
    let request = ElectLeadersRequest::default().with_election_type(election_type).with_topic_partitions(None);
    match node.run(|shard, _| shard.elect_leaders(Ticket(0), &request, &CLEAN)).remove(0) {
        MetadataReply::ElectLeaders(answer) => {
            let rows = answer.expect("a type that exists").replica_election_results;
            rows.iter().flat_map(|row| &row.partition_result).map(|cell| (cell.partition_id, cell.error_code)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn reassign(node: &mut Node, partition: i32, target: Option<&[i32]>, allow_factor_change: bool) -> (i16, String) {
    let brokers = target.map(|ids| ids.iter().map(|id| messages::BrokerId(*id)).collect());
    let asked = ReassignablePartition::default().with_partition_index(partition).with_replicas(brokers);
    let topic = ReassignableTopic::default().with_name(topic_name("t")).with_partitions(vec![asked]);
    let request =
        AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]).with_allow_replication_factor_change(allow_factor_change);
    match node.run(|shard, _| shard.alter_partition_reassignments(Ticket(0), &request, &CLEAN)).remove(0) {
        MetadataReply::AlterPartitionReassignments(mut answer) => {
            let cell = answer.responses.remove(0).partitions.remove(0);
            (cell.error_code, cell.error_message.unwrap_or_default().to_string())
        }
        other => panic!("{other:?}"),
    }
}

fn moving(node: &Node) -> usize {
    let list = list_partition_reassignments(node.image(), &ListPartitionReassignmentsRequest::default().with_topics(None));
    list.topics.iter().map(|topic| topic.partitions.len()).sum()
}

const DONE: (i16, String) = (0, String::new());

#[test]
fn the_preferred_leader_gets_its_place_back_when_it_is_in_sync() {
    let mut node = pair();
    fence(&mut node, OTHER);
    assert_eq!(node.partition("t", 1).leader, Some(NODE));
    assert_eq!(elect(&mut node, 0), [(1, 80)], "it is not there");
    node.register_as(OTHER);
    assert_eq!(elect(&mut node, 0), [(1, 80)], "it is there but has not caught up");
    let epoch = node.partition("t", 1).leader_epoch;
    let mut caught_up = PartitionChangeRecord::new(node.topic_id("t"), 1);
    caught_up.isr = Some(vec![NODE, OTHER]);
    node.append(&MetadataRecord::PartitionChange(caught_up));
    assert_eq!(elect(&mut node, 0), [(1, 0)]);
    assert_eq!((node.partition("t", 1).leader, node.partition("t", 1).leader_epoch.0), (Some(OTHER), epoch.0 + 1));
    assert_eq!(elect(&mut node, 0), [], "nothing to do");
}

#[test]
fn an_unclean_election_takes_anybody_and_marks_the_leader_as_recovering() {
    let mut node = pair();
    node.feature("eligible.leader.replicas.version", 0);
    fence(&mut node, OTHER);
    fence(&mut node, NODE);
    assert_eq!(elect(&mut node, 1), [(0, 83), (1, 83)], "nobody is alive");
    // Alive again without an election: what a broker that was never in sync looks like.
    let mut request = node.registration();
    request.broker_id = OTHER;
    let end = node.log.len() as i64;
    let record = RegisterBrokerRecord {
        broker_id: OTHER,
        is_migrating_zk_broker: false,
        incarnation_id: request.incarnation_id,
        broker_epoch: BrokerEpoch(end),
        endpoints: request.endpoints,
        features: request.features,
        rack: None,
        fenced: false,
        in_controlled_shutdown: false,
        log_dirs: node.image().cluster().broker(OTHER).expect("registered").log_dirs.clone(),
        cordoned_log_dirs: None,
    };
    node.append(&MetadataRecord::RegisterBroker(record));
    node.run(|_, _| MetadataEffects::default());
    assert_eq!(elect(&mut node, 0), [(0, 80), (1, 80)], "a clean election wants somebody in sync");
    assert_eq!(elect(&mut node, 1), [(0, 0), (1, 0)]);
    let partition = node.partition("t", 0);
    assert_eq!((partition.leader, &partition.isr[..]), (Some(OTHER), &[OTHER][..]));
    assert_eq!(partition.leader_recovery_state, image::LeaderRecoveryState::Recovering);
}

#[test]
fn a_move_among_replicas_in_sync_is_done_at_once_with_a_new_leader_epoch() {
    let mut node = pair();
    let before = node.partition("t", 0).clone();
    assert_eq!(reassign(&mut node, 0, Some(&[4, 3]), true), DONE, "another order");
    assert_eq!(node.partition("t", 0).replicas, [OTHER, NODE]);
    assert_eq!(node.partition("t", 0).leader_epoch, before.leader_epoch, "nobody was lost");
    assert_eq!(reassign(&mut node, 0, Some(&[4]), true), DONE);
    let after = node.partition("t", 0);
    assert_eq!((after.leader, &after.replicas[..], &after.isr[..]), (Some(OTHER), &[OTHER][..], &[OTHER][..]));
    assert!(after.leader_epoch > before.leader_epoch);
    assert_eq!(after.directories.len(), 1);
    assert_eq!(node.last_delta().local_changes(NODE).deletes.len(), 1);
    assert_eq!(moving(&node), 0);
}

#[test]
fn a_move_that_has_to_wait_is_listed_and_can_be_taken_back() {
    let mut node = Node::started();
    node.register_as(OTHER);
    node.create(&create(&[assigned("t", &[(0, &[3])])]));
    let before = node.partition("t", 0).clone();
    assert_eq!(reassign(&mut node, 0, Some(&[4]), true), DONE);
    let under_way = node.partition("t", 0).clone();
    assert_eq!((&under_way.replicas[..], under_way.leader), (&[OTHER, NODE][..], Some(NODE)));
    assert_eq!((&under_way.adding_replicas[..], &under_way.removing_replicas[..]), (&[OTHER][..], &[NODE][..]));
    assert_eq!(moving(&node), 1);
    assert_eq!(reassign(&mut node, 0, None, true), DONE);
    let after = node.partition("t", 0).clone();
    assert_eq!((&after.replicas, &after.isr, after.leader), (&before.replicas, &before.isr, before.leader));
    assert!(after.adding_replicas.is_empty() && after.removing_replicas.is_empty());
    assert_eq!(moving(&node), 0);
    assert_eq!(reassign(&mut node, 0, None, true), (85, String::new()));
}

#[test]
fn the_replication_factor_stays_when_it_may_not_change() {
    let mut node = pair();
    assert_eq!(reassign(&mut node, 0, Some(&[3]), false), (38, "The replication factor is changed from 2 to 1".to_owned()));
    assert_eq!(reassign(&mut node, 0, Some(&[4, 3]), false), DONE);
}

#[test]
fn a_broker_that_leaves_hands_its_partitions_over() {
    let mut node = pair();
    let unregister =
        |node: &mut Node, broker: BrokerId| match node.run(|shard, _| shard.unregister_broker(Ticket(0), broker, &CLEAN)).remove(0) {
            MetadataReply::UnregisterBroker(outcome) => outcome.map_err(|error| error.error.code()),
            other => panic!("{other:?}"),
        };
    assert_eq!(unregister(&mut node, OTHER), Ok(()));
    assert!(node.image().cluster().broker(OTHER).is_none());
    assert_eq!((node.partition("t", 1).leader, &node.partition("t", 1).isr[..]), (Some(NODE), &[NODE][..]));
    assert_eq!(unregister(&mut node, OTHER), Err(102));
    assert_eq!(unregister(&mut node, NODE), Ok(()));
    let left = node.partition("t", 1);
    assert_eq!((left.leader, &left.isr[..], &left.elr[..], &left.last_known_elr[..]), (None, &[][..], &[NODE][..], &[NODE][..]));
    node.register();
    assert_eq!((node.partition("t", 1).leader, &node.partition("t", 1).isr[..]), (Some(NODE), &[NODE][..]));
}

fn update(node: &mut Node, rows: &[(&'static str, i16, i8)]) -> Option<String> {
    let row = |(name, level, upgrade_type): &(&'static str, i16, i8)| {
        FeatureUpdateKey::default()
            .with_feature(StrBytes::from_static_str(name))
            .with_max_version_level(*level)
            .with_upgrade_type(*upgrade_type)
    };
    let request = UpdateFeaturesRequest::default().with_feature_updates(rows.iter().map(row).collect());
    let context = UpdateFeaturesContext { api_version: 2, controller: NODE, min_insync_replicas: 2 };
    match node.run(|shard, _| shard.update_features(Ticket(0), &request, context)).remove(0) {
        MetadataReply::UpdateFeatures(answer) => {
            let prefix = "The update failed for all features since the following feature had an error: ";
            (answer.error_code != 0)
                .then(|| answer.error_message.unwrap_or_default().strip_prefix(prefix).expect("Kafka's words").to_owned())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_metadata_version_goes_down_as_far_as_no_record_would_be_lost() {
    let mut node = Node::started();
    let refused = |text: &str| Some(text.to_owned());
    assert_eq!(
        update(&mut node, &[("metadata.version", 21, 2)]),
        refused("Invalid update version 21 for feature metadata.version. Local controller 3 only supports versions 22-27")
    );
    assert_eq!(
        update(&mut node, &[("metadata.version", 28, 1)]),
        refused("Invalid update version 28 for feature metadata.version. Local controller 3 only supports versions 22-27")
    );
    assert_eq!(
        update(&mut node, &[("metadata.version", 22, 2)]),
        refused(
            "Unsupported metadata.version downgrade from 27 to 22. Refusing to perform the requested downgrade because it might delete \
             metadata information."
        )
    );
    assert_eq!(
        update(&mut node, &[("metadata.version", 22, 3)]),
        refused("Unsupported metadata.version downgrade from 27 to 22. Unsafe metadata downgrade is not supported in this version.")
    );
    assert_eq!(update(&mut node, &[("metadata.version", 23, 2)]), None);
    assert_eq!(node.image().features().metadata_version(), 23);
    assert_eq!(update(&mut node, &[("metadata.version", 27, 1), ("group.version", 1, 1)]), None);
    assert_eq!(node.image().features().metadata_version(), 27);
}

#[test]
fn a_level_that_another_broker_does_not_know_is_refused() {
    let mut node = Node::started();
    let mut request = node.registration();
    request.broker_id = OTHER;
    request.features.retain(|feature| feature.name != "group.version");
    node.run(|shard, end| shard.register_broker(Ticket(0), &request, end));
    let text = update(&mut node, &[("group.version", 1, 1)]);
    assert_eq!(text.as_deref(), Some("Invalid update version 1 for feature group.version. Broker 4 does not support this feature."));
    assert_eq!(update(&mut node, &[("group.version", 0, 2), ("kraft.version", 0, 1)]), None);
    assert_eq!(node.image().features().level("group.version"), 0);
    assert!(update(&mut node, &[("kraft.version", 1, 1)]).is_some(), "the voter set is static");
}

#[test]
fn eligible_leader_replicas_want_one_minimum_for_the_cluster() {
    let mut node = Node::started();
    assert_eq!(update(&mut node, &[("eligible.leader.replicas.version", 0, 2)]), None);
    let set = |node: &mut Node, resource: ConfigResource, operation: ConfigOperation| {
        let change = ConfigChange { resource, operations: BTreeMap::from([("min.insync.replicas".to_owned(), operation)]) };
        node.run(|shard, _| shard.alter_configs(Ticket(0), &[change], ConfigScope::NamedKeys, false, &Configs));
    };
    set(&mut node, ConfigResource::cluster_default(), ConfigOperation::Delete);
    set(&mut node, ConfigResource::broker(NODE), ConfigOperation::Set("3".to_owned()));
    assert!(node.image().configs().of(&ConfigResource::cluster_default()).is_none());
    assert!(node.image().configs().of(&ConfigResource::broker(NODE)).is_some());
    assert_eq!(update(&mut node, &[("eligible.leader.replicas.version", 1, 1)]), None);
    let cluster = node.image().configs().of(&ConfigResource::cluster_default()).expect("kept in the log from now on");
    assert_eq!(cluster.get("min.insync.replicas").map(String::as_str), Some("2"));
    assert!(node.image().configs().of(&ConfigResource::broker(NODE)).is_none());
}

fn unhex(text: &str) -> Vec<u8> {
    let nibble = |c: u8| (c as char).to_digit(16).expect("a hex digit") as u8;
    text.as_bytes().chunks(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect()
}

/// RFC 7677 section 3 for SHA-256, RFC 5802's recipe with the same user for SHA-512: the salted password of "pencil".
#[test]
fn credentials_are_kept_as_the_keys_of_rfc_5802() {
    let cases = [(1, SALTED_256, STORED_256, SERVER_256), (2, SALTED_512, STORED_512, SERVER_512)];
    for (mechanism, salted, stored, server) in cases {
        let mut node = Node::started();
        let upsertion = ScramCredentialUpsertion::default()
            .with_name(StrBytes::from_static_str("user"))
            .with_mechanism(mechanism)
            .with_iterations(4_096)
            .with_salt(unhex(SALT).into())
            .with_salted_password(unhex(salted).into());
        let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![upsertion]);
        node.run(|shard, _| shard.alter_user_scram_credentials(Ticket(0), &request));
        let kept = node.image().scram().credential(mechanism, "user").expect("kept").clone();
        assert_eq!((kept.stored_key, kept.server_key, kept.salt, kept.iterations), (unhex(stored), unhex(server), unhex(SALT), 4_096));
    }
}

const SALT: &str = "5b6d99689d12358eeca04b141236fa81";
const SALTED_256: &str = "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d";
const STORED_256: &str = "586e5df283e6dceb5c3e791d8b8528ec191e664045ce971792e2e6b5bb13e2a6";
const SERVER_256: &str = "c1f3cbc1c13a9d35a14c0990eed97629ea225863e566a4314ab99f3f00e5d9d5";
const SALTED_512: &str =
    "f16efe1be67f1d09502ebd5ed9262fddffba5a377ab4f0b687e5ed5ba0f50686b8a4ae166476da8ab3b951d2fa9238b63998f45461bc33a464814949cec9631d";
const STORED_512: &str =
    "e8002e6f7d3ae446119b216933644dc2a2be7869eb918b8459b5e7d7d2ec12606aceef106825cd735170a675fd3611f684affad1dce3f43a0ee43bd590e1dbbe";
const SERVER_512: &str =
    "8d91db6230b5687874fe129bc7206e1858c3ae08e02934f57ac03b6b05a229c459d28ff46f5c9611e6c179256490215ec1ff759cb0df285db89af0f99e613aac";
