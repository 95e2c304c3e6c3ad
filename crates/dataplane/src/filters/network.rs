//! Network filters: what is done with the bytes of a connection. This is the list of those that end a chain; the others are
//! listed in `read_filters`.
//!
//! Adding one is a file here, a line in each of these enums and a file in `ferryman/config/filters/`.

use std::rc::Rc;

use crate::listener::CompileContext;
use crate::model;
use crate::stream_info::{ConnectionInfo, ResponseFlag};
use crate::transport_sockets::TransportSocket;
use crate::worker::Worker;

pub mod connection_limit;
pub mod direct_response;
pub mod echo;
pub mod http_connection_manager;
pub mod local_ratelimit;
pub mod rbac;
pub mod read_filters;
pub mod set_filter_state;
pub mod tcp_proxy;

use direct_response::DirectResponse;
use echo::Echo;
use http_connection_manager::{HttpConnectionManager, WorkerHttpConnectionManager};
use tcp_proxy::{TcpProxy, WorkerTcpProxy};

/// A compiled network filter that ends its chain, shared by all workers.
#[derive(Debug)]
pub enum NetworkFilter {
    /// `envoy.filters.network.http_connection_manager`
    HttpConnectionManager(std::sync::Arc<HttpConnectionManager>),
    /// `envoy.filters.network.tcp_proxy`
    TcpProxy(std::sync::Arc<TcpProxy>),
    /// `envoy.filters.network.direct_response`
    DirectResponse(DirectResponse),
    /// `envoy.filters.network.echo`
    Echo(Echo),
}

/// A network filter on one worker.
#[derive(Debug)]
pub enum WorkerNetworkFilter {
    /// `envoy.filters.network.http_connection_manager`
    HttpConnectionManager(Rc<WorkerHttpConnectionManager>),
    /// `envoy.filters.network.tcp_proxy`
    TcpProxy(Rc<WorkerTcpProxy>),
    /// `envoy.filters.network.direct_response`
    DirectResponse(Rc<DirectResponse>),
    /// `envoy.filters.network.echo`
    Echo(Rc<Echo>),
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
            model::listener::NetworkFilter::DirectResponse(model) => {
                Self::DirectResponse(DirectResponse::compile(model))
            }
            model::listener::NetworkFilter::Echo(_) => Self::Echo(Echo::new(limit)),
            model::listener::NetworkFilter::ConnectionLimit(_)
            | model::listener::NetworkFilter::LocalRatelimit(_)
            | model::listener::NetworkFilter::Rbac(_)
            | model::listener::NetworkFilter::SetFilterState(_) => {
                return Err("the last network filter does not end the chain".to_owned());
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
            Self::DirectResponse(filter) => WorkerNetworkFilter::DirectResponse(Rc::new(filter.on_worker())),
            Self::Echo(filter) => WorkerNetworkFilter::Echo(Rc::new(*filter)),
        }
    }
}

/// A network filter that serves whole connections: the last of its chain.
pub(crate) trait ServeConnection {
    /// Serves a connection until its end.
    async fn serve(&self, worker: &Rc<Worker>, socket: TransportSocket, info: &mut ConnectionInfo);

    /// Counts and logs a connection that a filter before this one has refused, for the reason of the flag.
    fn refuse(&self, worker: &Rc<Worker>, info: &mut ConnectionInfo, flag: Option<ResponseFlag>);
}

impl ServeConnection for WorkerHttpConnectionManager {
    async fn serve(&self, worker: &Rc<Worker>, socket: TransportSocket, info: &mut ConnectionInfo) {
        WorkerHttpConnectionManager::serve(self, worker, socket, info).await;
    }

    fn refuse(&self, _worker: &Rc<Worker>, info: &mut ConnectionInfo, _flag: Option<ResponseFlag>) {
        WorkerHttpConnectionManager::refuse(self, info);
    }
}

impl ServeConnection for WorkerTcpProxy {
    async fn serve(&self, worker: &Rc<Worker>, socket: TransportSocket, info: &mut ConnectionInfo) {
        WorkerTcpProxy::serve(self, worker, socket, info).await;
    }

    fn refuse(&self, worker: &Rc<Worker>, info: &mut ConnectionInfo, flag: Option<ResponseFlag>) {
        WorkerTcpProxy::refuse(self, worker, info, flag);
    }
}
