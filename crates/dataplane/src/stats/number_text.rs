//! Numbers as Envoy's statistics pages write them.
//!
//! Owns the three ways in which a floating point number appears there: shortest (JSON), shortest with a preference for
//! plain digits (text), and with a fixed number of significant digits (`%g`).

use std::io::Write;

/// The decimal digits of a finite, positive number, without trailing zeros, and the exponent of the first of them.
struct Digits {
    digits: String,
    exponent: i32,
}

impl Digits {
    /// From Rust's `1.25e3`.
    fn parse(scientific: &str) -> Self {
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        Self { digits: digits.trim_end_matches('0').to_owned(), exponent: exponent.parse().unwrap_or(0) }
    }

    /// `12.5`
    fn plain(&self) -> String {
        let count = i32::try_from(self.digits.len()).unwrap_or(i32::MAX);
        let point = self.exponent + 1;
        let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
        if point <= 0 {
            format!("0.{}{}", zeros(-point), self.digits)
        } else if point >= count {
            format!("{}{}", self.digits, zeros(point - count))
        } else {
            let (whole, fraction) = self.digits.split_at(usize::try_from(point).unwrap_or(0));
            format!("{whole}.{fraction}")
        }
    }

    /// `1.25e+01`
    fn scientific(&self) -> String {
        let (first, rest) = self.digits.split_at(self.digits.len().min(1));
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if self.exponent < 0 { '-' } else { '+' };
        format!("{first}{point}{rest}e{sign}{:02}", self.exponent.abs())
    }
}

/// What is not an ordinary number, or needs no digits.
fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("nan")
    } else if value.is_infinite() {
        Some("inf")
    } else if value == 0.0 {
        Some("0")
    } else {
        None
    }
}

fn write_with(value: f64, out: &mut Vec<u8>, text: impl Fn(f64) -> String) {
    match special(value) {
        Some(text) => out.extend_from_slice(text.as_bytes()),
        None => {
            if value < 0.0 {
                out.push(b'-');
            }
            out.extend_from_slice(text(value.abs()).as_bytes());
        }
    }
}

/// The shortest text that reads back as the same number, as `std::to_chars` writes it.
pub fn write_shortest(value: f64, out: &mut Vec<u8>) {
    write_with(value, out, |value| {
        let digits = Digits::parse(&format!("{value:e}"));
        let (plain, scientific) = (digits.plain(), digits.scientific());
        if scientific.len() < plain.len() { scientific } else { plain }
    });
}

/// The shortest digits, with an exponent only below 1e-4 and from 1e16, as `fmt` writes it.
pub fn write_plain(value: f64, out: &mut Vec<u8>) {
    write_with(value, out, |value| {
        let digits = Digits::parse(&format!("{value:e}"));
        if (-4..16).contains(&digits.exponent) { digits.plain() } else { digits.scientific() }
    });
}

/// `precision` significant digits at most, as `%.<precision>g` writes it.
pub fn write_general(value: f64, precision: usize, out: &mut Vec<u8>) {
    write_with(value, out, |value| {
        let digits = Digits::parse(&format!("{value:.*e}", precision.saturating_sub(1)));
        let limit = i32::try_from(precision).unwrap_or(i32::MAX);
        if (-4..limit).contains(&digits.exponent) { digits.plain() } else { digits.scientific() }
    });
}

/// Decimal digits.
pub fn write_integer(value: u64, out: &mut Vec<u8>) {
    if value < 10 {
        out.push(b'0'.wrapping_add(u8::try_from(value).unwrap_or(0)));
    } else {
        // Writing to a vector cannot fail.
        drop(write!(out, "{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn shortest_prefers_fewer_characters() {
        for (value, expected) in [
            (300_000.0, "3e+05"),
            (1_800_000.0, "1800000"),
            (60_000.0, "60000"),
            (41.5, "41.5"),
            (0.5, "0.5"),
            (1.0 + 0.1 / 3.0, "1.0333333333333334"),
            (-2.0, "-2"),
        ] {
            assert_eq!(text(|out| write_shortest(value, out)), expected);
        }
    }

    #[test]
    fn plain_has_an_exponent_at_the_ends_only() {
        for (value, expected) in [
            (300_000.0, "300000"),
            (1e16, "1e+16"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(text(|out| write_plain(value, out)), expected);
        }
    }

    #[test]
    fn general_is_exact_to_its_precision() {
        assert_eq!(text(|out| write_general(0.1, 32, out)), "0.10000000000000000555111512312578");
        assert_eq!(text(|out| write_general(3_600_000.0, 32, out)), "3600000");
        assert_eq!(text(|out| write_general(3_600_000.0, 6, out)), "3.6e+06");
        assert_eq!(text(|out| write_general(300_000.0, 6, out)), "300000");
    }
}
