//! What a route does with a request.
//!
//! Owns: the compiled actions. Does not own: carrying them out (`filters::http::router`).
//! Follows Envoy's `Route.action`.

use std::time::Duration;

use ferryman_codec::HeaderBlock;

use crate::format::{Formatter, Unset};
use crate::local_reply::BodyFormat;
use crate::model;
use crate::model::format::Format;
use crate::model::route::RoutingPriority;
use crate::rate_limit::RateLimits;

use super::Resolve;
use super::cluster_choice::{ClusterChoice, ClusterSpecifier};
use super::condition::Circumstances;
use super::grpc_timeout::GrpcTimeout;
use super::internal_redirect::InternalRedirectPolicy;
use super::redirect::Redirect;
use super::rewrite::{HostRewrite, PathRewrite};
use super::timeout::RouteTimeout;
use super::upgrade::{ConnectConfig, RouteUpgrade};

/// A compiled action.
#[derive(Debug)]
pub enum Action {
    /// The request goes to a cluster.
    Forward(Box<ForwardAction>),
    /// The client is sent elsewhere.
    Redirect(Box<Redirect>),
    /// The response is in the configuration.
    DirectResponse(DirectResponse),
}

/// A limit in time that a route may set in the place of the HTTP connection manager's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteLimit {
    /// The HTTP connection manager's holds.
    FromConnectionManager,
    /// There is none.
    Off,
    /// It is this.
    After(Duration),
}

impl RouteLimit {
    fn new(is_set: bool, milliseconds: Option<u64>) -> Self {
        match (is_set, milliseconds) {
            (false, _) => RouteLimit::FromConnectionManager,
            (true, None) => RouteLimit::Off,
            (true, Some(milliseconds)) => RouteLimit::After(Duration::from_millis(milliseconds)),
        }
    }
}

pub(super) fn formatter(format: Option<&Format>, unset: Unset) -> Result<Option<Formatter>, String> {
    format.map(|format| Formatter::compile(format, unset)).transpose()
}

/// Forwarding to a cluster.
#[derive(Debug)]
pub struct ForwardAction {
    pub(super) clusters: ClusterSpecifier,
    pub(super) path_rewrite: PathRewrite,
    pub(super) host_rewrite: HostRewrite,
    pub(super) path_format: Option<Formatter>,
    pub(super) host_format: Option<Formatter>,
    pub(super) timeout: RouteTimeout,
    pub(super) grpc_timeout: Option<GrpcTimeout>,
    pub(super) grpc_duration: Option<GrpcTimeout>,
    /// The status of the answer when the cluster is not there.
    pub cluster_not_found_response_code: u16,
    /// Whether the host becomes the name of the upstream host that is picked; `set_authority` does it.
    pub auto_host_rewrite: bool,
    /// Whether a rewritten host is appended to `x-forwarded-host`.
    pub append_x_forwarded_host: bool,
    /// When an idle stream is ended (the HTTP connection manager's: `stream_idle_timeout`).
    pub idle_timeout: RouteLimit,
    /// How long a whole response may wait for a window of HTTP/2 (the connection manager's: `stream_flush_timeout`).
    pub flush_timeout: RouteLimit,
    /// How long a stream may last (the HTTP connection manager's: `max_stream_duration`).
    pub max_stream_duration: RouteLimit,
    /// Which of the cluster's circuit breakers and pools count.
    pub priority: RoutingPriority,
    /// What it says about upgrades.
    pub upgrades: Vec<RouteUpgrade>,
    /// Which redirects of the upstream are followed; none: they are passed on.
    pub internal_redirect: Option<Box<InternalRedirectPolicy>>,
    /// What its requests say of themselves to rate limits.
    pub rate_limits: RateLimits,
    /// Whether they say what the virtual host has them say as well.
    pub include_vh_rate_limits: bool,
}

impl ForwardAction {
    fn compile(model: &model::route::RouteAction, resolve: Resolve<'_>) -> Result<Self, String> {
        Ok(ForwardAction {
            clusters: ClusterSpecifier::compile(&model.cluster, resolve)?,
            path_rewrite: PathRewrite::compile(
                model.prefix_rewrite.as_deref(),
                model.regex_rewrite.as_ref(),
            )?,
            host_rewrite: HostRewrite::compile(model.host_rewrite.as_ref())?,
            path_format: formatter(model.path_rewrite.as_ref(), Unset::Empty)?,
            host_format: match &model.host_rewrite {
                Some(model::route::HostRewrite::Format { format }) => formatter(Some(format), Unset::Dash)?,
                _ => None,
            },
            timeout: RouteTimeout::new(
                model.timeout_ms,
                model.max_stream_duration_set || model.grpc_timeout_header_max_ms.is_some(),
            ),
            grpc_timeout: GrpcTimeout::new(model.max_grpc_timeout_ms, model.grpc_timeout_offset_ms),
            grpc_duration: GrpcTimeout::new(
                model.grpc_timeout_header_max_ms,
                model.grpc_timeout_header_offset_ms,
            ),
            cluster_not_found_response_code: model.cluster_not_found_response_code,
            auto_host_rewrite: matches!(model.host_rewrite, Some(model::route::HostRewrite::Auto {})),
            append_x_forwarded_host: model.append_x_forwarded_host,
            idle_timeout: RouteLimit::new(model.idle_timeout_set, model.idle_timeout_ms),
            flush_timeout: RouteLimit::new(model.flush_timeout_set, model.flush_timeout_ms),
            max_stream_duration: RouteLimit::new(model.max_stream_duration_set, model.max_stream_duration_ms),
            priority: model.priority,
            upgrades: model.upgrade_configs.iter().map(RouteUpgrade::compile).collect(),
            internal_redirect: model
                .internal_redirect
                .as_ref()
                .map(InternalRedirectPolicy::compile)
                .transpose()?
                .map(Box::new),
            rate_limits: RateLimits::compile(&model.rate_limits)?,
            include_vh_rate_limits: model.include_vh_rate_limits,
        })
    }

    /// The cluster for one request. None: there is nothing to choose from.
    #[inline]
    #[must_use]
    pub fn cluster(&self, request: &HeaderBlock, known: Circumstances<'_>) -> Option<ClusterChoice<'_>> {
        self.clusters.choose(request, known)
    }

    /// How the request's body is the payload of a TCP connection to the host, if it is.
    #[inline]
    #[must_use]
    pub fn terminates(&self, request: &HeaderBlock) -> Option<&ConnectConfig> {
        self.upgrades.iter().find_map(|upgrade| upgrade.terminates(request))
    }

    /// How long a gRPC request may last that says how long it may.
    #[must_use]
    pub fn grpc_duration(&self, request: &HeaderBlock) -> Option<Duration> {
        self.grpc_duration?.of_stream(request).map(Duration::from_millis)
    }

    /// The response timeout when the request does not ask for another; none: unlimited.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout.duration()
    }
}

/// A response from the configuration.
#[derive(Debug)]
pub struct DirectResponse {
    /// The status.
    pub status: u16,
    /// The body; it may be empty.
    pub body: Box<[u8]>,
    /// What makes the body of that one.
    pub format: Option<BodyFormat>,
}

impl DirectResponse {
    /// The `location` that Envoy gives to the statuses 201 and 3xx: the request's own URL.
    #[must_use]
    pub fn location(&self, request: &HeaderBlock) -> Option<Vec<u8>> {
        matches!(self.status, 201 | 300..=399).then(|| super::redirect::own_url(request))
    }
}

impl Action {
    pub(super) fn compile(model: &model::route::Action, resolve: Resolve<'_>) -> Result<Self, String> {
        use model::route::Action as Model;
        Ok(match model {
            Model::Route(route) => Action::Forward(Box::new(ForwardAction::compile(route, resolve)?)),
            Model::Redirect(redirect) => Action::Redirect(Box::new(Redirect::compile(redirect)?)),
            Model::DirectResponse(response) => Action::DirectResponse(DirectResponse {
                status: response.status,
                body: response.body.as_slice().into(),
                format: response.body_format.as_ref().map(BodyFormat::compile).transpose()?,
            }),
        })
    }
}
