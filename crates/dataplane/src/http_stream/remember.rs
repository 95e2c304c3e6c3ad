//! What a stream that ended in an error leaves behind.
//!
//! Owns: gathering the facts of it, once, at its end. Does not own: keeping them (`explain`).

use std::time::{Duration, UNIX_EPOCH};

use ferryman_codec::KnownName;

use crate::explain::{
    FailedRoute, FailedStream, Limits, StreamKind, broken_rule_of, cut, name_of, upstream_facts,
};
use crate::model::route::RoutingPriority;
use crate::route::{Action, Matched, RouteLimit, VirtualHost};
use crate::stream_info::Cause;

use super::HttpStream;

impl HttpStream<'_> {
    /// Remembers a stream that failed. One that did not costs a look.
    #[inline]
    pub(super) fn remember(&self) {
        if self.state.info.decisions.cause != Cause::None {
            self.remember_failure();
        }
    }

    #[cold]
    fn remember_failure(&self) {
        let info = &self.state.info;
        let decisions = &info.decisions;
        let header = |name| cut(self.state.request.get(name).unwrap_or_default());
        let original_path = self.state.request.get(KnownName::XEnvoyOriginalPath);
        let client = info.remote_address.as_ref().unwrap_or(&self.connection.info.remote_address);
        let flags: Vec<_> = info.response_flags.iter().map(|flag| flag.short()).collect();
        let began = info.start_time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let settings = self.settings();
        let filter = |index| Some((self.filters.name(index)?.into(), index));
        // Also where none of its routes takes the request.
        let virtual_host = match self.matched {
            Some(matched) => Some(matched.virtual_host),
            None => settings.routes.find_virtual_host(&self.state.request),
        };
        let failed = FailedStream {
            kind: StreamKind::Http,
            connection_id: self.connection.info.id,
            started_ms: milliseconds(began),
            duration_ms: milliseconds(self.now.saturating_duration_since(info.start)),
            request_id: header(KnownName::XRequestId),
            method: header(KnownName::Method),
            authority: header(KnownName::Authority),
            path: original_path.map_or_else(|| header(KnownName::Path), cut),
            downstream: client.to_string().into(),
            status: info.response_code.unwrap_or(0),
            flags: flags.join(",").into(),
            details: cut(info.response_code_details.as_bytes()),
            cause: name_of(decisions.cause),
            broken_rule: broken_rule_of(decisions.cause),
            response_started: decisions.response_started,
            request_complete: self.request_is_complete(),
            bytes_received: info.bytes_received,
            bytes_sent: info.bytes_sent,
            listener: (&*self.connection.info.listener_name).into(),
            filter_chain: (&*self.connection.info.filter_chain_name).into(),
            network_filter_place: (&*settings.place).into(),
            virtual_host: virtual_host.map(|host| &*host.name).unwrap_or_default().into(),
            virtual_host_place: virtual_host.map(VirtualHost::place).unwrap_or_default().into(),
            route: self.matched.map(|matched| self.route_facts(matched)),
            filter: decisions.filter.and_then(filter),
            cluster: self.choice.as_ref().map(|choice| cut(choice.name.as_bytes())).unwrap_or_default(),
            upstream: self.cluster.as_deref().map(|cluster| upstream_facts(cluster, decisions.host)),
            pool: format!("{:?}", decisions.pool).into(),
            attempts: info.upstream.attempt_count,
            transport_failure: cut(info.upstream.transport_failure_reason.as_bytes()),
            limits: self.limits(),
        };
        self.worker.process.failed_streams.remember(self.worker.index, &failed);
    }

    fn route_facts<'r>(&self, matched: Matched<'r>) -> FailedRoute<'r> {
        let route = FailedRoute {
            name: (&*matched.route.name).into(),
            place: (&*matched.route.place).into(),
            ..FailedRoute::default()
        };
        let Action::Forward(action) = &matched.route.action else { return route };
        FailedRoute {
            timeout_ms: action.timeout().map(milliseconds),
            has_flush_timeout: action.flush_timeout != RouteLimit::FromConnectionManager,
            has_idle_timeout: action.idle_timeout != RouteLimit::FromConnectionManager,
            has_max_stream_duration: action.max_stream_duration != RouteLimit::FromConnectionManager,
            cluster_from_header: self.choice.as_ref().is_some_and(|choice| choice.from_header),
            is_high_priority: action.priority == RoutingPriority::High,
            ..route
        }
    }

    fn limits(&self) -> Limits {
        let of_route = &self.route_timeouts;
        let of_manager = &self.settings().timeouts;
        let number = |duration: Option<Duration>| duration.map(milliseconds);
        Limits {
            response_ms: number(of_route.response),
            per_try_ms: number(of_route.per_try),
            upstream_stream_ms: number(of_route.max_stream_duration),
            stream_idle_ms: number(self.timers.idle_timeout),
            is_flushing: self.is_flushing,
            request_headers_ms: number(of_manager.request_headers),
            request_ms: number(of_manager.request),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
