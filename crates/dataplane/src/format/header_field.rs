//! Operators that print a header or trailer.
//!
//! Owns: `%REQ(X?Y)%`, `%RESP(X?Y)%`, `%TRAILER(X?Y)%`. Does not own: the look-up (`HeaderBlock`).
//! Follows: Envoy's page "Access logging". Values are printed as they came: text logs escape nothing, JSON logs do
//! (`json_text`). Of a header that came more than once the first is printed.

use ferryman_codec::{HeaderBlock, HeaderName};

use super::FormatContext;

/// Which head is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderSource {
    Request,
    Response,
    ResponseTrailers,
}

/// A header, and another that stands in when the first did not come.
pub(super) struct HeaderField {
    source: HeaderSource,
    /// `None`: the name is not one that can come.
    name: Option<HeaderName>,
    alternative: Option<HeaderName>,
}

impl HeaderField {
    /// `X`, or `X?Y`.
    pub(super) fn compile(source: HeaderSource, argument: &str) -> Result<Self, String> {
        let mut names = argument.split('?');
        let (name, alternative) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        if names.next().is_some() {
            return Err(format!("more than 1 alternative header specified in token: {argument}"));
        }
        if argument.chars().any(|char| char.is_ascii_whitespace() || matches!(char, '(' | ')' | '\0' | '\\'))
        {
            return Err(format!("invalid header configuration: {argument:?} is not a header name"));
        }
        Ok(HeaderField {
            source,
            name: header_name(source, name),
            alternative: header_name(source, alternative),
        })
    }

    #[inline]
    pub(super) fn value<'a>(&self, context: &FormatContext<'a>) -> Option<&'a [u8]> {
        let head = match self.source {
            HeaderSource::Request => context.request_headers,
            HeaderSource::Response => context.response_headers,
            HeaderSource::ResponseTrailers => context.response_trailers,
        }?;
        self.find(head)
    }

    fn find<'a>(&self, head: &'a HeaderBlock) -> Option<&'a [u8]> {
        let first = self.name.as_ref().and_then(|name| head.get_name(name));
        first.or_else(|| self.alternative.as_ref().and_then(|name| head.get_name(name)))
    }
}

fn header_name(source: HeaderSource, name: &str) -> Option<HeaderName> {
    let mut lower = name.to_ascii_lowercase();
    // The codec keeps Host as the pseudo-header, as Envoy does.
    if source == HeaderSource::Request && lower == "host" {
        ":authority".clone_into(&mut lower);
    }
    HeaderName::new(lower.as_bytes()).ok()
}
