//! Starts and stops of a whole broker: what is recorded, what is refused, how long a stop takes, what groups find afterwards.

#[path = "../kit/mod.rs"]
mod kit;
mod lag;
mod markers;
mod recovered;
mod snapshots;
mod stuck;

use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::messages::{ApiKey, FetchRequest};
use kit::{Batch, FetchOne, GatedDisk, Kit, name};
use ottla_coordinator::metadata::{BrokerId, MetadataRecord};
use ottla_storage::Millis;
use ottla_storage::batch::BatchBuilder;
use std::fs;

fn metadata_file(kit: &Kit, name: &str) -> std::path::PathBuf {
    kit.data().join("__cluster_metadata-0").join(name)
}

#[test]
fn a_clean_stop_fences_the_broker_and_gives_up_its_leaderships() {
    let mut kit = Kit::start();
    kit.connect().create("t", 1, &[]);
    let node = std::sync::Arc::clone(kit.broker().node());
    assert!(!node.image().cluster().broker(BrokerId(node.node_id)).unwrap().fenced);
    let before = node.image().topics().by_name("t").unwrap().partitions[&0].leader_epoch;
    kit.stop();
    let image = node.image();
    assert!(image.cluster().broker(BrokerId(node.node_id)).unwrap().fenced, "as Kafka's controlled shutdown leaves it");
    assert_eq!(image.topics().by_name("t").unwrap().partitions[&0].leader, None);
    kit.restart();
    let mut client = kit.connect();
    assert!(client.leader_epoch("t", 0) > before.0);
    client.produce("t", 0, &Batch::of(&["a"]));
}

#[test]
fn a_stop_answers_parked_fetches_at_once() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let mut fetch = FetchOne::from(0);
    fetch.max_wait_ms = 600_000;
    let topic = FetchTopic::default().with_topic(name("t")).with_partitions(vec![fetch.partition(0)]);
    let id = client.send::<FetchRequest>(12, &fetch.request(topic).with_min_bytes(1));
    // A request on a second connection is answered after the fetch was parked or while it is being read; both must end.
    kit.connect().metadata(&["t"], false);
    kit.stop();
    let answer = client.receive::<FetchRequest>(12, id);
    assert_eq!(answer.error_code, 0, "{:?} was answered, not cut", ApiKey::Fetch);
}

#[test]
fn a_directory_of_a_newer_cluster_is_refused_and_left_untouched() {
    let mut kit = Kit::start();
    kit.connect().create("t", 1, &[]);
    let end = kit.broker().node().image().provenance().last_offset;
    kit.kill();
    // A newer version raised the level, right behind what we wrote.
    let level = ottla_coordinator::metadata::records::FeatureLevelRecord { name: "metadata.version".to_owned(), level: 99 };
    let value = MetadataRecord::FeatureLevel(level).encode();
    let mut batch = BatchBuilder::new().base_offset(ottla_storage::Offset(end + 1)).leader_epoch(ottla_storage::LeaderEpoch(1));
    batch.push(Millis(0), None, Some(&value), &[]);
    let log = metadata_file(&kit, "00000000000000000000.log");
    let mut bytes = fs::read(&log).unwrap();
    bytes.extend(batch.build().unwrap());
    fs::write(&log, &bytes).unwrap();
    let quorum = fs::read(metadata_file(&kit, "quorum-state")).unwrap();
    let error = kit.try_start().unwrap_err().to_string();
    assert!(error.contains("metadata.version=99"), "{error}");
    assert_eq!(fs::read(&log).unwrap(), bytes);
    assert_eq!(fs::read(metadata_file(&kit, "quorum-state")).unwrap(), quorum);
}

#[test]
fn while_the_files_of_a_deleted_topic_are_being_removed_the_controller_goes_on() {
    let disk = GatedDisk::before("gone-0.");
    let mut kit = Kit::on_disk("", std::sync::Arc::new(disk.clone()));
    let mut client = kit.connect();
    client.create("gone", 1, &[]);
    disk.shut();
    client.delete("gone");
    disk.until_waiting(1);
    assert_eq!(client.describe("gone").error_code, 3);
    client.create("gone", 1, &[]);
    assert_eq!(client.produce("gone", 0, &Batch::of(&["a"])), 0);
    disk.open();
    kit.stop();
    let left = fs::read_dir(kit.data()).unwrap().filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("gone"));
    assert_eq!(left.count(), 1, "a stop waits for the removal");
}

#[test]
fn a_log_whose_data_directory_is_missing_is_offline_and_not_begun_anew_elsewhere() {
    let mut kit = Kit::start();
    let other = kit.data().with_file_name("other");
    kit.restart_with(&format!("log.dirs={},{}", kit.data().display(), other.display()));
    let mut client = kit.connect();
    client.create("t", 4, &[]);
    for partition in 0..4 {
        client.produce("t", partition, &Batch::of(&["a"]));
    }
    kit.stop();
    let saved = other.with_file_name("saved");
    fs::rename(&other, &saved).unwrap();
    fs::write(&other, "not a directory").unwrap();
    kit.try_start().unwrap();
    let mut client = kit.connect();
    let errors = (0..4).map(|partition| client.try_produce("t", partition, &Batch::of(&["b"])).error_code).collect::<Vec<_>>();
    assert_eq!(errors.iter().filter(|code| **code == 56).count(), 2, "KAFKA_STORAGE_ERROR: {errors:?}");
    client.create("new", 1, &[]);
    client.produce("new", 0, &Batch::of(&["c"]));
    kit.stop();
    fs::remove_file(&other).unwrap();
    fs::rename(&saved, &other).unwrap();
    kit.try_start().unwrap();
    let mut client = kit.connect();
    for (partition, code) in (0..4).zip(errors) {
        assert_eq!(client.values("t", partition), if code == 0 { vec!["a", "b"] } else { vec!["a"] });
    }
}

#[test]
fn a_topic_that_is_named_twice_is_created_on_first_use_and_answered_once() {
    let kit = Kit::start();
    let answer = kit.connect().metadata(&["t", "u", "t"], true);
    assert_eq!(answer.topics.iter().map(|topic| topic.error_code).collect::<Vec<_>>(), [0, 0]);
}
