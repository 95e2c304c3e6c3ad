//! Where a request came from: `x-forwarded-for` read, and which addresses are internal.
//!
//! Owns: the choice of an address from `x-forwarded-for`, and `internal_address_config`. Does not own: what is written to
//! the header (`request_headers`).
//! Follows Envoy's page "HTTP header manipulation", section "x-forwarded-for".

use std::net::IpAddr;

use crate::ip_range::IpRange;
use crate::model::address::CidrRange;
use crate::stream_info::Address;

/// What `x-forwarded-for` says of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ForwardedClient {
    pub address: IpAddr,
    /// Whether it is the only address, so that no other proxy stood between.
    pub is_single: bool,
}

/// The last address but `trusted_hops`; none when there is none at that place, or the text there is not one.
#[must_use]
pub(super) fn client(forwarded_for: &[u8], trusted_hops: u32) -> Option<ForwardedClient> {
    let mut list = forwarded_for;
    for _ in 0..trusted_hops {
        list = list.get(..memchr::memrchr(b',', list)?)?;
    }
    let comma = memchr::memrchr(b',', list);
    // A comma at the very end makes the whole list the address, which is then none.
    let last = match comma {
        Some(comma) if comma + 1 < list.len() => list.get(comma + 1..)?,
        _ => list,
    };
    let address = std::str::from_utf8(last.trim_ascii()).ok()?.parse().ok()?;
    Some(ForwardedClient { address, is_single: comma.is_none() && trusted_hops == 0 })
}

/// The last address that is none of a trusted proxy, if `peer` is one; where all are, the first. None when a text is met on
/// the way that is no address.
#[must_use]
pub(super) fn client_before(
    forwarded_for: &[u8],
    trusted_proxies: &[IpRange],
    peer: IpAddr,
) -> Option<ForwardedClient> {
    let is_trusted = |address| trusted_proxies.iter().any(|range| range.contains(address));
    if !is_trusted(peer) {
        return None;
    }
    let mut last = None;
    for entry in forwarded_for.rsplit(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
        let address = std::str::from_utf8(entry).ok()?.parse().ok()?;
        last = Some(address);
        if !is_trusted(address) {
            break;
        }
    }
    last.map(|address| ForwardedClient { address, is_single: memchr::memchr(b',', forwarded_for).is_none() })
}

/// `internal_address_config`.
#[derive(Debug, Clone)]
pub(super) struct InternalAddresses {
    ranges: Vec<IpRange>,
    unix_sockets: bool,
}

impl InternalAddresses {
    pub(super) fn compile(ranges: &[CidrRange], unix_sockets: bool) -> Result<Self, String> {
        Ok(InternalAddresses {
            ranges: ranges.iter().map(IpRange::compile).collect::<Result<_, _>>()?,
            unix_sockets,
        })
    }

    #[must_use]
    pub(super) fn contains(&self, address: &Address) -> bool {
        match address {
            Address::Ip(address) => self.contains_ip(address.ip()),
            Address::Pipe(_) | Address::Internal(_) => self.unix_sockets,
        }
    }

    #[must_use]
    pub(super) fn contains_ip(&self, address: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judged by Envoy 1.40.
    #[test]
    fn clients() {
        for (list, hops, expected) in [
            ("10.1.2.3", 0, Some(("10.1.2.3", true))),
            ("10.1.2.3, 10.1.1.1", 0, Some(("10.1.1.1", false))),
            ("10.1.2.3,10.1.1.1", 0, Some(("10.1.1.1", false))),
            ("10.1.2.3:99", 0, None),
            ("fd00::1", 0, Some(("fd00::1", true))),
            ("[fd00::1]", 0, None),
            ("junk", 0, None),
            ("", 0, None),
            ("10.0.0.1,", 0, None),
            ("10.0.0.1 ,", 0, None),
            ("1.1.1.1", 1, None),
            ("2.2.2.2, 1.1.1.1", 1, Some(("2.2.2.2", false))),
            ("3.3.3.3,2.2.2.2 , 1.1.1.1", 1, Some(("2.2.2.2", false))),
        ] {
            let expected = expected
                .map(|(ip, is_single)| ForwardedClient { address: ip.parse().expect("ip"), is_single });
            assert_eq!(client(list.as_bytes(), hops), expected, "{list} {hops}");
        }
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn clients_before_trusted_proxies() {
        let range = |prefix: &str| {
            IpRange::compile(&CidrRange { address_prefix: prefix.to_owned(), prefix_len: 8 }).expect("range")
        };
        let trusted = [range("127.0.0.0"), range("10.0.0.0")];
        for (list, peer, expected) in [
            ("1.1.1.1, 2.2.2.2, 10.0.0.1", "127.0.0.1", Some("2.2.2.2")),
            ("10.0.0.2, 10.0.0.1", "127.0.0.1", Some("10.0.0.2")),
            ("junk, 2.2.2.2,10.0.0.1 ", "127.0.0.1", Some("2.2.2.2")),
            ("1.1.1.1,junk,10.0.0.1", "127.0.0.1", None),
            ("1.1.1.1,, 10.0.0.1", "127.0.0.1", None),
            ("1.1.1.1, 10.0.0.1,", "127.0.0.1", None),
            ("1.1.1.1, 10.0.0.1:80", "127.0.0.1", None),
            ("1.1.1.1, 10.0.0.1", "9.9.9.9", None),
            ("", "127.0.0.1", None),
        ] {
            let found = client_before(list.as_bytes(), &trusted, peer.parse().expect("ip"));
            let expected = expected.map(|ip| ip.parse::<IpAddr>().expect("ip"));
            assert_eq!(found.map(|client| client.address), expected, "{list} {peer}");
        }
    }

    #[test]
    fn ranges() {
        let range = |prefix: &str, prefix_len| CidrRange { address_prefix: prefix.to_owned(), prefix_len };
        let internal = InternalAddresses::compile(
            &[range("10.0.0.0", 8), range("fd00::", 8), range("1.2.3.4", 32)],
            false,
        )
        .expect("ranges");
        for (address, inside) in [
            ("10.255.1.1", true),
            ("11.0.0.0", false),
            ("fd12::1", true),
            ("fe80::1", false),
            ("1.2.3.4", true),
            ("1.2.3.5", false),
            ("::ffff:10.0.0.1", false),
        ] {
            assert_eq!(internal.contains_ip(address.parse().expect("ip")), inside, "{address}");
        }
        assert!(!internal.contains(&Address::Pipe("/x".into())));
        let everything = InternalAddresses::compile(&[range("0.0.0.0", 0)], true).expect("ranges");
        assert!(everything.contains_ip("9.9.9.9".parse().expect("ip")));
        assert!(!everything.contains_ip("::1".parse().expect("ip")));
        assert!(everything.contains(&Address::Pipe("/x".into())));
        assert!(InternalAddresses::compile(&[range("nonsense", 8)], false).is_err());
    }
}
