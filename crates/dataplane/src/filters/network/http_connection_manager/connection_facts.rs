//! What the headers of every request on a connection need to know of the connection.
//!
//! Owns: those facts, worked out once a connection, as the text that goes into headers. Does not own: the connection
//! itself, nor how the facts are used (`request_headers`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::decimal::Decimal;
use crate::model::http_connection_manager::ForwardProtoConfig;
use crate::stream_info::{Address, ConnectionInfo};

use super::client_certificate::ClientCertificate;
use super::request_headers::RequestHeaderPolicy;

/// Made by `RequestHeaderPolicy::connection`, one a downstream connection.
#[derive(Debug, Clone)]
pub struct ConnectionFacts {
    /// The client's IP address as text; none for a Unix domain socket.
    pub(super) remote_ip: Option<Box<[u8]>>,
    /// What is appended to `x-forwarded-for`; none for a Unix domain socket.
    pub(super) forwarded_for: Option<Box<[u8]>>,
    /// Whether the client is in `internal_address_config`.
    pub(super) is_internal: bool,
    /// The port that the client connected to; none for a Unix domain socket.
    pub(super) local_port: Option<u16>,
    /// The same as text.
    pub(super) local_port_text: Decimal,
    /// Whether the connection is under TLS.
    pub(super) tls: bool,
    /// What `x-forwarded-proto` says where no proxy before has set it.
    forwarded_scheme: &'static [u8],
    /// The client's IP address; none for a Unix domain socket.
    pub(super) remote: Option<IpAddr>,
    /// What the next hop is told of the client's certificate; none: nothing.
    pub(super) client_certificate: Option<Box<ClientCertificate>>,
}

/// `forward_proto_config`: which ports stand for which scheme, where the address that the client connected to was found out
/// by a listener filter.
#[derive(Debug, Clone, Default)]
pub(super) struct ForwardProto {
    https: Box<[u32]>,
    http: Box<[u32]>,
}

impl ForwardProto {
    pub(super) fn compile(model: Option<&ForwardProtoConfig>) -> Self {
        model.map_or_else(Self::default, |model| ForwardProto {
            https: model.https_destination_ports.as_slice().into(),
            http: model.http_destination_ports.as_slice().into(),
        })
    }

    fn scheme(&self, connection: &ConnectionInfo) -> Option<&'static [u8]> {
        let port = connection.local_address.port().filter(|_| connection.local_address_restored)?;
        let stands_in = |ports: &[u32]| ports.contains(&u32::from(port));
        if stands_in(&self.https) { Some(b"https") } else { stands_in(&self.http).then_some(b"http") }
    }
}

impl RequestHeaderPolicy {
    /// The facts of one connection.
    #[must_use]
    pub fn connection(&self, connection: &ConnectionInfo, tls: bool) -> ConnectionFacts {
        let remote = &connection.remote_address;
        let remote_ip = match remote {
            Address::Ip(address) => Some(address.ip()),
            Address::Pipe(_) | Address::Internal(_) => None,
        };
        let local_port = connection.local_address.port();
        ConnectionFacts {
            remote_ip: remote_ip.map(text),
            forwarded_for: remote_ip.map(|ip| text(self.forwarded_for_ip(ip))),
            is_internal: self.internal_addresses.contains(remote),
            local_port,
            local_port_text: Decimal::new(u64::from(local_port.unwrap_or_default())),
            tls,
            forwarded_scheme: self.forward_proto.scheme(connection).unwrap_or_else(|| scheme(tls)),
            remote: remote_ip,
            client_certificate: ClientCertificate::of(connection, &self.client_certificate),
        }
    }

    /// The loopback address says nothing to the next hop: Envoy writes its own address instead. It knows one of each
    /// family.
    fn forwarded_for_ip(&self, remote: IpAddr) -> IpAddr {
        match remote {
            IpAddr::V4(Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST) => self.local_address,
            ip => ip,
        }
    }
}

impl ConnectionFacts {
    /// `https` under TLS, else `http`.
    #[inline]
    pub(super) fn scheme(&self) -> &'static [u8] {
        scheme(self.tls)
    }

    /// What `x-forwarded-proto` says of this connection.
    #[inline]
    pub(super) fn forwarded_scheme(&self) -> &'static [u8] {
        self.forwarded_scheme
    }
}

fn scheme(tls: bool) -> &'static [u8] {
    if tls { b"https" } else { b"http" }
}

pub(super) fn text(ip: IpAddr) -> Box<[u8]> {
    ip.to_string().into_bytes().into_boxed_slice()
}
