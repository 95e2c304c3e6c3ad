//! Random UUIDs as text.
//!
//! Owns: the text of one made of random bits. Does not own: where the bits come from, nor whose identifier it is.
//! Follows: RFC 9562 section 5.4 (version 4).

/// The length of a UUID in text.
pub(crate) const LENGTH: usize = 36;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A UUID of 128 random bits, of which six tell its version and variant instead.
#[must_use]
pub(crate) fn random(high: u64, low: u64) -> [u8; LENGTH] {
    let bits = (u128::from(high) << 64) | u128::from(low);
    let version = 0x4u128 << 76;
    let variant = 0x2u128 << 62;
    let bits = bits & !(0xfu128 << 76) & !(0x3u128 << 62) | version | variant;
    let mut text = [b'-'; LENGTH];
    let digits = text.iter_mut().enumerate().filter(|(at, _)| !matches!(at, 8 | 13 | 18 | 23));
    for ((_, digit), byte) in
        digits.zip(bits.to_be_bytes().into_iter().flat_map(|byte| [byte >> 4, byte & 15]))
    {
        *digit = HEX.get(usize::from(byte)).copied().unwrap_or(b'0');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_variant_stand_in_their_places() {
        let text = |high, low| String::from_utf8(random(high, low).to_vec()).expect("text");
        assert_eq!(text(0, 0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(text(u64::MAX, u64::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(
            text(0x0123_4567_89ab_cdef, 0x1122_3344_5566_7788),
            "01234567-89ab-4def-9122-334455667788"
        );
    }
}
