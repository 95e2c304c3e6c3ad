//! This host's own address.
//!
//! Owns: its choice among the addresses of the interfaces. Does not own: where it is written (`x-forwarded-for` of a client
//! on a loopback address).
//! Follows Envoy: the first IPv4 address in the order of getifaddrs(3) that is not 127.0.0.1; that one when there is no
//! other.

use std::net::{IpAddr, Ipv4Addr};
use std::ptr;

/// The address of this host as others see it. Asks the kernel: to be called once.
#[must_use]
pub fn find() -> IpAddr {
    let chosen = interface_addresses().into_iter().find(|address| *address != Ipv4Addr::LOCALHOST);
    IpAddr::V4(chosen.unwrap_or(Ipv4Addr::LOCALHOST))
}

/// The IPv4 addresses of all interfaces, in the kernel's order; empty when it does not tell.
fn interface_addresses() -> Vec<Ipv4Addr> {
    let mut addresses = Vec::new();
    let mut first: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: getifaddrs writes one pointer, to a list that stays until freeifaddrs. Each entry and its address, where it
    // is not null, is valid; an address of the family AF_INET is a sockaddr_in.
    unsafe {
        if libc::getifaddrs(&raw mut first) != 0 {
            return addresses;
        }
        let mut next = first;
        while let Some(entry) = next.as_ref() {
            if let Some(address) = entry.ifa_addr.as_ref() {
                if i32::from(address.sa_family) == libc::AF_INET {
                    let address = ptr::read_unaligned(entry.ifa_addr.cast::<libc::sockaddr_in>());
                    addresses.push(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)));
                }
            }
            next = entry.ifa_next;
        }
        libc::freeifaddrs(first);
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn it_is_an_address_of_this_host() {
        let address = find();
        // Only an address of the host itself can be bound.
        let socket = UdpSocket::bind((address, 0)).expect("bound");
        assert_eq!(socket.local_addr().expect("address").ip(), address);
    }

    #[test]
    fn loopback_is_the_last_choice() {
        let others = interface_addresses().iter().any(|address| *address != Ipv4Addr::LOCALHOST);
        assert_eq!(find() == IpAddr::V4(Ipv4Addr::LOCALHOST), !others);
    }
}
