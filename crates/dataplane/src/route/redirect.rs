//! Redirects: where the client is sent.
//!
//! Owns: the `location` of redirects, of `require_tls` and of direct responses that have one. Does not own: the response
//! around it (`local_reply`).
//! Follows Envoy's `RedirectAction`.

use ferryman_codec::{HeaderBlock, KnownName};

use crate::format::{FormatContext, Formatter, Unset};
use crate::model;

use super::action::formatter;
use super::format_rewrite;
use super::rewrite::PathRewrite;

/// A compiled redirect.
#[derive(Debug)]
pub struct Redirect {
    response_code: u16,
    /// The redirect of `require_tls`: the same host and path, unchanged.
    pub(super) is_tls: bool,
    scheme: Option<Box<[u8]>>,
    host: Option<Box<[u8]>>,
    port: Option<Box<[u8]>>,
    path: Option<Box<[u8]>>,
    path_has_query: bool,
    strip_query: bool,
    rewrite: PathRewrite,
    path_format: Option<Formatter>,
}

impl Redirect {
    /// Compiles it.
    ///
    /// # Errors
    /// The regex or format that is wrong.
    pub fn compile(model: &model::redirect::RedirectAction) -> Result<Self, String> {
        let https = model.https_redirect.then(|| Box::from(&b"https"[..]));
        let path = super::non_empty(model.path_redirect.as_deref());
        Ok(Redirect {
            response_code: model.response_code,
            is_tls: false,
            scheme: super::non_empty(model.scheme_redirect.as_deref()).or(https),
            host: super::non_empty(model.host_redirect.as_deref()),
            port: model
                .port_redirect
                .filter(|&port| port != 0)
                .map(|port| format!(":{port}").into_bytes().into()),
            path_has_query: path.as_deref().is_some_and(|path| path.contains(&b'?')),
            path,
            strip_query: model.strip_query,
            rewrite: PathRewrite::compile(model.prefix_rewrite.as_deref(), model.regex_rewrite.as_ref())?,
            path_format: formatter(model.path_rewrite.as_ref(), Unset::Empty)?,
        })
    }

    /// The redirect of a virtual host that wants TLS.
    pub(super) fn to_tls() -> Self {
        Redirect {
            response_code: 301,
            is_tls: true,
            scheme: Some((*b"https").into()),
            host: None,
            port: None,
            path: None,
            path_has_query: false,
            strip_query: false,
            rewrite: PathRewrite::None,
            path_format: None,
        }
    }

    /// The status.
    #[must_use]
    pub fn response_code(&self) -> u16 {
        self.response_code
    }

    /// Where it sends the client, of whose path the route matched the first `matched` bytes; `keep_original`: a former path
    /// goes into `x-envoy-original-path`.
    #[must_use]
    pub fn url(
        &self,
        request: &mut HeaderBlock,
        context: &FormatContext<'_>,
        matched: usize,
        keep_original: bool,
    ) -> Vec<u8> {
        let path = self.path_format.as_ref().map(|format| format_rewrite::text(request, format, context));
        let path = path.filter(|path| !path.is_empty());
        self.location(request, path.as_deref(), matched, keep_original)
    }

    /// The `location`. Rewrites the request's path on the way, as Envoy does, of which the route matched the first
    /// `matched` bytes; `keep_original`: the former path goes into `x-envoy-original-path`. `path`: what a format made.
    fn location(
        &self,
        request: &mut HeaderBlock,
        path: Option<&[u8]>,
        matched: usize,
        keep_original: bool,
    ) -> Vec<u8> {
        self.rewrite.apply(request, matched, keep_original);
        let scheme = self.scheme.as_deref().or(request.get(KnownName::Scheme)).unwrap_or_default();
        let host = match &self.host {
            Some(host) => host,
            None if self.is_tls => request.get(KnownName::Authority).unwrap_or_default(),
            None => host_without_port(request, scheme, self.port.is_some()),
        };
        let port = self.port.as_deref().unwrap_or_default();
        let mut location = Vec::with_capacity(scheme.len() + host.len() + 64);
        location.extend_from_slice(scheme);
        location.extend_from_slice(b"://");
        location.extend_from_slice(host);
        location.extend_from_slice(port);
        self.write_path(request.get(KnownName::Path).unwrap_or_default(), path, &mut location);
        location
    }

    fn write_path(&self, target: &[u8], formatted: Option<&[u8]>, location: &mut Vec<u8>) {
        let query_start = memchr::memchr(b'?', target).unwrap_or(target.len());
        let (path, query) = target.split_at_checked(query_start).unwrap_or((target, b""));
        let path = formatted.or(self.path.as_deref()).unwrap_or(path);
        let has_query = formatted.map_or(self.path_has_query, |path| path.contains(&b'?'));
        if path.first() != Some(&b'/') {
            location.push(b'/');
        }
        location.extend_from_slice(path);
        // A query in `path_redirect` takes the place of the request's and stays.
        if !has_query && !self.strip_query {
            location.extend_from_slice(query);
        }
    }
}

/// The `location` of a direct response that is a redirect or a creation: the request's own URL.
pub(crate) fn own_url(request: &HeaderBlock) -> Vec<u8> {
    let scheme = request.get(KnownName::Scheme).unwrap_or_default();
    let host = host_without_port(request, scheme, false);
    [scheme, b"://", host, request.get(KnownName::Path).unwrap_or_default()].concat()
}

/// The request's host. Its port goes when another one is put in its place, or when it is the default of a scheme that is
/// no longer the scheme.
fn host_without_port<'a>(request: &'a HeaderBlock, new_scheme: &[u8], new_port: bool) -> &'a [u8] {
    let host = request.get(KnownName::Authority).unwrap_or_default();
    let colon = if host.first() == Some(&b'[') {
        memchr::memmem::rfind(host, b"]:").map(|bracket| bracket + 1)
    } else {
        memchr::memrchr(b':', host)
    };
    let Some((name, port)) = colon.and_then(|colon| host.split_at_checked(colon)) else { return host };
    let proto = request.get(KnownName::XForwardedProto).unwrap_or_default();
    let is_default = (proto.eq_ignore_ascii_case(b"https") && port == b":443")
        || (proto.eq_ignore_ascii_case(b"http") && port == b":80");
    if new_port || (new_scheme != proto && is_default) { name } else { host }
}

#[cfg(test)]
#[path = "redirect_tests.rs"]
mod tests;
