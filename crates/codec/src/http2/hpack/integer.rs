//! Numbers with a prefix.
//!
//! Owns: their two directions and the largest that is taken. Does not own: what the bits before the prefix mean.
//! Follows: RFC 7541 section 5.1.

/// No table index or string is larger, and whatever is added stays far below overflow.
const MAX: usize = 1 << 28;

/// Takes a number whose first byte, the prefix of so many bits in its low end, has been taken already.
#[inline]
pub(crate) fn decode(first: u8, prefix_bits: u32, input: &mut &[u8]) -> Option<usize> {
    let mask = (1u8 << (prefix_bits & 7)).wrapping_sub(1);
    let prefix = first & mask;
    if prefix < mask {
        return Some(usize::from(prefix));
    }
    let mut value = usize::from(mask);
    let mut shift = 0;
    loop {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        value += usize::from(byte & 0x7f) << shift;
        if value > MAX {
            return None;
        }
        if byte & 0x80 == 0 {
            return Some(value);
        }
        shift += 7;
        // A number may be padded with zeros, but not without end.
        if shift > 28 {
            return None;
        }
    }
}

/// Appends a number; `first` holds the bits before the prefix.
#[inline]
pub(crate) fn encode(value: usize, prefix_bits: u32, first: u8, out: &mut Vec<u8>) {
    let mask = (1usize << (prefix_bits & 7)) - 1;
    if value < mask {
        out.push(first | low_byte(value));
        return;
    }
    out.push(first | low_byte(mask));
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(low_byte(rest & 0x7f) | 0x80);
        rest >>= 7;
    }
    out.push(low_byte(rest));
}

fn low_byte(value: usize) -> u8 {
    u8::try_from(value & 0xff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for prefix in 4..=7 {
            for value in (0..2000).chain([16_383, 16_384, 65_535, 1 << 20, MAX]) {
                let mut out = Vec::new();
                encode(value, prefix, 0, &mut out);
                let (first, mut rest) = out.split_first().unwrap();
                assert_eq!(decode(*first, prefix, &mut rest), Some(value));
                assert!(rest.is_empty());
            }
        }
    }

    /// RFC 7541 appendix C.1.
    #[test]
    fn the_examples_of_the_rfc() {
        let mut out = Vec::new();
        encode(10, 5, 0, &mut out);
        encode(1337, 5, 0, &mut out);
        assert_eq!(out, [0x0a, 0x1f, 0x9a, 0x0a]);
    }

    #[test]
    fn numbers_without_end_are_refused() {
        for bad in [&[][..], &[0x80], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0x80, 0x80, 0x80, 0x80, 0x80, 0]] {
            assert_eq!(decode(0x7f, 7, &mut { bad }), None, "{bad:?}");
        }
    }
}
