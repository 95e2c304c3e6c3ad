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

    /// Takes bytes that were received elsewhere, as many as the limit leaves room for; answers how many.
    pub fn append(&mut self, data: &[u8], pool: &BlockPool) -> usize {
        let room = data.len().min(self.limit.saturating_sub(self.len()));
        if room == 0 {
            return 0;
        }
        let end = self.end_with_tail(room, pool);
        let tail = self.block.as_deref_mut().and_then(|block| block.get_mut(end..)).unwrap_or_default();
        let count = room.min(tail.len());
        if let (Some(into), Some(from)) = (tail.get_mut(..count), data.get(..count)) {
            into.copy_from_slice(from);
        }
        self.end += count;
        self.received += u64::try_from(count).unwrap_or(u64::MAX);
        count
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

impl std::fmt::Debug for BlockPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockPool").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;

    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;

    use super::*;
    use crate::transport_sockets::RawBuffer;

    fn pair() -> (TransportSocket, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (TransportSocket::RawBuffer(RawBuffer::Unix(ours)), theirs)
    }

    async fn fill(buffer: &mut ReadBuffer, socket: &mut TransportSocket, pool: &BlockPool) -> usize {
        poll_fn(|cx| buffer.poll_fill(socket, cx, pool, usize::MAX)).await.unwrap()
    }

    fn free(pool: &BlockPool) -> [usize; 2] {
        [&pool.small, &pool.large].map(|blocks| {
            let taken = blocks.take();
            let count = taken.len();
            blocks.set(taken);
            count
        })
    }

    #[tokio::test]
    async fn a_block_is_held_only_while_bytes_wait() {
        let ((mut socket, mut peer), pool) = (pair(), BlockPool::new());
        let mut buffer = ReadBuffer::new(1000);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(buffer.poll_fill(&mut socket, &mut cx, &pool, 1000).is_pending());
        assert_eq!(free(&pool), [1, 0], "given back, as nothing came");
        peer.write_all(b"bytes").await.unwrap();
        assert_eq!(fill(&mut buffer, &mut socket, &pool).await, 5);
        assert_eq!(free(&pool), [0, 0]);
        buffer.consume(3, &pool);
        assert_eq!((buffer.readable(), free(&pool)), (&b"es"[..], [0, 0]));
        buffer.consume(99, &pool);
        assert_eq!((buffer.len(), free(&pool)), (0, [1, 0]));
        drop(peer);
        assert_eq!(fill(&mut buffer, &mut socket, &pool).await, 0, "the end of the stream");
        assert_eq!((free(&pool), buffer.received_bytes()), ([1, 0], 5));
    }

    #[tokio::test]
    async fn the_limit_holds() {
        let ((mut socket, mut peer), pool) = (pair(), BlockPool::new());
        let mut buffer = ReadBuffer::new(10);
        peer.write_all(b"0123456789abcdef").await.unwrap();
        assert_eq!(fill(&mut buffer, &mut socket, &pool).await, 10);
        assert!(buffer.is_full());
        let refused = poll_fn(|cx| buffer.poll_fill(&mut socket, cx, &pool, 1)).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        buffer.consume(4, &pool);
        let count = poll_fn(|cx| buffer.poll_fill(&mut socket, cx, &pool, 3)).await.unwrap();
        assert_eq!((count, buffer.readable()), (3, &b"456789abc"[..]));
        assert_eq!(fill(&mut buffer, &mut socket, &pool).await, 1);
        assert_eq!(buffer.readable(), b"456789abcd");
    }

    #[tokio::test]
    async fn what_is_not_whole_moves_to_where_there_is_room() {
        let ((mut socket, mut peer), pool) = (pair(), BlockPool::new());
        let sent: Vec<u8> =
            (0u32..120_000).flat_map(|number| number.to_le_bytes().into_iter().take(3)).collect();
        let limit = 200 * 1024;
        let mut buffer = ReadBuffer::new(limit);
        let (mut written, mut consumed) = (0, 0);
        // Grows through every size of block, then is compacted where it stands.
        for keep in [SMALL_BLOCK - 1, LARGE_BLOCK - 1, limit, 3, LARGE_BLOCK / 2, 0] {
            while buffer.len() < keep {
                let piece = sent.get(written..sent.len().min(written + 5000)).unwrap();
                peer.write_all(piece).await.unwrap();
                written += piece.len();
                while consumed + buffer.len() < written && !buffer.is_full() {
                    fill(&mut buffer, &mut socket, &pool).await;
                }
                assert_eq!(buffer.readable(), sent.get(consumed..consumed + buffer.len()).unwrap());
            }
            let count = buffer.len() - keep;
            buffer.consume(count, &pool);
            consumed += count;
            assert!(sent.get(consumed..).unwrap().starts_with(buffer.readable()));
        }
        assert!(consumed > limit && buffer.is_empty());
        assert_eq!(free(&pool), [1, 1], "what is larger than a large block is not kept");
    }

    #[tokio::test]
    async fn the_read_size_follows_what_comes() {
        let ((mut socket, mut peer), pool) = (pair(), BlockPool::new());
        let mut buffer = ReadBuffer::new(1024 * 1024);
        let mut sizes = Vec::new();
        for round in [100_000, 100_000, 10, 100_000] {
            peer.write_all(&vec![b'x'; round]).await.unwrap();
            let mut left = round;
            while left > 0 {
                let count = fill(&mut buffer, &mut socket, &pool).await;
                buffer.consume(count, &pool);
                left -= count;
                sizes.push(count);
            }
        }
        let rest = 100_000 - SMALL_BLOCK;
        assert_eq!(sizes, [SMALL_BLOCK, rest, 100_000, 10, SMALL_BLOCK, rest]);
    }

    #[test]
    fn the_pool_keeps_a_limited_number_of_blocks() {
        let pool = BlockPool::new();
        let small: Vec<Block> = (0..=SMALL_BLOCKS_KEPT).map(|_| pool.take(1)).collect();
        let large: Vec<Block> = (0..=LARGE_BLOCKS_KEPT).map(|_| pool.take(LARGE_BLOCK)).collect();
        let last = small.get(SMALL_BLOCKS_KEPT - 1).unwrap().as_ptr();
        small.into_iter().chain(large).for_each(|block| pool.give(block));
        assert_eq!(free(&pool), [SMALL_BLOCKS_KEPT, LARGE_BLOCKS_KEPT]);
        let next = pool.take(SMALL_BLOCK);
        assert_eq!(next.as_ptr(), last, "the one given back last comes first");
    }

    #[test]
    fn bytes_from_elsewhere_keep_to_the_limit() {
        let pool = BlockPool::new();
        let mut buffer = ReadBuffer::new(5);
        assert_eq!(buffer.append(b"abc", &pool), 3);
        assert_eq!(buffer.append(b"defg", &pool), 2);
        assert_eq!(buffer.append(b"h", &pool), 0);
        assert_eq!((buffer.readable(), buffer.received_bytes()), (&b"abcde"[..], 5));
        buffer.consume(5, &pool);
        assert_eq!(buffer.append(b"", &pool), 0);
        assert!(buffer.is_empty());
    }
}
