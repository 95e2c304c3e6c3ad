//! What datagrams and sessions that came to nothing leave behind.
//!
//! Owns: gathering the facts, and how often. Does not own: keeping them (`explain`).

use std::time::{Duration, Instant, UNIX_EPOCH};

use super::session::{End, Session};
use super::{Key, WorkerUdpProxy};
use crate::cluster::WorkerCluster;
use crate::error::ErrorKind;
use crate::explain::{FailedStream, StreamKind, name_of, upstream_facts};
use crate::stream_info::{Address, Cause};
use crate::worker::Worker;

/// A client that is refused sends on: what it is told once it need not be told with every datagram.
const INTERVAL: Duration = Duration::from_secs(1);

/// Why a datagram has no session.
pub(super) enum Refusal<'a> {
    /// No route leads to a cluster that is there; the name is empty where there is no route.
    NoCluster { name: &'a str },
    /// Nobody can serve.
    NoHost { cluster: &'a WorkerCluster },
}

impl WorkerUdpProxy {
    /// Remembers a datagram that is dropped, at most one in a time.
    pub(super) fn remember_refusal(&self, worker: &Worker, key: &Key, refusal: &Refusal<'_>) {
        let now = Instant::now();
        if !self.is_due(now) {
            return;
        }
        let (kind, name, upstream) = match refusal {
            Refusal::NoCluster { name: "" } => (ErrorKind::RouteNotFound, "", None),
            // The status is what a request would be answered with.
            Refusal::NoCluster { name } => (ErrorKind::ClusterNotFound(503), *name, None),
            Refusal::NoHost { cluster } => {
                (ErrorKind::NoHealthyUpstream, &*cluster.info.name, Some(upstream_facts(cluster, None)))
            }
        };
        let failed = FailedStream {
            started_ms: milliseconds(worker.clock.wall(now).duration_since(UNIX_EPOCH).unwrap_or_default()),
            cause: name_of(Cause::Error(kind)),
            cluster: name.into(),
            upstream,
            ..self.facts(key)
        };
        worker.process.failed_streams.remember(worker.index, &failed);
    }

    fn is_due(&self, now: Instant) -> bool {
        let recent = |before: Instant| now.saturating_duration_since(before) < INTERVAL;
        let is_due = !self.remembered_at.get().is_some_and(recent);
        if is_due {
            self.remembered_at.set(Some(now));
        }
        is_due
    }

    fn facts(&self, key: &Key) -> FailedStream<'_> {
        FailedStream {
            kind: StreamKind::Udp,
            downstream: Address::of_connection(key.client).to_string().into(),
            listener: (&*self.proxy.listener).into(),
            network_filter_place: (&*self.proxy.place).into(),
            ..FailedStream::default()
        }
    }
}

impl Session {
    /// Remembers a session that never began.
    pub(super) fn remember(&self, proxy: &WorkerUdpProxy, how: End) {
        let (Some(flag), Some(worker)) = (how.flag(), proxy.worker.upgrade()) else { return };
        if !proxy.is_due(Instant::now()) {
            return;
        }
        let kind = match how {
            End::Overflow => ErrorKind::Overflow,
            _ => ErrorKind::ConnectFailure,
        };
        let failed = FailedStream {
            connection_id: self.id,
            started_ms: milliseconds(self.start_time.duration_since(UNIX_EPOCH).unwrap_or_default()),
            flags: flag.short().into(),
            cause: name_of(Cause::Error(kind)),
            cluster: (&*self.cluster.info.name).into(),
            upstream: Some(upstream_facts(&self.cluster, Some(self.host.index))),
            ..proxy.facts(&self.key)
        };
        worker.process.failed_streams.remember(worker.index, &failed);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
