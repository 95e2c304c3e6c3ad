//! Heads and trailers as header blocks.
//!
//! Owns: the pseudo-headers, and which fields of a `HeaderBlock` do not go into HTTP/2. Does not own: the frames around
//! them, nor which fields a proxy removes or adds.
//! Follows: RFC 9113 sections 8.2.2 and 8.3, RFC 8441 section 4.

use super::hpack::encoder::Encoder;
use crate::header_block::{HeaderBlock, KnownName};

/// Whether a request can be written; `Upgrade`: as extended CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestForm {
    Plain,
    Connect,
    Upgrade,
}

/// The form that a request has in HTTP/2; none when it lacks what it needs.
pub(crate) fn form_of(block: &HeaderBlock) -> Option<RequestForm> {
    let method = block.get(KnownName::Method)?;
    if method == b"CONNECT" {
        let has_authority = block.get(KnownName::Authority).is_some_and(|authority| !authority.is_empty());
        return has_authority.then_some(RequestForm::Connect);
    }
    let is_path = match block.get(KnownName::Path)? {
        [b'/', ..] => true,
        b"*" => method == b"OPTIONS",
        _ => false,
    };
    let form = if block.contains(KnownName::Upgrade) { RequestForm::Upgrade } else { RequestForm::Plain };
    is_path.then_some(form)
}

/// Appends a request's fields.
pub(crate) fn request(encoder: &mut Encoder, block: &HeaderBlock, form: RequestForm, out: &mut Vec<u8>) {
    encoder.begin(out);
    let mut pseudo = |name: KnownName, value: &[u8]| {
        encoder.field(name, name.as_str().as_bytes(), value, false, out);
    };
    let method =
        if form == RequestForm::Upgrade { Some(&b"CONNECT"[..]) } else { block.get(KnownName::Method) };
    pseudo(KnownName::Method, method.unwrap_or_default());
    let authority = block.get(KnownName::Authority);
    if let Some(authority) = authority {
        pseudo(KnownName::Authority, authority);
    }
    if form != RequestForm::Connect {
        pseudo(KnownName::Scheme, block.get(KnownName::Scheme).unwrap_or(b"http"));
        pseudo(KnownName::Path, block.get(KnownName::Path).unwrap_or_default());
    }
    if form == RequestForm::Upgrade {
        pseudo(KnownName::Protocol, block.get(KnownName::Upgrade).unwrap_or_default());
    }
    fields(encoder, block, authority.is_some(), form == RequestForm::Connect, out);
}

/// Appends a response's fields. `tunnel`: what follows is another protocol; a 101 goes out as 200.
pub(crate) fn response(encoder: &mut Encoder, block: &HeaderBlock, tunnel: bool, out: &mut Vec<u8>) {
    encoder.begin(out);
    let status = match block.get(KnownName::Status).unwrap_or_default() {
        b"101" => b"200",
        status => status,
    };
    encoder.field(KnownName::Status, b":status", status, false, out);
    fields(encoder, block, false, tunnel, out);
}

/// Appends the fields of trailers.
pub(crate) fn trailers(encoder: &mut Encoder, block: &HeaderBlock, out: &mut Vec<u8>) {
    encoder.begin(out);
    fields(encoder, block, true, true, out);
}

fn fields(encoder: &mut Encoder, block: &HeaderBlock, skip_host: bool, skip_length: bool, out: &mut Vec<u8>) {
    for (id, name, value) in block.iter_known() {
        let is_skipped = match id {
            KnownName::Connection
            | KnownName::KeepAlive
            | KnownName::ProxyConnection
            | KnownName::TransferEncoding
            | KnownName::Upgrade
            | KnownName::Http2Settings => true,
            KnownName::Host => skip_host,
            KnownName::ContentLength => skip_length,
            KnownName::Te => !value.eq_ignore_ascii_case(b"trailers"),
            _ => false,
        };
        if !is_skipped {
            encoder.field(id, name, value, block.is_never_indexed(id), out);
        }
    }
}
