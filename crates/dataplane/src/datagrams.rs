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

#[cfg(test)]
mod tests {
    use super::*;

    async fn receive(socket: &DatagramSocket, batch: &mut ReceiveBatch, most: usize) -> io::Result<usize> {
        loop {
            socket.readable().await.expect("an event loop");
            match socket.try_receive(batch, most) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received,
            }
        }
    }

    fn bound(address: &str) -> std::net::UdpSocket {
        let socket = std::net::UdpSocket::bind(address).expect("bound");
        socket.set_nonblocking(true).expect("set");
        socket
    }

    fn datagrams(batch: &ReceiveBatch, count: usize) -> Vec<(Vec<u8>, bool)> {
        let all = (0..count).map(|at| batch.get(at).expect("received"));
        all.map(|received| (received.data.to_vec(), received.is_cut)).collect()
    }

    #[tokio::test]
    async fn what_is_there_comes_at_once_and_what_is_too_long_comes_cut() {
        let socket = DatagramSocket::new(bound("127.0.0.1:0")).expect("registered");
        let client = bound("127.0.0.1:0");
        for data in [&b"a"[..], b"", b"12345", b"123456"] {
            client.send_to(data, socket.local_address).expect("sent");
        }
        let mut batch = ReceiveBatch::default();
        let count = receive(&socket, &mut batch, 5).await.expect("received");
        let expected = [(&b"a"[..], false), (b"", false), (b"12345", false), (b"12345", true)];
        assert_eq!(datagrams(&batch, count), expected.map(|(data, is_cut)| (data.to_vec(), is_cut)));
        let first = batch.get(0).expect("received");
        assert_eq!((first.from, first.to), (client.local_addr().ok(), None));
        assert!(batch.get(ReceiveBatch::ROOM).is_none());
    }

    #[tokio::test]
    async fn more_than_there_is_room_for_comes_in_turns() {
        let socket = DatagramSocket::new(bound("127.0.0.1:0")).expect("registered");
        let client = bound("127.0.0.1:0");
        for number in 0..=ReceiveBatch::ROOM {
            client.send_to(&[u8::try_from(number).expect("small")], socket.local_address).expect("sent");
        }
        let mut batch = ReceiveBatch::default();
        assert_eq!(receive(&socket, &mut batch, 9).await.expect("received"), ReceiveBatch::ROOM);
        assert_eq!(receive(&socket, &mut batch, 9).await.expect("received"), 1);
        assert_eq!(datagrams(&batch, 1), [(vec![16], false)]);
    }

    #[tokio::test]
    async fn a_refused_datagram_is_an_error_of_the_next_receipt() {
        let gone = bound("127.0.0.1:0").local_addr().expect("bound");
        let socket = DatagramSocket::connect(gone, &SourceAddresses::default()).expect("connected");
        socket.send(b"a").expect("sent");
        let mut batch = ReceiveBatch::default();
        let error = receive(&socket, &mut batch, 9).await.expect_err("nobody is there");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn an_answer_comes_from_where_was_sent_to() {
        for (all, one) in [("0.0.0.0:0", "127.0.0.2"), ("[::]:0", "::1")] {
            let socket = bound(all);
            let one: IpAddr = one.parse().expect("an address");
            ask_for_destination(&socket, one.is_ipv4()).expect("asked");
            let socket = DatagramSocket::new(socket).expect("registered");
            let to = SocketAddr::new(one, socket.local_address.port());
            let client = DatagramSocket::connect(to, &SourceAddresses::default()).expect("connected");
            client.send(b"question").expect("sent");
            let mut batch = ReceiveBatch::default();
            assert_eq!(receive(&socket, &mut batch, 99).await.expect("received"), 1);
            let question = batch.get(0).expect("received");
            assert_eq!(question.to, Some(one));
            let from = question.from.expect("known");
            socket.send_to(b"answer", from, question.to).expect("sent");
            // A connected socket takes nothing from another address.
            assert_eq!(receive(&client, &mut batch, 99).await.expect("received"), 1);
            assert_eq!(datagrams(&batch, 1), [(b"answer".to_vec(), false)]);
        }
    }
}
