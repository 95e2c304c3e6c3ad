//! `envoy.filters.listener.http_inspector`: whether a client speaks HTTP in the clear, and which.
//!
//! Owns: the connection's application protocol by its first bytes, and the statistics. Does not own: reading requests
//! (`http_codec`). Follows Envoy's page "HTTP Inspector": a connection that was found to be TLS is let alone.

use std::sync::Arc;

use super::Verdict;
use crate::listener::CompileContext;
use crate::stats::{HttpInspectorStat, HttpInspectorStats, LocalScope, Scope};
use crate::stream_info::ConnectionInfo;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Within so many bytes the first line must end.
const LINE_MOST: usize = 64 * 1024;
const METHOD_MOST: usize = 32;

/// The filter, compiled.
#[derive(Debug)]
pub struct HttpInspector {
    stats: Scope<HttpInspectorStats>,
}

impl HttpInspector {
    /// Compiles the filter.
    #[must_use]
    pub fn compile(context: &CompileContext<'_>) -> Self {
        HttpInspector { stats: context.registry.http_inspector() }
    }
}

/// The filter on one worker.
#[derive(Debug)]
pub struct WorkerHttpInspector {
    stats: LocalScope<HttpInspectorStats>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Http10,
    Http11,
    Http2,
    Other,
    /// More bytes are needed.
    Unknown,
}

impl WorkerHttpInspector {
    /// The filter's part on `worker`.
    #[must_use]
    pub fn new(filter: &Arc<HttpInspector>, worker: usize) -> Self {
        WorkerHttpInspector { stats: filter.stats.local(worker) }
    }

    /// Looks at the first bytes. They stay in the socket.
    #[must_use]
    pub fn judge(&self, bytes: &[u8], info: &mut ConnectionInfo) -> Verdict {
        if !matches!(info.detected_transport_protocol, "" | "raw_buffer") {
            return Verdict::Continue { taken: 0 };
        }
        let (stat, protocol) = match spoken(bytes) {
            Spoken::Unknown => return Verdict::More((bytes.len() * 2).clamp(1, LINE_MOST)),
            Spoken::Http10 => (HttpInspectorStat::Http10Found, "http/1.0"),
            Spoken::Http11 => (HttpInspectorStat::Http11Found, "http/1.1"),
            Spoken::Http2 => (HttpInspectorStat::Http2Found, "h2c"),
            Spoken::Other => (HttpInspectorStat::HttpNotFound, ""),
        };
        self.stats.inc(stat);
        if !protocol.is_empty() {
            info.requested_application_protocols = vec![protocol.to_owned()];
        }
        Verdict::Continue { taken: 0 }
    }
}

fn spoken(bytes: &[u8]) -> Spoken {
    if bytes.starts_with(PREFACE) {
        return Spoken::Http2;
    }
    if PREFACE.starts_with(bytes) {
        return Spoken::Unknown;
    }
    let Some(end) = memchr::memchr2(b'\r', b'\n', bytes) else {
        let method = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'-').count();
        let may_be_a_line = method < METHOD_MOST && bytes.get(method).is_none_or(|byte| *byte == b' ');
        return if may_be_a_line && bytes.len() < LINE_MOST { Spoken::Unknown } else { Spoken::Other };
    };
    let line = bytes.get(..end).unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (method, _, version, more) = (words.next(), words.next(), words.next(), words.next());
    let is_method =
        method.is_some_and(|method| method.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-'));
    match version {
        Some(b"HTTP/1.1") if is_method && more.is_none() => Spoken::Http11,
        Some(b"HTTP/1.0") if is_method && more.is_none() => Spoken::Http10,
        _ => Spoken::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        for (bytes, expected) in [
            (&b"GET / HTTP/1.1\r\n"[..], Spoken::Http11),
            (b"GET / HTTP/1.0\n", Spoken::Http10),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Spoken::Http2),
            (b"PRI * HT", Spoken::Unknown),
            (b"", Spoken::Unknown),
            (b"GET / HT", Spoken::Unknown),
            (b"GET /\r\n", Spoken::Other),
            (b"\x16\x03\x01", Spoken::Other),
            (b"EHLO a\r\n", Spoken::Other),
        ] {
            assert_eq!(spoken(bytes), expected, "{bytes:?}");
        }
    }
}
