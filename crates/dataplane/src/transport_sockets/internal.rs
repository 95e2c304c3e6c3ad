//! User-space sockets: the two ends of a connection that stays within its worker.
//!
//! Owns: two bounded pipes of bytes, one each way, and how the end of one side is seen by the other. Does not own: which
//! listener takes the connection (`listener::internal`).
//! Follows Envoy's page "Internal listener" and its `io_socket::user_space`.
//!
//! Both ends live on one thread: no lock, no system call, no file descriptor.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::ReadBuf;

use super::Peeked;
use crate::stream_info::Address;

/// One end of a connection within the worker.
#[derive(Debug)]
pub struct InternalSocket {
    incoming: Rc<RefCell<Pipe>>,
    outgoing: Rc<RefCell<Pipe>>,
    local: Address,
    remote: Address,
    resets: Cell<bool>,
}

/// The bytes of one direction that were written and not yet read.
#[derive(Debug)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// How many may wait.
    limit: usize,
    /// Nothing more is written.
    ended: bool,
    /// Its writer went away without an end.
    reset: bool,
    /// Nobody reads any more.
    abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn new(limit: usize) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Pipe {
            bytes: VecDeque::new(),
            limit: limit.max(1),
            ended: false,
            reset: false,
            abandoned: false,
            reader: None,
            writer: None,
        }))
    }

    fn has_news(&self) -> bool {
        !self.bytes.is_empty() || self.ended
    }

    fn wait_to_read(&mut self, cx: &Context<'_>) {
        remember(&mut self.reader, cx);
    }

    fn read(&mut self, into: &mut ReadBuf<'_>) {
        let (first, second) = self.bytes.as_slices();
        let mut taken = 0;
        for part in [first, second] {
            let part = part.get(..part.len().min(into.remaining())).unwrap_or_default();
            into.put_slice(part);
            taken += part.len();
        }
        self.take(taken);
    }

    fn take(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
        if self.bytes.is_empty() {
            // An idle connection holds no memory.
            self.bytes = VecDeque::new();
        }
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    fn write(&mut self, pieces: &[IoSlice<'_>]) -> usize {
        let room = self.limit.saturating_sub(self.bytes.len());
        let mut taken = 0;
        for piece in pieces {
            let part = piece.get(..piece.len().min(room - taken)).unwrap_or_default();
            self.bytes.extend(part);
            taken += part.len();
        }
        self.wake_reader();
        taken
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

fn remember(waiting: &mut Option<Waker>, cx: &Context<'_>) {
    match waiting {
        Some(waker) if waker.will_wake(cx.waker()) => {}
        _ => *waiting = Some(cx.waker().clone()),
    }
}

impl InternalSocket {
    /// Both ends of a connection from `client` to `server`, with room for so many bytes in each direction.
    #[must_use]
    pub fn pair(limit: usize, client: &Address, server: &Address) -> (Self, Self) {
        let (to_server, to_client) = (Pipe::new(limit), Pipe::new(limit));
        let end = |incoming: &Rc<_>, outgoing: &Rc<_>, local: &Address, remote: &Address| InternalSocket {
            incoming: Rc::clone(incoming),
            outgoing: Rc::clone(outgoing),
            local: local.clone(),
            remote: remote.clone(),
            resets: Cell::new(false),
        };
        (end(&to_client, &to_server, client, server), end(&to_server, &to_client, server, client))
    }

    pub(super) fn poll_read(&self, cx: &Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.incoming.borrow_mut();
        if pipe.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if !pipe.has_news() {
            pipe.wait_to_read(cx);
            return Poll::Pending;
        }
        pipe.read(into);
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_write(&self, cx: &Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut pipe = self.outgoing.borrow_mut();
        if pipe.ended || pipe.abandoned {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if pipe.bytes.len() >= pipe.limit {
            remember(&mut pipe.writer, cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(pipe.write(pieces)))
    }

    pub(super) fn poll_read_ready(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.incoming.borrow_mut();
        if pipe.has_news() {
            return Poll::Ready(Ok(()));
        }
        pipe.wait_to_read(cx);
        Poll::Pending
    }

    pub(super) fn peek(&self) -> Peeked {
        let pipe = self.incoming.borrow();
        match (pipe.bytes.is_empty(), pipe.ended) {
            (false, _) => Peeked::Bytes,
            (true, true) => Peeked::End,
            (true, false) => Peeked::Nothing,
        }
    }

    pub(super) async fn peek_more(&self, seen: &mut Vec<u8>, most: usize) -> io::Result<bool> {
        poll_fn(|cx| {
            let mut pipe = self.incoming.borrow_mut();
            if pipe.bytes.len().min(most) > seen.len() {
                seen.clear();
                seen.extend(pipe.bytes.iter().take(most));
                return Poll::Ready(Ok(true));
            }
            if pipe.ended {
                return Poll::Ready(Ok(false));
            }
            pipe.wait_to_read(cx);
            Poll::Pending
        })
        .await
    }

    pub(super) fn discard(&self, count: usize) -> io::Result<()> {
        let mut pipe = self.incoming.borrow_mut();
        if pipe.bytes.len() < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        pipe.take(count);
        Ok(())
    }

    pub(super) fn shutdown(&self) {
        let mut pipe = self.outgoing.borrow_mut();
        pipe.ended = true;
        pipe.wake_reader();
    }

    /// Whether the other end is gone.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.outgoing.borrow().abandoned
    }

    pub(super) fn local_address(&self) -> Address {
        self.local.clone()
    }

    pub(super) fn remote_address(&self) -> Address {
        self.remote.clone()
    }

    pub(super) fn reset_on_close(&self) {
        self.resets.set(true);
    }
}

impl Drop for InternalSocket {
    fn drop(&mut self) {
        {
            let mut incoming = self.incoming.borrow_mut();
            incoming.abandoned = true;
            incoming.take(usize::MAX);
        }
        let mut outgoing = self.outgoing.borrow_mut();
        if self.resets.get() && !outgoing.ended {
            outgoing.reset = true;
            outgoing.bytes = VecDeque::new();
        }
        outgoing.ended = true;
        outgoing.wake_reader();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(limit: usize) -> (InternalSocket, InternalSocket) {
        let address = Address::Pipe("".into());
        InternalSocket::pair(limit, &address, &address)
    }

    fn cx() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    fn read(socket: &InternalSocket, most: usize) -> Poll<io::Result<Vec<u8>>> {
        let mut room = vec![0; most];
        let mut into = ReadBuf::new(&mut room);
        socket.poll_read(&cx(), &mut into).map_ok(|()| into.filled().to_vec())
    }

    fn write(socket: &InternalSocket, pieces: &[&[u8]]) -> Poll<io::Result<usize>> {
        let pieces: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        socket.poll_write(&cx(), &pieces)
    }

    #[test]
    fn bytes_go_both_ways_within_the_limit() {
        let (client, server) = pair(5);
        assert!(read(&server, 9).is_pending());
        assert!(matches!(write(&client, &[b"abc", b"def"]), Poll::Ready(Ok(5))));
        assert!(write(&client, &[b"f"]).is_pending());
        assert!(matches!(read(&server, 2), Poll::Ready(Ok(bytes)) if bytes == b"ab"));
        assert!(matches!(write(&client, &[b"f"]), Poll::Ready(Ok(1))));
        assert!(matches!(read(&server, 9), Poll::Ready(Ok(bytes)) if bytes == b"cdef"));
        assert!(matches!(write(&server, &[b"back"]), Poll::Ready(Ok(4))));
        assert!(matches!(read(&client, 9), Poll::Ready(Ok(bytes)) if bytes == b"back"));
    }

    #[test]
    fn each_side_ends_on_its_own() {
        let (client, server) = pair(9);
        assert!(matches!(write(&client, &[b"last"]), Poll::Ready(Ok(4))));
        client.shutdown();
        assert!(
            matches!(write(&client, &[b"more"]), Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe)
        );
        assert_eq!(server.peek(), Peeked::Bytes);
        assert!(matches!(read(&server, 9), Poll::Ready(Ok(bytes)) if bytes == b"last"));
        assert_eq!(server.peek(), Peeked::End);
        assert!(matches!(read(&server, 9), Poll::Ready(Ok(bytes)) if bytes.is_empty()));
        assert!(matches!(write(&server, &[b"still"]), Poll::Ready(Ok(5))));
        drop(server);
        assert!(matches!(read(&client, 9), Poll::Ready(Ok(bytes)) if bytes == b"still"));
        assert!(matches!(read(&client, 9), Poll::Ready(Ok(bytes)) if bytes.is_empty()));
    }

    #[test]
    fn what_nobody_reads_is_not_written_and_a_reset_loses_what_waits() {
        let (client, server) = pair(9);
        assert!(matches!(write(&server, &[b"lost"]), Poll::Ready(Ok(4))));
        server.reset_on_close();
        drop(server);
        assert!(
            matches!(write(&client, &[b"x"]), Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe)
        );
        assert!(
            matches!(read(&client, 9), Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset)
        );
    }

    #[tokio::test]
    async fn what_is_looked_at_stays() {
        let (client, server) = pair(9);
        assert!(matches!(write(&client, &[b"hello"]), Poll::Ready(Ok(5))));
        let mut seen = Vec::new();
        assert!(server.peek_more(&mut seen, 3).await.unwrap());
        assert_eq!(seen, b"hel");
        server.discard(4).unwrap();
        assert!(server.discard(2).is_err());
        client.shutdown();
        seen = b"o".to_vec();
        assert!(!server.peek_more(&mut seen, 9).await.unwrap());
        assert!(matches!(read(&server, 9), Poll::Ready(Ok(bytes)) if bytes == b"o"));
    }
}
