//! Heads of requests.
//!
//! Owns: the request line and what the fields of a request head mean together. Does not own: the
//! body (`body.rs`) and the fields' grammar (`field_line.rs`).
//! Follows: RFC 9112 sections 3 and 6, RFC 9110 sections 7.2 and 10.1.1.

use super::field_line::HeadLine;
use super::lines::Lines;
use super::target::{self, TargetForm};
use super::{Http1Settings, chars};
use crate::error::{Error, ErrorKind};
use crate::framing::{BodyFraming, FramingFields};
use crate::header_block::{HeaderBlock, KnownName};
use crate::message::{RequestKind, Version};

/// A whole request head; the fields are in the block that was passed to `decode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// How many bytes of the input the head was; the body follows.
    pub consumed: usize,
    /// The version of the request line.
    pub version: Version,
    /// How the body is delimited.
    pub framing: BodyFraming,
    /// Whether the connection may carry another request.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// Whether the client asks for another protocol (`connection: upgrade` with `upgrade`).
    pub upgrade: bool,
    /// Whether the target was a whole URL: `:authority` and `:scheme` are from it.
    pub absolute_form: bool,
    /// The size of the fields: their names, their values, and three bytes for each.
    pub field_bytes: usize,
    /// How many fields were dropped for an underscore in their names.
    pub dropped_fields: usize,
    /// What the request means for the response, to be passed to `ResponseDecoder::decode`.
    pub kind: RequestKind,
}

/// Reads the request heads of one downstream connection.
#[derive(Debug, Default)]
pub struct RequestDecoder {
    lines: Lines,
    /// None until the request line has been read.
    line: Option<RequestLine>,
    fields: FramingFields,
    field_count: usize,
    field_bytes: usize,
    dropped_fields: usize,
    empty_lines: usize,
}

#[derive(Clone, Copy, Debug)]
struct RequestLine {
    version: Version,
    form: TargetForm,
    kind: RequestKind,
    /// Whether the target has a fragment. That is told once the head is whole, as Envoy does.
    fragment: bool,
}

/// How many empty lines before a request line are passed over.
const MAX_EMPTY_LINES: usize = 16;

/// Whether the method is one that Envoy takes; the frequent ones come first.
fn is_method(method: &[u8]) -> bool {
    #[rustfmt::skip]
    let known = matches!(
        method,
        b"GET" | b"POST" | b"PUT" | b"HEAD" | b"DELETE" | b"OPTIONS" | b"PATCH" | b"CONNECT" | b"TRACE"
            | b"ACL" | b"BIND" | b"CHECKOUT" | b"COPY" | b"LINK" | b"LOCK" | b"MERGE" | b"MKACTIVITY"
            | b"MKCALENDAR" | b"MKCOL" | b"MOVE" | b"MSEARCH" | b"NOTIFY" | b"PROPFIND" | b"PROPPATCH"
            | b"PURGE" | b"QUERY" | b"REBIND" | b"REPORT" | b"SEARCH" | b"SOURCE" | b"SUBSCRIBE"
            | b"UNBIND" | b"UNLINK" | b"UNLOCK" | b"UNSUBSCRIBE"
    );
    known
}

impl RequestDecoder {
    /// A decoder for a connection on which nothing has been received.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a head from the bytes received, which begin where the former message ended. None means
    /// that more bytes are needed; then the next call gets the same bytes again with more behind them,
    /// the same settings, and the same block, untouched. Each byte is looked at once. A head that is
    /// whole leaves the decoder ready for the next message.
    ///
    /// The block gets `:method`, `:path` (none for CONNECT), `:authority` (from the URL, else from the
    /// host field, which is not kept) and `:scheme` (from a URL only), and the other fields in order.
    ///
    /// # Errors
    /// The rule that the head breaks. The connection cannot be read on. What was read before the
    /// error is in the block, for the access log.
    pub fn decode(
        &mut self,
        input: &[u8],
        settings: &Http1Settings,
        block: &mut HeaderBlock,
    ) -> Result<Option<RequestHead>, Error> {
        let line = match self.line {
            Some(line) => line,
            None => match self.request_line(input, settings, block)? {
                Some(line) => line,
                None => return Ok(None),
            },
        };
        loop {
            match HeadLine::next(&mut self.lines, input, settings.max_head_bytes)? {
                HeadLine::Incomplete => return Ok(None),
                HeadLine::Line(b"\r\n") => break,
                next => self.field(next, line, settings, block)?,
            }
        }
        let head = self.head(line, settings, block)?;
        *self = Self::default();
        Ok(Some(head))
    }

    fn request_line(
        &mut self,
        input: &[u8],
        settings: &Http1Settings,
        block: &mut HeaderBlock,
    ) -> Result<Option<RequestLine>, ErrorKind> {
        block.clear();
        if let Some(others) = settings.preserve_case {
            block.keep_spelling(others);
        }
        loop {
            check_first_byte(input.get(self.lines.consumed()), settings)?;
            let Some(line) = self.lines.next(input, settings.max_head_bytes)? else { return Ok(None) };
            if line != b"\r\n" {
                let line = parse_request_line(line, settings, block)?;
                self.line = Some(line);
                return Ok(Some(line));
            }
            self.empty_lines += 1;
            if self.empty_lines > MAX_EMPTY_LINES {
                return Err(ErrorKind::TooManyEmptyLines);
            }
        }
    }

    #[inline]
    fn field(
        &mut self,
        next: HeadLine<'_>,
        request_line: RequestLine,
        settings: &Http1Settings,
        block: &mut HeaderBlock,
    ) -> Result<(), ErrorKind> {
        self.field_count += 1;
        if self.field_count > settings.max_headers_count {
            return Err(ErrorKind::TooManyHeaders);
        }
        let field = next.parse()?;
        self.field_bytes += field.size();
        if field.name().eq_ignore_ascii_case(b"host") {
            if settings.preserve_case.is_some() {
                block.note_spelling(field.name());
            }
            return self.host(field.value, request_line, block);
        }
        match field.store(settings, block)? {
            Some(name) => self.fields.add(name, field.value),
            None => {
                self.dropped_fields += 1;
                Ok(())
            }
        }
    }

    /// The host field becomes `:authority`, unless the target has named it. It comes once.
    fn host(&mut self, value: &[u8], line: RequestLine, block: &mut HeaderBlock) -> Result<(), ErrorKind> {
        if self.fields.host {
            return Err(ErrorKind::DuplicateHost);
        }
        self.fields.host = true;
        if !chars::is_host(value) {
            return Err(ErrorKind::InvalidHost);
        }
        if line.form == TargetForm::Origin && !block.push(KnownName::Authority, b"", value) {
            return Err(ErrorKind::HeadersTooLarge);
        }
        Ok(())
    }

    fn head(
        &self,
        line: RequestLine,
        settings: &Http1Settings,
        block: &mut HeaderBlock,
    ) -> Result<RequestHead, ErrorKind> {
        let framing = self.fields.of_request(line.version, line.kind, block)?;
        if line.version == Version::Http11 && !block.contains(KnownName::Authority) {
            return Err(ErrorKind::MissingHost);
        }
        if line.fragment {
            return Err(ErrorKind::FragmentInTarget);
        }
        self.fields.respell_content_length(block);
        let upgrade = self.fields.take_upgrade(line.version, line.kind, block);
        if !upgrade && block.contains(KnownName::Connection) {
            block.remove_connection_options()?;
        }
        Ok(RequestHead {
            consumed: self.lines.consumed(),
            version: line.version,
            framing,
            keep_alive: self.fields.keep_alive(line.version),
            expect_continue: self.fields.expect_continue && line.version == Version::Http11,
            upgrade,
            field_bytes: self.field_bytes,
            dropped_fields: self.dropped_fields,
            absolute_form: line.form == TargetForm::Absolute && settings.allow_absolute_url,
            kind: if upgrade { RequestKind::Upgrade } else { line.kind },
        })
    }
}

/// Refuses, before the line has ended, what no method begins with (TLS on a plain port).
fn check_first_byte(byte: Option<&u8>, settings: &Http1Settings) -> Result<(), ErrorKind> {
    match byte {
        None | Some(b'\r' | b'\n' | b'A'..=b'Z') => Ok(()),
        Some(&byte) if settings.allow_custom_methods && chars::is_token(&[byte]) => Ok(()),
        Some(_) => Err(ErrorKind::InvalidMethod),
    }
}

/// `method SP target SP version CR LF`.
fn parse_request_line(
    line: &[u8],
    settings: &Http1Settings,
    block: &mut HeaderBlock,
) -> Result<RequestLine, ErrorKind> {
    let line = line.strip_suffix(b"\r\n").ok_or(ErrorKind::BareLf)?;
    if line.first() == Some(&b'\r') {
        return Err(ErrorKind::BareCr);
    }
    let after_method = line.iter().position(|&byte| byte == b' ').ok_or(ErrorKind::InvalidRequestLine)?;
    let (method, rest) = line.split_at_checked(after_method).ok_or(ErrorKind::InvalidRequestLine)?;
    let is_allowed = is_method(method) || (settings.allow_custom_methods && chars::is_token(method));
    if !is_allowed {
        return Err(ErrorKind::InvalidMethod);
    }
    let rest = rest.get(1..).unwrap_or_default();
    let after_target = match rest.strip_suffix(b" HTTP/1.1") {
        Some(target) => Some(target.len()),
        None => memchr::memrchr(b' ', rest),
    };
    let Some(after_target) = after_target else {
        return Err(if chars::is_target(rest) {
            ErrorKind::LowVersion
        } else {
            ErrorKind::InvalidRequestLine
        });
    };
    let (target, version) = rest.split_at_checked(after_target).ok_or(ErrorKind::InvalidRequestLine)?;
    let version = parse_version(version.get(1..).unwrap_or_default(), settings.accept_http_10)?;
    if !block.push(KnownName::Method, b"", method) {
        return Err(ErrorKind::HeadersTooLarge);
    }
    let kind = RequestKind::of(method);
    match target::store(method, target, settings.allow_absolute_url, block) {
        Ok(form) => Ok(RequestLine { version, form, kind, fragment: false }),
        Err(ErrorKind::FragmentInTarget) if target.starts_with(b"/") => {
            if block.push(KnownName::Path, b"", target) {
                Ok(RequestLine { version, form: TargetForm::Origin, kind, fragment: true })
            } else {
                Err(ErrorKind::HeadersTooLarge)
            }
        }
        Err(kind) => Err(kind),
    }
}

fn parse_version(version: &[u8], accept_http_10: bool) -> Result<Version, ErrorKind> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" if accept_http_10 => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(ErrorKind::LowVersion),
        [] => Err(ErrorKind::LowVersion),
        _ if version.contains(&b'\r') => Err(ErrorKind::BareCr),
        _ => Err(ErrorKind::InvalidVersion),
    }
}
