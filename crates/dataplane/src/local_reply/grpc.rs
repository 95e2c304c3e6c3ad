//! Local replies to gRPC calls: a status of gRPC in the head instead of a body.
//!
//! Owns: the form. Does not own: which status of gRPC one of HTTP stands for (`format/grpc_status.rs`).
//! Follows grpc/doc/PROTOCOL-HTTP2.md, section "Responses" (Trailers-Only) and its percent-encoding.

use std::borrow::Cow;

use ferryman_codec::{HeaderBlock, KnownName};

use crate::decimal::Decimal;
use crate::format::grpc_status;

use super::{LocalReply, set_status};

/// Gives a reply to a call the form that its client understands.
pub(super) fn translate(reply: &mut LocalReply<'_>, response: &mut HeaderBlock) {
    let status = reply.grpc_status.unwrap_or_else(|| grpc_status::from_http(reply.status));
    set_status(response, 200);
    response.remove(KnownName::ContentLength);
    response.set(KnownName::ContentType, b"application/grpc");
    response.set(KnownName::GrpcStatus, Decimal::new(status).as_bytes());
    if !reply.body.is_empty() {
        response.set(KnownName::GrpcMessage, &percent_encoded(&reply.body));
    }
    reply.status = 200;
    reply.body = Cow::Borrowed(b"");
}

/// As a value of `grpc-message`.
pub(crate) fn percent_encoded(text: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'%' | ..=0x1f | 0x7f.. => {
                let digit =
                    |nibble: u8| b"0123456789ABCDEF".get(usize::from(nibble)).copied().unwrap_or(b'0');
                encoded.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
            }
            _ => encoded.push(byte),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_get_a_status_of_grpc() {
        let mut reply =
            LocalReply { status: 503, body: Cow::Borrowed(b"50% f\xc3\xbcr\n"), ..LocalReply::default() };
        let mut response = HeaderBlock::new();
        translate(&mut reply, &mut response);
        assert_eq!((reply.status, reply.body.len()), (200, 0));
        assert_eq!(response.get(KnownName::GrpcStatus), Some(&b"14"[..]));
        assert_eq!(response.get(KnownName::GrpcMessage), Some(&b"50%25 f%C3%BCr%0A"[..]));
    }
}
