//! Receive buffers: one pool per reactor, and the memory budget all reactors share.
//!
//! Called by `connection` only. A connection holds a buffer while part of a frame is in it, never while it is idle. A buffer grows by
//! doubling as bytes arrive. Buffers whose bytes are still held by requests are left to them and are freed when the last one is done.

use crate::limits::Limits;
use bytes::BytesMut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Spare buffers of one reactor, the largest are handed out first. The lock is only ever taken by the reactor's own thread.
#[derive(Debug)]
pub(super) struct BufferPool {
    spare: Mutex<Spare>,
    buffer_bytes_min: usize,
    pool_bytes_max: usize,
}

#[derive(Debug, Default)]
struct Spare {
    buffers: Vec<BytesMut>,
    size_bytes: usize,
}

impl BufferPool {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { spare: Mutex::default(), buffer_bytes_min: limits.receive_buffer_bytes_min, pool_bytes_max: limits.receive_pool_bytes_max }
    }

    /// An empty buffer of at least the minimal size.
    pub(super) fn take(&self) -> BytesMut {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        match spare.buffers.pop() {
            Some(buffer) => {
                spare.size_bytes -= buffer.capacity();
                buffer
            }
            None => BytesMut::with_capacity(self.buffer_bytes_min),
        }
    }

    /// Keeps the buffer for the next taker if nobody else holds a part of it and the pool has room; frees it otherwise.
    /// `allocated_bytes` is its whole size, of which `BytesMut` shows only what lies behind the frames already taken.
    pub(super) fn give_back(&self, mut buffer: BytesMut, allocated_bytes: usize) {
        buffer.clear();
        if !buffer.try_reclaim(allocated_bytes) {
            return;
        }
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.size_bytes + buffer.capacity() <= self.pool_bytes_max {
            spare.size_bytes += buffer.capacity();
            spare.buffers.push(buffer);
        }
    }
}

/// Bytes held by receive buffers and unfinished requests of all connections.
#[derive(Debug)]
pub(super) struct RequestMemory {
    held_bytes: AtomicUsize,
    bytes_max: usize,
}

impl RequestMemory {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { held_bytes: AtomicUsize::new(0), bytes_max: limits.request_memory_bytes_max }
    }

    /// True when reading must pause.
    pub(super) fn is_exhausted(&self) -> bool {
        self.held_bytes.load(Ordering::Relaxed) >= self.bytes_max
    }
}

/// One connection's share of [`RequestMemory`]; gives it back when dropped.
#[derive(Debug)]
pub(super) struct MemoryShare {
    memory: Arc<RequestMemory>,
    held_bytes: usize,
}

impl MemoryShare {
    pub(super) fn new(memory: Arc<RequestMemory>) -> Self {
        Self { memory, held_bytes: 0 }
    }

    /// States how much this connection holds now.
    pub(super) fn set(&mut self, held_bytes: usize) {
        if held_bytes > self.held_bytes {
            self.memory.held_bytes.fetch_add(held_bytes - self.held_bytes, Ordering::Relaxed);
        } else if held_bytes < self.held_bytes {
            self.memory.held_bytes.fetch_sub(self.held_bytes - held_bytes, Ordering::Relaxed);
        }
        self.held_bytes = held_bytes;
    }

    /// True when reading must pause.
    pub(super) fn is_exhausted(&self) -> bool {
        self.memory.is_exhausted()
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.set(0);
    }
}
