//! The operator that prints a part of `x-forwarded-client-cert`.
//!
//! Owns: `%XFCC_VALUE(KEY)%`. Does not own: who may send the header (`http_connection_manager`). Follows: Envoy's page "HTTP
//! header manipulation", section "x-forwarded-client-cert": elements with commas between, pairs `key=value` with
//! semicolons between, values in quotes where they need to be. The first element that has the key counts.

use ferryman_codec::HeaderName;

use super::FormatContext;
use super::operator::Written;

const KEYS: [&str; 7] = ["by", "cert", "chain", "dns", "hash", "subject", "uri"];

/// `%XFCC_VALUE(KEY)%`
pub(super) struct CertificateField {
    key: Box<[u8]>,
    header: HeaderName,
}

impl CertificateField {
    /// The key, in any case.
    pub(super) fn compile(argument: &str) -> Result<Self, String> {
        let key = argument.to_ascii_lowercase();
        if !KEYS.contains(&key.as_str()) {
            return Err(format!("XFCC_VALUE command does not support subcommand: {argument}"));
        }
        let header = HeaderName::new(b"x-forwarded-client-cert")
            .map_err(|_| "x-forwarded-client-cert is no header name".to_owned())?;
        Ok(CertificateField { key: key.into_bytes().into(), header })
    }

    pub(super) fn write(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
        let header = context.request_headers.and_then(|head| head.get_name(&self.header));
        match header.and_then(|header| find(header, &self.key)) {
            Some(value) => {
                write_unescaped(unquoted(value), out);
                Written::Text
            }
            None => Written::Unset,
        }
    }
}

/// The value of the first pair with this key, as it stands there.
fn find<'a>(header: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut rest = header;
    while !rest.is_empty() {
        let (element, behind) = cut(rest, b',')?;
        let mut pairs = element;
        while !pairs.is_empty() {
            let (pair, others) = cut(pairs, b';')?;
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (pair.get(..at)?, pair.get(at + 1..)?),
                None => (pair, &b""[..]),
            };
            if name.trim_ascii().eq_ignore_ascii_case(key) {
                return Some(value.trim_ascii());
            }
            pairs = others;
        }
        rest = behind;
    }
    None
}

/// What precedes the first separator outside of quotes, and what follows it; `None`: a quote is not closed.
fn cut(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            byte if *byte == separator && !quoted => return Some((text.get(..at)?, text.get(at + 1..)?)),
            _ => {}
        }
    }
    (!quoted).then_some((text, b""))
}

/// Without the quotes around all of it.
fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value)
}

fn write_unescaped(value: &[u8], out: &mut Vec<u8>) {
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        let byte = if *byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte };
        out.push(*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the real Envoy 1.40 prints for `%XFCC_VALUE(uri)%`.
    #[test]
    fn values_are_those_of_envoy() {
        let cases: [(&str, Option<&str>); 15] = [
            ("By=a;Hash=b, URI=second", Some("second")),
            ("uri=", Some("")),
            ("URI=\"unterminated", None),
            ("URI=a\"b", None),
            ("URI=\"a,b\";By=x", Some("a,b")),
            ("URI=\"a;b\"x", Some("\"a;b\"x")),
            (" URI = a ;x=y", Some("a")),
            ("URI=a\\\"b", Some("a\"b")),
            ("URI", Some("")),
            ("URI=;, URI=c", Some("")),
            ("=x;URI=q", Some("q")),
            ("URI=\"a\\\\b\"", Some("a\\b")),
            ("By=x;;URI=z", Some("z")),
            ("URI=\"\";By=x,URI=b", Some("")),
            ("", None),
        ];
        for (header, expected) in cases {
            let mut out = Vec::new();
            let value = find(header.as_bytes(), b"uri").map(|value| {
                write_unescaped(unquoted(value), &mut out);
                String::from_utf8_lossy(&out).into_owned()
            });
            assert_eq!(value.as_deref(), expected, "{header}");
        }
    }
}
