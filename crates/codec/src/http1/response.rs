//! Heads of responses.
//!
//! Owns: the status line and what the fields of a response head mean together. Does not own: the
//! body (`body.rs`), nor which request is answered (the caller says what kind it was).
//! Follows: RFC 9112 sections 4 and 6, RFC 9110 section 15.2.

use super::Http1Settings;
use super::chars;
use super::field_line::HeadLine;
use super::lines::Lines;
use super::number;
use crate::error::{Error, ErrorKind};
use crate::framing::{BodyFraming, FramingFields};
use crate::header_block::{HeaderBlock, KnownName};
use crate::message::{RequestKind, Version};

/// The size of the fields of a head that has none.
const NO_FIELDS_BYTES: usize = 3;

/// A whole response head; the fields are in the block that was passed to `decode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// How many bytes of the input the head was; the body follows.
    pub consumed: usize,
    /// The version of the status line.
    pub version: Version,
    /// 100 to 999.
    pub status: u16,
    /// How the body is delimited.
    pub framing: BodyFraming,
    /// Whether the connection may carry another response.
    pub keep_alive: bool,
    /// Whether the head itself says that the connection ends: `connection: close`, or HTTP/1.0 without `keep-alive`.
    pub announces_close: bool,
    /// The size of the fields: their names, their values, and three bytes for each; as in Envoy, three where there are none.
    pub field_bytes: usize,
    /// Whether this is a 1xx that another head follows (not 101).
    pub informational: bool,
    /// Whether what follows is another protocol: a 101, or a 2xx to CONNECT.
    pub upgrade: bool,
}

/// Reads the response heads of one upstream connection.
#[derive(Debug, Default)]
pub struct ResponseDecoder {
    lines: Lines,
    /// None until the status line has been read.
    line: Option<(Version, u16)>,
    fields: FramingFields,
    field_count: usize,
    field_bytes: usize,
}

impl ResponseDecoder {
    /// A decoder for a connection on which nothing has been received.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a head, under the same terms as `RequestDecoder::decode`. A head with `informational` is
    /// followed by another. The block gets `:status` and the fields in order; the reason is dropped, unless the settings
    /// say that it is kept.
    ///
    /// # Errors
    /// The rule that the head breaks. The connection cannot be read on.
    pub fn decode(
        &mut self,
        input: &[u8],
        settings: &Http1Settings,
        request_was: RequestKind,
        block: &mut HeaderBlock,
    ) -> Result<Option<ResponseHead>, Error> {
        let limit = settings.max_head_bytes;
        let (version, status) = match self.line {
            Some(line) => line,
            None => {
                block.clear();
                if let Some(others) = settings.preserve_case {
                    block.keep_spelling(others);
                }
                let Some(line) = self.lines.next(input, limit)? else { return Ok(None) };
                *self.line.insert(parse_status_line(line, settings.keep_reason_phrase, block)?)
            }
        };
        loop {
            match HeadLine::next(&mut self.lines, input, limit)? {
                HeadLine::Incomplete => return Ok(None),
                HeadLine::Line(b"\r\n") => break,
                next => self.field(next, settings, block)?,
            }
        }
        let head = self.head(version, status, request_was, block)?;
        *self = Self::default();
        Ok(Some(head))
    }

    #[inline]
    fn field(
        &mut self,
        next: HeadLine<'_>,
        settings: &Http1Settings,
        block: &mut HeaderBlock,
    ) -> Result<(), ErrorKind> {
        self.field_count += 1;
        if self.field_count > settings.max_headers_count {
            return Err(ErrorKind::TooManyHeaders);
        }
        let field = next.parse()?;
        self.field_bytes += field.size();
        match field.store(settings, block)? {
            Some(name) => self.fields.add(name, field.value),
            None => Ok(()),
        }
    }

    fn head(
        &self,
        version: Version,
        status: u16,
        request_was: RequestKind,
        block: &mut HeaderBlock,
    ) -> Result<ResponseHead, ErrorKind> {
        if status == 101 && request_was != RequestKind::Upgrade {
            return Err(ErrorKind::UnexpectedSwitch);
        }
        let framing = self.fields.of_response(version, status, request_was, block)?;
        self.fields.respell_content_length(block);
        let tunnel = request_was == RequestKind::Connect && (200..300).contains(&status);
        Ok(ResponseHead {
            consumed: self.lines.consumed(),
            version,
            status,
            framing,
            keep_alive: framing != BodyFraming::UntilClose && self.fields.keep_alive(version),
            announces_close: !self.fields.keep_alive(version),
            field_bytes: self.field_bytes.max(NO_FIELDS_BYTES),
            informational: status < 200 && status != 101,
            upgrade: tunnel || status == 101,
        })
    }
}

/// `version SP status [SP reason] CR LF`.
fn parse_status_line(
    line: &[u8],
    keep_reason: bool,
    block: &mut HeaderBlock,
) -> Result<(Version, u16), ErrorKind> {
    let line = line.strip_suffix(b"\r\n").ok_or(ErrorKind::BareLf)?;
    let (version, rest) = line.split_at_checked(8).ok_or(ErrorKind::InvalidStatusLine)?;
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => return Err(ErrorKind::InvalidVersion),
    };
    let rest = rest.strip_prefix(b" ").ok_or(ErrorKind::InvalidStatusLine)?;
    let (digits, reason) = rest.split_at_checked(3).ok_or(ErrorKind::InvalidStatus)?;
    let status = number::parse_decimal(digits).and_then(|status| u16::try_from(status).ok());
    let status = status.filter(|&status| status >= 100).ok_or(ErrorKind::InvalidStatus)?;
    match reason {
        [] | [b' ', ..] if chars::is_field_value(reason) => {}
        [b'0'..=b'9', ..] => return Err(ErrorKind::InvalidStatus),
        _ if reason.contains(&b'\r') => return Err(ErrorKind::BareCr),
        _ => return Err(ErrorKind::InvalidStatusLine),
    }
    if keep_reason {
        block.note_reason(reason.strip_prefix(b" ").unwrap_or_default());
    }
    if block.push(KnownName::Status, b"", digits) {
        Ok((version, status))
    } else {
        Err(ErrorKind::HeadersTooLarge)
    }
}
