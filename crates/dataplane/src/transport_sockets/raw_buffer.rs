//! `envoy.transport_sockets.raw_buffer`: bytes as they are, over TCP, a Unix domain socket or within the worker.
//!
//! Owns: connecting, socket options, and reading and writing without a system call that is known to be in vain.
//! Does not own: how long connecting may take, nor how many connections there are (`connection_pool`).
//! Follows: Envoy's `RawBufferSocket`; `upstream_connection_options.tcp_keepalive`.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use super::socket_options::keepalive_options;
use super::source_addresses::SourceAddresses;
use super::{InternalSocket, Peeked};
use crate::model::address::TcpKeepalive;
use crate::stream_info::Address;

/// A connected socket without encryption.
#[derive(Debug)]
pub enum RawBuffer {
    /// TCP.
    Tcp(TcpStream),
    /// Unix domain socket.
    Unix(UnixStream),
    /// A connection that stays within the worker.
    Internal(Box<InternalSocket>),
}

impl RawBuffer {
    /// Connects; small pieces are sent at once (`TCP_NODELAY`). A path that begins with `@` is an abstract
    /// name. To give up, drop the future.
    ///
    /// # Errors
    /// That of the socket, options included.
    pub async fn connect(
        address: &Address,
        keepalive: Option<&TcpKeepalive>,
        sources: &SourceAddresses,
    ) -> io::Result<RawBuffer> {
        match address {
            Address::Ip(address) => connect_tcp(*address, keepalive, sources).await.map(RawBuffer::Tcp),
            Address::Pipe(path) => {
                let path = match path.strip_prefix('@') {
                    Some(name) => UnixStream::connect(format!("\0{name}")).await,
                    None => UnixStream::connect(&**path).await,
                };
                path.map(RawBuffer::Unix)
            }
            // `listener::internal` makes those.
            Address::Internal(_) => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        }
    }

    #[inline]
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            RawBuffer::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            RawBuffer::Unix(stream) => Pin::new(stream).poll_read(cx, into),
            RawBuffer::Internal(socket) => socket.poll_read(cx, into),
        }
    }

    #[inline]
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [piece] = pieces {
            return match self {
                RawBuffer::Tcp(stream) => Pin::new(stream).poll_write(cx, piece),
                RawBuffer::Unix(stream) => Pin::new(stream).poll_write(cx, piece),
                RawBuffer::Internal(socket) => socket.poll_write(cx, pieces),
            };
        }
        let taken = ready!(match self {
            RawBuffer::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            RawBuffer::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            RawBuffer::Internal(socket) => return socket.poll_write(cx, pieces),
        })?;
        if taken < pieces.iter().map(|piece| piece.len()).sum() {
            self.forget_writable();
        }
        Poll::Ready(Ok(taken))
    }

    /// After a write that was cut short the socket is full: tokio knows that for one piece only, and would
    /// ask the kernel in vain. The worker's one thread has not polled the kernel since, so no news is lost.
    fn forget_writable(&self) {
        let blocked = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        // The answer is the error that was just made.
        let _: io::Result<()> = match self {
            RawBuffer::Tcp(stream) => stream.try_io(Interest::WRITABLE, blocked),
            RawBuffer::Unix(stream) => stream.try_io(Interest::WRITABLE, blocked),
            RawBuffer::Internal(_) => Ok(()),
        };
    }

    pub(super) fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            RawBuffer::Tcp(stream) => stream.poll_read_ready(cx),
            RawBuffer::Unix(stream) => stream.poll_read_ready(cx),
            RawBuffer::Internal(socket) => socket.poll_read_ready(cx),
        }
    }

    /// A flag that the last read has cleared costs no system call; a set one is verified by a look at the first byte.
    #[inline]
    pub(super) fn peek(&self, ask_kernel: bool) -> Peeked {
        let mut first = [MaybeUninit::uninit()];
        let seen = match self {
            RawBuffer::Internal(socket) => return socket.peek(),
            RawBuffer::Tcp(stream) if ask_kernel => SockRef::from(stream).peek(&mut first),
            RawBuffer::Unix(stream) if ask_kernel => SockRef::from(stream).peek(&mut first),
            RawBuffer::Tcp(stream) => {
                stream.try_io(Interest::READABLE, || SockRef::from(stream).peek(&mut first))
            }
            RawBuffer::Unix(stream) => {
                stream.try_io(Interest::READABLE, || SockRef::from(stream).peek(&mut first))
            }
        };
        match seen {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Peeked::Nothing,
            Ok(1..) => Peeked::Bytes,
            Ok(0) | Err(_) => Peeked::End,
        }
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            RawBuffer::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            RawBuffer::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            RawBuffer::Internal(socket) => {
                socket.shutdown();
                Poll::Ready(Ok(()))
            }
        }
    }

    pub(super) fn local_address(&self) -> io::Result<Address> {
        match self {
            RawBuffer::Tcp(stream) => stream.local_addr().map(Address::Ip),
            RawBuffer::Unix(stream) => stream.local_addr().map(|address| pipe(&address)),
            RawBuffer::Internal(socket) => Ok(socket.local_address()),
        }
    }

    pub(super) fn remote_address(&self) -> io::Result<Address> {
        match self {
            RawBuffer::Tcp(stream) => stream.peer_addr().map(Address::Ip),
            RawBuffer::Unix(stream) => stream.peer_addr().map(|address| pipe(&address)),
            RawBuffer::Internal(socket) => Ok(socket.remote_address()),
        }
    }

    pub(super) fn set_nodelay(&self) -> io::Result<()> {
        match self {
            RawBuffer::Tcp(stream) => stream.set_nodelay(true),
            RawBuffer::Unix(_) | RawBuffer::Internal(_) => Ok(()),
        }
    }

    pub(super) fn reset_on_close(&self) -> io::Result<()> {
        match self {
            RawBuffer::Tcp(stream) => SockRef::from(stream).set_linger(Some(Duration::ZERO)),
            RawBuffer::Unix(_) => Ok(()),
            RawBuffer::Internal(socket) => {
                socket.reset_on_close();
                Ok(())
            }
        }
    }

    pub(super) fn round_trip_time(&self) -> Option<Duration> {
        match self {
            RawBuffer::Tcp(stream) => round_trip_time(stream),
            RawBuffer::Unix(_) | RawBuffer::Internal(_) => None,
        }
    }
}

fn round_trip_time(stream: &TcpStream) -> Option<Duration> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).ok()?;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of what the pointer points to.
    let failed = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    } != 0;
    // SAFETY: all zeroes are a valid `tcp_info`, and so are the kernel's bytes over them.
    let info = unsafe { info.assume_init() };
    (!failed).then(|| Duration::from_micros(info.tcpi_rtt.into()))
}

async fn connect_tcp(
    address: SocketAddr,
    keepalive: Option<&TcpKeepalive>,
    sources: &SourceAddresses,
) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_nodelay(true)?;
    if let Some(keepalive) = keepalive {
        SockRef::from(&socket).set_tcp_keepalive(&keepalive_options(keepalive))?;
    }
    sources.bind(&socket, address)?;
    socket.connect(address).await
}

/// A path, an abstract name behind `@`, or nothing for a client that has bound none.
fn pipe(address: &tokio::net::unix::SocketAddr) -> Address {
    let path = address.as_pathname().map(Path::to_string_lossy);
    let name = address.as_abstract_name().map(String::from_utf8_lossy);
    Address::Pipe(match (path, name) {
        (Some(path), _) => Arc::from(path),
        (None, Some(name)) => Arc::from(format!("@{name}")),
        (None, None) => Arc::from(""),
    })
}
