//! Decimal integers in header values.
//!
//! Owns: reading them as Envoy does and writing them without allocation. Does not own: `content-length`, which the
//! codec reads more strictly.
//! Follows Envoy: white space around the digits and one plus sign before them are let through; an overflow is not.

/// The number; none when the text is not one, or does not fit.
#[must_use]
pub fn parse(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// A number's digits.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    /// The digits of `value`.
    #[must_use]
    pub fn new(mut value: u64) -> Self {
        let mut digits = [b'0'; 20];
        let mut start = digits.len();
        for digit in digits.iter_mut().rev() {
            // A remainder by ten fits in a byte.
            *digit = b'0' + u8::try_from(value % 10).unwrap_or_default();
            start -= 1;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        Decimal { digits, start }
    }

    /// As text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_envoy_reads() {
        for (text, value) in [
            ("0", Some(0)),
            ("15000", Some(15_000)),
            ("+5", Some(5)),
            (" 5 ", Some(5)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-5", None),
            ("++5", None),
            ("5x", None),
            ("0x5", None),
            ("", None),
            ("+", None),
        ] {
            assert_eq!(parse(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn writes_every_length() {
        for value in [0, 9, 10, 12_345, u64::MAX] {
            assert_eq!(Decimal::new(value).as_bytes(), value.to_string().as_bytes());
        }
    }
}
