//! The path of a request, brought into one form before anything looks at it.
//!
//! Owns: escaped slashes, dot segments and percent-encoding, repeated slashes, in this order. Does not own: which paths
//! are valid at all (codec), nor the redirect that `UNESCAPE_AND_REDIRECT` asks for (`request_headers`).
//! Follows: RFC 3986 sections 5.2.4 and 6.2.2, in the dialect of Envoy's `normalize_path`: a backslash is a slash,
//! escaped letters, digits and `-._~` are unescaped, other escapes stay as they are, `%00` is refused.
//!
//! Where the configuration leaves it open, the runtime decides, once, while the configuration is compiled.

use ferryman_codec::{HeaderBlock, KnownName};

use crate::model::http_connection_manager::{EscapedSlashesAction, HttpConnectionManager};
use crate::random::thread_random;
use crate::runtime;

const NORMALIZE_KEY: &str = "http_connection_manager.normalize_path";
const ESCAPED_SLASHES_KEY: &str = "http_connection_manager.path_with_escaped_slashes_action";
const ESCAPED_SLASHES_ENABLED_KEY: &str = "http_connection_manager.path_with_escaped_slashes_action_enabled";

/// What is to be done with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It goes on, with the path that is now in it.
    Continue,
    /// It is refused.
    Reject,
    /// The client is sent to the path that is now in it.
    Redirect,
}

/// What is done to `:path`.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathNormalization {
    escaped_slashes: EscapedSlashesAction,
    normalize: bool,
    merge_slashes: bool,
}

impl PathNormalization {
    pub(super) fn compile(config: &HttpConnectionManager) -> Self {
        PathNormalization {
            escaped_slashes: config
                .path_with_escaped_slashes_action
                .unwrap_or_else(escaped_slashes_of_the_runtime),
            normalize: config.normalize_path.unwrap_or_else(|| holds(NORMALIZE_KEY, false)),
            merge_slashes: config.merge_slashes,
        }
    }

    /// Rewrites the path. Allocates only when it changes.
    #[inline]
    pub(super) fn apply(self, request: &mut HeaderBlock) -> Outcome {
        let Some(target) = request.get(KnownName::Path) else { return Outcome::Continue };
        if memchr::memchr(b'#', target).is_some() {
            return Outcome::Reject;
        }
        let off =
            self.escaped_slashes == EscapedSlashesAction::Keep && !self.normalize && !self.merge_slashes;
        if off { Outcome::Continue } else { self.rewrite(request) }
    }

    fn rewrite(self, request: &mut HeaderBlock) -> Outcome {
        let target = request.get(KnownName::Path).unwrap_or_default();
        let end = memchr::memchr(b'?', target).unwrap_or(target.len());
        let (path, query) = target.split_at(end);
        let mut outcome = Outcome::Continue;
        let mut changed = None;
        if self.escaped_slashes != EscapedSlashesAction::Keep {
            changed = unescape_slashes(path);
            if changed.is_some() && self.escaped_slashes == EscapedSlashesAction::UnescapeAndRedirect {
                outcome = Outcome::Redirect;
            }
            if changed.is_some() && self.escaped_slashes == EscapedSlashesAction::Reject {
                outcome = Outcome::Reject;
            }
        }
        if self.normalize && outcome != Outcome::Reject {
            let path = changed.as_deref().unwrap_or(path);
            if !is_canonical(path) {
                let Some(canonical) = canonicalize(path) else { return Outcome::Reject };
                changed = Some(canonical);
            }
        }
        if self.merge_slashes && outcome != Outcome::Reject {
            let path = changed.as_deref().unwrap_or(path);
            if memchr::memmem::find(path, b"//").is_some() {
                changed = Some(merge_slashes(path));
            }
        }
        if let Some(mut path) = changed {
            path.extend_from_slice(query);
            request.set(KnownName::Path, &path);
        }
        outcome
    }
}

/// Whether a percentage of the runtime holds, this time.
fn holds(key: &str, default: bool) -> bool {
    runtime::named(key).and_then(|value| value.holds(thread_random())).unwrap_or(default)
}

/// By the numbers of Envoy's `PathWithEscapedSlashesAction`.
fn escaped_slashes_of_the_runtime() -> EscapedSlashesAction {
    let number = runtime::named(ESCAPED_SLASHES_KEY).and_then(|value| value.integer());
    match number {
        _ if !holds(ESCAPED_SLASHES_ENABLED_KEY, true) => EscapedSlashesAction::Keep,
        Some(2) => EscapedSlashesAction::Reject,
        Some(3) => EscapedSlashesAction::UnescapeAndRedirect,
        Some(4) => EscapedSlashesAction::UnescapeAndForward,
        _ => EscapedSlashesAction::Keep,
    }
}

/// `%2F` becomes a slash and `%5C` a backslash; none when neither is there.
fn unescape_slashes(path: &[u8]) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    let mut rest = path;
    let mut kept = path;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let slash = match rest.get(at + 1..at + 3) {
            Some([b'2', b'f' | b'F']) => b'/',
            Some([b'5', b'c' | b'C']) => b'\\',
            _ => {
                rest = rest.get(at + 1..).unwrap_or_default();
                continue;
            }
        };
        let out = out.get_or_insert_with(|| Vec::with_capacity(path.len()));
        let before = kept.len() - rest.len() + at;
        out.extend_from_slice(kept.get(..before).unwrap_or_default());
        out.push(slash);
        rest = rest.get(at + 3..).unwrap_or_default();
        kept = rest;
    }
    if let Some(out) = &mut out {
        out.extend_from_slice(kept);
    }
    out
}

/// One slash in the place of many.
fn merge_slashes(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    if path.first() == Some(&b'/') {
        out.push(b'/');
    }
    let mut segments = path.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty());
    out.extend_from_slice(segments.next().unwrap_or_default());
    for segment in segments {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if path.last() == Some(&b'/') {
        out.push(b'/');
    }
    out
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether canonicalization would leave the path alone, found out without allocation. A path that has an escape or a
/// segment that begins with a dot is looked at the long way.
fn is_canonical(path: &[u8]) -> bool {
    let plain = path.iter().all(|&byte| !must_escape(byte) && byte != b'%' && byte != b'\\');
    plain && memchr::memmem::find(path, b"/.").is_none() && path.first() == Some(&b'/')
}

fn must_escape(byte: u8) -> bool {
    !byte.is_ascii_graphic() || matches!(byte, b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// What a segment that begins with dots is, and how long it is with the slash after it.
enum DotSegment {
    Current(usize),
    Parent(usize),
    Ordinary,
}

/// The length of a dot at the beginning, plain or escaped.
fn dot_length(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'.', ..] => Some(1),
        [b'%', b'2', b'e' | b'E', ..] => Some(3),
        _ => None,
    }
}

/// The length of a segment's end: nothing, or a slash.
fn end_length(rest: &[u8]) -> Option<usize> {
    match rest {
        [] => Some(0),
        [b'/' | b'\\', ..] => Some(1),
        _ => None,
    }
}

/// Envoy also takes parameters off dot segments, but not off escaped ones: `/..;x/` is a parent, `/%2e%2e;x/` is not.
fn parameters_length(rest: &[u8], plain_dots: bool) -> usize {
    if !plain_dots || rest.first() != Some(&b';') {
        return 0;
    }
    memchr::memchr(b'/', rest).unwrap_or(rest.len())
}

fn dot_segment(segment: &[u8], after_slash: bool) -> DotSegment {
    let Some(first) = dot_length(segment) else { return DotSegment::Ordinary };
    let after_first = segment.get(first..).unwrap_or_default();
    let parameters = parameters_length(after_first, first == 1 && after_slash);
    if let Some(end) = end_length(after_first.get(parameters..).unwrap_or_default()) {
        return DotSegment::Current(first + parameters + end);
    }
    let Some(second) = dot_length(after_first) else { return DotSegment::Ordinary };
    let dots = first + second;
    let after_second = segment.get(dots..).unwrap_or_default();
    let parameters = parameters_length(after_second, dots == 2 && after_slash);
    match end_length(after_second.get(parameters..).unwrap_or_default()) {
        Some(end) => DotSegment::Parent(dots + parameters + end),
        None => DotSegment::Ordinary,
    }
}

/// The canonical form; none when the path may not go on.
fn canonicalize(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len() + 8);
    let mut rest = path;
    if !matches!(rest.first(), Some(b'/' | b'\\')) {
        out.push(b'/');
    }
    // A percent sign in the output that begins no escape: what follows must not turn it into one.
    let mut stray_percent = None;
    let mut after_slash = false;
    while let Some((&byte, tail)) = rest.split_first() {
        if out.last() == Some(&b'/') {
            match dot_segment(rest, after_slash) {
                DotSegment::Current(length) => {
                    after_slash = rest.get(length - 1) != Some(&b'\\');
                    rest = rest.get(length..).unwrap_or_default();
                    continue;
                }
                DotSegment::Parent(length) => {
                    out.pop();
                    out.truncate(memchr::memrchr(b'/', &out).unwrap_or(0));
                    out.push(b'/');
                    stray_percent = None;
                    after_slash = rest.get(length - 1) != Some(&b'\\');
                    rest = rest.get(length..).unwrap_or_default();
                    continue;
                }
                DotSegment::Ordinary => {}
            }
        }
        rest = tail;
        match byte {
            b'/' | b'\\' => {
                out.push(b'/');
                after_slash = byte == b'/';
            }
            b'%' => rest = canonicalize_escape(rest, &mut out, &mut stray_percent)?,
            _ if must_escape(byte) => push_escape(byte, &mut out),
            _ => out.push(byte),
        }
    }
    Some(out)
}

/// What follows a percent sign. Answers the rest of the path; none for `%00`.
fn canonicalize_escape<'a>(
    rest: &'a [u8],
    out: &mut Vec<u8>,
    stray_percent: &mut Option<usize>,
) -> Option<&'a [u8]> {
    let Some(byte) = escaped(rest) else {
        *stray_percent = Some(out.len());
        out.push(b'%');
        return Some(rest);
    };
    let (digits, rest) = rest.split_at_checked(2).unwrap_or((rest, b""));
    if byte == 0 {
        return None;
    }
    if is_unreserved(byte) {
        out.push(byte);
        protect_stray_percent(rest, out, *stray_percent);
    } else {
        out.push(b'%');
        out.extend_from_slice(digits);
    }
    Some(rest)
}

/// The byte that two hexadecimal digits stand for.
fn escaped(digits: &[u8]) -> Option<u8> {
    let [high, low, ..] = digits else { return None };
    let value = char::from(*high).to_digit(16)? * 16 + char::from(*low).to_digit(16)?;
    u8::try_from(value).ok()
}

/// When the byte that was just unescaped made an escape with a percent sign that stood alone (`%4%31` is not `%41`), the
/// percent sign is escaped.
fn protect_stray_percent(rest: &[u8], out: &mut Vec<u8>, stray_percent: Option<usize>) {
    let Some(at) = stray_percent else { return };
    let mut after = out.get(at + 1..).unwrap_or_default().to_vec();
    if after.len() == 1 {
        after.extend(rest.first());
    }
    if after.len() == 2 && escaped(&after).is_some() {
        out.splice(at + 1..at + 1, *b"25");
    }
}

fn push_escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or(b'0');
    out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
}

#[cfg(test)]
#[path = "path_normalization_tests.rs"]
mod tests;
