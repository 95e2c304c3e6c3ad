//! The one header type for HTTP/1.1, HTTP/2 and HTTP/3.
//!
//! Owns: the bytes of a head or of trailers, a table of its fields in order, and the edits.
//! Does not own: what makes a head valid (each codec's decoder), nor what goes on the wire around
//! the fields (each codec's encoder).
//! Follows: RFC 9110 section 5 (fields), RFC 9113 section 8.3 (pseudo-headers).
//!
//! Storage: `bytes` holds each field as `name: value\r\n`, names in lower case, so that fields that
//! were not touched and lie side by side are written with one copy. An edit appends its line and
//! points the table at it. A pseudo-header stores its value alone.

mod connection_options;
mod edit;
mod header_name;
mod known_name;
mod spelling;

pub use header_name::{HeaderName, InvalidName};
pub use known_name::KnownName;
pub use spelling::NameCase;
use spelling::Spelling;

use std::ops::Range;

/// A head or trailers. `clear` keeps the memory, so that one block serves a connection for good.
#[derive(Clone, Default)]
pub struct HeaderBlock {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    /// The ids of the live fields, one bit each.
    present: u128,
    /// The ids of the fields that came never-indexed (RFC 7541 section 6.2.3), one bit each; that of `Other` stands
    /// for all names without an id.
    never_indexed: u128,
    spelling: Spelling,
}

#[derive(Clone, Copy, Debug)]
struct Field {
    /// Where the line begins in `bytes`; for a pseudo-header where the value begins.
    start: u32,
    value_len: u32,
    /// 0 for a pseudo-header.
    name_len: u16,
    id: KnownName,
    live: bool,
}

/// What stands between a name and its value, and after the value.
const SEPARATOR_LEN: usize = 2;
const LINE_END_LEN: usize = 2;

impl Field {
    fn is_pseudo(self) -> bool {
        self.name_len == 0
    }

    fn name(self) -> Range<usize> {
        let start = to_usize(self.start);
        start..start + usize::from(self.name_len)
    }

    fn value(self) -> Range<usize> {
        let mut start = to_usize(self.start);
        if !self.is_pseudo() {
            start += usize::from(self.name_len) + SEPARATOR_LEN;
        }
        start..start + to_usize(self.value_len)
    }

    fn line(self) -> Range<usize> {
        to_usize(self.start)..self.value().end + LINE_END_LEN
    }
}

/// Every platform that this builds for has at least 32 bits to an address.
#[inline]
fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

impl HeaderBlock {
    /// An empty block; allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes everything and keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
        (self.present, self.never_indexed) = (0, 0);
        self.spelling.clear();
    }

    /// Gives memory back beyond about so many bytes for the lines and as many for their offsets.
    #[inline]
    pub fn shrink_to(&mut self, most: usize) {
        self.bytes.shrink_to(most);
        self.fields.shrink_to(most / size_of::<Field>());
    }

    /// The number of fields, pseudo-headers not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.iter().filter(|field| field.live && !field.is_pseudo()).count()
    }

    /// Whether there is neither a field nor a pseudo-header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.fields.iter().any(|field| field.live)
    }

    /// The sum of the lengths of all names and values, pseudo-headers included (Envoy's `byteSize`).
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.iter_all().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Whether a field of this name is there. Costs one test of a bit; `Other` is never there.
    #[inline]
    #[must_use]
    pub fn contains(&self, name: KnownName) -> bool {
        self.present & name.bit() != 0
    }

    /// The value of the first field of this name.
    #[inline]
    #[must_use]
    pub fn get(&self, name: KnownName) -> Option<&[u8]> {
        if !self.contains(name) {
            return None;
        }
        self.fields
            .iter()
            .find(|field| field.live && field.id == name)
            .map(|&field| self.slice(field.value()))
    }

    /// The value of the first field of this name.
    #[must_use]
    pub fn get_name(&self, name: &HeaderName) -> Option<&[u8]> {
        match name.known() {
            KnownName::Other => self.get_bytes(name.as_bytes()),
            known => self.get(known),
        }
    }

    /// The value of the first field whose name, that came in traffic, is this in any case of letters.
    #[must_use]
    pub fn get_bytes(&self, name: &[u8]) -> Option<&[u8]> {
        self.fields
            .iter()
            .find(|&&field| field.live && self.name_of(field).eq_ignore_ascii_case(name))
            .map(|&field| self.slice(field.value()))
    }

    /// The values of all fields of this name, in order.
    pub fn get_all<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> + 'a {
        let (known, bytes) = (name.known(), name.as_bytes());
        self.fields
            .iter()
            .filter(move |&&field| {
                field.live && field.id == known && (known != KnownName::Other || self.name_of(field) == bytes)
            })
            .map(|&field| self.slice(field.value()))
    }

    /// The values of all fields of this name, in order; none for `Other`.
    pub fn get_all_known(&self, name: KnownName) -> impl Iterator<Item = &[u8]> + '_ {
        self.fields
            .iter()
            .filter(move |field| field.live && field.id == name && name != KnownName::Other)
            .map(|&field| self.slice(field.value()))
    }

    /// Names and values in order, pseudo-headers left out.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + '_ {
        self.live_fields(false)
    }

    /// Names and values in order, pseudo-headers first.
    pub fn iter_all(&self) -> impl Iterator<Item = (&[u8], &[u8])> + '_ {
        self.live_fields(true).chain(self.live_fields(false))
    }

    /// Ids, names and values in order, pseudo-headers left out.
    pub fn iter_known(&self) -> impl Iterator<Item = (KnownName, &[u8], &[u8])> + '_ {
        self.fields
            .iter()
            .filter(|field| field.live && !field.is_pseudo())
            .map(|&field| (field.id, self.name_of(field), self.slice(field.value())))
    }

    /// Notes that no hop may put fields of this name into a table.
    pub(crate) fn mark_never_indexed(&mut self, name: KnownName) {
        self.never_indexed |= 1 << (name as u8);
    }

    /// Whether no hop may put fields of this name into a table.
    #[inline]
    pub(crate) fn is_never_indexed(&self, name: KnownName) -> bool {
        self.never_indexed & 1 << (name as u8) != 0
    }

    fn live_fields(&self, pseudo: bool) -> impl Iterator<Item = (&[u8], &[u8])> + '_ {
        self.fields
            .iter()
            .filter(move |field| field.live && field.is_pseudo() == pseudo)
            .map(|&field| (self.name_of(field), self.slice(field.value())))
    }

    fn name_of(&self, field: Field) -> &[u8] {
        if field.is_pseudo() { field.id.as_str().as_bytes() } else { self.slice(field.name()) }
    }

    #[inline]
    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Writes all fields but the pseudo-headers and those that `skip` names, each as its line.
    /// Neighbours in memory are copied together.
    pub(crate) fn write_lines(&self, out: &mut Vec<u8>, skip: impl Fn(KnownName, &[u8]) -> bool) {
        let mut run = 0..0;
        for &field in &self.fields {
            if !field.live || field.is_pseudo() || skip(field.id, self.slice(field.value())) {
                continue;
            }
            let line = field.line();
            if line.start == run.end {
                run.end = line.end;
                continue;
            }
            out.extend_from_slice(self.slice(run));
            run = line;
        }
        out.extend_from_slice(self.slice(run));
    }
}

impl std::fmt::Debug for HeaderBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(
                self.iter_all()
                    .map(|(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value))),
            )
            .finish()
    }
}

/// Equal when the same names and values come in the same order; memory layout does not count.
impl PartialEq for HeaderBlock {
    fn eq(&self, other: &Self) -> bool {
        self.iter_all().eq(other.iter_all())
    }
}

impl Eq for HeaderBlock {}
