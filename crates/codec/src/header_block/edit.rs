//! Changes to a `HeaderBlock`.
//!
//! Owns: every way to add, replace and remove a field, and the refusal of values that would break
//! out of their line. Does not own: which fields an HTTP message may have.
//! Follows: RFC 9110 section 5.5 (field values), RFC 9112 section 3 (the parts of a request line).
//!
//! A setter answers `false` and changes nothing when it refuses: the value has a control character
//! (tab excepted; so never CR, LF or NUL), or is not fit for its pseudo-header, or the name is
//! `Other`, or the block would outgrow 4 GiB. White space around the value of a field stays, though no reader takes it for a part of the
//! value (RFC 9110 section 5.5); around a pseudo-header's it goes.

use super::{Field, HeaderBlock, HeaderName, KnownName};
use crate::http1::{chars, words};

impl HeaderBlock {
    /// Adds a field at the end. For a pseudo-header the same as `set`: there is only ever one.
    pub fn append(&mut self, name: KnownName, value: &[u8]) -> bool {
        if name.is_pseudo() {
            return self.set(name, value);
        }
        name != KnownName::Other && self.append_checked(name, name.as_str().as_bytes(), value)
    }

    /// Adds a field at the end. For a pseudo-header the same as `set_name`.
    pub fn append_name(&mut self, name: &HeaderName, value: &[u8]) -> bool {
        match name.known() {
            KnownName::Other => self.append_checked(KnownName::Other, name.as_bytes(), value),
            known => self.append(known, value),
        }
    }

    fn append_checked(&mut self, id: KnownName, name: &[u8], value: &[u8]) -> bool {
        is_fit_for(id, value) && self.push(id, name, value)
    }

    /// Gives the first field of this name the value and removes the others; adds one when there is none.
    pub fn set(&mut self, name: KnownName, value: &[u8]) -> bool {
        name != KnownName::Other && self.set_checked(name, name.as_str().as_bytes(), value)
    }

    /// Gives the first field of this name the value and removes the others; adds one when there is none.
    pub fn set_name(&mut self, name: &HeaderName, value: &[u8]) -> bool {
        self.set_checked(name.known(), name.as_bytes(), value)
    }

    fn set_checked(&mut self, id: KnownName, name: &[u8], value: &[u8]) -> bool {
        // A part of a request line has no place for it.
        let value = if id.is_pseudo() { chars::trim(value) } else { value };
        if !is_fit_for(id, value) {
            return false;
        }
        let Some(first) = self.find(id, name) else { return self.push(id, name, value) };
        if !self.rewrite(first, name, value) {
            return false;
        }
        let bytes = &self.bytes;
        for field in self.fields.iter_mut().skip(first + 1) {
            let same = field.id == id
                && (id != KnownName::Other || bytes.get(field.name()).unwrap_or_default() == name);
            field.live &= !same;
        }
        true
    }

    /// Joins the value to that of the first field of this name (`a` becomes `a,b` for the separator
    /// `,`); adds a field when there is none. An empty value changes nothing. Refuses pseudo-headers
    /// that are there.
    pub fn append_value(&mut self, name: KnownName, value: &[u8], separator: &[u8]) -> bool {
        name != KnownName::Other && self.join(name, name.as_str().as_bytes(), value, separator)
    }

    /// Joins the value to that of the first field of this name, as `append_value` does.
    pub fn append_value_name(&mut self, name: &HeaderName, value: &[u8], separator: &[u8]) -> bool {
        self.join(name.known(), name.as_bytes(), value, separator)
    }

    fn join(&mut self, id: KnownName, name: &[u8], value: &[u8], separator: &[u8]) -> bool {
        let Some(first) = self.find(id, name) else { return self.append_checked(id, name, value) };
        let Some(&field) = self.fields.get(first) else { return false };
        if id.is_pseudo() || !chars::is_field_value(value) || !chars::is_field_value(separator) {
            return false;
        }
        if value.is_empty() {
            return true;
        }
        let former = field.value();
        if former.is_empty() {
            return self.rewrite(first, name, value);
        }
        let parts = [separator, value];
        let value_len = former.len() + parts.iter().map(|part| part.len()).sum::<usize>();
        let Some(joined) = self.new_field(id, name.len(), value_len) else { return false };
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_within(former);
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.bytes.extend_from_slice(b"\r\n");
        self.put(first, joined);
        true
    }

    /// Removes all fields of this name; answers how many there were.
    pub fn remove(&mut self, name: KnownName) -> usize {
        if !self.contains(name) {
            return 0;
        }
        self.present &= !name.bit();
        let mut removed = 0;
        for field in self.fields.iter_mut().filter(|field| field.live && field.id == name) {
            field.live = false;
            removed += 1;
        }
        removed
    }

    /// Removes all fields of this name; answers how many there were.
    pub fn remove_name(&mut self, name: &HeaderName) -> usize {
        match name.known() {
            KnownName::Other => self.remove_bytes(name.as_bytes()),
            known => self.remove(known),
        }
    }

    /// Removes all fields whose name, that came in traffic, is this in any case of letters.
    /// Pseudo-headers stay.
    pub fn remove_bytes(&mut self, name: &[u8]) -> usize {
        let mut removed = 0;
        self.retain(|_, found, _| {
            let hit = found.eq_ignore_ascii_case(name);
            removed += usize::from(hit);
            !hit
        });
        removed
    }

    /// Keeps the fields for which the function answers true. Pseudo-headers are not asked about.
    pub fn retain(&mut self, mut keep: impl FnMut(KnownName, &[u8], &[u8]) -> bool) {
        let bytes = &self.bytes;
        let mut present = 0;
        for field in self.fields.iter_mut().filter(|field| field.live) {
            if !field.is_pseudo() {
                let name = bytes.get(field.name()).unwrap_or_default();
                let value = bytes.get(field.value()).unwrap_or_default();
                field.live = keep(field.id, name, value);
            }
            if field.live {
                present |= field.id.bit();
            }
        }
        self.present = present;
    }

    /// Adds a field whose name and value the caller has checked.
    #[inline]
    pub(crate) fn push(&mut self, id: KnownName, name: &[u8], value: &[u8]) -> bool {
        let Some(field) = self.write_line(id, name, value) else { return false };
        self.fields.push(field);
        self.present |= id.bit();
        true
    }

    /// Adds a field from its line as it came, `Name: value` with one space after the colon and CR LF
    /// at the end, checked by the caller. Lowers the name. Answers the name's id.
    #[inline]
    pub(crate) fn push_line(&mut self, line: &[u8], name_len: usize) -> Option<KnownName> {
        let value_len = line.len().checked_sub(name_len + super::SEPARATOR_LEN + super::LINE_END_LEN)?;
        let mut field = self.new_field(KnownName::Other, name_len, value_len)?;
        self.bytes.extend_from_slice(line);
        let name = self.bytes.get_mut(field.name())?;
        words::make_lower(name);
        field.id = KnownName::of(name);
        self.fields.push(field);
        self.present |= field.id.bit();
        Some(field.id)
    }

    /// Adds a field from its line, checked by the caller, its name in lower case and of this id.
    #[inline]
    pub(crate) fn push_known_line(&mut self, id: KnownName, line: &[u8], name_len: usize) -> bool {
        let around = name_len + super::SEPARATOR_LEN + super::LINE_END_LEN;
        let field =
            line.len().checked_sub(around).and_then(|value_len| self.new_field(id, name_len, value_len));
        let Some(field) = field else { return false };
        self.bytes.extend_from_slice(line);
        self.fields.push(field);
        self.present |= id.bit();
        true
    }

    /// Adds a field whose name, in any case of letters, and value the caller has checked.
    pub(crate) fn push_parts(&mut self, name: &[u8], value: &[u8]) -> Option<KnownName> {
        let mut field = self.write_line(KnownName::Other, name, value)?;
        let name = self.bytes.get_mut(field.name())?;
        words::make_lower(name);
        field.id = KnownName::of(name);
        self.fields.push(field);
        self.present |= field.id.bit();
        Some(field.id)
    }

    fn find(&self, id: KnownName, name: &[u8]) -> Option<usize> {
        if id != KnownName::Other && !self.contains(id) {
            return None;
        }
        self.fields.iter().position(|&field| {
            field.live && field.id == id && (id != KnownName::Other || self.name_of(field) == name)
        })
    }

    /// Gives one field of the table another value, in place when the length is the same.
    fn rewrite(&mut self, index: usize, name: &[u8], value: &[u8]) -> bool {
        let Some(&field) = self.fields.get(index) else { return false };
        let place = self.bytes.get_mut(field.value()).unwrap_or_default();
        if place.len() == value.len() {
            place.copy_from_slice(value);
            return true;
        }
        let Some(moved) = self.write_line(field.id, name, value) else { return false };
        self.put(index, moved);
        true
    }

    fn put(&mut self, index: usize, field: Field) {
        if let Some(place) = self.fields.get_mut(index) {
            *place = field;
        }
    }

    #[inline]
    fn write_line(&mut self, id: KnownName, name: &[u8], value: &[u8]) -> Option<Field> {
        if id.is_pseudo() {
            let field = self.new_field(id, 0, value.len())?;
            self.bytes.extend_from_slice(value);
            return Some(field);
        }
        let field = self.new_field(id, name.len(), value.len())?;
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
        Some(field)
    }

    /// The table's entry for bytes that are about to be appended; none when they are too many.
    #[inline]
    fn new_field(&self, id: KnownName, name_len: usize, value_len: usize) -> Option<Field> {
        let end = self.bytes.len().checked_add(name_len)?.checked_add(value_len)?.checked_add(4)?;
        u32::try_from(end).ok()?;
        Some(Field {
            start: u32::try_from(self.bytes.len()).ok()?,
            value_len: u32::try_from(value_len).ok()?,
            name_len: u16::try_from(name_len).ok()?,
            id,
            live: true,
        })
    }
}

/// Whether a value may be written where this name's value goes.
fn is_fit_for(name: KnownName, value: &[u8]) -> bool {
    match name {
        KnownName::Method | KnownName::Protocol => chars::is_token(value),
        KnownName::Path => chars::is_target(value),
        KnownName::Scheme => chars::is_scheme(value),
        KnownName::Authority => chars::is_host(value),
        KnownName::Status => value.len() == 3 && value.iter().all(u8::is_ascii_digit),
        _ => chars::is_field_value(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(block: &HeaderBlock) -> String {
        let mut out = Vec::new();
        block.write_lines(&mut out, |_, _| false);
        String::from_utf8(out).unwrap()
    }

    fn name(text: &str) -> HeaderName {
        HeaderName::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn edits_keep_the_order_of_the_table() {
        let mut block = HeaderBlock::new();
        assert!(block.append(KnownName::Accept, b"a"));
        assert!(block.append_name(&name("x-team"), b"t"));
        assert!(block.append(KnownName::Accept, b"b"));
        assert!(block.set(KnownName::Accept, b"longer"));
        assert_eq!(lines(&block), "accept: longer\r\nx-team: t\r\n");
        assert!(block.append_value(KnownName::Accept, b"c", b", "));
        assert!(block.append_value_name(&name("x-team"), b"u", b","));
        assert!(block.append_value_name(&name("x-new"), b"n", b","));
        assert_eq!(lines(&block), "accept: longer, c\r\nx-team: t,u\r\nx-new: n\r\n");
        assert_eq!(block.remove_bytes(b"X-TEAM"), 1);
        assert_eq!(block.remove(KnownName::Accept), 1);
        assert_eq!(block.remove(KnownName::Accept), 0);
        assert!(!block.contains(KnownName::Accept));
        assert_eq!(lines(&block), "x-new: n\r\n");
        assert_eq!((block.len(), block.byte_size()), (1, 6));
    }

    #[test]
    fn setters_refuse_what_breaks_out_of_a_line() {
        let mut block = HeaderBlock::new();
        assert!(block.set(KnownName::Accept, b"a"));
        for bad in [&b"a\rb"[..], b"a\nb", b"a\0b", b"a\r\nx: y", b"\x7f", b"\x01"] {
            assert!(!block.set(KnownName::Accept, bad));
            assert!(!block.set_name(&name("x-team"), bad));
            assert!(!block.append(KnownName::Accept, bad));
            assert!(!block.append_value(KnownName::Accept, bad, b","));
            assert!(!block.append_value(KnownName::Accept, b"b", bad));
            assert!(!block.set(KnownName::Path, bad));
        }
        for (pseudo, bad) in [
            (KnownName::Path, &b"/a b"[..]),
            (KnownName::Path, b""),
            (KnownName::Method, b"GE T"),
            (KnownName::Status, b"20"),
            (KnownName::Scheme, b"ht tp"),
            (KnownName::Authority, b"a b"),
            (KnownName::Other, b"x"),
        ] {
            assert!(!block.set(pseudo, bad), "{pseudo:?}");
        }
        assert_eq!(lines(&block), "accept: a\r\n");
    }

    #[test]
    fn pseudo_headers_come_once_and_first() {
        let mut block = HeaderBlock::new();
        assert!(block.append(KnownName::Accept, b"a"));
        assert!(block.append(KnownName::Path, b"/"));
        assert!(block.append(KnownName::Path, b"/other"));
        let all: Vec<_> = block.iter_all().collect();
        assert_eq!(all, [(&b":path"[..], &b"/other"[..]), (b"accept", b"a")]);
        assert_eq!(block.len(), 1);
        assert_eq!(block.remove(KnownName::Path), 1);
        assert_eq!(block.get(KnownName::Path), None);
    }

    #[test]
    fn retain_keeps_the_presence_set_right() {
        let mut block = HeaderBlock::new();
        assert!(block.append(KnownName::Via, b"1") && block.append(KnownName::Via, b"2"));
        block.retain(|_, _, value| value != b"1");
        assert!(block.contains(KnownName::Via));
        block.retain(|id, _, _| id != KnownName::Via);
        assert!(!block.contains(KnownName::Via) && block.is_empty());
    }
}
