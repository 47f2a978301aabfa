//! A response is parts: encoded bytes and ranges of files.
//!
//! `api` builds responses, `net` writes them out: bytes by a gathering write, file ranges from file to socket without passing through
//! our memory. The first part begins with the response header; the four bytes of size in front of it are `net`'s.

use bytes::Bytes;
use ottla_storage::log::FileRange;

/// One piece of a response.
#[derive(Clone, Debug)]
pub enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes in a file.
    File(FileRange),
}

impl Part {
    /// Size on the wire.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(range) => range.size_bytes,
        }
    }
}

/// One response, header included, size prefix not.
#[derive(Debug, Default)]
pub struct Response {
    head: Bytes,
    more: Vec<Part>,
    size_bytes: u64,
    /// Close the connection once this is written.
    pub close_after: bool,
    /// After this is sent, read nothing from the client for so long (KIP-219); 0 for no throttling.
    pub throttle_ms: i32,
}

impl Response {
    /// A response of one piece: response header and body.
    pub fn new(head: Bytes) -> Self {
        Self { size_bytes: head.len() as u64, head, more: Vec::new(), close_after: false, throttle_ms: 0 }
    }

    /// Adds a piece at the end; empty pieces are left out.
    pub fn push(&mut self, part: Part) {
        let size_bytes = part.size_bytes();
        if size_bytes > 0 {
            self.size_bytes += size_bytes;
            self.more.push(part);
        }
    }

    /// Size of all pieces.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The first piece, and those after it in order.
    pub fn into_parts(self) -> (Bytes, Vec<Part>) {
        (self.head, self.more)
    }
}
