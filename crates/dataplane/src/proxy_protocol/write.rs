//! Writing a PROXY protocol header.
//!
//! Owns: the bytes. Does not own: when they are sent (`connection_pool`), nor what is told (`Told`).
//! TLVs that the configuration adds come first, and take the place of those of the same type, as in Envoy.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use super::{Tlv, Told, V2_SIGNATURE};
use crate::model::upstream_connection::UpstreamProxyProtocol;
use crate::stats::{Scope, UpstreamProxyProtocolStat, UpstreamProxyProtocolStats};
use crate::stream_info::{Address, ConnectionInfo};

/// A header that is sent to the hosts of a cluster.
#[derive(Debug)]
pub struct HeaderWriter {
    is_v2: bool,
    pass_all: bool,
    passed: Vec<u8>,
    added: Vec<Tlv>,
    /// None: what does not fit is not counted.
    stats: Option<Scope<UpstreamProxyProtocolStats>>,
}

impl HeaderWriter {
    /// As configured.
    #[must_use]
    pub fn compile(
        model: &UpstreamProxyProtocol,
        stats: impl Into<Option<Scope<UpstreamProxyProtocolStats>>>,
    ) -> Self {
        let tlv = |tlv: &crate::model::upstream_connection::Tlv| Tlv {
            kind: tlv.tlv_type,
            value: tlv.value.as_slice().into(),
        };
        HeaderWriter {
            is_v2: model.v2,
            pass_all: model.pass_all_tlvs,
            passed: model.pass_tlvs.clone(),
            added: model.added_tlvs.iter().map(tlv).collect(),
            stats: stats.into(),
        }
    }

    /// The header that tells the host of a downstream connection.
    #[must_use]
    pub fn header(&self, info: &ConnectionInfo) -> Vec<u8> {
        let told = info.proxy_protocol.as_deref();
        let addresses = told.and_then(|told| told.addresses).or_else(|| ends(info));
        if self.is_v2 { self.v2(addresses, told) } else { v1(addresses) }
    }

    fn v2(&self, addresses: Option<(SocketAddr, SocketAddr)>, told: Option<&Told>) -> Vec<u8> {
        let mut block = Vec::new();
        let family = match addresses.map(of_one_family) {
            Some((IpAddr::V4(source), IpAddr::V4(destination))) => {
                block.extend(source.octets().into_iter().chain(destination.octets()));
                0x11
            }
            Some((source, destination)) => {
                for ip in [source, destination] {
                    block.extend(v6(ip).octets());
                }
                0x21
            }
            None => 0,
        };
        if let Some((source, destination)) = addresses {
            block.extend(source.port().to_be_bytes().into_iter().chain(destination.port().to_be_bytes()));
        }
        let is_passed = |tlv: &&Tlv| {
            (self.pass_all || self.passed.contains(&tlv.kind))
                && !self.added.iter().any(|added| added.kind == tlv.kind)
        };
        let told = told.map(|told| told.tlvs.as_slice()).unwrap_or_default();
        let mut all_fit = true;
        for tlv in self.added.iter().chain(told.iter().filter(is_passed)) {
            all_fit &= write_tlv(tlv, &mut block);
        }
        if let (false, Some(stats)) = (all_fit, &self.stats) {
            stats.add(UpstreamProxyProtocolStat::V2TlvsExceedMaxLength, 1);
        }
        let mut header = V2_SIGNATURE.to_vec();
        // Without addresses the connection is our own.
        header.extend([if addresses.is_some() { 0x21 } else { 0x20 }, family]);
        header.extend(u16::try_from(block.len()).unwrap_or(u16::MAX).to_be_bytes());
        header.extend(block);
        header
    }
}

/// A TLV that would make the header too long is left out; answers whether it is in.
fn write_tlv(tlv: &Tlv, block: &mut Vec<u8>) -> bool {
    let Ok(length) = u16::try_from(tlv.value.len()) else { return false };
    let fits = block.len() + 3 + tlv.value.len() <= usize::from(u16::MAX);
    if fits {
        block.push(tlv.kind);
        block.extend(length.to_be_bytes());
        block.extend_from_slice(&tlv.value);
    }
    fits
}

fn v1(addresses: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let Some((source, destination)) = addresses else { return b"PROXY UNKNOWN\r\n".to_vec() };
    let mut line = Vec::new();
    let (from, to) = of_one_family((source, destination));
    let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
    // Writing to a Vec cannot fail.
    drop(write!(line, "PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()));
    line
}

/// The ends of a connection; none of a Unix domain socket.
fn ends(info: &ConnectionInfo) -> Option<(SocketAddr, SocketAddr)> {
    match (&info.remote_address, &info.local_address) {
        (Address::Ip(remote), Address::Ip(local)) => Some((*remote, *local)),
        _ => None,
    }
}

/// Where the ends are of two families, both are told as IPv6.
fn of_one_family((source, destination): (SocketAddr, SocketAddr)) -> (IpAddr, IpAddr) {
    let (source, destination) = (source.ip(), destination.ip());
    if source.is_ipv4() == destination.is_ipv4() {
        (source, destination)
    } else {
        (v6(source).into(), v6(destination).into())
    }
}

fn v6(ip: IpAddr) -> std::net::Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Accepted, Reading, read};
    use super::*;
    use crate::model::bootstrap::StatsConfig;
    use crate::model::upstream_connection::Tlv as TlvModel;
    use crate::stats::Registry;
    use std::time::{Instant, SystemTime};

    fn connection(local: &str, remote: &str) -> ConnectionInfo {
        let address = |text: &str| match text.parse::<SocketAddr>() {
            Ok(address) => Address::Ip(address),
            Err(_) => Address::Pipe(text.into()),
        };
        ConnectionInfo::new(1, address(local), address(remote), Instant::now(), SystemTime::now())
    }

    fn writer(v2: bool) -> HeaderWriter {
        let added = vec![TlvModel { tlv_type: 2, value: b"mine".to_vec() }];
        let model = UpstreamProxyProtocol { v2, pass_all_tlvs: true, pass_tlvs: vec![], added_tlvs: added };
        let registry = Registry::new(&StatsConfig::default(), 1);
        HeaderWriter::compile(&model, registry.upstream_proxy_protocol("web"))
    }

    #[test]
    fn what_is_written_can_be_read() {
        let accepted = Accepted { v1: true, v2: true, may_be_missing: false };
        for (local, remote) in [
            ("1.2.3.4:5", "6.7.8.9:10"),
            ("[::1]:5", "[2001:db8::1]:10"),
            ("[::1]:5", "6.7.8.9:10"),
            ("/a", "/b"),
        ] {
            for v2 in [false, true] {
                let bytes = writer(v2).header(&connection(local, remote));
                let Reading::Header(header) = read(&bytes, accepted) else { panic!("{bytes:?}") };
                assert_eq!(header.length, bytes.len());
                assert_eq!(header.addresses.is_some(), local != "/a");
            }
        }
    }

    #[test]
    fn added_tlvs_take_the_place_of_those_that_came() {
        let mut info = connection("1.2.3.4:5", "6.7.8.9:10");
        let tlvs = vec![Tlv { kind: 1, value: (*b"h2").into() }, Tlv { kind: 2, value: (*b"theirs").into() }];
        info.proxy_protocol = Some(Box::new(Told { addresses: None, tlvs }));
        let header = writer(true).header(&info);
        assert!(header.ends_with(b"\x02\0\x04mine\x01\0\x02h2"), "{header:?}");
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_counted() {
        let mut info = connection("1.2.3.4:5", "6.7.8.9:10");
        let tlvs = (3..6).map(|kind| Tlv { kind, value: vec![0; 30_000].into() }).collect();
        info.proxy_protocol = Some(Box::new(Told { addresses: None, tlvs }));
        let writer = writer(true);
        assert!(writer.header(&info).len() < 65_000);
        let stats = writer.stats.as_ref().expect("statistics");
        assert_eq!(stats.value(UpstreamProxyProtocolStat::V2TlvsExceedMaxLength), 1);
    }
}
