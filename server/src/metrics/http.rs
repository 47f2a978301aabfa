//! The HTTP side: GET and HEAD of three paths, one request a connection.
//!
//! hyper reads and writes HTTP/1; what is ours are the bounds: so many connections, so many bytes and seconds for a head, so many seconds
//! for a whole connection. Beyond each of them the connection is closed and nobody else notices.

use super::snapshot::Snapshot;
use super::text::{Format, Pieces};
use super::window::Window;
use super::{Detail, Watched, health};
use crate::limits;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// How long accepting rests when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const PLAIN: &str = "text/plain; charset=utf-8";
const PATHS: &str = "/metrics\n/livez\n/readyz\n";

/// What every connection needs. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    watched: Arc<OnceLock<Watched>>,
    window: Arc<Window>,
    detail: Detail,
    places: Arc<Semaphore>,
    /// Held by the one scrape that looks.
    turn: Arc<Semaphore>,
}

impl Answers {
    pub(super) fn new(watched: Arc<OnceLock<Watched>>, window: Arc<Window>, detail: Detail) -> Self {
        Self { watched, window, detail, places: Arc::new(Semaphore::new(limits::HTTP_CONNECTIONS_MAX)), turn: Arc::new(Semaphore::new(1)) }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Text> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match request.uri().path() {
            "/metrics" => self.metrics(request.headers()).await,
            "/livez" => verdict(health::live(self.watched.get()).await),
            "/readyz" => verdict(health::ready(self.watched.get())),
            "/" => plain(StatusCode::OK, PATHS.to_owned()),
            _ => plain(StatusCode::NOT_FOUND, PATHS.to_owned()),
        }
    }

    async fn metrics(&self, headers: &HeaderMap) -> Response<Text> {
        let Some(snapshot) = self.snapshot().await else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "starting\n".to_owned());
        };
        let asks_for_open = headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(Format::is_open_asked_for));
        let format = if asks_for_open { Format::OpenMetrics } else { Format::Prometheus };
        let pieces = Pieces::new(snapshot, format);
        respond(StatusCode::OK, format.content_type(), Text::Pieces(Box::new(pieces)))
    }
}

impl Answers {
    /// Looks at the broker, one scraper after the other; one that went away while it waited is passed over. It reads logs, for lag in time:
    /// on a thread of its own, so that probes are answered whatever the disks do.
    async fn snapshot(&self) -> Option<Snapshot> {
        self.watched.get()?;
        let turn = Arc::clone(&self.turn).acquire_owned().await.ok()?;
        let (watched, window, detail) = (Arc::clone(&self.watched), Arc::clone(&self.window), self.detail);
        let look = move || {
            let snapshot = watched.get().map(|watched| Snapshot::take(watched, &window, detail));
            drop(turn);
            snapshot
        };
        tokio::task::spawn_blocking(look).await.ok()?
    }
}

/// Accepts on one socket for as long as the task lives.
pub(super) async fn accept(socket: std::net::TcpListener, answers: Answers) {
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(%error, "cannot serve metrics");
            return;
        }
    };
    loop {
        let Ok((stream, _)) = socket.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Full: closed at once. A scraper comes again, and one that holds places for nothing loses them in time.
        if let Ok(place) = Arc::clone(&answers.places).try_acquire_owned() {
            let answers = answers.clone();
            tokio::spawn(async move {
                let _ = tokio::time::timeout(limits::HTTP_CONNECTION_WITHIN, serve(stream, answers)).await;
                drop(place);
            });
        }
    }
}

async fn serve(stream: TcpStream, answers: Answers) {
    let service = service_fn(|request: Request<Incoming>| {
        let answers = &answers;
        async move { Ok::<_, Infallible>(answers.answer(&request).await) }
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HTTP_HEAD_WITHIN)
        .max_headers(limits::HTTP_HEADERS_MAX)
        .max_buf_size(limits::HTTP_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection for metrics ended early");
    }
}

fn verdict(reasons: Vec<String>) -> Response<Text> {
    if reasons.is_empty() {
        plain(StatusCode::OK, "ok\n".to_owned())
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
    }
}

fn plain(status: StatusCode, text: String) -> Response<Text> {
    respond(status, PLAIN, Text::Whole(Bytes::from(text)))
}

fn respond(status: StatusCode, content_type: &'static str, text: Text) -> Response<Text> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The body of an answer.
enum Text {
    Whole(Bytes),
    Pieces(Box<Pieces>),
}

impl Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match self.get_mut() {
            Self::Whole(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Self::Pieces(pieces) => pieces.next(),
        };
        Poll::Ready(piece.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}
