//! Encoding of header blocks.
//!
//! Owns: the sending direction's dynamic table, and the choice of what goes into it. Does not own: which fields are
//! sent.
//! Follows: RFC 7541 sections 6 and 7.1.
//!
//! A field goes into the table when the same name and value are sent a second time: what never comes again (ids, dates,
//! most paths) neither costs an insertion nor evicts what does come again. What was sent is remembered by a hash, in a
//! small table in which a newer field takes the place of an older one.

use super::dynamic_table::DynamicTable;
use super::{huffman, integer, static_table};
use crate::header_block::KnownName;

/// How many fields are remembered.
const REMEMBERED: usize = 128;
/// A field larger than this share of the table is never put into it.
const LARGEST_SHARE: usize = 4;
/// A cookie shorter than this could be guessed from what it compresses to.
const SHORT_COOKIE: usize = 20;

/// The sending direction of a connection.
#[derive(Debug)]
pub(crate) struct Encoder {
    table: DynamicTable,
    /// Empty until the first field is encoded.
    remembered: Vec<Remembered>,
    /// The smallest and the last size chosen for the table that the peer has not been told.
    new_sizes: Option<(usize, usize)>,
    /// The largest table that we keep.
    limit: usize,
    /// Whether literals are coded where that is shorter.
    huffman: bool,
}

/// A field that was sent lately.
#[derive(Clone, Copy, Debug, Default)]
struct Remembered {
    hash: u32,
    /// The number of its entry in the table; 0 for none.
    number: u32,
}

impl Encoder {
    /// An encoder whose table has at most this size, whatever the peer allows.
    pub(crate) fn new(limit: usize) -> Self {
        let table = DynamicTable::new(limit.min(4096));
        Encoder { table, remembered: Vec::new(), new_sizes: None, limit, huffman: true }
    }

    /// Whether literals are coded in Huffman's code where that is shorter.
    pub(crate) fn with_huffman(self, huffman: bool) -> Self {
        Encoder { huffman, ..self }
    }

    /// Takes note of the size that the peer allows.
    pub(crate) fn set_peer_limit(&mut self, limit: usize) {
        let size = limit.min(self.limit);
        let smallest = self.new_sizes.map_or(size, |(smallest, _)| smallest);
        if size != self.table.max_size() || self.new_sizes.is_some() {
            self.new_sizes = Some((smallest.min(size), size));
            self.table.set_max_size(size);
        }
    }

    /// Begins a block: a changed size of the table comes first.
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        if self.remembered.is_empty() {
            self.remembered.resize(REMEMBERED, Remembered::default());
        }
        if let Some((smallest, last)) = self.new_sizes.take() {
            if smallest < last {
                integer::encode(smallest, 5, 0x20, out);
            }
            integer::encode(last, 5, 0x20, out);
        }
    }

    /// Appends a field. `never_indexed`: it came so, and stays so.
    pub(crate) fn field(
        &mut self,
        id: KnownName,
        name: &[u8],
        value: &[u8],
        never_indexed: bool,
        out: &mut Vec<u8>,
    ) {
        if never_indexed || is_sensitive(id, value) {
            self.literal(Kind::NeverIndexed, id, name, value, out);
            return;
        }
        if let Some(index) = static_table::index_of(id, value) {
            integer::encode(index, 7, 0x80, out);
            return;
        }
        if name.len() + value.len() > self.table.max_size() / LARGEST_SHARE {
            self.literal(Kind::Plain, id, name, value, out);
            return;
        }
        let hash = hash_of(id, name, value);
        let place = usize::try_from(hash).unwrap_or(0) % REMEMBERED;
        let Some(remembered) = self.remembered.get_mut(place) else { return };
        if remembered.hash != hash {
            *remembered = Remembered { hash, number: 0 };
            self.literal(Kind::Plain, id, name, value, out);
            return;
        }
        let age = self.table.age_of(remembered.number);
        let found = age.filter(|&age| {
            self.table.get(age).is_some_and(|(_, parts)| parts.value == value && parts.name == name)
        });
        if let Some(age) = found {
            integer::encode(static_table::LEN + 1 + age, 7, 0x80, out);
            return;
        }
        self.literal(Kind::Incremental, id, name, value, out);
        self.table.insert(id, name, value, true);
        if let Some(remembered) = self.remembered.get_mut(place) {
            remembered.number = self.table.inserted();
        }
    }

    fn literal(&self, kind: Kind, id: KnownName, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        let (first, prefix_bits) = match kind {
            Kind::Incremental => (0x40, 6),
            Kind::Plain => (0x00, 4),
            Kind::NeverIndexed => (0x10, 4),
        };
        match static_table::index_of_name(id, name) {
            Some(index) => integer::encode(index, prefix_bits, first, out),
            None => {
                out.push(first);
                self.string(name, out);
            }
        }
        self.string(value, out);
    }

    fn string(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let coded = if self.huffman { huffman::encoded_len(bytes) } else { bytes.len() };
        if coded < bytes.len() {
            integer::encode(coded, 7, 0x80, out);
            huffman::encode(bytes, out);
        } else {
            integer::encode(bytes.len(), 7, 0, out);
            out.extend_from_slice(bytes);
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Incremental,
    Plain,
    NeverIndexed,
}

/// Whether the value is a secret that is short enough to be guessed (RFC 7541 section 7.1.3).
fn is_sensitive(id: KnownName, value: &[u8]) -> bool {
    match id {
        KnownName::Authorization | KnownName::ProxyAuthorization => true,
        KnownName::Cookie => value.len() < SHORT_COOKIE,
        _ => false,
    }
}

/// Appends a string, coded where that is shorter.
/// Two fields with the same hash only compress worse.
#[inline]
fn hash_of(id: KnownName, name: &[u8], value: &[u8]) -> u32 {
    let mut hash = u64::from(id as u8) ^ u64::try_from(value.len()).unwrap_or(0) << 8;
    if id == KnownName::Other {
        hash = add(hash, name);
    }
    hash = add(hash, value);
    // 0 is what an unused place holds.
    u32::try_from(hash >> 32).unwrap_or(0) | 1
}

#[inline]
fn add(mut hash: u64, bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
        hash = (hash.rotate_left(29) ^ word).wrapping_mul(FACTOR);
    }
    let tail = words.remainder().iter().fold(1, |tail, &byte| tail << 8 | u64::from(byte));
    (hash.rotate_left(29) ^ tail).wrapping_mul(FACTOR)
}

#[cfg(test)]
mod tests {
    use super::super::decoder::Decoder;
    use super::*;

    type Fields<'a> = &'a [(&'a str, &'a str, bool)];

    fn encode(encoder: &mut Encoder, fields: Fields<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        encoder.begin(&mut out);
        for (name, value, never) in fields {
            encoder.field(
                KnownName::of(name.as_bytes()),
                name.as_bytes(),
                value.as_bytes(),
                *never,
                &mut out,
            );
        }
        out
    }

    fn decode(decoder: &mut Decoder, block: &[u8]) -> Vec<(String, String, bool)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut fields = Vec::new();
        decoder
            .decode(block, |field| fields.push((text(field.name), text(field.value), field.never_indexed)))
            .unwrap();
        fields
    }

    #[test]
    fn a_field_is_indexed_when_it_comes_again() {
        let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
        let fields: Fields<'_> = &[
            (":method", "GET", false),
            (":path", "/a", false),
            ("x-team", "blue", false),
            ("authorization", "b", true),
        ];
        let lengths: Vec<_> = (0..3)
            .map(|_| {
                let block = encode(&mut encoder, fields);
                let decoded = decode(&mut decoder, &block);
                let decoded: Vec<_> =
                    decoded.iter().map(|(n, v, never)| (n.as_str(), v.as_str(), *never)).collect();
                assert_eq!(decoded, fields);
                block.len()
            })
            .collect();
        assert_eq!(lengths[0], lengths[1]);
        assert_eq!(lengths[2], 1 + 1 + 1 + 4, "{lengths:?}");
    }

    #[test]
    fn a_changed_size_comes_first() {
        let mut encoder = Encoder::new(4096);
        encoder.set_peer_limit(100);
        encoder.set_peer_limit(200);
        assert_eq!(encode(&mut encoder, &[]), b"\x3f\x45\x3f\xa9\x01");
        encoder.set_peer_limit(200);
        assert_eq!(encode(&mut encoder, &[]), b"");
        encoder.set_peer_limit(65_536);
        assert_eq!(encode(&mut encoder, &[]), b"\x3f\xe1\x1f");
    }

    #[test]
    fn a_full_table_stays_in_step() {
        let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
        for round in 0..500 {
            let value = format!("value-{}", round % 90);
            let filler = "f".repeat(round % 70);
            let fields: Fields<'_> =
                &[("x-a", &value, false), (":path", &filler, false), ("x-a", &filler, false)];
            for _ in 0..2 {
                let block = encode(&mut encoder, fields);
                let decoded = decode(&mut decoder, &block);
                assert!(
                    decoded.iter().zip(fields).all(|(ours, theirs)| ours.0 == theirs.0 && ours.1 == theirs.1)
                );
            }
        }
    }
}
