//! One session: a client, and the host that its datagrams go to.
//!
//! Owns: the socket to the host, what comes back from there, the idle timeout, what is counted, and the end. Does not own:
//! which session a datagram belongs to (`udp_proxy`), the lines about it (`logging`).
//! Follows Envoy's page "UDP proxy".

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Instant, SystemTime};

use tokio::task::AbortHandle;

use super::{Key, WorkerUdpProxy, length, local_address};
use crate::application_log::log_at;
use crate::circuit_breakers::Resource;
use crate::cluster::{WorkerCluster, WorkerHost};
use crate::connection_id::next_connection_id;
use crate::datagrams::{DatagramSocket, ReceiveBatch, Received};
use crate::format::AccessLogType;
use crate::model::route::RoutingPriority;
use crate::stats::{ClusterStat, ClusterUdpStat, ClusterUdpStats, LocalScope, UdpStat};
use crate::stream_info::{Address, ResponseFlag};
use crate::timer::{LazyTimer, earliest};
use crate::worker::Worker;

/// How many times in a row a socket is received from before others have their turn.
const BATCHES_IN_A_ROW: u32 = 16;

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing has come from either side for the idle timeout.
    Idle,
    /// Its cluster has changed: the client's next datagram begins another one.
    Outdated,
    /// The listener stops.
    Closed,
    /// It never began: the cluster has no room for it.
    Overflow,
    /// It never began: there is no socket to the host.
    NoSocket,
}

impl End {
    pub(super) fn flag(self) -> Option<ResponseFlag> {
        match self {
            End::Overflow => Some(ResponseFlag::UpstreamOverflow),
            End::NoSocket => Some(ResponseFlag::UpstreamConnectionFailure),
            End::Idle | End::Outdated | End::Closed => None,
        }
    }
}

/// What has been moved.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub datagrams_received: u64,
    pub datagrams_sent: u64,
    pub errors_sent: u64,
}

/// A session; the proxy has it as long as it lasts.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) key: Key,
    pub(super) id: u64,
    /// What `%STREAM_ID%` is made of.
    pub(super) stream_id: (u64, u64),
    pub(super) start: Instant,
    pub(super) start_time: SystemTime,
    pub(super) cluster: Rc<WorkerCluster>,
    pub(super) host: Rc<WorkerHost>,
    cluster_stats: Rc<LocalScope<ClusterUdpStats>>,
    downstream: Rc<DatagramSocket>,
    /// To the host; none: it has not come to that.
    upstream: Option<DatagramSocket>,
    last_active: Cell<Instant>,
    counts: Cell<Counts>,
    task: RefCell<Option<AbortHandle>>,
    has_ended: Cell<bool>,
}

impl Session {
    /// Begins a session. None: there is no room for it, or no socket; it has ended again.
    pub(super) fn begin(
        proxy: &Rc<WorkerUdpProxy>,
        worker: &Rc<Worker>,
        downstream: &Rc<DatagramSocket>,
        key: Key,
        (cluster, host, cluster_stats): (Rc<WorkerCluster>, Rc<WorkerHost>, Rc<LocalScope<ClusterUdpStats>>),
    ) -> Option<Rc<Self>> {
        let start = Instant::now();
        let opened = open(&cluster, &host);
        let failed = opened.as_ref().err().copied();
        let session = Rc::new(Session {
            key,
            id: next_connection_id(),
            stream_id: (worker.random.next(), worker.random.next()),
            start,
            start_time: worker.clock.wall(start),
            cluster,
            host,
            cluster_stats,
            downstream: Rc::clone(downstream),
            upstream: opened.ok(),
            last_active: Cell::new(start),
            counts: Cell::default(),
            task: RefCell::default(),
            has_ended: Cell::new(false),
        });
        proxy.stats.inc(UdpStat::DownstreamSessTotal);
        proxy.stats.inc(UdpStat::DownstreamSessActive);
        if let Some(how) = failed {
            session.end(proxy, how);
            return None;
        }
        let task = tokio::task::spawn_local(run(Rc::clone(&session), Rc::clone(proxy), Rc::clone(worker)));
        *session.task.borrow_mut() = Some(task.abort_handle());
        Some(session)
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Whether the cluster that it was begun with has been replaced.
    pub(super) fn is_outdated(&self) -> bool {
        self.cluster.is_draining()
    }

    /// Where the client has sent to.
    pub(super) fn local_address(&self) -> SocketAddr {
        local_address(&self.downstream, &self.key)
    }

    /// Our end of the socket to the host.
    pub(super) fn upstream_local_address(&self) -> Option<SocketAddr> {
        self.upstream.as_ref().map(|socket| socket.local_address)
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts.get()
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    /// Passes a client's datagram on.
    pub(super) fn send_upstream(&self, proxy: &WorkerUdpProxy, data: &[u8]) {
        let Some(socket) = &self.upstream else { return };
        self.last_active.set(Instant::now());
        let bytes = length(data);
        self.count(|counts| {
            counts.datagrams_received += 1;
            counts.bytes_received += bytes;
        });
        proxy.stats.inc(UdpStat::DownstreamSessRxDatagrams);
        proxy.stats.add(UdpStat::DownstreamSessRxBytes, bytes);
        if socket.send(data).is_err() {
            return self.cluster_stats.inc(ClusterUdpStat::SessTxErrors);
        }
        self.cluster_stats.inc(ClusterUdpStat::SessTxDatagrams);
        self.cluster.stats.add(ClusterStat::UpstreamCxTxBytesTotal, bytes);
    }

    /// Passes an answer on.
    fn send_downstream(&self, proxy: &WorkerUdpProxy, datagram: &Received<'_>) {
        if datagram.is_cut {
            return self.cluster_stats.inc(ClusterUdpStat::SessRxDatagramsDropped);
        }
        let bytes = length(datagram.data);
        self.cluster_stats.inc(ClusterUdpStat::SessRxDatagrams);
        self.cluster.stats.add(ClusterStat::UpstreamCxRxBytesTotal, bytes);
        if self.downstream.send_to(datagram.data, self.key.client, self.key.local).is_err() {
            self.count(|counts| counts.errors_sent += 1);
            return proxy.stats.inc(UdpStat::DownstreamSessTxErrors);
        }
        self.count(|counts| {
            counts.datagrams_sent += 1;
            counts.bytes_sent += bytes;
        });
        proxy.stats.inc(UdpStat::DownstreamSessTxDatagrams);
        proxy.stats.add(UdpStat::DownstreamSessTxBytes, bytes);
        proxy.add_bytes(0, bytes);
    }

    /// Passes on what the host has sent. Answers whether that is all for now.
    fn receive(&self, proxy: &WorkerUdpProxy, worker: &Worker, socket: &DatagramSocket) -> bool {
        let mut batch = worker.datagrams.borrow_mut();
        match socket.try_receive(&mut batch, proxy.proxy.max_rx_datagram_size) {
            Ok(count) => {
                self.last_active.set(Instant::now());
                (0..count)
                    .filter_map(|at| batch.get(at))
                    .for_each(|datagram| self.send_downstream(proxy, &datagram));
                count < ReceiveBatch::ROOM
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(_) => {
                // The host has refused a datagram; the next one may find it back.
                self.cluster_stats.inc(ClusterUdpStat::SessRxErrors);
                false
            }
        }
    }

    /// Ends the session, whom the proxy has let go of; a second call does nothing.
    pub(super) fn end(&self, proxy: &WorkerUdpProxy, how: End) {
        if self.has_ended.replace(true) {
            return;
        }
        if let Some(task) = self.task.take() {
            task.abort();
        }
        proxy.stats.dec(UdpStat::DownstreamSessActive);
        if how == End::Idle {
            proxy.stats.inc(UdpStat::IdleTimeout);
        }
        if how != End::Overflow {
            self.cluster.circuit_breakers.release(Resource::Connections, RoutingPriority::Default);
        }
        self.log(proxy, AccessLogType::UdpSessionEnd, how.flag());
        self.remember(proxy, how);
    }
}

/// The socket to the host, under the cluster's limit of connections; or why there is none.
fn open(cluster: &WorkerCluster, host: &WorkerHost) -> Result<DatagramSocket, End> {
    if !cluster.circuit_breakers.acquire(Resource::Connections, RoutingPriority::Default) {
        cluster.stats.inc(ClusterStat::UpstreamCxOverflow);
        return Err(End::Overflow);
    }
    let connected = match &host.info.address {
        Address::Ip(address) => DatagramSocket::connect(*address, &cluster.cluster.connections.bind),
        Address::Pipe(_) | Address::Internal(_) => Err(io::ErrorKind::Unsupported.into()),
    };
    connected.map_err(|error| {
        log_at!(Filter, Debug, "no socket to {}: {error}", host.info.address);
        End::NoSocket
    })
}

/// Serves a session until nothing has come for too long. Its end may also come from outside.
async fn run(session: Rc<Session>, proxy: Rc<WorkerUdpProxy>, worker: Rc<Worker>) {
    let serving = pin!(serve(&session, &proxy, &worker));
    worker.contain_panic(serving).await;
    proxy.end(&session, End::Idle);
}

async fn serve(session: &Session, proxy: &WorkerUdpProxy, worker: &Worker) {
    let Some(socket) = &session.upstream else { return };
    let mut timer = LazyTimer::new();
    let mut log_at = proxy.proxy.access_log.next_line(session.start);
    loop {
        let mut readable = pin!(socket.readable());
        let is_readable = poll_fn(|cx| {
            if readable.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            let idle_at = session.last_active.get().checked_add(proxy.proxy.idle_timeout);
            timer.poll_at(cx, earliest([idle_at, log_at])).map(|()| false)
        })
        .await;
        if is_readable {
            let is_emptied = (0..BATCHES_IN_A_ROW).any(|_| session.receive(proxy, worker, socket));
            if !is_emptied {
                tokio::task::yield_now().await;
            }
            continue;
        }
        let now = Instant::now();
        if now.saturating_duration_since(session.last_active.get()) >= proxy.proxy.idle_timeout {
            return;
        }
        session.log(proxy, AccessLogType::UdpPeriodic, None);
        log_at = proxy.proxy.access_log.next_line(now);
    }
}
