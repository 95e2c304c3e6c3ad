//! Keeps web pages away from the admin listener.
//!
//! Owns the checks of `Host` and `Origin`. A browser on a machine that reaches this listener runs pages of strangers.
//! Such a page must not be able to post here (cross-site request forgery), nor to read what is here by a name of its
//! own that it lets point at this address (DNS rebinding). Envoy has no such check; what it lets through beyond ours is
//! listed in `docs/differences_from_envoy.md`.
//!
//! `Host` must be an IP address, or a name that nobody can register in the public DNS: one word (`localhost`, a
//! container or service of the same network) or a name under a suffix that is reserved or private. `Origin`, which
//! browsers send with every post and every cross-origin read, must be the listener itself.

use std::net::{Ipv4Addr, Ipv6Addr};

use ferryman_codec::{HeaderBlock, KnownName};

/// Last words of names that are not in the public DNS: RFC 2606, 6761, 6762, 8375, 9476, ICANN's `internal`, and those
/// that cluster networks made up.
const PRIVATE_SUFFIXES: [&str; 9] =
    ["localhost", "local", "internal", "test", "invalid", "alt", "svc", "consul", "home.arpa"];

/// Without its port.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default()
}

fn is_private(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let under =
        |suffix: &&str| host.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    host.parse::<Ipv4Addr>().is_ok()
        || host.parse::<Ipv6Addr>().is_ok()
        || !host.contains('.')
        || PRIVATE_SUFFIXES.iter().any(under)
}

/// Whether the request may be answered.
///
/// # Errors
/// The text of a 403.
pub fn check(head: &HeaderBlock) -> Result<(), String> {
    let text = |name| head.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
    let authority = text(KnownName::Authority).unwrap_or_default();
    if !is_private(host_of(&authority)) {
        return Err(format!(
            "Host {authority} not allowed: admin is asked for by IP address, or by a name that is not in the public DNS.\n"
        ));
    }
    match text(KnownName::Origin) {
        None => Ok(()),
        Some(origin) if origin.split_once("://").is_some_and(|(_, host)| host == authority) => Ok(()),
        Some(origin) => Err(format!("Origin {origin} not allowed: admin answers no other site's pages.\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(host: &str, origin: Option<&str>) -> bool {
        let mut head = HeaderBlock::new();
        assert!(head.set(KnownName::Authority, host.as_bytes()));
        if let Some(origin) = origin {
            assert!(head.set(KnownName::Origin, origin.as_bytes()));
        }
        check(&head).is_ok()
    }

    #[test]
    fn names_of_the_public_dns_are_refused() {
        for host in [
            "127.0.0.1:9901",
            "10.1.2.3",
            "[::1]:9901",
            "localhost:9901",
            "LOCALHOST.",
            "envoy-admin:9901",
            "web.default.svc:9901",
            "web.default.svc.cluster.local",
            "host.docker.internal",
        ] {
            assert!(allowed(host, None), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.com:9901", "127.0.0.1.evil.com", "xlocal.com", "notlocal.dev"]
        {
            assert!(!allowed(host, None), "{host}");
        }
    }

    #[test]
    fn only_its_own_pages_may_post() {
        assert!(allowed("127.0.0.1:9901", Some("http://127.0.0.1:9901")));
        for origin in
            ["http://127.0.0.1:8080", "http://evil.example", "null", "http://127.0.0.1:9901.evil.com"]
        {
            assert!(!allowed("127.0.0.1:9901", Some(origin)), "{origin}");
        }
    }
}
