//! What the HTTP connection manager does to the head of every response, after the HTTP filters saw it.
//!
//! Owns: hop-by-hop fields, `server`, `date`, `via` and `x-request-id`. Does not own: `connection: close` and the framing
//! (the codec's driver), headers that the router or a route sets.
//! Follows Envoy's page "HTTP header manipulation".

use ferryman_codec::{HeaderBlock, KnownName};

use crate::model::http_connection_manager::{HttpConnectionManager, ServerHeaderTransformation};
use crate::repeated_headers::Side;

use super::connection_header::is_upgrade;

/// The HTTP connection manager's own settings for response heads, compiled.
#[derive(Debug, Clone)]
pub struct ResponseHeaderPolicy {
    server_name: Box<[u8]>,
    server: ServerHeaderTransformation,
    via: Option<Box<[u8]>>,
    always_set_request_id: bool,
}

impl ResponseHeaderPolicy {
    /// Takes what it needs from the model; nothing in it can be wrong.
    #[must_use]
    pub fn compile(config: &HttpConnectionManager) -> Self {
        ResponseHeaderPolicy {
            server_name: config.server_name.as_bytes().into(),
            server: config.server_header_transformation,
            via: config.via.as_ref().filter(|via| !via.is_empty()).map(|via| via.as_bytes().into()),
            always_set_request_id: config.always_set_request_id_in_response,
        }
    }

    /// Brings a final response's head, also a local reply's, into the form that goes downstream. `request` is the head
    /// that `RequestHeaderPolicy` left, none when there was no whole one; `date` is the time now as RFC 9110 writes it.
    #[inline]
    pub fn apply(&self, response: &mut HeaderBlock, request: Option<&HeaderBlock>, date: &[u8]) {
        Side::Response.join_repeated(response);
        if !response.contains(KnownName::Date) {
            response.append(KnownName::Date, date);
        }
        match self.server {
            ServerHeaderTransformation::Overwrite => {
                response.set(KnownName::Server, &self.server_name);
            }
            ServerHeaderTransformation::AppendIfAbsent if !response.contains(KnownName::Server) => {
                response.append(KnownName::Server, &self.server_name);
            }
            ServerHeaderTransformation::AppendIfAbsent | ServerHeaderTransformation::PassThrough => {}
        }
        remove_hop_by_hop(response, request);
        if let Some(request) = request {
            self.set_request_id(response, request);
        }
        if let Some(via) = &self.via {
            response.append_value(KnownName::Via, via, b", ");
        }
    }

    /// The same for an informational response (1xx): it gets no `server`, `date` and `via`.
    pub fn apply_informational(&self, response: &mut HeaderBlock, request: Option<&HeaderBlock>) {
        Side::Response.join_repeated(response);
        remove_hop_by_hop(response, request);
        if let Some(request) = request {
            self.set_request_id(response, request);
        }
    }

    #[inline]
    fn set_request_id(&self, response: &mut HeaderBlock, request: &HeaderBlock) {
        if self.always_set_request_id || request.contains(KnownName::XEnvoyForceTrace) {
            if let Some(id) = request.get(KnownName::XRequestId) {
                response.set(KnownName::XRequestId, id);
            }
        }
    }
}

/// Fields that a response's `connection` nominates go on, as through Envoy.
#[inline]
fn remove_hop_by_hop(response: &mut HeaderBlock, request: Option<&HeaderBlock>) {
    if !(request.is_some_and(is_upgrade) && is_upgrade(response)) {
        response.remove(KnownName::Connection);
        response.remove(KnownName::Upgrade);
    }
    response.remove(KnownName::TransferEncoding);
    response.remove(KnownName::KeepAlive);
    response.remove(KnownName::ProxyConnection);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferryman_codec::HeaderName;

    fn head(fields: &[&str]) -> HeaderBlock {
        let mut head = HeaderBlock::new();
        for field in fields {
            let (name, value) = field.split_once(": ").expect("field");
            assert!(head.append_name(&HeaderName::new(name.as_bytes()).expect("name"), value.as_bytes()));
        }
        head
    }

    fn policy(server: ServerHeaderTransformation) -> ResponseHeaderPolicy {
        ResponseHeaderPolicy { server_name: (*b"sn").into(), server, via: None, always_set_request_id: false }
    }

    fn applied(policy: &ResponseHeaderPolicy, response: &[&str], request: &[&str]) -> HeaderBlock {
        let mut response = head(response);
        policy.apply(&mut response, Some(&head(request)), b"now");
        response
    }

    const FROM_UPSTREAM: &[&str] = &[
        "server: up",
        "date: yesterday",
        "connection: x-a, keep-alive",
        "x-a: 1",
        "keep-alive: 5",
        "proxy-connection: close",
        "upgrade: foo",
        "transfer-encoding: chunked",
        "te: trailers",
        "trailer: x",
        "x-envoy-degraded: 1",
        "x-request-id: zz",
        "via: b",
        "set-cookie: a",
        "set-cookie: b",
        "content-length: 0",
    ];

    /// Judged by Envoy 1.40.
    #[test]
    fn from_upstream() {
        let rest = [
            "date: yesterday",
            "x-a: 1",
            "te: trailers",
            "trailer: x",
            "x-envoy-degraded: 1",
            "x-request-id: zz",
            "via: b",
            "set-cookie: a",
            "set-cookie: b",
            "content-length: 0",
        ];
        for (transformation, server) in [
            (ServerHeaderTransformation::Overwrite, "server: sn"),
            (ServerHeaderTransformation::AppendIfAbsent, "server: up"),
            (ServerHeaderTransformation::PassThrough, "server: up"),
        ] {
            let expected = head(&[&[server][..], &rest[..]].concat());
            assert_eq!(applied(&policy(transformation), FROM_UPSTREAM, &[]), expected, "{transformation:?}");
        }
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn absent_headers_are_added() {
        for (transformation, expected) in [
            (ServerHeaderTransformation::Overwrite, &["date: now", "server: sn"][..]),
            (ServerHeaderTransformation::AppendIfAbsent, &["date: now", "server: sn"]),
            (ServerHeaderTransformation::PassThrough, &["date: now"]),
        ] {
            assert_eq!(applied(&policy(transformation), &[], &[]), head(expected), "{transformation:?}");
        }
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn request_id_and_via() {
        let pass = policy(ServerHeaderTransformation::PassThrough);
        let forced = ["x-request-id: abc", "x-envoy-force-trace: 1"];
        assert_eq!(applied(&pass, &["date: d"], &forced), head(&["date: d", "x-request-id: abc"]));
        assert_eq!(applied(&pass, &["date: d"], &["x-request-id: abc"]), head(&["date: d"]));
        let always = ResponseHeaderPolicy { always_set_request_id: true, via: Some((*b"me").into()), ..pass };
        assert_eq!(
            applied(&always, &["date: d", "via: b"], &["x-request-id: abc"]),
            head(&["date: d", "via: b, me", "x-request-id: abc"])
        );
    }

    #[test]
    fn upgrades_keep_their_fields() {
        let pass = policy(ServerHeaderTransformation::PassThrough);
        let upgrade = ["date: d", "connection: Upgrade", "upgrade: websocket"];
        assert_eq!(applied(&pass, &upgrade, &upgrade), head(&upgrade));
        assert_eq!(applied(&pass, &upgrade, &[]), head(&["date: d"]));
    }

    #[test]
    fn informational_responses_get_nothing() {
        let mut response = head(&["connection: x", "link: a"]);
        policy(ServerHeaderTransformation::Overwrite).apply_informational(&mut response, None);
        assert_eq!(response, head(&["link: a"]));
    }
}
