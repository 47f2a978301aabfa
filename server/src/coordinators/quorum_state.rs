//! The `quorum-state` file beside the metadata log: which raft epoch was reached, so that the next start takes a higher one.
//!
//! Kafka's own JSON, version 0 (kraft.version 0, a static voter set). Written whole: temporary file, sync, rename, sync of the directory.

use ottla_storage::StorageError;
use ottla_storage::disk::{Disk, read_file, replace_file};
use std::path::Path;

const FILE_NAME: &str = "quorum-state";
/// A voter set of thousands fits.
const SIZE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads the last raft epoch; 0 when there is no file or it says none.
pub(super) fn read_epoch(disk: &dyn Disk, dir: &Path) -> Result<i32, StorageError> {
    let path = dir.join(FILE_NAME);
    let Some(bytes) = read_file(disk, &path, SIZE_BYTES_MAX)? else { return Ok(0) };
    let text = String::from_utf8_lossy(&bytes);
    number_after(&text, "\"leaderEpoch\":").ok_or_else(|| StorageError::Corrupt {
        path,
        position: 0,
        reason: "no leaderEpoch in quorum-state; restore the file or remove the metadata directory's copy of it".to_owned(),
    })
}

/// Writes that `node_id` leads `epoch`.
pub(super) fn write(disk: &dyn Disk, dir: &Path, node_id: i32, epoch: i32) -> Result<(), StorageError> {
    let text = format!(
        "{{\"clusterId\":\"\",\"leaderId\":{node_id},\"leaderEpoch\":{epoch},\"votedId\":-1,\"appliedOffset\":0,\
         \"currentVoters\":[{{\"voterId\":{node_id}}}],\"data_version\":0}}"
    );
    replace_file(disk, &dir.join(FILE_NAME), text.as_bytes())
}

fn number_after(text: &str, key: &str) -> Option<i32> {
    let rest = text.split_once(key)?.1.trim_start();
    let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '-').unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_read_from_kafkas_text_and_garbage_is_refused() {
        let kafka = r#"{"clusterId":"","leaderId":1,"leaderEpoch":12,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#;
        assert_eq!(number_after(kafka, "\"leaderEpoch\":"), Some(12));
        assert_eq!(number_after("{}", "\"leaderEpoch\":"), None);
        assert_eq!(number_after("\"leaderEpoch\":x", "\"leaderEpoch\":"), None);
    }
}
