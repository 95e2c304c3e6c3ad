//! What is remembered of requests that ended in an error made by the proxy, so that it can be explained.
//!
//! Owns: the facts of one such request, how many are kept, and finding one. Does not own: the decisions (`stream_info`),
//! who gathers them (`http_stream/remember.rs`), nor the words for them (`ferryman/admin/explain.py`).
//!
//! A worker writes to its own ring, and only when a stream fails; whoever asks reads all of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// How many are kept: by each worker, so that the last ones of the process are among them however they are spread.
const KEPT: usize = 10_000;
/// How long a text from outside may be; what is longer is cut.
const MOST_TEXT_BYTES: usize = 256;

/// One request that ended in an error.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FailedStream {
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// How long it lasted.
    pub duration_ms: u64,
    /// `x-request-id`; empty: it got none.
    pub request_id: Box<str>,
    /// The request line and the host; empty where the head could not be read.
    pub method: Box<str>,
    /// See `method`.
    pub authority: Box<str>,
    /// See `method`.
    pub path: Box<str>,
    /// The client.
    pub downstream: Box<str>,
    /// The status that was answered; 0: none.
    pub status: u16,
    /// Envoy's response flags.
    pub flags: Box<str>,
    /// Envoy's response code details.
    pub details: Box<str>,
    /// What went wrong: a kind of `error::ErrorKind`, or `LocalReply` or `ProcessEnded`.
    pub cause: Box<str>,
    /// Which rule of HTTP/1.1 was broken: the kind, and in words.
    pub broken_rule: Option<(Box<str>, &'static str)>,
    /// Whether the response had begun when it went wrong.
    pub response_started: bool,
    /// Whether all of the request was there at the end.
    pub request_complete: bool,
    /// The listener.
    #[serde(serialize_with = "shared")]
    pub listener: Arc<str>,
    /// The filter chain; empty: it has no name.
    #[serde(serialize_with = "shared")]
    pub filter_chain: Arc<str>,
    /// Where the HTTP connection manager stands in the configuration.
    #[serde(serialize_with = "shared")]
    pub manager_place: Arc<str>,
    /// The virtual host; empty: none.
    pub virtual_host: Box<str>,
    /// Where it stands in the configuration; empty: there is none, or it has no route.
    pub virtual_host_place: Box<str>,
    /// The route; none: no route takes the request.
    pub route: Option<FailedRoute>,
    /// The HTTP filter that held the request or answered, by name and by its place in the list.
    pub filter: Option<(Box<str>, usize)>,
    /// The cluster that the route names; empty: none.
    pub cluster: Box<str>,
    /// What was seen of the cluster; none: there is no such cluster.
    pub upstream: Option<FailedUpstream>,
    /// What the pool answered: a kind of `stream_info::PoolAnswer`.
    pub pool: Box<str>,
    /// Attempts made.
    pub attempts: u32,
    /// Why the upstream's transport failed; empty: it did not.
    pub transport_failure: Box<str>,
    /// The limits in time that held, in milliseconds.
    pub limits: Limits,
}

/// The route of a failed request.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FailedRoute {
    /// Its name; empty: none.
    pub name: Box<str>,
    /// Where it stands in the configuration.
    pub place: Box<str>,
    /// Its own response timeout in milliseconds, whatever the request asked for; none: it forwards nothing or has none.
    pub timeout_ms: Option<u64>,
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
#[derive(Debug, Clone, Default, Serialize)]
pub struct FailedUpstream {
    /// How many hosts it has.
    pub hosts: usize,
    /// How many of them are healthy.
    pub healthy: usize,
    /// How a host is picked.
    pub policy: &'static str,
    /// The host that was picked last; none: nobody could serve.
    pub host: Option<PickedHost>,
}

/// The host that was picked.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PickedHost {
    /// Where it listens.
    pub address: Box<str>,
    /// Its priority.
    pub priority: u32,
    /// Region, zone and part of the zone, with slashes; empty: none.
    pub locality: Box<str>,
    /// Whether it was picked although it is not healthy.
    pub is_unhealthy: bool,
}

/// Limits in time, in milliseconds; none: there was no such limit.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Limits {
    /// Of the response, from the end of the request: the route's, or what the request asks for.
    pub response_ms: Option<u64>,
    /// Of one try.
    pub per_try_ms: Option<u64>,
    /// Of the upstream's stream, which only a request asks for.
    pub upstream_stream_ms: Option<u64>,
    /// Of a stream on which nothing moves.
    pub stream_idle_ms: Option<u64>,
    /// Of the head.
    pub request_headers_ms: Option<u64>,
    /// Of the request.
    pub request_ms: Option<u64>,
}

/// The failed requests of all workers.
#[derive(Debug)]
pub struct FailedStreams {
    rings: Box<[Mutex<VecDeque<FailedStream>>]>,
}

impl FailedStreams {
    /// For this many workers. Takes no memory until a request fails.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        FailedStreams { rings: (0..workers).map(|_| Mutex::default()).collect() }
    }

    /// Keeps one more, in the place of the worker's oldest when there are enough.
    pub fn remember(&self, worker: usize, failed: FailedStream) {
        let Some(ring) = self.rings.get(worker) else { return };
        let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(failed);
    }

    /// The latest of those with this request id (of all, if it is empty), at most `most`, the latest first.
    #[must_use]
    pub fn latest(&self, request_id: &str, most: usize) -> Vec<FailedStream> {
        let mut found = Vec::new();
        for ring in &self.rings {
            let ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
            let fitting =
                ring.iter().rev().filter(|one| request_id.is_empty() || *one.request_id == *request_id);
            found.extend(fitting.take(most).cloned());
        }
        found.sort_by_key(|one| std::cmp::Reverse(one.started_ms + one.duration_ms));
        found.truncate(most);
        found
    }
}

/// As they cross to Python: msgpack, with the names of the fields.
///
/// # Errors
/// None that is known: all of them are plain values.
pub fn encode(streams: &[FailedStream]) -> Result<Vec<u8>, String> {
    rmp_serde::to_vec_named(streams).map_err(|error| error.to_string())
}

fn shared<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// Text from outside, cut to a bearable length.
#[must_use]
pub fn cut(bytes: &[u8]) -> Box<str> {
    let kept = bytes.get(..MOST_TEXT_BYTES).unwrap_or(bytes);
    String::from_utf8_lossy(kept).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(request_id: &str, started_ms: u64) -> FailedStream {
        FailedStream { request_id: request_id.into(), started_ms, ..FailedStream::default() }
    }

    #[test]
    fn the_latest_of_all_workers_come_first() {
        let streams = FailedStreams::new(2);
        streams.remember(0, failed("a", 1));
        streams.remember(1, failed("b", 2));
        streams.remember(0, failed("a", 3));
        streams.remember(7, failed("nobody", 4));
        let times = |id, most| streams.latest(id, most).iter().map(|one| one.started_ms).collect::<Vec<_>>();
        assert_eq!(times("", 9), [3, 2, 1]);
        assert_eq!(times("", 2), [3, 2]);
        assert_eq!(times("a", 9), [3, 1]);
        assert_eq!(times("none", 9), [0; 0]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let streams = FailedStreams::new(1);
        (0..12_000).for_each(|time| streams.remember(0, failed("", time)));
        let kept = streams.latest("", usize::MAX);
        assert_eq!((kept.len(), kept[0].started_ms, kept[9_999].started_ms), (KEPT, 11_999, 2_000));
        assert_eq!(cut(&[b'x'; 1000]).len(), MOST_TEXT_BYTES);
    }
}
