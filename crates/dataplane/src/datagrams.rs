//! UDP sockets: taking many datagrams with one system call, and sending one from the right address.
//!
//! Owns: the sockets of both sides, the room that datagrams are received into, and when a socket is read again. Does not
//! own: what a datagram is for (`listener`, `filters::udp_listener`).
//! Follows RFC 768, recvmmsg(2), ip(7) and ipv6(7) (`IP_PKTINFO`, `IPV6_RECVPKTINFO`).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::transport_sockets::SourceAddresses;

mod batch;
mod packet_info;

pub use batch::{ReceiveBatch, Received};
pub use packet_info::ask_for_destination;

/// A UDP socket, registered with the event loop of its thread.
#[derive(Debug)]
pub struct DatagramSocket {
    socket: UdpSocket,
    /// Where it is bound.
    pub local_address: SocketAddr,
}

impl DatagramSocket {
    /// Registers a bound socket.
    ///
    /// # Errors
    /// The system does not say where it is bound, or takes no more sockets.
    pub fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let local_address = socket.local_addr()?;
        Ok(DatagramSocket { socket: UdpSocket::from_std(socket)?, local_address })
    }

    /// A new socket whose datagrams go to `host` and come from there alone.
    ///
    /// # Errors
    /// No socket is to be had, or none from where it should come, or there is no way to the host.
    pub fn connect(host: SocketAddr, sources: &SourceAddresses) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(host), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        sources.bind(&socket, host)?;
        socket.connect(&host.into())?;
        Self::new(socket.into())
    }

    /// Ready once there may be something to receive: a datagram, or an error.
    ///
    /// # Errors
    /// The event loop has ended.
    pub async fn readable(&self) -> io::Result<()> {
        // A connected socket of which an error is known is not readable for that.
        self.socket.ready(Interest::READABLE | Interest::ERROR).await.map(|_what| ())
    }

    /// Receives as many datagrams as there are and `batch` has room for; those of more than `most_bytes` come cut. Answers
    /// how many; fewer than there is room for are all that there are.
    ///
    /// # Errors
    /// `WouldBlock`: nothing is there. Else what the socket tells: of a connected one also that a host has refused a
    /// datagram.
    pub fn try_receive(&self, batch: &mut ReceiveBatch, most_bytes: usize) -> io::Result<usize> {
        let received = batch.receive(&self.socket, most_bytes);
        let is_emptied = match &received {
            Ok(count) => *count < ReceiveBatch::ROOM,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        if is_emptied {
            self.wait_for_more();
        }
        received
    }

    /// The next system call is made when the event loop tells of more.
    fn wait_for_more(&self) {
        // Asked for both at once, tokio finds nothing to forget.
        for interest in [Interest::READABLE, Interest::ERROR] {
            // The answer is the error that is passed in.
            drop(self.socket.try_io(interest, || Err::<(), _>(io::ErrorKind::WouldBlock.into())));
        }
    }

    /// Sends to the host that it is connected to.
    ///
    /// # Errors
    /// There is no room, or an earlier datagram was refused: then this one is not sent.
    pub fn send(&self, data: &[u8]) -> io::Result<()> {
        SockRef::from(&self.socket).send(data).map(|_sent_whole| ())
    }

    /// Sends to a client, as from `from` where the socket is bound to all addresses.
    ///
    /// # Errors
    /// As `send`; or the address is not this host's any more.
    pub fn send_to(&self, data: &[u8], to: SocketAddr, from: Option<IpAddr>) -> io::Result<()> {
        match from {
            None => SockRef::from(&self.socket).send_to(data, &to.into()).map(|_sent_whole| ()),
            Some(from) => packet_info::send_from(&self.socket, data, to, from),
        }
    }
}

impl AsRawFd for DatagramSocket {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}
