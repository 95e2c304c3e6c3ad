//! `envoy.filters.network.tcp_proxy`: bytes both ways between a client and a host of a cluster.
//!
//! Owns: the choice of the cluster, connecting to a host and trying again, time limits, statistics and the access log of a
//! session. Does not own: moving the bytes (`relay`), connections to hosts (`connection_pool`), the choice of a host
//! (`cluster`).
//! Follows Envoy's page "TCP proxy". Nothing is read from the client before there is a host to send it to, unless
//! `max_early_data_bytes` asks for it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::access_loggers::AccessLogSet;
use crate::listener::CompileContext;
use crate::model;
use crate::random::Random;
use crate::stats::{LocalScope, Scope, TcpStat, TcpStats};
use crate::stream_info::{ConnectionInfo, ResponseFlag};
use crate::transport_sockets::TransportSocket;
use crate::worker::Worker;

mod counted;
mod early_data;
mod proxy_protocol_tlvs;
mod session;
mod tunnel;
mod tunnel_fields;
mod tunneling;

use early_data::EarlyDataSettings;
use proxy_protocol_tlvs::ProxyProtocolTlvs;
use session::Session;
use tunneling::Tunneling;

/// A TCP proxy, compiled; shared by all workers.
#[derive(Debug)]
pub struct TcpProxy {
    /// Where it stands in the configuration.
    place: Box<str>,
    clusters: Vec<WeightedCluster>,
    idle_timeout: Option<Duration>,
    max_duration: Option<Duration>,
    duration_jitter: f64,
    max_connect_attempts: u32,
    backoff: Option<model::listener::Backoff>,
    early_data: EarlyDataSettings,
    check_drain_close: bool,
    proxy_protocol_tlvs: ProxyProtocolTlvs,
    tunneling: Option<Tunneling>,
    access_log: Arc<AccessLogSet>,
    stats: Scope<TcpStats>,
    buffer_limit: usize,
}

#[derive(Debug)]
struct WeightedCluster {
    name: Box<str>,
    /// The sum of the weights up to this one.
    weights_so_far: u64,
}

impl TcpProxy {
    /// Compiles a proxy whose connections buffer up to `buffer_limit` bytes in each direction.
    ///
    /// # Errors
    /// Weights that are all 0, or an access log that cannot be opened.
    pub fn compile(
        model: &model::listener::TcpProxy,
        buffer_limit: usize,
        context: &CompileContext<'_>,
    ) -> Result<Self, String> {
        let tunneling = model.tunneling.as_ref();
        let tunneling = tunneling.map(|tunneling| {
            Tunneling::compile(tunneling, context.registry.tcp_tunneling(&model.stat_prefix))
        });
        Ok(TcpProxy {
            place: model.place.as_str().into(),
            clusters: weighted(&model.clusters)?,
            idle_timeout: positive(model.idle_timeout_ms),
            max_duration: positive(model.max_downstream_connection_duration_ms),
            duration_jitter: model.max_downstream_connection_duration_jitter_percentage / 100.0,
            max_connect_attempts: model.max_connect_attempts.max(1),
            backoff: model.backoff.clone(),
            early_data: EarlyDataSettings {
                connects_on_data: model.connects_on_data,
                most: model.max_early_data_bytes.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
                limit: buffer_limit,
            },
            check_drain_close: model.check_drain_close,
            proxy_protocol_tlvs: ProxyProtocolTlvs::compile(model),
            tunneling: tunneling.transpose()?,
            access_log: Arc::new(
                AccessLogSet::open(&model.access_log, context.logs)?.with_events(&model.access_log_events),
            ),
            stats: context.registry.tcp(&model.stat_prefix),
            buffer_limit,
        })
    }

    /// How long a session that begins now may last.
    fn max_duration(&self, random: &Random) -> Option<Duration> {
        let duration = self.max_duration?;
        if self.duration_jitter <= 0.0 {
            return Some(duration);
        }
        let share = f64::from(u32::try_from(random.below(1 << 16)).unwrap_or(0)) / f64::from(1 << 16);
        Some(duration.mul_f64(1.0 + share * self.duration_jitter))
    }

    /// How long to wait before the attempt that follows `failed` ones: a random time within an interval that doubles.
    fn backoff(&self, failed: u32, random: &Random) -> Option<Duration> {
        let backoff = self.backoff.as_ref()?;
        let doubled = backoff.base_interval_ms.saturating_mul(1 << failed.saturating_sub(1).min(32));
        let interval = doubled.min(backoff.max_interval_ms).max(1);
        Some(Duration::from_millis(random.below(interval)))
    }

    /// The name of the cluster for the next attempt.
    fn choose_cluster(&self, random: &Random) -> &str {
        let [only] = self.clusters.as_slice() else { return self.choose_by_weight(random) };
        &only.name
    }

    fn choose_by_weight(&self, random: &Random) -> &str {
        let total = self.clusters.last().map_or(0, |last| last.weights_so_far);
        let chosen = random.below(total);
        let place = self.clusters.partition_point(|cluster| cluster.weights_so_far <= chosen);
        self.clusters.get(place).map_or("", |cluster| &cluster.name)
    }
}

fn weighted(clusters: &[model::listener::TcpCluster]) -> Result<Vec<WeightedCluster>, String> {
    let mut weights_so_far = 0;
    let clusters: Vec<_> = clusters
        .iter()
        .map(|cluster| {
            weights_so_far += u64::from(cluster.weight);
            WeightedCluster { name: cluster.name.as_str().into(), weights_so_far }
        })
        .collect();
    if weights_so_far == 0 {
        return Err("tcp_proxy: the sum of the weights is 0".to_owned());
    }
    Ok(clusters)
}

fn positive(milliseconds: Option<u64>) -> Option<Duration> {
    milliseconds.filter(|&milliseconds| milliseconds > 0).map(Duration::from_millis)
}

/// A TCP proxy on one worker.
#[derive(Debug)]
pub struct WorkerTcpProxy {
    proxy: Arc<TcpProxy>,
    stats: LocalScope<TcpStats>,
}

impl WorkerTcpProxy {
    /// The proxy's part on `worker`.
    #[must_use]
    pub fn new(proxy: &Arc<TcpProxy>, worker: usize) -> Self {
        WorkerTcpProxy { proxy: Arc::clone(proxy), stats: proxy.stats.local(worker) }
    }

    /// Serves a connection until its end.
    pub async fn serve(&self, worker: &Rc<Worker>, mut socket: TransportSocket, info: &mut ConnectionInfo) {
        self.stats.inc(TcpStat::DownstreamCxTotal);
        socket.note_round_trip_time(info);
        let mut session = Session::new(&self.proxy, &self.stats, worker, info);
        session.log_start();
        match session.connect(&mut socket).await {
            Ok(upstream) => session.relay(&mut socket, upstream).await,
            Err(reason) => session.give_up(reason),
        }
    }

    /// Counts and logs a connection that another filter has refused.
    pub fn refuse(&self, worker: &Rc<Worker>, info: &mut ConnectionInfo, flag: Option<ResponseFlag>) {
        self.stats.inc(TcpStat::DownstreamCxTotal);
        Session::new(&self.proxy, &self.stats, worker, info).refuse(flag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clusters(weights: &[(&str, u32)]) -> Result<Vec<WeightedCluster>, String> {
        let model: Vec<_> = weights
            .iter()
            .map(|&(name, weight)| model::listener::TcpCluster { name: name.to_owned(), weight })
            .collect();
        weighted(&model)
    }

    #[test]
    fn weights_are_summed_up() {
        let sums: Vec<_> = clusters(&[("a", 1), ("b", 0), ("c", 3)])
            .expect("clusters")
            .into_iter()
            .map(|cluster| cluster.weights_so_far)
            .collect();
        assert_eq!(sums, [1, 1, 4]);
        assert!(clusters(&[("a", 0)]).is_err());
    }

    #[test]
    fn no_time_is_no_limit() {
        assert_eq!(positive(None), None);
        assert_eq!(positive(Some(0)), None);
        assert_eq!(positive(Some(1500)), Some(Duration::from_millis(1500)));
    }
}
