//! DER: the encoding of certificates.
//!
//! Owns: taking one element after the other, and times and object identifiers as values. Does not own: what elements mean
//! (`x509`). Follows X.690 section 10; nothing here trusts a length.

/// Universal tags, and those of certificates.
pub(super) mod tag {
    pub const BOOLEAN: u8 = 0x01;
    pub const INTEGER: u8 = 0x02;
    pub const OCTET_STRING: u8 = 0x04;
    pub const OBJECT_IDENTIFIER: u8 = 0x06;
    pub const UTC_TIME: u8 = 0x17;
    pub const GENERALIZED_TIME: u8 = 0x18;
    pub const BMP_STRING: u8 = 0x1e;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;
    pub const VERSION: u8 = 0xa0;
    pub const EXTENSIONS: u8 = 0xa3;
}

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub &'a [u8]);

/// An element: its tag, its content, and all of its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    pub tag: u8,
    pub content: &'a [u8],
    pub whole: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn peek_tag(self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element.
    pub fn next(&mut self) -> Option<Element<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, content) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            // More than four digits are more than any certificate has.
            if digits.is_empty() || digits.len() > 4 {
                return None;
            }
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        };
        let (content, behind) = content.split_at_checked(length)?;
        let whole = self.0.get(..self.0.len() - behind.len())?;
        self.0 = behind;
        Some(Element { tag, content, whole })
    }

    /// The next element, which must have this tag.
    pub fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        self.next().filter(|element| element.tag == tag)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        Reader::next(self)
    }
}

impl<'a> Element<'a> {
    /// What is within.
    pub fn inner(self) -> Reader<'a> {
        Reader(self.content)
    }

    /// Seconds since 1970 of a `UTCTime` or `GeneralizedTime`.
    pub fn time(self) -> Option<i64> {
        let text = self.content.strip_suffix(b"Z")?;
        let digits = |from: usize, count: usize| {
            let digits = text.get(from..from + count)?;
            digits.iter().try_fold(0_i64, |value, digit| {
                digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
            })
        };
        let (year, rest) = match self.tag {
            tag::UTC_TIME => (digits(0, 2).map(|year| if year < 50 { 2000 + year } else { 1900 + year })?, 2),
            tag::GENERALIZED_TIME => (digits(0, 4)?, 4),
            _ => return None,
        };
        let (month, day) = (digits(rest, 2)?, digits(rest + 2, 2)?);
        let (hour, minute, second) = (digits(rest + 4, 2)?, digits(rest + 6, 2)?, digits(rest + 8, 2)?);
        Some(days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
    }

    /// The dotted form of an object identifier.
    pub fn object_identifier(self) -> String {
        let mut arcs = Vec::new();
        let mut value = 0_u64;
        for byte in self.content {
            value = value.wrapping_shl(7) | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                arcs.push(std::mem::take(&mut value));
            }
        }
        let Some((first, rest)) = arcs.split_first() else { return String::new() };
        let top = (first / 40).min(2);
        let mut text = format!("{top}.{}", first - top * 40);
        for arc in rest {
            text.push_str(&format!(".{arc}"));
        }
        text
    }
}

/// Of the Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_lie_are_refused() {
        for bytes in
            [&[0x30][..], &[0x30, 2, 0], &[0x30, 0x80], &[0x30, 0x85, 0, 0, 0, 0, 1, 0], &[0x30, 0x82, 1]]
        {
            assert!(Reader::next(&mut Reader(bytes)).is_none(), "{bytes:?}");
        }
        let element = Reader::next(&mut Reader(&[0x30, 0x81, 1, 7, 9])).expect("an element");
        assert_eq!((element.content, element.whole), (&[7][..], &[0x30, 0x81, 1, 7][..]));
    }

    #[test]
    fn times() {
        let time = |tag, text: &[u8]| Element { tag, content: text, whole: text }.time();
        assert_eq!(time(tag::UTC_TIME, b"700101000000Z"), Some(0));
        assert_eq!(time(tag::UTC_TIME, b"491231235959Z"), Some(2_524_607_999));
        assert_eq!(time(tag::GENERALIZED_TIME, b"20240229120000Z"), Some(1_709_208_000));
        assert_eq!(time(tag::GENERALIZED_TIME, b"2024022912x000Z"), None);
    }

    #[test]
    fn object_identifiers() {
        let oid =
            |content| Element { tag: tag::OBJECT_IDENTIFIER, content, whole: content }.object_identifier();
        assert_eq!(oid(&[0x55, 4, 3][..]), "2.5.4.3");
        assert_eq!(oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1][..]), "1.2.840.113549.1.9.1");
    }
}
