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
/// Sizes of so many digits cannot be too large.
const MAX_PLAIN_DIGITS: usize = 15;

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
        let at_start = self.place == Place::Size && self.digits == 0;
        match at_start.then(|| read_plain(input)).flatten() {
            Some((length, size)) => Ok((length, Some(size))),
            None => self.read_bytes(input),
        }
    }

    fn read_bytes(&mut self, input: &[u8]) -> Result<(usize, Option<u64>), ErrorKind> {
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
        let digit = match (value_of(byte), byte) {
            (Some(value), _) => value,
            _ if self.digits == 0 => return Err(ErrorKind::InvalidChunkSize),
            (_, b'\r') => return Ok(Place::Lf),
            (_, b';') => return Ok(Place::NameStart),
            (_, b' ' | b'\t') => return Ok(Place::BeforeSemicolon),
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

/// The line that the input begins with, and its size, if it is whole, short and has no extension.
#[inline]
fn read_plain(input: &[u8]) -> Option<(usize, u64)> {
    let mut size = 0;
    for (digits, &byte) in input.iter().enumerate().take(MAX_PLAIN_DIGITS + 1) {
        let Some(value) = value_of(byte) else {
            let is_end = digits > 0 && input.get(digits..)?.starts_with(b"\r\n");
            return is_end.then_some((digits + b"\r\n".len(), size));
        };
        size = size << 4 | u64::from(value);
    }
    None
}

/// The value of a hexadecimal digit.
#[inline]
fn value_of(byte: u8) -> Option<u8> {
    let (decimal, letter) = (byte.wrapping_sub(b'0'), (byte | 0x20).wrapping_sub(b'a'));
    if decimal < 10 { Some(decimal) } else { (letter < 6).then(|| letter + 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_value() {
        for byte in 0..=255u8 {
            assert_eq!(value_of(byte).map(u32::from), char::from(byte).to_digit(16), "{byte}");
        }
    }

    /// Whatever byte stands wherever: what is taken at once is what is taken byte by byte.
    #[test]
    fn a_plain_line_is_what_it_is_byte_by_byte() {
        for line in
            [&b"3\r\nabc"[..], b"00ffFFff00aAbB0\r\n", b"123456789abcdef\r\n\r\n", b"0123456789abcdef\r\n"]
        {
            for place in 0..line.len() {
                for byte in 0..=255u8 {
                    let mut line = line.to_vec();
                    line[place] = byte;
                    let Some((length, size)) = read_plain(&line) else { continue };
                    assert_eq!(ChunkLine::default().read_bytes(&line), Ok((length, Some(size))), "{line:?}");
                }
            }
            assert_eq!(
                read_plain(line).is_some(),
                line.iter().take_while(|b| b.is_ascii_hexdigit()).count() < 16
            );
        }
    }
}
