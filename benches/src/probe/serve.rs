//! Sockets of the probe: one epoll loop, edge triggered. Each turn reads and handles what came, syncs if asked to, then writes answers.

use super::broker::{Broker, Handled, Part};
use anyhow::{Context, Result};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::collections::{HashMap, VecDeque};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

const EVENTS_PER_TURN: usize = 256;
/// Enough for the first requests of a connection; a buffer that is filled whole doubles, up to where requests of 1 MB fit.
const INPUT_SIZE_BYTES: usize = 4096;
const INPUT_SIZE_BYTES_MAX: usize = 1 << 20;
const FRAME_SIZE_BYTES_MAX: usize = 100 << 20;
const LISTENER: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;

struct Connection {
    socket: TcpStream,
    input: Vec<u8>,
    filled: usize,
    output: VecDeque<Part>,
    /// Bytes of the first output part that were sent.
    sent: usize,
    /// A fetch that waits, and until when. Requests behind it stay in `input`.
    parked: Option<(Instant, Vec<u8>)>,
}

/// Serves until [`OwnedFd`] returned by `stop` (an eventfd) is written to.
pub fn serve(listener: TcpListener, broker: &mut Broker, stop: impl FnOnce(OwnedFd)) -> Result<()> {
    listener.set_nonblocking(true)?;
    let stop_event = eventfd(0, EventfdFlags::CLOEXEC)?;
    stop(stop_event.try_clone()?);
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    epoll::add(&epoll, &stop_event, EventData::new_u64(STOP), EventFlags::IN)?;
    let mut connections: HashMap<u64, Connection> = HashMap::new();
    let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS_PER_TURN);
    let (mut parked, mut touched): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
    loop {
        events.clear();
        let timeout = time_to_next_deadline(&parked, &connections);
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll_wait"),
        }
        let appended_before = broker.counters().produced_bytes;
        for event in &events {
            // Copied out: the event is packed.
            let (id, flags) = (event.data.u64(), event.flags);
            match id {
                STOP => return Ok(()),
                LISTENER => accept(&listener, &epoll, &mut connections)?,
                id => {
                    let Some(connection) = connections.get_mut(&id) else { continue };
                    if connection.turn(broker, flags).is_err() {
                        connections.remove(&id); // closing the socket takes it out of the epoll set
                        continue;
                    }
                    touched.push(id);
                    if connection.parked.is_some() && !parked.contains(&id) {
                        parked.push(id);
                    }
                }
            }
        }
        if !parked.is_empty() {
            let appended = broker.counters().produced_bytes != appended_before;
            parked.retain(|id| {
                let Some(connection) = connections.get_mut(id) else { return false };
                match connection.retry_parked(broker, appended) {
                    Ok(true) => true,
                    Ok(false) => {
                        touched.push(*id);
                        connection.parked.is_some()
                    }
                    Err(_) => {
                        connections.remove(id);
                        false
                    }
                }
            });
        }
        if broker.wants_sync() {
            broker.sync()?;
        }
        for id in touched.drain(..) {
            if let Some(connection) = connections.get_mut(&id)
                && connection.flush().is_err()
            {
                connections.remove(&id);
            }
        }
    }
}

fn time_to_next_deadline(parked: &[u64], connections: &HashMap<u64, Connection>) -> Option<Timespec> {
    let deadline = parked.iter().filter_map(|id| Some(connections.get(id)?.parked.as_ref()?.0)).min()?;
    let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    Some(Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) })
}

fn accept(listener: &TcpListener, epoll: &OwnedFd, connections: &mut HashMap<u64, Connection>) -> Result<()> {
    while let Ok((socket, _)) = listener.accept() {
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let id = socket.as_raw_fd() as u64;
        epoll::add(epoll, &socket, EventData::new_u64(id), EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET)?;
        let (output, parked) = (VecDeque::new(), None);
        connections.insert(id, Connection { socket, input: vec![0; INPUT_SIZE_BYTES], filled: 0, output, sent: 0, parked });
    }
    Ok(())
}

impl Connection {
    /// Reads until the socket is empty, handling whole requests as they arrive. An error means: close.
    fn turn(&mut self, broker: &mut Broker, flags: EventFlags) -> Result<()> {
        let closing = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        if !closing && !flags.contains(EventFlags::IN) {
            return Ok(());
        }
        loop {
            let room = self.input.len() - self.filled;
            if room == 0 {
                return Ok(()); // a parked fetch holds back more than a buffer full: read on when it is answered
            }
            let count = match recv(&self.socket, &mut self.input[self.filled..], RecvFlags::empty()) {
                Ok((0, _)) => anyhow::bail!("closed by the client"),
                Ok((count, _)) => count,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            self.filled += count;
            self.handle_input(broker)?;
            if count == room && self.input.len() < INPUT_SIZE_BYTES_MAX {
                self.input.resize(self.input.len() * 2, 0);
            }
            // A short read emptied the socket; what comes later is a new edge.
            if count < room && !closing {
                return Ok(());
            }
        }
    }

    fn handle_input(&mut self, broker: &mut Broker) -> Result<()> {
        let mut at = 0;
        let mut parts = Vec::new();
        while self.parked.is_none() && self.filled - at >= 4 {
            let size = i32::from_be_bytes([self.input[at], self.input[at + 1], self.input[at + 2], self.input[at + 3]]);
            let size = usize::try_from(size).ok().filter(|size| *size <= FRAME_SIZE_BYTES_MAX).context("impossible frame size")?;
            if self.filled - at - 4 < size {
                if size + 4 > self.input.len() {
                    self.input.resize(size + 4, 0);
                }
                break;
            }
            let frame = &mut self.input[at + 4..at + 4 + size];
            if let Handled::Park(wait) = broker.handle(frame, true, &mut parts)? {
                self.parked = Some((Instant::now() + wait, frame.to_vec()));
            }
            at += 4 + size;
        }
        self.input.copy_within(at..self.filled, 0);
        self.filled -= at;
        self.queue(parts);
        Ok(())
    }

    /// Small answers share a buffer, so that they leave in one send.
    fn queue(&mut self, parts: Vec<Part>) {
        for part in parts {
            match (self.output.back_mut(), part) {
                (Some(Part::Bytes(last)), Part::Bytes(bytes)) => last.extend_from_slice(&bytes),
                (_, part) => self.output.push_back(part),
            }
        }
    }

    /// True: still parked.
    fn retry_parked(&mut self, broker: &mut Broker, appended: bool) -> Result<bool> {
        let Some((deadline, mut frame)) = self.parked.take() else { return Ok(false) };
        let expired = Instant::now() >= deadline;
        if !expired && !appended {
            self.parked = Some((deadline, frame));
            return Ok(true);
        }
        let mut parts = Vec::new();
        if let Handled::Park(_) = broker.handle(&mut frame, !expired, &mut parts)? {
            self.parked = Some((deadline, frame));
            return Ok(true);
        }
        self.queue(parts);
        let was_full = self.filled == self.input.len();
        self.handle_input(broker)?;
        if was_full {
            self.turn(broker, EventFlags::IN)?;
        }
        Ok(false)
    }

    fn flush(&mut self) -> Result<()> {
        while let Some(part) = self.output.pop_front() {
            let done = match part {
                Part::Bytes(bytes) => {
                    let more = if self.output.is_empty() { SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL | SendFlags::MORE };
                    match send(&self.socket, &bytes[self.sent..], more) {
                        Ok(count) if self.sent + count == bytes.len() => {
                            self.sent = 0;
                            true
                        }
                        result => {
                            self.sent += would_block_as_none(result)?;
                            self.output.push_front(Part::Bytes(bytes));
                            false
                        }
                    }
                }
                Part::File { file, position, size_bytes } => {
                    let mut offset = position;
                    let count = would_block_as_none(sendfile(self.socket.as_fd(), file.as_fd(), Some(&mut offset), size_bytes))?;
                    let left = size_bytes - count;
                    if left > 0 {
                        self.output.push_front(Part::File { file: Arc::clone(&file), position: position + count as u64, size_bytes: left });
                    }
                    count > 0
                }
            };
            if !done {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn would_block_as_none(result: rustix::io::Result<usize>) -> Result<usize> {
    match result {
        Ok(count) => Ok(count),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
