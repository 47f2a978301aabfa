use super::*;

fn put(disk: &FaultyDisk, path: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.open(Path::new(path), OpenMode::Create).expect("created");
    file.write_all_at(&[bytes], 0).expect("written");
    file
}

fn get(disk: &FaultyDisk, path: &str) -> Option<Vec<u8>> {
    disk.files().into_iter().find(|(found, _)| found == Path::new(path)).map(|(_, bytes)| bytes)
}

#[test]
fn what_was_synced_survives_and_what_was_not_need_not() {
    let disk = FaultyDisk::new(1);
    let file = put(&disk, "/f", b"first");
    file.sync().expect("synced");
    disk.sync_dir(Path::new("/")).expect("synced");
    file.write_all_at(&[b", ", b"second"], 5).expect("written");
    assert_eq!(get(&disk.crash_keep_page_cache(), "/f").as_deref(), Some(&b"first, second"[..]));
    assert_eq!(get(&disk.crash(0), "/f").as_deref(), Some(&b"first"[..]));
    assert_eq!(get(&disk.crash(1), "/f").as_deref(), Some(&b"first, second"[..]));
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 2..200 {
        let bytes = get(&disk.crash(seed), "/f").expect("the name is durable");
        assert!(bytes.starts_with(b"first"));
        outcomes.insert(bytes);
    }
    assert!(outcomes.contains(&b"first"[..]) && outcomes.contains(&b"first, sec"[..]), "torn somewhere: {outcomes:?}");
    assert!(outcomes.contains(&b"first\0\0\0\0\0\0\0\0"[..]), "a size without its bytes: {outcomes:?}");
}

#[test]
fn a_name_needs_its_directory_synced_however_well_the_file_is() {
    let disk = FaultyDisk::new(1);
    disk.create_dir_all(Path::new("/d")).expect("created");
    disk.sync_dir(Path::new("/")).expect("synced");
    put(&disk, "/d/f", b"x").sync().expect("synced");
    assert_eq!(get(&disk.crash(0), "/d/f"), None);
    disk.sync_dir(Path::new("/d")).expect("synced");
    disk.rename(Path::new("/d/f"), Path::new("/d/g")).expect("renamed");
    assert!(get(&disk.crash(0), "/d/f").is_some() && get(&disk.crash(0), "/d/g").is_none());
    assert!(get(&disk.crash(1), "/d/f").is_none() && get(&disk.crash(1), "/d/g").is_some());
    for seed in 2..50 {
        let after = disk.crash(seed);
        assert_ne!(get(&after, "/d/f").is_some(), get(&after, "/d/g").is_some(), "a rename is whole");
    }
}

#[test]
fn sectors_may_arrive_out_of_order() {
    let disk = FaultyDisk::new(1);
    let file = put(&disk, "/f", b"");
    disk.sync_dir(Path::new("/")).expect("synced");
    file.write_all_at(&[&[7; 2048]], 0).expect("written");
    let hole = (2..200).any(|seed| {
        let bytes = get(&disk.crash(seed), "/f").expect("there");
        bytes.len() == 2048 && bytes[..512] == [0; 512] && bytes[1536..] == [7; 512]
    });
    assert!(hole);
}

#[test]
fn a_failed_sync_forgets_and_a_later_one_does_not_make_up_for_it() {
    let disk = FaultyDisk::new(3);
    let file = put(&disk, "/f", &[1; 5000]);
    disk.sync_dir(Path::new("/")).expect("synced");
    disk.fail_at(disk.operations(), Fault::Io);
    assert_eq!(file.sync().expect_err("fails").raw_os_error(), Some(5));
    file.sync().expect("the second claims success");
    assert_ne!(get(&disk.crash(1), "/f"), Some(vec![1; 5000]));
    assert_eq!(get(&disk, "/f"), Some(vec![1; 5000]), "and the page cache hides it");
}

#[test]
fn a_full_disk_takes_what_fits_and_says_no() {
    let disk = FaultyDisk::new(1);
    disk.limit_space(Some(10));
    let file = put(&disk, "/f", b"12345678");
    assert_eq!(file.write_all_at(&[b"abcd"], 8).expect_err("full").raw_os_error(), Some(28));
    assert_eq!(get(&disk, "/f").as_deref(), Some(&b"12345678ab"[..]));
    assert!(file.set_len(11).is_err());
    file.write_all_at(&[b"overwriting needs no room"[..10].as_ref()], 0).expect("fits");
    disk.remove_file(Path::new("/f")).expect("always possible");
    assert_eq!(disk.used_bytes(), 0);
}

#[test]
fn any_operation_can_be_the_last() {
    let disk = FaultyDisk::new(1);
    disk.fail_at(2, Fault::PowerOff);
    let file = put(&disk, "/f", b"12");
    assert_eq!(disk.operations(), 2);
    assert!(file.sync().is_err());
    assert!(file.write_all_at(&[b"x"], 0).is_err());
    assert!(disk.exists(Path::new("/f")).is_err());
    assert!(get(&disk.crash(0), "/f").is_none());
}

#[test]
fn the_same_seed_gives_the_same_disk() {
    let disk = FaultyDisk::new(1);
    for name in ["/a", "/b", "/c"] {
        put(&disk, name, &[9; 3000]);
    }
    for seed in 0..20 {
        assert_eq!(disk.crash(seed).files(), disk.crash(seed).files());
    }
}

#[test]
fn locks_die_with_the_process() {
    let disk = FaultyDisk::new(1);
    let held = disk.lock(Path::new("/.lock")).expect("free");
    assert_eq!(disk.lock(Path::new("/.lock")).expect_err("held").kind(), io::ErrorKind::WouldBlock);
    disk.crash_keep_page_cache().lock(Path::new("/.lock")).expect("free after a kill");
    drop(held);
    disk.lock(Path::new("/.lock")).expect("free again");
}

#[test]
fn directories_go_with_all_in_them() {
    let disk = FaultyDisk::new(1);
    disk.plant(Path::new("/d/e/f"), b"x");
    disk.plant(Path::new("/d/g"), b"y");
    disk.rename(Path::new("/d"), Path::new("/h")).expect("renamed");
    assert_eq!(get(&disk, "/h/e/f").as_deref(), Some(&b"x"[..]));
    let before = disk.operations();
    disk.remove_dir_all(Path::new("/h")).expect("removed");
    assert_eq!(disk.operations() - before, 4);
    assert!(disk.files().is_empty());
    assert_eq!(disk.crash(0).files().len(), 2);
}
