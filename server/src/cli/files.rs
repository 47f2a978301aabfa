//! How many files and connections the process may have open.
//!
//! Shells and service managers often start a process with a soft limit of 1024, for the sake of old programs that use `select`. A broker
//! has a file for each partition in use and a socket for each client, and takes what the hard limit permits.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Below this a broker of ordinary size may run out. Kafka's documentation asks for 100,000.
const COMFORTABLE: u64 = 10_000;

/// Raises the soft limit to the hard one; says so when that is little.
pub(super) fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "cannot raise the limit of open files");
            limit.current = before;
        }
    }
    match limit.current {
        Some(files) if files < COMFORTABLE => {
            tracing::warn!(files, "few files may be open at once; each partition in use needs one and each connection another (ulimit -n)");
        }
        files => tracing::debug!(?files, ?before, "limit of open files"),
    }
}
