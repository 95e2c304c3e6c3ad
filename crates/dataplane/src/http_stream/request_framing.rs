//! How a request is framed towards the upstream.
//!
//! Owns: the length that is told where filters held the body, and of requests without one. Does not own: bodies that filters
//! transform (`transformed_body`). Follows: RFC 9112 section 6.3.

use ferryman_codec::{BodyFraming, HeaderBlock, KnownName};

/// How the request is framed upstream. Only a body that filters hold whole may have another length than it came with.
pub(super) fn request_framing(
    request: &HeaderBlock,
    came: BodyFraming,
    held: usize,
    is_whole: bool,
) -> BodyFraming {
    match came {
        // A body that came with a length and is not in the socket any more is the one that is held, also if a filter
        // emptied it.
        BodyFraming::Length(_) if is_whole => BodyFraming::Length(u64::try_from(held).unwrap_or(u64::MAX)),
        // A filter that holds all of it may say its length.
        BodyFraming::Chunked if is_whole && request.contains(KnownName::ContentLength) => {
            BodyFraming::Length(u64::try_from(held).unwrap_or(u64::MAX))
        }
        BodyFraming::None if held > 0 => BodyFraming::Length(u64::try_from(held).unwrap_or(u64::MAX)),
        BodyFraming::None => match request.get(KnownName::Method) {
            Some(b"GET" | b"HEAD" | b"DELETE" | b"TRACE" | b"CONNECT") => came,
            // As Envoy does, a request whose method may have a body says that it has none.
            _ => BodyFraming::Length(0),
        },
        came => came,
    }
}
