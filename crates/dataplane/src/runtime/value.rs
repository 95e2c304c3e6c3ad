//! What one value of the runtime can be read as.
//!
//! Owns: the readings of a text from a file or from admin: a YAML scalar, or a fractional percent as a YAML mapping of
//! `numerator` and `denominator`. Does not own: values of static layers, which Python reads.
//!
//! As in Envoy: an integer is a flag too (0 is false), a number with a fraction is an integer without it, quoted numbers
//! and words are text only, and a text that is none of these has no reading but itself.

use crate::model::runtime::{FractionalPercent, RuntimeEntry};

/// A value and its readings.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// As it was written.
    pub text: Box<str>,
    pub(super) number: Option<f64>,
    pub(super) integer: Option<u64>,
    pub(super) flag: Option<bool>,
    pub(super) fraction: Option<FractionalPercent>,
}

/// Integers of YAML that are larger than this are read as Envoy reads text: the same number, but not in octal.
const LARGEST_YAML_INTEGER: i64 = i32::MAX as i64;

impl From<&RuntimeEntry> for Value {
    fn from(entry: &RuntimeEntry) -> Self {
        let mut value = Value::of_text(&entry.text);
        if let Some(number) = entry.number {
            value.set_number(number);
        }
        value.flag = entry.flag.or(value.flag);
        value.fraction = entry.fraction;
        value
    }
}

impl Value {
    fn of_text(text: &str) -> Self {
        Value { text: text.into(), number: None, integer: None, flag: None, fraction: None }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// It is YAML that begins and does not end.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut value = Value::of_text(text);
        let plain = without_comment(text).trim();
        match plain.as_bytes() {
            [b'{', inner @ .., b'}'] => {
                value.fraction = parse_fraction(flow_pairs(&String::from_utf8_lossy(inner)));
            }
            [b'[', .., b']'] | [b'"', .., b'"'] | [b'\'', .., b'\''] => {}
            [b'{' | b'[' | b'"' | b'\'', ..] => {
                return Err(format!("the value '{}' begins and does not end", shortened(plain)));
            }
            _ if plain.contains(": ") || plain.ends_with(':') => {
                value.fraction = parse_fraction(block_pairs(plain));
            }
            _ => value.read_scalar(plain),
        }
        Ok(value)
    }

    /// The value as a number without sign or fraction, if it is one.
    #[must_use]
    pub fn integer(&self) -> Option<u64> {
        self.integer
    }

    fn read_scalar(&mut self, plain: &str) {
        if let Some(flag) = parse_flag(plain) {
            self.flag = Some(flag);
        } else if let Some(integer) = parse_integer(plain) {
            #[allow(clippy::cast_precision_loss, reason = "it is below 2^31")]
            self.set_number(integer as f64);
        } else if let Some(number) = parse_number(self.text.trim()) {
            self.set_number(number);
        }
    }

    fn set_number(&mut self, number: f64) {
        self.number = Some(number);
        if number >= 0.0 {
            self.integer = whole_part(number);
        }
        if number.is_finite() && number.fract() == 0.0 && number.abs() < 9.3e18 {
            self.flag = Some(number != 0.0);
        }
    }
}

/// A number without what follows its point; `None`: it is larger than any integer.
fn whole_part(number: f64) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in the range of u64")]
    (number < 18_446_744_073_709_551_615.0).then_some(number as u64)
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// What stands before ` #` on a single line.
fn without_comment(text: &str) -> &str {
    match text.find(" #") {
        Some(at) if !text.contains('\n') => text.get(..at).unwrap_or(text),
        _ => text,
    }
}

/// The words of YAML 1.1: in lower case, in upper case, or with a capital.
fn parse_flag(text: &str) -> Option<bool> {
    let capital = text.get(..1)?.to_ascii_uppercase() + text.get(1..)?.to_ascii_lowercase().as_str();
    let known =
        [text.to_ascii_lowercase(), text.to_ascii_uppercase(), capital].iter().any(|form| form == text);
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" if known => Some(true),
        "false" | "no" | "off" | "n" if known => Some(false),
        _ => None,
    }
}

/// An integer in decimal, hexadecimal (`0x`) or octal (`0`).
fn parse_integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes() {
        [b'-', ..] => (-1, text.get(1..)?),
        [b'+', ..] => (1, text.get(1..)?),
        _ => (1, text),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let parsed = if let Some(hexadecimal) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hexadecimal, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8)
    } else {
        digits.parse()
    };
    parsed.ok().map(|number| sign * number).filter(|number| number.abs() <= LARGEST_YAML_INTEGER)
}

fn parse_number(text: &str) -> Option<f64> {
    if text.chars().any(|c| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')) {
        return None;
    }
    text.parse().ok()
}

/// `a: 1, b: 2`, as it stands in braces.
fn flow_pairs(text: &str) -> Vec<(String, String)> {
    text.split(',').filter(|pair| !pair.trim().is_empty()).map(pair).collect()
}

/// `a: 1`, one a line.
fn block_pairs(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    lines.map(pair).collect()
}

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    let unquoted = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    (unquoted(name), value.trim().to_owned())
}

/// A mapping as a fractional percent; other keys than its two, or a denominator that there is not, make it none.
fn parse_fraction(pairs: Vec<(String, String)>) -> Option<FractionalPercent> {
    let mut fraction = FractionalPercent { numerator: 0, denominator: 100 };
    for (name, value) in pairs {
        match name.as_str() {
            "numerator" => {
                let number = parse_integer(&value).unwrap_or(0);
                // A negative one is a very large one in Envoy.
                fraction.numerator = u32::try_from(number).unwrap_or(u32::MAX);
            }
            "denominator" => {
                fraction.denominator = match value.trim_matches(['"', '\'']) {
                    "HUNDRED" => 100,
                    "TEN_THOUSAND" => 10_000,
                    "MILLION" => 1_000_000,
                    _ => return None,
                };
            }
            _ => return None,
        }
    }
    Some(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number, integer, flag and fraction, as Envoy 1.40 reads them.
    #[test]
    fn texts_are_read_as_envoy_reads_them() {
        let fraction = |numerator, denominator| Some(FractionalPercent { numerator, denominator });
        for (text, number, integer, flag, percent) in [
            ("100", Some(100.0), Some(100), Some(true), None),
            (" 100 ", Some(100.0), Some(100), Some(true), None),
            ("\t100", Some(100.0), Some(100), Some(true), None),
            ("100 # trailing", Some(100.0), Some(100), Some(true), None),
            ("0", Some(0.0), Some(0), Some(false), None),
            ("-5", Some(-5.0), None, Some(true), None),
            ("0x64", Some(100.0), Some(100), Some(true), None),
            ("0144", Some(100.0), Some(100), Some(true), None),
            ("+100", Some(100.0), Some(100), Some(true), None),
            ("1e2", Some(100.0), Some(100), Some(true), None),
            ("99.99", Some(99.99), Some(99), None, None),
            ("0.4", Some(0.4), Some(0), None, None),
            ("12345678901", Some(12_345_678_901.0), Some(12_345_678_901), Some(true), None),
            ("99999999999999999999", Some(1e20), None, None, None),
            ("1_0", None, None, None, None),
            ("true", None, None, Some(true), None),
            ("No", None, None, Some(false), None),
            ("tRue", None, None, None, None),
            ("\"100\"", None, None, None, None),
            ("abc", None, None, None, None),
            ("", None, None, None, None),
            ("{numerator: 5}", None, None, None, fraction(5, 100)),
            ("{\"numerator\": 5, \"denominator\": \"MILLION\"}", None, None, None, fraction(5, 1_000_000)),
            ("numerator: 1\ndenominator: TEN_THOUSAND", None, None, None, fraction(1, 10_000)),
            ("{numerator: \"5\"}", None, None, None, fraction(0, 100)),
            ("{numerator: -1}", None, None, None, fraction(u32::MAX, 100)),
            ("{numerator: 5, foo: 1}", None, None, None, None),
            ("{numerator: 5, denominator: FOO}", None, None, None, None),
        ] {
            let value = Value::parse(text).unwrap();
            assert_eq!(value.number, number, "{text}");
            assert_eq!((value.integer, value.flag, value.fraction), (integer, flag, percent), "{text}");
            assert_eq!(&*value.text, text);
        }
        assert!(Value::parse("[1,2").is_err() && Value::parse("{numerator: 1").is_err());
    }
}
