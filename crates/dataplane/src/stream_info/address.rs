//! The address of one end of a connection, as logs and stats print it.
//!
//! Owns the value and its text. Does not own binding, connecting or resolving (`listener`, `cluster`).
//! Follows Envoy: `IP:port`, `[IPv6]:port`, a Unix socket's path; an abstract one begins with `@`.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::decimal::Decimal;

/// An IP address with its port, the path of a Unix domain socket, or the name of an internal listener.
///
/// Cloning copies an IP address; the others, which are rare, are shared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP.
    Ip(SocketAddr),
    /// Unix domain socket; empty: a client that has bound no path.
    Pipe(Arc<str>),
    /// An internal listener, or who connects to one.
    Internal(Arc<InternalAddress>),
}

/// The address of an internal listener (Envoy: `EnvoyInternalAddress`).
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct InternalAddress {
    /// The listener's name.
    pub listener: Box<str>,
    /// Which endpoint it stands for; empty: none.
    pub endpoint_id: Box<str>,
    text: Box<str>,
}

impl InternalAddress {
    /// The address of a listener, as it is printed: `envoy://NAME/ENDPOINT`.
    #[must_use]
    pub fn new(listener: &str, endpoint_id: &str) -> Arc<Self> {
        Arc::new(InternalAddress {
            listener: listener.into(),
            endpoint_id: endpoint_id.into(),
            text: format!("envoy://{listener}/{endpoint_id}").into(),
        })
    }

    /// The address as it is printed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Address {
    /// One end of a connection. IPv4 over a socket of both families is told as IPv4, as by Envoy.
    #[inline]
    #[must_use]
    pub fn of_connection(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
                Some(ip) => Address::Ip(SocketAddr::from((ip, v6.port()))),
                None => Address::Ip(address),
            },
            SocketAddr::V4(_) => Address::Ip(address),
        }
    }

    /// The port; `None` for a Unix domain socket.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Address::Ip(address) => Some(address.port()),
            Address::Pipe(_) | Address::Internal(_) => None,
        }
    }

    /// Whether it is a Unix domain socket that has bound no path.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        matches!(self, Address::Pipe(path) if path.is_empty())
    }

    /// Appends `IP:port` or the path.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Address::Ip(address) => {
                let brackets = address.is_ipv6();
                if brackets {
                    out.push(b'[');
                }
                write_ip_and_zone(address, out);
                if brackets {
                    out.push(b']');
                }
                out.push(b':');
                write_decimal(u64::from(address.port()), out);
            }
            Address::Pipe(path) => out.extend_from_slice(path.as_bytes()),
            Address::Internal(internal) => out.extend_from_slice(internal.text().as_bytes()),
        }
    }

    /// Appends the IP address without brackets, or the path.
    pub fn write_without_port(&self, out: &mut Vec<u8>) {
        match self {
            Address::Ip(address) => write_ip_and_zone(address, out),
            Address::Pipe(path) => out.extend_from_slice(path.as_bytes()),
            Address::Internal(internal) => out.extend_from_slice(internal.text().as_bytes()),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(f),
            Address::Pipe(path) => f.write_str(path),
            Address::Internal(internal) => f.write_str(internal.text()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address::Ip(address)
    }
}

/// Appends the IP address, and the zone of one that means nothing without.
fn write_ip_and_zone(address: &SocketAddr, out: &mut Vec<u8>) {
    write_ip(address.ip(), false, out);
    if let SocketAddr::V6(v6) = address
        && v6.scope_id() != 0
    {
        out.push(b'%');
        write_decimal(u64::from(v6.scope_id()), out);
    }
}

/// Appends an IP address.
pub fn write_ip(ip: IpAddr, brackets: bool, out: &mut Vec<u8>) {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            write_decimal(u64::from(a), out);
            for octet in [b, c, d] {
                out.push(b'.');
                write_decimal(u64::from(octet), out);
            }
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(v6) if brackets => drop(write!(out, "[{v6}]")),
        IpAddr::V6(v6) => drop(write!(out, "{v6}")),
    }
}

/// Appends a number in decimal.
#[inline]
pub fn write_decimal(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(Decimal::new(value).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_is_told_as_such() {
        for (socket, told) in [
            ("1.2.3.4:5", "1.2.3.4:5"),
            ("[::ffff:1.2.3.4]:5", "1.2.3.4:5"),
            ("[::1]:5", "[::1]:5"),
            ("[::1.2.3.4]:5", "[::102:304]:5"),
        ] {
            let address: SocketAddr = socket.parse().expect("address");
            assert_eq!(Address::of_connection(address).to_string().as_str(), told);
        }
    }

    #[test]
    fn texts() {
        for (address, with_port, without) in [
            ("127.0.0.1:80", "127.0.0.1:80", "127.0.0.1"),
            ("255.10.0.9:65535", "255.10.0.9:65535", "255.10.0.9"),
            ("[::1]:0", "[::1]:0", "::1"),
            ("[2001:db8::7]:443", "[2001:db8::7]:443", "2001:db8::7"),
            ("[::ffff:1.2.3.4]:1", "[::ffff:1.2.3.4]:1", "::ffff:1.2.3.4"),
        ] {
            let address = Address::Ip(address.parse().expect("address"));
            let (mut long, mut short) = (Vec::new(), Vec::new());
            address.write(&mut long);
            address.write_without_port(&mut short);
            assert_eq!(String::from_utf8(long).expect("text"), with_port);
            assert_eq!(String::from_utf8(short).expect("text"), without);
            assert_eq!(address.to_string(), with_port);
        }
        let mut out = Vec::new();
        Address::Pipe("@abstract".into()).write(&mut out);
        assert_eq!(out, b"@abstract");
    }
}
