//! What a session that ended in an error leaves behind.
//!
//! Owns: noting the cause, and gathering the facts once, at the end. Does not own: what counts as an error (`session`),
//! keeping them (`explain`).

use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::explain::{FailedStream, Limits, StreamKind, cut, name_of, upstream_facts};
use crate::stream_info::Cause;

use super::Session;

impl Session<'_> {
    /// The session ends in an error.
    pub(super) fn fail(&mut self, cause: Cause) {
        self.is_over = true;
        let has_answered = self.stream.bytes_sent > 0;
        self.stream.decisions.fail(cause, has_answered);
    }

    /// Remembers a session that failed. One that did not costs a look.
    pub(super) fn remember(&self, now: Instant) {
        if self.stream.decisions.cause != Cause::None {
            self.remember_failure(now);
        }
    }

    #[cold]
    fn remember_failure(&self, now: Instant) {
        let (stream, info) = (&self.stream, &*self.info);
        let decisions = &stream.decisions;
        let flags: Vec<_> = stream.response_flags.iter().map(|flag| flag.short()).collect();
        let cluster = self.cluster.as_deref();
        let failed = FailedStream {
            kind: StreamKind::Tcp,
            connection_id: info.id,
            started_ms: milliseconds(info.start_time.duration_since(UNIX_EPOCH).unwrap_or_default()),
            duration_ms: milliseconds(now.saturating_duration_since(info.start)),
            downstream: info.remote_address.to_string().into(),
            flags: flags.join(",").into(),
            details: cut(info.local_close_reason.as_bytes()),
            cause: name_of(decisions.cause),
            response_started: decisions.response_started,
            bytes_received: stream.bytes_received,
            bytes_sent: stream.bytes_sent,
            listener: (&*info.listener_name).into(),
            filter_chain: (&*info.filter_chain_name).into(),
            network_filter_place: (&*self.proxy.place).into(),
            cluster: cluster.map_or(&*self.missing_cluster, |cluster| &cluster.info.name).into(),
            upstream: cluster.map(|cluster| upstream_facts(cluster, decisions.host)),
            pool: format!("{:?}", decisions.pool).into(),
            attempts: stream.upstream.attempt_count,
            transport_failure: cut(stream.upstream.transport_failure_reason.as_bytes()),
            limits: Limits { stream_idle_ms: self.idle_timeout.map(milliseconds), ..Limits::default() },
            ..FailedStream::default()
        };
        self.worker.process.failed_streams.remember(self.worker.index, &failed);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
