//! A proxy that holds back what the broker says: at any moment some answers are on their way, so that a killed broker has
//! always done something that its clients do not know of yet.

use anyhow::Result;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// A listening proxy. Its threads end with the connections; the listener lives as long as the test.
pub struct Proxy {
    port: u16,
    broker_port: Arc<AtomicU16>,
}

impl Proxy {
    /// Listens on a free loopback port; every answer of the broker waits for `delay`.
    pub fn start(delay: Duration) -> Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let broker_port = Arc::new(AtomicU16::new(0));
        let target = Arc::clone(&broker_port);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // The broker is down: hang up, as its own port would.
                if let Ok(broker) = TcpStream::connect(("127.0.0.1", target.load(Ordering::Relaxed))) {
                    let _ = join(client, broker, delay);
                }
            }
        });
        Ok(Proxy { port, broker_port })
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Tells where the broker listens.
    pub fn forward_to(&self, port: u16) {
        self.broker_port.store(port, Ordering::Relaxed);
    }
}

fn join(client: TcpStream, broker: TcpStream, delay: Duration) -> Result<()> {
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let (from_client, to_broker) = (client.try_clone()?, broker.try_clone()?);
    std::thread::spawn(move || copy(from_client, to_broker, Duration::ZERO));
    std::thread::spawn(move || copy(broker, client, delay));
    Ok(())
}

/// What was read before the end but not yet passed on is lost, as it is when a machine dies.
fn copy(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(size_bytes @ 1..) = from.read(&mut buffer) {
        if !delay.is_zero() {
            std::thread::sleep(delay);
            // A timeout for reading: the other half of this socket is written by another thread.
            let _ = from.set_read_timeout(Some(Duration::from_millis(1)));
            let ended = from.peek(&mut [0]).map_or_else(|error| error.kind() != ErrorKind::WouldBlock, |more| more == 0);
            let _ = from.set_read_timeout(None);
            if ended {
                break;
            }
        }
        if to.write_all(&buffer[..size_bytes]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
