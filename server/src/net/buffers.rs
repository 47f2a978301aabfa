//! Receive buffers: one pool per reactor, and the memory budget all reactors share.
//!
//! Called by `connection` only. A connection holds a buffer while part of a frame is in it, never while it is idle. A buffer grows by
//! doubling as bytes arrive. Buffers whose bytes are still held by requests are left to them and are freed when the last one is done.

use crate::limits::Limits;
use bytes::BytesMut;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Spare buffers of one reactor, the last to come back is the first to go. The lock is only ever taken by the reactor's own thread.
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
///
/// When they reach the limit, one connection at a time may go on: the one with the overdraft, until it has a whole frame or has to wait for
/// bytes. So requests that are half received are completed one after the other, and free their memory, instead of all waiting for each
/// other until they are late.
#[derive(Debug)]
pub(super) struct RequestMemory {
    held_bytes: AtomicUsize,
    bytes_max: usize,
    /// What those with the overdraft may add in all; beyond it nobody gets it.
    overdraft_bytes_max: usize,
    overdraft_taken: AtomicBool,
}

impl RequestMemory {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            held_bytes: AtomicUsize::new(0),
            bytes_max: limits.request_memory_bytes_max,
            overdraft_bytes_max: limits.produce_frame_bytes_max.max(limits.other_frame_bytes_max),
            overdraft_taken: AtomicBool::new(false),
        }
    }
}

/// One connection's share of [`RequestMemory`]; gives it back when dropped.
#[derive(Debug)]
pub(super) struct MemoryShare {
    memory: Arc<RequestMemory>,
    held_bytes: usize,
    has_overdraft: bool,
}

impl MemoryShare {
    pub(super) fn new(memory: Arc<RequestMemory>) -> Self {
        Self { memory, held_bytes: 0, has_overdraft: false }
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

    /// True when this connection may receive more; takes the overdraft if it must and can.
    pub(super) fn may_receive(&mut self) -> bool {
        let memory = &self.memory;
        let held_bytes = memory.held_bytes.load(Ordering::Relaxed);
        if held_bytes < memory.bytes_max || self.has_overdraft {
            return true;
        }
        self.has_overdraft = held_bytes - memory.bytes_max < memory.overdraft_bytes_max
            && memory.overdraft_taken.compare_exchange(false, true, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        self.has_overdraft
    }

    /// Leaves the overdraft to others: a frame is complete, or there is nothing to receive.
    pub(super) fn end_overdraft(&mut self) {
        if std::mem::take(&mut self.has_overdraft) {
            self.memory.overdraft_taken.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.end_overdraft();
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_of(memory: &Arc<RequestMemory>, held_bytes: usize) -> MemoryShare {
        let mut share = MemoryShare::new(Arc::clone(memory));
        share.set(held_bytes);
        share
    }

    #[test]
    fn when_memory_is_used_up_one_may_go_on_at_a_time() {
        let limits = Limits { request_memory_bytes_max: 100, produce_frame_bytes_max: 50, other_frame_bytes_max: 10, ..Limits::default() };
        let memory = Arc::new(RequestMemory::new(&limits));
        let (mut first, mut second) = (share_of(&memory, 60), share_of(&memory, 39));
        assert!(first.may_receive() && second.may_receive());
        second.set(40);
        assert!(first.may_receive() && !second.may_receive());
        first.set(90);
        assert!(first.may_receive(), "it keeps what it has taken");
        first.end_overdraft();
        assert!(second.may_receive() && !first.may_receive());
        drop(second);
        assert!(first.may_receive(), "there is room again");
        let mut third = share_of(&memory, 60);
        assert!(!third.may_receive() && !first.may_receive(), "the overdraft has its bound too");
        third.set(10);
        assert!(third.may_receive(), "nobody has kept the overdraft by mistake");
    }

    #[test]
    fn a_buffer_that_nobody_else_holds_is_used_again_whole() {
        let pool = BufferPool::new(&Limits { receive_buffer_bytes_min: 64, receive_pool_bytes_max: 200, ..Limits::default() });
        let mut buffer = pool.take();
        buffer.extend_from_slice(&[1; 100]);
        let allocated_bytes = buffer.capacity();
        let memory_at = buffer.as_ptr();
        let frame = buffer.split_to(90).freeze();
        drop(frame);
        pool.give_back(buffer, allocated_bytes);
        let again = pool.take();
        assert_eq!((again.as_ptr(), again.capacity(), again.len()), (memory_at, allocated_bytes, 0));

        let mut held = again;
        held.extend_from_slice(&[2; 100]);
        let frame = held.split_to(90).freeze();
        pool.give_back(held, allocated_bytes);
        assert_eq!(pool.take().capacity(), 64, "the other one is left to its frame");
        assert_eq!(frame[..], [2; 90]);
    }

    #[test]
    fn the_pool_keeps_no_more_than_it_may() {
        let pool = BufferPool::new(&Limits { receive_buffer_bytes_min: 64, receive_pool_bytes_max: 150, ..Limits::default() });
        for buffer in [pool.take(), pool.take(), pool.take()] {
            pool.give_back(buffer, 64);
        }
        let spare = pool.spare.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!((spare.buffers.len(), spare.size_bytes), (2, 128));
    }
}
