//! What a route asks of cookies.
//!
//! Owns: finding a cookie and matching it. Does not own: how its text is matched (`matcher`).
//! Follows Envoy's `CookieMatcher`: the first cookie of the name counts, over all `cookie` headers; a value in quotes is
//! what stands between them.

use ferryman_codec::{HeaderBlock, KnownName};

use crate::matcher::StringMatcher;
use crate::model::matcher::CookieMatcher;

#[derive(Debug, Clone)]
pub(super) struct Cookie {
    name: Box<[u8]>,
    matcher: StringMatcher,
    invert: bool,
}

impl Cookie {
    pub(super) fn compile(model: &CookieMatcher) -> Result<Self, String> {
        Ok(Cookie {
            name: model.name.as_bytes().into(),
            matcher: StringMatcher::compile(&model.matching)?,
            invert: model.invert_match,
        })
    }

    pub(super) fn matches(&self, request: &HeaderBlock) -> bool {
        let mut headers = request.get_all_known(KnownName::Cookie);
        let value = headers.find_map(|header| value(header, &self.name));
        value.is_some_and(|value| self.matcher.matches(value)) != self.invert
    }
}

/// The value of the first cookie of the name in one header.
fn value<'a>(header: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    header.split(|&byte| byte == b';').find_map(|cookie| {
        let cookie = cookie.trim_ascii();
        let equals = memchr::memchr(b'=', cookie)?;
        let (found, value) = cookie.split_at_checked(equals)?;
        let value = value.get(1..).unwrap_or_default();
        let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        (found == name).then_some(unquoted.unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (header, expected) in [
            ("user=me", Some("me")),
            ("a=b;user=me", Some("me")),
            ("a=b;  user=me ;c", Some("me")),
            ("user=\"me\"", Some("me")),
            ("user=\"me", Some("\"me")),
            ("user=\"", Some("\"")),
            ("user = me", None),
            ("user", None),
            ("User=me", None),
            ("user=a=b", Some("a=b")),
            ("user=you; user=me", Some("you")),
            ("", None),
        ] {
            assert_eq!(value(header.as_bytes(), b"user"), expected.map(str::as_bytes), "{header}");
        }
    }
}
