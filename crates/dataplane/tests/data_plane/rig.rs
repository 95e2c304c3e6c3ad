//! A worker with one listener, driven by the test on its own thread.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ferryman_dataplane::access_loggers::LogWriter;
use ferryman_dataplane::cluster::Cluster;
use ferryman_dataplane::drain::Drain;
use ferryman_dataplane::filters::http::{FilterCompileContext, HttpFilters, NamedFilter};
use ferryman_dataplane::filters::network::http_connection_manager::{
    HttpConnectionManager, WorkerHttpConnectionManager,
};
use ferryman_dataplane::listener::CompileContext;
use ferryman_dataplane::model::address::Address as ModelAddress;
use ferryman_dataplane::model::bootstrap::{Bootstrap, DrainStrategy};
use ferryman_dataplane::model::http_connection_manager as hcm;
use ferryman_dataplane::model::listener::{Listener, NetworkFilter};
use ferryman_dataplane::model::{self};
use ferryman_dataplane::snapshot::Snapshot;
use ferryman_dataplane::stats::Registry;
use ferryman_dataplane::stream_info::{Address, ConnectionInfo};
use ferryman_dataplane::transport_sockets::{RawBuffer, TransportSocket};
use ferryman_dataplane::worker::{Process, Worker};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::AbortHandle;

#[derive(Deserialize)]
pub struct Golden {
    pub bootstrap: Bootstrap,
    pub clusters: Vec<model::cluster::Cluster>,
    pub listeners: Vec<Listener>,
}

pub fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/model/minimal.msgpack");
    rmp_serde::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The connection manager of the golden file.
pub fn connection_manager() -> hcm::HttpConnectionManager {
    let filter = golden().listeners.remove(0).filter_chains.remove(0).filters.remove(0);
    match filter {
        NetworkFilter::HttpConnectionManager(model) => *model,
        _ => panic!("an HTTP connection manager is expected"),
    }
}

/// Runs a test's body on a runtime like a worker's.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), test).await.expect("in time") });
}

pub struct Rig {
    pub worker: Rc<Worker>,
    pub manager: Rc<WorkerHttpConnectionManager>,
    pub upstream: TcpListener,
    _log_writer: LogWriter,
}

impl Rig {
    pub async fn new(model: &hcm::HttpConnectionManager, filters: Vec<NamedFilter>) -> Self {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut golden = golden();
        golden.clusters[0].localities[0].endpoints[0].address = ModelAddress::Socket {
            ip: "127.0.0.1".to_owned(),
            port: upstream.local_addr().unwrap().port(),
            ipv4_compat: false,
            network_namespace: None,
        };
        let registry = Registry::new(&golden.bootstrap.stats, 1);
        let clusters = golden.clusters.iter().map(|of| Cluster::compile(of, &registry, 1).map(Arc::new));
        let snapshot = Arc::new(Snapshot::new(clusters.collect::<Result<_, _>>().unwrap()).unwrap());
        let log_writer = LogWriter::start(Duration::from_secs(1), 1 << 16, &registry).unwrap();
        let logs = log_writer.handle();
        let context = CompileContext {
            registry: &registry,
            snapshot: &snapshot,
            logs: &logs,
            shared_buckets: &ferryman_dataplane::token_bucket::SharedBuckets::default(),
        };
        let mut compiled = HttpConnectionManager::compile(model, "test", 1 << 20, &context).unwrap();
        compiled.filters = HttpFilters::new(filters, compiled.filters.router.clone()).unwrap();
        let of_filters = FilterCompileContext { name: "", process: &context, stat_prefix: "test" };
        compiled.routes.set_filters(model, &compiled.filters, &of_filters).unwrap();
        let process = Arc::new(Process::new(registry, Drain::new(Duration::ZERO, DrainStrategy::Immediate)));
        Rig {
            worker: Rc::new(Worker::new(0, process, logs.worker(), snapshot)),
            manager: Rc::new(WorkerHttpConnectionManager::new(&Arc::new(compiled), 0)),
            upstream,
            _log_writer: log_writer,
        }
    }

    /// A client's connection; the proxy serves the other end.
    pub async fn connect(&self) -> TcpStream {
        self.connect_with_task().await.0
    }

    /// The same, with the task that serves it.
    pub async fn connect_with_task(&self) -> (TcpStream, AbortHandle) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (served, remote) = listener.accept().await.unwrap();
        let (worker, manager) = (Rc::clone(&self.worker), Rc::clone(&self.manager));
        let task = tokio::task::spawn_local(async move {
            let local = Address::Ip(served.local_addr().unwrap());
            let start = Instant::now();
            let mut info = ConnectionInfo::new(1, local, Address::Ip(remote), start, SystemTime::now());
            let socket = TransportSocket::RawBuffer(RawBuffer::Tcp(served));
            worker.contain_panic(std::pin::pin!(manager.serve(&worker, socket, &mut info))).await;
        });
        (client, task.abort_handle())
    }
}

/// Reads until what was read ends with `end`.
pub async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    let mut block = [0; 4096];
    while !text.ends_with(end.as_bytes()) {
        let count = socket.read(&mut block).await.unwrap();
        assert!(count > 0, "the end came after {:?}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&block[..count]);
    }
    String::from_utf8(text).unwrap()
}

/// Reads until the other end closes.
pub async fn read_all(socket: &mut TcpStream) -> String {
    let mut text = Vec::new();
    socket.read_to_end(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

pub async fn write(socket: &mut TcpStream, text: &str) {
    socket.write_all(text.as_bytes()).await.unwrap();
}
