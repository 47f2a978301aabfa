//! What can go wrong in the vault, in storage's own words. The server maps these to Kafka error codes.

use std::io;
use std::path::PathBuf;

/// A disk or file-format failure: the world's errors, never the client's.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// An operation on a file failed.
    #[error("{operation} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "append", "read", "sync".
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A file holds something that cannot be right and that must not be thrown away silently.
    #[error("{}: corrupt at byte {position}: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Byte position of the first bad structure.
        position: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The log is offline after an earlier failure and must be reopened before it is used again.
    #[error("log {log} is offline: {reason}")]
    Offline {
        /// Directory name of the log.
        log: String,
        /// The earlier failure.
        reason: String,
    },
    /// Another process holds the data directory.
    #[error("{}: in use by another process; stop it or choose another log.dirs", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A data directory is not ours to use as it is: another cluster's or node's, an unknown version, a contradiction.
    #[error("{}: {reason}", path.display())]
    Refused {
        /// The file or directory that says so.
        path: PathBuf,
        /// What it says, what was expected, what to do.
        reason: String,
    },
}

impl StorageError {
    /// Wraps an [`io::Error`] with what was tried on which path.
    pub fn io(operation: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io { operation, path: path.into(), source }
    }
}
