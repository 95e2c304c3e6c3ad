//! Memory for bytes that have been received and not yet passed on.
//!
//! Owns: the worker's free blocks, and the read buffer of one side of a connection with its limit.
//! Does not own: what the bytes mean (`http_codec`), nor the socket they come from (`transport_sockets`).
//! Follows: Envoy's `per_connection_buffer_limit_bytes`.
//!
//! A block is held only while bytes wait in it, so an idle connection costs none. Bytes are read where they
//! are passed on from: they are moved only when a message that is not whole reaches the end of its block.

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use crate::transport_sockets::TransportSocket;

/// What a connection reads at a time until it is seen to send more.
const SMALL_BLOCK: usize = 16 * 1024;
/// What a connection reads at a time while its reads are filled.
const LARGE_BLOCK: usize = 128 * 1024;
const SMALL_BLOCKS_KEPT: usize = 64;
const LARGE_BLOCKS_KEPT: usize = 8;

type Block = Box<[u8]>;

/// The free blocks of one worker. The one given back last is taken first: it is still in the cache.
#[derive(Default)]
pub struct BlockPool {
    small: Cell<Vec<Block>>,
    large: Cell<Vec<Block>>,
}

impl BlockPool {
    /// A pool with no blocks in it: they are made as they are needed, and kept up to a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A block of at least this size; above the large size it is made for the purpose and not kept.
    fn take(&self, size: usize) -> Block {
        let (free, size) = if size <= SMALL_BLOCK {
            (&self.small, SMALL_BLOCK)
        } else if size <= LARGE_BLOCK {
            (&self.large, LARGE_BLOCK)
        } else {
            return vec![0; size].into_boxed_slice();
        };
        let mut blocks = free.take();
        let block = blocks.pop();
        free.set(blocks);
        block.unwrap_or_else(|| vec![0; size].into_boxed_slice())
    }

    fn give(&self, block: Block) {
        let (free, most) = match block.len() {
            SMALL_BLOCK => (&self.small, SMALL_BLOCKS_KEPT),
            LARGE_BLOCK => (&self.large, LARGE_BLOCKS_KEPT),
            _ => return,
        };
        let mut blocks = free.take();
        if blocks.len() < most {
            blocks.push(block);
        }
        free.set(blocks);
    }
}

/// Received bytes, in one piece. Never more than the limit; the memory comes from a `BlockPool`.
pub struct ReadBuffer {
    /// None when no bytes wait.
    block: Option<Block>,
    start: usize,
    end: usize,
    limit: usize,
    received: u64,
    /// Whether the last reads were filled, so that the next block is a large one.
    fills: bool,
}

impl ReadBuffer {
    /// An empty buffer for at most `limit` unread bytes (at least 1). Allocates nothing.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        ReadBuffer { block: None, start: 0, end: 0, limit: limit.max(1), received: 0, fills: false }
    }

    /// The bytes that wait.
    #[inline]
    #[must_use]
    pub fn readable(&self) -> &[u8] {
        self.block.as_deref().and_then(|block| block.get(self.start..self.end)).unwrap_or_default()
    }

    /// How many bytes wait.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether no bytes wait.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether as many bytes wait as may.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= self.limit
    }

    /// The most bytes that may wait.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Changes the most bytes that may wait (at least 1). Bytes beyond a lower limit stay.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(1);
    }

    /// How many bytes have ever been read from the socket.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received
    }

    /// Drops the first `count` bytes (at most all); with the last of them the block goes back.
    #[inline]
    pub fn consume(&mut self, count: usize, pool: &BlockPool) {
        self.start += count.min(self.len());
        if self.is_empty() {
            self.release(pool);
        }
    }

    /// Drops all bytes and gives the block back.
    #[inline]
    pub fn release(&mut self, pool: &BlockPool) {
        (self.start, self.end) = (0, 0);
        if let Some(block) = self.block.take() {
            pool.give(block);
        }
    }

    /// Reads once from the socket, at most `most` bytes and no more than the limit leaves room for. 0 is
    /// the end of the stream.
    ///
    /// # Errors
    /// That of the socket; `InvalidInput` when there is no room, in which case the socket is not read.
    pub fn poll_fill(
        &mut self,
        socket: &mut TransportSocket,
        cx: &mut Context<'_>,
        pool: &BlockPool,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let room = most.min(self.limit.saturating_sub(self.len()));
        if room == 0 {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, "the read buffer is full")));
        }
        let polled = self.poll_read(socket, cx, pool, room);
        if self.is_empty() {
            self.release(pool);
        }
        polled
    }

    fn poll_read(
        &mut self,
        socket: &mut TransportSocket,
        cx: &mut Context<'_>,
        pool: &BlockPool,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        let end = self.end_with_tail(room, pool);
        let Some(tail) = self.block.as_deref_mut().and_then(|block| block.get_mut(end..)) else {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        };
        let offered = room.min(tail.len());
        let mut unfilled = ReadBuf::new(tail.get_mut(..offered).unwrap_or_default());
        ready!(socket.poll_read(cx, &mut unfilled))?;
        let count = unfilled.filled().len();
        self.end += count;
        self.received += u64::try_from(count).unwrap_or(u64::MAX);
        self.fills = count >= SMALL_BLOCK / 2 && (self.fills || count == offered);
        Poll::Ready(Ok(count))
    }

    /// Sees to it that there is room behind the bytes; answers where they end.
    fn end_with_tail(&mut self, room: usize, pool: &BlockPool) -> usize {
        let Some(block) = self.block.as_deref_mut() else {
            let usual = if self.fills { LARGE_BLOCK } else { SMALL_BLOCK };
            self.block = Some(pool.take(room.min(usual)));
            return self.end;
        };
        if self.end < block.len() {
            return self.end;
        }
        let unread = self.start..self.end;
        if unread.len() <= block.len() / 2 {
            block.copy_within(unread, 0);
        } else {
            // Doubling keeps the sum of what is moved in proportion to what is read.
            let mut larger = pool.take((2 * block.len()).min(unread.len() + room));
            let moved = block.get(unread.clone()).unwrap_or_default();
            if let Some(front) = larger.get_mut(..moved.len()) {
                front.copy_from_slice(moved);
            }
            if let Some(outgrown) = self.block.replace(larger) {
                pool.give(outgrown);
            }
        }
        (self.start, self.end) = (0, self.end - self.start);
        self.end
    }
}
