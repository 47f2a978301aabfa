//! One connection: read frames in order, have them worked on, write the answers in the same order.
//!
//! Started by `listener`, one task on one reactor for the connection's whole life. The task is a hand-written state machine because its
//! parts run at once: reading, up to `in_flight_requests_max` requests, writing, and one timer for all deadlines. Promises:
//! - frames are dispatched in arrival order, each future is polled once before the next frame is looked at;
//! - a request that is not pipelined is done before the next frame is dispatched; a pipelined one may hold the next back for a while
//!   (`ConnectionInfo::hold`);
//! - answers leave in request order, whatever order the requests finish in;
//! - an idle connection holds no receive buffer;
//! - a panic in a handler closes this connection and no other.

use super::admission::Permit;
use super::buffers::{BufferPool, MemoryShare, RequestMemory};
use super::ending::{End, Endings};
use super::frame::{self, Peek};
use super::output::{Output, Progress};
use super::tally::{Begun, Connected, ListenerTally, Tally};
use super::{CloseReason, ConnectionInfo, Dispatch, Dispatched, Frame, Outcome, guard};
use crate::limits::Limits;
use bytes::BytesMut;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

/// Frames handled in one turn before other connections of the reactor get theirs.
const FRAMES_PER_TURN: usize = 32;
/// Bytes written in one turn before other connections of the reactor get theirs.
const WRITTEN_BYTES_PER_TURN: u64 = 4 * 1024 * 1024;
/// A receive buffer with less room than this is made larger before the next read.
const ROOM_BYTES_MIN: usize = 4096;
/// How long reading pauses when the broker's request memory is used up.
const MEMORY_PAUSE: Duration = Duration::from_millis(10);

/// What all connections of one reactor share.
pub(super) struct Shared {
    pub(super) dispatch: Arc<dyn Dispatch>,
    pub(super) limits: Arc<Limits>,
    pub(super) pool: BufferPool,
    pub(super) memory: Arc<RequestMemory>,
    pub(super) stop: Arc<Stop>,
    pub(super) endings: Arc<Endings>,
    pub(super) tally: Arc<Tally>,
}

/// Tells connections to finish what they have and go.
#[derive(Debug, Default)]
pub(super) struct Stop {
    draining: AtomicBool,
    notify: Notify,
}

impl Stop {
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.notify.notify_waiters();
    }
}

/// A request on its way to an answer.
enum InFlight {
    Running { future: Pin<Box<dyn Future<Output = Outcome> + Send>>, begun: Begun, pipelined: bool },
    Done { outcome: Outcome, begun: Begun },
}

/// Serves the connection until it ends.
pub(super) async fn run(stream: TcpStream, info: Arc<ConnectionInfo>, listener: usize, shared: Arc<Shared>, permit: Permit) {
    let stop = Arc::clone(&shared.stop);
    let mut stopped = pin!(stop.notify.notified());
    let now = Instant::now();
    let first_deadline = now + shared.limits.first_request_within;
    let mut connection = Connection {
        stream,
        memory: MemoryShare::new(Arc::clone(&shared.memory)),
        permit,
        connected: shared.tally.connected(&info, listener),
        input: BytesMut::new(),
        input_allocated_bytes: 0,
        in_flight: VecDeque::new(),
        in_flight_bytes: 0,
        output: Output::default(),
        timer: Box::pin(tokio::time::sleep_until(first_deadline)),
        timer_at: first_deadline,
        active_at: now,
        frame_began_at: None,
        written_at: now,
        muted_until: None,
        paused_until: None,
        had_request: false,
        closing: None,
        info,
        shared,
    };
    let end = poll_fn(|cx| {
        let draining = stopped.as_mut().poll(cx).is_ready() || connection.shared.stop.draining.load(Ordering::SeqCst);
        if draining && connection.closing.is_none() {
            connection.closing = Some(End::Orderly);
        }
        connection.poll(cx)
    })
    .await;
    connection.shared.endings.report(&connection.info, &end);
}

struct Connection {
    stream: TcpStream,
    info: Arc<ConnectionInfo>,
    shared: Arc<Shared>,
    permit: Permit,
    connected: Connected,
    memory: MemoryShare,
    /// Bytes received and not yet taken as frames. Without memory of its own while the connection is idle.
    input: BytesMut,
    input_allocated_bytes: usize,
    /// Requests in arrival order whose answers are not yet queued in `output`.
    in_flight: VecDeque<InFlight>,
    in_flight_bytes: usize,
    output: Output,
    timer: Pin<Box<Sleep>>,
    /// When `timer` fires; may be earlier than needed, never later.
    timer_at: Instant,
    /// The last request, or the accept.
    active_at: Instant,
    /// Set while part of a frame waits for its rest.
    frame_began_at: Option<Instant>,
    /// The last time the client took bytes, or `output` became non-empty.
    written_at: Instant,
    /// Take no frame before this (KIP-219).
    muted_until: Option<Instant>,
    /// Receive nothing before this: the broker's request memory was used up.
    paused_until: Option<Instant>,
    had_request: bool,
    /// Set once no more frames are taken; the connection ends when what is in flight is done and written.
    closing: Option<End>,
}

impl Connection {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.poll_in_flight(cx);
        let mut written_bytes = 0;
        let mut frames = 0;
        loop {
            let turn = self.read_frames(cx, &mut frames).and_then(|took| {
                self.watch_for_closing(cx)?;
                let could_read = self.may_read();
                self.poll_write(cx, &mut written_bytes)?;
                Ok(took || (!could_read && self.may_read()))
            });
            let again = match turn {
                Ok(again) => again,
                Err(end) => return Poll::Ready(end),
            };
            if self.in_flight.is_empty()
                && self.output.is_empty()
                && let Some(end) = self.closing.take()
            {
                return Poll::Ready(end);
            }
            if frames >= FRAMES_PER_TURN || written_bytes >= WRITTEN_BYTES_PER_TURN {
                cx.waker().wake_by_ref();
                break;
            }
            if !again {
                break;
            }
        }
        self.release_when_idle();
        self.memory.set(self.input_allocated_bytes + self.in_flight_bytes);
        self.poll_deadlines(cx)
    }

    /// Polls every request that runs, then queues the answers that are due.
    fn poll_in_flight(&mut self, cx: &mut Context<'_>) {
        for entry in &mut self.in_flight {
            if let InFlight::Running { future, begun, .. } = entry
                && let Poll::Ready(outcome) = poll_caught(future, cx)
            {
                *entry = InFlight::Done { outcome, begun: *begun };
            }
        }
        self.queue_answers();
    }

    /// Moves the outcomes at the front, up to the first request still running, to `output`.
    fn queue_answers(&mut self) {
        while let Some(InFlight::Done { .. }) = self.in_flight.front() {
            if let Some(InFlight::Done { outcome, begun }) = self.in_flight.pop_front() {
                self.in_flight_bytes -= begun.size_bytes;
                self.queue_answer(outcome, &begun);
            }
        }
    }

    fn queue_answer(&mut self, outcome: Outcome, begun: &Begun) {
        let now = Instant::now();
        let (size_bytes, throttle_ms) = match &outcome {
            Outcome::Respond(response) => (response.size_bytes(), response.throttle_ms),
            Outcome::NoResponse { throttle_ms } => (0, *throttle_ms),
            Outcome::Close(_) => (0, 0),
        };
        self.shared.tally.done(begun, now, size_bytes, throttle_ms);
        match outcome {
            Outcome::NoResponse { .. } => {}
            Outcome::Respond(response) => {
                let close_after = response.close_after;
                if self.output.is_empty() {
                    self.written_at = now;
                }
                self.count(|listener| listener.responses.add(1));
                if !self.output.push(response) {
                    self.close(End::ByHandler(CloseReason("an answer larger than 2 GiB".into())));
                } else if close_after {
                    self.close(End::ByHandler(CloseReason("the answer asked for it".into())));
                }
            }
            Outcome::Close(reason) => self.close(End::ByHandler(reason)),
        }
        if let Ok(throttle_ms @ 1..) = u64::try_from(throttle_ms) {
            let mute = Duration::from_millis(throttle_ms).min(self.shared.limits.throttle_max);
            self.muted_until = self.muted_until.max(Some(now + mute));
        }
    }

    fn count(&self, count: impl FnOnce(&ListenerTally)) {
        if let Some(listener) = self.connected.listener() {
            count(listener);
        }
    }

    /// Nothing after this point of the request order is answered.
    fn close(&mut self, end: End) {
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        if !matches!(self.closing, Some(End::ByHandler(_))) {
            self.closing = Some(end);
        }
    }

    fn may_read(&self) -> bool {
        if self.closing.is_some() || self.muted_until.is_some() || self.info.held.load(Ordering::Relaxed) {
            return false;
        }
        let limits = &self.shared.limits;
        let serial_runs = matches!(self.in_flight.back(), Some(InFlight::Running { pipelined: false, .. }));
        !serial_runs && self.in_flight.len() < limits.in_flight_requests_max && self.output.size_bytes() < limits.queued_response_bytes_max
    }

    /// Takes frames while it may, reading from the socket when the buffer holds no whole one. True when a frame was taken.
    fn read_frames(&mut self, cx: &mut Context<'_>, frames: &mut usize) -> Result<bool, End> {
        let before = *frames;
        while *frames < FRAMES_PER_TURN {
            if !self.may_read() {
                self.frame_began_at = None;
                break;
            }
            let taken = match frame::peek(&self.input, &self.shared.limits) {
                Ok(Peek::Complete { size_bytes }) => {
                    *frames += 1;
                    self.take_frame(cx, size_bytes)
                }
                Ok(Peek::Incomplete { wanted_bytes }) => {
                    if self.receive(cx, wanted_bytes)?.is_pending() {
                        break;
                    }
                    continue;
                }
                Err(error) => Err(End::NotKafka(error)),
            };
            // What came before is still answered.
            if let Err(end) = taken {
                self.closing = Some(end);
            }
        }
        Ok(*frames > before)
    }

    /// Reads once from the socket; pending when there is nothing to read now.
    fn receive(&mut self, cx: &mut Context<'_>, wanted_bytes: usize) -> Result<Poll<()>, End> {
        if self.input.is_empty() {
            self.frame_began_at = None;
        } else if self.frame_began_at.is_none() {
            self.frame_began_at = Some(Instant::now());
        }
        if self.paused_until.is_some() || !self.memory.may_receive() {
            self.paused_until = self.paused_until.or(Some(Instant::now() + MEMORY_PAUSE));
            return Ok(Poll::Pending);
        }
        match self.stream.poll_read_ready(cx) {
            Poll::Pending => {
                self.memory.end_overdraft();
                return Ok(Poll::Pending);
            }
            Poll::Ready(readiness) => readiness.map_err(End::Lost)?,
        }
        self.make_room(wanted_bytes);
        // Unlike `try_read_buf` this takes a short read for an empty socket, and so saves the system call that would say so.
        match pin!(self.stream.read_buf(&mut self.input)).poll(cx) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Ok(0)) => {
                self.client_closed();
                Ok(Poll::Pending)
            }
            Poll::Ready(Ok(_)) => Ok(Poll::Ready(())),
            Poll::Ready(Err(error)) => Err(End::Lost(error)),
        }
    }

    /// The client sends nothing more. Requests that are pipelined are finished and answered, it may have closed only its sending half;
    /// one that waits for something is dropped, nobody is left to wait with it.
    fn client_closed(&mut self) {
        if let Some(InFlight::Running { pipelined: false, begun, .. }) = self.in_flight.back() {
            self.in_flight_bytes -= begun.size_bytes;
            self.in_flight.pop_back();
        }
        self.closing = Some(End::Orderly);
    }

    /// Makes room for at least some of the next read: the first buffer from the pool, then twice what has arrived.
    fn make_room(&mut self, wanted_bytes: usize) {
        if self.input.capacity() == 0 {
            self.input = self.shared.pool.take();
        } else {
            let missing_bytes = wanted_bytes.saturating_sub(self.input.len()).max(1);
            let room_bytes = self.input.capacity() - self.input.len();
            if room_bytes < missing_bytes.min(ROOM_BYTES_MIN) {
                let step_bytes = self.shared.limits.receive_buffer_bytes_min;
                self.input.reserve(self.input.len().min(missing_bytes).max(step_bytes));
            }
        }
        self.input_allocated_bytes = self.input_allocated_bytes.max(self.input.capacity());
        self.memory.set(self.input_allocated_bytes + self.in_flight_bytes);
    }

    /// Takes one whole frame, has it walked by the guard, dispatches it and polls it once.
    fn take_frame(&mut self, cx: &mut Context<'_>, size_bytes: usize) -> Result<(), End> {
        let now = Instant::now();
        self.active_at = now;
        self.frame_began_at = None;
        self.memory.end_overdraft();
        let mut frame = frame::take(&mut self.input, size_bytes, &self.shared.limits, now).map_err(End::NotKafka)?;
        match guard::check(frame.api_key, frame.api_version, &frame.body, &self.shared.limits) {
            Ok(guard::Verdict::Walked { .. }) => {}
            Ok(guard::Verdict::NotToBeRead) => frame.body.clear(),
            Err(refusal) => {
                return Err(End::Refused { api_key: frame.api_key, api_version: frame.api_version, refusal });
            }
        }
        if !self.had_request {
            self.had_request = true;
            self.permit.first_request_seen();
        }
        self.dispatch(cx, frame);
        Ok(())
    }

    fn dispatch(&mut self, cx: &mut Context<'_>, frame: Frame) {
        let Frame { api_key, api_version, size_bytes, received_at, .. } = frame;
        let mut begun = Begun { api_key, api_version, size_bytes, received_at, local: None };
        self.count(|listener| {
            listener.requests.add(1);
            listener.bytes_in.add(4 + size_bytes as u64);
        });
        let dispatched = catch_unwind(AssertUnwindSafe(|| self.shared.dispatch.dispatch(&self.info, frame)));
        let Dispatched { mut future, pipelined } = dispatched.unwrap_or_else(|_| Dispatched::serial(std::future::ready(panicked())));
        match poll_caught(&mut future, cx) {
            Poll::Ready(outcome) if self.in_flight.is_empty() => self.queue_answer(outcome, &begun),
            Poll::Ready(outcome) => {
                self.in_flight_bytes += size_bytes;
                self.in_flight.push_back(InFlight::Done { outcome, begun });
            }
            Poll::Pending => {
                begun.local = Some(received_at.elapsed());
                self.in_flight_bytes += size_bytes;
                self.in_flight.push_back(InFlight::Running { future, begun, pipelined });
            }
        }
    }

    /// Writes until all is out, the socket is full or the turn is over.
    fn poll_write(&mut self, cx: &mut Context<'_>, written_bytes: &mut u64) -> Result<(), End> {
        while !self.output.is_empty() && *written_bytes < WRITTEN_BYTES_PER_TURN {
            match self.stream.poll_write_ready(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(readiness) => readiness.map_err(End::Lost)?,
            }
            let (stream, output) = (&self.stream, &mut self.output);
            let progress = stream.try_io(Interest::WRITABLE, || match output.write(stream)? {
                Progress::Blocked => Err(io::ErrorKind::WouldBlock.into()),
                Progress::Sent(sent) => Ok(sent),
            });
            match progress {
                Ok(sent) => {
                    *written_bytes += sent;
                    self.count(|listener| listener.bytes_out.add(sent));
                    self.written_at = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(End::Lost(error)),
            }
        }
        Ok(())
    }

    /// While a request keeps us from reading: notices that the client has gone, so that the request need not wait any longer.
    fn watch_for_closing(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        let waits = matches!(self.in_flight.back(), Some(InFlight::Running { pipelined: false, .. }));
        if !waits || self.closing.is_some() || !self.input.is_empty() {
            return Ok(());
        }
        let mut byte = [0; 1];
        match self.stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(0)) => {
                self.client_closed();
                Ok(())
            }
            // More has arrived: behind it a closing cannot be seen until this request is done.
            Poll::Ready(Ok(_)) => Ok(()),
            Poll::Ready(Err(error)) => Err(End::Lost(error)),
        }
    }

    fn release_when_idle(&mut self) {
        if !self.input.is_empty() {
            return;
        }
        if self.input_allocated_bytes > 0 {
            let buffer = std::mem::take(&mut self.input);
            self.shared.pool.give_back(buffer, self.input_allocated_bytes);
            self.input_allocated_bytes = 0;
        }
        self.output.shrink();
        if self.in_flight.is_empty() && self.in_flight.capacity() > 16 {
            self.in_flight = VecDeque::new();
        }
    }

    /// Ends the connection when a deadline has passed, unmutes it when that time has come, and arms the timer for the next one.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let (deadline, what) = self.next_deadline();
            // The timer is moved only when it would be late; most requests come long before it fires.
            if deadline < self.timer_at {
                self.timer_at = deadline;
                self.timer.as_mut().reset(deadline);
            }
            ready!(self.timer.as_mut().poll(cx));
            if self.timer_at < deadline {
                self.timer_at = deadline;
                self.timer.as_mut().reset(deadline);
                continue;
            }
            match what {
                Some(what) => return Poll::Ready(End::TooSlow(what)),
                None => {
                    let now = Instant::now();
                    self.muted_until = self.muted_until.filter(|until| *until > now);
                    self.paused_until = self.paused_until.filter(|until| *until > now);
                    cx.waker().wake_by_ref();
                }
            }
        }
    }

    /// The next thing that happens by time alone: ending for the given reason, or unmuting.
    fn next_deadline(&self) -> (Instant, Option<&'static str>) {
        let limits = &self.shared.limits;
        let mut next = match (self.had_request, self.in_flight.is_empty() && self.output.is_empty()) {
            (false, _) => (self.active_at + limits.first_request_within, Some("no whole request within socket setup time")),
            (true, true) => (self.active_at.max(self.written_at) + limits.idle_max, Some("idle")),
            (true, false) => (Instant::now() + limits.idle_max, None),
        };
        let mut consider = |at: Instant, what| {
            if at < next.0 {
                next = (at, what);
            }
        };
        if !self.output.is_empty() {
            consider(self.written_at + limits.stalled_reader_max, Some("the client does not read its answers"));
        }
        if let Some(began_at) = self.frame_began_at {
            consider(began_at + limits.whole_frame_within, Some("the rest of a request did not come in time"));
        }
        for until in [self.muted_until, self.paused_until].into_iter().flatten() {
            consider(until, None);
        }
        next
    }
}

/// Polls a handler; a panic in it becomes the wish to close.
fn poll_caught(future: &mut Pin<Box<dyn Future<Output = Outcome> + Send>>, cx: &mut Context<'_>) -> Poll<Outcome> {
    catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))).unwrap_or_else(|_| Poll::Ready(panicked()))
}

fn panicked() -> Outcome {
    tracing::error!("a request handler panicked; its connection is closed");
    Outcome::Close(CloseReason("a request handler panicked".into()))
}
