//! Decoding of header blocks.
//!
//! Owns: the receiving direction's dynamic table, and the representations of fields. Does not own: what is done with a
//! field, nor the limits on them: a block is always decoded to its end, for the table must stay the peer's.
//! Follows: RFC 7541 sections 3 and 6.

use super::dynamic_table::DynamicTable;
use super::{huffman, integer, static_table};
use crate::header_block::KnownName;
use crate::http1::chars;

/// The block is not what an encoder with our settings writes: the connection cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionError;

/// A decoded field, for as long as it takes to look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) id: KnownName,
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    /// As a `HeaderBlock` stores it; empty where that is not at hand.
    pub(crate) line: &'a [u8],
    /// Whether the name is a token in lower case, or begins with a colon, and the value may be any field's.
    pub(crate) sound: bool,
    /// Whether no hop may put the field into a table.
    pub(crate) never_indexed: bool,
}

/// The receiving direction of a connection.
#[derive(Debug)]
pub(crate) struct Decoder {
    table: DynamicTable,
    /// The largest size that the peer may choose for the table.
    limit: usize,
    /// Whether the limit was lowered below the table's size: the next block begins with a change of size.
    must_shrink: bool,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// Whether the field could stand in a message, apart from what its name means.
fn is_sound(name: &[u8], value: &[u8]) -> bool {
    let is_name = |name: &[u8]| {
        !name.is_empty() && name.iter().all(|&byte| chars::lower_token(byte) == byte && byte != 0)
    };
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_name(name.strip_prefix(b":").unwrap_or(name))
        && chars::is_field_value(value)
        && !blank(value.first())
        && !blank(value.last())
}

impl Decoder {
    pub(crate) fn new(limit: usize) -> Self {
        let table = DynamicTable::new(limit);
        Decoder { table, limit, must_shrink: false, name: Vec::new(), value: Vec::new() }
    }

    /// Changes the largest size of the table, once the peer has acknowledged it.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.must_shrink = self.table.max_size() > limit;
    }

    /// Decodes a whole block, field by field.
    pub(crate) fn decode(
        &mut self,
        block: &[u8],
        mut take: impl FnMut(&Field<'_>),
    ) -> Result<(), CompressionError> {
        let mut input = block;
        let mut is_begin = true;
        while let Some((&first, rest)) = input.split_first() {
            input = rest;
            if first & 0x80 != 0 {
                if self.must_shrink {
                    return Err(CompressionError);
                }
                let index = integer::decode(first, 7, &mut input).ok_or(CompressionError)?;
                self.indexed(index, &mut take)?;
            } else if first & 0xe0 == 0x20 {
                let size = integer::decode(first, 5, &mut input).ok_or(CompressionError)?;
                if !is_begin || size > self.limit {
                    return Err(CompressionError);
                }
                self.table.set_max_size(size);
                self.must_shrink = false;
                continue;
            } else {
                if self.must_shrink {
                    return Err(CompressionError);
                }
                self.literal(first, &mut input, &mut take)?;
            }
            is_begin = false;
        }
        Ok(())
    }

    #[inline]
    fn indexed(&self, index: usize, take: &mut impl FnMut(&Field<'_>)) -> Result<(), CompressionError> {
        if let Some(age) = index.checked_sub(static_table::LEN + 1) {
            let (entry, parts) = self.table.get(age).ok_or(CompressionError)?;
            take(&Field {
                id: entry.id,
                name: parts.name,
                value: parts.value,
                line: parts.line,
                sound: entry.sound,
                never_indexed: false,
            });
            return Ok(());
        }
        let entry = static_table::get(index).ok_or(CompressionError)?;
        take(&Field {
            id: entry.id,
            name: entry.name,
            value: entry.value,
            line: if entry.id.is_pseudo() { b"" } else { entry.line },
            sound: true,
            never_indexed: false,
        });
        Ok(())
    }

    /// A field of which at least the value is in the block.
    fn literal(
        &mut self,
        first: u8,
        input: &mut &[u8],
        take: &mut impl FnMut(&Field<'_>),
    ) -> Result<(), CompressionError> {
        let is_indexing = first & 0x40 != 0;
        let prefix_bits = if is_indexing { 6 } else { 4 };
        let index = integer::decode(first, prefix_bits, input).ok_or(CompressionError)?;
        let Decoder { table, name, value, .. } = self;
        let (id, name, value) = literal_parts(table, index, input, name, value)?;
        let sound = is_sound(name, value);
        if is_indexing {
            table.insert(id, name, value, sound);
        }
        let never_indexed = first & 0xf0 == 0x10;
        take(&Field { id, name, value, line: b"", sound, never_indexed });
        Ok(())
    }
}

/// Name and value of a literal field, in the input or in the rooms.
fn literal_parts<'a, 'b: 'a>(
    table: &DynamicTable,
    index: usize,
    input: &mut &'b [u8],
    name_room: &'a mut Vec<u8>,
    value_room: &'a mut Vec<u8>,
) -> Result<(KnownName, &'a [u8], &'a [u8]), CompressionError> {
    let (id, name): (KnownName, &[u8]) = match index.checked_sub(static_table::LEN + 1) {
        Some(age) => {
            let (entry, parts) = table.get(age).ok_or(CompressionError)?;
            // The entry may be evicted by the one that is made of its name.
            name_room.clear();
            name_room.extend_from_slice(parts.name);
            (entry.id, name_room)
        }
        None if index == 0 => {
            let name = string(input, name_room)?;
            (KnownName::of(name), name)
        }
        None => static_table::get(index).map(|entry| (entry.id, entry.name)).ok_or(CompressionError)?,
    };
    Ok((id, name, string(input, value_room)?))
}

/// Takes a string, into the room when it is coded.
#[inline]
fn string<'a, 'b: 'a>(input: &mut &'b [u8], room: &'a mut Vec<u8>) -> Result<&'a [u8], CompressionError> {
    let (&first, rest) = input.split_first().ok_or(CompressionError)?;
    *input = rest;
    let length = integer::decode(first, 7, input).ok_or(CompressionError)?;
    let (bytes, rest) = input.split_at_checked(length).ok_or(CompressionError)?;
    *input = rest;
    if first & 0x80 == 0 {
        return Ok(bytes);
    }
    room.clear();
    if huffman::decode(bytes, room) { Ok(room) } else { Err(CompressionError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<String, CompressionError> {
        let mut text = String::new();
        decoder.decode(block, |field| {
            text +=
                &format!("{}={}", String::from_utf8_lossy(field.name), String::from_utf8_lossy(field.value));
            text += if field.never_indexed { "!" } else { "" };
            text += if field.sound { ";" } else { "?" };
        })?;
        Ok(text)
    }

    #[test]
    fn every_representation_is_read() {
        let mut decoder = Decoder::new(4096);
        // Indexed; incremental; without; never; by static and by dynamic name.
        let block = b"\x82\x40\x01a\x01b\x00\x01c\x01d\x10\x01e\x01f\x04\x02/x\x7e\x01g\xbe\xbf";
        assert_eq!(decode(&mut decoder, block).unwrap(), ":method=GET;a=b;c=d;e=f!;:path=/x;a=g;a=g;a=b;");
    }

    #[test]
    fn unsound_fields_are_marked_also_in_the_table() {
        let mut decoder = Decoder::new(4096);
        let block = b"\x40\x01A\x01b\x40\x01a\x02 b\x40\x01a\x01\n\x40\x00\x01b\x40\x02:a\x01b\xc2\xbe";
        assert_eq!(decode(&mut decoder, block).unwrap(), "A=b?a= b?a=\n?=b?:a=b;A=b?:a=b;");
    }

    #[test]
    fn broken_blocks_are_refused() {
        for bad in [
            &b"\x80"[..],        // index 0
            b"\xbe",             // beyond the table
            b"\x40\x01a",        // no value
            b"\x40\x05a",        // a string beyond the end
            b"\x82\x20",         // a change of size behind a field
            b"\x3f\xe2\x1f",     // a size of 4097
            b"\x00\x81\xff\x00", // a bad code
            b"\x7f",             // half a number
        ] {
            assert_eq!(decode(&mut Decoder::new(4096), bad), Err(CompressionError), "{bad:?}");
        }
    }

    #[test]
    fn a_lowered_limit_must_be_followed() {
        let mut decoder = Decoder::new(4096);
        assert!(decode(&mut decoder, b"\x40\x01a\x01b").is_ok());
        decoder.set_limit(100);
        assert_eq!(decode(&mut decoder, b"\xbe"), Err(CompressionError));
        assert_eq!(decode(&mut decoder, b"\x20\x3f\x45\x82").unwrap(), ":method=GET;");
        assert_eq!(decode(&mut decoder, b"\x3f\x46"), Err(CompressionError));
    }
}
