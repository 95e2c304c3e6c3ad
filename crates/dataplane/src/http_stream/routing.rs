//! The route of a stream: found, found again, and what it means for the stream's deadlines and the request's head.
//!
//! Owns: when the table is asked. Does not own: the table (`route`), nor what the route does (`http_stream`).
//! Follows Envoy's page "HTTP routing".

use std::borrow::Cow;
use std::rc::Rc;
use std::task::Context;
use std::time::{Duration, Instant};

use ferryman_codec::{HeaderBlock, KnownName, Version};

use crate::format::{AccessLogType, FormatContext, asked_for};
use crate::matcher::input::ConnectionData;
use crate::random::thread_random;
use crate::route::{Action, Circumstances, DirectResponse, Matched, Redirect, RouteLimit};

use super::HttpStream;

impl HttpStream<'_> {
    /// Looks the route up, and lets it choose the cluster.
    pub(super) fn find_route(&mut self) {
        let settings = self.settings();
        let is_timed = asked_for::ROUTE_RESOLUTION_TIME.is_asked_for();
        let asked_at = (is_timed || self.manager.route_resolution.is_some()).then(Instant::now);
        let table = settings.routes.of(&self.state.request);
        self.matched = table.and_then(|table| table.find_in(&self.state.request, self.circumstances()));
        if let Some(asked_at) = asked_at {
            *self.state.info.route_resolution_time.get_or_insert_default() += asked_at.elapsed();
        }
        self.choice = None;
        self.cluster = None;
        self.weighted = None;
        self.state.info.upstream.cluster = None;
        self.set_route_filters();
        let Some(matched) = self.matched else { return self.state.info.set_route("", "") };
        let mut choice = None;
        if let Action::Forward(action) = &matched.route.action {
            choice = action.cluster(&self.state.request, self.circumstances());
            if choice.is_none() {
                // As in Envoy, a route is none that the runtime leaves no cluster.
                self.matched = None;
                self.set_route_filters();
                return self.state.info.set_route("", "");
            }
        }
        self.state.info.set_route(&matched.route.name, &matched.virtual_host.name);
        if let Some(choice) = choice {
            self.weighted = choice.weighted;
            self.set_route_filters();
            let snapshot = self.worker.snapshot();
            let cluster = match choice.slot {
                None if choice.from_header => snapshot.cluster_by_name(&choice.name),
                slot => slot.and_then(|slot| snapshot.cluster(slot)),
            };
            self.state.info.upstream.cluster = cluster.map(|cluster| Rc::clone(&cluster.info));
            self.cluster = cluster.cloned();
            self.choice = Some(choice);
        }
    }

    /// What is known beside the request's head.
    fn circumstances(&self) -> Circumstances<'_> {
        Circumstances {
            random: self.random,
            metadata: self.state.info.dynamic_metadata.all(),
            connection: Some(ConnectionData::of_stream(self.connection.info, &self.state.info)),
        }
    }

    /// What the route, or the weighted cluster that was chosen, says to the HTTP filters that the stream has.
    pub(super) fn set_route_filters(&mut self) {
        let weighted = self.weighted;
        let before = self.route_filters;
        self.route_filters = match (self.matched, self.upgrade_list) {
            (None, _) => &self.filters.without_route,
            (Some(matched), None) => {
                weighted.and_then(|weighted| weighted.filters.as_ref()).unwrap_or(&matched.route.filters)
            }
            (Some(matched), Some(list)) => weighted
                .and_then(|weighted| weighted.upgrade_filters.get(list)?.as_ref())
                .or_else(|| matched.route.upgrade_filters.get(list).map(|filters| &**filters))
                .unwrap_or(&self.filters.without_route),
        };
        if self.filters_begun && !std::ptr::eq(before, self.route_filters) {
            self.earlier_routes.push(before);
        }
    }

    /// Looks the route up anew, because a filter changed what it depends on.
    pub(super) fn find_route_again(&mut self) {
        self.state.info.route_resolution_count += 1;
        self.find_route();
        self.set_route_timers();
    }

    pub(super) fn set_route_timers(&mut self) {
        let start = self.timers.start;
        let mut duration = self.settings().timeouts.max_stream_duration;
        if let Some(Matched { route, .. }) = self.matched {
            if let Action::Forward(action) = &route.action {
                limit(&mut self.timers.idle_timeout, action.idle_timeout);
                limit(&mut duration, action.max_stream_duration);
                duration = action.grpc_duration(&self.state.request).or(duration);
            }
        }
        self.timers.stream_by = duration.map(|duration| start + duration);
    }

    /// The response is whole, and the client does not take it: from now on another timeout counts, over HTTP/2.
    pub(super) fn wait_for_window(&mut self, cx: &mut Context<'_>) {
        if self.head.version != Version::Http2 || std::mem::replace(&mut self.is_flushing, true) {
            return;
        }
        let mut timeout = self.settings().timeouts.stream_flush;
        if let Some(Action::Forward(action)) = self.matched.map(|matched| &matched.route.action) {
            limit(&mut timeout, action.flush_timeout);
        }
        self.timers.flush(timeout);
        // The timer was armed for another deadline.
        cx.waker().wake_by_ref();
    }

    /// Where a redirect sends the client.
    pub(super) fn redirect_location(
        &mut self,
        matched: &Matched<'_>,
        redirect: &Redirect,
        keep_original: bool,
    ) -> Vec<u8> {
        let state = &mut *self.state;
        let occasion = AccessLogType::NotSet;
        let context =
            FormatContext::new(&state.info, self.connection.info, occasion, self.now, thread_random);
        matched.redirect_location(redirect, &mut state.request, &context, keep_original)
    }

    /// The body of a direct response, and the fields that tell its type. As in Envoy, nothing is known of the response yet.
    pub(super) fn direct_body<'r>(
        &self,
        response: &'r DirectResponse,
    ) -> (Cow<'r, [u8]>, Option<Box<HeaderBlock>>) {
        let Some(format) = &response.format else { return (Cow::Borrowed(&response.body), None) };
        let occasion = AccessLogType::NotSet;
        let mut context =
            FormatContext::new(&self.state.info, self.connection.info, occasion, self.now, thread_random);
        context.request_headers = Some(&self.state.request);
        context.local_reply_body = &response.body;
        let body = format.body(&context);
        let mut headers = HeaderBlock::new();
        if !format.content_type.is_empty() {
            headers.append(KnownName::ContentType, &format.content_type);
        }
        (Cow::Owned(body), Some(Box::new(headers)))
    }

    /// Makes the route's edits of the request.
    pub(crate) fn edit_request(&mut self, matched: &Matched<'_>) {
        let keep_original = !self.filters.router.suppress_envoy_headers;
        let state = &mut *self.state;
        let occasion = AccessLogType::NotSet;
        let mut context =
            FormatContext::new(&state.info, self.connection.info, occasion, self.now, thread_random);
        context.route_metadata = matched.metadata();
        let scratch = &mut state.scratch;
        matched.finalize_request(&mut state.request, self.weighted, &context, keep_original, scratch);
    }
}

fn limit(of_connection_manager: &mut Option<Duration>, of_route: RouteLimit) {
    match of_route {
        RouteLimit::FromConnectionManager => {}
        RouteLimit::Off => *of_connection_manager = None,
        RouteLimit::After(duration) => *of_connection_manager = Some(duration),
    }
}
