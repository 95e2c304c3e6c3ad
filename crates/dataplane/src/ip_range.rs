//! Ranges of IP addresses.
//!
//! Owns: one range, and the look-up of the narrowest of many. Does not own: what a range decides (`filter_chain`,
//! `filters::network::http_connection_manager`).
//! Follows Envoy's `CidrRange`: bits behind the prefix do not count, and IPv4 is another world than IPv6, also where it
//! is mapped into it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::address::CidrRange;

/// A range of addresses: all with the same leading bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IpRange {
    /// As many leading bits as count, the rest 0.
    prefix: u128,
    prefix_len: u8,
    is_ipv4: bool,
}

impl IpRange {
    /// Takes a range from the model.
    ///
    /// # Errors
    /// The text that is no address. A length beyond the address's own means the whole address.
    pub(crate) fn compile(range: &CidrRange) -> Result<Self, String> {
        let address: IpAddr = range
            .address_prefix
            .parse()
            .map_err(|_| format!("'{}' is not an IP address", range.address_prefix))?;
        let (bits, is_ipv4) = bits(address);
        let prefix_len = range.prefix_len.min(if is_ipv4 { 32 } else { 128 });
        Ok(IpRange { prefix: bits & mask(prefix_len), prefix_len, is_ipv4 })
    }

    /// Whether the address is in it.
    #[inline]
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let (bits, is_ipv4) = bits(address);
        self.is_ipv4 == is_ipv4 && bits & mask(self.prefix_len) == self.prefix
    }
}

/// The address's bits at the top, so that one way of masking does for both families.
#[inline]
fn bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, true),
        IpAddr::V6(v6) => (v6.to_bits(), false),
    }
}

/// The address with all bits behind a prefix cleared.
pub(crate) fn network(address: IpAddr, prefix_len: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix_len.into())).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask(prefix_len))),
    }
}

#[inline]
fn mask(prefix_len: u8) -> u128 {
    u128::MAX.checked_shl(128_u32.saturating_sub(u32::from(prefix_len))).unwrap_or(0)
}

/// Values by range, of which the narrowest counts.
#[derive(Debug)]
pub(crate) struct NarrowestRange<T> {
    ipv4: Vec<SameLength<T>>,
    ipv6: Vec<SameLength<T>>,
}

/// The ranges of one length.
#[derive(Debug)]
struct SameLength<T> {
    prefix_len: u8,
    values: HashMap<u128, T>,
}

impl<T> Default for NarrowestRange<T> {
    fn default() -> Self {
        NarrowestRange { ipv4: Vec::new(), ipv6: Vec::new() }
    }
}

impl<T: Default> NarrowestRange<T> {
    /// The value of a range, made when it is new.
    pub(crate) fn entry(&mut self, range: IpRange) -> &mut T {
        let lengths = if range.is_ipv4 { &mut self.ipv4 } else { &mut self.ipv6 };
        let place = lengths.partition_point(|same| same.prefix_len > range.prefix_len);
        if lengths.get(place).is_none_or(|same| same.prefix_len != range.prefix_len) {
            lengths.insert(place, SameLength { prefix_len: range.prefix_len, values: HashMap::new() });
        }
        #[allow(clippy::indexing_slicing)] // it was put there right above
        lengths[place].values.entry(range.prefix).or_default()
    }

    /// The value of the narrowest range, of at least `least` bits, that the address is in.
    pub(crate) fn find(&self, address: IpAddr, least: u8) -> Option<&T> {
        let (bits, is_ipv4) = bits(address);
        let lengths = if is_ipv4 { &self.ipv4 } else { &self.ipv6 };
        let narrow_enough = lengths.iter().take_while(|same| same.prefix_len >= least);
        narrow_enough.filter_map(|same| same.values.get(&(bits & mask(same.prefix_len)))).next()
    }

    /// The values of all ranges that the address is in, the narrowest first.
    pub(crate) fn all(&self, address: IpAddr) -> impl Iterator<Item = &T> {
        let (bits, is_ipv4) = bits(address);
        let lengths = if is_ipv4 { &self.ipv4 } else { &self.ipv6 };
        lengths.iter().filter_map(move |same| same.values.get(&(bits & mask(same.prefix_len))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> IpRange {
        let (address, length) = text.split_once('/').expect("a length");
        let prefix_len = length.parse().expect("a number");
        IpRange::compile(&CidrRange { address_prefix: address.to_owned(), prefix_len }).expect("a range")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_range() {
        for (text, address, inside) in [
            ("10.9.9.9/8", "10.255.1.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("1.2.3.4/32", "1.2.3.4", true),
            ("1.2.3.4/32", "1.2.3.5", false),
            ("1.2.3.4/200", "1.2.3.5", false),
            ("0.0.0.0/0", "9.9.9.9", true),
            ("0.0.0.0/0", "::1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", false),
            ("::/0", "1.2.3.4", false),
        ] {
            assert_eq!(range(text).contains(ip(address)), inside, "{text} {address}");
        }
        assert_eq!(range("10.9.9.9/8"), range("10.0.0.0/8"));
        let wrong = CidrRange { address_prefix: "ten".to_owned(), prefix_len: 8 };
        assert_eq!(IpRange::compile(&wrong), Err("'ten' is not an IP address".to_owned()));
    }

    #[test]
    fn the_narrowest_counts() {
        let mut ranges = NarrowestRange::default();
        for text in ["10.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32", "10.1.0.0/16", "fd00::/8", "fd00::1/128"] {
            *ranges.entry(range(text)) = text;
        }
        for (address, least, expected) in [
            ("10.1.2.3", 0, Some("10.1.2.3/32")),
            ("10.1.2.4", 0, Some("10.1.0.0/16")),
            ("10.2.2.4", 0, Some("10.0.0.0/8")),
            ("11.0.0.0", 0, Some("0.0.0.0/0")),
            ("11.0.0.0", 1, None),
            ("fd00::1", 0, Some("fd00::1/128")),
            ("fd00::2", 0, Some("fd00::/8")),
            ("::2", 0, None),
        ] {
            assert_eq!(ranges.find(ip(address), least).copied(), expected, "{address}");
        }
    }
}
