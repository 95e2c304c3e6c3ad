//! Heads, chunks and trailers as bytes.
//!
//! Owns: the first line, where the host goes, and that exactly one framing field is written.
//! Does not own: which fields a proxy removes or adds.
//! Follows: RFC 9112 sections 3, 4, 6 and 7.1. The host comes first, transfer-encoding last, as
//! Envoy writes them.

use super::{number, reason};
use crate::error::{Error, ErrorKind};
use crate::framing::BodyFraming;
use crate::header_block::{HeaderBlock, KnownName};
use crate::message::Version;

/// What follows a chunk's data.
pub const CHUNK_END: &[u8] = b"\r\n";

/// Appends a request head: the request line from `:method` and `:path` (for CONNECT `:authority`),
/// `host` from `:authority`, the fields in order, and the framing field if there is none that fits.
///
/// A `transfer-encoding`, `host` or `content-length` in the block that contradicts is left out.
///
/// # Errors
/// `UnwritableHead` when there is no method, target or host, or the path does not begin with `/` (`*` may
/// stand with OPTIONS); then nothing is appended.
pub fn encode_request_head(
    block: &HeaderBlock,
    framing: BodyFraming,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    encode_request(block, framing, false, out)
}

/// The same with a whole URL in the place of a path: `:scheme`, else `http`, and the authority (RFC 9112 section 3.2.2).
///
/// # Errors
/// As `encode_request_head`.
pub fn encode_request_head_in_full(
    block: &HeaderBlock,
    framing: BodyFraming,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    encode_request(block, framing, true, out)
}

fn encode_request(
    block: &HeaderBlock,
    framing: BodyFraming,
    in_full: bool,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let authority = block.get(KnownName::Authority);
    let method = block.get(KnownName::Method).ok_or(ErrorKind::UnwritableHead)?;
    let target = match (method, block.get(KnownName::Path)) {
        (b"CONNECT", _) => authority.filter(|authority| !authority.is_empty()),
        (b"OPTIONS", Some(b"*")) => Some(&b"*"[..]),
        (_, path) => path.filter(|path| path.first() == Some(&b'/')),
    };
    let target = target.ok_or(ErrorKind::UnwritableHead)?;
    if authority.is_none() && !block.contains(KnownName::Host) {
        return Err(ErrorKind::UnwritableHead.into());
    }
    out.extend_from_slice(method);
    out.push(b' ');
    if let (true, [b'/', ..], Some(authority)) = (in_full, target, authority) {
        out.extend_from_slice(block.get(KnownName::Scheme).unwrap_or(b"http"));
        out.extend_from_slice(b"://");
        out.extend_from_slice(authority);
    }
    out.extend_from_slice(target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if let Some(authority) = authority {
        out.extend_from_slice(b"host: ");
        out.extend_from_slice(authority);
        out.extend_from_slice(b"\r\n");
    }
    let no_body_length = if framing == BodyFraming::None { Kept::Zero } else { Kept::Exact };
    encode_fields(block, framing, no_body_length, authority.is_some(), out);
    Ok(())
}

/// Appends a response head: the status line with the reason that the block keeps, else the standard one, the fields in order, and the
/// framing field if there is none that fits. With `BodyFraming::None` a `content-length` stays (the
/// answer to HEAD has one). A 1xx or 204 gets no framing field whatever `framing` says. An HTTP/1.0
/// client understands no chunks: the caller frames its body by length or until close.
///
/// # Errors
/// `UnwritableHead` when there is no `:status`; then nothing is appended.
pub fn encode_response_head(
    block: &HeaderBlock,
    framing: BodyFraming,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let digits = block.get(KnownName::Status).ok_or(ErrorKind::UnwritableHead)?;
    let status = digits.iter().fold(0u16, |sum, &digit| sum * 10 + u16::from(digit.wrapping_sub(b'0')));
    out.extend_from_slice(version.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(digits);
    out.push(b' ');
    out.extend_from_slice(block.reason().unwrap_or_else(|| reason::phrase(status).as_bytes()));
    out.extend_from_slice(b"\r\n");
    let bodiless = status < 200 || status == 204;
    let framing = if bodiless { BodyFraming::None } else { framing };
    let kept = match framing {
        _ if bodiless => Kept::Nothing,
        BodyFraming::None => Kept::Any,
        _ => Kept::Exact,
    };
    encode_fields(block, framing, kept, false, out);
    Ok(())
}

/// Which `content-length` of the block is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// That of the framing.
    Exact,
    /// Any that is a number.
    Any,
    /// 0.
    Zero,
    /// None.
    Nothing,
}

fn encode_fields(block: &HeaderBlock, framing: BodyFraming, kept: Kept, skip_host: bool, out: &mut Vec<u8>) {
    let keeps_length = block.contains(KnownName::ContentLength) && fits(block, framing, kept);
    let drops_length = block.contains(KnownName::ContentLength) && !keeps_length;
    if drops_length
        || block.contains(KnownName::TransferEncoding)
        || (skip_host && block.contains(KnownName::Host))
    {
        block.write_lines(out, |name, _| match name {
            KnownName::ContentLength => drops_length,
            KnownName::TransferEncoding => true,
            KnownName::Host => skip_host,
            _ => false,
        });
    } else {
        block.write_lines(out, |_, _| false);
    }
    match framing {
        BodyFraming::Length(length) if !keeps_length => {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(number::format(length, 10, &mut number::Buffer::default()));
            out.extend_from_slice(b"\r\n");
        }
        BodyFraming::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        _ => {}
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether the block has one `content-length`, in its one spelling, that may be written.
fn fits(block: &HeaderBlock, framing: BodyFraming, kept: Kept) -> bool {
    let mut values = block.get_all_known(KnownName::ContentLength);
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Some(length) = number::parse_decimal(value) else { return false };
    if value.len() > 1 && value.first() == Some(&b'0') {
        return false;
    }
    match kept {
        Kept::Exact => framing == BodyFraming::Length(length),
        Kept::Any => true,
        Kept::Zero => length == 0,
        Kept::Nothing => false,
    }
}

/// Appends a chunk's first line. The length must not be 0: that would end the body.
pub fn encode_chunk_start(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(number::format(length, 16, &mut number::Buffer::default()));
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk, the trailers, and the end of the message.
pub fn encode_last_chunk(trailers: Option<&HeaderBlock>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    if let Some(trailers) = trailers {
        trailers.write_lines(out, |name, _| {
            matches!(name, KnownName::ContentLength | KnownName::TransferEncoding | KnownName::Host)
        });
    }
    out.extend_from_slice(b"\r\n");
}
