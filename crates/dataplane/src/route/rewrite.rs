//! Rewriting of the path and the host on the way to the upstream.
//!
//! Owns: `prefix_rewrite`, `regex_rewrite`, the host rewrites, and the headers that keep what was there before. Does not
//! own: redirects (`redirect`), nor when a host is picked for `auto_host_rewrite` (the router).
//! Follows Envoy's `RouteAction` fields of these names.

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

use crate::model;

use super::path_match::path_of;
use super::regex_rewrite::RegexRewrite;

/// What becomes of the path.
#[derive(Debug, Clone)]
pub(super) enum PathRewrite {
    /// Nothing.
    None,
    /// What the route matched is replaced.
    Prefix(Box<[u8]>),
    /// The path without its query is replaced.
    Regex(RegexRewrite),
}

impl PathRewrite {
    pub(super) fn compile(
        prefix: Option<&str>,
        regex: Option<&model::route::RegexRewrite>,
    ) -> Result<Self, String> {
        Ok(match (super::non_empty(prefix), regex) {
            (Some(_), Some(_)) => {
                return Err("prefix_rewrite and regex_rewrite exclude each other".to_owned());
            }
            (Some(prefix), None) => PathRewrite::Prefix(prefix),
            (None, Some(regex)) => PathRewrite::Regex(RegexRewrite::compile(regex)?),
            (None, None) => PathRewrite::None,
        })
    }

    /// Rewrites `:path`, of which the route matched the first `matched` bytes. `keep_original` puts the former path into
    /// `x-envoy-original-path`; it is what the router's `suppress_envoy_headers` turns off.
    pub(super) fn apply(&self, request: &mut HeaderBlock, matched: usize, keep_original: bool) {
        let target = request.get(KnownName::Path).unwrap_or_default();
        let (new, replaced) = match self {
            PathRewrite::None => return,
            PathRewrite::Prefix(prefix) => (prefix.to_vec(), matched),
            PathRewrite::Regex(rewrite) => {
                let path = path_of(target);
                (rewrite.replace_all(path), path.len())
            }
        };
        // A rewrite to nothing is none.
        if new.is_empty() {
            return;
        }
        let former = target.to_vec();
        let mut target = new;
        target.extend_from_slice(former.get(replaced..).unwrap_or_default());
        // A path with bytes that no request line may have is refused, and the former one stays.
        if request.set(KnownName::Path, &target) && keep_original {
            request.set(KnownName::XEnvoyOriginalPath, &former);
        }
    }
}

/// What becomes of the host.
#[derive(Debug, Clone)]
pub(super) enum HostRewrite {
    /// Nothing, or nothing before an upstream host is picked.
    None,
    /// It is this.
    Literal(Box<[u8]>),
    /// It is the first value of the header, if there is one and it is not empty.
    Header(HeaderName),
    /// It is the path, rewritten.
    PathRegex(RegexRewrite),
}

impl HostRewrite {
    pub(super) fn compile(model: Option<&model::route::HostRewrite>) -> Result<Self, String> {
        use model::route::HostRewrite as Model;
        Ok(match model {
            // A format needs more than the request (`format_rewrite`).
            None | Some(Model::Auto {} | Model::Format { .. }) => HostRewrite::None,
            Some(Model::Literal { value }) => {
                super::non_empty(Some(value)).map_or(HostRewrite::None, HostRewrite::Literal)
            }
            Some(Model::Header { name }) => HostRewrite::Header(crate::header_name::parse(name)?),
            Some(Model::PathRegex { rewrite }) => HostRewrite::PathRegex(RegexRewrite::compile(rewrite)?),
        })
    }

    pub(super) fn apply(
        &self,
        request: &mut HeaderBlock,
        append_x_forwarded_host: bool,
        keep_original: bool,
    ) {
        let host = match self {
            HostRewrite::None => return,
            HostRewrite::Literal(host) => {
                return set_authority(request, host, append_x_forwarded_host, keep_original);
            }
            HostRewrite::Header(name) => request.get_name(name).unwrap_or_default().to_vec(),
            HostRewrite::PathRegex(rewrite) => {
                rewrite.replace_all(path_of(request.get(KnownName::Path).unwrap_or_default()))
            }
        };
        set_authority(request, &host, append_x_forwarded_host, keep_original);
    }
}

/// Gives the request another host. The former one is appended to `x-forwarded-host` when the route asks for that, unless
/// it stands there last already, and kept in `x-envoy-original-host` when `keep_original`. An empty host changes nothing.
pub fn set_authority(
    request: &mut HeaderBlock,
    host: &[u8],
    append_x_forwarded_host: bool,
    keep_original: bool,
) {
    if host.is_empty() {
        return;
    }
    let former = request.get(KnownName::Authority).unwrap_or_default().to_vec();
    // A value that is no host is refused, and the former one stays.
    if !request.set(KnownName::Authority, host) || former.is_empty() {
        return;
    }
    if append_x_forwarded_host {
        let list = request.get(KnownName::XForwardedHost).unwrap_or_default();
        let is_last = list.rsplit(|&byte| byte == b',').next() == Some(&former);
        if !is_last {
            request.append_value(KnownName::XForwardedHost, &former, b",");
        }
    }
    if keep_original {
        request.set(KnownName::XEnvoyOriginalHost, &former);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host: &str, path: &str, fields: &[(&str, &str)]) -> HeaderBlock {
        let mut request = HeaderBlock::new();
        assert!(
            request.set(KnownName::Authority, host.as_bytes())
                && request.set(KnownName::Path, path.as_bytes())
        );
        for (name, value) in fields {
            assert!(request.append_name(&HeaderName::new(name.as_bytes()).expect("name"), value.as_bytes()));
        }
        request
    }

    fn text(request: &HeaderBlock, name: KnownName) -> Option<String> {
        request.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    fn regex(regex: &str, substitution: &str) -> model::route::RegexRewrite {
        model::route::RegexRewrite { regex: regex.to_owned(), substitution: substitution.to_owned() }
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn paths() {
        let prefix = PathRewrite::compile(Some("/new"), None).expect("rewrite");
        let all = PathRewrite::compile(None, Some(&regex(".*", "/all"))).expect("rewrite");
        let nothing = PathRewrite::compile(None, Some(&regex(".*", ""))).expect("rewrite");
        let no_match = PathRewrite::compile(None, Some(&regex("zzz", "/all"))).expect("rewrite");
        for (rewrite, path, matched, expected, original) in [
            (&prefix, "/pre/a?q=1", 4, "/new/a?q=1", Some("/pre/a?q=1")),
            (&prefix, "/prefix?x", 4, "/newfix?x", Some("/prefix?x")),
            (&all, "/rall/x?y", 5, "/all?y", Some("/rall/x?y")),
            (&nothing, "/rempty", 7, "/rempty", None),
            (&no_match, "/rx/none", 4, "/rx/none", Some("/rx/none")),
            (&PathRewrite::None, "/a", 1, "/a", None),
        ] {
            let mut head = request("h", path, &[]);
            rewrite.apply(&mut head, matched, true);
            assert_eq!(text(&head, KnownName::Path).as_deref(), Some(expected), "{path}");
            assert_eq!(text(&head, KnownName::XEnvoyOriginalPath).as_deref(), original, "{path}");
            let mut head = request("h", path, &[]);
            rewrite.apply(&mut head, matched, false);
            assert_eq!(text(&head, KnownName::XEnvoyOriginalPath), None);
        }
        assert!(PathRewrite::compile(Some("/a"), Some(&regex("a", "b"))).is_err());
        assert!(matches!(PathRewrite::compile(Some(""), None), Ok(PathRewrite::None)));
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn hosts() {
        let by_path = model::route::HostRewrite::PathRegex { rewrite: regex("^/hp/(.+)/.*$", "\\1") };
        let by_header = model::route::HostRewrite::Header { name: "x-h".to_owned() };
        let literal = model::route::HostRewrite::Literal { value: "lit".to_owned() };
        for (model, path, fields, expected) in [
            (&literal, "/", &[][..], "lit"),
            (&by_header, "/", &[("x-h", "hdr")], "hdr"),
            (&by_header, "/", &[("x-h", "a"), ("x-h", "b")], "a"),
            (&by_header, "/", &[("x-h", "")], "rw"),
            (&by_header, "/", &[], "rw"),
            (&by_path, "/hp/some.host/x?y", &[], "some.host"),
        ] {
            let mut head = request("rw", path, fields);
            HostRewrite::compile(Some(model)).expect("rewrite").apply(&mut head, false, true);
            assert_eq!(text(&head, KnownName::Authority).as_deref(), Some(expected), "{model:?} {fields:?}");
            let original = (expected != "rw").then_some("rw");
            assert_eq!(text(&head, KnownName::XEnvoyOriginalHost).as_deref(), original);
        }
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn forwarded_hosts() {
        for (before, after) in [
            (None, "rw"),
            (Some("a"), "a,rw"),
            (Some("rw"), "rw"),
            (Some("a,rw"), "a,rw"),
            (Some("a, rw"), "a, rw,rw"),
        ] {
            let fields: Vec<_> = before.map(|value| ("x-forwarded-host", value)).into_iter().collect();
            let mut head = request("rw", "/", &fields);
            set_authority(&mut head, b"lit", true, false);
            assert_eq!(text(&head, KnownName::XForwardedHost).as_deref(), Some(after), "{before:?}");
        }
    }
}
