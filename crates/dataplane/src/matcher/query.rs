//! The parameters of a query, decoded.
//!
//! Owns: finding one parameter and undoing its percent-encoding. Does not own: query parameter matches of routes, which
//! look at what came (`route::condition`).
//! Follows Envoy's `HttpRequestQueryParamMatchInput`: the first parameter of the name counts, `+` stays.

use std::borrow::Cow;

/// The decoded value of the first parameter whose decoded name this is; empty when it has no equals sign.
pub(crate) fn decoded_parameter<'a>(target: &'a [u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    let query = memchr::memchr(b'?', target).and_then(|at| target.get(at + 1..))?;
    let query = memchr::memchr(b'#', query).and_then(|at| query.get(..at)).unwrap_or(query);
    query.split(|&byte| byte == b'&').filter(|parameter| !parameter.is_empty()).find_map(|parameter| {
        let equals = memchr::memchr(b'=', parameter).unwrap_or(parameter.len());
        let (found, value) = parameter.split_at_checked(equals)?;
        (*decode(found) == *name).then(|| decode(value.get(1..).unwrap_or_default()))
    })
}

/// Undoes percent-encoding; what is none stays.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = after;
                }
                _ => out.push(byte),
            },
            _ => out.push(byte),
        }
    }
    Cow::Owned(out)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        for (target, name, expected) in [
            ("/?a=1&a=2", "a", Some("1")),
            ("/?b&a", "a", Some("")),
            ("/?a=x%20y%2", "a", Some("x y%2")),
            ("/?a=x+y", "a", Some("x+y")),
            ("/?%61=1", "a", Some("1")),
            ("/?a=1#b=2", "b", None),
            ("/", "a", None),
            ("/?a=%zz%", "a", Some("%zz%")),
        ] {
            let found = decoded_parameter(target.as_bytes(), name.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{target}");
        }
    }
}
