//! One field line: `Name: value`.
//!
//! Owns: its grammar and the choice for underscores. Does not own: what the field means.
//! Follows: RFC 9112 section 5, strictly: no folding, no space before the colon.

use super::{Http1Settings, UnderscoresAction, chars};
use crate::error::ErrorKind;
use crate::header_block::{HeaderBlock, KnownName};

/// A field's parts in its line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldLine<'a> {
    line: &'a [u8],
    name_len: usize,
    /// The value without the white space around it.
    pub(crate) value: &'a [u8],
    /// Whether there is one space after the colon and none at the end.
    canonical: bool,
}

impl<'a> FieldLine<'a> {
    /// Takes a line with its CR LF.
    #[inline]
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, ErrorKind> {
        let name_len = chars::token_length(line);
        let (name, rest) = line.split_at_checked(name_len).ok_or(ErrorKind::MissingColon)?;
        let [b':', rest @ ..] = rest else { return Err(Self::name_error(line, name)) };
        let raw = rest.strip_suffix(b"\r\n").ok_or(ErrorKind::BareLf)?;
        let value = chars::trim(raw);
        if name.is_empty() {
            return Err(ErrorKind::EmptyName);
        }
        if !chars::is_field_value(value) {
            return Err(if value.contains(&b'\r') { ErrorKind::BareCr } else { ErrorKind::InvalidValue });
        }
        let canonical = raw.len() == value.len() + 1 && raw.first() == Some(&b' ');
        Ok(FieldLine { line, name_len, value, canonical })
    }

    /// What is wrong with a line in which no colon follows the token that it begins with.
    #[cold]
    fn name_error(line: &[u8], token: &[u8]) -> ErrorKind {
        let rest = line.get(token.len()..).unwrap_or_default();
        match (rest, rest.contains(&b':')) {
            ([b' ' | b'\t', ..], _) if token.is_empty() => ErrorKind::ObsoleteFolding,
            ([b'\r', b'\n'], _) => ErrorKind::MissingColon,
            ([b'\r', ..], _) => ErrorKind::BareCr,
            ([b' ' | b'\t', ..], true) if chars::trim(rest).first() == Some(&b':') => {
                ErrorKind::SpaceBeforeColon
            }
            (_, true) => ErrorKind::InvalidName,
            (_, false) => ErrorKind::MissingColon,
        }
    }

    /// The name as it came.
    pub(crate) fn name(&self) -> &'a [u8] {
        self.line.get(..self.name_len).unwrap_or_default()
    }

    /// Adds the field to the block unless the settings drop it; answers the id of the name.
    #[inline]
    pub(crate) fn store(
        &self,
        settings: &Http1Settings,
        block: &mut HeaderBlock,
    ) -> Result<Option<KnownName>, ErrorKind> {
        if settings.underscores != UnderscoresAction::Allow && self.name().contains(&b'_') {
            return match settings.underscores {
                UnderscoresAction::Reject => Err(ErrorKind::UnderscoreInName),
                UnderscoresAction::Allow | UnderscoresAction::Drop => Ok(None),
            };
        }
        let stored = if self.canonical {
            block.push_line(self.line, self.name_len)
        } else {
            block.push_parts(self.name(), self.value)
        };
        match stored {
            None => Err(ErrorKind::HeadersTooLarge),
            Some(KnownName::Other) if self.is_disguised_framing() => Err(ErrorKind::UnderscoreInName),
            Some(name) => Ok(Some(name)),
        }
    }

    /// Whether the name is that of a framing field but for an underscore: CGI and its heirs take the
    /// two for one, so such a field is never passed on.
    #[inline]
    fn is_disguised_framing(&self) -> bool {
        match self.name_len {
            14 => self.name().eq_ignore_ascii_case(b"content_length"),
            17 => self.name().eq_ignore_ascii_case(b"transfer_encoding"),
            _ => false,
        }
    }
}
