//! Operators that print the path or what stands in its query.
//!
//! Owns: `%PATH(QUERY:SOURCE)%`, `%QUERY_PARAM(X)%`, `%QUERY_PARAMS(FORM)%`. Does not own: matching on the path
//! (`route`). Follows: Envoy's page "Access logging", RFC 3986 section 2.1 (percent-encoding).

use ferryman_codec::{HeaderBlock, KnownName};

use super::FormatContext;
use super::operator::{Written, write_text};

/// What precedes the query.
pub(super) fn without_query(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'?').next().unwrap_or_default()
}

/// `%PATH%`: by default with the query, and the original path if it was rewritten.
#[derive(Default)]
pub(super) struct PathField {
    without_query: bool,
    source: PathSource,
}

#[derive(Default, Clone, Copy)]
enum PathSource {
    #[default]
    OriginalOrPath,
    Original,
    Path,
}

impl PathField {
    /// `WQ|NQ`, then optionally `:ORIG|PATH|ORIG_OR_PATH`; what follows is ignored, as Envoy does.
    pub(super) fn compile(argument: &str) -> Result<Self, String> {
        let mut parts = argument.split(':');
        let without_query = match parts.next().unwrap_or_default() {
            "" | "WQ" => false,
            "NQ" => true,
            other => return Err(format!("invalid PATH option: '{other}', only 'WQ'/'NQ' are allowed")),
        };
        let source = match parts.next().unwrap_or_default() {
            "" | "ORIG_OR_PATH" => PathSource::OriginalOrPath,
            "ORIG" => PathSource::Original,
            "PATH" => PathSource::Path,
            other => {
                return Err(format!(
                    "invalid PATH option: '{other}', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed"
                ));
            }
        };
        Ok(PathField { without_query, source })
    }

    pub(super) fn value<'a>(&self, context: &FormatContext<'a>) -> Option<&'a [u8]> {
        let head: &'a HeaderBlock = context.request_headers?;
        let original = || head.get(KnownName::XEnvoyOriginalPath);
        let path = match self.source {
            PathSource::OriginalOrPath => original().or_else(|| head.get(KnownName::Path)),
            PathSource::Original => original(),
            PathSource::Path => head.get(KnownName::Path),
        }?;
        if !self.without_query {
            return Some(path);
        }
        path.split(|byte| matches!(byte, b'?' | b'#')).next()
    }
}

/// What follows the first `?` of the path.
fn query<'a>(context: &FormatContext<'a>) -> Option<&'a [u8]> {
    let path: &'a [u8] = context.request_headers?.get(KnownName::Path)?;
    path.iter().position(|byte| *byte == b'?').and_then(|mark| path.get(mark + 1..))
}

/// `%QUERY_PARAM(X)%`: the first parameter whose name, decoded, is X; its value decoded.
pub(super) struct QueryParameter {
    name: Box<[u8]>,
}

impl QueryParameter {
    pub(super) fn new(name: &str) -> Self {
        QueryParameter { name: name.as_bytes().into() }
    }

    pub(super) fn write(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
        let Some(query) = query(context) else { return Written::Unset };
        for parameter in query.split(|byte| *byte == b'&') {
            let mut parts = parameter.splitn(2, |byte| *byte == b'=');
            if !Decoded(parts.next().unwrap_or_default()).eq(self.name.iter().copied()) {
                continue;
            }
            out.extend(Decoded(parts.next().unwrap_or_default()));
            return Written::Text;
        }
        Written::Unset
    }
}

/// Percent-decodes; what is no valid escape stays as it is, and so does `+`.
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        if let (b'%', [high, low, after @ ..]) = (first, rest) {
            if let Some(byte) = hex_pair(*high, *low) {
                self.0 = after;
                return Some(byte);
            }
        }
        Some(first)
    }
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// `%QUERY_PARAMS%`: the whole query.
pub(super) enum QueryParameters {
    /// As it came (`ORIG`).
    AsReceived,
    /// Decoded where the result is fit to print (`DECODED`).
    Decoded,
}

impl QueryParameters {
    pub(super) fn compile(argument: &str) -> Result<Self, String> {
        match argument {
            "ORIG" => Ok(QueryParameters::AsReceived),
            "DECODED" => Ok(QueryParameters::Decoded),
            other => {
                Err(format!("invalid QUERY_PARAMS option: '{other}', only 'ORIG'/'DECODED' are allowed"))
            }
        }
    }

    pub(super) fn write(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
        match (self, query(context)) {
            (QueryParameters::AsReceived, query) => write_text(query, out),
            (QueryParameters::Decoded, None) => Written::Unset,
            (QueryParameters::Decoded, Some(query)) => {
                write_printable(query, out);
                Written::Text
            }
        }
    }
}

/// Decodes the escapes of printable characters, leaves those of others, and drops the `%` of an invalid one unless it
/// is at the very end.
fn write_printable(mut query: &[u8], out: &mut Vec<u8>) {
    while let Some((&first, rest)) = query.split_first() {
        query = rest;
        let (b'%', [high, low, after @ ..]) = (first, rest) else {
            out.push(first);
            continue;
        };
        let Some(byte) = hex_pair(*high, *low) else { continue };
        query = after;
        let printable = byte.is_ascii_graphic() && !br#""<>\^{|}"#.contains(&byte);
        if printable {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', *high, *low]);
        }
    }
}
