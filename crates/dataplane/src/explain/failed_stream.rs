//! What is kept of one stream that ended in an error.
//!
//! Owns: its facts and their order, which `ferryman/admin/failed_stream.py` repeats. Does not own: who gathers them
//! (`http_stream/remember.rs`, `filters/network/tcp_proxy/remember.rs`), nor what they mean (`ferryman/admin/`).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// How long a text from outside may be; what is longer is cut.
pub(super) const MOST_TEXT_BYTES: usize = 256;

/// What has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// A request.
    #[default]
    Http,
    /// A session of a TCP proxy.
    Tcp,
    /// A session of a UDP proxy, or a datagram that has come to none.
    Udp,
    /// A connection that no such filter has served: none was chosen, or another filter refused it.
    Connection,
}

/// One HTTP request, TCP session or connection that ended in an error.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FailedStream<'a> {
    /// What it was.
    pub kind: StreamKind,
    /// Of the downstream connection.
    pub connection_id: u64,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// How long it lasted.
    pub duration_ms: u64,
    /// `x-request-id`; empty: it got none.
    pub request_id: Cow<'a, str>,
    /// The request line and the host; empty where the head could not be read.
    pub method: Cow<'a, str>,
    /// See `method`.
    pub authority: Cow<'a, str>,
    /// See `method`.
    pub path: Cow<'a, str>,
    /// The client.
    pub downstream: Cow<'a, str>,
    /// The status that was answered; 0: none.
    pub status: u16,
    /// Envoy's response flags.
    pub flags: Cow<'a, str>,
    /// Envoy's response code details.
    pub details: Cow<'a, str>,
    /// What went wrong: a kind of `error::ErrorKind`, or `LocalReply` or `ProcessEnded`.
    pub cause: Cow<'a, str>,
    /// Which rule of HTTP/1.1 was broken: the kind, and in words.
    pub broken_rule: Option<(Cow<'a, str>, Cow<'a, str>)>,
    /// Whether the response had begun when it went wrong.
    pub response_started: bool,
    /// Whether all of the request was there at the end.
    pub request_complete: bool,
    /// Bytes that came from the client: of the request's body, or of the session.
    pub bytes_received: u64,
    /// Bytes that went to it.
    pub bytes_sent: u64,
    /// The listener.
    pub listener: Cow<'a, str>,
    /// The filter chain; empty: it has no name.
    pub filter_chain: Cow<'a, str>,
    /// Where the last network filter of the chain stands in the configuration: the HTTP connection manager, say. Of a
    /// connection that no filter has served: where the listener does.
    pub network_filter_place: Cow<'a, str>,
    /// The virtual host; empty: none.
    pub virtual_host: Cow<'a, str>,
    /// Where it stands in the configuration; empty: there is none, or it has no route.
    pub virtual_host_place: Cow<'a, str>,
    /// The route; none: no route takes the request.
    pub route: Option<FailedRoute<'a>>,
    /// The HTTP filter that held the request or answered, by name and by its place in the list.
    pub filter: Option<(Cow<'a, str>, usize)>,
    /// The cluster that the route names; empty: none.
    pub cluster: Cow<'a, str>,
    /// What was seen of the cluster; none: there is no such cluster.
    pub upstream: Option<FailedUpstream<'a>>,
    /// What the pool answered: a kind of `stream_info::PoolAnswer`.
    pub pool: Cow<'a, str>,
    /// Attempts made.
    pub attempts: u32,
    /// Why the upstream's transport failed; empty: it did not.
    pub transport_failure: Cow<'a, str>,
    /// The limits in time that held, in milliseconds.
    pub limits: Limits,
}

/// The route of a failed request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FailedRoute<'a> {
    /// Its name; empty: none.
    pub name: Cow<'a, str>,
    /// Where it stands in the configuration.
    pub place: Cow<'a, str>,
    /// Its own response timeout in milliseconds, whatever the request asked for; none: it forwards nothing or has none.
    pub timeout_ms: Option<u64>,
    /// Whether it says itself how long a whole response may wait for a window.
    pub has_flush_timeout: bool,
    /// Whether it says itself how long a stream may be idle.
    pub has_idle_timeout: bool,
    /// Whether it says itself how long a stream may last.
    pub has_max_stream_duration: bool,
    /// Whether it takes the cluster's name from a header of the request.
    pub cluster_from_header: bool,
    /// Whether its requests are of high priority.
    pub is_high_priority: bool,
}

/// What was seen of a cluster at the end of a failed request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FailedUpstream<'a> {
    /// How many hosts it has.
    pub hosts: usize,
    /// How many of them are healthy.
    pub healthy: usize,
    /// How a host is picked.
    pub policy: Cow<'a, str>,
    /// The host that was picked last; none: nobody could serve.
    pub host: Option<PickedHost<'a>>,
}

/// The host that was picked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PickedHost<'a> {
    /// Where it listens.
    pub address: Cow<'a, str>,
    /// Its priority.
    pub priority: u32,
    /// Region, zone and part of the zone, with slashes; empty: none.
    pub locality: Cow<'a, str>,
    /// Whether it was picked although it is not healthy.
    pub is_unhealthy: bool,
}

/// Limits in time, in milliseconds; none: there was no such limit.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Of the response, from the end of the request: the route's, or what the request asks for.
    pub response_ms: Option<u64>,
    /// Of one try.
    pub per_try_ms: Option<u64>,
    /// Of the upstream's stream, which only a request asks for.
    pub upstream_stream_ms: Option<u64>,
    /// Of a stream on which nothing moves.
    pub stream_idle_ms: Option<u64>,
    /// Whether it was a whole response that did not move: the limit is that of flushing.
    pub is_flushing: bool,
    /// Of the head.
    pub request_headers_ms: Option<u64>,
    /// Of the request.
    pub request_ms: Option<u64>,
}

/// Text from outside, cut to a bearable length.
#[must_use]
pub fn cut(bytes: &[u8]) -> Cow<'_, str> {
    let kept = bytes.get(..MOST_TEXT_BYTES).unwrap_or(bytes);
    String::from_utf8_lossy(kept)
}
