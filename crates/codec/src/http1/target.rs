//! The target of a request line: what is asked of whom.
//!
//! Owns: the four forms of RFC 9112 section 3.2 and their pseudo-headers. Does not own: paths
//! (normalisation is the data plane's).
//! Follows: RFC 9112 sections 3.2 and 3.3, RFC 9110 section 7.1.

use super::chars;
use crate::error::ErrorKind;
use crate::header_block::{HeaderBlock, KnownName};

/// How the request names its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetForm {
    /// A path, or `*` with OPTIONS: the host field names the authority.
    Origin,
    /// A whole URL: it names the authority, and the host field is not looked at.
    Absolute,
    /// Host and port, with CONNECT.
    Authority,
}

/// Checks the target and stores `:path`, and `:scheme` and `:authority` when it names them.
#[inline]
pub(crate) fn store(
    method: &[u8],
    target: &[u8],
    allow_absolute_url: bool,
    block: &mut HeaderBlock,
) -> Result<TargetForm, ErrorKind> {
    if !chars::is_target(target) {
        return Err(character_error(target));
    }
    if method == b"CONNECT" {
        return store_authority(target, block);
    }
    let is_path = target.first() == Some(&b'/') || (method == b"OPTIONS" && target == b"*");
    if is_path || (!allow_absolute_url && has_scheme(target)) {
        put(block, KnownName::Path, target)?;
        return Ok(TargetForm::Origin);
    }
    store_absolute(target, block)
}

#[cold]
fn character_error(target: &[u8]) -> ErrorKind {
    let is_control = |byte: &u8| byte.is_ascii_control();
    match target {
        [] => ErrorKind::InvalidRequestLine,
        _ if target.contains(&b'\r') => ErrorKind::BareCr,
        _ if target.iter().any(|byte| *byte != b'\t' && is_control(byte)) => {
            ErrorKind::InvalidTargetCharacter
        }
        _ if target.iter().all(|byte| byte.is_ascii_graphic()) => ErrorKind::FragmentInTarget,
        _ => ErrorKind::InvalidTarget,
    }
}

/// `host:port`; the port is not optional.
fn store_authority(target: &[u8], block: &mut HeaderBlock) -> Result<TargetForm, ErrorKind> {
    let colon = memchr::memrchr(b':', target).ok_or(ErrorKind::InvalidUrl)?;
    let (host, port) = target.split_at_checked(colon).ok_or(ErrorKind::InvalidUrl)?;
    if host.is_empty() || port.len() < 2 || !chars::is_host(target) {
        return Err(ErrorKind::InvalidUrl);
    }
    put(block, KnownName::Authority, target)?;
    Ok(TargetForm::Authority)
}

fn has_scheme(target: &[u8]) -> bool {
    split_scheme(target).is_some()
}

fn split_scheme(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', target)?;
    let (scheme, rest) = target.split_at_checked(colon)?;
    let rest = rest.strip_prefix(b"://")?;
    chars::is_scheme(scheme).then_some((scheme, rest))
}

/// `scheme://authority/path`. User information before the host is dropped, as Envoy does; the path is
/// `/` when there is nothing, and the bare query when there is only that: such a path, which does not
/// begin with `/`, the connection manager refuses.
fn store_absolute(target: &[u8], block: &mut HeaderBlock) -> Result<TargetForm, ErrorKind> {
    let no_form = if target == b"*" { ErrorKind::InvalidUrl } else { ErrorKind::UnknownTargetForm };
    let (scheme, rest) = split_scheme(target).ok_or(no_form)?;
    let scheme: &[u8] = if scheme.eq_ignore_ascii_case(b"http") {
        b"http"
    } else if scheme.eq_ignore_ascii_case(b"https") {
        b"https"
    } else {
        return Err(ErrorKind::InvalidScheme);
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).ok_or(ErrorKind::InvalidUrl)?;
    let host = match memchr::memchr(b'@', authority) {
        Some(at) => authority.get(at + 1..).unwrap_or_default(),
        None => authority,
    };
    if matches!(host, [] | [b':', ..] | [.., b':']) || !chars::is_host(host) {
        return Err(ErrorKind::InvalidUrl);
    }
    put(block, KnownName::Scheme, scheme)?;
    put(block, KnownName::Authority, host)?;
    put(block, KnownName::Path, if path.is_empty() { b"/" } else { path })?;
    Ok(TargetForm::Absolute)
}

fn put(block: &mut HeaderBlock, name: KnownName, value: &[u8]) -> Result<(), ErrorKind> {
    if block.push(name, b"", value) { Ok(()) } else { Err(ErrorKind::HeadersTooLarge) }
}
