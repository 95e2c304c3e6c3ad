//! Everything that can end a stream before its time.
//!
//! Owns: the kinds, whose fault each is, the response flag that it sets and whether another try may help. Does not own:
//! what the client is answered (`local_reply`).
//! Follows Envoy's pages "Access logging" (`%RESPONSE_FLAGS%`) and "Response code details".

use std::borrow::Cow;

use ferryman_codec::{ErrorCode, ErrorKind as CodecError, Http2ErrorKind};

use crate::filters::http::body::BodyRefusal;
use crate::http_codec::Reset;
use crate::stream_info::ResponseFlag;

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client's, or the network's between it and us.
    Downstream,
    /// An endpoint's, or the network's between it and us.
    Upstream,
    /// Ours: configuration and limits.
    Local,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request cannot be read.
    DownstreamCodec(CodecError),
    /// The connection manager does not let the request in.
    RequestRefused {
        /// The status to answer with.
        status: u16,
        /// Envoy's `RESPONSE_CODE_DETAILS`.
        details: &'static str,
    },
    /// A header that speaks to the router has a value that it cannot have (`strict_check_headers`); Envoy's
    /// `RESPONSE_CODE_DETAILS`. The cause has the header.
    InvalidEnvoyHeader(&'static str),
    /// A filter does not let the body of a message pass.
    BodyRefused(BodyRefusal),
    /// The request's body is larger than what a filter may hold back.
    RequestTooLarge,
    /// The same of a response's.
    ResponseTooLarge,
    /// The client is gone.
    DownstreamDisconnect,
    /// The client has reset the stream.
    DownstreamReset,
    /// What came on the stream breaks a rule of HTTP/2.
    DownstreamHttp2(Http2ErrorKind),
    /// The request's head took too long (`request_headers_timeout`).
    RequestHeadersTimeout,
    /// The request took too long to come (`request_timeout`).
    RequestTimeout,
    /// Nothing moved for too long (`stream_idle_timeout`).
    StreamIdleTimeout,
    /// The stream lasted too long (`max_stream_duration`).
    MaxStreamDuration,
    /// The exchange with the upstream lasted too long (`x-envoy-upstream-stream-duration-ms`).
    UpstreamMaxStreamDuration,
    /// No route takes the request.
    RouteNotFound,
    /// The route's cluster is not there; the status is the route's choice.
    ClusterNotFound(u16),
    /// The request asks for another protocol, and none is configured.
    UpgradeNotAllowed,
    /// The cluster has no endpoint to send to.
    NoHealthyUpstream,
    /// A circuit breaker is open.
    Overflow,
    /// The runtime keeps requests from the cluster (`upstream.maintenance_mode.<cluster>`).
    MaintenanceMode,
    /// No connection could be made.
    ConnectFailure,
    /// No connection was made in time.
    ConnectTimeout,
    /// The endpoint closed the connection in the middle.
    UpstreamTermination,
    /// The response cannot be read.
    UpstreamCodec(CodecError),
    /// The endpoint has reset the stream.
    UpstreamReset,
    /// The endpoint has refused the stream, and not looked at it: it may be tried elsewhere.
    UpstreamRefused,
    /// The endpoint has reset the stream, and says that we broke a rule.
    UpstreamAccusation,
    /// The endpoint could not make the connection that CONNECT asked for.
    UpstreamConnectError,
    /// The response's head is larger than we take.
    UpstreamRefusedHead(Http2ErrorKind),
    /// What came on the stream, or on its connection, breaks a rule of HTTP/2.
    UpstreamHttp2(Http2ErrorKind),
    /// The response took too long (the route's `timeout`).
    ResponseTimeout,
    /// One try took too long (`x-envoy-upstream-rq-per-try-timeout-ms`).
    PerTryTimeout,
}

/// What happened, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What.
    pub kind: ErrorKind,
    /// Why, in words; empty: there is nothing to add.
    pub cause: Cow<'static, str>,
}

impl From<BodyRefusal> for Error {
    fn from(refusal: BodyRefusal) -> Self {
        ErrorKind::BodyRefused(refusal).into()
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Error { kind, cause: Cow::Borrowed("") }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.kind)?;
        if !self.cause.is_empty() {
            write!(f, ": {}", self.cause)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl ErrorKind {
    /// What the end of a stream of HTTP/2 before its time means.
    #[must_use]
    pub fn of_downstream_reset(reset: Reset) -> Self {
        reset.cause.map_or(Self::DownstreamReset, Self::DownstreamHttp2)
    }

    /// What the end of a stream of HTTP/2 towards an endpoint before its time means.
    #[must_use]
    pub fn of_upstream_reset(reset: Reset) -> Self {
        match (reset.cause, reset.code) {
            // As in Envoy, which takes its own refusals for the endpoint's, and a reset that accuses us for a broken rule.
            (Some(kind), ErrorCode::InternalError) => Self::UpstreamRefusedHead(kind),
            (Some(kind), _) => Self::UpstreamHttp2(kind),
            (None, ErrorCode::ProtocolError) => Self::UpstreamAccusation,
            (None, ErrorCode::RefusedStream) => Self::UpstreamRefused,
            (None, ErrorCode::ConnectError) => Self::UpstreamConnectError,
            (None, _) => Self::UpstreamReset,
        }
    }

    /// Whether the client is not there any more to be answered.
    #[must_use]
    pub fn is_end_of_client(self) -> bool {
        matches!(self, Self::DownstreamDisconnect | Self::DownstreamReset | Self::DownstreamHttp2(_))
    }

    /// Whose fault it is.
    #[must_use]
    pub fn side(self) -> Side {
        match self {
            Self::DownstreamCodec(_)
            | Self::RequestRefused { .. }
            | Self::InvalidEnvoyHeader(_)
            | Self::BodyRefused(_)
            | Self::RequestTooLarge
            | Self::DownstreamDisconnect
            | Self::DownstreamReset
            | Self::DownstreamHttp2(_)
            | Self::RequestHeadersTimeout
            | Self::RequestTimeout
            | Self::UpgradeNotAllowed => Side::Downstream,
            Self::ResponseTooLarge
            | Self::StreamIdleTimeout
            | Self::MaxStreamDuration
            | Self::RouteNotFound
            | Self::ClusterNotFound(_)
            | Self::Overflow
            | Self::MaintenanceMode => Side::Local,
            Self::NoHealthyUpstream
            | Self::ConnectFailure
            | Self::ConnectTimeout
            | Self::UpstreamTermination
            | Self::UpstreamCodec(_)
            | Self::UpstreamReset
            | Self::UpstreamRefused
            | Self::UpstreamAccusation
            | Self::UpstreamConnectError
            | Self::UpstreamRefusedHead(_)
            | Self::UpstreamHttp2(_)
            | Self::ResponseTimeout
            | Self::PerTryTimeout
            | Self::UpstreamMaxStreamDuration => Side::Upstream,
        }
    }

    /// Whether the router answers it. All else is answered by the connection manager.
    #[must_use]
    pub fn is_of_router(self) -> bool {
        self.side() == Side::Upstream || matches!(self, Self::Overflow | Self::MaintenanceMode)
    }

    /// Whether another try, at another endpoint, may do better. The request must not have been answered yet.
    #[must_use]
    pub fn may_be_retried(self) -> bool {
        self.side() == Side::Upstream && self != Self::NoHealthyUpstream
    }

    /// Whether the upstream's side of the stream ended before its time, after it had begun.
    #[must_use]
    pub fn is_end_of_upstream(self) -> bool {
        matches!(
            self,
            Self::UpstreamTermination
                | Self::UpstreamCodec(_)
                | Self::UpstreamReset
                | Self::UpstreamRefused
                | Self::UpstreamAccusation
                | Self::UpstreamConnectError
                | Self::UpstreamRefusedHead(_)
                | Self::UpstreamHttp2(_)
        )
    }

    /// Whether a head was refused that was read to its end. As in Envoy, its fields can be logged then.
    #[must_use]
    pub fn is_about_whole_head(self) -> bool {
        matches!(self, Self::DownstreamCodec(kind) if kind.is_raised_by_connection_manager())
    }

    /// The response flag that it sets.
    #[must_use]
    pub fn response_flag(self) -> Option<ResponseFlag> {
        Some(match self {
            Self::DownstreamCodec(kind) if kind.is_raised_by_connection_manager() => return None,
            Self::DownstreamCodec(_) => ResponseFlag::DownstreamProtocolError,
            Self::RequestRefused { .. }
            | Self::BodyRefused(_)
            | Self::RequestTooLarge
            | Self::ResponseTooLarge
            | Self::UpgradeNotAllowed
            | Self::RequestHeadersTimeout
            | Self::RequestTimeout
            | Self::MaxStreamDuration => return None,
            Self::InvalidEnvoyHeader(_) => ResponseFlag::InvalidEnvoyRequestHeaders,
            Self::DownstreamDisconnect => ResponseFlag::DownstreamConnectionTermination,
            Self::DownstreamReset => ResponseFlag::DownstreamRemoteReset,
            Self::DownstreamHttp2(Http2ErrorKind::KeepaliveTimeout) => {
                ResponseFlag::DownstreamConnectionTermination
            }
            // As in Envoy, which takes its own refusals for the client's.
            Self::DownstreamHttp2(kind) if kind.code() == ErrorCode::InternalError => {
                ResponseFlag::DownstreamRemoteReset
            }
            Self::DownstreamHttp2(_) => ResponseFlag::DownstreamProtocolError,
            Self::StreamIdleTimeout => ResponseFlag::StreamIdleTimeout,
            Self::RouteNotFound => ResponseFlag::NoRouteFound,
            Self::ClusterNotFound(_) => ResponseFlag::NoClusterFound,
            Self::NoHealthyUpstream => ResponseFlag::NoHealthyUpstream,
            Self::Overflow | Self::MaintenanceMode => ResponseFlag::UpstreamOverflow,
            Self::ConnectFailure | Self::ConnectTimeout => ResponseFlag::UpstreamConnectionFailure,
            Self::UpstreamTermination => ResponseFlag::UpstreamConnectionTermination,
            Self::UpstreamReset
            | Self::UpstreamRefused
            | Self::UpstreamConnectError
            | Self::UpstreamRefusedHead(_) => ResponseFlag::UpstreamRemoteReset,
            Self::UpstreamCodec(_) | Self::UpstreamAccusation | Self::UpstreamHttp2(_) => {
                ResponseFlag::UpstreamProtocolError
            }
            Self::UpstreamMaxStreamDuration => ResponseFlag::UpstreamMaxStreamDurationReached,
            Self::ResponseTimeout | Self::PerTryTimeout => ResponseFlag::UpstreamRequestTimeout,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_faults_of_upstreams_are_retried() {
        assert!(ErrorKind::ConnectFailure.may_be_retried());
        assert!(ErrorKind::UpstreamTermination.may_be_retried());
        for kind in [ErrorKind::Overflow, ErrorKind::DownstreamDisconnect, ErrorKind::NoHealthyUpstream] {
            assert!(!kind.may_be_retried(), "{kind:?}");
        }
    }

    #[test]
    fn errors_say_why() {
        let error = Error { kind: ErrorKind::ConnectFailure, cause: "Connection refused".into() };
        assert_eq!(error.to_string(), "ConnectFailure: Connection refused");
    }
}
