//! Reading a PROXY protocol header from the first bytes of a connection.
//!
//! Owns: the judgement of every byte, at every split. Does not own: where the bytes come from, nor what is done with a
//! header. Nothing that is ambiguous is taken: what is no header as Envoy 1.40 reads it is an error.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use super::{V1_LONGEST, V1_SIGNATURE, V2_HEADER, V2_SIGNATURE, Version};

/// Which headers are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Version 1 is looked for when a header may be missing.
    pub v1: bool,
    /// Version 2 is looked for when a header may be missing.
    pub v2: bool,
    /// A connection without a header is taken as it is.
    pub may_be_missing: bool,
}

/// A whole header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its version.
    pub version: Version,
    /// Its length; the connection's own bytes follow.
    pub length: usize,
    /// The client, and where it believes to be connected to; `None`: the connection is the proxy's own.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
    /// Where in the header its TLVs are.
    pub tlvs: Range<usize>,
}

/// What the bytes so far are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// The begin of a header, perhaps: more bytes are needed, up to this many in all.
    More(usize),
    /// A header.
    Header(Header),
    /// There is none, and there need not be one.
    Missing,
    /// There is none, or none that can be read; the version as far as it is known.
    Invalid(Option<Version>),
}

/// Reads what has come so far.
#[must_use]
pub fn read(bytes: &[u8], accepted: Accepted) -> Reading {
    let begins_as = |signature: &[u8]| bytes.iter().zip(signature).all(|(byte, wanted)| byte == wanted);
    let (is_v2, is_v1) = (begins_as(&V2_SIGNATURE), begins_as(V1_SIGNATURE));
    if accepted.may_be_missing && !(accepted.v2 && is_v2 || accepted.v1 && is_v1) {
        return Reading::Missing;
    }
    if bytes.len() >= V2_HEADER {
        if is_v2 {
            return read_v2(bytes).unwrap_or(Reading::Invalid(Some(Version::V2)));
        }
        if !is_v1 {
            return Reading::Invalid(None);
        }
    }
    if is_v2 {
        return Reading::More(V1_LONGEST);
    }
    read_v1(bytes, is_v1)
}

fn read_v1(bytes: &[u8], is_v1: bool) -> Reading {
    let version = (is_v1 && bytes.len() >= V1_SIGNATURE.len()).then_some(Version::V1);
    let line = bytes.get(..V1_LONGEST).unwrap_or(bytes);
    let Some(end) = memchr::memmem::find(line, b"\r\n") else {
        return if bytes.len() < V1_LONGEST { Reading::More(V1_LONGEST) } else { Reading::Invalid(version) };
    };
    let parsed = line.get(..end).and_then(|line| std::str::from_utf8(line).ok()).and_then(parse_v1);
    match parsed {
        Some(addresses) => {
            let length = end + 2;
            Reading::Header(Header { version: Version::V1, length, addresses, tlvs: length..length })
        }
        None => Reading::Invalid(version),
    }
}

/// `PROXY TCP4 source destination source-port destination-port`, one space between; `UNKNOWN` and whatever follows it
/// is a connection of the proxy's own.
#[allow(clippy::option_option, reason = "no header, and a header without addresses")]
fn parse_v1(line: &str) -> Option<Option<(SocketAddr, SocketAddr)>> {
    let mut parts = line.trim_end().split(' ');
    if parts.next() != Some("PROXY") {
        return None;
    }
    let is_v4 = match parts.next()? {
        "UNKNOWN" => return Some(None),
        "TCP4" => true,
        "TCP6" => false,
        _ => return None,
    };
    let address = |text: &str| -> Option<IpAddr> {
        if is_v4 {
            text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
        } else {
            text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        }
    };
    let (source, destination) = (address(parts.next()?)?, address(parts.next()?)?);
    let (source_port, destination_port) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    if parts.next().is_some() {
        return None;
    }
    checked(SocketAddr::new(source, source_port), SocketAddr::new(destination, destination_port)).map(Some)
}

/// `None`: it cannot become a header.
fn read_v2(bytes: &[u8]) -> Option<Reading> {
    let header: &[u8; V2_HEADER] = bytes.first_chunk()?;
    let &[.., version_and_command, family, length_high, length_low] = header;
    let length = V2_HEADER + usize::from(u16::from_be_bytes([length_high, length_low]));
    if version_and_command >> 4 != 2 {
        return None;
    }
    let (is_local, address_length) = match (version_and_command & 0xf, family) {
        (0, _) => (true, 0),
        (1, 0x11 | 0x12) => (false, 12),
        (1, 0x21 | 0x22) => (false, 36),
        _ => return None,
    };
    let tlvs = V2_HEADER + address_length..length;
    if tlvs.start > tlvs.end {
        return None;
    }
    let Some(whole) = bytes.get(..length) else { return Some(Reading::More(length)) };
    if is_local {
        let tlvs = length..length;
        return Some(Reading::Header(Header { version: Version::V2, length, addresses: None, tlvs }));
    }
    let (source, destination) = addresses(whole.get(V2_HEADER..tlvs.start)?)?;
    let addresses = Some(checked(source, destination)?);
    each_tlv(whole.get(tlvs.clone())?, |_, _| {}).then_some(())?;
    Some(Reading::Header(Header { version: Version::V2, length, addresses, tlvs }))
}

fn addresses(block: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (ips, ports) = block.split_at_checked(block.len().checked_sub(4)?)?;
    let &[s1, s2, d1, d2] = ports else { return None };
    let (source, destination) = ips.split_at_checked(ips.len() / 2)?;
    let ip = |bytes: &[u8]| -> Option<IpAddr> {
        if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
            return Some(octets.into());
        }
        <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
    };
    Some((
        SocketAddr::new(ip(source)?, u16::from_be_bytes([s1, s2])),
        SocketAddr::new(ip(destination)?, u16::from_be_bytes([d1, d2])),
    ))
}

/// Only addresses of single hosts can be the ends of a TCP connection.
fn checked(source: SocketAddr, destination: SocketAddr) -> Option<(SocketAddr, SocketAddr)> {
    (is_unicast(source.ip()) && is_unicast(destination.ip())).then_some((source, destination))
}

fn is_unicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !(ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast()),
        IpAddr::V6(ip) => !(ip.is_unspecified() || ip.is_multicast()),
    }
}

/// Calls `seen` with the type and value of each TLV. Answers whether they fill the block exactly.
pub fn each_tlv<'a>(mut block: &'a [u8], mut seen: impl FnMut(u8, &'a [u8])) -> bool {
    while let Some((&[kind, high, low], rest)) = block.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some((value, rest)) = rest.split_at_checked(length) else { return false };
        seen(kind, value);
        block = rest;
    }
    block.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: Accepted = Accepted { v1: true, v2: true, may_be_missing: false };
    const OPTIONAL: Accepted = Accepted { v1: true, v2: true, may_be_missing: true };

    fn v2(command: u8, family: u8, length: u16, rest: &[u8]) -> Vec<u8> {
        let mut bytes = V2_SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend(length.to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    const V4: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 4, 210, 0, 80];

    fn header(bytes: &[u8]) -> Header {
        match read(bytes, REQUIRED) {
            Reading::Header(header) => header,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_header_needs_all_of_its_bytes_and_no_more() {
        let tlv = [&V4[..], &[1, 0, 2, b'h', b'2', 5, 0, 0]].concat();
        for whole in [
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1234 80\r\n".to_vec(),
            b"PROXY TCP6 1::2 ::1 1234 80\r\n".to_vec(),
            b"PROXY UNKNOWN anything at all\r\n".to_vec(),
            v2(0x21, 0x11, 20, &tlv),
            v2(0x20, 0, 3, b"any"),
        ] {
            for accepted in [REQUIRED, OPTIONAL] {
                for end in 0..whole.len() {
                    let seen = read(&whole[..end], accepted);
                    assert!(matches!(seen, Reading::More(most) if most > end), "{end}: {seen:?}");
                }
                let more = [&whole[..], b"more"].concat();
                for bytes in [&whole, &more] {
                    let Reading::Header(header) = read(bytes, accepted) else { panic!("{bytes:?}") };
                    assert_eq!(header.length, whole.len());
                }
            }
        }
    }

    #[test]
    fn addresses_are_read() {
        let expected = Some(("1.2.3.4:1234".parse().unwrap(), "5.6.7.8:80".parse().unwrap()));
        assert_eq!(header(b"PROXY TCP4 1.2.3.4 5.6.7.8 1234 80\r\n").addresses, expected);
        assert_eq!(header(&v2(0x21, 0x11, 12, &V4)).addresses, expected);
        assert_eq!(header(&v2(0x20, 0x11, 12, &V4)).addresses, None);
        assert_eq!(header(b"PROXY UNKNOWN\r\n").addresses, None);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "a".repeat(93));
        for line in [
            "PROXY TCP4 1.2.3.4 5.6.7.8 1234\r\n",
            "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
            "PROXY TCP4 255.255.255.255 5.6.7.8 1 2\r\n",
            "PROXY TCP6 ff02::1 ::1 1 2\r\n",
            &long,
        ] {
            assert_eq!(read(line.as_bytes(), REQUIRED), Reading::Invalid(Some(Version::V1)), "{line}");
        }
        for bytes in [
            v2(0x11, 0x11, 12, &V4),
            v2(0x22, 0x11, 12, &V4),
            v2(0x21, 0x00, 0, &[]),
            v2(0x21, 0x31, 216, &[]),
            v2(0x21, 0x11, 11, &V4),
            v2(0x21, 0x11, 14, &[&V4[..], &[1, 0]].concat()),
            v2(0x21, 0x11, 16, &[&V4[..], &[1, 0, 2, 0]].concat()),
        ] {
            assert_eq!(read(&bytes, REQUIRED), Reading::Invalid(Some(Version::V2)), "{bytes:?}");
        }
        assert_eq!(read(b"GET / HTTP/1.1\r\n", REQUIRED), Reading::Invalid(None));
        assert_eq!(read(b"a\r\n", REQUIRED), Reading::Invalid(None));
    }

    #[test]
    fn a_header_may_be_missing() {
        assert_eq!(read(b"PU", OPTIONAL), Reading::Missing);
        assert_eq!(read(b"\r\n\r\n\0\r\nQUIX", OPTIONAL), Reading::Missing);
        assert!(matches!(read(b"P", OPTIONAL), Reading::More(_)));
        let only_v2 = Accepted { v1: false, ..OPTIONAL };
        assert_eq!(read(b"PROXY UNKNOWN\r\n", only_v2), Reading::Missing);
        assert_eq!(read(b"PROXY TCP4\r\n", OPTIONAL), Reading::Invalid(Some(Version::V1)));
    }

    proptest::proptest! {
        /// Whatever comes: what is said of a header lies within the bytes, and more bytes do not change it.
        #[test]
        fn any_bytes_are_judged(
            begin in proptest::sample::select(vec![&b"PROXY "[..], b"PROXY TCP4 1.2.3.4 ", &V2_SIGNATURE, b""]),
            fixed in proptest::sample::select(vec![&b""[..], b"\x21\x11", b"\x20\x00", b"\x21\x21"]),
            rest in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
        ) {
            let bytes = [begin, fixed, &rest].concat();
            for accepted in [REQUIRED, OPTIONAL] {
                let whole = read(&bytes, accepted);
                for end in 0..bytes.len() {
                    match read(&bytes[..end], accepted) {
                        Reading::More(_) => {}
                        decided => assert_eq!(decided, whole),
                    }
                }
                if let Reading::Header(header) = whole {
                    assert!(header.length <= bytes.len() && header.tlvs.end <= header.length);
                    let _fill = each_tlv(&bytes[header.tlvs], |_, value| assert!(value.len() <= bytes.len()));
                }
            }
        }
    }
}
