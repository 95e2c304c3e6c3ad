//! Paths and hosts that formats make.
//!
//! Owns: `path_rewrite` and `host_rewrite` of routes. Does not own: the other rewrites (`rewrite`), nor the formats.
//! Follows Envoy's `RouteAction.path_rewrite`: the result takes the place of the path, the query stays. Other than there, a result
//! that does not begin with a slash changes nothing (`docs/differences_from_envoy.md`, `path-of-a-format`).

use ferryman_codec::{HeaderBlock, KnownName};

use crate::format::{FormatContext, Formatter};

use super::path_match::path_of;
use super::rewrite::set_authority;

/// What the format makes of a request.
pub(super) fn text(request: &HeaderBlock, format: &Formatter, context: &FormatContext<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    format.write(&FormatContext { request_headers: Some(request), ..*context }, &mut text);
    text
}

/// Rewrites the path.
pub(super) fn path(
    request: &mut HeaderBlock,
    format: &Formatter,
    context: &FormatContext<'_>,
    keep_original: bool,
) {
    let mut target = text(request, format, context);
    // A target of another form would be read as a host or as a proxy's whole URL.
    if target.first() != Some(&b'/') {
        return;
    }
    let former = request.get(KnownName::Path).unwrap_or_default().to_vec();
    target.extend_from_slice(former.get(path_of(&former).len()..).unwrap_or_default());
    // A path with bytes that no request line may have is refused, and the former one stays.
    if request.set(KnownName::Path, &target) && keep_original {
        request.set(KnownName::XEnvoyOriginalPath, &former);
    }
}

/// Rewrites the host.
pub(super) fn host(
    request: &mut HeaderBlock,
    format: &Formatter,
    context: &FormatContext<'_>,
    append_x_forwarded_host: bool,
    keep_original: bool,
) {
    let host = text(request, format, context);
    set_authority(request, &host, append_x_forwarded_host, keep_original);
}
