//! Words that every HTTP version's messages share.
//!
//! Owns: versions, and what a request's kind means for its response. Does not own: framing.
//! Follows: RFC 9110 sections 2.5 and 9.

/// A version of HTTP that is spoken. In HTTP/1 all others are errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0; from downstream only when the settings allow it.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

impl Version {
    /// As it stands in a request line or status line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2",
        }
    }
}

/// What a response's reader must know of the request (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum RequestKind {
    /// HEAD: the response has no body, whatever its fields say.
    Head,
    /// CONNECT: a response 2xx begins a tunnel.
    Connect,
    /// A request that asked for another protocol: 101 is an answer to it.
    Upgrade,
    /// Any other request.
    #[default]
    Other,
}

impl RequestKind {
    /// The kind of a method; never `Upgrade`, which is not the method's to say.
    #[must_use]
    pub fn of(method: &[u8]) -> RequestKind {
        match method {
            b"HEAD" => RequestKind::Head,
            b"CONNECT" => RequestKind::Connect,
            _ => RequestKind::Other,
        }
    }
}
