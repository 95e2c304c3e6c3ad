//! A request that goes on at another place: because its upstream said so and its route lets the proxy follow, or because a
//! filter wants another response.
//!
//! Owns: keeping the request's body until that is clear, changing the request, and its second pass. Does not own: which
//! redirects are followed (`route/internal_redirect.rs`).
//! Follows Envoy's page "Internal redirects": the stream ends, is counted and logged, and another one begins with the
//! request as its last filter left it. That one meets the route table and all HTTP filters anew, but not the connection
//! manager's own edits of the head.

use ferryman_codec::{BodyFraming, HeaderBlock, KnownName, RequestHead, RequestKind};

use crate::cluster::WorkerCluster;
use crate::error::{Error, ErrorKind};
use crate::http_codec::BodyReader;
use crate::matcher::VisibleState;
use crate::route::{InternalRedirectPolicy, Matched, Redirected, Target};
use crate::stats::{ClusterStat, HttpStat, RouterStat};
use crate::stream_info::TimePoint;

use super::{Finished, HttpStream, StreamState};

/// What of the request's body is kept for another pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum KeptBody {
    /// Nothing: the route follows no redirects.
    #[default]
    Nothing,
    /// All of it, up to so many bytes.
    UpTo(usize),
    /// There was more.
    TooLong,
}

impl StreamState {
    /// The same request begins another pass.
    pub(crate) fn begin_again(&mut self) {
        let info = &mut self.info;
        let (start, start_time, protocol) = (info.start, info.start_time, info.protocol);
        let (bytes_received, downstream) = (info.bytes_received, info.downstream);
        let received = info.timing.get(TimePoint::LastDownstreamRxByte);
        let mut filter_state = std::mem::take(&mut info.filter_state);
        filter_state.begin_again();
        info.reset(start, start_time);
        info.filter_state = filter_state;
        info.protocol = protocol;
        info.bytes_received = bytes_received + u64::try_from(self.held_body.len()).unwrap_or(u64::MAX);
        info.downstream = downstream;
        if let Some(received) = received {
            info.timing.set(TimePoint::LastDownstreamRxByte, received);
        }
        self.response.clear();
        self.response_trailers.clear();
        self.request_body.clear();
        self.response_body.clear();
    }
}

impl HttpStream<'_> {
    /// The route follows redirects: what is sent of the request is kept, as far as the limit of bodies allows.
    pub(crate) fn keep_body(&mut self, matched: &Matched<'_>) {
        let limit = matched.route.request_body_buffer_limit_bytes;
        let limit =
            limit.map_or(self.settings().buffer_limit, |most| usize::try_from(most).unwrap_or(usize::MAX));
        self.kept_body = KeptBody::UpTo(limit);
    }

    /// Keeps what was sent of the bytes that were read, behind what is held, if that is wanted. Answers how much.
    #[inline]
    pub(super) fn keep_sent(&mut self, count: usize) -> usize {
        let KeptBody::UpTo(most) = self.kept_body else { return 0 };
        let state = &mut *self.state;
        if state.held_body.len() + count > most {
            self.abandon_body();
            return 0;
        }
        let sent = state.request_body.data(&self.connection.codec).get(..count).unwrap_or_default();
        state.held_body.extend_from_slice(sent);
        count
    }

    /// All of the request has come: is it all kept?
    #[inline]
    pub(super) fn settle_kept_body(&mut self) {
        if matches!(self.kept_body, KeptBody::UpTo(most) if self.state.held_body.len() > most) {
            self.abandon_body();
        }
    }

    fn abandon_body(&mut self) {
        self.kept_body = KeptBody::TooLong;
        if let Some(cluster) = &self.cluster {
            cluster.stats.inc(ClusterStat::RetryOrShadowAbandoned);
        }
    }

    /// Follows a redirect, if that may be. If so, the request is changed, and this pass of it is over.
    pub(crate) fn follow_redirect(
        &mut self,
        policy: &InternalRedirectPolicy,
        cluster: &WorkerCluster,
        status: u16,
    ) -> bool {
        let is_kept = matches!(self.kept_body, KeptBody::UpTo(_)) && self.request_is_complete();
        // As in Envoy, several are one.
        let locations: Vec<_> = self.state.response.get_all_known(KnownName::Location).collect();
        let location = (is_kept && !locations.is_empty()).then(|| locations.join(&b','));
        let is_followed = match &location {
            Some(location) => match self.redirect_request(policy, location) {
                Ok(()) => true,
                Err(reason) => {
                    reason.inspect(|&stat| self.manager.router.inc(stat));
                    false
                }
            },
            None => false,
        };
        if !is_followed {
            cluster.stats.inc(ClusterStat::UpstreamInternalRedirectFailedTotal);
            return false;
        }
        cluster.stats.inc(ClusterStat::UpstreamInternalRedirectSucceededTotal);
        if status == 303 {
            self.drop_method();
        }
        self.state.redirects.get_or_insert_default().follow();
        self.state.info.response_code = Some(status);
        self.state.info.response_code_details = "internal_redirect".into();
        self.goes_on = true;
        true
    }

    /// A filter has changed the request, and it begins anew. What is kept of its body goes with it.
    pub(super) fn recreate(&mut self) {
        if !matches!(self.kept_body, KeptBody::UpTo(_)) {
            self.state.held_body = Vec::new();
        }
        // As in Envoy, where the length is not told any more.
        if !self.state.request.contains(KnownName::ContentLength) {
            let is_empty = self.state.held_body.is_empty();
            self.head.framing = if is_empty { BodyFraming::None } else { BodyFraming::Chunked };
        }
        self.state.info.response_code_details = "internal_redirect".into();
        self.goes_on = true;
    }

    /// Changes the request; where that fails it is as before, and what is counted of it is the answer.
    fn redirect_request(
        &mut self,
        policy: &InternalRedirectPolicy,
        location: &[u8],
    ) -> Result<(), Option<RouterStat>> {
        if !self.state.request.contains(KnownName::Path) {
            return Err(None);
        }
        let target = Target::parse(location).ok_or(RouterStat::PassthroughInternalRedirectBadLocation)?;
        if !policy.allows_scheme(&target) {
            return Err(Some(RouterStat::PassthroughInternalRedirectUnsafeScheme));
        }
        if !policy.allows_another(self.state.redirects.get_or_insert_default()) {
            return Err(Some(RouterStat::PassthroughInternalRedirectTooManyRedirects));
        }
        let saved = self.state.request.clone();
        let state = &mut *self.state;
        policy.copy_headers(&state.response, &mut state.request);
        state.request.set(KnownName::Scheme, target.scheme);
        state.request.set(KnownName::Authority, target.host);
        state.request.set(KnownName::Path, target.path);
        if let Err(stat) = self.route_redirect(policy, &target) {
            self.state.request = saved;
            return Err(Some(stat));
        }
        let url = original_url(&saved);
        self.state.request.set(KnownName::XEnvoyOriginalUrl, &url);
        Ok(())
    }

    /// Looks up where the redirect leads. As in Envoy, what is logged names that route even if it is not taken.
    fn route_redirect(
        &mut self,
        policy: &InternalRedirectPolicy,
        target: &Target<'_>,
    ) -> Result<(), RouterStat> {
        let before = (self.matched, self.choice.clone(), self.cluster.clone(), self.weighted);
        let from = before.0.map(|matched| &matched.route.name);
        self.state.info.route_resolution_count += 1;
        self.find_route();
        let result = match self.matched {
            None => Err(RouterStat::PassthroughInternalRedirectNoRoute),
            Some(matched) => {
                let history = self.state.redirects.get_or_insert_default();
                let redirect = Redirected {
                    from: from.map_or("", |name| name),
                    to: &matched.route.name,
                    to_http: target.is_http(),
                    state: VisibleState {
                        stream: Some(&self.state.info.filter_state),
                        connection: Some(&self.connection.info.filter_state),
                    },
                };
                if policy.accepts(history, &redirect) {
                    return Ok(());
                }
                Err(RouterStat::PassthroughInternalRedirectPredicate)
            }
        };
        (self.matched, self.choice, self.cluster, self.weighted) = before;
        self.set_route_filters();
        result
    }

    /// RFC 9110 section 15.4.4: whatever it was, the client is sent to look at something else.
    fn drop_method(&mut self) {
        if matches!(self.state.request.get(KnownName::Method), Some(b"GET" | b"HEAD")) {
            return;
        }
        self.state.request.set(KnownName::Method, b"GET");
        self.state.request.remove(KnownName::ContentLength);
        self.state.held_body = Vec::new();
        self.head.kind = RequestKind::Other;
        self.head.framing = BodyFraming::None;
    }

    /// The head of the request that goes on.
    pub fn head(&self) -> RequestHead {
        RequestHead { expect_continue: false, ..self.head }
    }

    /// Serves a request that goes on after a redirect, until its response is written.
    pub async fn run_again(&mut self) -> Finished {
        self.manager.http.inc(HttpStat::DownstreamRqTotal);
        self.manager.http.inc(self.version_total());
        // As in Envoy, they do not go with it.
        self.connection.codec.trailers_mut().clear();
        self.replays_body = !self.state.held_body.is_empty();
        if let Err(error) = self.process_again().await {
            self.fail(&error).await;
        }
        self.end()
    }

    async fn process_again(&mut self) -> Result<(), Error> {
        self.is_internal = self.state.request.get(KnownName::XEnvoyInternal) == Some(b"true");
        self.state.info.route_resolution_count += 1;
        self.tell_request();
        let normalized =
            self.settings().request_headers.apply_again(&mut self.state.request, self.connection.facts);
        self.find_route();
        if let Err(refusal) = normalized {
            self.manager.http.inc(refusal.stat());
            let (status, details) = (refusal.status(), refusal.details());
            return Err(ErrorKind::RequestRefused { status, details }.into());
        }
        self.serve_route().await
    }
}

/// Where the request went before.
fn original_url(request: &HeaderBlock) -> Vec<u8> {
    let of = |name| request.get(name).unwrap_or_default();
    // Without TLS, Envoy takes every connection for one of plain HTTP.
    [b"http://", of(KnownName::Authority), of(KnownName::Path)].concat()
}
