//! Looking at the first bytes of a connection without taking them.
//!
//! Owns: peeking, taking what was peeked at, and asking the system where a redirected connection was headed. Does not
//! own: what the bytes mean (`filters::listener`).

use std::io::{self, Read};
use std::net::SocketAddr;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use super::RawBuffer;
use crate::stream_info::Address;

impl RawBuffer {
    pub(super) async fn peek_more(&self, seen: &mut Vec<u8>, most: usize) -> io::Result<bool> {
        if let RawBuffer::Internal(socket) = self {
            return socket.peek_more(seen, most).await;
        }
        let before = seen.len();
        loop {
            let ready = match self {
                RawBuffer::Tcp(stream) => stream.ready(Interest::READABLE).await,
                RawBuffer::Unix(stream) => stream.ready(Interest::READABLE).await,
                RawBuffer::Internal(_) => return Ok(false),
            }?;
            // What was seen already waits in the socket still, and is no news: the worker is to be told of more.
            let peeked = self.try_read_io(|socket| match peek(socket, seen, most) {
                Ok(count) if count > before => Ok(()),
                Ok(_) => Err(io::ErrorKind::WouldBlock.into()),
                Err(error) => Err(error),
            });
            match peeked {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) if ready.is_read_closed() => return Ok(false),
                Err(_) => {}
            }
        }
    }

    fn try_read_io(&self, work: impl FnOnce(SockRef<'_>) -> io::Result<()>) -> io::Result<()> {
        match self {
            RawBuffer::Tcp(stream) => stream.try_io(Interest::READABLE, || work(SockRef::from(stream))),
            RawBuffer::Unix(stream) => stream.try_io(Interest::READABLE, || work(SockRef::from(stream))),
            RawBuffer::Internal(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub(super) fn discard(&self, mut count: usize) -> io::Result<()> {
        let socket = match self {
            RawBuffer::Tcp(stream) => SockRef::from(stream),
            RawBuffer::Unix(stream) => SockRef::from(stream),
            RawBuffer::Internal(socket) => return socket.discard(count),
        };
        let mut taken = [0; 1024];
        while count > 0 {
            let most = count.min(taken.len());
            let read = (&*socket).read(taken.get_mut(..most).unwrap_or_default())?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            count = count.saturating_sub(read);
        }
        Ok(())
    }

    /// A socket that is registered anew is told of what waits in it.
    pub(super) fn register_again(&mut self) -> io::Result<()> {
        match self {
            RawBuffer::Tcp(stream) => {
                let duplicate: std::net::TcpStream = SockRef::from(&*stream).try_clone()?.into();
                *stream = TcpStream::from_std(duplicate)?;
            }
            RawBuffer::Unix(stream) => {
                let duplicate: std::os::unix::net::UnixStream = SockRef::from(&*stream).try_clone()?.into();
                *stream = UnixStream::from_std(duplicate)?;
            }
            RawBuffer::Internal(_) => {}
        }
        Ok(())
    }

    pub(super) fn original_destination(&self) -> Option<Address> {
        let RawBuffer::Tcp(stream) = self else { return None };
        let socket = SockRef::from(stream);
        let local = stream.local_addr().ok()?;
        let (found, is_transparent) = match local {
            SocketAddr::V4(_) => (socket.original_dst_v4(), socket.ip_transparent_v4()),
            SocketAddr::V6(_) => (socket.original_dst_v6(), socket.ip_transparent_v6()),
        };
        // A transparent socket stands at the address that the client asked for (TPROXY): nothing was redirected.
        let found = match found {
            Ok(found) => found.as_socket(),
            Err(_) => is_transparent.unwrap_or(false).then_some(local),
        };
        found.map(Address::of_connection)
    }
}

/// The bytes that wait in the socket, at most `most`, into `seen`. Answers how many.
fn peek(socket: SockRef<'_>, seen: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    seen.clear();
    seen.reserve_exact(most);
    let spare = seen.spare_capacity_mut();
    let wanted = spare.len().min(most);
    let count = socket.peek(spare.get_mut(..wanted).unwrap_or_default())?;
    // SAFETY: the system has written this many bytes to the begin of the spare room.
    unsafe { seen.set_len(count.min(wanted)) };
    Ok(count)
}
