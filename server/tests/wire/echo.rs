//! A broker that does what the client id of a request says.
//!
//! `echo`: answers with correlation id and body. `nothing`: no answer. `close`, `panic`: as named. `park`: answers when [`Echo::release`]
//! is called. `hold`: the same, and nothing later begins meanwhile. `throttle`: answers and asks for a mute. `last`: answers and closes. `big`: answers with 1 MiB. `file`, `short-file`: answers from a file.
//! Produce requests are pipelined, all others are not.

use bytes::{BufMut, Bytes, BytesMut};
use ottla_server::api::response::{Part, Response};
use ottla_server::net::{CloseReason, ConnectionInfo, Dispatch, Dispatched, Frame, Outcome};
use ottla_storage::disk::DiskFile;
use ottla_storage::log::FileRange;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct Echo {
    /// Correlation ids in the order of dispatch; the id of a `hold` negated when the hold ends.
    pub(crate) dispatched: Arc<Mutex<Vec<i32>>>,
    /// The connection each request came on, as the broker sees it.
    pub(crate) connections: Mutex<Vec<Arc<ConnectionInfo>>>,
    /// Requests that were dropped before they were done.
    pub(crate) abandoned: Arc<AtomicUsize>,
    /// Bytes that file answers are made of.
    pub(crate) file: Mutex<Option<Arc<dyn DiskFile>>>,
    gate: Arc<Notify>,
}

impl Echo {
    /// Lets all requests that are parked now go on.
    pub(crate) fn release(&self) {
        self.gate.notify_waiters();
    }
}

struct CountDropped(Option<Arc<AtomicUsize>>);

impl CountDropped {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for CountDropped {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Dispatch for Echo {
    fn dispatch(&self, connection: &Arc<ConnectionInfo>, frame: Frame) -> Dispatched {
        self.dispatched.lock().unwrap().push(frame.correlation_id);
        self.connections.lock().unwrap().push(Arc::clone(connection));
        let pipelined = frame.api_key == 0;
        let file = self.file.lock().unwrap().clone();
        let gate = Arc::clone(&self.gate);
        let unfinished = CountDropped(Some(Arc::clone(&self.abandoned)));
        let (connection, dispatched) = (Arc::clone(connection), Arc::clone(&self.dispatched));
        let future = Box::pin(async move {
            if frame.client_id.as_deref() == Some("hold") {
                let _hold = connection.hold();
                gate.notified().await;
                dispatched.lock().unwrap().push(-frame.correlation_id);
            }
            let outcome = run(frame, file, gate).await;
            unfinished.done();
            outcome
        });
        Dispatched { future, pipelined }
    }
}

async fn run(frame: Frame, file: Option<Arc<dyn DiskFile>>, gate: Arc<Notify>) -> Outcome {
    let mut head = BytesMut::new();
    head.put_i32(frame.correlation_id);
    let command = frame.client_id.as_deref().unwrap_or_default().to_owned();
    let mut response = match command.as_str() {
        "nothing" => return Outcome::NoResponse { throttle_ms: 0 },
        "nothing-throttle" => return Outcome::NoResponse { throttle_ms: 60 },
        "close" => return Outcome::Close(CloseReason("told to".into())),
        "panic" => panic!("told to"),
        "park" => {
            gate.notified().await;
            Response::new(head.freeze())
        }
        "big" => {
            let mut response = Response::new(head.freeze());
            response.push(Part::Bytes(Bytes::from(vec![7; 1024 * 1024])));
            response
        }
        "file" => {
            let file = file.expect("the test has set a file");
            let size_bytes = file.len().expect("a length");
            let mut response = Response::new(head.freeze());
            response.push(Part::File(FileRange { file: Arc::clone(&file), position: 0, size_bytes }));
            response.push(Part::Bytes(Bytes::from_static(b"between")));
            response.push(Part::File(FileRange { file, position: 1, size_bytes: size_bytes - 1 }));
            response
        }
        "short-file" => {
            let file = file.expect("the test has set a file");
            let size_bytes = file.len().expect("a length") + 1;
            let mut response = Response::new(head.freeze());
            response.push(Part::File(FileRange { file, position: 0, size_bytes }));
            response
        }
        _ => {
            head.put_slice(&frame.body);
            Response::new(head.freeze())
        }
    };
    response.close_after = command == "last";
    response.throttle_ms = if command == "throttle" { 60 } else { 0 };
    Outcome::Respond(response)
}

/// A file of the operating system, or one without a descriptor.
#[derive(Debug)]
pub(crate) struct TestFile {
    pub(crate) file: std::fs::File,
    pub(crate) has_fd: bool,
}

impl DiskFile for TestFile {
    fn write_all_at(&self, _: &[&[u8]], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.has_fd.then(|| self.file.as_fd())
    }
}
