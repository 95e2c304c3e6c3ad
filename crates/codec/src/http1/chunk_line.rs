//! The first line of a chunk: `size [; extensions] CR LF`.
//!
//! Owns: its grammar, byte by byte, and the limits on extensions, which are dropped. Does not own:
//! the chunk's data.
//! Follows: RFC 9112 sections 7.1 and 7.1.1.

use super::chars;
use crate::error::ErrorKind;

/// Longest extensions of one chunk.
const MAX_EXTENSION_BYTES: u32 = 1024;
/// Longest extensions of all chunks of one body.
const MAX_TOTAL_EXTENSION_BYTES: u32 = 64 * 1024;
const MAX_DIGITS: u8 = 16;

/// Where in a chunk's first line the reader is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChunkLine {
    place: Place,
    size: u64,
    digits: u8,
    extension_bytes: u32,
    total_extension_bytes: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Size,
    /// White space after the size or after an extension: only another extension may follow.
    BeforeSemicolon,
    NameStart,
    Name,
    AfterName,
    ValueStart,
    Value,
    Quoted,
    QuotedPair,
    AfterQuoted,
    Lf,
}

impl ChunkLine {
    /// Reads on; answers how many bytes it took, and the size when the line has ended.
    #[inline]
    pub(crate) fn read(&mut self, input: &[u8]) -> Result<(usize, Option<u64>), ErrorKind> {
        for (at, &byte) in input.iter().enumerate() {
            match (self.place, byte) {
                (Place::Lf, b'\n') => {
                    let size = self.size;
                    *self =
                        ChunkLine { total_extension_bytes: self.total_extension_bytes, ..Self::default() };
                    return Ok((at + 1, Some(size)));
                }
                (Place::Lf, _) => return Err(ErrorKind::BareCr),
                (_, b'\n') => return Err(ErrorKind::BareLf),
                (Place::Size, _) => self.place = self.after_size_byte(byte)?,
                (place, _) => self.place = self.after_extension_byte(place, byte)?,
            }
        }
        Ok((input.len(), None))
    }

    #[inline]
    fn after_size_byte(&mut self, byte: u8) -> Result<Place, ErrorKind> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ if self.digits == 0 => return Err(ErrorKind::InvalidChunkSize),
            b'\r' => return Ok(Place::Lf),
            b';' => return Ok(Place::NameStart),
            b' ' | b'\t' => return Ok(Place::BeforeSemicolon),
            _ => return Err(ErrorKind::InvalidChunkSize),
        };
        self.digits += 1;
        self.size = self.size.checked_mul(16).ok_or(ErrorKind::InvalidChunkSize)? | u64::from(digit);
        // A reader with a signed number must see the same size.
        if self.digits > MAX_DIGITS || i64::try_from(self.size).is_err() {
            return Err(ErrorKind::InvalidChunkSize);
        }
        Ok(Place::Size)
    }

    #[cold]
    fn after_extension_byte(&mut self, place: Place, byte: u8) -> Result<Place, ErrorKind> {
        self.extension_bytes += 1;
        self.total_extension_bytes += 1;
        if self.extension_bytes > MAX_EXTENSION_BYTES
            || self.total_extension_bytes > MAX_TOTAL_EXTENSION_BYTES
        {
            return Err(ErrorKind::ChunkExtensionTooLong);
        }
        let token = chars::lower_token(byte) != 0;
        let blank = matches!(byte, b' ' | b'\t');
        match (place, byte) {
            (Place::Name | Place::Value | Place::AfterQuoted, b'\r') => Ok(Place::Lf),
            (Place::BeforeSemicolon | Place::Name | Place::AfterName, b';') => Ok(Place::NameStart),
            (Place::Value | Place::AfterQuoted, b';') => Ok(Place::NameStart),
            (Place::Name | Place::AfterName, b'=') => Ok(Place::ValueStart),
            (Place::ValueStart, b'"') => Ok(Place::Quoted),
            (Place::Quoted, b'"') => Ok(Place::AfterQuoted),
            (Place::Quoted, b'\\') => Ok(Place::QuotedPair),
            (Place::Quoted | Place::QuotedPair, _) if chars::is_field_value(&[byte]) => Ok(Place::Quoted),
            (Place::NameStart | Place::Name, _) if token => Ok(Place::Name),
            (Place::ValueStart | Place::Value, _) if token => Ok(Place::Value),
            (Place::Name | Place::AfterName, _) if blank => Ok(Place::AfterName),
            (Place::BeforeSemicolon | Place::Value | Place::AfterQuoted, _) if blank => {
                Ok(Place::BeforeSemicolon)
            }
            (Place::NameStart | Place::ValueStart, _) if blank => Ok(place),
            (_, b'\r') => Err(ErrorKind::InvalidChunkExtension),
            _ => Err(ErrorKind::InvalidChunkExtension),
        }
    }
}
