//! `envoy.filters.udp_listener.udp_proxy`: datagrams both ways between clients and hosts of clusters.
//!
//! Owns: the choice of the cluster and the host for a datagram, which session it belongs to, and what is counted of both.
//! Does not own: a session's own socket and its end (`session`), the lines (`logging`), receiving from clients
//! (`listener::udp`).
//! Follows Envoy's page "UDP proxy". A session is what a client's address, the listener's and (where each datagram picks
//! its host) the host have in common. Each counts as a connection of its cluster, whose `max_connections` is what bounds
//! them: what is above is dropped.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::access_loggers::AccessLogSet;
use crate::cluster::{WorkerCluster, WorkerHost};
use crate::datagrams::{DatagramSocket, Received};
use crate::listener::CompileContext;
use crate::model::access_log::AccessLogEvents;
use crate::model::udp::UdpProxy as Model;
use crate::stats::{ClusterUdpStats, LocalScope, Scope, UdpStat, UdpStats};
use crate::worker::Worker;

mod destination;
mod logging;
mod remember;
mod session;

use destination::Destination;
use remember::Refusal;
use session::{End, Session};

/// A UDP proxy, compiled; shared by all workers.
#[derive(Debug)]
pub struct UdpProxy {
    /// Where it stands in the configuration.
    place: Box<str>,
    listener: Arc<str>,
    clusters: Vec<NamedCluster>,
    destination: Destination,
    idle_timeout: Duration,
    per_packet: bool,
    max_rx_datagram_size: usize,
    access_log: AccessLogSet,
    proxy_access_log: AccessLogSet,
    stats: Scope<UdpStats>,
}

#[derive(Debug)]
struct NamedCluster {
    name: Box<str>,
    /// None: there was no such cluster when the proxy was made.
    stats: Option<Scope<ClusterUdpStats>>,
}

impl UdpProxy {
    /// Compiles a proxy.
    ///
    /// # Errors
    /// A matcher that is none, or an access log that cannot be opened.
    pub fn compile(model: &Model, listener: Arc<str>, context: &CompileContext<'_>) -> Result<Self, String> {
        let events = AccessLogEvents {
            on_start: false,
            on_connected: false,
            flush_interval_ms: model.access_log_flush_interval_ms,
        };
        let cluster = |name: &String| {
            let cluster = context.snapshot.cluster_by_name(name);
            let stats = cluster.map(|cluster| context.registry.cluster_udp(&cluster.stat_name));
            NamedCluster { name: name.as_str().into(), stats }
        };
        Ok(UdpProxy {
            place: model.place.as_str().into(),
            listener,
            clusters: model.clusters.iter().map(cluster).collect(),
            destination: Destination::compile(model.matcher.as_ref(), context.registry)?,
            idle_timeout: Duration::from_millis(model.idle_timeout_ms),
            per_packet: model.use_per_packet_load_balancing,
            max_rx_datagram_size: model.max_rx_datagram_size,
            access_log: AccessLogSet::open(&model.access_log, context.logs)?.with_events(&events),
            proxy_access_log: AccessLogSet::open(&model.proxy_access_log, context.logs)?,
            stats: context.registry.udp(&model.stat_prefix),
        })
    }
}

/// What the datagrams of a session have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    client: SocketAddr,
    /// The port of the listener's address that they are sent to: a listener may have several.
    port: u16,
    /// Which of this host's addresses that is, where the listener is bound to all.
    local: Option<IpAddr>,
    /// The host, where each datagram picks its own.
    host: Option<usize>,
}

/// Bytes of all sessions, and of datagrams that came to none.
#[derive(Debug, Default, Clone, Copy)]
struct Bytes {
    received: u64,
    sent: u64,
}

/// A UDP proxy on one worker.
#[derive(Debug)]
pub struct WorkerUdpProxy {
    proxy: Arc<UdpProxy>,
    /// The worker has this filter, and not the other way round.
    worker: Weak<Worker>,
    stats: LocalScope<UdpStats>,
    clusters: Vec<OnceCell<Rc<LocalScope<ClusterUdpStats>>>>,
    sessions: RefCell<HashMap<Key, Rc<Session>>>,
    bytes: Cell<Bytes>,
    start: Instant,
    start_time: SystemTime,
    /// When a datagram without a session was remembered last.
    remembered_at: Cell<Option<Instant>>,
    is_closed: Cell<bool>,
}

impl WorkerUdpProxy {
    /// The proxy's part on a worker.
    #[must_use]
    pub fn new(proxy: &Arc<UdpProxy>, worker: &Rc<Worker>) -> Rc<Self> {
        let start = Instant::now();
        Rc::new(WorkerUdpProxy {
            worker: Rc::downgrade(worker),
            stats: proxy.stats.local(worker.index),
            clusters: proxy.clusters.iter().map(|_| OnceCell::new()).collect(),
            sessions: RefCell::default(),
            bytes: Cell::default(),
            start,
            start_time: worker.clock.wall(start),
            remembered_at: Cell::new(None),
            is_closed: Cell::new(false),
            proxy: Arc::clone(proxy),
        })
    }

    /// Sends a datagram on; one that has nowhere to go is dropped and counted.
    pub(super) fn on_datagram(self: &Rc<Self>, socket: &Rc<DatagramSocket>, datagram: &Received<'_>) {
        let (Some(client), Some(worker)) = (datagram.from, self.worker.upgrade()) else { return };
        self.add_bytes(length(datagram.data), 0);
        let key = Key { client, port: socket.local_address.port(), local: datagram.to, host: None };
        let session = if self.proxy.per_packet {
            self.session_of_picked_host(&worker, socket, key)
        } else {
            self.session_of_client(&worker, socket, key)
        };
        if let Some(session) = session {
            session.send_upstream(self, datagram.data);
        }
    }

    fn session_of_client(
        self: &Rc<Self>,
        worker: &Rc<Worker>,
        socket: &Rc<DatagramSocket>,
        key: Key,
    ) -> Option<Rc<Session>> {
        let known = self.sessions.borrow().get(&key).map(Rc::clone);
        if let Some(session) = known {
            if !session.is_outdated() {
                return Some(session);
            }
            self.end(&session, End::Outdated);
        }
        let (number, cluster) = self.choose_cluster(worker, socket, &key)?;
        let host = self.choose_host(worker, &cluster, &key)?;
        self.begin_session(worker, socket, key, (number, cluster, host))
    }

    fn session_of_picked_host(
        self: &Rc<Self>,
        worker: &Rc<Worker>,
        socket: &Rc<DatagramSocket>,
        key: Key,
    ) -> Option<Rc<Session>> {
        let (number, cluster) = self.choose_cluster(worker, socket, &key)?;
        let host = self.choose_host(worker, &cluster, &key)?;
        let key = Key { host: Some(host.index), ..key };
        let known = self.sessions.borrow().get(&key).map(Rc::clone);
        match known {
            Some(session) if !session.is_outdated() => return Some(session),
            Some(session) => self.end(&session, End::Outdated),
            None => {}
        }
        self.begin_session(worker, socket, key, (number, cluster, host))
    }

    /// The cluster that a datagram goes to, and its number among those of the proxy.
    fn choose_cluster(
        &self,
        worker: &Worker,
        socket: &DatagramSocket,
        key: &Key,
    ) -> Option<(usize, Rc<WorkerCluster>)> {
        let number = self.proxy.destination.find(key.client, local_address(socket, key));
        let name = number.and_then(|number| Some((number, &*self.proxy.clusters.get(number)?.name)));
        let snapshot = worker.snapshot();
        let cluster =
            name.and_then(|(number, name)| Some((number, Rc::clone(snapshot.cluster_by_name(name)?))));
        if cluster.is_none() {
            self.stats.inc(UdpStat::DownstreamSessNoRoute);
            let name = name.map_or("", |(_, name)| name);
            self.remember_refusal(worker, key, &Refusal::NoCluster { name });
        }
        cluster
    }

    fn choose_host(&self, worker: &Worker, cluster: &WorkerCluster, key: &Key) -> Option<Rc<WorkerHost>> {
        let host = cluster.choose_host();
        if host.is_none() {
            self.remember_refusal(worker, key, &Refusal::NoHost { cluster });
        }
        host
    }

    fn begin_session(
        self: &Rc<Self>,
        worker: &Rc<Worker>,
        socket: &Rc<DatagramSocket>,
        key: Key,
        (number, cluster, host): (usize, Rc<WorkerCluster>, Rc<WorkerHost>),
    ) -> Option<Rc<Session>> {
        let cluster_stats = self.cluster_stats(worker, number, &cluster)?;
        let session = Session::begin(self, worker, socket, key, (cluster, host, cluster_stats))?;
        self.sessions.borrow_mut().insert(key, Rc::clone(&session));
        Some(session)
    }

    fn cluster_stats(
        &self,
        worker: &Worker,
        number: usize,
        cluster: &WorkerCluster,
    ) -> Option<Rc<LocalScope<ClusterUdpStats>>> {
        let stats = self.clusters.get(number)?.get_or_init(|| {
            let known = self.proxy.clusters.get(number).and_then(|named| named.stats.clone());
            let stats =
                known.unwrap_or_else(|| worker.process.registry.cluster_udp(&cluster.cluster.stat_name));
            Rc::new(stats.local(worker.index))
        });
        Some(Rc::clone(stats))
    }

    /// Takes a session out, which ends it.
    fn end(&self, session: &Rc<Session>, how: End) {
        let mut sessions = self.sessions.borrow_mut();
        // Another one may have taken its place.
        if sessions.get(session.key()).is_some_and(|known| Rc::ptr_eq(known, session)) {
            sessions.remove(session.key());
        }
        drop(sessions);
        session.end(self, how);
    }

    pub(super) fn on_receive_error(&self) {
        self.stats.inc(UdpStat::DownstreamSessRxErrors);
    }

    /// Ends all sessions; a second call does nothing.
    pub(super) fn close(&self) {
        if self.is_closed.replace(true) {
            return;
        }
        let sessions = self.sessions.take();
        sessions.into_values().for_each(|session| session.end(self, End::Closed));
        self.log_end();
    }

    fn add_bytes(&self, received: u64, sent: u64) {
        let Bytes { received: before, sent: sent_before } = self.bytes.get();
        self.bytes.set(Bytes { received: before + received, sent: sent_before + sent });
    }
}

/// Where a client has sent to.
fn local_address(socket: &DatagramSocket, key: &Key) -> SocketAddr {
    let bound = socket.local_address;
    key.local.map_or(bound, |ip| SocketAddr::new(ip, bound.port()))
}

fn length(data: &[u8]) -> u64 {
    u64::try_from(data.len()).unwrap_or(u64::MAX)
}
