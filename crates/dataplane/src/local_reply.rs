//! Answers that the proxy gives itself.
//!
//! Owns: the one place where an error becomes a status, a body and `RESPONSE_CODE_DETAILS`, and the head of such an answer.
//! Does not own: response flags (`error`), sending (`http_stream`), header edits of routes (`route`).
//! Follows Envoy's pages "Response code details" and "Local reply modification".

use std::borrow::Cow;
use std::sync::Arc;

use ferryman_codec::http1::reason::phrase;
use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

use crate::decimal::Decimal;
use crate::error::{Error, ErrorKind};
use crate::filters::http::body::BodyRefusal;
use crate::format::{FormatContext, grpc_status};
use crate::header_mutation::{HeaderMutations, MutationScratch};

mod body_format;
mod grpc;
mod mapper;

pub use body_format::BodyFormat;
pub(crate) use grpc::percent_encoded;
pub use mapper::{Answered, LocalReplyPolicy};

/// An answer of the proxy's own.
#[derive(Debug, Clone, Default)]
pub struct LocalReply<'a> {
    /// The status.
    pub status: u16,
    /// The body; it may be empty.
    pub body: Cow<'a, [u8]>,
    /// Its type; none: plain text, unless the head says another.
    pub content_type: Option<Box<[u8]>>,
    /// `RESPONSE_CODE_DETAILS`.
    pub details: Cow<'static, str>,
    /// The `location`, where the client is sent elsewhere.
    pub location: Option<Vec<u8>>,
    /// The status of a reply to a gRPC call; none: that of HTTP stands for one.
    pub grpc_status: Option<u64>,
    /// More fields of the head.
    pub headers: Option<Box<HeaderBlock>>,
    /// Edits of the head that the configuration asks for, in such an answer alone.
    pub edits: Option<Arc<HeaderMutations>>,
    /// In how many seconds to ask again, unless the head says it already.
    pub retry_after_s: Option<u64>,
    /// Who answers.
    pub origin: Origin,
    /// Whether a limit of ours is the reason (`x-envoy-overloaded`).
    pub overloaded: bool,
    /// Whether the connection is closed afterwards.
    pub close: bool,
}

/// Who gives an answer: that says which edits it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// A filter, or the connection manager.
    #[default]
    Filter,
    /// The router, in the place of an upstream.
    Router,
    /// The route itself: a direct response or a redirect.
    Route,
}

/// Whether the response had begun when the upstream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// No: the client gets a local reply.
    Before,
    /// Yes: the client's connection is closed.
    After,
}

impl LocalReply<'_> {
    /// The answer to an error. `request_complete`: whether all of the request had come.
    #[must_use]
    pub fn for_error(error: &Error, request_complete: bool) -> LocalReply<'static> {
        let origin = if error.kind.is_of_router() { Origin::Router } else { Origin::Filter };
        LocalReply { origin, ..Self::of_kind(error, request_complete) }
    }

    fn of_kind(error: &Error, request_complete: bool) -> LocalReply<'static> {
        let timeout_status = if request_complete { 504 } else { 408 };
        match error.kind {
            ErrorKind::DownstreamCodec(kind) => {
                let status = kind.status();
                let body = if kind.is_raised_by_connection_manager() { "" } else { phrase(status) };
                LocalReply { close: true, ..reply(status, body, kind.details()) }
            }
            ErrorKind::RequestRefused { status, details } => {
                LocalReply { close: status == 400, ..reply(status, "", details) }
            }
            ErrorKind::InvalidEnvoyHeader(details) => LocalReply {
                body: Cow::Owned(format!("invalid header {}", error.cause).into_bytes()),
                close: true,
                ..reply(400, "", details)
            },
            ErrorKind::BodyRefused(BodyRefusal { status, body, details }) => reply(status, body, details),
            ErrorKind::ResponseTooLarge => reply(500, "Internal Server Error", "response_payload_too_large"),
            ErrorKind::RequestTooLarge => reply(413, "Payload Too Large", "request_payload_too_large"),
            ErrorKind::DownstreamDisconnect => reply(0, "", "downstream_remote_disconnect"),
            ErrorKind::DownstreamReset => reply(0, "", "http2.remote_reset"),
            ErrorKind::DownstreamHttp2(kind) => reply(0, "", kind.details()),
            ErrorKind::RequestHeadersTimeout => {
                LocalReply { close: true, ..reply(408, "request header timeout", "request_header_timeout") }
            }
            ErrorKind::RequestTimeout => reply(408, "request timeout", "request_overall_timeout"),
            ErrorKind::StreamIdleTimeout => reply(timeout_status, "stream timeout", "stream_idle_timeout"),
            ErrorKind::MaxStreamDuration => LocalReply {
                grpc_status: Some(grpc_status::DEADLINE_EXCEEDED),
                ..reply(timeout_status, "downstream duration timeout", "max_duration_timeout")
            },
            ErrorKind::UpstreamMaxStreamDuration => reply(
                timeout_status,
                "upstream max stream duration reached",
                "upstream_max_stream_duration_reached",
            ),
            ErrorKind::RouteNotFound => reply(404, "", "route_not_found"),
            ErrorKind::ClusterNotFound(status) => reply(status, "", "cluster_not_found"),
            ErrorKind::UpgradeNotAllowed => LocalReply { close: true, ..reply(403, "", "upgrade_failed") },
            ErrorKind::NoHealthyUpstream => reply(503, "no healthy upstream", "no_healthy_upstream"),
            ErrorKind::Overflow => LocalReply { overloaded: true, ..of_reset(503, error) },
            ErrorKind::MaintenanceMode => {
                LocalReply { overloaded: true, ..reply(503, "maintenance mode", "maintenance_mode") }
            }
            ErrorKind::ConnectFailure
            | ErrorKind::ConnectTimeout
            | ErrorKind::UpstreamTermination
            | ErrorKind::UpstreamReset
            | ErrorKind::UpstreamRefused
            | ErrorKind::UpstreamConnectError
            | ErrorKind::UpstreamRefusedHead(_) => of_reset(503, error),
            ErrorKind::UpstreamCodec(_) | ErrorKind::UpstreamAccusation | ErrorKind::UpstreamHttp2(_) => {
                of_reset(502, error)
            }
            ErrorKind::ResponseTimeout => reply(504, "upstream request timeout", "response_timeout"),
            ErrorKind::PerTryTimeout => reply(504, "upstream request timeout", "upstream_per_try_timeout"),
        }
    }

    /// Writes the fields that are its own, in the place of those that the route has set.
    pub fn write_own_headers(&self, response: &mut HeaderBlock) {
        if self.overloaded {
            response.set(KnownName::XEnvoyOverloaded, b"true");
        }
        for (name, value) in self.headers.iter().flat_map(|headers| headers.iter()) {
            if let Ok(name) = HeaderName::new(name) {
                response.set_name(&name, value);
            }
        }
        if let Some(location) = &self.location {
            response.set(KnownName::Location, location);
        }
    }

    /// Makes the edits that the configuration asks for.
    pub fn edit(
        &self,
        response: &mut HeaderBlock,
        context: &FormatContext<'_>,
        scratch: &mut MutationScratch,
    ) {
        if let Some(edits) = &self.edits {
            edits.apply_to_response(response, context, scratch);
        }
        if let Some(seconds) = self.retry_after_s.filter(|_| !response.contains(KnownName::RetryAfter)) {
            response.append(KnownName::RetryAfter, Decimal::new(seconds).as_bytes());
        }
    }

    /// Gives the reply to a gRPC call the form of one, after the route's edits and the mappers.
    pub fn translate_for_grpc(&mut self, response: &mut HeaderBlock) {
        grpc::translate(self, response);
    }

    /// Describes the body, after the route's edits: they may say its type, but not its length.
    pub fn write_body_headers(&self, response: &mut HeaderBlock) {
        if self.body.is_empty() {
            response.remove(KnownName::ContentLength);
            response.remove(KnownName::ContentType);
            return;
        }
        let length = u64::try_from(self.body.len()).unwrap_or(u64::MAX);
        response.set(KnownName::ContentLength, Decimal::new(length).as_bytes());
        if let Some(content_type) = &self.content_type {
            response.set(KnownName::ContentType, content_type);
        } else if response.get(KnownName::ContentType).is_none() {
            response.append(KnownName::ContentType, b"text/plain");
        }
    }
}

/// Sets the pseudo-header `:status`.
#[inline]
pub fn set_status(response: &mut HeaderBlock, status: u16) {
    response.set(KnownName::Status, Decimal::new(u64::from(status)).as_bytes());
}

/// `RESPONSE_CODE_DETAILS` of a stream whose upstream failed.
#[must_use]
pub fn details_of_reset(when: When, error: &Error) -> Cow<'static, str> {
    let reason = reset_reason(error.kind);
    let when = match when {
        When::Before => "before",
        When::After => "after",
    };
    let cause = if error.cause.is_empty() { "" } else { "|" };
    format!("upstream_reset_{when}_response_started{{{reason}{cause}{}}}", error.cause)
        .replace(' ', "_")
        .into()
}

fn reply(status: u16, body: &'static str, details: &'static str) -> LocalReply<'static> {
    LocalReply {
        status,
        body: Cow::Borrowed(body.as_bytes()),
        details: Cow::Borrowed(details),
        ..LocalReply::default()
    }
}

#[cold]
fn of_reset(status: u16, error: &Error) -> LocalReply<'static> {
    let reason = reset_reason(error.kind);
    let body = format!("upstream connect error or disconnect/reset before headers. reset reason: {reason}");
    LocalReply {
        status,
        body: Cow::Owned(body.into_bytes()),
        details: details_of_reset(When::Before, error),
        ..LocalReply::default()
    }
}

/// Envoy's words for why a stream was reset.
fn reset_reason(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Overflow => "overflow",
        ErrorKind::ConnectFailure => "remote connection failure",
        ErrorKind::ConnectTimeout => "connection timeout",
        ErrorKind::UpstreamCodec(_) | ErrorKind::UpstreamAccusation | ErrorKind::UpstreamHttp2(_) => {
            "protocol error"
        }
        ErrorKind::UpstreamReset | ErrorKind::UpstreamRefusedHead(_) => "remote reset",
        ErrorKind::UpstreamConnectError => "remote error with CONNECT request",
        ErrorKind::UpstreamRefused => "remote refused stream reset",
        ErrorKind::UpstreamTermination => "connection termination",
        _ => "local reset",
    }
}

#[cfg(test)]
mod tests {
    use ferryman_codec::HeaderName;

    use super::*;
    use ferryman_codec::ErrorKind as CodecError;

    fn of(kind: ErrorKind) -> (u16, String, String) {
        let reply = LocalReply::for_error(&kind.into(), true);
        (reply.status, String::from_utf8_lossy(&reply.body).into_owned(), reply.details.into_owned())
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn answers_to_errors() {
        for (kind, status, body, details) in [
            (ErrorKind::RouteNotFound, 404, "", "route_not_found"),
            (ErrorKind::ClusterNotFound(503), 503, "", "cluster_not_found"),
            (ErrorKind::NoHealthyUpstream, 503, "no healthy upstream", "no_healthy_upstream"),
            (ErrorKind::ResponseTimeout, 504, "upstream request timeout", "response_timeout"),
            (
                ErrorKind::UpstreamCodec(CodecError::BareLf),
                502,
                "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
                "upstream_reset_before_response_started{protocol_error}",
            ),
            (ErrorKind::DownstreamCodec(CodecError::LowVersion), 426, "Upgrade Required", "low_version"),
            (ErrorKind::DownstreamCodec(CodecError::MissingHost), 400, "", "missing_host_header"),
        ] {
            assert_eq!(of(kind), (status, body.to_owned(), details.to_owned()));
        }
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn connect_failures_say_why() {
        let error = Error {
            kind: ErrorKind::ConnectFailure,
            cause: "delayed connect error: Connection refused".into(),
        };
        assert_eq!(
            LocalReply::for_error(&error, true).details,
            "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}"
        );
    }

    fn begin(reply: &LocalReply<'_>, head: &mut HeaderBlock) {
        head.clear();
        set_status(head, reply.status);
        reply.write_own_headers(head);
    }

    #[test]
    fn heads() {
        let mut head = HeaderBlock::new();
        let names = |head: &HeaderBlock| {
            head.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>()
        };
        let reply = LocalReply::for_error(&ErrorKind::Overflow.into(), true);
        begin(&reply, &mut head);
        head.append_name(&HeaderName::new(b"x-route").expect("name"), b"1");
        reply.write_body_headers(&mut head);
        assert_eq!(names(&head), ["x-envoy-overloaded", "x-route", "content-length", "content-type"]);
        assert_eq!(head.get(KnownName::Status), Some(&b"503"[..]));
        begin(&reply, &mut head);
        head.append(KnownName::ContentType, b"a/b");
        reply.write_body_headers(&mut head);
        assert_eq!(names(&head), ["x-envoy-overloaded", "content-type", "content-length"]);
        let reply = LocalReply::for_error(&ErrorKind::RouteNotFound.into(), true);
        begin(&reply, &mut head);
        head.append(KnownName::ContentType, b"a/b");
        reply.write_body_headers(&mut head);
        assert_eq!(head.iter().count(), 0);
    }

    #[test]
    fn timeouts_depend_on_the_request() {
        let error = ErrorKind::StreamIdleTimeout.into();
        assert_eq!(LocalReply::for_error(&error, true).status, 504);
        assert_eq!(LocalReply::for_error(&error, false).status, 408);
    }
}
