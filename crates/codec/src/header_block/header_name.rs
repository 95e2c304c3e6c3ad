//! A header name of the configuration: checked once, then compared and written without checks.
//!
//! Owns: the check. Does not own: names that arrive in traffic, which stay bytes in a `HeaderBlock`.
//! Follows: RFC 9110 section 5.1 (a name is a token), RFC 9113 section 8.2 (lower case).

use super::KnownName;
use crate::http1::chars;

/// A checked name in lower case. A pseudo-header's name (`:path`) is one as well.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HeaderName(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Known(KnownName),
    Custom(Box<[u8]>),
}

/// The bytes are not a header name in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidName;

impl std::fmt::Display for InvalidName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a header name is one or more token characters (RFC 9110), in lower case")
    }
}

impl std::error::Error for InvalidName {}

impl HeaderName {
    /// Takes a token in lower case of at most 65,535 bytes, or one of the pseudo-headers' names.
    ///
    /// # Errors
    /// `InvalidName` for anything else, also for letters in upper case.
    pub fn new(lower: &[u8]) -> Result<Self, InvalidName> {
        let known = KnownName::of(lower);
        if known != KnownName::Other {
            return Ok(HeaderName(Repr::Known(known)));
        }
        let is_lower_token = lower.iter().all(|&byte| chars::lower_token(byte) == byte && byte != 0);
        if lower.is_empty() || lower.len() > usize::from(u16::MAX) || !is_lower_token {
            return Err(InvalidName);
        }
        Ok(HeaderName(Repr::Custom(lower.into())))
    }

    /// The name's id; `Other` when it has none.
    #[inline]
    #[must_use]
    pub fn known(&self) -> KnownName {
        match self.0 {
            Repr::Known(known) => known,
            Repr::Custom(_) => KnownName::Other,
        }
    }

    /// The name as it is written.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Known(known) => known.as_str().as_bytes(),
            Repr::Custom(bytes) => bytes,
        }
    }
}

impl TryFrom<KnownName> for HeaderName {
    type Error = InvalidName;

    /// Refuses `Other`, which is no name.
    fn try_from(known: KnownName) -> Result<Self, InvalidName> {
        if known == KnownName::Other { Err(InvalidName) } else { Ok(HeaderName(Repr::Known(known))) }
    }
}

impl std::fmt::Debug for HeaderName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", String::from_utf8_lossy(self.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_tokens() {
        assert_eq!(HeaderName::new(b"host").map(|name| name.known()), Ok(KnownName::Host));
        assert_eq!(HeaderName::new(b":path").map(|name| name.known()), Ok(KnownName::Path));
        assert_eq!(HeaderName::new(b"x-team").map(|name| name.known()), Ok(KnownName::Other));
        for bad in [&b""[..], b"X-Team", b"a b", b"a:", b":other", b"a\r\n", b"\x80", b"a\0"] {
            assert_eq!(HeaderName::new(bad), Err(InvalidName));
        }
        assert_eq!(HeaderName::try_from(KnownName::Other), Err(InvalidName));
    }
}
