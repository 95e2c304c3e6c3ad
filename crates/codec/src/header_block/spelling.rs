//! How the names of fields are spelled on the wire: in lower case, in proper case, or as they came.
//!
//! Owns: the spellings that came with a head, and the rewriting of a head that is encoded already; a name only ever
//! changes the case of its letters, so nothing moves. Does not own: comparing names, which is always in lower case.
//! Follows: Envoy's `Http1ProtocolOptions.header_key_format`; names compare without case (RFC 9110 section 5.1).

use super::HeaderBlock;

/// How names are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NameCase {
    /// `content-type`
    #[default]
    Lower,
    /// `Content-Type`: the first letter, and every letter behind what is neither letter nor digit.
    Proper,
}

/// The names of a head as they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Spelling {
    /// How names are written that did not come; none: spellings are not kept.
    others: Option<NameCase>,
    /// One after the other, each with a line end.
    names: Vec<u8>,
    /// The reason phrase that came with a status; empty: none is kept.
    reason: Vec<u8>,
}

impl Spelling {
    pub(super) fn clear(&mut self) {
        self.others = None;
        self.names.clear();
        self.reason.clear();
    }

    fn of(&self, lower: &[u8]) -> Option<&[u8]> {
        self.names.split(|&byte| byte == b'\n').find(|name| name.eq_ignore_ascii_case(lower))
    }
}

impl HeaderBlock {
    /// Has the block written with the names as they come; `others`: how all other names are written.
    pub(crate) fn keep_spelling(&mut self, others: NameCase) {
        self.spelling.others = Some(others);
    }

    /// Notes a name as it came.
    pub(crate) fn note_spelling(&mut self, name: &[u8]) {
        if self.spelling.of(name).is_none() {
            self.spelling.names.extend_from_slice(name);
            self.spelling.names.push(b'\n');
        }
    }

    /// Notes the reason phrase that came.
    pub(crate) fn note_reason(&mut self, reason: &[u8]) {
        self.spelling.reason.clear();
        self.spelling.reason.extend_from_slice(reason);
    }

    /// The reason phrase that came; none: none is kept.
    pub(crate) fn reason(&self) -> Option<&[u8]> {
        (!self.spelling.reason.is_empty()).then_some(&self.spelling.reason)
    }

    /// Gives the names in a head that this block was encoded to their spelling: as they came, where the block keeps that;
    /// else `case`. `head` begins with the first line.
    pub fn respell(&self, head: &mut [u8], case: NameCase) {
        if self.spelling.others.is_none() && case == NameCase::Lower {
            return;
        }
        let mut lines = head.split_mut(|&byte| byte == b'\n');
        let _first_line = lines.next();
        for line in lines {
            let length = memchr::memchr(b':', line).unwrap_or(0);
            let Some(name) = line.get_mut(..length) else { continue };
            match (self.spelling.others, self.spelling.of(name)) {
                (Some(_), Some(spelled)) => name.copy_from_slice(spelled),
                (Some(NameCase::Proper), None) => make_proper(name),
                (Some(NameCase::Lower), None) => {}
                (None, _) => make_proper(name),
            }
        }
    }
}

fn make_proper(name: &mut [u8]) {
    let mut begins = true;
    for byte in name {
        if begins {
            byte.make_ascii_uppercase();
        }
        begins = !byte.is_ascii_alphanumeric();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn respelled(block: &HeaderBlock, case: NameCase) -> String {
        let mut head = b"GET /a:b HTTP/1.1\r\nhost: a\r\nx-foo-bar!baz: v:w\r\n3d-x: \r\n\r\n".to_vec();
        block.respell(&mut head, case);
        String::from_utf8(head).unwrap()
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn names_are_respelled_and_nothing_else() {
        let mut block = HeaderBlock::new();
        let proper = "GET /a:b HTTP/1.1\r\nHost: a\r\nX-Foo-Bar!Baz: v:w\r\n3d-X: \r\n\r\n";
        assert_eq!(respelled(&block, NameCase::Proper), proper);
        assert_eq!(
            respelled(&block, NameCase::Lower),
            proper.to_ascii_lowercase().replace("get", "GET").replace("http", "HTTP")
        );
        block.keep_spelling(NameCase::Lower);
        block.note_spelling(b"HoST");
        block.note_spelling(b"host");
        assert!(respelled(&block, NameCase::Proper).contains("\r\nHoST: a\r\nx-foo-bar!baz: v:w"));
        block.keep_spelling(NameCase::Proper);
        assert!(respelled(&block, NameCase::Lower).contains("\r\nHoST: a\r\nX-Foo-Bar!Baz: v:w"));
        block.clear();
        assert!(respelled(&block, NameCase::Lower).contains("\r\nhost: a\r\nx-foo"));
    }
}
