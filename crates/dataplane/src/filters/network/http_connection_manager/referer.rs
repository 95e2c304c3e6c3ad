//! `referer`: passed on only when it is a URL or a relative reference.
//!
//! Owns: the check. Does not own: the removal (`request_headers`).
//! Follows: RFC 9110 section 10.1.3 (no fragment, no user information), RFC 3986, as Envoy reads them.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether Envoy would pass the value on.
#[must_use]
pub(super) fn is_valid(value: &[u8]) -> bool {
    match split_scheme(value) {
        Some(rest) => is_after_scheme(rest),
        None => is_relative(value),
    }
}

/// What follows `scheme://`.
fn split_scheme(value: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', value)?;
    let (scheme, rest) = value.split_at_checked(colon)?;
    let valid = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    rest.strip_prefix(b"://").filter(|_| valid)
}

fn is_after_scheme(rest: &[u8]) -> bool {
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    is_authority(authority.strip_prefix(b"@").unwrap_or(authority)) && is_tail(tail)
}

fn is_authority(authority: &[u8]) -> bool {
    let (host, port) = match authority.strip_prefix(b"[") {
        Some(literal) => {
            let Some(end) = memchr::memchr(b']', literal) else { return false };
            let (address, rest) = literal.split_at(end);
            if !is_ip_literal(address) {
                return false;
            }
            (None, rest.get(1..).unwrap_or_default())
        }
        None => {
            let end = memchr::memchr(b':', authority).unwrap_or(authority.len());
            let (host, port) = authority.split_at(end);
            (Some(host), port)
        }
    };
    let is_name = |host: &[u8]| {
        !host.is_empty()
            && host.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
    };
    host.is_none_or(is_name) && is_port(port)
}

fn is_ip_literal(address: &[u8]) -> bool {
    let (address, zone) = match memchr::memchr(b'%', address) {
        Some(at) => (address.get(..at).unwrap_or_default(), address.get(at + 1..)),
        None => (address, None),
    };
    let Ok(text) = std::str::from_utf8(address) else { return false };
    zone.is_none_or(|zone| !zone.is_empty() && zone.iter().all(u8::is_ascii_digit))
        && (text.parse::<Ipv6Addr>().is_ok() || text.parse::<Ipv4Addr>().is_ok())
}

fn is_port(port: &[u8]) -> bool {
    let Some(digits) = port.strip_prefix(b":") else { return port.is_empty() };
    digits.iter().all(u8::is_ascii_digit)
        && crate::decimal::parse(digits).is_some_and(|port| port <= u64::from(u16::MAX))
}

/// The path and query: visible ASCII. A `#` may only be the last byte, an empty fragment.
fn is_tail(tail: &[u8]) -> bool {
    let tail = tail.strip_suffix(b"#").unwrap_or(tail);
    tail.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#')
}

/// A relative reference: the characters of RFC 3986, and no colon before the first slash.
fn is_relative(value: &[u8]) -> bool {
    let first_segment = memchr::memchr(b'/', value).unwrap_or(value.len());
    value.iter().enumerate().all(|(at, &byte)| match byte {
        b':' => at > first_segment,
        b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';'
        | b'=' | b'@' | b'/' | b'?' | b'%' => true,
        _ => byte.is_ascii_alphanumeric(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judged by Envoy 1.40.
    #[test]
    fn passed_on() {
        for good in [
            "http://a/b",
            "https://a.com",
            "/rel",
            "a/b:c",
            "http://a:99/",
            "ftp://a/b",
            "http://[::1]/",
            "?x",
            "",
            "http://a?q",
            "HTTP://A/",
            "//a/b",
            "h",
            "http://a/b^c",
            "http://-/",
            "android-app://com.x/",
            "/a%zz",
            "http://a:0/",
            "http://a//b",
            "a1://b/",
            "a+b://c/",
            "a.b://c",
            "http://a/\"",
            "http://a/<>",
            "http://a/?<",
            "http://a?",
            "http://a:80",
            "http://a:000000080/",
            "http://a.b.c:1?x#",
            "http://@a/",
            "http://[::1]:80/",
            "http://[1.2.3.4]/",
            "http://[fe80::1%1]/",
            "http://a..b/",
            "http://.",
            "x/y:z",
            "/x:y",
            "/a%",
            "*",
            "http",
            "//x:y/z",
            "http://a/b?c?d",
            "http://a/b?c#",
            "a@b",
            "a'b",
            "a(b)",
        ] {
            assert!(is_valid(good.as_bytes()), "{good}");
        }
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn removed() {
        for bad in [
            "http://u:p@a/b",
            "http://a/b#f",
            "/rel#f",
            "rel:x",
            "about:blank",
            "http://",
            "http://a b/",
            "http://a:xx/",
            "http://[zz]/",
            "http:/a",
            "http:a",
            "a<b",
            "a^b",
            "http://a/é",
            "http://a:/",
            "http://a_b/",
            "http://a/ b",
            "http://a%zz/",
            "http://a:65536/",
            "data:text/plain,hi",
            "file:///a",
            "1a://b/",
            "://b/",
            "a_b://c/",
            "http://a/?é",
            "http://a#",
            "http://a@/",
            "http://[::1]x/",
            "http://[::1",
            "http://[::1%25eth0]/",
            "http://a\tb",
            "http://a,b/",
            "http://a~/",
            "http://:80/",
            "x:y",
            "?a:b",
            "/é",
            "/a|b",
            "/a[b]",
            "http:",
            "h:/x",
            "http://a:8a/",
            "a\"b",
            "a`b",
            "a{b",
            "a\\b",
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad}");
        }
    }
}
