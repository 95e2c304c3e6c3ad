//! One field line: `Name: value`.
//!
//! Owns: its grammar and the choice for underscores. Does not own: what the field means.
//! Follows: RFC 9112 section 5, strictly: no folding, no space before the colon.

use super::lines::Lines;
use super::{Http1Settings, UnderscoresAction, chars, words};
use crate::error::ErrorKind;
use crate::header_block::{HeaderBlock, KnownName};

/// What comes next in a head.
pub(crate) enum HeadLine<'a> {
    /// Nothing yet: more bytes are needed.
    Incomplete,
    /// A field.
    Field(FieldLine<'a>),
    /// A line that is to be parsed, or the empty one that ends the head.
    Line(&'a [u8]),
}

impl<'a> HeadLine<'a> {
    /// Takes the next line. A field as nearly all are is parsed in the same pass in which its end is found.
    #[inline(always)]
    pub(crate) fn next(lines: &mut Lines, input: &'a [u8], limit: usize) -> Result<Self, ErrorKind> {
        if let Some(field) = FieldLine::parse_plain(lines.unsearched(input)) {
            if lines.pass(field.line.len(), limit) {
                return Ok(HeadLine::Field(field));
            }
        }
        Ok(lines.next(input, limit)?.map_or(HeadLine::Incomplete, HeadLine::Line))
    }

    /// The field that it is.
    #[inline(always)]
    pub(crate) fn parse(self) -> Result<FieldLine<'a>, ErrorKind> {
        match self {
            HeadLine::Field(field) => Ok(field),
            HeadLine::Line(line) => FieldLine::parse(line),
            HeadLine::Incomplete => Err(ErrorKind::MissingColon),
        }
    }
}

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
    /// The field that the input begins with if it is whole and plain: one space before the value, no tab.
    /// Of such a line `parse` makes the same; of all others it says what they are.
    #[inline(always)]
    fn parse_plain(input: &'a [u8]) -> Option<Self> {
        let name_len = chars::token_length(input);
        let [b':', b' ', rest @ ..] = input.get(name_len..)? else { return None };
        let value_len = words::text_length(rest);
        let (value, rest) = rest.split_at_checked(value_len)?;
        let is_plain = name_len > 0 && rest.starts_with(b"\r\n");
        if !is_plain || value.first() == Some(&b' ') || value.last() == Some(&b' ') {
            return None;
        }
        let line = input.get(..name_len + b": ".len() + value_len + b"\r\n".len())?;
        Some(FieldLine { line, name_len, value, canonical: true })
    }

    /// Takes a line with its CR LF.
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

    /// What it counts as: name, value, and three bytes for the colon and the line's end.
    #[inline(always)]
    pub(crate) fn size(&self) -> usize {
        self.name_len + self.value.len() + 3
    }

    /// Adds the field to the block unless the settings drop it; answers the id of the name.
    #[inline(always)]
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
        if settings.preserve_case.is_some() {
            block.note_spelling(self.name());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever byte stands wherever: what is taken in one pass is what the two passes make of it.
    #[test]
    fn a_plain_field_is_what_it_is_when_parsed() {
        let mut plain = 0;
        for head in [
            &b"Accept: text/html\r\n"[..],
            b"x: \r\n",
            b"X_y9-zzzz: v w;\tq=\"\xff\"\r\nnext: 1\r\n\r\n",
            b"content-security-policy: default-src 'self' https://example.com\r\n\r\n",
        ] {
            for place in 0..head.len() {
                for byte in 0..=255u8 {
                    let mut head = head.to_vec();
                    head[place] = byte;
                    let Some(field) = FieldLine::parse_plain(&head) else { continue };
                    let line = Lines::default().next(&head, head.len()).unwrap().unwrap();
                    let parsed = FieldLine::parse(line).unwrap();
                    assert_eq!((field.line, field.name_len), (line, parsed.name_len), "{head:?}");
                    assert_eq!((field.value, field.canonical), (parsed.value, parsed.canonical), "{head:?}");
                    plain += 1;
                }
            }
        }
        assert!(plain > 10_000, "{plain}");
    }
}
