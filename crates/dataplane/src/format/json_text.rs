//! Strings and numbers as JSON texts.
//!
//! Owns: escaping, exactly as Envoy's JSON logs escape. Does not own: the structure of a line (`json`).
//! Follows: RFC 8259. A value that is UTF-8 is escaped as little as possible; of any other, each byte that is not
//! printable ASCII, and each quote and backslash, becomes `\u00XX`.

/// Escapes what was appended from `start` on, which becomes the inside of a JSON string.
pub fn escape_from(out: &mut Vec<u8>, start: usize) {
    let plain = |byte: &u8| *byte >= 0x20 && *byte < 0x7f && *byte != b'"' && *byte != b'\\';
    let Some(first) = out.get(start..).and_then(|text| text.iter().position(|byte| !plain(byte))) else {
        return;
    };
    let text = out.split_off(start + first);
    // What stands before is ASCII, so the rest alone decides.
    match std::str::from_utf8(&text) {
        Ok(text) => escape_utf8(text, out),
        Err(_) => {
            for byte in &text {
                if plain(byte) { out.push(*byte) } else { push_unicode_escape(*byte, out) }
            }
        }
    }
}

fn escape_utf8(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..=0x1f => push_unicode_escape(byte, out),
            _ => out.push(byte),
        }
    }
}

fn push_unicode_escape(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\u00");
    for digit in [byte >> 4, byte & 15] {
        out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
}

/// A whole JSON string.
#[must_use]
pub fn string(text: &str) -> Vec<u8> {
    let mut out = vec![b'"'];
    out.extend_from_slice(text.as_bytes());
    escape_from(&mut out, 1);
    out.push(b'"');
    out
}

/// A JSON number: the shortest digits that read back as this value, in plain or scientific notation, whichever is
/// shorter; `null` for what JSON has no number for.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "null".to_owned();
    }
    let plain = format!("{value}");
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return plain };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    let scientific = format!("{digits}e{sign}{exponent:0>2}");
    if scientific.len() < plain.len() { scientific } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(value: &[u8]) -> String {
        let mut out = b"<\xff".to_vec();
        out.extend_from_slice(value);
        escape_from(&mut out, 2);
        String::from_utf8(out.split_off(2)).expect("UTF-8")
    }

    /// Header values and what Envoy 1.40.0 wrote for `%REQ(x-v)%` in a JSON log.
    #[test]
    fn strings_as_envoy_escapes_them() {
        let table: &[(&[u8], &str)] = &[
            (b"plain", "plain"),
            (b"q\"uote", "q\\\"uote"),
            (b"back\\slash", "back\\\\slash"),
            (b"tab\there", "tab\\there"),
            (b"\xc3\xa9\"\\", "é\\\"\\\\"),
            (b"\xff\"\\\t/<>", "\\u00ff\\u0022\\u005c\\u0009/<>"),
            (b"\xe2\x80\xa8\xf0\x9f\x98\x80", "\u{2028}\u{1f600}"),
            (b"\xed\xa0\x80", "\\u00ed\\u00a0\\u0080"),
            (b"a'b", "a'b"),
            (b"\xc3\xa9/", "é/"),
            (b"\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080"),
            (b"\xc0\x80", "\\u00c0\\u0080"),
            (b"\xef\xbf\xbf", "\u{ffff}"),
            (b"a\"b\\c\x01\x7f\xc3\xa9</>", "a\\\"b\\\\c\\u0001\x7fé</>"),
        ];
        for (value, expected) in table {
            assert_eq!(escaped(value), *expected, "{value:?}");
        }
        assert_eq!(string("k\"e\ny"), b"\"k\\\"e\\ny\"");
    }

    /// What Envoy 1.40.0 wrote for these numbers in a JSON format.
    #[test]
    fn numbers_as_envoy_writes_them() {
        for (value, expected) in [
            (2.5, "2.5"),
            (1e20, "1e+20"),
            (1e-7, "1e-07"),
            (0.1, "0.1"),
            (1e300, "1e+300"),
            (-0.0, "-0"),
            (0.0, "0"),
            (123_456_789_012_345_678.0, "123456789012345680"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (1e15, "1e+15"),
            (123_456.789, "123456.789"),
            (1.0 / 3.0, "0.3333333333333333"),
            (-5.0, "-5"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(number(value), expected);
        }
        assert_eq!(number(f64::NAN), "null");
    }

    proptest::proptest! {
        /// Whatever stands in a header: it stays within its string and on its line.
        #[test]
        fn any_bytes_stay_inside(value in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let text = escaped(&value);
            let line = format!("\"{text}\"");
            let read: String = serde_json::from_str(&line).expect("one JSON string");
            assert!(line.bytes().all(|byte| byte >= 0x20));
            if let Ok(value) = std::str::from_utf8(&value) {
                assert_eq!(read, value);
            }
        }
    }
}
