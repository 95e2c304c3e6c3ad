//! `google.protobuf.Value` in its binary form.
//!
//! Owns: reading one from bytes that a client may have sent: never deeper than a limit, never beyond the bytes.
//! Follows: the protobuf encoding; of a field that comes twice the last counts, unknown fields are skipped.

use crate::model::metadata::{Struct, Value};

/// As deep as protobuf's own readers go.
const MOST_LEVELS: usize = 100;

/// The value; none when the bytes are none.
pub(super) fn parse(bytes: &[u8]) -> Option<Value> {
    value(bytes, MOST_LEVELS)
}

enum Payload<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32,
}

/// One field off the front: its number, what it holds, and the rest.
fn field(bytes: &[u8]) -> Option<(u64, Payload<'_>, &[u8])> {
    let (tag, rest) = varint(bytes)?;
    let number = tag >> 3;
    if number == 0 {
        return None;
    }
    match tag & 7 {
        0 => varint(rest).map(|(value, rest)| (number, Payload::Varint(value), rest)),
        1 => rest.split_first_chunk::<8>().map(|(value, rest)| (number, Payload::Fixed64(*value), rest)),
        2 => {
            let (length, rest) = varint(rest)?;
            let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            Some((number, Payload::Bytes(value), rest))
        }
        5 => rest.split_first_chunk::<4>().map(|(_, rest)| (number, Payload::Fixed32, rest)),
        _ => None,
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(u32::try_from(index).ok()? * 7)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

fn value(mut bytes: &[u8], levels: usize) -> Option<Value> {
    let below = levels.checked_sub(1)?;
    let mut found = Value::Null;
    while !bytes.is_empty() {
        let (number, payload, rest) = field(bytes)?;
        bytes = rest;
        match (number, payload) {
            (1, Payload::Varint(_)) => found = Value::Null,
            (2, Payload::Fixed64(number)) => found = Value::Number(f64::from_le_bytes(number)),
            (3, Payload::Bytes(text)) => {
                found = Value::String(std::str::from_utf8(text).ok()?.as_bytes().to_vec());
            }
            (4, Payload::Varint(flag)) => found = Value::Bool(flag != 0),
            (5, Payload::Bytes(inner)) => found = Value::Struct(fields(inner, below)?),
            (6, Payload::Bytes(inner)) => found = Value::List(list(inner, below)?),
            _ => {}
        }
    }
    Some(found)
}

fn fields(mut bytes: &[u8], levels: usize) -> Option<Struct> {
    let mut fields = Struct::default();
    while !bytes.is_empty() {
        let (number, payload, rest) = field(bytes)?;
        bytes = rest;
        if let (1, Payload::Bytes(mut entry)) = (number, payload) {
            let (mut name, mut held) = (String::new(), Value::Null);
            while !entry.is_empty() {
                let (number, payload, rest) = field(entry)?;
                entry = rest;
                match (number, payload) {
                    (1, Payload::Bytes(text)) => name = std::str::from_utf8(text).ok()?.to_owned(),
                    (2, Payload::Bytes(inner)) => held = value(inner, levels.checked_sub(1)?)?,
                    _ => {}
                }
            }
            fields.0.insert(name, held);
        }
    }
    Some(fields)
}

fn list(mut bytes: &[u8], levels: usize) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        let (number, payload, rest) = field(bytes)?;
        bytes = rest;
        if let (1, Payload::Bytes(inner)) = (number, payload) {
            values.push(value(inner, levels)?);
        }
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(parse(b""), Some(Value::Null));
        assert_eq!(parse(b"\x1a\x03abc"), Some(Value::text("abc")));
        assert_eq!(parse(b"\x20\x01"), Some(Value::Bool(true)));
        assert_eq!(parse(b"\x11\0\0\0\0\0\0\xf8\x3f"), Some(Value::Number(1.5)));
        let fields = parse(b"\x2a\x0a\x0a\x08\x0a\x01k\x12\x03\x1a\x01v");
        assert_eq!(fields, Some(Value::Struct(Struct([("k".to_owned(), Value::text("v"))].into()))));
        assert_eq!(parse(b"\x32\x04\x0a\x02\x20\x00"), Some(Value::List(vec![Value::Bool(false)])));
        for bad in [&b"\x1a\x04abc"[..], b"\x1a", b"\x00", b"\x11\0", b"\x1a\x01\xff", b"\x0f"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn there_is_a_deepest_level() {
        let mut bytes = vec![0x20, 1];
        for _ in 0..60 {
            let list = [&[0x0a, u8::try_from(bytes.len()).unwrap_or(0)][..], &bytes].concat();
            bytes = [&[0x32, u8::try_from(list.len()).unwrap_or(0)][..], &list].concat();
            if bytes.len() > 100 {
                break;
            }
        }
        assert!(parse(&bytes).is_some());
        assert_eq!(value(&bytes, 5), None);
    }
}
