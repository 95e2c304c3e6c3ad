//! Bytes both ways between two connections.
//!
//! Owns: reading from one side as fast as the other takes it, passing on the end of each side on its own, and the counts.
//! Does not own: the connections, how long they may be idle, nor what is logged and counted where they end
//! (`filters::network::tcp_proxy`).
//! Follows Envoy's page "TCP proxy"; half-closed connections as in RFC 9293 section 3.6.
//!
//! A side is read only when all that was read from it before is written. What waits is never more than one read, so an
//! idle session holds no memory, and a reader that is slow slows down the writer.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use crate::buffer::{BlockPool, ReadBuffer};
use crate::transport_sockets::TransportSocket;

/// How much one direction may move before other connections have their turn.
const BUDGET: usize = 1024 * 1024;

/// One of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client's.
    Downstream,
    /// The upstream host's.
    Upstream,
}

/// How it came to an end.
#[derive(Debug)]
pub enum End {
    /// Both sides have ended, this one last, and all bytes have been passed on.
    Complete {
        /// Who ended last.
        last: Side,
    },
    /// The connection of one side broke. What had come from it was still passed on, unless it was reset.
    Broken {
        /// Whose connection.
        side: Side,
        /// How.
        error: io::Error,
    },
}

impl End {
    /// Whether the side was reset by its peer, so that the other one is to see a reset as well.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        matches!(self, End::Broken { error, .. } if is_reset(error))
    }
}

fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

/// What bytes come from and go to.
pub trait Endpoint {
    /// Reads once into the buffer; 0 is the end.
    ///
    /// # Errors
    /// It is broken.
    fn poll_fill(
        &mut self,
        buffer: &mut ReadBuffer,
        cx: &mut Context<'_>,
        blocks: &BlockPool,
    ) -> Poll<io::Result<usize>>;

    /// Takes some of the bytes; answers how many.
    ///
    /// # Errors
    /// It is broken.
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>>;

    /// Sends what it has taken and kept.
    ///
    /// # Errors
    /// It is broken.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends what goes to it.
    ///
    /// # Errors
    /// It is broken.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Endpoint for TransportSocket {
    #[inline]
    fn poll_fill(
        &mut self,
        buffer: &mut ReadBuffer,
        cx: &mut Context<'_>,
        blocks: &BlockPool,
    ) -> Poll<io::Result<usize>> {
        buffer.poll_fill(self, cx, blocks, usize::MAX)
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        TransportSocket::poll_write(self, cx, &[IoSlice::new(data)])
    }

    #[inline]
    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        TransportSocket::poll_shutdown(self, cx)
    }
}

/// The two connections between which bytes go.
#[derive(Debug)]
pub struct Sides<'a, U = TransportSocket> {
    /// The client's.
    pub downstream: &'a mut TransportSocket,
    /// The upstream host's.
    pub upstream: &'a mut U,
}

/// What has happened in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes read from the one side.
    pub read: u64,
    /// Bytes written to the other.
    pub written: u64,
    /// How often reading stopped because the other side did not take more.
    pub paused: u64,
    /// How often it went on after that.
    pub resumed: u64,
    /// Whether the one side has ended.
    pub ended: bool,
}

impl Traffic {
    /// Bytes that were read and have not been written.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.read.saturating_sub(self.written)
    }
}

/// A relay between two connections that stand open.
pub struct Relay {
    to_upstream: Direction,
    to_downstream: Direction,
    last_ended: Side,
    broken: Option<(Side, io::Error)>,
}

impl Relay {
    /// At most so many bytes wait to be written to each of the sides.
    #[must_use]
    pub fn new(upstream_limit: usize, downstream_limit: usize) -> Self {
        Relay {
            to_upstream: Direction::new(upstream_limit),
            to_downstream: Direction::new(downstream_limit),
            last_ended: Side::Downstream,
            broken: None,
        }
    }

    /// What the client has sent already, and whether it has ended its side.
    pub fn begin_with(&mut self, buffer: ReadBuffer, ended: bool) {
        let up = &mut self.to_upstream;
        up.traffic.read = up.traffic.read.saturating_add(to_u64(buffer.len()));
        up.buffer = buffer;
        if ended {
            up.traffic.ended = true;
            up.state = State::Ending;
        }
    }

    /// From the client to the upstream host.
    #[must_use]
    pub fn to_upstream(&self) -> Traffic {
        self.to_upstream.traffic
    }

    /// From the upstream host to the client.
    #[must_use]
    pub fn to_downstream(&self) -> Traffic {
        self.to_downstream.traffic
    }

    /// Whether the client is gone and bytes of it still wait to be written upstream.
    #[must_use]
    pub fn is_flushing_upstream(&self) -> bool {
        matches!(self.broken, Some((Side::Downstream, _))) && !self.to_upstream.buffer.is_empty()
    }

    /// Moves what can be moved. Ready at the end; it must not be called again then.
    pub fn poll<U: Endpoint>(
        &mut self,
        sides: &mut Sides<'_, U>,
        cx: &mut Context<'_>,
        blocks: &BlockPool,
    ) -> Poll<End> {
        loop {
            let up = self.poll_to_upstream(sides, cx, blocks);
            let down = self.poll_to_downstream(sides, cx, blocks);
            let (side, error) = match (up, down) {
                (Poll::Ready(Err(_)), Poll::Ready(Err(other))) if is_reset(&other.1) => other,
                (Poll::Ready(Err(failure)), _) | (_, Poll::Ready(Err(failure))) => failure,
                (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(self.end()),
                _ => return Poll::Pending,
            };
            if self.broken.is_some() {
                return Poll::Ready(self.end());
            }
            if is_reset(&error) {
                return Poll::Ready(End::Broken { side, error });
            }
            self.break_off(side, blocks);
            self.broken = Some((side, error));
        }
    }

    fn poll_to_upstream<U: Endpoint>(
        &mut self,
        sides: &mut Sides<'_, U>,
        cx: &mut Context<'_>,
        blocks: &BlockPool,
    ) -> Poll<Result<(), (Side, io::Error)>> {
        let was_open = self.to_upstream.is_open();
        let polled = self.to_upstream.poll(sides.downstream, sides.upstream, cx, blocks);
        if was_open && !self.to_upstream.is_open() {
            self.last_ended = Side::Downstream;
        }
        polled.map_err(|failure| failure.of(Side::Downstream, Side::Upstream))
    }

    fn poll_to_downstream<U: Endpoint>(
        &mut self,
        sides: &mut Sides<'_, U>,
        cx: &mut Context<'_>,
        blocks: &BlockPool,
    ) -> Poll<Result<(), (Side, io::Error)>> {
        let was_open = self.to_downstream.is_open();
        let polled = self.to_downstream.poll(sides.upstream, sides.downstream, cx, blocks);
        if was_open && !self.to_downstream.is_open() {
            self.last_ended = Side::Upstream;
        }
        polled.map_err(|failure| failure.of(Side::Upstream, Side::Downstream))
    }

    /// Nothing more goes to the side or comes from it; what has come still goes on.
    fn break_off(&mut self, side: Side, blocks: &BlockPool) {
        let (to_it, from_it) = match side {
            Side::Downstream => (&mut self.to_downstream, &mut self.to_upstream),
            Side::Upstream => (&mut self.to_upstream, &mut self.to_downstream),
        };
        to_it.buffer.release(blocks);
        to_it.state = State::Closed;
        if from_it.is_open() {
            from_it.state = State::Ending;
        }
    }

    fn end(&mut self) -> End {
        match self.broken.take() {
            Some((side, error)) => End::Broken { side, error },
            None => End::Complete { last: self.last_ended },
        }
    }

    /// Gives back the memory of a session that is cut short.
    pub fn release(&mut self, blocks: &BlockPool) {
        self.to_upstream.buffer.release(blocks);
        self.to_downstream.buffer.release(blocks);
    }
}

/// Bytes from one side, the source, to the other, the sink.
struct Direction {
    buffer: ReadBuffer,
    state: State,
    is_paused: bool,
    traffic: Traffic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The source may send more.
    Open,
    /// It has ended: when what waits is written, the sink is told.
    Ending,
    /// All is done.
    Closed,
}

enum Failure {
    Source(io::Error),
    Sink(io::Error),
}

impl Failure {
    fn of(self, source: Side, sink: Side) -> (Side, io::Error) {
        match self {
            Failure::Source(error) => (source, error),
            Failure::Sink(error) => (sink, error),
        }
    }
}

impl Direction {
    fn new(limit: usize) -> Self {
        Direction {
            buffer: ReadBuffer::new(limit),
            state: State::Open,
            is_paused: false,
            traffic: Traffic::default(),
        }
    }

    fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Ready when the source has ended and the sink was told.
    fn poll(
        &mut self,
        source: &mut impl Endpoint,
        sink: &mut impl Endpoint,
        cx: &mut Context<'_>,
        blocks: &BlockPool,
    ) -> Poll<Result<(), Failure>> {
        let mut left = BUDGET;
        loop {
            if !self.buffer.is_empty() {
                ready!(self.poll_write(sink, cx, blocks)).map_err(Failure::Sink)?;
                continue;
            }
            match self.state {
                State::Closed => return Poll::Ready(Ok(())),
                State::Ending => {
                    // When the sink is gone, its own direction tells how.
                    let _told: io::Result<()> = ready!(sink.poll_shutdown(cx));
                    self.state = State::Closed;
                }
                State::Open if left == 0 => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Open => {
                    let Poll::Ready(filled) = source.poll_fill(&mut self.buffer, cx, blocks) else {
                        let flushed = sink.poll_flush(cx).map_err(Failure::Sink);
                        return if let Poll::Ready(Err(failure)) = flushed {
                            Poll::Ready(Err(failure))
                        } else {
                            Poll::Pending
                        };
                    };
                    let count = filled.map_err(Failure::Source)?;
                    if count == 0 {
                        self.state = State::Ending;
                        self.traffic.ended = true;
                    }
                    left = left.saturating_sub(count);
                    self.traffic.read = self.traffic.read.saturating_add(to_u64(count));
                }
            }
        }
    }

    fn poll_write(
        &mut self,
        sink: &mut impl Endpoint,
        cx: &mut Context<'_>,
        blocks: &BlockPool,
    ) -> Poll<io::Result<()>> {
        let Poll::Ready(written) = sink.poll_write(cx, self.buffer.readable()) else {
            self.traffic.paused += u64::from(!self.is_paused);
            self.is_paused = true;
            return Poll::Pending;
        };
        let count = written?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.buffer.consume(count, blocks);
        self.traffic.written = self.traffic.written.saturating_add(to_u64(count));
        if self.is_paused && self.buffer.is_empty() {
            self.is_paused = false;
            self.traffic.resumed += 1;
        }
        Poll::Ready(Ok(()))
    }
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
