//! How connections end, and what is logged of it.
//!
//! Called by `connection`. A stranger decides how often connections end, so what is logged above debug is bounded in number.

use super::frame::FrameError;
use super::{CloseReason, ConnectionInfo, guard};
use rustix::io::Errno;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Warnings of one window; more are counted only.
const WARNINGS_PER_WINDOW: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The client closed it, or we are stopping.
    Orderly,
    /// The network failed.
    Lost(io::Error),
    /// The bytes were not ours to understand.
    NotKafka(FrameError),
    /// The guard refused a request.
    Refused { api_key: i16, api_version: i16, refusal: guard::Refusal },
    /// A deadline passed.
    TooSlow(&'static str),
    /// A handler asked for it.
    ByHandler(CloseReason),
}

/// Logs the ends of all connections of a broker.
#[derive(Debug, Default)]
pub(super) struct Endings {
    warnings: Mutex<Warnings>,
}

#[derive(Debug, Default)]
struct Warnings {
    window_began_at: Option<Instant>,
    in_window: u32,
    left_out: u64,
}

impl Warnings {
    /// How many warnings were left out since the last one, if one more may be logged now.
    fn one_more(&mut self, now: Instant) -> Option<u64> {
        if self.window_began_at.is_none_or(|began_at| now.duration_since(began_at) >= WINDOW) {
            self.window_began_at = Some(now);
            self.in_window = 0;
        }
        if self.in_window == WARNINGS_PER_WINDOW {
            self.left_out += 1;
            return None;
        }
        self.in_window += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl Endings {
    /// Logs one end at the level it deserves.
    pub(super) fn report(&self, info: &ConnectionInfo, end: &End) {
        let (id, peer, listener) = (info.id, info.peer_addr, &info.listener_name);
        match end {
            End::Orderly => tracing::trace!(id, %peer, %listener, "connection closed"),
            End::Lost(error) if is_ours(error) => {
                tracing::error!(id, %peer, %listener, %error, "connection closed: a log file cannot be read as its index says");
            }
            End::Lost(error) => tracing::debug!(id, %peer, %listener, %error, "connection lost"),
            End::NotKafka(error) if error.is_for_operator() => {
                let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(left_out) = warnings.one_more(Instant::now()) {
                    tracing::warn!(id, %listener, left_out, "closed a connection from {peer}: {error}");
                }
            }
            End::NotKafka(error) => tracing::debug!(id, %peer, %listener, "connection closed: {error}"),
            End::Refused { api_key, api_version, refusal } => {
                let api = guard::api_name(*api_key);
                tracing::debug!(id, %peer, %listener, "connection closed: malformed {api} v{api_version} request: {refusal}");
            }
            End::TooSlow(what) => tracing::debug!(id, %peer, %listener, "connection closed: {what}"),
            End::ByHandler(reason) => tracing::debug!(id, %peer, %listener, "connection closed: {reason}"),
        }
    }
}

/// True when the file failed and not the network.
fn is_ours(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof || error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_warnings_is_cut_and_counted() {
        let mut warnings = Warnings::default();
        let now = Instant::now();
        for _ in 0..WARNINGS_PER_WINDOW {
            assert_eq!(warnings.one_more(now), Some(0));
        }
        assert_eq!((warnings.one_more(now), warnings.one_more(now)), (None, None));
        assert_eq!(warnings.one_more(now + WINDOW), Some(2));
        assert_eq!(warnings.one_more(now + WINDOW), Some(0));
    }
}
