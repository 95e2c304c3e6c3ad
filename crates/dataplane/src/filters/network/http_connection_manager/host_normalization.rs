//! The host of a request, brought into the form that routes are written for.
//!
//! Owns: `strip_any_host_port`, `strip_matching_host_port`, `strip_trailing_host_dot`. Does not own: which hosts are
//! valid (codec), nor what a virtual host's domains match (`route::virtual_hosts`).
//! Follows Envoy's fields of these names in the HTTP connection manager.

use ferryman_codec::{HeaderBlock, KnownName};

use crate::decimal;
use crate::model::http_connection_manager::HttpConnectionManager;

/// Where the colon before the port stands; none when there is no port, as in `[::1]`.
#[inline]
#[must_use]
pub(crate) fn port_start(host: &[u8]) -> Option<usize> {
    let colon = memchr::memrchr(b':', host)?;
    match memchr::memrchr(b']', host) {
        Some(bracket) if bracket > colon => None,
        _ => Some(colon),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StripPort {
    Never,
    Any,
    Matching,
}

/// What is done to `:authority`.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostNormalization {
    strip_port: StripPort,
    strip_trailing_dot: bool,
}

impl HostNormalization {
    pub(super) fn compile(config: &HttpConnectionManager) -> Self {
        let strip_port = match (config.strip_any_host_port, config.strip_matching_host_port) {
            (true, _) => StripPort::Any,
            (false, true) => StripPort::Matching,
            (false, false) => StripPort::Never,
        };
        HostNormalization { strip_port, strip_trailing_dot: config.strip_trailing_host_dot }
    }

    /// Answers the port that was taken off.
    #[inline]
    pub(super) fn apply(self, request: &mut HeaderBlock, listener_port: Option<u16>) -> Option<u64> {
        if self.strip_trailing_dot {
            strip_trailing_dot(request);
        }
        if self.strip_port == StripPort::Never {
            return None;
        }
        let host = request.get(KnownName::Authority)?;
        let (name, port) = host.split_at_checked(port_start(host)?)?;
        let port = decimal::parse(port.get(1..)?).filter(|&port| port <= u64::from(u32::MAX))?;
        if self.strip_port == StripPort::Matching && listener_port.map(u64::from) != Some(port) {
            return None;
        }
        let name = name.to_vec();
        request.set(KnownName::Authority, &name).then_some(port)
    }
}

/// Takes off a dot at the end of the host or right before its port.
fn strip_trailing_dot(request: &mut HeaderBlock) {
    let Some(host) = request.get(KnownName::Authority) else { return };
    let Some(dot) = memchr::memrchr(b'.', host) else { return };
    let (name, rest) = (host.get(..dot).unwrap_or_default(), host.get(dot + 1..).unwrap_or_default());
    if rest.is_empty() || rest.first() == Some(&b':') {
        let stripped = [name, rest].concat();
        request.set(KnownName::Authority, &stripped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(strip_port: StripPort, strip_trailing_dot: bool, host: &str) -> String {
        let mut request = HeaderBlock::new();
        assert!(request.set(KnownName::Authority, host.as_bytes()));
        HostNormalization { strip_port, strip_trailing_dot }.apply(&mut request, Some(57863));
        String::from_utf8(request.get(KnownName::Authority).expect("host").to_vec()).expect("text")
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn ports_and_dots() {
        for (host, any, matching, dot) in [
            ("a.com", "a.com", "a.com", "a.com"),
            ("a.com:80", "a.com", "a.com:80", "a.com:80"),
            ("a.com:57863", "a.com", "a.com", "a.com:57863"),
            ("[::1]:80", "[::1]", "[::1]:80", "[::1]:80"),
            ("[::1]", "[::1]", "[::1]", "[::1]"),
            ("a.com:", "a.com:", "a.com:", "a.com:"),
            ("a.com.", "a.com.", "a.com.", "a.com"),
            ("a.com.:80", "a.com.", "a.com.:80", "a.com:80"),
            ("a.com..", "a.com..", "a.com..", "a.com."),
            (".", ".", ".", ""),
            ("1.2.3.4.", "1.2.3.4.", "1.2.3.4.", "1.2.3.4"),
        ] {
            assert_eq!(apply(StripPort::Any, false, host), any, "any {host}");
            assert_eq!(apply(StripPort::Matching, false, host), matching, "matching {host}");
            assert_eq!(apply(StripPort::Never, true, host), dot, "dot {host}");
        }
        assert_eq!(apply(StripPort::Any, true, "a.com.:80"), "a.com");
    }
}
