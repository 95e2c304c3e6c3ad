//! The HTTP connection manager (Envoy: `envoy.filters.network.http_connection_manager`).
//!
//! Owns: its compiled settings and what a worker keeps of it. Does not own: reading requests off a connection
//! (`http1_connection`), what becomes of one (`http_stream`).
//! Follows Envoy's page "HTTP connection management".

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ferryman_codec::{Http1Settings, Http2Settings, UnderscoresAction};

use crate::access_loggers::AccessLogSet;
use crate::filters::http::{FilterCompileContext, HttpFilters};
use crate::header_mutation::sequence::MutationSequence;
use crate::http_codec::{self, Http2Options};
use crate::listener::CompileContext;
use crate::local_address;
use crate::local_reply::LocalReplyPolicy;
use crate::model;
use crate::model::http_connection_manager::{CodecType, HeadersWithUnderscoresAction};
use crate::route::{RouteTables, WorkerRouteStats};
use crate::stats::{
    Http1Stats, Http2Stats, HttpStats, ListenerHttpStats, LocalScope, Registry, RouteResolutionStats,
    RouterStats, Scope, TracingStats, VirtualHostStats,
};
use crate::stream_info::ConnectionInfo;
use crate::transport_sockets::TransportSocket;
use crate::worker::Worker;

pub mod connection_facts;
mod client_certificate;
mod connection_counts;
mod connection_header;
mod connection_timers;
mod forwarded;
mod host_normalization;
mod http1_connection;
mod http2_connection;
mod original_ip;
mod path_normalization;
mod proxy_status;
mod referer;
mod request_headers;
mod request_id;
mod response_headers;
mod upgrades;

pub use connection_facts::ConnectionFacts;
pub(crate) use connection_header::is_upgrade;
pub(crate) use host_normalization::port_start;
pub use proxy_status::ProxyStatus;
pub use request_headers::{EarlyMutation, Refusal, RequestFacts, RequestHeaderPolicy};
pub use response_headers::ResponseHeaderPolicy;
pub use upgrades::Upgrades;

/// How long what may take.
#[derive(Debug)]
pub struct Timeouts {
    /// A connection without a request.
    pub idle: Option<Duration>,
    /// A connection.
    pub max_connection_duration: Option<Duration>,
    /// A stream.
    pub max_stream_duration: Option<Duration>,
    /// A stream on which nothing moves.
    pub stream_idle: Option<Duration>,
    /// How long a whole response may wait for a window of HTTP/2.
    pub stream_flush: Option<Duration>,
    /// A request, until all of it is there.
    pub request: Option<Duration>,
    /// A request's head.
    pub request_headers: Option<Duration>,
    /// A client that is to close its side, after our last response.
    pub delayed_close: Option<Duration>,
    /// A connection that has reached a limit and may still bring a request.
    pub drain: Duration,
    /// By how much of itself, at most, `max_connection_duration` is longer.
    pub max_connection_duration_jitter: f64,
    /// By how much of itself, at most, `drain` is longer.
    pub drain_jitter: f64,
    /// Whether a connection that has lasted as long as it may waits for one more request.
    pub http1_safe_max_connection_duration: bool,
}

/// A compiled HTTP connection manager, shared by all workers.
#[derive(Debug)]
pub struct HttpConnectionManager {
    /// Where it stands in the configuration.
    pub place: Arc<str>,
    /// What the codec lets in.
    pub http1_settings: Http1Settings,
    /// The same for HTTP/2.
    pub http2_options: Http2Options,
    /// What is spoken.
    pub codec_type: CodecType,
    /// What the configuration does to each request's head before all else; none: nothing.
    pub early_mutations: Option<MutationSequence>,
    /// What is done to each request's head.
    pub request_headers: RequestHeaderPolicy,
    /// What is done to each response's head.
    pub response_headers: ResponseHeaderPolicy,
    /// Where requests go.
    pub routes: RouteTables,
    /// The HTTP filters before the router, and the router's own settings.
    pub filters: HttpFilters,
    /// Whether the scheme becomes that of the upstream connection.
    pub scheme_matches_upstream: bool,
    /// Which upgrades are let in.
    pub upgrades: Upgrades,
    /// What becomes of local replies; none: nothing.
    pub local_replies: Option<LocalReplyPolicy>,
    /// What responses tell of errors in `proxy-status`; none: nothing.
    pub proxy_status: Option<ProxyStatus>,
    /// Where streams are logged.
    pub access_log: AccessLogSet,
    /// Limits in time.
    pub timeouts: Timeouts,
    /// Limit of requests on one connection.
    pub max_requests: Option<u64>,
    /// Limit of unread bytes in each direction.
    pub buffer_limit: usize,
    /// The host of HTTP/1.0 requests that name none; without it they are refused.
    pub default_host_for_http_10: Option<Box<str>>,
    /// Whether an upstream's 100 is passed on; else `expect` is answered here.
    pub proxy_100_continue: bool,
    http: Scope<HttpStats>,
    router: Scope<RouterStats>,
    listener_http: Scope<ListenerHttpStats>,
    http1: Scope<Http1Stats>,
    registry: Arc<Registry>,
    /// As in Envoy, listed from the first connection on.
    http2: OnceLock<Scope<Http2Stats>>,
    route_stats: Vec<Scope<VirtualHostStats>>,
    route_resolution: Option<Scope<RouteResolutionStats>>,
    /// Envoy lists these for every connection manager, also where nothing is traced.
    _tracing: Scope<TracingStats>,
}

impl HttpConnectionManager {
    /// Compiles one for a listener whose statistics are called `listener`.
    ///
    /// # Errors
    /// What is wrong, with its place where it has one.
    pub fn compile(
        model: &model::http_connection_manager::HttpConnectionManager,
        listener: &str,
        buffer_limit: usize,
        context: &CompileContext<'_>,
    ) -> Result<Self, String> {
        let registry = context.registry;
        let resolve = |name: &str| context.snapshot.slot(name);
        let of_filters = FilterCompileContext { name: "", process: context, stat_prefix: &model.stat_prefix };
        let filters = HttpFilters::compile(&model.http_filters, &of_filters)?;
        let mut routes = RouteTables::compile(model, &resolve).map_err(|error| error.to_string())?;
        routes.set_filters(model, &filters, &of_filters)?;
        let upgrades = Upgrades::compile(model, &mut routes, &of_filters)?;
        Ok(HttpConnectionManager {
            place: model.place.as_str().into(),
            http1_settings: http1_settings(model),
            http2_options: {
                let options = http_codec::http2_options_of(&model.http2_protocol_options);
                let settings = Http2Settings {
                    max_header_bytes: model.max_request_headers_bytes,
                    max_headers_count: model.max_headers_count,
                    underscores: underscores(model.headers_with_underscores_action),
                    max_pending_bytes: buffer_limit,
                    ..options.settings
                };
                Http2Options { settings, ..options }
            },
            codec_type: model.codec_type,
            early_mutations: match &model.early_header_mutations[..] {
                [] => None,
                mutations => Some(MutationSequence::compile(mutations)?),
            },
            request_headers: RequestHeaderPolicy::compile(model, local_address::find())?,
            response_headers: ResponseHeaderPolicy::compile(model),
            route_stats: routes.open_stats(registry),
            routes,
            filters,
            scheme_matches_upstream: model.scheme_matches_upstream,
            upgrades,
            local_replies: LocalReplyPolicy::compile(&model.local_reply_config)?,
            access_log: AccessLogSet::open(&model.access_log, context.logs)
                .map_err(|error| error.to_string())?
                .with_events(&model.access_log_events),
            timeouts: Timeouts::new(model),
            max_requests: model.max_requests_per_connection,
            buffer_limit,
            default_host_for_http_10: model.default_host_for_http_10.as_deref().map(Box::from),
            proxy_100_continue: model.proxy_100_continue,
            http: registry.http(&model.stat_prefix),
            router: registry.router(&model.stat_prefix),
            listener_http: registry.listener_http(listener, &model.stat_prefix),
            http1: registry.http1(),
            registry: Arc::clone(registry),
            http2: OnceLock::new(),
            route_resolution: model
                .record_route_resolution_stats
                .then(|| registry.route_resolution(&model.stat_prefix)),
            proxy_status: model.proxy_status_config.as_ref().map(ProxyStatus::compile),
            _tracing: registry.tracing(&model.stat_prefix),
        })
    }
}

impl Timeouts {
    fn new(model: &model::http_connection_manager::HttpConnectionManager) -> Self {
        let duration = |milliseconds: Option<u64>| milliseconds.map(Duration::from_millis);
        Timeouts {
            idle: duration(model.idle_timeout_ms),
            max_connection_duration: duration(model.max_connection_duration_ms),
            max_stream_duration: duration(model.max_stream_duration_ms),
            stream_idle: duration(model.stream_idle_timeout_ms),
            stream_flush: duration(model.stream_flush_timeout_ms),
            request: duration(model.request_timeout_ms),
            request_headers: duration(model.request_headers_timeout_ms),
            delayed_close: duration(model.delayed_close_timeout_ms),
            drain: Duration::from_millis(model.drain_timeout_ms),
            max_connection_duration_jitter: model.max_connection_duration_jitter_percent / 100.0,
            drain_jitter: model.drain_timeout_jitter_percent / 100.0,
            http1_safe_max_connection_duration: model.http1_safe_max_connection_duration,
        }
    }
}

fn underscores(action: HeadersWithUnderscoresAction) -> UnderscoresAction {
    match action {
        HeadersWithUnderscoresAction::Allow => UnderscoresAction::Allow,
        HeadersWithUnderscoresAction::RejectRequest => UnderscoresAction::Reject,
        HeadersWithUnderscoresAction::DropHeader => UnderscoresAction::Drop,
    }
}

fn http1_settings(model: &model::http_connection_manager::HttpConnectionManager) -> Http1Settings {
    Http1Settings {
        max_head_bytes: model.max_request_headers_bytes,
        max_headers_count: model.max_headers_count,
        allow_absolute_url: model.allow_absolute_url,
        accept_http_10: model.accept_http_10,
        enable_trailers: model.enable_trailers,
        allow_custom_methods: model.allow_custom_methods,
        underscores: underscores(model.headers_with_underscores_action),
        ..http_codec::settings_of(model.header_key_format)
    }
}

/// An HTTP connection manager on one worker.
#[derive(Debug)]
pub struct WorkerHttpConnectionManager {
    /// Its settings.
    pub settings: Arc<HttpConnectionManager>,
    /// `http.<prefix>.`
    pub http: LocalScope<HttpStats>,
    /// `http.<prefix>.`, of the router.
    pub router: LocalScope<RouterStats>,
    /// `listener.<address>.http.<prefix>.`
    pub listener_http: LocalScope<ListenerHttpStats>,
    /// `http1.`
    pub http1: LocalScope<Http1Stats>,
    http2: OnceCell<LocalScope<Http2Stats>>,
    worker: usize,
    /// `http.<prefix>.`, of routes' resolution; none: not counted.
    pub route_resolution: Option<LocalScope<RouteResolutionStats>>,
    /// `vhost.<virtual host>.`
    pub routes: WorkerRouteStats,
}

impl WorkerHttpConnectionManager {
    /// What the worker of this index counts in.
    #[must_use]
    pub fn new(settings: &Arc<HttpConnectionManager>, worker: usize) -> Self {
        WorkerHttpConnectionManager {
            http: settings.http.local(worker),
            router: settings.router.local(worker),
            listener_http: settings.listener_http.local(worker),
            http1: settings.http1.local(worker),
            http2: OnceCell::new(),
            worker,
            route_resolution: settings.route_resolution.as_ref().map(|scope| scope.local(worker)),
            routes: WorkerRouteStats::new(&settings.route_stats, worker),
            settings: Arc::clone(settings),
        }
    }

    /// Serves a connection until its end.
    pub async fn serve(&self, worker: &Rc<Worker>, socket: TransportSocket, info: &mut ConnectionInfo) {
        http1_connection::serve(self, worker, socket, info).await;
    }

    /// `http2.`
    fn http2(&self) -> &LocalScope<Http2Stats> {
        let settings = &self.settings;
        self.http2.get_or_init(|| settings.http2.get_or_init(|| settings.registry.http2()).local(self.worker))
    }

    /// Counts a connection that another filter has refused.
    pub fn refuse(&self, info: &ConnectionInfo) {
        http1_connection::refuse(self, info.tls.is_some());
    }
}
