//! `connection` and what it says about other fields: hop-by-hop headers of requests.
//!
//! Owns: the removal of fields that `connection` nominates and of `connection` itself, `te`, `upgrade`, `keep-alive`,
//! `proxy-connection`, `transfer-encoding`. Does not own: whether the connection stays open, which the codec has read
//! from the same fields.
//! Follows: RFC 9110 section 7.6.1, in the dialect of Envoy.

use ferryman_codec::{HeaderBlock, KnownName};

/// From so many nominated fields on, a request is refused.
const MAX_NOMINATED: usize = 10;
/// From so many bytes on, a nominated `te` is refused.
const MAX_TE_LENGTH: usize = 256;

/// Why a request is refused on account of its `connection` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nomination {
    /// It nominates a field that must stay, or too many.
    Rejected,
    /// It nominates the host.
    Host,
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').filter(|token| !token.is_empty()).map(<[u8]>::trim_ascii)
}

fn has_token(value: Option<&[u8]>, token: &[u8]) -> bool {
    value.is_some_and(|value| tokens(value).any(|found| found.eq_ignore_ascii_case(token)))
}

/// Whether a head asks for, or grants, another protocol.
#[inline]
#[must_use]
pub(super) fn is_upgrade(head: &HeaderBlock) -> bool {
    head.contains(KnownName::Upgrade) && has_token(head.get(KnownName::Connection), b"upgrade")
}

/// Removes the hop-by-hop fields. Answers whether the request is for an upgrade; its `connection` and `upgrade` stay.
#[inline]
pub(super) fn sanitize(request: &mut HeaderBlock) -> Result<bool, Nomination> {
    if let Some(value) = request.get(KnownName::Connection) {
        let nominates_nothing =
            value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close");
        if !nominates_nothing {
            remove_nominated(request)?;
        }
    }
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
    Ok(upgrade)
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

fn remove_nominated(request: &mut HeaderBlock) -> Result<(), Nomination> {
    let value = request.get(KnownName::Connection).unwrap_or_default().to_ascii_lowercase();
    if tokens(&value).count() >= MAX_NOMINATED {
        return Err(Nomination::Rejected);
    }
    for token in tokens(&value) {
        match KnownName::of(token) {
            KnownName::XForwardedFor | KnownName::XForwardedHost | KnownName::XForwardedProto => {
                return Err(Nomination::Rejected);
            }
            KnownName::Host => return Err(Nomination::Host),
            // Framing is the codec's; the next hop gets its own in any case.
            KnownName::Connection
            | KnownName::Http2Settings
            | KnownName::KeepAlive
            | KnownName::Upgrade
            | KnownName::ContentLength
            | KnownName::TransferEncoding => {}
            KnownName::Te => remove_nominated_te(request)?,
            KnownName::Other if token.starts_with(b":") => return Err(Nomination::Rejected),
            known if known.is_pseudo() => return Err(Nomination::Rejected),
            KnownName::Other if token == b"close" => {}
            KnownName::Other => {
                request.remove_bytes(token);
            }
            known => {
                request.remove(known);
            }
        }
    }
    Ok(())
}

fn remove_nominated_te(request: &mut HeaderBlock) -> Result<(), Nomination> {
    let Some(te) = request.get(KnownName::Te) else { return Ok(()) };
    if te.len() >= MAX_TE_LENGTH {
        return Err(Nomination::Rejected);
    }
    if tokens(te).any(|token| token.eq_ignore_ascii_case(b"trailers")) {
        request.set(KnownName::Te, b"trailers");
    } else {
        request.remove(KnownName::Te);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferryman_codec::HeaderName;

    fn sanitized(fields: &[&str]) -> Result<(bool, Vec<String>), Nomination> {
        let mut request = HeaderBlock::new();
        for field in fields {
            let (name, value) = field.split_once(':').expect("field");
            assert!(request.append_name(&HeaderName::new(name.as_bytes()).expect("name"), value.as_bytes()));
        }
        crate::repeated_headers::Side::Request.join_repeated(&mut request);
        let upgrade = sanitize(&mut request)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((upgrade, request.iter().map(|(name, value)| text(name) + ": " + &text(value)).collect()))
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn removed_and_kept() {
        let long = "te: ".to_owned() + &"a".repeat(255);
        for (fields, left) in [
            (&["connection: close"][..], &[][..]),
            (&["connection: keep-alive", "keep-alive: 5", "proxy-connection: x"], &[]),
            (&["connection: x-a, keep-alive", "x-a: 1"], &[]),
            (&["connection: X-A", "x-a: 1", "x-a: 2"], &[]),
            (&["connection: te", "te: trailers"], &["te: trailers"]),
            (&["connection: te", "te: gzip"], &[]),
            (&["connection: te", &long], &[]),
            (&["te: gzip"], &[]),
            (&["te: trailers"], &["te: trailers"]),
            (&["te: trailers, gzip"], &["te: trailers"]),
            (&["te: gzip, trailers;q=1"], &[]),
            (&["te: TRAILERS"], &[]),
            (&["te: gzip", "te: trailers"], &["te: trailers"]),
            (&["te:"], &["te: "]),
            (&["connection: connection"], &[]),
            (&["connection: cookie", "cookie: a"], &[]),
            (&["connection: a,b,c,d,e,f,g,h,i"], &[]),
            (&["connection: ,,a,,", "a: 1"], &[]),
            (&["connection: a b", "a: 1"], &["a: 1"]),
            (&["connection: close", "connection: x-b", "x-b: 1"], &[]),
            (&["upgrade: websocket"], &[]),
            (&["connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: abc"], &[]),
            (&["connection: upgrade"], &[]),
            (&["upgrade: h2c", "connection: upgrade, close"], &[]),
            (&["http2-settings: q"], &["http2-settings: q"]),
            (&["connection: trailer", "trailer: x"], &[]),
            (&["trailer: x"], &["trailer: x"]),
            (&["proxy-authorization: a"], &["proxy-authorization: a"]),
        ] {
            let left = left.iter().map(ToString::to_string).collect();
            assert_eq!(sanitized(fields), Ok((false, left)), "{fields:?}");
        }
    }

    #[test]
    fn refused() {
        let long = "te: ".to_owned() + &"a".repeat(256);
        for fields in [
            &["connection: x-forwarded-for", "x-forwarded-for: 1.1.1.1"][..],
            &["connection: x-forwarded-host"],
            &["connection: x-forwarded-proto"],
            &["connection: :path"],
            &["connection: :foo"],
            &["connection: a,b,c,d,e,f,g,h,i,j"],
            &["connection: te", &long],
        ] {
            assert_eq!(sanitized(fields), Err(Nomination::Rejected), "{fields:?}");
        }
        assert_eq!(sanitized(&["connection: host"]), Err(Nomination::Host));
    }

    #[test]
    fn upgrades_keep_their_fields() {
        for value in ["websocket", "websocket, h2c"] {
            let upgrade = format!("upgrade: {value}");
            let left = vec!["connection: Upgrade".to_owned(), upgrade.clone()];
            assert_eq!(sanitized(&["connection: Upgrade", &upgrade]), Ok((true, left)));
        }
    }
}
