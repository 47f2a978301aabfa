use super::*;
use crate::disk::Trouble;
use crate::disk::faulty::FaultyDisk;

const MIB: u64 = 1024 * 1024;

fn open(disk: &FaultyDisk) -> LogManager {
    let config = LogManagerConfig { log_dirs: vec!["/a".into()], metadata_log_dir: None, node_id: 1, cluster_id: None };
    LogManager::open(Arc::new(disk.clone()), &config, &mut || Uuid::from_u128(1 << 90)).expect("opened")
}

fn reserve(disk: &FaultyDisk) -> Option<u64> {
    let files = disk.files();
    files.iter().find(|(path, _)| path.ends_with(".ottla_reserve")).map(|(_, bytes)| bytes.len() as u64)
}

/// Takes all the room there is.
fn fill(disk: &FaultyDisk) {
    disk.limit_space(Some(disk.used_bytes()));
}

#[test]
fn the_reserve_is_given_up_when_the_disk_is_full_and_comes_back_with_the_room() {
    let disk = FaultyDisk::new(1);
    disk.limit_space(Some(100 * MIB));
    let manager = open(&disk);
    manager.keep_reserves(MIB / 2);
    let dir = &manager.dirs()[0];
    assert_eq!((reserve(&disk), dir.is_full()), (Some(MIB / 2), false));
    fill(&disk);
    let id = LogId { topic: "t".into(), topic_id: Uuid::from_u128(1 << 91), partition: 0 };
    let create = || manager.create_log(&id, None, Arc::new(LogConfig::default()), Millis(0));
    assert!(create().is_err(), "no room");
    assert!(dir.watch().take().no_space);
    assert!(manager.give_up_reserve(dir));
    assert!(!manager.give_up_reserve(dir), "once");
    assert_eq!((reserve(&disk), dir.is_full()), (None, true));
    drop(manager.delete_log(&id, Uuid::from_u128(1 << 92)).expect("what was half made goes"));
    create().expect("in the room that was kept");
    assert!(!manager.restore_reserve(dir).expect("looked"), "there is no room yet");
    disk.limit_space(Some(disk.used_bytes() + MIB - 1));
    assert!(!manager.restore_reserve(dir).expect("looked"), "for the reserve and nothing else");
    disk.limit_space(Some(disk.used_bytes() + MIB));
    assert!(manager.restore_reserve(dir).expect("looked"));
    assert_eq!((reserve(&disk), dir.is_full()), (Some(MIB / 2), false));
    assert!(!manager.restore_reserve(dir).expect("looked"), "it is there");
}

#[test]
fn a_broker_without_room_to_start_starts_in_its_reserve() {
    let disk = FaultyDisk::new(1);
    disk.limit_space(Some(300 * MIB));
    let manager = open(&disk);
    manager.keep_reserves(2 * MIB);
    drop(manager);
    fill(&disk);
    let manager = open(&disk);
    manager.keep_reserves(2 * MIB);
    assert_eq!((reserve(&disk), manager.dirs()[0].is_full()), (None, true));
}

#[test]
fn a_small_disk_keeps_a_small_reserve_and_none_when_none_is_wanted() {
    let disk = FaultyDisk::new(1);
    disk.limit_space(Some(10 * MIB));
    let manager = open(&disk);
    manager.keep_reserves(64 * MIB);
    assert_eq!(reserve(&disk), Some(MIB / 10));
    manager.keep_reserves(MIB / 20);
    assert_eq!(reserve(&disk), Some(MIB / 20), "changed by a restart");
    manager.keep_reserves(0);
    assert_eq!(reserve(&disk), None);
    fill(&disk);
    assert!(!manager.give_up_reserve(&manager.dirs()[0]));
    assert!(!manager.dirs()[0].is_full(), "everybody tries his luck");
}

#[test]
fn a_probe_tells_a_disk_that_is_full_read_only_or_gone_from_one_that_is_well() {
    let disk = FaultyDisk::new(1);
    let manager = open(&disk);
    let dir = &manager.dirs()[0];
    let trouble = || match manager.probe(dir) {
        Err(StorageError::Io { source, .. }) => Trouble::of(&source),
        other => panic!("{other:?}"),
    };
    manager.probe(dir).expect("well");
    fill(&disk);
    assert_eq!(trouble(), Some(Trouble::NoSpace));
    disk.limit_space(None);
    disk.set_read_only(true);
    assert_eq!(trouble(), Some(Trouble::ReadOnly));
    disk.set_read_only(false);
    manager.probe(dir).expect("well again");
    assert!(disk.files().iter().all(|(path, _)| !path.ends_with(".ottla_probe")), "nothing is left behind");
    disk.remove_file(Path::new("/a/meta.properties")).expect("gone");
    assert!(manager.probe(dir).is_err());
    assert_eq!(dir.watch().take(), crate::disk::Seen::default(), "its own looks are not noted");
}
