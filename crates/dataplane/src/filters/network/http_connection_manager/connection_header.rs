//! Hop-by-hop fields of requests.
//!
//! Owns: the removal of `connection`, `te`, `upgrade`, `keep-alive`, `proxy-connection`, `transfer-encoding`. Does not
//! own: the fields that `connection` names, and whether the connection stays open; the codec has seen to both.
//! Follows: RFC 9110 section 7.6.1, in the dialect of Envoy.

use ferryman_codec::{HeaderBlock, KnownName};

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').filter(|token| !token.is_empty()).map(<[u8]>::trim_ascii)
}

fn has_token(value: Option<&[u8]>, token: &[u8]) -> bool {
    value.is_some_and(|value| tokens(value).any(|found| found.eq_ignore_ascii_case(token)))
}

/// Whether a head asks for, or grants, another protocol.
#[inline]
#[must_use]
pub(crate) fn is_upgrade(head: &HeaderBlock) -> bool {
    head.contains(KnownName::Upgrade) && has_token(head.get(KnownName::Connection), b"upgrade")
}

/// Removes the hop-by-hop fields. Answers whether the request is for an upgrade; its `connection` and `upgrade` stay.
#[inline]
pub(super) fn sanitize(request: &mut HeaderBlock) -> bool {
    if request.contains(KnownName::Upgrade) {
        remove_h2c_upgrade(request);
    }
    let upgrade = is_upgrade(request);
    if !upgrade {
        request.remove(KnownName::Connection);
        request.remove(KnownName::Upgrade);
    }
    request.remove(KnownName::KeepAlive);
    request.remove(KnownName::ProxyConnection);
    request.remove(KnownName::TransferEncoding);
    if request.contains(KnownName::Te) {
        sanitize_te(request);
    }
    upgrade
}

/// Only `trailers` means anything to the next hop.
fn sanitize_te(request: &mut HeaderBlock) {
    let value = request.get(KnownName::Te).unwrap_or_default();
    if value.is_empty() {
        return;
    }
    if tokens(value).any(|token| token == b"trailers") {
        request.set(KnownName::Te, b"trailers");
    } else {
        request.remove(KnownName::Te);
    }
}

/// An upgrade to HTTP/2 in clear text is not offered: the request goes on without it.
fn remove_h2c_upgrade(request: &mut HeaderBlock) {
    if request.get(KnownName::Upgrade).is_some_and(|value| value.eq_ignore_ascii_case(b"h2c")) {
        request.remove(KnownName::Upgrade);
        request.remove(KnownName::Http2Settings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferryman_codec::HeaderName;

    fn sanitized(fields: &[&str]) -> (bool, Vec<String>) {
        let mut request = HeaderBlock::new();
        for field in fields {
            let (name, value) = field.split_once(':').expect("field");
            let value = value.trim_ascii();
            assert!(request.append_name(&HeaderName::new(name.as_bytes()).expect("name"), value.as_bytes()));
        }
        crate::repeated_headers::Side::Request.join_repeated(&mut request);
        let upgrade = sanitize(&mut request);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (upgrade, request.iter().map(|(name, value)| text(name) + ": " + &text(value)).collect())
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn removed_and_kept() {
        for (fields, left) in [
            (&["connection: close"][..], &[][..]),
            (&["connection: keep-alive", "keep-alive: 5", "proxy-connection: x"], &[]),
            (&["connection: te", "te: trailers"], &["te: trailers"]),
            (&["connection: te", "te: gzip"], &[]),
            (&["te: gzip"], &[]),
            (&["te: trailers"], &["te: trailers"]),
            (&["te: trailers, gzip"], &["te: trailers"]),
            (&["te: gzip, trailers;q=1"], &[]),
            (&["te: TRAILERS"], &[]),
            (&["te: gzip", "te: trailers"], &["te: trailers"]),
            (&["te:"], &["te: "]),
            (&["connection: connection"], &[]),
            (&["connection: a,b,c,d,e,f,g,h,i"], &[]),
            (&["connection: a b", "a: 1"], &["a: 1"]),
            (&["upgrade: websocket"], &[]),
            (&["connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: abc"], &[]),
            (&["connection: upgrade"], &[]),
            (&["upgrade: h2c", "connection: upgrade, close"], &[]),
            (&["http2-settings: q"], &["http2-settings: q"]),
            (&["trailer: x"], &["trailer: x"]),
            (&["proxy-authorization: a"], &["proxy-authorization: a"]),
        ] {
            let left = left.iter().map(ToString::to_string).collect();
            assert_eq!(sanitized(fields), (false, left), "{fields:?}");
        }
    }

    #[test]
    fn upgrades_keep_their_fields() {
        for value in ["websocket", "websocket, h2c"] {
            let upgrade = format!("upgrade: {value}");
            let left = vec!["connection: Upgrade".to_owned(), upgrade.clone()];
            assert_eq!(sanitized(&["connection: Upgrade", &upgrade]), (true, left));
        }
    }
}
