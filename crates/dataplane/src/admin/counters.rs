//! What admin counts about itself.
//!
//! Owns `listener.admin.*` and `http.admin.*`. Follows Envoy, whose admin listener has the statistics of any other.

use std::time::Instant;

use crate::stats::{
    HttpHistogram, HttpStat, HttpStats, ListenerHistogram, ListenerHttpStat, ListenerHttpStats, ListenerStat,
    ListenerStats, ListenerWorkerStat, ListenerWorkerStats, LocalScope, Registry,
};

/// The numbers of the admin listener, written by the control thread.
#[derive(Debug)]
pub struct Counters {
    listener: LocalScope<ListenerStats>,
    thread: LocalScope<ListenerWorkerStats>,
    listener_http: LocalScope<ListenerHttpStats>,
    http: LocalScope<HttpStats>,
}

/// Milliseconds since `start`.
fn elapsed_ms(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Who ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    /// We did.
    Local,
    /// The client did.
    Remote,
}

impl Counters {
    /// To be used on the control thread.
    pub fn new(registry: &Registry) -> Self {
        let control = registry.workers();
        Self {
            listener: registry.listener("admin").local(control),
            thread: registry.listener_worker("admin", "main_thread").local(control),
            listener_http: registry.listener_http("admin", "admin").local(control),
            http: registry.http("admin").local(control),
        }
    }

    /// A connection was accepted.
    pub fn connection_begins(&self) {
        self.listener.inc(ListenerStat::DownstreamCxTotal);
        self.listener.inc(ListenerStat::DownstreamCxActive);
        // As in Envoy, these are written with the first connection, and never are anything but 0 here.
        self.listener.add(ListenerStat::DownstreamPreCxActive, 0);
        self.http.add(HttpStat::DownstreamCxRxBytesBuffered, 0);
        self.listener.record(ListenerHistogram::ConnectionsAcceptedPerSocketEvent, 1);
        self.thread.inc(ListenerWorkerStat::DownstreamCxTotal);
        self.thread.inc(ListenerWorkerStat::DownstreamCxActive);
        self.http.inc(HttpStat::DownstreamCxTotal);
        self.http.inc(HttpStat::DownstreamCxActive);
        self.http.inc(HttpStat::DownstreamCxHttp1Total);
        self.http.inc(HttpStat::DownstreamCxHttp1Active);
    }

    /// A connection was turned away, since there are too many.
    pub fn connection_overflows(&self) {
        self.listener.inc(ListenerStat::DownstreamCxOverflow);
    }

    /// A connection that began at `start` is over.
    pub fn connection_ends(&self, start: Instant, by: ClosedBy) {
        self.listener.dec(ListenerStat::DownstreamCxActive);
        self.listener.inc(ListenerStat::DownstreamCxDestroy);
        self.listener.record(ListenerHistogram::DownstreamCxLengthMs, elapsed_ms(start));
        self.thread.dec(ListenerWorkerStat::DownstreamCxActive);
        self.http.dec(HttpStat::DownstreamCxActive);
        self.http.dec(HttpStat::DownstreamCxHttp1Active);
        self.http.inc(HttpStat::DownstreamCxDestroy);
        self.http.inc(match by {
            ClosedBy::Local => HttpStat::DownstreamCxDestroyLocal,
            ClosedBy::Remote => HttpStat::DownstreamCxDestroyRemote,
        });
        self.http.record(HttpHistogram::DownstreamCxLengthMs, elapsed_ms(start));
    }

    /// Bytes came in.
    pub fn received(&self, bytes: usize) {
        self.http.add(HttpStat::DownstreamCxRxBytesTotal, u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Bytes went out.
    pub fn sent(&self, bytes: usize) {
        self.http.add(HttpStat::DownstreamCxTxBytesTotal, u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// What came was not HTTP/1.1.
    pub fn protocol_error(&self) {
        self.http.inc(HttpStat::DownstreamCxProtocolError);
    }

    /// A connection was idle for too long.
    pub fn idle_timeout(&self) {
        self.http.inc(HttpStat::DownstreamCxIdleTimeout);
    }

    /// A request's head is whole.
    pub fn request_begins(&self) {
        self.http.inc(HttpStat::DownstreamRqTotal);
        self.http.inc(HttpStat::DownstreamRqHttp1Total);
        self.http.inc(HttpStat::DownstreamRqActive);
    }

    /// A request was given up: the client left, or was too slow.
    pub fn request_reset(&self) {
        self.http.dec(HttpStat::DownstreamRqActive);
        self.http.inc(HttpStat::DownstreamRqRxReset);
    }

    /// A request that began at `start` was answered.
    pub fn request_ends(&self, start: Instant, status: u16) {
        let (http, listener) = match status / 100 {
            1 => (HttpStat::DownstreamRq1xx, ListenerHttpStat::DownstreamRq1xx),
            2 => (HttpStat::DownstreamRq2xx, ListenerHttpStat::DownstreamRq2xx),
            3 => (HttpStat::DownstreamRq3xx, ListenerHttpStat::DownstreamRq3xx),
            4 => (HttpStat::DownstreamRq4xx, ListenerHttpStat::DownstreamRq4xx),
            _ => (HttpStat::DownstreamRq5xx, ListenerHttpStat::DownstreamRq5xx),
        };
        self.http.dec(HttpStat::DownstreamRqActive);
        self.http.inc(http);
        self.http.inc(HttpStat::DownstreamRqCompleted);
        self.http.record(HttpHistogram::DownstreamRqTime, elapsed_ms(start));
        self.listener_http.inc(listener);
        self.listener_http.inc(ListenerHttpStat::DownstreamRqCompleted);
    }
}
