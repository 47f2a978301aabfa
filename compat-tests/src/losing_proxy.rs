//! A proxy that understands frames and can lose one answer: the broker has done what it was asked, and the client does not know.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// No honest frame of a story is larger.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// What becomes of a connection whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It breaks: the client asks again on a new one.
    HangUp,
    /// It stays, and the client waits: time to kill the broker.
    Silence,
}

/// A listening proxy. Its threads end with the connections; the listener lives as long as the test.
pub struct LosingProxy {
    port: u16,
    shared: Arc<Shared>,
    lost: Receiver<()>,
}

struct Shared {
    broker_port: AtomicU16,
    /// The API whose next answer gets lost.
    next: Mutex<Option<(i16, Then)>>,
    lost: Sender<()>,
}

/// Correlation ids of a connection whose answers do not arrive.
type Doomed = Arc<Mutex<BTreeSet<(i32, bool)>>>;

impl LosingProxy {
    /// Listens on a free loopback port.
    pub fn start() -> Result<LosingProxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let (sender, lost) = channel();
        let shared = Arc::new(Shared { broker_port: AtomicU16::new(0), next: Mutex::new(None), lost: sender });
        let all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // The broker is down: hang up, as its own port would.
                if let Ok(broker) = TcpStream::connect(("127.0.0.1", all.broker_port.load(Ordering::Relaxed))) {
                    let _ = join(client, broker, &all);
                }
            }
        });
        Ok(LosingProxy { port, shared, lost })
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Tells where the broker listens.
    pub fn forward_to(&self, port: u16) {
        self.shared.broker_port.store(port, Ordering::Relaxed);
    }

    /// The next answer of this API gets lost.
    pub fn lose(&self, api_key: i16, then: Then) {
        *self.shared.next.lock().expect("no panic while held") = Some((api_key, then));
    }

    /// Waits until the broker has given the answer that got lost.
    pub fn wait_lost(&self, limit: Duration) -> Result<()> {
        self.lost.recv_timeout(limit).context("the answer that was to get lost never came")
    }
}

fn join(client: TcpStream, broker: TcpStream, shared: &Arc<Shared>) -> Result<()> {
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let doomed: Doomed = Arc::default();
    let (requests, to_broker) = (client.try_clone()?, broker.try_clone()?);
    let (marks, next) = (Arc::clone(&doomed), Arc::clone(shared));
    std::thread::spawn(move || pass_on(requests, to_broker, |frame| mark(frame, &marks, &next)));
    let lost = shared.lost.clone();
    std::thread::spawn(move || pass_on(broker, client, |frame| meet(frame, &doomed, &lost)));
    Ok(())
}

/// What to do with a frame.
enum Verdict {
    Pass,
    Drop,
    HangUp,
}

/// Remembers the request whose answer is to get lost.
fn mark(frame: &[u8], doomed: &Doomed, shared: &Shared) -> Verdict {
    let &[key_high, key_low, _, _, a, b, c, d, ..] = frame else { return Verdict::Pass };
    let mut next = shared.next.lock().expect("no panic while held");
    if let Some((_, then)) = next.take_if(|(api_key, _)| *api_key == i16::from_be_bytes([key_high, key_low])) {
        doomed.lock().expect("no panic while held").insert((i32::from_be_bytes([a, b, c, d]), then == Then::HangUp));
    }
    Verdict::Pass
}

fn meet(frame: &[u8], doomed: &Doomed, lost: &Sender<()>) -> Verdict {
    let &[a, b, c, d, ..] = frame else { return Verdict::Pass };
    let id = i32::from_be_bytes([a, b, c, d]);
    let mut doomed = doomed.lock().expect("no panic while held");
    for hang_up in [true, false] {
        if doomed.remove(&(id, hang_up)) {
            let _ = lost.send(());
            return if hang_up { Verdict::HangUp } else { Verdict::Drop };
        }
    }
    Verdict::Pass
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, judge: impl Fn(&[u8]) -> Verdict) {
    while let Ok(frame) = read_frame(&mut from) {
        match judge(&frame[4..]) {
            Verdict::Pass if to.write_all(&frame).is_ok() => {}
            Verdict::Drop => {}
            Verdict::Pass | Verdict::HangUp => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// A frame with its length before it.
fn read_frame(from: &mut TcpStream) -> Result<Vec<u8>> {
    let mut size = [0; 4];
    from.read_exact(&mut size)?;
    let size_bytes = usize::try_from(i32::from_be_bytes(size))?;
    anyhow::ensure!(size_bytes <= FRAME_BYTES_MAX, "a frame of {size_bytes} bytes");
    let mut frame = vec![0; 4 + size_bytes];
    frame[..4].copy_from_slice(&size);
    from.read_exact(&mut frame[4..])?;
    Ok(frame)
}
