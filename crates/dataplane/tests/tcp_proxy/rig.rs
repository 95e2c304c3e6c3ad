//! A TCP proxy on a worker of its own, with clients, hosts, statistics and an access log.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ferryman_dataplane::cluster::Cluster;
use ferryman_dataplane::drain::Drain;
use ferryman_dataplane::filters::network::tcp_proxy::{TcpProxy, WorkerTcpProxy};
use ferryman_dataplane::listener::CompileContext;
use ferryman_dataplane::model::access_log::{AccessLog, AccessLogEvents, LogFormat, Sink};
use ferryman_dataplane::model::address::Address as ModelAddress;
use ferryman_dataplane::model::bootstrap::{DrainStrategy, StatsConfig};
use ferryman_dataplane::model::cluster::{Cluster as ClusterModel, Endpoint, HealthStatus};
use ferryman_dataplane::model::format::FormatPart;
use ferryman_dataplane::model::listener::{TcpCluster, TcpProxy as TcpProxyModel};
use ferryman_dataplane::snapshot::Snapshot;
use ferryman_dataplane::stats::{ClusterStat, ClusterStats, Registry, Scope, TcpStat, TcpStats};
use ferryman_dataplane::stream_info::ConnectionInfo;
use ferryman_dataplane::transport_sockets::{RawBuffer, TransportSocket};
use ferryman_dataplane::worker::{Process, Worker};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::log_folder::LogFolder;

/// What the access log tells of a session.
const LOG: &[(&str, &str)] = &[
    ("flags", "RESPONSE_FLAGS"),
    ("received", "BYTES_RECEIVED"),
    ("sent", "BYTES_SENT"),
    ("cluster", "UPSTREAM_CLUSTER"),
    ("host", "UPSTREAM_HOST"),
    ("attempts", "UPSTREAM_REQUEST_ATTEMPT_COUNT"),
    ("failure", "UPSTREAM_TRANSPORT_FAILURE_REASON"),
    ("closed", "DOWNSTREAM_LOCAL_CLOSE_REASON"),
    ("close", "DOWNSTREAM_DETECTED_CLOSE_TYPE"),
    ("upstream_closed", "UPSTREAM_LOCAL_CLOSE_REASON"),
    ("upstream_close", "UPSTREAM_DETECTED_CLOSE_TYPE"),
    ("wire", "UPSTREAM_WIRE_BYTES_SENT"),
    ("type", "ACCESS_LOG_TYPE"),
];

/// A cluster of some hosts, as short as possible.
pub struct Hosts<'a> {
    pub name: &'a str,
    pub addresses: Vec<SocketAddr>,
    pub max_connections: u32,
}

pub fn hosts(name: &str, addresses: impl IntoIterator<Item = SocketAddr>) -> Hosts<'_> {
    Hosts { name, addresses: addresses.into_iter().collect(), max_connections: 1024 }
}

/// As the golden file has one, so that new fields need no change here.
fn golden_cluster() -> ClusterModel {
    #[derive(Deserialize)]
    struct Golden {
        clusters: Vec<ClusterModel>,
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/model/minimal.msgpack");
    let golden: Golden = rmp_serde::from_slice(&std::fs::read(path).expect("golden file")).expect("a model");
    golden.clusters.into_iter().next().expect("a cluster")
}

fn cluster_model(hosts: &Hosts<'_>) -> ClusterModel {
    let mut model = golden_cluster();
    hosts.name.clone_into(&mut model.name);
    hosts.name.clone_into(&mut model.stat_name);
    model.circuit_breakers_default.max_connections = hosts.max_connections;
    let endpoint = |address: &SocketAddr| Endpoint {
        metadata: None,
        address: ModelAddress::Socket {
            ip: address.ip().to_string(),
            port: address.port(),
            ipv4_compat: false,
            network_namespace: None,
        },
        hostname: String::new(),
        weight: 1,
        health_status: HealthStatus::Healthy,
        canary: false,
    };
    let locality = model.localities.first_mut().expect("a locality");
    locality.endpoints = hosts.addresses.iter().map(endpoint).collect();
    model
}

fn log_model(path: String) -> AccessLog {
    let mut format = Vec::new();
    for (key, operator) in LOG {
        format.push(FormatPart::Literal { text: format!("{key}=") });
        let name = (*operator).to_owned();
        format.push(FormatPart::Operator { name, argument: None, max_length: None });
        format.push(FormatPart::Literal { text: " ".to_owned() });
    }
    format.push(FormatPart::Literal { text: "\n".to_owned() });
    AccessLog {
        sink: Sink::File { path },
        format: LogFormat::Text { format, omit_empty_values: false },
        filter: None,
    }
}

pub struct Rig {
    worker: Rc<Worker>,
    proxy: Rc<WorkerTcpProxy>,
    folder: LogFolder,
    snapshot: Arc<Snapshot>,
    tcp: Scope<TcpStats>,
}

impl Rig {
    /// A proxy to the first of the clusters unless `configure` says otherwise.
    pub fn new(clusters: &[Hosts<'_>], configure: impl FnOnce(&mut TcpProxyModel)) -> Rig {
        let config = StatsConfig::default();
        let registry = Registry::new(&config, 1);
        let compile = |hosts: &Hosts<'_>| {
            Arc::new(Cluster::compile(&cluster_model(hosts), &registry, 1).expect("a cluster"))
        };
        let snapshot = Arc::new(Snapshot::new(clusters.iter().map(compile).collect()).expect("a snapshot"));
        let folder = LogFolder::new(Duration::from_secs(3600), 1 << 16);
        let mut model = TcpProxyModel {
            place: String::new(),
            stat_prefix: "t".to_owned(),
            clusters: vec![TcpCluster { name: clusters[0].name.to_owned(), weight: 1 }],
            idle_timeout_ms: None,
            max_downstream_connection_duration_ms: None,
            max_downstream_connection_duration_jitter_percentage: 0.0,
            backoff: None,
            connects_on_data: false,
            max_early_data_bytes: None,
            check_drain_close: false,
            proxy_protocol_tlvs: Vec::new(),
            proxy_protocol_tlv_merge_policy:
                ferryman_dataplane::model::upstream_connection::TlvMergePolicy::AddIfAbsent,
            max_connect_attempts: 1,
            tunneling: None,
            access_log: vec![log_model(folder.path("log"))],
            access_log_events: AccessLogEvents::default(),
        };
        configure(&mut model);
        let logs = folder.handle();
        let context = CompileContext {
            registry: &registry,
            snapshot: &snapshot,
            logs: &logs,
            shared_buckets: &ferryman_dataplane::token_bucket::SharedBuckets::default(),
        };
        let proxy = Arc::new(TcpProxy::compile(&model, 1 << 20, &context).expect("a proxy"));
        let tcp = registry.tcp("t");
        let drain = Drain::new(Duration::from_secs(1), DrainStrategy::Gradual);
        let process = Arc::new(Process::new(registry, drain));
        Rig {
            worker: Rc::new(Worker::new(0, process, folder.worker(), Arc::clone(&snapshot))),
            proxy: Rc::new(WorkerTcpProxy::new(&proxy, 0)),
            folder,
            snapshot,
            tcp,
        }
    }

    /// A client's connection, and the task that serves it.
    pub async fn connect(&self) -> (TcpStream, JoinHandle<()>) {
        let (accepted, client) = connection().await;
        let local = accepted.local_addr().expect("address").into();
        let remote = accepted.peer_addr().expect("address").into();
        let socket = TransportSocket::RawBuffer(RawBuffer::Tcp(accepted));
        let mut info = ConnectionInfo::new(1, local, remote, Instant::now(), SystemTime::now());
        let (worker, proxy) = (Rc::clone(&self.worker), Rc::clone(&self.proxy));
        let served = tokio::task::spawn_local(async move { proxy.serve(&worker, socket, &mut info).await });
        (client, served)
    }

    pub fn tcp(&self, stat: TcpStat) -> u64 {
        self.tcp.value(stat)
    }

    pub fn cluster(&self, name: &str) -> Scope<ClusterStats> {
        self.snapshot.cluster_by_name(name).expect("a cluster").stats.clone()
    }

    /// How many upstream connections ended, by the host and by us.
    pub fn ended(&self, name: &str) -> (u64, u64) {
        let stats = self.cluster(name);
        (stats.value(ClusterStat::UpstreamCxDestroyRemote), stats.value(ClusterStat::UpstreamCxDestroyLocal))
    }

    /// The lines of the access log, without the fields that are unset.
    pub fn log(self) -> Vec<String> {
        self.worker.logs.flush();
        let text = self.folder.finish().read("log");
        let line = |line: &str| {
            let is_told = |field: &&str| !field.ends_with("=-") && !field.ends_with("=Normal");
            line.split(' ').filter(is_told).collect::<Vec<_>>().join(" ").trim_end().to_owned()
        };
        text.lines().map(line).collect()
    }
}

/// Both ends of a connection.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (accepted, connected) = tokio::join!(listener.accept(), TcpStream::connect(address));
    (accepted.expect("accepted").0, connected.expect("connected"))
}

/// A host that accepts.
pub async fn host() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// The address of a host that refuses: bound, so that nobody else gets it, but not listening.
pub fn refusing() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("bound");
    let address = socket.local_addr().expect("an address").as_socket().expect("an IP address");
    (socket, address)
}

/// A host that does not answer: its queue of connections is full.
pub fn silent() -> (Vec<socket2::Socket>, SocketAddr) {
    let (listener, address) = refusing();
    listener.listen(0).expect("listening");
    let mut sockets = vec![listener];
    for _ in 0..4 {
        let client =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        client.set_nonblocking(true).expect("set");
        // It is under way, and stays so.
        let _ = client.connect(&address.into());
        sockets.push(client);
    }
    (sockets, address)
}

/// Runs a test on one thread, as workers run; what does not end fails.
pub fn run(test: impl Future<Output = ()> + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), test).await.expect("it ends") });
}
