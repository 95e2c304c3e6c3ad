//! The attempts of a session to come to a host.
//!
//! Owns: which cluster and host are tried, how often, what of the client is read meanwhile. Does not own: the time limits
//! (`session`), the request that opens a tunnel (`tunnel_attempt`), the connections (`connection_pool`).
//! Follows Envoy's page "TCP proxy".

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::super::tunneling::Tunneling;
use super::outcome::GivenUp;
use super::{Session, SessionUpstream};
use crate::application_log::{OfConnection, log_at};
use crate::cluster::{WorkerCluster, WorkerHost};
use crate::connection_pool::{PoolError, TcpUpstream, connect_tcp};
use crate::model::route::RoutingPriority;
use crate::stats::{ClusterStat, TcpStat};
use crate::stream_info::filter_state::FilterState;
use crate::stream_info::filter_state_objects::{
    BoolObject, ClusterObject, TCP_PROXY_CLUSTER, TCP_PROXY_DISABLE_TUNNELING,
};
use crate::stream_info::{PoolAnswer, ResponseFlag, TimePoint};
use crate::transport_sockets::TransportSocket;

impl<'a> Session<'a> {
    /// Connects to a host; after a failure to another one, perhaps of another cluster.
    pub(in super::super) async fn connect(
        &mut self,
        downstream: &mut TransportSocket,
    ) -> Result<SessionUpstream, GivenUp> {
        if self.proxy.early_data.connects_on_data {
            poll_fn(|cx| self.poll_first_data(downstream, cx)).await?;
        }
        let mut attempts = 0;
        loop {
            let cluster = self.choose_cluster()?;
            if attempts >= self.proxy.max_connect_attempts {
                cluster.stats.inc(ClusterStat::UpstreamCxConnectAttemptsExceeded);
                self.stream.set_flag(ResponseFlag::UpstreamRetryLimitExceeded);
                return Err(GivenUp::ConnectFailed);
            }
            let Some(host) = cluster.choose_host() else {
                self.stream.set_flag(ResponseFlag::NoHealthyUpstream);
                return Err(GivenUp::NoHealthyUpstream);
            };
            let attempted = match self.tunneling() {
                None => self.attempt(&cluster, &host, downstream).await?.map(SessionUpstream::Tcp),
                // Boxed, as the memory of a connection is that of its largest future.
                Some(tunneling) => {
                    let tunnel =
                        Box::pin(self.attempt_tunnel(tunneling, &cluster, &host, downstream)).await?;
                    tunnel.map(|tunnel| SessionUpstream::Tunnel(Box::new(tunnel)))
                }
            };
            if let Some(upstream) = attempted {
                return Ok(upstream);
            }
            attempts += 1;
            if attempts < self.proxy.max_connect_attempts {
                self.back_off(attempts).await?;
            }
        }
    }

    /// Waits for the first bytes of the client.
    fn poll_first_data(
        &mut self,
        downstream: &mut TransportSocket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), GivenUp>> {
        match self.poll_early_data(downstream, cx) {
            Poll::Ready(Ok(())) if self.early.as_ref().is_some_and(|early| early.buffer.is_empty()) => {
                Poll::Ready(Err(GivenUp::ClientGone))
            }
            Poll::Ready(read) => Poll::Ready(read),
            Poll::Pending => self.poll_time(cx).map(|limit| Err(GivenUp::OutOfTime(limit))),
        }
    }

    /// Reads what comes before there is a host, where that is asked for.
    fn poll_early_data(
        &mut self,
        downstream: &mut TransportSocket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), GivenUp>> {
        let Some(early) = &mut self.early else { return Poll::Pending };
        let is_first = early.buffer.is_empty();
        match ready!(early.poll_read(downstream, cx, &self.worker.blocks)) {
            Ok(count) => {
                if is_first && count > 0 {
                    self.stats.inc(TcpStat::EarlyDataReceivedCountTotal);
                }
                Poll::Ready(Ok(()))
            }
            Err(_) => Poll::Ready(Err(GivenUp::ClientGone)),
        }
    }

    async fn back_off(&mut self, failed: u32) -> Result<(), GivenUp> {
        let Some(time) = self.proxy.backoff(failed, &self.worker.random) else { return Ok(()) };
        let mut waiting = pin!(tokio::time::sleep(time));
        poll_fn(|cx| match waiting.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => self.poll_time(cx).map(|limit| Err(GivenUp::OutOfTime(limit))),
        })
        .await
    }

    fn choose_cluster(&mut self) -> Result<Rc<WorkerCluster>, GivenUp> {
        let snapshot = self.worker.snapshot();
        let chosen = self.info.filter_state.get::<ClusterObject>(TCP_PROXY_CLUSTER);
        let name =
            chosen.map_or_else(|| self.proxy.choose_cluster(&self.worker.random), |cluster| &cluster.0);
        let Some(cluster) = snapshot.cluster_by_name(name) else {
            log_at!(Filter, Debug, "{} unknown cluster '{name}'", OfConnection(self.info.id));
            self.missing_cluster = name.into();
            self.cluster = None;
            self.stats.inc(TcpStat::DownstreamCxNoRoute);
            self.stream.set_flag(ResponseFlag::NoClusterFound);
            return Err(GivenUp::NoCluster);
        };
        log_at!(Filter, Debug, "{} creating connection to cluster '{name}'", OfConnection(self.info.id));
        self.stream.upstream.cluster = Some(Rc::clone(&cluster.info));
        self.cluster = Some(Rc::clone(cluster));
        Ok(Rc::clone(cluster))
    }

    /// How the session is tunnelled, unless a filter has said that this one is not.
    fn tunneling(&self) -> Option<&'a Tunneling> {
        let tunneling = self.proxy.tunneling.as_ref()?;
        let disabled = self.info.filter_state.get::<BoolObject>(TCP_PROXY_DISABLE_TUNNELING);
        (!disabled.is_some_and(|disabled| disabled.0)).then_some(tunneling)
    }

    /// Notes the attempt, and answers what the connection gets of what filters left.
    pub(super) fn begin_attempt(&mut self, host: &Rc<WorkerHost>) -> Option<Rc<FilterState>> {
        self.stream.begin_connect_attempt(&host.info);
        self.stream.decisions.host = Some(host.index);
        self.stream.decisions.pool = PoolAnswer::Waiting;
        FilterState::for_upstream(&self.info.filter_state, &self.stream.filter_state)
    }

    /// Waits for what belongs to the attempt, while the client is read where that is asked for.
    pub(super) async fn wait_for<T>(
        &mut self,
        awaited: impl Future<Output = T>,
        downstream: &mut TransportSocket,
    ) -> Result<T, GivenUp> {
        let mut awaited = pin!(awaited);
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(outcome) = awaited.as_mut().poll(cx) {
                return Poll::Ready(Ok(outcome));
            }
            while let Poll::Ready(read) = self.poll_early_data(downstream, cx) {
                if let Err(gone) = read {
                    return Poll::Ready(Err(gone));
                }
            }
            self.poll_time(cx).map(|limit| Err(GivenUp::OutOfTime(limit)))
        })
        .await;
        if outcome.is_err() {
            // As in Envoy, which knows the host of an attempt only once that has ended.
            self.stream.upstream.host = None;
        }
        outcome
    }

    /// One attempt to connect; `None`: it failed, and another one may be made.
    async fn attempt(
        &mut self,
        cluster: &Rc<WorkerCluster>,
        host: &Rc<WorkerHost>,
        downstream: &mut TransportSocket,
    ) -> Result<Option<TcpUpstream>, GivenUp> {
        let start = Instant::now();
        let shared = self.begin_attempt(host);
        let connecting = connect_tcp(cluster, host, RoutingPriority::Default, shared);
        let connected = self.wait_for(connecting, downstream).await;
        match connected? {
            Ok(upstream) => {
                log_at!(
                    Filter,
                    Debug,
                    "{} TCP session with {} on upstream connection [C{}]",
                    OfConnection(self.info.id),
                    host.info.address,
                    upstream.id(),
                );
                self.stream.mark(TimePoint::UpstreamConnectStart, start);
                let now = Instant::now();
                self.stream.mark(TimePoint::UpstreamConnectEnd, now);
                self.stream.mark(TimePoint::UpstreamPoolReady, now);
                self.stream.attempt_connected(upstream.id(), upstream.local_address.clone(), None);
                self.stream.upstream.tls = upstream.socket.tls();
                self.stream.decisions.pool = PoolAnswer::Connected;
                Ok(Some(upstream))
            }
            Err(PoolError::Overflow) => Err(self.give_up_for_room()),
            Err(error) => {
                self.stream.set_flag(ResponseFlag::UpstreamConnectionFailure);
                self.note_failed_attempt(error);
                Ok(None)
            }
        }
    }

    /// There is no room for a connection.
    pub(super) fn give_up_for_room(&mut self) -> GivenUp {
        self.stream.take_back_attempt();
        self.stream.decisions.pool = PoolAnswer::TooManyPending;
        self.stream.set_flag(ResponseFlag::UpstreamOverflow);
        GivenUp::Overflow
    }

    pub(super) fn note_failed_attempt(&mut self, error: PoolError) {
        match error {
            PoolError::Connect { reason } => {
                self.stream.decisions.pool = PoolAnswer::Failed;
                self.stream.upstream.transport_failure_reason = Cow::Owned(reason);
            }
            PoolError::PoolOverflow => self.stream.decisions.pool = PoolAnswer::TooManyPools,
            // It was still waited for.
            PoolError::ConnectTimeout | PoolError::Overflow => {}
        }
    }
}
