//! What is done with a connection at the moment at which it is accepted.

use std::future::poll_fn;
use std::time::Duration;

use super::*;
use crate::access_loggers::LogWriter;
use crate::cluster::Cluster;
use crate::drain::Drain;
use crate::listener::{CompileContext, Listener};
use crate::model;
use crate::model::bootstrap::{Bootstrap, DrainStrategy};
use crate::snapshot::Snapshot;
use crate::stats::Registry;
use crate::transport_sockets::RawBuffer;
use crate::worker::Process;

#[derive(serde::Deserialize)]
struct Golden {
    bootstrap: Bootstrap,
    clusters: Vec<model::cluster::Cluster>,
    listeners: Vec<model::listener::Listener>,
}

/// A worker that is told to end in the same tick must wait for it.
#[tokio::test(flavor = "local")]
async fn a_connection_is_open_before_it_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/model/minimal.msgpack");
    let golden: Golden = rmp_serde::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let registry = Registry::new(&golden.bootstrap.stats, 1);
    let clusters = golden.clusters.iter().map(|of| Cluster::compile(of, &registry, 1).map(Arc::new));
    let snapshot = Arc::new(Snapshot::new(clusters.collect::<Result<_, _>>().unwrap()).unwrap());
    let log_writer = LogWriter::start(Duration::from_secs(1), 1 << 16, &registry).unwrap();
    let logs = log_writer.handle();
    let context = CompileContext {
        registry: &registry,
        snapshot: &snapshot,
        logs: &logs,
        shared_buckets: &crate::token_bucket::SharedBuckets::default(),
    };
    let listener = Arc::new(Listener::compile(golden.listeners[0].clone(), &context).unwrap());
    let drain = Drain::new(Duration::ZERO, DrainStrategy::Immediate);
    let process = Arc::new(Process::new(Arc::clone(&registry), drain));
    let worker = Rc::new(Worker::new(0, process, logs.worker(), Arc::clone(&snapshot)));
    let serving = WorkerListener::start(&worker, &listener, Vec::new());

    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = tokio::net::TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
    let (accepted, remote) = socket.accept().await.unwrap();
    let local = Address::of_connection(accepted.local_addr().unwrap());
    let accepted = TransportSocket::RawBuffer(RawBuffer::Tcp(accepted));
    begin(&serving, &worker, accepted, local, Address::of_connection(remote));
    assert_eq!(worker.connections.count(), 1);
    drop(client);
    poll_fn(|cx| worker.connections.poll_empty(cx)).await;
}
