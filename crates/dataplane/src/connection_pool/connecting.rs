//! Making connections for those who wait.
//!
//! Owns when a connection is made, its time-out, and what a failure means for the pool. An attempt belongs to the pool:
//! it goes on when the request that caused it is gone, and may serve another. Follows Envoy's connection pool: one
//! attempt for each that waits; a failed one fails all that wait at this host; when connections are at their limit, a
//! pool without any may still make one.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::connection_lifetime::{ConnectionLifetime, Use};
use super::pool_key::{PoolKey, PoolProtocol};
use super::upstream_connection::UpstreamConnection;
use super::{PoolError, http2_driver, waiting};
use crate::application_log::{OfConnection, log_at};
use crate::circuit_breakers::Resource;
use crate::cluster::{WorkerCluster, WorkerHost};
use crate::listener;
use crate::model::route::RoutingPriority;
use crate::stats::{ClusterStat, EndpointStat};
use crate::stream_info::{Address, InternalAddress};
use crate::transport_sockets::{RawBuffer, TlsSocket, TransportSocket};

/// The most attempts that one event begins.
const ATTEMPTS_AT_ONCE: usize = 3;

/// Whether the limits leave room for one more connection to this host.
pub fn can_create_connection(cluster: &WorkerCluster, host: &WorkerHost, priority: RoutingPriority) -> bool {
    let of_host = |most: u32| {
        let host = cluster.cluster.hosts.get(host.index);
        host.is_some_and(|host| host.stats.value(EndpointStat::CxActive) < u64::from(most))
    };
    cluster.cluster.connections.per_host_max_connections.is_none_or(of_host)
        && cluster.circuit_breakers.can_create(Resource::Connections, priority)
}

/// Begins attempts while more wait than connections are being made, as far as the limits let.
pub fn connect_for_waiting(cluster: &Rc<WorkerCluster>, host: &Rc<WorkerHost>, key: PoolKey) {
    let pool = host.pool.of(key);
    let streams = key.streams_of_connection(cluster);
    for _ in 0..ATTEMPTS_AT_ONCE {
        // Without a runtime the worker is being torn down.
        let expected = pool.connecting.get().saturating_mul(streams);
        if pool.waiting.borrow().len() <= expected || Handle::try_current().is_err() {
            return;
        }
        let room = can_create_connection(cluster, host, key.priority);
        if !room {
            log_at!(Pool, Debug, "cluster '{}': max active connections overflow", cluster.info.name);
            cluster.stats.inc(ClusterStat::UpstreamCxOverflow);
        }
        if !room && pool.open.get() > 0 {
            return;
        }
        let lifetime = ConnectionLifetime::begin(cluster, host, key.priority, Use::Requests(key.protocol));
        log_at!(
            Pool,
            Debug,
            "{} creating a new connection to {} of cluster '{}' (connecting={}, open={})",
            OfConnection(lifetime.id),
            host.info.address,
            cluster.info.name,
            pool.connecting.get(),
            pool.open.get(),
        );
        let connecting = Connecting::begin(&lifetime);
        tokio::task::spawn_local(attempt(Attempt { connecting, lifetime }));
    }
}

/// A connection that is being made, also when a panic ends that: else those who wait later would wait for it.
struct Connecting {
    host: Rc<WorkerHost>,
    key: PoolKey,
}

impl Connecting {
    fn begin(lifetime: &ConnectionLifetime) -> Self {
        let this = Connecting { host: Rc::clone(&lifetime.host), key: lifetime.key() };
        let connecting = &this.host.pool.of(this.key).connecting;
        connecting.set(connecting.get() + 1);
        this
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        let connecting = &self.host.pool.of(self.key).connecting;
        connecting.set(connecting.get().saturating_sub(1));
    }
}

/// One attempt to connect. `connecting` ends before `lifetime`, whose end makes connections for those who still wait.
struct Attempt {
    connecting: Connecting,
    lifetime: ConnectionLifetime,
}

async fn attempt(attempt: Attempt) {
    let outcome = connect(&attempt.lifetime).await;
    let Attempt { connecting, mut lifetime } = attempt;
    drop(connecting);
    match outcome {
        Ok(socket) => {
            lifetime.connected();
            log_at!(
                Pool,
                Debug,
                "{} connected in {} ms",
                OfConnection(lifetime.id),
                lifetime.started.elapsed().as_millis()
            );
            if speaks_http2(&lifetime, &socket) {
                return http2_driver::begin(lifetime, socket);
            }
            let connection = UpstreamConnection::new(lifetime, socket, Instant::now());
            if connection.cluster().is_draining() && connection.nobody_waits() {
                return;
            }
            waiting::serve(Box::new(connection));
        }
        Err(error) => {
            count_failure(&mut lifetime, &error);
            waiting::fail_all(&lifetime.cluster, &lifetime.host, lifetime.key(), &error);
        }
    }
}

/// Whether HTTP/2 is spoken on a connection that stands; counts it where the host was to decide.
fn speaks_http2(lifetime: &ConnectionLifetime, socket: &TransportSocket) -> bool {
    match lifetime.usage {
        Use::Tcp | Use::Requests(PoolProtocol::Http1) => false,
        Use::Requests(PoolProtocol::Http2) => true,
        Use::Requests(PoolProtocol::Auto) => {
            let is_http2 = socket.tls().is_some_and(|tls| tls.is_http2());
            let stats = &lifetime.cluster.stats;
            stats.inc(if is_http2 {
                ClusterStat::UpstreamCxHttp2Total
            } else {
                ClusterStat::UpstreamCxHttp1Total
            });
            is_http2
        }
    }
}

/// Connects, no longer than `connect_timeout`.
pub async fn connect(lifetime: &ConnectionLifetime) -> Result<TransportSocket, PoolError> {
    let settings = &lifetime.cluster.cluster.connections;
    let connected = timeout(settings.connect_timeout, open(lifetime)).await;
    connected.unwrap_or(Err(PoolError::ConnectTimeout))
}

async fn open(lifetime: &ConnectionLifetime) -> Result<TransportSocket, PoolError> {
    let address = &lifetime.host.info.address;
    let settings = &lifetime.cluster.cluster.connections;
    let connected = match address {
        Address::Internal(internal) => connect_within(lifetime, internal),
        _ => RawBuffer::connect(address, settings.tcp_keepalive.as_ref(), &settings.bind).await,
    };
    let socket = connected.map_err(|error| PoolError::Connect { reason: reason(address, &error) })?;
    let Some(tls) = &lifetime.cluster.tls else { return Ok(TransportSocket::RawBuffer(socket)) };
    let host = &lifetime.host.info;
    let socket = TlsSocket::connect(socket, tls, host, lifetime.protocol());
    let socket = socket.map_err(|error| PoolError::Connect { reason: error.to_string() })?;
    let mut socket = Box::new(socket);
    match poll_fn(|cx| socket.poll_handshake(cx)).await {
        Ok(()) => Ok(TransportSocket::Tls(socket)),
        // The peer that ends it without a word gives no reason.
        Err(_) => {
            Err(PoolError::Connect { reason: socket.connection().failure.get().cloned().unwrap_or_default() })
        }
    }
}

/// Connects to an internal listener.
fn connect_within(lifetime: &ConnectionLifetime, address: &InternalAddress) -> io::Result<RawBuffer> {
    let (cluster, host) = (&lifetime.cluster, &lifetime.host.info);
    let passed_on = cluster.cluster.connections.internal_upstream.as_ref().map(|passed| {
        let shared = lifetime.shared_state.as_ref();
        passed.passed_on(cluster.info.metadata.as_deref(), host.metadata.as_deref(), shared)
    });
    listener::internal::connect(address, passed_on.unwrap_or_default())
}

/// Counts why an attempt failed.
pub fn count_failure(lifetime: &mut ConnectionLifetime, error: &PoolError) {
    log_at!(
        Pool,
        Debug,
        "{} no connection to {} of cluster '{}': {error}",
        OfConnection(lifetime.id),
        lifetime.host.info.address,
        lifetime.cluster.info.name,
    );
    lifetime.connect_failed();
    match error {
        PoolError::ConnectTimeout => lifetime.cluster.stats.inc(ClusterStat::UpstreamCxConnectTimeout),
        PoolError::Connect { .. } => lifetime.closed_by_remote = true,
        PoolError::Overflow | PoolError::PoolOverflow => {}
    }
}

/// Envoy tells an error that `connect` answers at once from one that comes while it waits. A Unix domain socket always
/// answers at once, TCP when there is no way to the address.
fn reason(address: &Address, error: &io::Error) -> String {
    let at_once = matches!(address, Address::Pipe(_))
        || matches!(
            error.raw_os_error(),
            Some(libc::ENETUNREACH | libc::EADDRNOTAVAIL | libc::EACCES | libc::EPERM | libc::EINVAL)
        );
    let text = error.to_string();
    // The standard library adds the number.
    let text = text.split_once(" (os error ").map_or(&*text, |(text, _)| text);
    if at_once {
        format!("immediate connect error: {text}|remote address:{address}")
    } else {
        format!("delayed connect error: {text}")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::Cluster;
    use crate::cluster::tests::{model, registry};

    #[tokio::test(flavor = "local")]
    async fn an_attempt_that_breaks_off_is_none_and_those_who_wait_get_another() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let model = model("c", &[&free.local_addr().unwrap().to_string()]);
        let compiled = Arc::new(Cluster::compile(&model, &registry(1), 1).unwrap());
        let cluster = Rc::new(WorkerCluster::new(&compiled, 0, 1));
        let host = Rc::clone(&cluster.hosts()[0]);
        let priority = RoutingPriority::Default;
        let lifetime =
            ConnectionLifetime::begin(&cluster, &host, priority, Use::Requests(PoolProtocol::Http1));
        let connecting = Connecting::begin(&lifetime);
        let mut waiting = waiting::obtain(&cluster, &host, priority).unwrap();
        assert_eq!(
            (host.pool.of(priority.into()).connecting.get(), host.pool.of(priority.into()).open.get()),
            (1, 1)
        );
        drop(attempt(Attempt { connecting, lifetime }));
        assert_eq!(
            (host.pool.of(priority.into()).connecting.get(), host.pool.of(priority.into()).open.get()),
            (1, 1)
        );
        let within = std::time::Duration::from_secs(9);
        timeout(within, &mut waiting).await.expect("another attempt was made").expect("a connection");
    }

    #[test]
    fn reasons_read_as_envoys() {
        let tcp = Address::Ip("127.0.0.1:1".parse().unwrap());
        let pipe = Address::Pipe("/none".into());
        for (address, number, expected) in [
            (&tcp, libc::ECONNREFUSED, "delayed connect error: Connection refused"),
            (
                &tcp,
                libc::ENETUNREACH,
                "immediate connect error: Network is unreachable|remote address:127.0.0.1:1",
            ),
            (&pipe, libc::ENOENT, "immediate connect error: No such file or directory|remote address:/none"),
        ] {
            assert_eq!(reason(address, &io::Error::from_raw_os_error(number)), expected);
        }
    }
}
