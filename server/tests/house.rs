//! House rules that clippy cannot check. Each failure names the file and what to do.

use ottla_server::api::{APIS, ApiEntry, file_of};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above the crate").to_path_buf()
}

fn rust_files(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut out = Vec::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("a source directory can be listed") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is UTF-8");
                out.push((path, text));
            }
        }
    }
    assert!(out.len() > 2, "found the sources in {}", dir.display());
    out
}

/// What stands before the file's own tests, without comments.
fn product_code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn forbid(dir: &str, words: &[&str], except: &[&str], why: &str) {
    for (path, text) in rust_files(&root().join(dir)) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let inside = path.strip_prefix(root()).unwrap_or(&path);
        let of_tests = inside.components().any(|part| part.as_os_str() == "tests") || name.ends_with("tests.rs");
        if except.contains(&name) || of_tests {
            continue;
        }
        let code = product_code(&text);
        for word in words {
            assert!(!code.contains(word), "{}: contains {word}: {why}", path.display());
        }
    }
}

#[test]
fn only_clock_rs_reads_a_clock() {
    forbid("server/src", &["SystemTime::now", "std::time::Instant"], &["clock.rs"], "take `now` as an argument, or ask clock.rs");
    forbid("storage/src", &["SystemTime::now", "Instant::now"], &[], "time is an argument in storage");
    forbid("coordinator/src", &["SystemTime::now", "Instant::now"], &[], "time is an argument in the coordinator");
}

#[test]
fn tokio_lives_in_the_server_only() {
    forbid("storage/src", &["tokio"], &[], "storage has no tasks");
    forbid("coordinator/src", &["tokio"], &[], "the coordinator has no tasks");
}

#[test]
fn storage_knows_no_kafka_error_codes_and_no_protocol_crate() {
    forbid("storage/src", &["kafka_protocol", "ResponseError"], &[], "the server maps errors");
}

#[test]
fn storage_reaches_the_file_system_through_its_disk_only() {
    forbid("storage/src", &["std::fs"], &["real.rs", "whole.rs"], "use disk::Disk");
}

#[test]
fn storage_errors_are_mapped_in_errors_rs_only() {
    forbid("server/src", &["AppendError::", "ReadError::"], &["errors.rs"], "map storage errors in errors.rs");
}

#[test]
fn the_rooms_do_not_know_each_other() {
    for (krate, banned) in [("storage", ["ottla-coordinator", "ottla-server"]), ("coordinator", ["ottla-storage", "ottla-server"])] {
        let manifest = fs::read_to_string(root().join(krate).join("Cargo.toml")).expect("each room has a manifest");
        let product = without_dev_dependencies(&manifest);
        for name in banned {
            assert!(!product.contains(name), "{krate} must not depend on {name}");
        }
    }
}

/// A room's tests may look into the other room: the simulator of transactions plays the coordinator's rules against storage's. Cargo
/// gives a dev-dependency to tests only, so the room itself cannot use it, and whoever depends on the room does not get it.
fn without_dev_dependencies(manifest: &str) -> String {
    let mut of_tests = false;
    let kept = manifest.lines().filter(|line| {
        if line.starts_with('[') {
            of_tests = line.starts_with("[dev-dependencies");
        }
        !of_tests
    });
    kept.collect::<Vec<_>>().join("\n")
}

#[test]
fn api_files_do_not_look_up_at_sockets() {
    let sockets = ["TcpStream", "TcpListener", "net::listener", "net::connection"];
    forbid("server/src/api", &sockets, &[], "api never looks back up at net's sockets");
}

fn versions(min: i16, max: i16) -> String {
    if min == max { min.to_string() } else { format!("{min}-{max}") }
}

fn header_of(entry: &ApiEntry) -> String {
    format!("//! {:?} (key {}), v{}.", entry.key, entry.key as i16, versions(entry.min_version, entry.max_version))
}

#[test]
fn every_api_file_opens_with_its_name_key_and_versions() {
    for entry in APIS {
        let file = file_of(entry);
        let text = fs::read_to_string(root().join("server/src/api").join(&file))
            .unwrap_or_else(|_| panic!("{file}: missing, but the table lists {:?}", entry.key));
        assert_eq!(text.lines().next(), Some(header_of(entry).as_str()), "{file}: the first line must match the table");
    }
}

#[test]
fn no_api_file_is_missing_from_the_table() {
    let shared = ["by_topic.rs", "config_changes.rs", "mod.rs", "response.rs", "table.rs"];
    let mut in_table: Vec<String> = APIS.iter().map(file_of).collect();
    in_table.sort();
    let mut on_disk: Vec<String> = fs::read_dir(root().join("server/src/api"))
        .expect("api can be listed")
        .map(|entry| entry.expect("an entry can be read").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".rs") && !shared.contains(&name.as_str()))
        .collect();
    on_disk.sort();
    assert_eq!(on_disk, in_table);
}

#[test]
fn the_readme_lists_exactly_the_apis_of_the_table() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let table = readme
        .split_once("<!-- apis:begin -->")
        .and_then(|(_, rest)| rest.split_once("<!-- apis:end -->"))
        .map(|(table, _)| table)
        .expect("README.md has the table between apis:begin and apis:end");
    let mut listed = BTreeMap::new();
    for line in table.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let [key, name, versions, ..] = cells[..]
            && let Ok(key) = key.parse::<i16>()
        {
            listed.insert(key, format!("{name} {versions}"));
        }
    }
    let served: BTreeMap<i16, String> = APIS
        .iter()
        .map(|entry| {
            let advertised = if !entry.advertised {
                " (not advertised)".to_owned()
            } else if entry.advertised_min_version < entry.min_version {
                format!(" (advertised {}-{})", entry.advertised_min_version, entry.max_version)
            } else {
                String::new()
            };
            (entry.key as i16, format!("{:?} {}{advertised}", entry.key, versions(entry.min_version, entry.max_version)))
        })
        .collect();
    assert_eq!(listed, served);
}

#[test]
fn source_files_stay_small_enough_to_hold_in_the_head() {
    for dir in ["server/src", "storage/src", "coordinator/src"] {
        for (path, text) in rust_files(&root().join(dir)) {
            let lines = text.lines().count();
            assert!(lines <= 700, "{}: {lines} lines: look for the second thought in it", path.display());
        }
    }
}
