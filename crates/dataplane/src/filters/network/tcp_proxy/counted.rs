//! The bytes of a session, as the statistics count them.
//!
//! Owns: what has been counted already, so that each byte counts once, and the gauges of what waits. Does not own: moving
//! the bytes (`relay`), the session (`session`).

use crate::cluster::WorkerCluster;
use crate::relay::{Relay, Traffic};
use crate::stats::{ClusterStat, ClusterStats, LocalScope, TcpStat, TcpStats};

/// What the statistics know already. Its end, whatever the reason, takes out of the gauges what it put in.
pub(super) struct Counted<'a> {
    tcp: &'a LocalScope<TcpStats>,
    cluster: &'a LocalScope<ClusterStats>,
    /// Whether the bytes are those on the wire; else who carries them counts those.
    is_wire: bool,
    pub to_upstream: Traffic,
    pub to_downstream: Traffic,
    is_flushing: bool,
}

impl<'a> Counted<'a> {
    pub fn new(tcp: &'a LocalScope<TcpStats>, cluster: &'a WorkerCluster, is_tunnel: bool) -> Self {
        let (to_upstream, to_downstream) = (Traffic::default(), Traffic::default());
        Counted {
            tcp,
            cluster: &cluster.stats,
            is_wire: !is_tunnel,
            to_upstream,
            to_downstream,
            is_flushing: false,
        }
    }

    /// Counts what has happened since. Answers whether anything has.
    #[inline]
    pub fn count(&mut self, relay: &Relay) -> bool {
        let (up, down) = (relay.to_upstream(), relay.to_downstream());
        let has_moved = up != self.to_upstream || down != self.to_downstream;
        if up != self.to_upstream {
            self.count_to_upstream(up);
        }
        if down != self.to_downstream {
            self.count_to_downstream(down);
        }
        if relay.is_flushing_upstream() && !self.is_flushing {
            self.is_flushing = true;
            self.tcp.inc(TcpStat::UpstreamFlushTotal);
            self.tcp.inc(TcpStat::UpstreamFlushActive);
        }
        has_moved
    }

    fn count_to_upstream(&mut self, up: Traffic) {
        let before = std::mem::replace(&mut self.to_upstream, up);
        let (tcp, cluster) = (self.tcp, self.cluster);
        if up.read != before.read {
            tcp.add(TcpStat::DownstreamCxRxBytesTotal, up.read - before.read);
            if before.read == 0 {
                // Listed from the first byte on; what is read is taken at once.
                tcp.add(TcpStat::DownstreamCxRxBytesBuffered, 0);
            }
        }
        if self.is_wire && up.written != before.written {
            cluster.add(ClusterStat::UpstreamCxTxBytesTotal, up.written - before.written);
        }
        if self.is_wire && up.waiting() != before.waiting() {
            cluster.add(ClusterStat::UpstreamCxTxBytesBuffered, up.waiting());
            cluster.sub(ClusterStat::UpstreamCxTxBytesBuffered, before.waiting());
        }
        if up.paused != before.paused {
            tcp.add(TcpStat::DownstreamFlowControlPausedReadingTotal, up.paused - before.paused);
        }
        if up.resumed != before.resumed {
            tcp.add(TcpStat::DownstreamFlowControlResumedReadingTotal, up.resumed - before.resumed);
        }
    }

    fn count_to_downstream(&mut self, down: Traffic) {
        let before = std::mem::replace(&mut self.to_downstream, down);
        let (tcp, cluster) = (self.tcp, self.cluster);
        if self.is_wire && down.read != before.read {
            cluster.add(ClusterStat::UpstreamCxRxBytesTotal, down.read - before.read);
        }
        if down.written != before.written {
            tcp.add(TcpStat::DownstreamCxTxBytesTotal, down.written - before.written);
        }
        if down.waiting() != before.waiting() {
            tcp.add(TcpStat::DownstreamCxTxBytesBuffered, down.waiting());
            tcp.sub(TcpStat::DownstreamCxTxBytesBuffered, before.waiting());
        }
        if down.paused != before.paused {
            cluster.add(ClusterStat::UpstreamFlowControlPausedReadingTotal, down.paused - before.paused);
        }
        if down.resumed != before.resumed {
            cluster.add(ClusterStat::UpstreamFlowControlResumedReadingTotal, down.resumed - before.resumed);
        }
    }
}

impl Drop for Counted<'_> {
    /// What still waits is not going to be written.
    fn drop(&mut self) {
        if self.is_wire && self.to_upstream.waiting() > 0 {
            self.cluster.sub(ClusterStat::UpstreamCxTxBytesBuffered, self.to_upstream.waiting());
        }
        if self.to_downstream.waiting() > 0 {
            self.tcp.sub(TcpStat::DownstreamCxTxBytesBuffered, self.to_downstream.waiting());
        }
        if self.is_flushing {
            self.tcp.dec(TcpStat::UpstreamFlushActive);
        }
    }
}
