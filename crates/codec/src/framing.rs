//! How long a message's body is.
//!
//! Owns: the rules of RFC 9112 section 6 without their exceptions: content-length and
//! transfer-encoding exclude each other, come once, and have one reading.
//! Does not own: reading the body (`http1/body.rs`).

use crate::error::ErrorKind;
use crate::header_block::{HeaderBlock, KnownName};
use crate::http1::{chars, number};
use crate::message::{RequestKind, Version};

/// Where a message's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyFraming {
    /// There is no body.
    None,
    /// After so many bytes; 0 is a body that is there and empty. At most 2^63-1.
    Length(u64),
    /// After the last chunk and the trailers.
    Chunked,
    /// When the connection closes (responses only).
    UntilClose,
}

/// What the fields of a head say about the message, collected while they are read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FramingFields {
    /// Whether there was a host field.
    pub(crate) host: bool,
    content_length: Option<u64>,
    /// Whether content-length had leading zeros, which some readers take for octal.
    has_leading_zeros: bool,
    chunked: bool,
    connection_close: bool,
    connection_keep_alive: bool,
    connection_upgrade: bool,
    upgrade: bool,
    /// Whether the other protocol is cleartext HTTP/2, which is not switched to.
    upgrade_is_h2c: bool,
    pub(crate) expect_continue: bool,
}

impl FramingFields {
    /// Takes one field into account.
    #[inline]
    pub(crate) fn add(&mut self, name: KnownName, value: &[u8]) -> Result<(), ErrorKind> {
        match name {
            KnownName::ContentLength => return self.add_content_length(value),
            KnownName::TransferEncoding => return self.add_transfer_encoding(value),
            KnownName::Connection => self.add_connection(value),
            KnownName::ProxyConnection => self.connection_close |= value.eq_ignore_ascii_case(b"close"),
            KnownName::Upgrade => {
                // Several fields are one list, which is not cleartext HTTP/2 alone.
                self.upgrade_is_h2c = !self.upgrade && value.eq_ignore_ascii_case(b"h2c");
                self.upgrade |= !value.is_empty();
            }
            KnownName::Expect => self.expect_continue |= value.eq_ignore_ascii_case(b"100-continue"),
            _ => {}
        }
        Ok(())
    }

    fn add_content_length(&mut self, value: &[u8]) -> Result<(), ErrorKind> {
        if self.content_length.is_some() {
            return Err(ErrorKind::DuplicateContentLength);
        }
        self.content_length = Some(number::parse_decimal(value).ok_or(ErrorKind::InvalidContentLength)?);
        self.has_leading_zeros = value.len() > 1 && value.first() == Some(&b'0');
        Ok(())
    }

    fn add_transfer_encoding(&mut self, value: &[u8]) -> Result<(), ErrorKind> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(ErrorKind::InvalidTransferEncoding);
        }
        self.chunked = true;
        Ok(())
    }

    fn add_connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(chars::trim) {
            self.connection_close |= option.eq_ignore_ascii_case(b"close");
            self.connection_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.connection_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }

    /// Whether the connection may carry another message after this one.
    pub(crate) fn keep_alive(&self, version: Version) -> bool {
        !self.connection_close && (version == Version::Http11 || self.connection_keep_alive)
    }

    /// Whether the message asks for another protocol. In HTTP/1.0 it cannot (RFC 9110 section 7.8), nor with HEAD and
    /// CONNECT, whose responses have an end of their own; cleartext HTTP/2 is not switched to. Then the wish is taken
    /// out of the block.
    pub(crate) fn take_upgrade(&self, version: Version, kind: RequestKind, block: &mut HeaderBlock) -> bool {
        if !self.upgrade || !self.connection_upgrade {
            return false;
        }
        let refused = self.upgrade_is_h2c || version == Version::Http10 || kind != RequestKind::Other;
        if refused {
            block.remove(KnownName::Upgrade);
            block.remove(KnownName::Http2Settings);
        }
        !refused
    }

    /// Gives content-length, if it is still in the block, its one spelling: without leading zeros.
    pub(crate) fn respell_content_length(&self, block: &mut HeaderBlock) {
        let respell = self.has_leading_zeros && block.contains(KnownName::ContentLength);
        if let (true, Some(length)) = (respell, self.content_length) {
            block.set(KnownName::ContentLength, number::format(length, 10, &mut number::Buffer::default()));
        }
    }

    fn of_fields(&self, version: Version) -> Result<Option<BodyFraming>, ErrorKind> {
        match (self.chunked, self.content_length) {
            (true, Some(_)) => Err(ErrorKind::ContentLengthWithTransferEncoding),
            (true, None) if version == Version::Http10 => Err(ErrorKind::TransferEncodingInHttp10),
            (true, None) => Ok(Some(BodyFraming::Chunked)),
            (false, Some(length)) => Ok(Some(BodyFraming::Length(length))),
            (false, None) => Ok(None),
        }
    }

    /// The framing of a request (RFC 9112 section 6.3, rules 3 to 7). CONNECT has no body.
    pub(crate) fn of_request(
        &self,
        version: Version,
        kind: RequestKind,
        block: &mut HeaderBlock,
    ) -> Result<BodyFraming, ErrorKind> {
        let of_fields = self.of_fields(version)?;
        if kind != RequestKind::Connect {
            return Ok(of_fields.unwrap_or(BodyFraming::None));
        }
        match of_fields {
            None => Ok(BodyFraming::None),
            Some(BodyFraming::Length(0)) => {
                block.remove(KnownName::ContentLength);
                Ok(BodyFraming::None)
            }
            Some(BodyFraming::Chunked) => Err(ErrorKind::InvalidTransferEncoding),
            Some(_) => Err(ErrorKind::BodyNotAllowed),
        }
    }

    /// The framing of a response (RFC 9112 section 6.3, rules 1 to 8). Fields that the status makes
    /// void are taken out of the block.
    pub(crate) fn of_response(
        &self,
        version: Version,
        status: u16,
        kind: RequestKind,
        block: &mut HeaderBlock,
    ) -> Result<BodyFraming, ErrorKind> {
        let of_fields = self.of_fields(version)?;
        if kind == RequestKind::Connect && (200..300).contains(&status) {
            block.remove(KnownName::ContentLength);
            block.remove(KnownName::TransferEncoding);
            return Ok(BodyFraming::None);
        }
        if status < 200 || status == 204 {
            return match of_fields {
                None => Ok(BodyFraming::None),
                Some(BodyFraming::Length(0)) => {
                    block.remove(KnownName::ContentLength);
                    Ok(BodyFraming::None)
                }
                Some(BodyFraming::Chunked) => Err(ErrorKind::TransferEncodingNotAllowed),
                Some(_) => Err(ErrorKind::ContentLengthNotAllowed),
            };
        }
        if status == 304 || kind == RequestKind::Head {
            return Ok(BodyFraming::None);
        }
        Ok(of_fields.unwrap_or(BodyFraming::UntilClose))
    }
}
