//! What a header block must hold to be a head, or trailers.
//!
//! Owns: the judgement of each field as it is decoded, its way into a `HeaderBlock`, and what the fields mean together.
//! Does not own: frames, nor what follows from a malformed message.
//! Follows: RFC 9113 sections 8.2 and 8.3, RFC 8441 section 4; Envoy for the limits and for how extended CONNECT looks
//! inside: as HTTP/1.1's upgrade.

use super::error::Http2ErrorKind;
use super::hpack::decoder::Field;
use super::settings::Http2Settings;
use crate::framing::BodyFraming;
use crate::header_block::{HeaderBlock, KnownName};
use crate::http1::{UnderscoresAction, chars, number};
use crate::message::RequestKind;

/// A whole request head; the fields are in the block that was passed to `receive`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2RequestHead {
    /// `None`: the stream has ended. `Chunked`: data follows, of unknown length.
    pub framing: BodyFraming,
    /// What the request means for the response.
    pub kind: RequestKind,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// Whether the client asks for another protocol by extended CONNECT; in the block it is a GET with `upgrade`.
    pub upgrade: bool,
    /// Whether the path has a fragment; the connection manager answers such a request.
    pub fragment: bool,
    /// The size of all names and values.
    pub field_bytes: usize,
    /// How many fields were dropped for an underscore in their names.
    pub dropped_fields: u32,
}

/// A whole response head; the fields are in the block that was passed to `receive`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2ResponseHead {
    /// 100 to 999.
    pub status: u16,
    /// As in a request's head.
    pub framing: BodyFraming,
    /// Whether this is a 1xx that another head follows.
    pub informational: bool,
    /// Whether what follows is another protocol: a 2xx to CONNECT, a 200 to extended CONNECT. The latter is a 101 here.
    pub upgrade: bool,
    /// The size of all names and values.
    pub field_bytes: usize,
}

/// What a header block is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadOf {
    Request,
    Response,
    Trailers,
}

/// Takes the fields of one header block.
#[derive(Debug)]
pub(crate) struct HeadReader<'a> {
    pub(crate) block: &'a mut HeaderBlock,
    pub(crate) settings: &'a Http2Settings,
    pub(crate) of: HeadOf,
    /// Where the crumbs of a cookie are joined.
    pub(crate) cookie: &'a mut Vec<u8>,
    pub(crate) facts: HeadFacts,
}

/// What has been seen of a head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeadFacts {
    /// The first rule that was broken. What follows is decoded, and not kept.
    pub(crate) fault: Option<Http2ErrorKind>,
    pub(crate) content_length: Option<u64>,
    pub(crate) dropped_fields: u32,
    pub(crate) field_bytes: usize,
    count: usize,
    crumbs: usize,
    has_regular: bool,
    has_host: bool,
    expect_continue: bool,
    fragment: bool,
}

impl HeadReader<'_> {
    /// Takes a field.
    #[inline]
    pub(crate) fn field(&mut self, field: &Field<'_>) {
        if self.facts.fault.is_some() {
            return;
        }
        if let Err(fault) = self.add(field) {
            self.facts.fault = Some(fault);
        }
    }

    #[inline]
    fn add(&mut self, field: &Field<'_>) -> Result<(), Http2ErrorKind> {
        self.facts.count += 1;
        self.facts.field_bytes += field.name.len() + field.value.len();
        if self.facts.field_bytes > self.settings.max_header_bytes {
            return Err(Http2ErrorKind::HeadersTooLarge);
        }
        if self.facts.count > self.settings.max_headers_count {
            return Err(Http2ErrorKind::TooManyHeaders);
        }
        if field.name.first() == Some(&b':') {
            return self.pseudo(field);
        }
        self.facts.has_regular = true;
        if !field.sound {
            return self.unsound(field);
        }
        self.regular(field)
    }

    /// Blanks around a value are dropped, as in HTTP/1.1 and by Envoy; whatever else is not sound is malformed.
    #[cold]
    fn unsound(&mut self, field: &Field<'_>) -> Result<(), Http2ErrorKind> {
        let is_name = !field.name.is_empty()
            && field.name.iter().all(|&byte| byte != 0 && chars::lower_token(byte) == byte);
        let value = chars::trim(field.value);
        if !is_name {
            return Err(Http2ErrorKind::InvalidName);
        }
        if !chars::is_field_value(value) {
            return Err(Http2ErrorKind::InvalidValue);
        }
        self.regular(&Field { value, line: b"", ..*field })
    }

    #[inline]
    fn regular(&mut self, field: &Field<'_>) -> Result<(), Http2ErrorKind> {
        if field.never_indexed {
            self.block.mark_never_indexed(field.id);
        }
        if field.id == KnownName::Other && field.name.contains(&b'_') {
            return self.underscored(field);
        }
        match field.id {
            KnownName::ContentLength => return self.content_length(field.value),
            KnownName::Host => return self.host(field.value),
            KnownName::Cookie => return self.crumb(field.value),
            KnownName::Te if !field.value.eq_ignore_ascii_case(b"trailers") => {
                return Err(Http2ErrorKind::InvalidTe);
            }
            KnownName::Expect => {
                self.facts.expect_continue |= field.value.eq_ignore_ascii_case(b"100-continue");
            }
            KnownName::Connection
            | KnownName::ProxyConnection
            | KnownName::KeepAlive
            | KnownName::TransferEncoding
            | KnownName::Upgrade => return Err(Http2ErrorKind::ConnectionField),
            _ => {}
        }
        self.keep(field)
    }

    #[inline]
    fn keep(&mut self, field: &Field<'_>) -> Result<(), Http2ErrorKind> {
        let is_kept = if field.line.is_empty() {
            self.block.push(field.id, field.name, field.value)
        } else {
            self.block.push_known_line(field.id, field.line, field.name.len())
        };
        if is_kept { Ok(()) } else { Err(Http2ErrorKind::HeadersTooLarge) }
    }

    #[cold]
    fn underscored(&mut self, field: &Field<'_>) -> Result<(), Http2ErrorKind> {
        match self.settings.underscores {
            // CGI and its heirs take such a field for one that frames.
            UnderscoresAction::Allow if matches!(field.name, b"content_length" | b"transfer_encoding") => {
                Err(Http2ErrorKind::DisguisedFraming)
            }
            UnderscoresAction::Allow => self.keep(field),
            UnderscoresAction::Reject => Err(Http2ErrorKind::UnderscoreInName),
            UnderscoresAction::Drop => {
                self.facts.dropped_fields += 1;
                Ok(())
            }
        }
    }

    #[inline]
    fn pseudo(&mut self, field: &Field<'_>) -> Result<(), Http2ErrorKind> {
        let fits = match field.id {
            KnownName::Status => self.of == HeadOf::Response,
            KnownName::Other => false,
            _ => self.of == HeadOf::Request,
        };
        if !fits || self.facts.has_regular || self.block.contains(field.id) {
            return Err(Http2ErrorKind::InvalidPseudoHeader);
        }
        let value = field.value;
        match field.id {
            KnownName::Method if !chars::is_token(value) => return Err(Http2ErrorKind::InvalidMethod),
            KnownName::Protocol if !chars::is_token(value) => {
                return Err(Http2ErrorKind::InvalidPseudoHeader);
            }
            KnownName::Scheme if !chars::is_scheme(value) => return Err(Http2ErrorKind::InvalidScheme),
            KnownName::Authority if value.is_empty() || !chars::is_host(value) => {
                return Err(Http2ErrorKind::InvalidAuthority);
            }
            KnownName::Path => self.facts.fragment = check_path(value)?,
            KnownName::Status if !(value.len() == 3 && value.iter().all(u8::is_ascii_digit)) => {
                return Err(Http2ErrorKind::InvalidStatus);
            }
            _ => {}
        }
        if self.block.push(field.id, b"", value) { Ok(()) } else { Err(Http2ErrorKind::HeadersTooLarge) }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Http2ErrorKind> {
        if self.facts.content_length.is_some() || self.of == HeadOf::Trailers {
            return Err(Http2ErrorKind::InvalidContentLength);
        }
        let length = number::parse_decimal(value).ok_or(Http2ErrorKind::InvalidContentLength)?;
        self.facts.content_length = Some(length);
        // Some readers take leading zeros for octal: the field is passed on without them.
        let is_kept = self
            .block
            .append(KnownName::ContentLength, number::format(length, 10, &mut number::Buffer::default()));
        if is_kept { Ok(()) } else { Err(Http2ErrorKind::HeadersTooLarge) }
    }

    /// `host` stands for `:authority` when that is not there; otherwise it is not kept, whatever it names, as in Envoy.
    fn host(&mut self, value: &[u8]) -> Result<(), Http2ErrorKind> {
        if self.of != HeadOf::Request {
            let is_kept = self.block.push(KnownName::Host, b"host", value);
            return if is_kept { Ok(()) } else { Err(Http2ErrorKind::HeadersTooLarge) };
        }
        if self.facts.has_host {
            return Err(Http2ErrorKind::DuplicateHost);
        }
        self.facts.has_host = true;
        if value.is_empty() || !chars::is_host(value) {
            return Err(Http2ErrorKind::InvalidAuthority);
        }
        let is_kept =
            self.block.contains(KnownName::Authority) || self.block.push(KnownName::Authority, b"", value);
        if is_kept { Ok(()) } else { Err(Http2ErrorKind::HeadersTooLarge) }
    }

    fn crumb(&mut self, value: &[u8]) -> Result<(), Http2ErrorKind> {
        if self.facts.crumbs == 0 {
            self.cookie.clear();
        } else {
            self.cookie.extend_from_slice(b"; ");
        }
        self.facts.crumbs += 1;
        self.cookie.extend_from_slice(value);
        Ok(())
    }

    /// What concerns all heads once their last field has come.
    fn end(&mut self) -> Result<(), Http2ErrorKind> {
        if let Some(fault) = self.facts.fault {
            return Err(fault);
        }
        if self.facts.crumbs > 0
            && !self.cookie.is_empty()
            && !self.block.push(KnownName::Cookie, b"cookie", self.cookie)
        {
            return Err(Http2ErrorKind::HeadersTooLarge);
        }
        Ok(())
    }

    /// The trailers that the fields are.
    pub(crate) fn trailers(mut self) -> Result<(), Http2ErrorKind> {
        self.end()
    }

    /// The request that the fields are.
    pub(crate) fn request(mut self, is_ended: bool) -> Result<Http2RequestHead, Http2ErrorKind> {
        self.end()?;
        let block = &mut *self.block;
        let method = block.get(KnownName::Method).ok_or(Http2ErrorKind::MissingPseudoHeader)?;
        let method_kind = RequestKind::of(method);
        let is_options = method == b"OPTIONS";
        let has_target = block.contains(KnownName::Scheme) && block.contains(KnownName::Path);
        let upgrade = block.contains(KnownName::Protocol);
        let is_connect = method_kind == RequestKind::Connect;
        if upgrade && !self.settings.allow_connect {
            return Err(Http2ErrorKind::InvalidPseudoHeader);
        }
        if upgrade && !is_connect {
            return Err(Http2ErrorKind::MisplacedPseudoHeader);
        }
        if !block.contains(KnownName::Authority) {
            return Err(Http2ErrorKind::MissingPseudoHeader);
        }
        if is_connect && !upgrade {
            if block.contains(KnownName::Scheme) || block.contains(KnownName::Path) {
                return Err(Http2ErrorKind::MisplacedPseudoHeader);
            }
            if self.facts.content_length.is_some() {
                return Err(Http2ErrorKind::InvalidContentLength);
            }
        } else if !has_target {
            return Err(Http2ErrorKind::MissingPseudoHeader);
        }
        match block.get(KnownName::Path) {
            None | Some([b'/', ..]) => {}
            Some(b"*") if is_options => {}
            Some(_) => return Err(Http2ErrorKind::RelativePath),
        }
        if upgrade && !take_protocol(block) {
            return Err(Http2ErrorKind::HeadersTooLarge);
        }
        let kind = if upgrade { RequestKind::Upgrade } else { method_kind };
        let framing = match (is_ended, self.facts.content_length) {
            _ if is_connect => BodyFraming::None,
            (true, Some(1..)) => return Err(Http2ErrorKind::LengthMismatch),
            (_, Some(length)) => BodyFraming::Length(length),
            (true, None) => BodyFraming::None,
            (false, None) => BodyFraming::Chunked,
        };
        Ok(Http2RequestHead {
            framing,
            kind,
            expect_continue: self.facts.expect_continue,
            upgrade,
            fragment: self.facts.fragment,
            field_bytes: self.facts.field_bytes,
            dropped_fields: self.facts.dropped_fields,
        })
    }

    /// The response, to a request of this kind, that the fields are.
    pub(crate) fn response(
        mut self,
        is_ended: bool,
        request: RequestKind,
        protocol: Option<&[u8]>,
    ) -> Result<Http2ResponseHead, Http2ErrorKind> {
        self.end()?;
        let digits = self.block.get(KnownName::Status).ok_or(Http2ErrorKind::MissingPseudoHeader)?;
        let status = digits.iter().fold(0u16, |sum, &digit| sum * 10 + u16::from(digit.wrapping_sub(b'0')));
        if status < 100 || status == 101 {
            return Err(Http2ErrorKind::InvalidStatus);
        }
        let informational = status < 200;
        if informational && is_ended {
            return Err(Http2ErrorKind::EndedInformational);
        }
        // As in Envoy, no other status than 200 agrees to extended CONNECT.
        let tunnel = match request {
            RequestKind::Connect => (200..300).contains(&status),
            RequestKind::Upgrade => status == 200,
            _ => false,
        };
        let has_no_body = informational || request == RequestKind::Head || matches!(status, 204 | 304);
        let framing = match (is_ended, self.facts.content_length) {
            _ if tunnel => {
                self.block.remove(KnownName::ContentLength);
                if is_ended { BodyFraming::None } else { BodyFraming::UntilClose }
            }
            (_, Some(1..)) if informational || status == 204 => {
                return Err(Http2ErrorKind::InvalidContentLength);
            }
            _ if has_no_body => BodyFraming::None,
            (true, Some(1..)) => return Err(Http2ErrorKind::LengthMismatch),
            (_, Some(length)) => BodyFraming::Length(length),
            (true, None) => BodyFraming::None,
            (false, None) => BodyFraming::Chunked,
        };
        if informational || status == 204 {
            self.block.remove(KnownName::ContentLength);
        }
        let mut status = status;
        if let (true, Some(protocol)) = (tunnel, protocol) {
            let block = &mut *self.block;
            status = 101;
            block.set(KnownName::Status, b"101");
            block.set(KnownName::Connection, b"upgrade");
            block.set(KnownName::Upgrade, protocol);
        }
        let field_bytes = self.facts.field_bytes;
        Ok(Http2ResponseHead { status, framing, informational, upgrade: tunnel, field_bytes })
    }
}

/// Extended CONNECT becomes HTTP/1.1's upgrade.
fn take_protocol(block: &mut HeaderBlock) -> bool {
    let protocol = block.get(KnownName::Protocol).unwrap_or_default().to_vec();
    block.remove(KnownName::Protocol);
    block.set(KnownName::Method, b"GET")
        && block.append(KnownName::Upgrade, &protocol)
        && block.append(KnownName::Connection, b"upgrade")
}

/// Answers whether the path has a fragment.
fn check_path(path: &[u8]) -> Result<bool, Http2ErrorKind> {
    if chars::is_target(path) {
        return Ok(false);
    }
    let is_visible = !path.is_empty() && path.iter().all(u8::is_ascii_graphic);
    if is_visible { Ok(true) } else { Err(Http2ErrorKind::InvalidPath) }
}
