//! Lines in datagrams.
//!
//! Owns: the socket, and how many lines go into one datagram. Does not own: the lines (`line`). Follows: Envoy's
//! `max_bytes_per_datagram`: lines with newlines between them as far as they fit; 0 is one line each. What cannot be sent
//! is dropped: nobody waits for it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::model::address::{Address, socket_address};

#[derive(Debug)]
pub(super) struct Datagrams {
    socket: Socket,
    /// 0: each line alone.
    max_bytes: usize,
    waiting: Vec<u8>,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket, SocketAddr),
    Unix(UnixDatagram, Box<Path>),
}

impl Datagrams {
    pub(super) fn open(address: &Address, max_bytes: usize) -> io::Result<Self> {
        let socket = match address {
            Address::Socket { ip, port, .. } => {
                let address = socket_address(ip, *port);
                let address = address.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
                let any: IpAddr = if address.is_ipv4() {
                    Ipv4Addr::UNSPECIFIED.into()
                } else {
                    Ipv6Addr::UNSPECIFIED.into()
                };
                let socket = UdpSocket::bind((any, 0))?;
                socket.set_nonblocking(true)?;
                Socket::Udp(socket, address)
            }
            Address::Internal { .. } => return Err(io::ErrorKind::Unsupported.into()),
            Address::Pipe { path, .. } => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                Socket::Unix(socket, Path::new(path).into())
            }
        };
        Ok(Datagrams { socket, max_bytes, waiting: Vec::new() })
    }

    /// Takes a line; sends what waited before when both do not fit into a datagram.
    pub(super) fn write(&mut self, line: &[u8]) {
        if self.max_bytes == 0 || line.len() >= self.max_bytes {
            // Envoy sends a line that is too long by itself, before what waits.
            return self.send(line);
        }
        if !self.waiting.is_empty() && self.waiting.len() + line.len() + 1 > self.max_bytes {
            self.flush();
        }
        if !self.waiting.is_empty() {
            self.waiting.push(b'\n');
        }
        self.waiting.extend_from_slice(line);
    }

    /// Sends what waits.
    pub(super) fn flush(&mut self) {
        if !self.waiting.is_empty() {
            let waiting = std::mem::take(&mut self.waiting);
            self.send(&waiting);
            self.waiting = waiting;
            self.waiting.clear();
        }
    }

    fn send(&self, datagram: &[u8]) {
        // Nobody may listen, or too slowly: that is what datagrams are for.
        let _sent: io::Result<usize> = match &self.socket {
            Socket::Udp(socket, to) => socket.send_to(datagram, to),
            Socket::Unix(socket, to) => socket.send_to(datagram, to),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(max_bytes: usize, lines: &[&str]) -> Vec<String> {
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let port = receiver.local_addr().expect("an address").port();
        let address =
            Address::Socket { ip: "127.0.0.1".to_owned(), port, ipv4_compat: false, network_namespace: None };
        let mut datagrams = Datagrams::open(&address, max_bytes).expect("a socket");
        lines.iter().for_each(|line| datagrams.write(line.as_bytes()));
        datagrams.flush();
        receiver.set_nonblocking(true).expect("a socket");
        let mut buffer = [0; 256];
        let mut received = Vec::new();
        while let Ok(count) = receiver.recv(&mut buffer) {
            received.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
        }
        received
    }

    #[test]
    fn lines_share_a_datagram_as_far_as_they_fit() {
        assert_eq!(sent(0, &["a", "b"]), ["a", "b"]);
        assert_eq!(sent(5, &["ab", "cd", "ef"]), ["ab\ncd", "ef"]);
        assert_eq!(sent(4, &["ab", "cd", "toolong", "e"]), ["ab", "toolong", "cd\ne"]);
    }
}
