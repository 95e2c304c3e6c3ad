//! Network filters: what is done with the bytes of a connection. This is the one list of them.
//!
//! Adding one is a file here, a line in each of these enums and a file in `ferryman/config/filters/`.

use std::rc::Rc;

use crate::listener::CompileContext;
use crate::model;
use crate::stream_info::ConnectionInfo;
use crate::transport_sockets::TransportSocket;
use crate::worker::Worker;

pub mod http_connection_manager;
pub mod tcp_proxy;

use http_connection_manager::{HttpConnectionManager, WorkerHttpConnectionManager};
use tcp_proxy::{TcpProxy, WorkerTcpProxy};

/// A compiled network filter, shared by all workers.
#[derive(Debug)]
pub enum NetworkFilter {
    /// `envoy.filters.network.http_connection_manager`
    HttpConnectionManager(std::sync::Arc<HttpConnectionManager>),
    /// `envoy.filters.network.tcp_proxy`
    TcpProxy(std::sync::Arc<TcpProxy>),
}

/// A network filter on one worker.
#[derive(Debug)]
pub enum WorkerNetworkFilter {
    /// `envoy.filters.network.http_connection_manager`
    HttpConnectionManager(Rc<WorkerHttpConnectionManager>),
    /// `envoy.filters.network.tcp_proxy`
    TcpProxy(Rc<WorkerTcpProxy>),
}

impl NetworkFilter {
    /// Compiles a filter for a listener whose statistics are called `listener` and whose connections buffer up to `limit`
    /// bytes in each direction.
    ///
    /// # Errors
    /// What is wrong with the filter's configuration.
    pub fn compile(
        model: &model::listener::NetworkFilter,
        listener: &str,
        limit: usize,
        context: &CompileContext<'_>,
    ) -> Result<Self, String> {
        Ok(match model {
            model::listener::NetworkFilter::HttpConnectionManager(model) => {
                let compiled = HttpConnectionManager::compile(model, listener, limit, context)?;
                Self::HttpConnectionManager(std::sync::Arc::new(compiled))
            }
            model::listener::NetworkFilter::TcpProxy(model) => {
                Self::TcpProxy(std::sync::Arc::new(TcpProxy::compile(model, limit, context)?))
            }
        })
    }

    /// The filter for one worker.
    #[must_use]
    pub fn on_worker(&self, worker: usize) -> WorkerNetworkFilter {
        match self {
            Self::HttpConnectionManager(filter) => WorkerNetworkFilter::HttpConnectionManager(Rc::new(
                WorkerHttpConnectionManager::new(filter, worker),
            )),
            Self::TcpProxy(filter) => {
                WorkerNetworkFilter::TcpProxy(Rc::new(WorkerTcpProxy::new(filter, worker)))
            }
        }
    }
}

/// A network filter that serves whole connections: the last of its chain.
pub(crate) trait ServeConnection {
    /// Serves a connection until its end.
    async fn serve(&self, worker: &Rc<Worker>, socket: TransportSocket, info: &mut ConnectionInfo);
}

impl ServeConnection for WorkerHttpConnectionManager {
    async fn serve(&self, worker: &Rc<Worker>, socket: TransportSocket, info: &mut ConnectionInfo) {
        WorkerHttpConnectionManager::serve(self, worker, socket, info).await;
    }
}

impl ServeConnection for WorkerTcpProxy {
    async fn serve(&self, worker: &Rc<Worker>, socket: TransportSocket, info: &mut ConnectionInfo) {
        WorkerTcpProxy::serve(self, worker, socket, info).await;
    }
}
