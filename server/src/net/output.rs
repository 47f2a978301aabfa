//! Answers on their way out: gathered writes for bytes, `sendfile` for file ranges.
//!
//! Called by `connection` only. Keeps the order in which answers were pushed. A file that ends before its range does is an error and the
//! connection must be closed: the size is already out, nothing may stand in for the missing bytes.

use crate::api::response::{Part, Response};
use bytes::{Buf, Bytes, BytesMut};
use ottla_storage::log::FileRange;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;

/// Most pieces gathered into one system call.
const SLICES_MAX: usize = 64;
/// Most bytes handed to one `sendfile`, so that one reader cannot hold the reactor for long.
const SENDFILE_BYTES_MAX: u64 = 1024 * 1024;
/// Step in which a file without descriptor is read.
const READ_STEP_BYTES: u64 = 64 * 1024;

#[derive(Debug)]
enum Piece {
    Prefix { bytes: [u8; 4], sent: usize },
    Bytes(Bytes),
    File(FileRange),
}

/// Where one call of [`Output::write`] got to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// This many bytes went out.
    Sent(u64),
    /// The socket is full.
    Blocked,
}

/// Answers not yet written.
#[derive(Debug, Default)]
pub(super) struct Output {
    pieces: VecDeque<Piece>,
    size_bytes: u64,
    /// True while the kernel holds back segments that are not full: from a file range with more behind it until all is written.
    corked: bool,
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes not yet written.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Queues an answer behind the others. False when it is too large for its size prefix; nothing is queued then.
    #[must_use]
    pub(super) fn push(&mut self, response: Response) -> bool {
        let size_bytes = response.size_bytes();
        let Ok(prefix) = i32::try_from(size_bytes) else { return false };
        self.size_bytes += 4 + size_bytes;
        self.pieces.push_back(Piece::Prefix { bytes: prefix.to_be_bytes(), sent: 0 });
        let (head, more) = response.into_parts();
        if !head.is_empty() {
            self.pieces.push_back(Piece::Bytes(head));
        }
        self.pieces.extend(more.into_iter().map(|part| match part {
            Part::Bytes(bytes) => Piece::Bytes(bytes),
            Part::File(range) => Piece::File(range),
        }));
        true
    }

    /// Frees what a burst left behind; for a connection that goes idle.
    pub(super) fn shrink(&mut self) {
        if self.pieces.is_empty() && self.pieces.capacity() > 16 {
            self.pieces = VecDeque::new();
        }
    }

    /// Hands one run of pieces to the socket. Must not be called when empty.
    pub(super) fn write(&mut self, socket: &impl AsFd) -> io::Result<Progress> {
        // Else many small ranges would leave as many small segments.
        if !self.corked && self.pieces.len() > 1 && matches!(self.pieces.front(), Some(Piece::File(_))) {
            self.cork(socket, true);
        }
        let progress = self.write_front(socket)?;
        if self.corked && self.pieces.is_empty() {
            self.cork(socket, false);
        }
        Ok(progress)
    }

    fn write_front(&mut self, socket: &impl AsFd) -> io::Result<Progress> {
        let sent = match self.pieces.front_mut() {
            Some(Piece::File(range)) => match send_file(socket, range)? {
                FileSent::Bytes(sent) => sent,
                FileSent::Read(bytes) => {
                    if range.size_bytes == 0 {
                        self.pieces.pop_front();
                    }
                    self.pieces.push_front(Piece::Bytes(bytes));
                    return self.write_front(socket);
                }
                FileSent::Blocked => return Ok(Progress::Blocked),
            },
            _ => match self.send_bytes(socket) {
                Ok(sent) => sent as u64,
                Err(error) if error == rustix::io::Errno::AGAIN => return Ok(Progress::Blocked),
                Err(rustix::io::Errno::INTR) => 0,
                Err(error) => return Err(error.into()),
            },
        };
        self.advance(sent);
        Ok(Progress::Sent(sent))
    }

    /// Only ever saves segments, so it may fail.
    fn cork(&mut self, socket: &impl AsFd, on: bool) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = rustix::net::sockopt::set_tcp_cork(socket, on);
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = socket;
        self.corked = on;
    }

    /// Sends the pieces of bytes at the front; says to the kernel that more follows when a file range is next.
    fn send_bytes(&self, socket: &impl AsFd) -> rustix::io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        let mut flags = SendFlags::NOSIGNAL;
        for piece in &self.pieces {
            let bytes = match piece {
                Piece::Prefix { bytes, sent } => bytes.get(*sent..).unwrap_or_default(),
                Piece::Bytes(bytes) => bytes,
                Piece::File(_) => {
                    flags |= more_follows();
                    break;
                }
            };
            let Some(slice) = slices.get_mut(count) else {
                flags |= more_follows();
                break;
            };
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        rustix::net::sendmsg(socket, slices.get(..count).unwrap_or_default(), &mut SendAncillaryBuffer::default(), flags)
    }

    /// Forgets `sent` bytes at the front.
    fn advance(&mut self, mut sent: u64) {
        self.size_bytes -= sent;
        while let Some(piece) = self.pieces.front_mut() {
            let left = match piece {
                Piece::Prefix { bytes, sent } => (bytes.len() - *sent) as u64,
                Piece::Bytes(bytes) => bytes.len() as u64,
                Piece::File(range) => range.size_bytes,
            };
            if left <= sent {
                sent -= left;
                self.pieces.pop_front();
                continue;
            }
            match piece {
                Piece::Prefix { sent: done, .. } => *done += sent as usize,
                Piece::Bytes(bytes) => bytes.advance(sent as usize),
                Piece::File(range) => {
                    range.position += sent;
                    range.size_bytes -= sent;
                }
            }
            return;
        }
        assert_eq!(sent, 0, "the socket took more bytes than we had");
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn more_follows() -> SendFlags {
    SendFlags::MORE
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn more_follows() -> SendFlags {
    SendFlags::empty()
}

enum FileSent {
    /// So many bytes went from file to socket; the range is not yet advanced.
    Bytes(u64),
    /// The front of the range in memory; the range is advanced past it.
    Read(Bytes),
    /// The socket is full.
    Blocked,
}

/// Moves the front of `range` to the socket without copying it, or reads it when that is not possible.
fn send_file(socket: &impl AsFd, range: &mut FileRange) -> io::Result<FileSent> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(file) = range.file.as_fd() {
        let mut position = range.position;
        let count = range.size_bytes.min(SENDFILE_BYTES_MAX) as usize;
        match rustix::fs::sendfile(socket, file, Some(&mut position), count) {
            Ok(0) => return Err(file_too_short(range)),
            Ok(sent) => return Ok(FileSent::Bytes(sent as u64)),
            Err(error) if error == rustix::io::Errno::AGAIN => return Ok(FileSent::Blocked),
            Err(rustix::io::Errno::INTR) => return Ok(FileSent::Bytes(0)),
            // Not every file system can; then we read.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut bytes = BytesMut::zeroed(range.size_bytes.min(READ_STEP_BYTES) as usize);
    let read = range.file.read_at(&mut bytes, range.position)?;
    if read == 0 {
        return Err(file_too_short(range));
    }
    bytes.truncate(read);
    range.position += read as u64;
    range.size_bytes -= read as u64;
    Ok(FileSent::Read(bytes.freeze()))
}

fn file_too_short(range: &FileRange) -> io::Error {
    let text = format!("{:?} ends {} bytes before an answer that was promised from it", range.file, range.size_bytes);
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}
