//! What the connection manager counts of a downstream connection.
//!
//! Owns: which counters move when a connection comes, speaks and goes. Does not own: what is counted of its requests
//! (`http_stream/summary.rs`).
//! Follows Envoy's page "HTTP connection manager stats".

use std::time::Instant;

use crate::stats::{HttpHistogram, HttpStat};
use crate::stream_info::Protocol;

use super::WorkerHttpConnectionManager;

/// Counts one connection for as long as it is open.
pub(super) struct Counted<'a> {
    manager: &'a WorkerHttpConnectionManager,
    start: Instant,
    is_tls: bool,
    /// What is spoken on it; none before the first byte has come: until then Envoy has no codec.
    protocol: Option<Protocol>,
    pub(super) is_soft_drained: bool,
    pub(super) closed_by_remote: bool,
    /// It was closed for it did not answer PING: as in Envoy, its requests are counted as ended by the client.
    pub(super) was_silent: bool,
    pub(super) active_request: bool,
}

impl<'a> Counted<'a> {
    /// One that was just accepted.
    pub(super) fn new(manager: &'a WorkerHttpConnectionManager, is_tls: bool) -> Self {
        let stats = &manager.http;
        if is_tls {
            stats.inc(HttpStat::DownstreamCxSslTotal);
            stats.inc(HttpStat::DownstreamCxSslActive);
        }
        stats.inc(HttpStat::DownstreamCxTotal);
        stats.inc(HttpStat::DownstreamCxActive);
        let start = Instant::now();
        Counted {
            manager,
            start,
            is_tls,
            protocol: None,
            is_soft_drained: false,
            closed_by_remote: false,
            was_silent: false,
            active_request: false,
        }
    }

    /// Whether the first byte has come.
    pub(super) fn has_begun(&self) -> bool {
        self.protocol.is_some()
    }

    /// The first byte has come.
    pub(super) fn begin(&mut self, protocol: Protocol) {
        if self.protocol.is_some() {
            return;
        }
        self.protocol = Some(protocol);
        let stats = &self.manager.http;
        let (total, active) = of_version(protocol);
        stats.inc(total);
        stats.inc(active);
        // Listed from the first byte on; what is read is taken at once.
        stats.add(HttpStat::DownstreamCxRxBytesBuffered, 0);
    }
}

fn of_version(protocol: Protocol) -> (HttpStat, HttpStat) {
    match protocol {
        Protocol::Http2 => (HttpStat::DownstreamCxHttp2Total, HttpStat::DownstreamCxHttp2Active),
        _ => (HttpStat::DownstreamCxHttp1Total, HttpStat::DownstreamCxHttp1Active),
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let stats = &self.manager.http;
        stats.dec(HttpStat::DownstreamCxActive);
        if self.is_tls {
            stats.dec(HttpStat::DownstreamCxSslActive);
        }
        if let Some(protocol) = self.protocol {
            stats.dec(of_version(protocol).1);
        }
        if self.is_soft_drained {
            stats.dec(HttpStat::DownstreamCxHttp1SoftDrain);
        }
        stats.inc(HttpStat::DownstreamCxDestroy);
        let (by, active) = if self.closed_by_remote {
            (HttpStat::DownstreamCxDestroyRemote, HttpStat::DownstreamCxDestroyRemoteActiveRq)
        } else {
            (HttpStat::DownstreamCxDestroyLocal, HttpStat::DownstreamCxDestroyLocalActiveRq)
        };
        stats.inc(by);
        let active = if self.was_silent { HttpStat::DownstreamCxDestroyRemoteActiveRq } else { active };
        if self.active_request {
            stats.inc(HttpStat::DownstreamCxDestroyActiveRq);
            stats.inc(active);
        }
        let lasted = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        stats.record(HttpHistogram::DownstreamCxLengthMs, lasted);
    }
}
