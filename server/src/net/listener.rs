//! Listeners: bind all addresses first, so that the advertised ports are known, then accept and hand sockets to reactors.
//!
//! Called by `broker`. `localhost` means 127.0.0.1 and ::1 on one port, because clients try either; an empty host or a wildcard means
//! every address of both families, as with Apache Kafka. Sockets go round the reactors in turn.

use super::admission::{Admission, TurnedAway};
use super::buffers::{BufferPool, RequestMemory};
use super::connection::{self, Shared, Stop};
use super::ending::Endings;
use super::tally::Tally;
use super::{ConnectionInfo, Dispatch, Principal};
use crate::limits::{HELD_CONNECTIONS_MAX, Limits};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long accepting rests when the process has no file descriptors left.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(100);
/// How often another port is tried when the one the system chose is taken in the second address family.
const PORT_ATTEMPTS: usize = 20;
/// How often a stopping broker looks whether its connections are gone.
const STOP_STEP: Duration = Duration::from_millis(5);
/// Refusals are logged at most so often.
const REFUSAL_LOG_EVERY: Duration = Duration::from_secs(10);

/// Where to listen: one entry of `listeners`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSpec {
    /// Listener name.
    pub name: String,
    /// Host name or address; empty for every address. Without brackets for IPv6.
    pub host: String,
    /// Port; 0 to let the system choose.
    pub port: u16,
}

/// A listener that is bound.
#[derive(Clone, Debug)]
pub struct BoundListener {
    /// Listener name.
    pub name: Arc<str>,
    /// Host as configured.
    pub host: String,
    /// The port, chosen by now.
    pub port: u16,
    /// Every address it is bound to.
    pub addresses: Vec<SocketAddr>,
}

/// A listener could not be bound.
#[derive(Debug, Error)]
#[error("cannot listen on {name}://{host}:{port}: {source}")]
pub struct BindError {
    /// Listener name.
    pub name: String,
    /// Host as configured.
    pub host: String,
    /// Port as configured.
    pub port: u16,
    /// What the system said.
    pub source: io::Error,
}

/// Bound listeners that do not accept yet; clients that connect wait in the listen queue.
#[derive(Debug)]
pub struct Listeners {
    bound: Vec<BoundListener>,
    sockets: Vec<(usize, std::net::TcpListener)>,
}

impl Listeners {
    /// Binds every listener, or none.
    pub fn bind(specs: &[ListenerSpec], limits: &Limits) -> Result<Self, BindError> {
        let mut listeners = Self { bound: Vec::new(), sockets: Vec::new() };
        for (index, spec) in specs.iter().enumerate() {
            let sockets = bind_spec(spec, limits).map_err(|source| BindError {
                name: spec.name.clone(),
                host: spec.host.clone(),
                port: spec.port,
                source,
            })?;
            let mut bound =
                BoundListener { name: spec.name.as_str().into(), host: spec.host.clone(), port: spec.port, addresses: Vec::new() };
            for socket in sockets {
                if let Ok(address) = socket.local_addr() {
                    bound.port = address.port();
                    bound.addresses.push(address);
                }
                listeners.sockets.push((index, socket));
            }
            listeners.bound.push(bound);
        }
        Ok(listeners)
    }

    /// What is bound, in the order of the specs.
    pub fn bound(&self) -> &[BoundListener] {
        &self.bound
    }

    /// The sockets, for another protocol than Kafka's.
    pub(crate) fn into_sockets(self) -> (Vec<BoundListener>, Vec<std::net::TcpListener>) {
        (self.bound, self.sockets.into_iter().map(|(_, socket)| socket).collect())
    }

    /// Begins to accept. Connections live on `reactors`, of which there must be at least one.
    pub fn serve(self, dispatch: Arc<dyn Dispatch>, limits: Arc<Limits>, reactors: &[Handle]) -> io::Result<Serving> {
        let memory = Arc::new(RequestMemory::new(&limits));
        let stop = Arc::new(Stop::default());
        let endings = Arc::new(Endings::default());
        let tallies: Vec<Arc<Tally>> = reactors.iter().map(|_| Arc::new(Tally::new(self.bound.len()))).collect();
        let homes: Vec<Home> = reactors
            .iter()
            .zip(&tallies)
            .map(|(handle, tally)| Home {
                handle: handle.clone(),
                shared: Arc::new(Shared {
                    dispatch: Arc::clone(&dispatch),
                    limits: Arc::clone(&limits),
                    pool: BufferPool::new(&limits),
                    memory: Arc::clone(&memory),
                    stop: Arc::clone(&stop),
                    endings: Arc::clone(&endings),
                    tally: Arc::clone(tally),
                }),
            })
            .collect();
        let first = reactors.first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no reactor to serve on"))?;
        let admission = Admission::new(limits);
        let acceptor = Arc::new(Acceptor {
            dispatch,
            homes,
            held: Arc::default(),
            admission: Arc::clone(&admission),
            next_id: AtomicU64::new(0),
            principal: Principal::anonymous(),
        });
        let mut accepting = Vec::new();
        for (index, socket) in self.sockets {
            let Some(bound) = self.bound.get(index) else { continue };
            let name = Arc::clone(&bound.name);
            accepting.push(first.spawn(accept_loop(Arc::clone(&acceptor), (index, name), socket)));
        }
        Ok(Serving { stop, admission, tallies, accepting })
    }
}

/// The listeners at work.
#[derive(Debug)]
pub struct Serving {
    stop: Arc<Stop>,
    admission: Arc<Admission>,
    tallies: Vec<Arc<Tally>>,
    accepting: Vec<JoinHandle<()>>,
}

impl Serving {
    /// Connections open now.
    pub fn open_connections(&self) -> usize {
        self.admission.open_connections()
    }

    /// What connections have done, by reactor.
    pub(crate) fn tallies(&self) -> &[Arc<Tally>] {
        &self.tallies
    }

    /// What sets other bounds for new connections.
    pub(crate) fn admission(&self) -> impl Fn(Limits) + Send + Sync + use<> {
        let admission = Arc::clone(&self.admission);
        move |limits| admission.reconfigure(limits)
    }

    /// Stops accepting, lets requests in flight finish and their answers leave, and returns when all connections are gone or `within`
    /// has passed. True when all are gone; those that are not go with their reactors.
    pub async fn stop(self, within: Duration) -> bool {
        for task in &self.accepting {
            task.abort();
        }
        self.stop.drain();
        let deadline = Instant::now() + within;
        while self.admission.open_connections() > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(STOP_STEP).await;
        }
        true
    }
}

/// A reactor with what its connections share.
struct Home {
    handle: Handle,
    shared: Arc<Shared>,
}

struct Acceptor {
    dispatch: Arc<dyn Dispatch>,
    homes: Vec<Home>,
    /// Sockets above their address's rate that wait to be closed.
    held: Arc<()>,
    admission: Arc<Admission>,
    next_id: AtomicU64,
    principal: Principal,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("reactors", &self.homes.len()).finish_non_exhaustive()
    }
}

/// Accepts on one socket for as long as the task lives.
async fn accept_loop(acceptor: Arc<Acceptor>, (listener, listener_name): (usize, Arc<str>), socket: std::net::TcpListener) {
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(listener = %listener_name, %error, "cannot accept connections");
            return;
        }
    };
    let mut refused_log_at: Option<Instant> = None;
    loop {
        let (stream, peer_addr) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if is_out_of_resources(&error) {
                    tracing::warn!(listener = %listener_name, %error, "cannot accept connections for now");
                    tokio::time::sleep(OUT_OF_DESCRIPTORS_PAUSE).await;
                }
                // Anything else concerns the one connection that was to be accepted.
                continue;
            }
        };
        let delay_ms = acceptor.dispatch.arrival_delay_ms(&listener_name);
        if delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
        if let Some(held_ms) = acceptor.dispatch.turned_away_ms(&listener_name, peer_addr.ip().to_canonical()) {
            acceptor.hold(stream, Duration::from_millis(held_ms));
            continue;
        }
        if let Err((peer, why)) = acceptor.steer(listener, &listener_name, stream, peer_addr) {
            let now = Instant::now();
            if refused_log_at.is_none_or(|at| now.duration_since(at) >= REFUSAL_LOG_EVERY) {
                refused_log_at = Some(now);
                tracing::warn!(listener = %listener_name, %peer, "turned a connection away: {why}");
            }
        }
    }
}

impl Acceptor {
    /// Closes the connection later, so that a client that comes again at once is slowed down (KIP-612).
    fn hold(&self, stream: TcpStream, held: Duration) {
        let place = Arc::clone(&self.held);
        // One is the acceptor's own, one is this.
        if Arc::strong_count(&self.held) - 2 < HELD_CONNECTIONS_MAX {
            tokio::spawn(async move {
                tokio::time::sleep(held).await;
                drop((stream, place));
            });
        }
    }

    /// Gives the connection its reactor, or closes it.
    fn steer(
        &self,
        listener: usize,
        listener_name: &Arc<str>,
        stream: TcpStream,
        peer_addr: SocketAddr,
    ) -> Result<(), (SocketAddr, TurnedAway)> {
        let Ok(local_addr) = stream.local_addr() else { return Ok(()) };
        let (peer_addr, local_addr) = (canonical(peer_addr), canonical(local_addr));
        let permit = self.admission.admit(peer_addr.ip(), Instant::now()).map_err(|why| (peer_addr, why))?;
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_keepalive(true);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let reactor = (id % self.homes.len() as u64) as usize;
        let Some(home) = self.homes.get(reactor) else { return Ok(()) };
        let info = Arc::new(ConnectionInfo {
            id,
            listener_name: Arc::clone(listener_name),
            local_addr,
            peer_addr,
            principal: self.principal.clone(),
            reactor,
            client_software: OnceLock::new(),
            held: AtomicBool::new(false),
        });
        let shared = Arc::clone(&home.shared);
        // The socket leaves the reactor it was accepted on and is watched by the one it will live on.
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot move a new connection");
                return Ok(());
            }
        };
        home.handle.spawn(async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => connection::run(stream, info, listener, shared, permit).await,
                Err(error) => tracing::warn!(%error, "cannot watch a new connection"),
            }
        });
        Ok(())
    }
}

/// An IPv4 client of a dual-stack socket is an IPv4 client.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn is_out_of_resources(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

fn bind_spec(spec: &ListenerSpec, limits: &Limits) -> io::Result<Vec<std::net::TcpListener>> {
    let host = spec.host.trim_start_matches('[').trim_end_matches(']');
    if host.eq_ignore_ascii_case("localhost") {
        return bind_localhost(spec.port, limits);
    }
    let every_address = host.is_empty() || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
    if every_address {
        let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, spec.port));
        return match bind_one(both, limits) {
            Ok(socket) => Ok(vec![socket]),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
            Err(_) => Ok(vec![bind_one(SocketAddr::from((Ipv4Addr::UNSPECIFIED, spec.port)), limits)?]),
        };
    }
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in (host, spec.port).to_socket_addrs()? {
        match bind_one(address, limits) {
            Ok(socket) => return Ok(vec![socket]),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// 127.0.0.1 and ::1 on one port. A machine without one of them is served on the other.
fn bind_localhost(port: u16, limits: &Limits) -> io::Result<Vec<std::net::TcpListener>> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let first = match bind_one(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), limits) {
            Ok(first) => first,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(_) => return Ok(vec![bind_one(SocketAddr::from((Ipv6Addr::LOCALHOST, port)), limits)?]),
        };
        let second = SocketAddr::from((Ipv6Addr::LOCALHOST, first.local_addr()?.port()));
        match bind_one(second, limits) {
            Ok(second) => return Ok(vec![first, second]),
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => return Ok(vec![first]),
            Err(_) if port == 0 && attempts < PORT_ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
}

fn bind_one(address: SocketAddr, limits: &Limits) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    // A restarted broker must get its port back while old connections linger.
    socket.set_reuse_address(true)?;
    if let IpAddr::V6(ip) = address.ip() {
        socket.set_only_v6(!ip.is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(limits.listen_backlog)?;
    Ok(socket.into())
}
