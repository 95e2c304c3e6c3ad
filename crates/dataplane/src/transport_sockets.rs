//! What carries a connection's bytes: plain sockets here, encrypted ones beside them.
//!
//! Owns: the one list of transport sockets, and the few calls that the rest of the data plane makes on them.
//! Does not own: buffers (`buffer`), nor listening (`listener`) and choosing whom to connect to (`cluster`).
//! Follows: Envoy's "transport sockets" (`envoy.transport_sockets.*`).
//!
//! An enum, not a trait object: the call on the hot path is a branch that is always predicted.

use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::ReadBuf;

use crate::format::asked_for;
use crate::stream_info::{Address, ConnectionInfo};

pub mod filtered;
pub mod internal;
pub mod internal_upstream;
mod peek;
pub mod raw_buffer;
pub mod socket_options;
pub mod source_addresses;
pub mod tls;

pub use filtered::{FilteredSocket, OnData, ReadVerdict};
pub use internal::InternalSocket;
pub use raw_buffer::RawBuffer;
pub use source_addresses::SourceAddresses;
pub use tls::{TlsConnection, TlsSocket};

/// A connected socket of a downstream or an upstream.
#[derive(Debug)]
pub enum TransportSocket {
    /// `envoy.transport_sockets.raw_buffer`
    RawBuffer(RawBuffer),
    /// `envoy.transport_sockets.tls`
    Tls(Box<TlsSocket>),
    /// Any of them, with network filters that see what is read.
    Filtered(Box<FilteredSocket>),
}

/// What a read would answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peeked {
    /// It would wait.
    Nothing,
    /// Bytes.
    Bytes,
    /// The end, or an error.
    End,
}

impl TransportSocket {
    /// What is known of its TLS; none: it has none.
    #[must_use]
    pub fn tls(&self) -> Option<Rc<TlsConnection>> {
        match self {
            TransportSocket::RawBuffer(_) => None,
            TransportSocket::Tls(socket) => Some(Rc::clone(socket.connection())),
            TransportSocket::Filtered(socket) => socket.inner.tls(),
        }
    }

    /// Reads once. Nothing read is the end of the stream. A read that does not fill the buffer is known to
    /// have emptied the socket: the next call waits without asking the kernel.
    ///
    /// # Errors
    /// That of the socket.
    #[inline]
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            TransportSocket::RawBuffer(socket) => socket.poll_read(cx, into),
            TransportSocket::Tls(socket) => socket.poll_read(cx, into),
            TransportSocket::Filtered(socket) => socket.poll_read(cx, into),
        }
    }

    /// Writes once, from all of the pieces. Answers how many bytes were taken.
    ///
    /// # Errors
    /// That of the socket.
    #[inline]
    pub fn poll_write(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            TransportSocket::RawBuffer(socket) => socket.poll_write(cx, pieces),
            TransportSocket::Tls(socket) => socket.poll_write(cx, pieces),
            TransportSocket::Filtered(socket) => socket.inner.poll_write(cx, pieces),
        }
    }

    /// Waits until a read would answer something: bytes, the end, or an error. Reads nothing.
    ///
    /// # Errors
    /// When the worker is shutting down.
    #[inline]
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            TransportSocket::RawBuffer(socket) => socket.poll_read_ready(cx),
            TransportSocket::Tls(socket) => socket.poll_read_ready(cx),
            TransportSocket::Filtered(socket) => socket.inner.poll_read_ready(cx),
        }
    }

    /// What a read would answer: as far as the worker has been told, or, at the price of a system call, as the kernel
    /// knows it now. Leaves nobody to be woken.
    #[inline]
    #[must_use]
    pub fn peek(&mut self, ask_kernel: bool) -> Peeked {
        match self {
            TransportSocket::RawBuffer(socket) => socket.peek(ask_kernel),
            TransportSocket::Tls(socket) => socket.peek(ask_kernel),
            TransportSocket::Filtered(socket) => socket.inner.peek(ask_kernel),
        }
    }

    /// Writes all of the bytes.
    ///
    /// # Errors
    /// That of the socket.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = std::future::poll_fn(|cx| self.poll_write(cx, &[IoSlice::new(bytes)])).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Waits for more bytes than `seen` holds, and looks at what has come, up to `most`; they stay in the socket.
    /// Answers false when the peer has ended without more.
    ///
    /// # Errors
    /// That of the socket.
    pub async fn peek_more(&self, seen: &mut Vec<u8>, most: usize) -> io::Result<bool> {
        match self {
            TransportSocket::RawBuffer(socket) => socket.peek_more(seen, most).await,
            TransportSocket::Tls(socket) => socket.socket().peek_more(seen, most).await,
            TransportSocket::Filtered(socket) => Box::pin(socket.inner.peek_more(seen, most)).await,
        }
    }

    /// Takes bytes that were looked at out of the socket.
    ///
    /// # Errors
    /// That of the socket.
    pub fn discard(&self, count: usize) -> io::Result<()> {
        match self {
            TransportSocket::RawBuffer(socket) => socket.discard(count),
            TransportSocket::Tls(socket) => socket.socket().discard(count),
            TransportSocket::Filtered(socket) => socket.inner.discard(count),
        }
    }

    /// Lets the worker learn anew what waits in the socket.
    ///
    /// # Errors
    /// That of the socket.
    pub fn register_again(&mut self) -> io::Result<()> {
        match self {
            TransportSocket::RawBuffer(socket) => socket.register_again(),
            TransportSocket::Tls(socket) => socket.socket_mut().register_again(),
            TransportSocket::Filtered(socket) => socket.inner.register_again(),
        }
    }

    /// Where the connection was headed before the system redirected it here.
    #[must_use]
    pub fn original_destination(&self) -> Option<Address> {
        match self {
            TransportSocket::RawBuffer(socket) => socket.original_destination(),
            TransportSocket::Tls(socket) => socket.socket().original_destination(),
            TransportSocket::Filtered(socket) => socket.inner.original_destination(),
        }
    }

    /// Ends our side of the stream; the peer's side stays open.
    ///
    /// # Errors
    /// That of the socket.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            TransportSocket::RawBuffer(socket) => socket.poll_shutdown(cx),
            TransportSocket::Tls(socket) => socket.poll_shutdown(cx),
            TransportSocket::Filtered(socket) => socket.inner.poll_shutdown(cx),
        }
    }

    /// Our address.
    ///
    /// # Errors
    /// That of the socket.
    pub fn local_address(&self) -> io::Result<Address> {
        match self {
            TransportSocket::RawBuffer(socket) => socket.local_address(),
            TransportSocket::Tls(socket) => socket.socket().local_address(),
            TransportSocket::Filtered(socket) => socket.inner.local_address(),
        }
    }

    /// The peer's address.
    ///
    /// # Errors
    /// That of the socket, when it is no longer connected.
    pub fn remote_address(&self) -> io::Result<Address> {
        match self {
            TransportSocket::RawBuffer(socket) => socket.remote_address(),
            TransportSocket::Tls(socket) => socket.socket().remote_address(),
            TransportSocket::Filtered(socket) => socket.inner.remote_address(),
        }
    }

    /// Sends small pieces at once (`TCP_NODELAY`). Does nothing on a Unix domain socket.
    ///
    /// # Errors
    /// That of the socket.
    pub fn set_nodelay(&self) -> io::Result<()> {
        match self {
            TransportSocket::RawBuffer(socket) => socket.set_nodelay(),
            TransportSocket::Tls(socket) => socket.socket().set_nodelay(),
            TransportSocket::Filtered(socket) => socket.inner.set_nodelay(),
        }
    }

    /// Makes the close that follows a reset: what was not sent is dropped, the peer gets RST.
    ///
    /// # Errors
    /// That of the socket.
    pub fn reset_on_close(&self) -> io::Result<()> {
        match self {
            TransportSocket::RawBuffer(socket) => socket.reset_on_close(),
            TransportSocket::Tls(socket) => {
                socket.close_silently();
                socket.socket().reset_on_close()
            }
            TransportSocket::Filtered(socket) => socket.inner.reset_on_close(),
        }
    }

    /// The kernel's estimate of the round trip time; none of what is no TCP connection.
    #[must_use]
    pub fn round_trip_time(&self) -> Option<Duration> {
        match self {
            TransportSocket::RawBuffer(socket) => socket.round_trip_time(),
            TransportSocket::Tls(socket) => socket.socket().round_trip_time(),
            TransportSocket::Filtered(socket) => socket.inner.round_trip_time(),
        }
    }

    /// Notes the round trip time where a format prints it.
    #[inline]
    pub(crate) fn note_round_trip_time(&self, info: &ConnectionInfo) {
        if asked_for::ROUND_TRIP_TIME.is_asked_for() {
            let milliseconds = self.round_trip_time().and_then(|time| u64::try_from(time.as_millis()).ok());
            info.round_trip_time_ms.set(milliseconds);
        }
    }
}
