//! Numbers as text: lengths and sizes.
//!
//! Owns: their one spelling and the range in which every reader sees the same number. Does not own:
//! where they stand.
//! Follows: RFC 9110 section 8.6, RFC 9112 section 7.1.

/// Digits only, at least one, value up to `i64::MAX`: a signed reader must see the same number.
pub(crate) fn parse_decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for &byte in digits {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    u64::try_from(value).ok()
}

/// Room for the longest number.
pub(crate) type Buffer = [u8; 20];

/// The number in lower-case digits of the base, which is 10 or 16, without leading zeros.
pub(crate) fn format(number: u64, base: u64, buffer: &mut Buffer) -> &[u8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut rest = number;
    let mut length = 0;
    for place in buffer.iter_mut().rev() {
        let digit = usize::try_from(rest % base).unwrap_or(0);
        *place = DIGITS.get(digit).copied().unwrap_or(b'0');
        rest /= base;
        length += 1;
        if rest == 0 {
            break;
        }
    }
    buffer.get(buffer.len() - length..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        assert_eq!(parse_decimal(b"0"), Some(0));
        assert_eq!(parse_decimal(b"9223372036854775807"), Some(9_223_372_036_854_775_807));
        for bad in ["", "+1", "-1", " 1", "1 ", "0x1", "9223372036854775808", "1,1"] {
            assert_eq!(parse_decimal(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them() {
        for number in [0, 1, 9, 10, 15, 16, 255, 65_536, 9_223_372_036_854_775_807, u64::MAX] {
            assert_eq!(format(number, 10, &mut [0; 20]), number.to_string().as_bytes());
            assert_eq!(format(number, 16, &mut [0; 20]), format!("{number:x}").as_bytes());
        }
    }
}
