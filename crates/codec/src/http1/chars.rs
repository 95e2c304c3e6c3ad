//! Which bytes may stand where: tokens, field values, request targets, hosts.
//!
//! Owns: the character classes. Does not own: what a valid field means.
//! Follows: RFC 9110 sections 5.1, 5.5 and 5.6.2, RFC 9112 section 3.2, RFC 3986 sections 3.2.2 and 3.2.3.

use super::{number, words};

const TOKEN: u8 = 1;
const PERCENT: u8 = 2;
const REG_NAME: u8 = 4;
const IP_LITERAL: u8 = 8;

const fn class_of(byte: u8) -> u8 {
    let mut class = 0;
    let alphanumeric = byte.is_ascii_alphanumeric();
    if alphanumeric
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
    {
        class |= TOKEN;
    }
    let unreserved = alphanumeric || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let sub_delimiter =
        matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
    if unreserved || sub_delimiter || byte == b'%' {
        class |= REG_NAME;
    }
    if unreserved || sub_delimiter || byte == b':' {
        class |= IP_LITERAL;
    }
    if byte == b'%' {
        class |= PERCENT;
    }
    class
}

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn class_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0u8;
    loop {
        table[byte as usize] = class_of(byte);
        if byte == 255 {
            return table;
        }
        byte += 1;
    }
}

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn lower_token_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0u8;
    loop {
        if class_of(byte) & TOKEN != 0 {
            table[byte as usize] = byte.to_ascii_lowercase();
        }
        if byte == 255 {
            return table;
        }
        byte += 1;
    }
}

static CLASSES: [u8; 256] = class_table();
static LOWER_TOKENS: [u8; 256] = lower_token_table();

#[inline]
fn look_up(table: &[u8; 256], byte: u8) -> u8 {
    table.get(usize::from(byte)).copied().unwrap_or(0)
}

#[inline]
fn all_in(bytes: &[u8], class: u8) -> bool {
    bytes.iter().all(|&byte| look_up(&CLASSES, byte) & class != 0)
}

/// The byte in lower case when it may stand in a token, else 0.
#[inline]
pub(crate) fn lower_token(byte: u8) -> u8 {
    look_up(&LOWER_TOKENS, byte)
}

/// The number of token characters that the bytes begin with.
#[inline]
pub(crate) fn token_length(bytes: &[u8]) -> usize {
    // Most names are letters and hyphens to the end.
    let letters = words::letters_length(bytes);
    let rest = bytes.get(letters..).unwrap_or_default();
    letters + rest.iter().position(|&byte| look_up(&CLASSES, byte) & TOKEN == 0).unwrap_or(rest.len())
}

/// Whether the bytes are one token.
#[inline]
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all_in(bytes, TOKEN)
}

/// Whether the bytes may be a field value: no control character but the tab, no DEL.
#[inline]
pub(crate) fn is_field_value(bytes: &[u8]) -> bool {
    let rest = bytes.get(words::text_length(bytes)..).unwrap_or_default();
    rest.iter().all(|&byte| (byte >= b' ' || byte == b'\t') && byte != 0x7f)
}

/// Whether the bytes may be a request target in any form: visible ASCII, no `#`.
#[inline]
pub(crate) fn is_target(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && !bytes.iter().fold(false, |bad, &byte| bad | !(b'!'..=b'~').contains(&byte) | (byte == b'#'))
}

/// Whether the bytes are a scheme: a letter, then letters, digits, `+`, `-`, `.`.
pub(crate) fn is_scheme(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Whether the bytes are a host with an optional port: `name`, `1.2.3.4:80`, `[::1]:80`.
/// The empty host is one (RFC 9110 section 7.2: a target without an authority).
pub(crate) fn is_host(bytes: &[u8]) -> bool {
    let Some(literal) = bytes.strip_prefix(b"[") else {
        let mut seen = 0;
        let mut in_name = |&byte: &u8| {
            let class = look_up(&CLASSES, byte);
            seen |= class;
            class & REG_NAME != 0
        };
        let end = bytes.iter().position(|byte| !in_name(byte)).unwrap_or(bytes.len());
        let (name, port) = bytes.split_at_checked(end).unwrap_or_default();
        return is_port_suffix(port) && (seen & PERCENT == 0 || percents_are_escapes(name));
    };
    let Some(end) = memchr::memchr(b']', literal) else { return false };
    let (address, rest) = literal.split_at(end);
    // An address of version 6, or of one to come.
    let is_address = address.contains(&b':') || matches!(address, [b'v' | b'V', ..]);
    is_address && all_in(address, IP_LITERAL) && rest.strip_prefix(b"]").is_some_and(is_port_suffix)
}

/// Nothing, or a colon and digits that make a port; `a:` is a port left empty (RFC 3986).
fn is_port_suffix(bytes: &[u8]) -> bool {
    let Some(digits) = bytes.strip_prefix(b":") else { return bytes.is_empty() };
    number::parse_decimal(digits).map_or(digits.is_empty(), |port| port <= u64::from(u16::MAX))
}

fn percents_are_escapes(name: &[u8]) -> bool {
    let mut rest = name;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let Some([_, high, low, tail @ ..]) = rest.get(at..) else { return false };
        if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
            return false;
        }
        rest = tail;
    }
    true
}

/// The bytes without spaces and tabs at both ends (optional white space, RFC 9110 section 5.6.3).
#[inline]
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    match (bytes.first(), bytes.last()) {
        (Some(b' ' | b'\t'), _) | (_, Some(b' ' | b'\t')) => trim_blanks(bytes),
        _ => bytes,
    }
}

fn trim_blanks(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [b' ' | b'\t', tail @ ..] = rest {
        rest = tail;
    }
    while let [head @ .., b' ' | b'\t'] = rest {
        rest = head;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_in_its_class() {
        for byte in 0..=255u8 {
            assert_eq!(is_target(&[b'/', byte]), byte.is_ascii_graphic() && byte != b'#', "{byte}");
            assert_eq!(is_field_value(&[byte]), byte == b'\t' || (byte >= b' ' && byte != 0x7f), "{byte}");
        }
    }

    #[test]
    fn hosts() {
        for good in ["", "h", "a.b-c_d~e", "h:", "h:80", "[::1]", "[::1]:8080", "1.2.3.4:65535", "%41", "a,b"]
        {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "a b",
            "a/b",
            "a@b",
            "a:b",
            "h:65536",
            "h:+1",
            "[::1",
            "[]",
            "[::1]x",
            "::1",
            "%4",
            "%zz",
            "h?",
            "h#",
            "\"h\"",
            "h\u{e9}",
            "h:80:80",
            "<h>",
            "a\\b",
            "[h]",
            "[1.2.3.4]",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }
}
