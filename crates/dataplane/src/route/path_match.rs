//! What a route asks of the path.
//!
//! Owns: the kinds of path match, compiled, and what part of the path is looked at. Does not own: finding the route
//! among many (`path_index`).
//! Follows Envoy's `RouteMatch.path_specifier`: query and fragment do not count.

use regex::bytes::Regex;

use crate::matcher;
use crate::model::route::PathMatch;

/// The target without query and fragment.
#[inline]
#[must_use]
pub(super) fn path_of(target: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
    target.get(..end).unwrap_or(target)
}

/// The path without what follows a semicolon in each segment; `None`: there is none.
#[must_use]
pub(super) fn without_parameters(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b';', path)?;
    let segments = path.split(|&byte| byte == b'/');
    let kept: Vec<_> = segments
        .map(|segment| {
            segment.get(..memchr::memchr(b';', segment).unwrap_or(segment.len())).unwrap_or(segment)
        })
        .collect();
    Some(kept.join(&b'/'))
}

/// A compiled path match.
#[derive(Debug, Clone)]
pub(super) enum PathMatcher {
    /// Begins with the text.
    Prefix(PathText),
    /// Is the text.
    Path(PathText),
    /// Is the text, or begins with it and a slash.
    PathSeparatedPrefix(PathText),
    /// The whole path matches; every path that does begins with the literal.
    SafeRegex { regex: Regex, literal_prefix: Box<[u8]> },
    /// There is none: the request is a CONNECT.
    Connect,
}

/// A text and whether letters' case counts.
#[derive(Debug, Clone)]
pub(super) struct PathText {
    pub text: Box<[u8]>,
    pub case_sensitive: bool,
}

impl PathText {
    fn new(text: &str, case_sensitive: bool) -> Self {
        PathText { text: text.as_bytes().into(), case_sensitive }
    }

    /// What follows the text in the path.
    #[inline]
    fn strip<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        let (head, rest) = path.split_at_checked(self.text.len())?;
        let same =
            if self.case_sensitive { *head == *self.text } else { head.eq_ignore_ascii_case(&self.text) };
        same.then_some(rest)
    }
}

impl PathMatcher {
    pub(super) fn compile(model: &PathMatch) -> Result<Self, String> {
        Ok(match model {
            PathMatch::Prefix { value, case_sensitive } => {
                Self::Prefix(PathText::new(value, *case_sensitive))
            }
            PathMatch::Path { value, case_sensitive } => Self::Path(PathText::new(value, *case_sensitive)),
            PathMatch::PathSeparatedPrefix { value, case_sensitive } => {
                Self::PathSeparatedPrefix(PathText::new(value, *case_sensitive))
            }
            PathMatch::Connect {} => Self::Connect,
            PathMatch::SafeRegex { regex } => Self::SafeRegex {
                regex: matcher::compile_regex(regex)?,
                literal_prefix: literal_prefix(regex).as_bytes().into(),
            },
        })
    }

    /// Whether a path (without query) is what the route asks for.
    #[inline]
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        match self {
            PathMatcher::Prefix(prefix) => prefix.strip(path).is_some(),
            PathMatcher::Path(whole) => whole.strip(path).is_some_and(<[u8]>::is_empty),
            PathMatcher::PathSeparatedPrefix(prefix) => {
                prefix.strip(path).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
            }
            PathMatcher::SafeRegex { regex, .. } => regex.is_match(path),
            PathMatcher::Connect => false,
        }
    }

    /// Whether the index knows only the path's beginning.
    #[inline]
    pub(super) fn is_regex(&self) -> bool {
        matches!(self, PathMatcher::SafeRegex { .. })
    }

    /// Whether it takes requests without a path.
    pub(super) fn is_connect(&self) -> bool {
        matches!(self, PathMatcher::Connect)
    }

    /// How many bytes of a matching path `prefix_rewrite` replaces.
    #[inline]
    pub(super) fn matched_length(&self, path: &[u8]) -> usize {
        match self {
            PathMatcher::Prefix(text) | PathMatcher::Path(text) | PathMatcher::PathSeparatedPrefix(text) => {
                text.text.len()
            }
            PathMatcher::SafeRegex { .. } | PathMatcher::Connect => path.len(),
        }
    }
}

/// A text that every string begins with that the whole expression matches; empty when in doubt.
fn literal_prefix(regex: &str) -> &str {
    let regex = regex.strip_prefix('^').unwrap_or(regex);
    if regex.contains('|') {
        return "";
    }
    let is_literal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '~' | '%');
    let end = regex.find(|c| !is_literal(c)).unwrap_or(regex.len());
    let (literal, rest) = regex.split_at(end);
    // A quantifier belongs to the last character, which may then not be there.
    let quantified = rest.starts_with(['?', '*', '+', '{']);
    if quantified { literal.get(..literal.len().saturating_sub(1)).unwrap_or("") } else { literal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_prefixes() {
        for (regex, expected) in [
            ("/api/v[0-9]+/.*", "/api/v"),
            ("^/a/b$", "/a/b"),
            ("/ab?c", "/a"),
            ("/ab*", "/a"),
            ("/ab{0,1}", "/a"),
            ("/a|/b", ""),
            ("/a(b|c)", ""),
            ("(?i)/a", ""),
            (".*", ""),
            ("", ""),
            ("?", ""),
            ("/a\\.b", "/a"),
            ("/a.b", "/a"),
        ] {
            assert_eq!(literal_prefix(regex), expected, "{regex}");
        }
    }

    fn matches(model: PathMatch, target: &str) -> bool {
        PathMatcher::compile(&model).expect("match").matches(path_of(target.as_bytes()))
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn four_kinds() {
        let prefix =
            |value: &str, case_sensitive| PathMatch::Prefix { value: value.to_owned(), case_sensitive };
        let path = |value: &str, case_sensitive| PathMatch::Path { value: value.to_owned(), case_sensitive };
        let separated = |value: &str, case_sensitive| PathMatch::PathSeparatedPrefix {
            value: value.to_owned(),
            case_sensitive,
        };
        let regex = |regex: &str| PathMatch::SafeRegex { regex: regex.to_owned() };
        for (model, target, expected) in [
            (prefix("/pre", true), "/prex", true),
            (prefix("/pre?x", true), "/pre?x", false),
            (prefix("/CI", false), "/ci/A", true),
            (prefix("/CI", true), "/ci/A", false),
            (prefix("", true), "/anything", true),
            (path("/p2", true), "/p2", true),
            (path("/p2", true), "/p2?x", true),
            (path("/p2", true), "/p2/", false),
            (path("/p2", true), "/P2", false),
            (path("/P", false), "/p?x", true),
            (separated("/a/b", true), "/a/b", true),
            (separated("/a/b", true), "/a/b/", true),
            (separated("/a/b", true), "/a/b?c", true),
            (separated("/a/b", true), "/a/bc", false),
            (separated("/a/b", true), "/a/b;x", false),
            (separated("/CI", false), "/cI/x", true),
            (separated("/CI", false), "/cix", false),
            (regex("/r[0-9]+"), "/r12", true),
            (regex("/r[0-9]+"), "/r12x", false),
            (regex("/r[0-9]+"), "/x/r12", false),
            (regex("/r[0-9]+"), "/r12?x=y", true),
            (regex("/a|/b"), "/b", true),
            (regex("/a|/b"), "/bc", false),
        ] {
            assert_eq!(matches(model.clone(), target), expected, "{model:?} {target}");
        }
    }
}
