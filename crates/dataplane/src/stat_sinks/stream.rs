//! Lines over a connection to a host of a cluster.
//!
//! Owns: what waits to be sent, its limit, and connecting again. Does not own: connections to hosts (`connection_pool`).
//! Follows: Envoy's `StatsdSink.tcp_cluster_name`: while there is no host to send to, lines are dropped.

use std::future::poll_fn;
use std::io::IoSlice;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::cluster::WorkerCluster;
use crate::connection_pool::{TcpUpstream, connect_tcp};
use crate::snapshot::WorkerSnapshot;
use crate::stats::ClusterStat;

/// What may wait, as in Envoy: beyond it the connection is given up and all of it dropped.
const WAITING_LIMIT: usize = 16 << 20;

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Vec<u8>>,
    more: Notify,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Vec<u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where lines are put.
#[derive(Debug)]
pub(super) struct StreamQueue(Arc<Shared>);

impl StreamQueue {
    pub(super) fn write(&self, line: &[u8]) {
        let mut waiting = self.0.waiting();
        if waiting.len() + line.len() < WAITING_LIMIT {
            waiting.extend_from_slice(line);
            waiting.push(b'\n');
        }
    }

    pub(super) fn flush(&self) {
        self.0.more.notify_one();
    }
}

/// Where they are taken, to be sent.
#[derive(Debug)]
pub(crate) struct StreamFeed {
    shared: Arc<Shared>,
    cluster: Box<str>,
}

pub(super) fn queue(cluster: &str) -> (StreamQueue, StreamFeed) {
    let shared = Arc::new(Shared::default());
    (StreamQueue(Arc::clone(&shared)), StreamFeed { shared, cluster: cluster.into() })
}

impl StreamFeed {
    /// Sends until it is dropped.
    pub(crate) async fn run(self, snapshot: Rc<WorkerSnapshot>) {
        let mut connection = None;
        loop {
            self.shared.more.notified().await;
            let lines = std::mem::take(&mut *self.shared.waiting());
            if lines.is_empty() {
                continue;
            }
            if connection.is_none() {
                connection = self.connect(&snapshot).await;
            }
            if let Some(upstream) = &mut connection {
                if send(upstream, &lines).await.is_err() {
                    connection = None;
                }
            }
        }
    }

    async fn connect(&self, snapshot: &WorkerSnapshot) -> Option<TcpUpstream> {
        let cluster: &Rc<WorkerCluster> = snapshot.cluster_by_name(&self.cluster)?;
        let host = cluster.choose_host()?;
        connect_tcp(cluster, &host, crate::model::route::RoutingPriority::Default, None).await.ok()
    }
}

async fn send(upstream: &mut TcpUpstream, lines: &[u8]) -> std::io::Result<()> {
    let mut sent = 0;
    while let Some(rest @ [_, ..]) = lines.get(sent..) {
        let written = poll_fn(|cx| upstream.socket.poll_write(cx, &[IoSlice::new(rest)])).await?;
        if written == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        sent += written;
        let written = u64::try_from(written).unwrap_or(u64::MAX);
        upstream.cluster().stats.add(ClusterStat::UpstreamCxTxBytesTotal, written);
    }
    Ok(())
}
