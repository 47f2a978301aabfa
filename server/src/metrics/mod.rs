//! Observability: `/metrics`, `/livez` and `/readyz` on a port of their own.
//!
//! `broker` starts and stops the [`Endpoint`]; nothing else calls in here. It promises that whoever scrapes harms nobody: the endpoint has a
//! thread and a runtime of its own, connections are few and end in time, a scrape takes each lock it needs for as long as it copies a few
//! numbers, and its text is made piece by piece as the client takes it. What is counted is counted where it happens, by the core it happens
//! on; here it is only added up.
//!
//! `families` has every metric there is, `snapshot` gathers what one scrape tells, `text` writes it, `health` answers the two probes.

mod families;
mod family;
mod groups;
mod health;
pub(crate) mod histogram;
mod http;
mod process;
mod requests;
mod snapshot;
mod text;
mod window;

pub use families::markdown;

use crate::broker::Node;
use crate::limits::Limits;
use crate::net::tally::Tally;
use crate::net::{BindError, BoundListener, ListenerSpec, Listeners};
use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use window::Window;

/// How far a scrape goes (`ottla.metrics.detail`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Detail {
    /// Sums of the broker.
    Broker,
    /// Topics and groups too; what is told of partitions is summed over each topic's.
    Topic,
    /// Everything.
    Partition,
}

impl Detail {
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "broker" => Self::Broker,
            "topic" => Self::Topic,
            _ => Self::Partition,
        }
    }
}

/// What the endpoint looks at.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) node: Arc<Node>,
    pub(crate) reactors: Vec<Handle>,
    /// By reactor.
    pub(crate) tallies: Vec<Arc<Tally>>,
    /// By listener, as in the tallies.
    pub(crate) listeners: Vec<Arc<str>>,
}

/// The listener at work. Probes are answered from its start on, metrics once there is a broker to look at.
#[derive(Debug)]
pub(crate) struct Endpoint {
    bound: BoundListener,
    watched: Arc<OnceLock<Watched>>,
    window: Arc<Window>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// The endpoint cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Its address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its thread.
    #[error(transparent)]
    Thread(#[from] io::Error),
}

impl Endpoint {
    /// Opens the port and begins to answer.
    pub(crate) fn start(host: &str, port: u16, detail: Detail, limits: &Limits) -> Result<Self, EndpointError> {
        let spec = ListenerSpec { name: "HTTP".to_owned(), host: host.to_owned(), port };
        let (mut bound, sockets) = Listeners::bind(&[spec], limits)?.into_sockets();
        let bound = bound.pop().ok_or_else(|| io::Error::other("nothing was bound"))?;
        let watched = Arc::new(OnceLock::new());
        let (stop, stopped) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let window = Arc::new(Window::default());
        let answers = http::Answers::new(Arc::clone(&watched), Arc::clone(&window), detail);
        let minutes = keep_minutes(Arc::clone(&watched), Arc::clone(&window));
        let thread = std::thread::Builder::new().name("ottla-metrics".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::spawn(minutes);
                for socket in sockets {
                    tokio::spawn(http::accept(socket, answers.clone()));
                }
                // Sent or dropped, both mean stop. What still runs is dropped with the runtime.
                let _ = stopped.await;
            });
        })?;
        Ok(Self { bound, watched, window, stop, thread })
    }

    /// From now on there is a broker to look at.
    pub(crate) fn watch(&self, watched: Watched) {
        self.window.note(&watched);
        let _ = self.watched.set(watched);
    }

    /// Where it listens.
    pub(crate) fn bound(&self) -> &BoundListener {
        &self.bound
    }

    /// Closes the port and waits for the thread.
    pub(crate) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the metrics thread panicked");
        }
    }
}

/// Lets the window move on.
async fn keep_minutes(watched: Arc<OnceLock<Watched>>, window: Arc<Window>) {
    loop {
        tokio::time::sleep(window::STEP).await;
        watched.get().into_iter().for_each(|watched| window.note(watched));
    }
}
