//! Redirects of an upstream that the proxy follows itself: which of them, and where they lead.
//!
//! Owns: a route's policy, what is remembered from one pass of a request to the next, and taking a `location` apart. Does
//! not own: sending the request again (`http_stream/internal_redirect.rs`).
//! Follows Envoy's `InternalRedirectPolicy` and `envoy.internal_redirect_predicates`; RFC 3986 section 3.

use std::rc::Rc;

use ferryman_codec::{HeaderBlock, HeaderName};

use crate::header_name;
use crate::matcher::VisibleState;
use crate::model::route as model;
use crate::stream_info::filter_state::FilterStateObject;
use crate::stream_info::filter_state_objects::BoolObject;

/// A compiled policy.
#[derive(Debug)]
pub struct InternalRedirectPolicy {
    most: u32,
    codes: Box<[u16]>,
    allow_cross_scheme: bool,
    headers_to_copy: Box<[HeaderName]>,
    predicates: Box<[Predicate]>,
}

/// What else must hold.
#[derive(Debug)]
enum Predicate {
    /// Not from HTTP to HTTPS.
    SafeCrossScheme,
    /// The route that the redirect leads to has one of these names.
    AllowListedRoutes(Box<[Box<str>]>),
    /// No redirect of this route led to the same one before.
    PreviousRoutes,
    /// A filter has left `true` under this key; where there is nothing, `if_absent` counts.
    FilterState { key: Box<str>, if_absent: bool },
}

/// What is remembered of the redirects of one request.
#[derive(Debug, Default)]
pub struct RedirectHistory {
    followed: u32,
    /// From which route to which, by name.
    routes: Vec<(Box<str>, Box<str>)>,
}

impl RedirectHistory {
    /// One more was followed.
    pub fn follow(&mut self) {
        self.followed = self.followed.saturating_add(1);
    }
}

/// A redirect that the predicates judge.
#[derive(Debug, Clone, Copy)]
pub struct Redirected<'a> {
    /// The name of the route that it leads away from.
    pub from: &'a str,
    /// The name of the one that it leads to.
    pub to: &'a str,
    /// Whether its scheme is plain HTTP.
    pub to_http: bool,
    /// What filters left.
    pub state: VisibleState<'a>,
}

/// Where a redirect leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The scheme as it is written.
    pub scheme: &'a [u8],
    /// The host, with its port if there is one.
    pub host: &'a [u8],
    /// The path with its query, without a fragment; empty: there is none.
    pub path: &'a [u8],
}

impl InternalRedirectPolicy {
    pub(super) fn compile(model: &model::InternalRedirectPolicy) -> Result<Self, String> {
        use model::InternalRedirectPredicate as Model;
        let predicate = |model: &Model| match model {
            Model::SafeCrossScheme {} => Predicate::SafeCrossScheme,
            Model::AllowListedRoutes { names } => {
                Predicate::AllowListedRoutes(names.iter().map(|name| name.as_str().into()).collect())
            }
            Model::PreviousRoutes {} => Predicate::PreviousRoutes,
            Model::FilterState { key, if_absent } => {
                Predicate::FilterState { key: key.as_str().into(), if_absent: *if_absent }
            }
        };
        let names = model.response_headers_to_copy.iter();
        Ok(InternalRedirectPolicy {
            most: model.max_internal_redirects,
            codes: model.redirect_response_codes.as_slice().into(),
            allow_cross_scheme: model.allow_cross_scheme_redirect,
            headers_to_copy: names.map(|name| header_name::parse(name)).collect::<Result<_, _>>()?,
            predicates: model.predicates.iter().map(predicate).collect(),
        })
    }

    /// Whether a response of this status may be a redirect to follow.
    #[inline]
    #[must_use]
    pub fn takes(&self, status: u16) -> bool {
        self.codes.contains(&status)
    }

    /// Whether a request that came without TLS may go there.
    #[must_use]
    pub fn allows_scheme(&self, target: &Target<'_>) -> bool {
        self.allow_cross_scheme || target.is_http()
    }

    /// Whether another redirect may be followed.
    #[must_use]
    pub fn allows_another(&self, history: &RedirectHistory) -> bool {
        history.followed < self.most
    }

    /// Whether the redirect may lead from a route to another one.
    pub fn accepts(&self, history: &mut RedirectHistory, redirect: &Redirected<'_>) -> bool {
        let Redirected { from, to, to_http, state } = *redirect;
        self.predicates.iter().all(|predicate| match predicate {
            Predicate::SafeCrossScheme => to_http,
            Predicate::AllowListedRoutes(names) => names.iter().any(|name| **name == *to),
            Predicate::PreviousRoutes => {
                let is_new = !history.routes.iter().any(|(a, b)| **a == *from && **b == *to);
                if is_new {
                    history.routes.push((from.into(), to.into()));
                }
                is_new
            }
            Predicate::FilterState { key, if_absent } => {
                // As in Envoy, where another object says no.
                let truth = |object: &Rc<dyn FilterStateObject>| {
                    object.as_any().downcast_ref() == Some(&BoolObject(true))
                };
                state.object(key).map_or(*if_absent, truth)
            }
        })
    }

    /// Gives the request the response's fields; one that the response does not have goes away.
    pub fn copy_headers(&self, response: &HeaderBlock, request: &mut HeaderBlock) {
        for name in &self.headers_to_copy {
            request.remove_name(name);
            for value in response.get_all(name) {
                request.append_name(name, value);
            }
        }
    }
}

impl<'a> Target<'a> {
    /// Takes a `location` apart; `None`: it is no whole URL.
    #[must_use]
    pub fn parse(location: &'a [u8]) -> Option<Self> {
        if location.iter().any(|byte| byte.is_ascii_control() || *byte == b' ') {
            return None;
        }
        let colon = memchr::memmem::find(location, b"://")?;
        let (scheme, rest) = (location.get(..colon)?, location.get(colon + 3..)?);
        if scheme.is_empty() || !scheme.iter().all(u8::is_ascii_alphabetic) {
            return None;
        }
        let path_start = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(path_start)?;
        let host = match memchr::memchr(b'@', authority) {
            Some(at) => authority.get(at + 1..)?,
            None => authority,
        };
        if !is_host(host) {
            return None;
        }
        let path_end = memchr::memchr(b'#', path).unwrap_or(path.len());
        let path = if path.is_empty() { b"/" } else { path.get(..path_end)? };
        Some(Target { scheme, host, path })
    }

    /// Whether its scheme is plain HTTP.
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"http")
    }
}

/// A name or an address, and perhaps a port.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = memchr::memchr(b']', rest) else { return false };
            let (address, rest) = rest.split_at_checked(end).unwrap_or_default();
            let is_address = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            if address.is_empty() || !address.iter().all(is_address) {
                return false;
            }
            match rest.get(1..).unwrap_or_default() {
                [] => return true,
                rest => match rest.strip_prefix(b":") {
                    Some(port) => (&b"v6"[..], Some(port)),
                    None => return false,
                },
            }
        }
        None => match memchr::memchr(b':', host) {
            Some(colon) => (host.get(..colon).unwrap_or_default(), host.get(colon + 1..)),
            None => (host, None),
        },
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_port = |port: &[u8]| std::str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok());
    !name.is_empty() && name.iter().all(is_name) && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream_info::filter_state::SharedWithUpstream;
    use crate::stream_info::{FilterState, StringObject};

    fn parts(location: &str) -> Option<(String, String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let target = Target::parse(location.as_bytes())?;
        Some((text(target.scheme), text(target.host), text(target.path)))
    }

    /// Judged by Envoy 1.40.
    fn between<'a>(from: &'a str, to: &'a str, to_http: bool) -> Redirected<'a> {
        Redirected { from, to, to_http, state: VisibleState::default() }
    }

    #[test]
    fn locations() {
        for (location, expected) in [
            ("http://a.b/c?d#e", Some(("http", "a.b", "/c?d"))),
            ("http://a.b", Some(("http", "a.b", "/"))),
            ("http://a.b?c", Some(("http", "a.b", "?c"))),
            ("http://me:you@a.b:8/c", Some(("http", "a.b:8", "/c"))),
            ("https://[::1]:8/c", Some(("https", "[::1]:8", "/c"))),
            ("http://a.b:99999/c", None),
            ("/c", None),
            ("//a.b/c", None),
            ("http:///c", None),
            ("http://a b/c", None),
            ("http://a/b c", None),
            ("", None),
        ] {
            let expected = expected.map(|(s, h, p): (&str, &str, &str)| (s.into(), h.into(), p.into()));
            assert_eq!(parts(location), expected, "{location}");
        }
    }

    #[test]
    fn policies() {
        use model::InternalRedirectPredicate as Model;
        let policy = |predicates| {
            InternalRedirectPolicy::compile(&model::InternalRedirectPolicy {
                max_internal_redirects: 1,
                redirect_response_codes: vec![302],
                allow_cross_scheme_redirect: false,
                response_headers_to_copy: Vec::new(),
                predicates,
            })
            .expect("policy")
        };
        let mut history = RedirectHistory::default();
        let plain = policy(Vec::new());
        assert!(plain.takes(302) && !plain.takes(301));
        assert!(plain.allows_another(&history) && plain.accepts(&mut history, &between("a", "b", false)));
        let target = Target::parse(b"https://a/").expect("target");
        assert!(!plain.allows_scheme(&target));
        let named = policy(vec![Model::AllowListedRoutes { names: vec!["b".to_owned()] }]);
        assert!(
            named.accepts(&mut history, &between("a", "b", true))
                && !named.accepts(&mut history, &between("a", "c", true))
        );
        assert!(!policy(vec![Model::SafeCrossScheme {}]).accepts(&mut history, &between("a", "b", false)));
        let new = policy(vec![Model::PreviousRoutes {}]);
        assert!(new.accepts(&mut history, &between("a", "b", true)));
        assert!(!new.accepts(&mut history, &between("a", "b", true)));
        assert!(new.accepts(&mut history, &between("b", "b", true)), "it is another route that is left");
        history.follow();
        assert!(!plain.allows_another(&history));
    }

    #[test]
    fn a_filter_decides() {
        let mut stream = FilterState::default();
        for if_absent in [false, true] {
            let policy = InternalRedirectPolicy::compile(&model::InternalRedirectPolicy {
                max_internal_redirects: 1,
                redirect_response_codes: vec![302],
                allow_cross_scheme_redirect: false,
                response_headers_to_copy: Vec::new(),
                predicates: vec![model::InternalRedirectPredicate::FilterState {
                    key: "may".to_owned(),
                    if_absent,
                }],
            })
            .expect("policy");
            let judge = |stream: &FilterState, connection: &FilterState| {
                let state = VisibleState { stream: Some(stream), connection: Some(connection) };
                policy.accepts(
                    &mut RedirectHistory::default(),
                    &Redirected { state, ..between("a", "b", true) },
                )
            };
            assert_eq!(judge(&FilterState::default(), &FilterState::default()), if_absent);
            let mut connection = FilterState::default();
            connection.set("may", Rc::new(StringObject(b"true"[..].into())), SharedWithUpstream::None);
            assert!(!judge(&FilterState::default(), &connection), "a text is no truth");
            stream.set("may", Rc::new(BoolObject(!if_absent)), SharedWithUpstream::None);
            assert_eq!(judge(&stream, &connection), !if_absent);
        }
    }
}
