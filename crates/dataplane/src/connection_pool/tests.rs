//! Pools over loopback: who gets which connection, and what is counted.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

use super::*;
use crate::cluster::Cluster;
use crate::cluster::tests::{model, registry};
use crate::model::cluster::Cluster as Model;
use crate::stats::EndpointStat;

const LOW: RoutingPriority = RoutingPriority::Default;

/// A worker with one cluster of one host, and the host.
struct World {
    listener: TcpListener,
    cluster: Rc<WorkerCluster>,
    host: Rc<WorkerHost>,
}

impl World {
    async fn new(change: impl FnOnce(&mut Model)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (cluster, host) = worker_of(&listener.local_addr().unwrap().to_string(), change);
        World { listener, cluster, host }
    }

    async fn connection(&self) -> Box<UpstreamConnection> {
        http1(obtain(&self.cluster, &self.host, LOW).unwrap().await.unwrap())
    }

    fn idle(&self) -> Option<Box<UpstreamConnection>> {
        take_idle(&self.host, LOW, now()).map(http1)
    }

    async fn accept(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    fn assert_counts<const N: usize>(&self, expected: [(ClusterStat, u64); N]) {
        let counted = expected.map(|(stat, _)| (stat, self.cluster.cluster.stats.value(stat)));
        assert_eq!(counted, expected);
    }

    fn of_host(&self, stat: EndpointStat) -> u64 {
        self.cluster.cluster.hosts[0].stats.value(stat)
    }
}

fn worker_of(address: &str, change: impl FnOnce(&mut Model)) -> (Rc<WorkerCluster>, Rc<WorkerHost>) {
    let registry = registry(1);
    let mut model = model("c", &[address]);
    change(&mut model);
    let compiled = Arc::new(Cluster::compile(&model, &registry, 1).unwrap());
    let cluster = Rc::new(WorkerCluster::new(&compiled, 0, 1));
    let host = Rc::clone(&cluster.hosts()[0]);
    (cluster, host)
}

fn run(test: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(test);
}

fn http1(upstream: Upstream) -> Box<UpstreamConnection> {
    let Upstream::Http1(connection) = upstream else { panic!("HTTP/2") };
    connection
}

fn check_in(connection: Box<UpstreamConnection>, now: Instant) {
    super::check_in(Upstream::Http1(connection), now);
}

fn now() -> Instant {
    Instant::now()
}

#[test]
fn a_connection_is_made_once_and_used_again() {
    run(async {
        let world = World::new(|_| ()).await;
        assert!(world.idle().is_none());
        let mut connection = world.connection().await;
        let id = connection.id();
        let permit = connection.request_permit().unwrap();
        world.assert_counts([(ClusterStat::UpstreamRqActive, 1), (ClusterStat::UpstreamRqPendingActive, 0)]);
        assert_eq!((world.of_host(EndpointStat::RqActive), world.host.active.get()), (1, 1));
        drop(permit);
        check_in(connection, now());
        assert_eq!(world.host.pool.idle_count(), 1);
        let mut connection = world.idle().unwrap();
        assert_eq!((connection.id(), world.idle().is_none()), (id, true));
        drop(connection.request_permit().unwrap());
        assert_eq!(connection.requests(), 2);
        connection.response_complete();
        drop(connection);
        world.assert_counts([
            (ClusterStat::UpstreamCxTotal, 1),
            (ClusterStat::UpstreamCxHttp1Total, 1),
            (ClusterStat::UpstreamCxActive, 0),
            (ClusterStat::UpstreamCxDestroyLocal, 1),
            (ClusterStat::UpstreamCxDestroyWithActiveRq, 0),
            (ClusterStat::UpstreamRqTotal, 2),
            (ClusterStat::UpstreamRqActive, 0),
            (ClusterStat::UpstreamRqPendingTotal, 1),
        ]);
        assert_eq!((world.of_host(EndpointStat::CxTotal), world.of_host(EndpointStat::RqTotal)), (1, 2));
    });
}

#[test]
fn the_most_recently_used_goes_first_and_priorities_are_apart() {
    run(async {
        let world = World::new(|_| ()).await;
        let (first, second) = (world.connection().await, world.connection().await);
        let id = first.id();
        check_in(second, now());
        check_in(first, now());
        assert_eq!(world.idle().unwrap().id(), id);
        assert!(take_idle(&world.host, RoutingPriority::High, now()).is_none());
    });
}

#[test]
fn at_the_limit_of_connections_those_who_wait_are_served_in_turn() {
    run(async {
        let world = World::new(|model| model.circuit_breakers_default.max_connections = 1).await;
        let connection = world.connection().await;
        let id = connection.id();
        let (mut first, mut second) = (
            obtain(&world.cluster, &world.host, LOW).unwrap(),
            obtain(&world.cluster, &world.host, LOW).unwrap(),
        );
        world.assert_counts([
            (ClusterStat::UpstreamCxOverflow, 2),
            (ClusterStat::UpstreamRqPendingActive, 2),
            (ClusterStat::CircuitBreakersDefaultCxOpen, 1),
        ]);
        check_in(connection, now());
        let connection = tokio::select! {
            biased;
            _ = &mut second => panic!("out of turn"),
            connection = &mut first => connection.unwrap(),
        };
        assert_eq!(connection.id(), id);
        // One that ends makes room for a new one.
        drop(connection);
        assert_ne!(second.await.unwrap().id(), id);
        world.assert_counts([
            (ClusterStat::UpstreamCxTotal, 2),
            (ClusterStat::CircuitBreakersDefaultCxOpen, 0),
        ]);
    });
}

#[test]
fn a_host_has_its_own_limit_and_a_pool_may_always_have_one() {
    run(async {
        let world = World::new(|model| {
            model.per_host_max_connections = Some(1);
            model.circuit_breakers_default.max_connections = 0;
        });
        let world = world.await;
        let connection = world.connection().await;
        let waiting = obtain(&world.cluster, &world.host, LOW).unwrap();
        assert_eq!(world.of_host(EndpointStat::CxActive), 1);
        check_in(connection, now());
        waiting.await.unwrap();
        world.assert_counts([(ClusterStat::UpstreamCxTotal, 1), (ClusterStat::UpstreamCxOverflow, 2)]);
    });
}

#[test]
fn a_refused_connection_fails_all_who_wait() {
    run(async {
        let World { listener, cluster, host } = World::new(|_| ()).await;
        drop(listener);
        let waiting = [(); 2].map(|()| obtain(&cluster, &host, LOW).unwrap());
        for obtain in waiting {
            let reason = "delayed connect error: Connection refused".to_owned();
            assert_eq!(obtain.await.unwrap_err(), PoolError::Connect { reason });
        }
        tokio::task::yield_now().await;
        let value = |stat| cluster.cluster.stats.value(stat);
        assert_eq!(value(ClusterStat::UpstreamRqPendingFailureEject), 2);
        assert_eq!(value(ClusterStat::UpstreamRqPendingActive), 0);
        assert_eq!(value(ClusterStat::UpstreamCxConnectFail), value(ClusterStat::UpstreamCxDestroyRemote));
        assert!(value(ClusterStat::UpstreamCxConnectFail) >= 1);
    });
}

#[test]
fn connecting_takes_no_longer_than_its_time_out() {
    let runtime =
        Builder::new_current_thread().enable_all().start_paused(true).build_local(LocalOptions::default());
    runtime.unwrap().block_on(async {
        // A listener whose queue is full does not answer.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let _first = std::net::TcpStream::connect(address).unwrap();
        let (cluster, host) = worker_of(&address.to_string(), |model| model.connect_timeout_ms = 250);
        let begin = tokio::time::Instant::now();
        let error = obtain(&cluster, &host, LOW).unwrap().await.unwrap_err();
        assert_eq!((error, begin.elapsed()), (PoolError::ConnectTimeout, Duration::from_millis(250)));
        let value = |stat| cluster.cluster.stats.value(stat);
        assert_eq!(value(ClusterStat::UpstreamCxConnectTimeout), 1);
        assert_eq!(
            (value(ClusterStat::UpstreamCxConnectFail), value(ClusterStat::UpstreamCxDestroyLocal)),
            (1, 1)
        );
        assert_eq!(connect_tcp(&cluster, &host, LOW, None).await.unwrap_err(), PoolError::ConnectTimeout);
        assert_eq!(value(ClusterStat::UpstreamCxActive), 0);
    });
}

#[test]
fn a_wait_that_is_given_up_leaves_an_idle_connection() {
    run(async {
        let world = World::new(|_| ()).await;
        drop(obtain(&world.cluster, &world.host, LOW).unwrap());
        world.assert_counts([
            (ClusterStat::UpstreamRqCancelled, 1),
            (ClusterStat::UpstreamRqPendingActive, 0),
            (ClusterStat::UpstreamCxActive, 1),
        ]);
        let _peer = world.accept().await;
        while world.host.pool.idle_count() == 0 {
            tokio::task::yield_now().await;
        }
        // Served, but not fetched any more: it goes back too.
        let connection = world.idle().unwrap();
        let waiting = obtain(&world.cluster, &world.host, LOW).unwrap();
        check_in(connection, now());
        assert_eq!(world.host.pool.idle_count(), 0);
        drop(waiting);
        assert_eq!(world.host.pool.idle_count(), 1);
    });
}

#[test]
fn what_the_peer_closes_while_idle_is_noticed() {
    run(async {
        for swept in [false, true] {
            let world = World::new(|_| ()).await;
            let connection = world.connection().await;
            check_in(connection, now());
            drop(world.accept().await);
            while world.host.pool.idle_count() == 1 {
                tokio::task::yield_now().await;
                match swept {
                    true => world.cluster.sweep(now()),
                    false => world.idle().into_iter().for_each(|alive| check_in(alive, now())),
                }
            }
            world.assert_counts([
                (ClusterStat::UpstreamCxDestroyRemote, 1),
                (ClusterStat::UpstreamCxDestroy, 1),
                (ClusterStat::UpstreamCxActive, 0),
            ]);
        }
    });
}

/// A host on a Unix domain socket, which has what is sent as soon as it is.
fn pair(most: u32, name: &str) -> (tokio::net::UnixListener, Rc<WorkerCluster>, Rc<WorkerHost>) {
    let name = format!("ferryman-pool-{name}-{}", std::process::id());
    let (cluster, host) =
        worker_of(&format!("@{name}"), |model| model.circuit_breakers_default.max_connections = most);
    (tokio::net::UnixListener::bind(format!("\0{name}")).unwrap(), cluster, host)
}

#[test]
fn what_comes_unasked_is_no_response() {
    run(async {
        let (listener, cluster, host) = pair(9, "unasked");
        let connection = obtain(&cluster, &host, LOW).unwrap().await.unwrap();
        let (upstream, _) = listener.accept().await.unwrap();
        super::check_in(connection, now());
        upstream.try_write(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        while let Some(unaware) = take_idle(&host, LOW, now()) {
            // The event loop has not asked yet.
            super::check_in(unaware, now());
            tokio::task::yield_now().await;
        }
        let stats = &cluster.cluster.stats;
        assert_eq!(stats.value(ClusterStat::UpstreamCxProtocolError), 1);
        assert_eq!(stats.value(ClusterStat::UpstreamCxDestroyLocal), 1);
        assert_eq!(stats.value(ClusterStat::UpstreamCxActive), 0);
    });
}

#[test]
fn what_comes_unasked_is_no_response_for_one_that_waits() {
    run(async {
        let (listener, cluster, host) = pair(1, "waits");
        let connection = obtain(&cluster, &host, LOW).unwrap().await.unwrap();
        let (upstream, _) = listener.accept().await.unwrap();
        let (id, waiting) = (connection.id(), obtain(&cluster, &host, LOW).unwrap());
        upstream.try_write(b"x").unwrap();
        super::check_in(connection, now());
        assert_ne!(waiting.await.unwrap().id(), id);
    });
}

#[test]
fn limits_of_requests_are_kept() {
    run(async {
        let world = World::new(|model| {
            model.max_requests_per_connection = Some(1);
            model.circuit_breakers_default.max_requests = 1;
        });
        let world = world.await;
        let (mut first, mut second) = (world.connection().await, world.connection().await);
        let permit = first.request_permit().unwrap();
        assert_eq!(second.request_permit().unwrap_err(), Overflow);
        drop(permit);
        check_in(first, now());
        check_in(second, now());
        assert_eq!(world.host.pool.idle_count(), 1);
        world.assert_counts([
            (ClusterStat::UpstreamCxMaxRequests, 1),
            (ClusterStat::UpstreamCxDestroyLocal, 1),
            (ClusterStat::UpstreamRqActiveOverflow, 1),
            (ClusterStat::UpstreamRqTotal, 1),
        ]);
        let world = World::new(|model| model.circuit_breakers_default.max_pending_requests = 0).await;
        assert_eq!(obtain(&world.cluster, &world.host, LOW).unwrap_err(), PoolError::Overflow);
        world.assert_counts([(ClusterStat::UpstreamRqPendingOverflow, 1), (ClusterStat::UpstreamCxTotal, 0)]);
    });
}

#[test]
fn connection_pools_are_limited_and_end_with_their_last_connection() {
    run(async {
        let world = World::new(|model| {
            model.circuit_breakers_default.max_connection_pools = Some(1);
            let twin = model.localities[0].endpoints[0].clone();
            model.localities[0].endpoints.push(twin);
        });
        let world = world.await;
        let connection = world.connection().await;
        let other = Rc::clone(&world.cluster.hosts()[1]);
        assert_eq!(obtain(&world.cluster, &other, LOW).unwrap_err(), PoolError::PoolOverflow);
        world.assert_counts([
            (ClusterStat::UpstreamCxPoolOverflow, 1),
            (ClusterStat::CircuitBreakersDefaultCxPoolOpen, 1),
        ]);
        drop(connection);
        world.assert_counts([(ClusterStat::CircuitBreakersDefaultCxPoolOpen, 0)]);
        obtain(&world.cluster, &other, LOW).unwrap().await.unwrap();
    });
}

#[test]
fn age_and_idleness_and_marks_end_connections() {
    run(async {
        let world = World::new(|model| {
            model.idle_timeout_ms = Some(1000);
            model.max_connection_duration_ms = Some(5000);
        });
        let world = world.await;
        let (first, second, mut third) =
            (world.connection().await, world.connection().await, world.connection().await);
        let later = |milliseconds| now() + Duration::from_millis(milliseconds);
        check_in(first, now());
        world.cluster.sweep(later(900));
        assert_eq!(world.host.pool.idle_count(), 1);
        world.cluster.sweep(later(1000));
        check_in(world.connection().await, later(1500));
        assert!(take_idle(&world.host, LOW, later(2500)).is_none(), "nobody has swept yet");
        check_in(second, later(4900));
        world.cluster.sweep(later(5000));
        third.close_notify();
        check_in(third, now());
        assert_eq!(world.host.pool.idle_count(), 0);
        world.assert_counts([
            (ClusterStat::UpstreamCxIdleTimeout, 2),
            (ClusterStat::UpstreamCxMaxDurationReached, 1),
            (ClusterStat::UpstreamCxCloseNotify, 1),
            (ClusterStat::UpstreamCxDestroyLocal, 4),
        ]);
    });
}

#[test]
fn a_cluster_that_drains_keeps_nothing() {
    run(async {
        let world = World::new(|_| ()).await;
        let (idle, busy) = (world.connection().await, world.connection().await);
        check_in(idle, now());
        world.cluster.drain();
        assert_eq!(world.host.pool.idle_count(), 0);
        check_in(busy, now());
        world.assert_counts([(ClusterStat::UpstreamCxActive, 0), (ClusterStat::UpstreamCxDestroyLocal, 2)]);
        assert_eq!(Rc::strong_count(&world.cluster), 1);
    });
}

#[test]
fn a_tcp_session_counts_as_a_request() {
    run(async {
        let world = World::new(|model| model.circuit_breakers_default.max_connections = 1).await;
        let mut upstream = connect_tcp(&world.cluster, &world.host, LOW, None).await.unwrap();
        assert_eq!(
            connect_tcp(&world.cluster, &world.host, LOW, None).await.unwrap_err(),
            PoolError::Overflow
        );
        world.assert_counts([
            (ClusterStat::UpstreamRqActive, 1),
            (ClusterStat::UpstreamRqPendingTotal, 1),
            (ClusterStat::UpstreamCxHttp1Total, 0),
            (ClusterStat::UpstreamCxOverflow, 1),
        ]);
        upstream.set_closed_by_remote();
        drop(upstream);
        world.assert_counts([
            (ClusterStat::UpstreamCxDestroyRemoteWithActiveRq, 1),
            (ClusterStat::UpstreamRqActive, 0),
            (ClusterStat::UpstreamCxActive, 0),
        ]);
    });
}
