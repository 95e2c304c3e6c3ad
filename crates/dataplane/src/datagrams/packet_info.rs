//! To which of this host's addresses a datagram was sent, and from which one is sent.
//!
//! Owns: asking the kernel, and the control messages in both directions. Does not own: sockets (`datagrams`).
//! Follows ip(7) `IP_PKTINFO`, ipv6(7) `IPV6_RECVPKTINFO` and cmsg(3).

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use socket2::{MsgHdr, SockAddr, SockRef};

use crate::transport_sockets::socket_options::set_option;

/// A control message begins with its length and two numbers.
const LEVEL_AT: usize = size_of::<libc::size_t>();
const TYPE_AT: usize = LEVEL_AT + 4;
const HEADER_BYTES: usize = TYPE_AT + 4;
/// Of `in_pktinfo`: the interface, the address that answers go out from, and the address in the header.
const SOURCE_AT: usize = 4;
const DESTINATION_AT: usize = 8;
const IPV4_BYTES: usize = 12;
/// Of `in6_pktinfo`: the address, then the interface.
const IPV6_BYTES: usize = 20;

/// From now on the kernel tells of each datagram where it was sent to.
///
/// # Errors
/// The kernel does not.
pub fn ask_for_destination(socket: &impl AsRawFd, is_ipv4: bool) -> io::Result<()> {
    let (level, name) =
        if is_ipv4 { (libc::SOL_IP, libc::IP_PKTINFO) } else { (libc::SOL_IPV6, libc::IPV6_RECVPKTINFO) };
    set_option(socket, level, name, &1_i32.to_ne_bytes())
}

fn number(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// What the first control message tells, if it tells of that.
pub(super) fn destination(control: &[u8]) -> Option<IpAddr> {
    let body = control.get(HEADER_BYTES..)?;
    match (number(control, LEVEL_AT)?, number(control, TYPE_AT)?) {
        (libc::SOL_IP, libc::IP_PKTINFO) => {
            Some(Ipv4Addr::from(*body.get(DESTINATION_AT..)?.first_chunk::<4>()?).into())
        }
        (libc::SOL_IPV6, libc::IPV6_PKTINFO) => Some(Ipv6Addr::from(*body.first_chunk::<16>()?).into()),
        _ => None,
    }
}

/// A control message that says where a datagram is sent from.
fn source(from: IpAddr) -> ([u8; HEADER_BYTES + IPV6_BYTES + 4], usize) {
    let mut control = [0; HEADER_BYTES + IPV6_BYTES + 4];
    let (level, kind, address_at, address, bytes): (_, _, _, &[u8], _) = match &from {
        IpAddr::V4(ip) => (libc::SOL_IP, libc::IP_PKTINFO, SOURCE_AT, &ip.octets(), IPV4_BYTES),
        IpAddr::V6(ip) => (libc::SOL_IPV6, libc::IPV6_PKTINFO, 0, &ip.octets(), IPV6_BYTES),
    };
    let length = HEADER_BYTES + bytes;
    for (at, value) in [
        (0, &length.to_ne_bytes()[..]),
        (LEVEL_AT, &level.to_ne_bytes()[..]),
        (TYPE_AT, &kind.to_ne_bytes()[..]),
        (HEADER_BYTES + address_at, address),
    ] {
        if let Some(place) = control.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }
    // The kernel takes it with the room up to the next message, as CMSG_SPACE says.
    (control, length.next_multiple_of(LEVEL_AT))
}

/// Sends a datagram from one of this host's addresses.
pub(super) fn send_from(socket: &impl AsFd, data: &[u8], to: SocketAddr, from: IpAddr) -> io::Result<()> {
    let (control, length) = source(from);
    let (to, data) = (SockAddr::from(to), [IoSlice::new(data)]);
    let message = MsgHdr::new().with_addr(&to).with_buffers(&data);
    let message = message.with_control(control.get(..length).unwrap_or_default());
    SockRef::from(socket).sendmsg(&message, 0).map(|_sent_whole| ())
}
