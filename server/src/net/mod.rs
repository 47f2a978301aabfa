//! Bytes in, bytes out: listeners, reactors, connections, frames, and the guard in front of every decoder.
//!
//! `broker` binds and serves; nothing else calls in here. `net` stands above `api` and reaches it only through [`Dispatch`], so it knows
//! no request by meaning. It promises: requests of a connection are handed over in arrival order, answers leave in the same order,
//! nothing is handed over that the guard has not walked, and no client can make us hold more than `limits` allows.

mod admission;
mod buffers;
mod connection;
mod ending;
mod frame;
pub mod guard;
#[cfg(test)]
mod guard_tests;
mod listener;
mod output;
mod reactor;
mod shapes;
pub(crate) mod tally;

pub use listener::{BindError, BoundListener, ListenerSpec, Listeners, Serving};
pub use reactor::Reactors;

use crate::api::response::Response;
use crate::limits::Limits;
use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::time::Instant;

/// What `net` asks of the rest of the broker.
pub trait Dispatch: Send + Sync + 'static {
    /// Called in arrival order for each frame that passed the guard. The future is polled once at once, on the reactor of the connection.
    fn dispatch(&self, connection: &Arc<ConnectionInfo>, frame: Frame) -> Dispatched;

    /// How many milliseconds a listener waits before it goes on with a connection that it has accepted.
    fn arrival_delay_ms(&self, _listener_name: &str) -> u64 {
        0
    }

    /// Asked after that wait. `Some`: more connections from this address than it may open; to be held so many milliseconds, then closed.
    fn turned_away_ms(&self, _listener_name: &str, _address: IpAddr) -> Option<u64> {
        None
    }
}

/// One request as it came in: header fields, and the body not yet decoded.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Which API.
    pub api_key: i16,
    /// Which version of it. For ApiVersions it may be one we do not know; the body is then empty (KIP-511).
    pub api_version: i16,
    /// To be echoed in the response header.
    pub correlation_id: i32,
    /// The client's name for itself; Kafka takes a null one for an empty one.
    pub client_id: Option<StrBytes>,
    /// What follows the request header. Walked by the guard: safe to decode. May have bytes left after decoding.
    pub body: Bytes,
    /// Size of the whole request without the size prefix.
    pub size_bytes: usize,
    /// When the last byte was read.
    pub received_at: Instant,
}

/// A request being worked on.
pub struct Dispatched {
    /// Resolves to the answer. Dropped when the connection goes away first.
    pub future: Pin<Box<dyn Future<Output = Outcome> + Send>>,
    /// True: the next frame may be dispatched while this one waits (Produce). False: the next frame waits until this one is done.
    pub pipelined: bool,
}

impl Dispatched {
    /// A request the next one waits for.
    pub fn serial(future: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self { future: Box::pin(future), pipelined: false }
    }

    /// A request that may overlap with the next one.
    pub fn pipelined(future: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self { future: Box::pin(future), pipelined: true }
    }
}

impl fmt::Debug for Dispatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatched").field("pipelined", &self.pipelined).finish_non_exhaustive()
    }
}

/// Splits bytes into frames as a connection would and has the guard walk them; true when all were fit to be handed over, false when the
/// connection would have been closed. For tests and fuzz targets.
pub fn split_frames(bytes: &[u8], limits: &Limits) -> (Vec<Frame>, bool) {
    let received_at = Instant::now();
    let mut buffer = BytesMut::from(bytes);
    let mut frames = Vec::new();
    loop {
        let taken = match frame::peek(&buffer, limits) {
            Ok(frame::Peek::Incomplete { .. }) => return (frames, true),
            Ok(frame::Peek::Complete { size_bytes }) => frame::take(&mut buffer, size_bytes, limits, received_at),
            Err(_) => return (frames, false),
        };
        let Ok(mut frame) = taken else { return (frames, false) };
        match guard::check(frame.api_key, frame.api_version, &frame.body, limits) {
            Ok(guard::Verdict::Walked { .. }) => {}
            Ok(guard::Verdict::NotToBeRead) => frame.body.clear(),
            Err(_) => return (frames, false),
        }
        frames.push(frame);
    }
}

/// How a request ends.
#[derive(Debug)]
pub enum Outcome {
    /// Send this.
    Respond(Response),
    /// Send nothing (acks=0).
    NoResponse {
        /// Read nothing from the client for so long; 0 for no throttling.
        throttle_ms: i32,
    },
    /// Close the connection once the answers before this one are written; the reason is logged.
    Close(CloseReason),
}

/// Why a connection is closed by us. Shown in logs only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason(pub std::borrow::Cow<'static, str>);

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// `User` unless a principal builder says otherwise.
    pub kind: Arc<str>,
    /// The name; `ANONYMOUS` on a listener without authentication.
    pub name: Arc<str>,
}

impl Principal {
    /// The principal of a listener without authentication.
    pub fn anonymous() -> Self {
        Self { kind: "User".into(), name: "ANONYMOUS".into() }
    }
}

/// What is known of a connection; shared by all its requests.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// Unique in this broker since its start.
    pub id: u64,
    /// Name of the listener it came in on, in upper case as configured; decides the advertised address (DESIGN.md 0.2, item 13).
    pub listener_name: Arc<str>,
    /// Our end.
    pub local_addr: SocketAddr,
    /// The client's end.
    pub peer_addr: SocketAddr,
    /// Who it is.
    pub principal: Principal,
    /// Which reactor it lives on.
    pub reactor: usize,
    /// Software name and version, as the first ApiVersions v3+ told.
    pub client_software: OnceLock<(StrBytes, StrBytes)>,
    /// No frame is dispatched while this is set.
    pub(crate) held: AtomicBool,
}

impl ConnectionInfo {
    /// For a pipelined request that must wait before it does its work: none that came after it begins until the hold is dropped.
    /// To be taken while the request is polled for the first time, else a later one has begun.
    pub fn hold(&self) -> Hold<'_> {
        self.held.store(true, Ordering::Relaxed);
        Hold(self)
    }
}

/// Keeps later requests of a connection waiting. Both ends are on the connection's own task.
#[derive(Debug)]
#[must_use]
pub struct Hold<'a>(&'a ConnectionInfo);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.held.store(false, Ordering::Relaxed);
    }
}
