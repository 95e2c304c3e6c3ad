//! One request and its response.
//!
//! Owns: the way of a request from its head to its access log, the stream's deadlines, and the head of every response.
//! Does not own: the connection (`http1_connection`), the choice of an endpoint (`filters::http::router`), the copying of
//! bodies (`http_stream/exchange.rs`).
//! Follows Envoy's page "Life of a Request".

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Instant;

use ferryman_codec::{BodyFraming, ErrorKind as CodecError, HeaderBlock, KnownName, RequestHead, Version};

use crate::cluster::WorkerCluster;
use crate::error::{Error, ErrorKind};
use crate::filters::http::{HttpFilters, RouteFilters, router::UpstreamLog};
use crate::filters::network::http_connection_manager::{
    ConnectionFacts, EarlyMutation, HttpConnectionManager, Refusal, WorkerHttpConnectionManager,
};
use crate::format::grpc_status::is_grpc_request;
use crate::format::{AccessLogType, FormatContext};
use crate::http_codec::{BodyReader, StreamCodec};
use crate::local_reply::{LocalReply, Origin, set_status};
use crate::random::thread_random;
use crate::repeated_headers::Side;
use crate::route::{
    Action, ClusterChoice, CountedIn, DirectResponse, Matched, Redirect, Timeouts, WeightedCluster,
};
use crate::stats::RouterStat;
use crate::stream_info::{ConnectionInfo, Protocol, TimePoint};
use crate::timer::LazyTimer;
use crate::worker::Worker;

mod body_pipeline;
mod exchange;
pub(crate) mod filter_walk;
mod held_response;
mod internal_redirect;
mod logging;
mod progress;
mod remember;
mod response;
mod request_framing;
mod routing;
mod stream_state;
mod summary;
mod timers;
mod told;
mod transformed_body;
mod upgrade;
mod waiting;

pub use body_pipeline::BodyPipeline;
pub use exchange::Exchange;
pub use stream_state::StreamState;
pub use timers::StreamTimers;

use internal_redirect::KeptBody;

/// The connection that a request came on.
#[derive(Debug)]
pub struct Downstream<'a> {
    /// Reads the request and writes the response.
    pub codec: StreamCodec<'a>,
    /// Its one timer.
    pub timer: &'a mut LazyTimer,
    /// What is known of it.
    pub info: &'a ConnectionInfo,
    /// What request headers need of it.
    pub facts: &'a ConnectionFacts,
    /// Whether this is the last request that it may carry.
    pub is_last_request: bool,
    /// From when on a response says that the connection closes.
    pub closes_from: Option<Instant>,
}

/// What becomes of the connection after a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// It may carry another request.
    KeepAlive,
    /// All was said: it is closed.
    Close,
    /// What the client still sends is read and dropped for a while, so that it can read our last words and close.
    CloseAfterLinger,
    /// It is of no use any more: what was promised cannot be kept.
    Abort,
    /// The client is gone.
    Disconnected,
    /// The request goes on at another place.
    GoesOn,
}

/// One request and its response.
#[derive(Debug)]
pub struct HttpStream<'a> {
    pub(crate) manager: &'a WorkerHttpConnectionManager,
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) connection: Downstream<'a>,
    pub(crate) state: &'a mut StreamState,
    pub(crate) head: RequestHead,
    pub(crate) timers: StreamTimers,
    /// The last time that was asked for.
    pub(crate) now: Instant,
    /// The stream's own number, by which routes and weighted clusters are chosen.
    pub(crate) random: u64,
    /// How much of the request's body the upstream was sent, of the last try.
    pub(crate) sent_body_bytes: u64,
    /// Whether the request comes from inside (`x-envoy-internal`).
    pub(crate) is_internal: bool,
    /// When all of the request was there.
    pub(crate) request_completed_at: Option<Instant>,
    /// How long the upstream may take.
    pub(crate) route_timeouts: Timeouts,
    /// The cluster that the route chose, if it forwards.
    pub(crate) choice: Option<ClusterChoice<'a>>,
    /// That cluster, if there is one of the name.
    pub(crate) cluster: Option<Rc<WorkerCluster>>,
    /// The weighted cluster that was chosen.
    pub(crate) weighted: Option<&'a WeightedCluster>,
    /// Where the request is counted beside its cluster.
    pub(crate) counted_in: CountedIn,
    pub(crate) matched: Option<Matched<'a>>,
    /// What the route says to the HTTP filters.
    route_filters: &'a RouteFilters,
    /// The same of routes that it had before, once its filters were made.
    earlier_routes: Vec<&'a RouteFilters>,
    /// From which place on its filters stand between router and upstream; none: there are none such.
    upstream_filters_from: Option<usize>,
    /// Whether the HTTP filters of the stream were made.
    filters_begun: bool,
    /// How much of the request's body filters may hold, where one of them says so.
    request_body_limit: Option<usize>,
    /// Whether the request has no end: its head could not be read, or what follows is another protocol.
    endless: bool,
    /// The HTTP filters, and the router's settings.
    pub(crate) filters: &'a HttpFilters,
    upgrade: Option<upgrade::ActiveUpgrade<'a>>,
    /// Which of the lists of HTTP filters that upgrades have of their own is `filters`.
    upgrade_list: Option<usize>,
    /// Whether bytes of another protocol go both ways.
    is_tunnel: bool,
    /// Whether the upstream sent a 1xx: Envoy looks at one.
    informational_seen: bool,
    response_started: bool,
    close: bool,
    abort: bool,
    /// Whether the response is whole and waits for the client to open its window.
    is_flushing: bool,
    disconnected: bool,
    /// What of the request's body is kept for another pass.
    kept_body: KeptBody,
    /// Whether the request goes on at another place.
    pub(crate) goes_on: bool,
    /// Whether the request's body is all held, from an earlier pass, and no filter has seen it in this one.
    replays_body: bool,
    /// The upstream request, where it is logged; `ended`: the stream was counted and logged.
    pub(crate) upstream_log: Option<Box<UpstreamLog>>,
    pub(crate) ended: bool,
    /// Whether the request came as a call of gRPC, whatever filters make of its head: it is answered in the form of one.
    pub(crate) is_grpc_call: bool,
    /// From which place of the list of filters on these have seen the response's trailers.
    trailers_seen_from: usize,
    /// Whether a filter held the response until all of it was there.
    response_was_held: bool,
    _active: summary::ActiveRequest<'a>,
}

impl<'a> HttpStream<'a> {
    /// A stream whose request's head was just read.
    pub fn new(
        manager: &'a WorkerHttpConnectionManager,
        worker: &'a Rc<Worker>,
        connection: Downstream<'a>,
        state: &'a mut StreamState,
        head: RequestHead,
        timers: StreamTimers,
    ) -> Self {
        let now = timers.active_at;
        let log_at = manager.settings.access_log.next_line(state.info.start);
        HttpStream {
            manager,
            worker,
            connection,
            state,
            head,
            timers: StreamTimers { log_at, ..timers },
            now,
            random: worker.random.next(),
            sent_body_bytes: 0,
            is_internal: false,
            request_completed_at: None,
            route_timeouts: Timeouts::default(),
            choice: None,
            cluster: None,
            weighted: None,
            counted_in: CountedIn::default(),
            matched: None,
            route_filters: &manager.settings.filters.without_route,
            earlier_routes: Vec::new(),
            upstream_filters_from: None,
            filters_begun: false,
            request_body_limit: None,
            endless: false,
            filters: &manager.settings.filters,
            upgrade: None,
            upgrade_list: None,
            is_tunnel: false,
            informational_seen: false,
            response_started: false,
            close: false,
            abort: false,
            is_flushing: false,
            disconnected: false,
            kept_body: KeptBody::default(),
            goes_on: false,
            replays_body: false,
            upstream_log: None,
            ended: false,
            is_grpc_call: false,
            trailers_seen_from: usize::MAX,
            response_was_held: false,
            _active: summary::ActiveRequest::new(&manager.http),
        }
    }

    pub(crate) fn settings(&self) -> &'a HttpConnectionManager {
        &self.manager.settings
    }

    /// Serves the request until its response is written.
    pub async fn run(&mut self) -> Finished {
        self.begin();
        if let Err(error) = self.process().await {
            // Boxed: few requests fail, and every connection's memory has room for what it awaits.
            Box::pin(self.fail(&error)).await;
        }
        self.end()
    }

    /// Answers a request whose head could not be read.
    pub async fn refuse(&mut self, error: &Error) -> Finished {
        self.begin();
        // As in Envoy, what was read of a broken head is not told to anybody.
        if !error.kind.is_about_whole_head() {
            self.endless = true;
            self.state.request.clear();
        } else {
            self.receive_head();
            if error.kind == ErrorKind::DownstreamCodec(CodecError::MissingHost) {
                // `connection: host` takes it away.
                self.state.request.remove(KnownName::Authority);
            }
        }
        self.fail(error).await;
        self.end()
    }

    async fn process(&mut self) -> Result<(), Error> {
        if self.asks_for_upgrade() {
            self.settle_upgrade()?;
        }
        if self.head.expect_continue {
            self.answer_expect()?;
            // The body that a filter holds comes only after it. Boxed: few requests expect anything.
            Box::pin(self.send(b"")).await?;
        }
        self.receive_head();
        self.tell_request();
        self.check_head()?;
        match self.admit() {
            Ok(()) => {}
            Err(Refusal::PathRedirect) => return self.redirect_to_normalized_path().await,
            Err(refusal) => {
                let (status, details) = (refusal.status(), refusal.details());
                return Err(ErrorKind::RequestRefused { status, details }.into());
            }
        }
        self.find_route();
        self.serve_route().await
    }

    /// Lets the filters see the request, and does with it what its route says.
    async fn serve_route(&mut self) -> Result<(), Error> {
        self.tell_route();
        self.log_start();
        if self.asks_for_upgrade() {
            self.admit_upgrade()?;
        }
        self.set_route_timers();
        if !self.walk_request_filters().await? {
            return Ok(());
        }
        self.manager.router.inc(RouterStat::RqTotal);
        let Some(matched) = self.matched else {
            self.manager.router.inc(RouterStat::NoRoute);
            return Err(ErrorKind::RouteNotFound.into());
        };
        match &matched.route.action {
            Action::Forward(action) => crate::filters::http::router::forward(self, matched, action).await,
            Action::Redirect(redirect) => self.redirect(matched, redirect).await,
            Action::DirectResponse(response) => self.respond_directly(response).await,
        }
    }

    /// Notes that the head is there, and with it all of the request when it has no body.
    fn receive_head(&mut self) {
        self.is_grpc_call = is_grpc_request(&self.state.request);
        let info = &mut self.state.info;
        // Envoy looks for a route also to answer what it refuses.
        info.route_resolution_count += 1;
        if self.head.framing == BodyFraming::None && !self.endless {
            info.mark(TimePoint::LastDownstreamRxByte, self.now);
            self.timers.request_by = None;
        }
    }

    /// What Envoy demands of a head beyond its grammar.
    fn check_head(&mut self) -> Result<(), Error> {
        let request = &mut self.state.request;
        if self.head.version == Version::Http10 {
            // The client knows no interim responses (RFC 9110 section 10.1.1).
            request.remove(KnownName::Expect);
            if !request.contains(KnownName::Authority) {
                let Some(host) = &self.manager.settings.default_host_for_http_10 else {
                    return Err(ErrorKind::DownstreamCodec(CodecError::MissingHost).into());
                };
                request.set(KnownName::Authority, host.as_bytes());
            }
        }
        if request.get(KnownName::Method) == Some(b"QUERY") && !request.contains(KnownName::ContentType) {
            let details = "query_missing_content_type";
            return Err(ErrorKind::RequestRefused { status: 400, details }.into());
        }
        Ok(())
    }

    /// Brings the head into the form that filters and routes see.
    fn admit(&mut self) -> Result<(), Refusal> {
        let random = &self.worker.random;
        let settings = self.settings();
        let state = &mut *self.state;
        let mut mutate;
        let mut early: Option<EarlyMutation<'_>> = None;
        if let Some(mutations) = &settings.early_mutations {
            let occasion = AccessLogType::NotSet;
            let context =
                FormatContext::new(&state.info, self.connection.info, occasion, self.now, thread_random);
            mutate = move |request: &mut HeaderBlock| mutations.apply(Side::Request, request, &context);
            early = Some(&mut mutate);
        }
        let facts = settings
            .request_headers
            .apply(&mut state.request, self.connection.facts, early, || random.next())
            .inspect_err(|refusal| self.manager.http.inc(refusal.stat()))?;
        self.is_internal = facts.internal;
        self.state.info.remote_address = facts.remote_address;
        Ok(())
    }

    /// Answers `expect: 100-continue` in the upstream's place.
    fn answer_expect(&mut self) -> Result<(), Error> {
        if self.settings().proxy_100_continue || self.head.version == Version::Http10 {
            return Ok(());
        }
        self.state.request.remove(KnownName::Expect);
        self.state.response.clear();
        set_status(&mut self.state.response, 100);
        let queued = self.connection.codec.queue_informational(&self.state.response);
        self.state.response.clear();
        self.count_status(100);
        queued.map_err(|error| ErrorKind::DownstreamCodec(error.kind).into())
    }

    async fn redirect_to_normalized_path(&mut self) -> Result<(), Error> {
        let location = self.state.request.get(KnownName::Path).unwrap_or_default().to_vec();
        self.reply(LocalReply {
            status: Refusal::PathRedirect.status(),
            details: Cow::Borrowed(Refusal::PathRedirect.details()),
            location: Some(location),
            ..LocalReply::default()
        })
        .await
    }

    async fn redirect(&mut self, matched: Matched<'a>, redirect: &'a Redirect) -> Result<(), Error> {
        // Envoy counts redirects of routes as direct responses too.
        self.manager.router.inc(RouterStat::RqDirectResponse);
        let keep_original = !self.filters.router.suppress_envoy_headers;
        let location = self.redirect_location(&matched, redirect, keep_original);
        self.reply(LocalReply {
            status: redirect.response_code(),
            details: Cow::Borrowed("direct_response"),
            location: Some(location),
            origin: Origin::Route,
            ..LocalReply::default()
        })
        .await
    }

    async fn respond_directly(&mut self, response: &'a DirectResponse) -> Result<(), Error> {
        self.manager.router.inc(RouterStat::RqDirectResponse);
        let (body, headers) = self.direct_body(response);
        self.reply(LocalReply {
            status: response.status,
            body,
            details: Cow::Borrowed("direct_response"),
            location: response.location(&self.state.request),
            headers,
            origin: Origin::Route,
            ..LocalReply::default()
        })
        .await
    }

    /// Whether all of the request is there.
    pub(crate) fn request_is_complete(&self) -> bool {
        !self.endless && self.connection.codec.is_ended()
    }

    fn finished(&self) -> Finished {
        if self.goes_on {
            return Finished::GoesOn;
        }
        if self.disconnected {
            return Finished::Disconnected;
        }
        if self.abort {
            return Finished::Abort;
        }
        if !self.close {
            return Finished::KeepAlive;
        }
        let is_all_read = self.request_is_complete() && !self.connection.codec.has_unread();
        if is_all_read { Finished::Close } else { Finished::CloseAfterLinger }
    }

    fn protocol(&self) -> Protocol {
        match self.head.version {
            Version::Http10 => Protocol::Http10,
            Version::Http11 => Protocol::Http11,
            Version::Http2 => Protocol::Http2,
        }
    }
}
