//! Listeners: addresses on which connections come in, and what is done with them.
//!
//! Owns: accepting, the choice of the filter chain, counting connections. Does not own: binding (`listener/bind.rs`), what
//! filters do (`filters::network`).
//! Follows Envoy's page "Listeners".

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use crate::access_loggers::{AccessLogSet, LogWriterHandle};
use crate::application_log::{self, Component, Level, OfConnection, log_at};
use crate::connection_id::next_connection_id;
use crate::drain::OpenConnection;
use crate::filter_chain::{ConnectionFacts, FilterChainMatcher};
use crate::filters::network::{NetworkFilter, ServeConnection, WorkerNetworkFilter};
use crate::format::{AccessLogType, FormatContext};
use crate::model;
use crate::model::listener::TrafficDirection;
use crate::random::thread_random;
use crate::snapshot::Snapshot;
use crate::stats::{
    ListenerExtensionStat, ListenerExtensionStats, ListenerHistogram, ListenerStat, ListenerStats,
    ListenerWorkerStat, ListenerWorkerStats, LocalScope, Registry, Scope,
};
use crate::stream_info::{Address, ConnectionInfo, ResponseFlag, StreamInfo, TimePoint};
use crate::transport_sockets::{RawBuffer, TransportSocket};
use crate::worker::Worker;

pub mod bind;

pub use bind::{BindError, BoundSocket};

/// How long accepting pauses when the system has no more file descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// What compiling a listener needs to know of everything else.
#[derive(Debug)]
pub struct CompileContext<'a> {
    /// The statistics.
    pub registry: &'a Arc<Registry>,
    /// The clusters that routes name.
    pub snapshot: &'a Arc<Snapshot>,
    /// Where access logs are opened.
    pub logs: &'a LogWriterHandle,
}

/// A compiled listener, shared by all workers.
#[derive(Debug)]
pub struct Listener {
    /// Its name.
    pub name: Arc<str>,
    /// As Python made it.
    pub model: model::listener::Listener,
    chains: Vec<FilterChain>,
    default_chain: Option<FilterChain>,
    matcher: FilterChainMatcher,
    access_log: AccessLogSet,
    stats: Scope<ListenerStats>,
    extension_stats: Scope<ListenerExtensionStats>,
    worker_stats: Vec<Scope<ListenerWorkerStats>>,
}

#[derive(Debug)]
struct FilterChain {
    name: Arc<str>,
    /// None: its connections are closed.
    filter: Option<NetworkFilter>,
}

impl FilterChain {
    fn compile(
        model: &model::listener::FilterChain,
        listener: &str,
        limit: usize,
        context: &CompileContext<'_>,
    ) -> Result<Self, String> {
        let filter = match model.filters.as_slice() {
            [] => None,
            [filter] => Some(NetworkFilter::compile(filter, listener, limit, context)?),
            _ => return Err(format!("filter chain '{}' must have at most one network filter", model.name)),
        };
        Ok(FilterChain { name: model.name.as_str().into(), filter })
    }
}

impl Listener {
    /// Compiles a listener; nothing is bound.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn compile(model: model::listener::Listener, context: &CompileContext<'_>) -> Result<Self, String> {
        let at = |text: String| format!("{}: listener '{}': {text}", model.place, model.name);
        let limit = usize::try_from(model.per_connection_buffer_limit_bytes).unwrap_or(usize::MAX);
        let prefix = stat_prefix(&model);
        let compile = |chain| FilterChain::compile(chain, &prefix, limit, context).map_err(at);
        let registry = context.registry;
        Ok(Listener {
            name: model.name.as_str().into(),
            chains: model.filter_chains.iter().map(compile).collect::<Result<_, _>>()?,
            default_chain: model.default_filter_chain.as_ref().map(compile).transpose()?,
            matcher: FilterChainMatcher::compile(&model.filter_chains).map_err(at)?,
            access_log: AccessLogSet::open(&model.access_log, context.logs)
                .map_err(|error| at(error.to_string()))?,
            stats: registry.listener(&prefix),
            extension_stats: registry.listener_extension(&prefix),
            worker_stats: (0..registry.workers())
                .map(|worker| registry.listener_worker(&prefix, &format!("worker_{worker}")))
                .collect(),
            model,
        })
    }
}

/// How the listener's statistics are called: as the configuration says, or by its first address.
fn stat_prefix(model: &model::listener::Listener) -> String {
    if !model.stat_prefix.is_empty() {
        return model.stat_prefix.clone();
    }
    match model.addresses.first() {
        Some(model::address::Address::Socket { ip, port, .. }) if ip.contains(':') => {
            format!("[{ip}]:{port}")
        }
        Some(model::address::Address::Socket { ip, port, .. }) => format!("{ip}:{port}"),
        Some(model::address::Address::Pipe { path, .. }) => path.clone(),
        None => model.name.clone(),
    }
}

/// A listener on one worker.
#[derive(Debug)]
pub struct WorkerListener {
    listener: Arc<Listener>,
    chains: Vec<WorkerFilterChain>,
    default_chain: Option<WorkerFilterChain>,
    stats: LocalScope<ListenerStats>,
    worker_stats: Option<LocalScope<ListenerWorkerStats>>,
    accepting: RefCell<Vec<AbortHandle>>,
}

#[derive(Debug)]
struct WorkerFilterChain {
    name: Arc<str>,
    filter: Option<WorkerNetworkFilter>,
}

impl WorkerFilterChain {
    fn new(chain: &FilterChain, worker: usize) -> Self {
        let filter = chain.filter.as_ref().map(|filter| filter.on_worker(worker));
        WorkerFilterChain { name: Arc::clone(&chain.name), filter }
    }
}

impl WorkerListener {
    /// Starts to accept.
    pub fn start(worker: &Rc<Worker>, listener: &Arc<Listener>, sockets: Vec<BoundSocket>) -> Rc<Self> {
        let index = worker.index;
        let this = Rc::new(WorkerListener {
            chains: listener.chains.iter().map(|chain| WorkerFilterChain::new(chain, index)).collect(),
            default_chain: listener.default_chain.as_ref().map(|chain| WorkerFilterChain::new(chain, index)),
            stats: listener.stats.local(index),
            worker_stats: listener.worker_stats.get(index).map(|scope| scope.local(index)),
            listener: Arc::clone(listener),
            accepting: RefCell::default(),
        });
        for socket in sockets {
            match socket.into_accepting() {
                Ok(socket) => {
                    let task =
                        tokio::task::spawn_local(accept_loop(Rc::clone(&this), Rc::clone(worker), socket));
                    this.accepting.borrow_mut().push(task.abort_handle());
                }
                Err(error) => {
                    let text = format!("listener '{}': cannot accept: {error}", listener.name);
                    application_log::write(Component::Main, Level::Critical, text);
                }
            }
        }
        this
    }

    /// Whether it takes traffic from outside the mesh.
    #[must_use]
    pub fn is_inbound(&self) -> bool {
        self.listener.model.traffic_direction == TrafficDirection::Inbound
    }

    /// Accepts no more and closes its sockets; connections go on.
    pub fn stop(&self) {
        self.accepting.borrow_mut().drain(..).for_each(|task| task.abort());
    }

    fn find_chain(&self, info: &ConnectionInfo) -> Option<&WorkerFilterChain> {
        let facts = ConnectionFacts {
            local: &info.local_address,
            remote: &info.remote_address,
            direct_remote: &info.direct_remote_address,
            transport_protocol: "raw_buffer",
        };
        match self.listener.matcher.find(&facts) {
            Some(index) => self.chains.get(index),
            None => self.default_chain.as_ref(),
        }
    }

    fn log(&self, worker: &Worker, info: &mut ConnectionInfo) {
        let Some(mut stream) = info.stream.take() else { return };
        let now = Instant::now();
        stream.mark(TimePoint::RequestComplete, now);
        let context = FormatContext::new(&stream, info, AccessLogType::NotSet, now, thread_random);
        self.listener.access_log.log(&worker.logs, &context);
    }
}

/// Counts one connection for as long as it is open.
struct Counted {
    listener: Rc<WorkerListener>,
    start: Instant,
}

impl Counted {
    fn new(listener: &Rc<WorkerListener>, start: Instant) -> Self {
        listener.stats.inc(ListenerStat::DownstreamCxTotal);
        listener.stats.inc(ListenerStat::DownstreamCxActive);
        // Listed from the first connection on; without listener filters none is ever between accepting and filters.
        listener.stats.add(ListenerStat::DownstreamPreCxActive, 0);
        if let Some(stats) = &listener.worker_stats {
            stats.inc(ListenerWorkerStat::DownstreamCxTotal);
            stats.inc(ListenerWorkerStat::DownstreamCxActive);
        }
        Counted { listener: Rc::clone(listener), start }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let stats = &self.listener.stats;
        stats.dec(ListenerStat::DownstreamCxActive);
        stats.inc(ListenerStat::DownstreamCxDestroy);
        let lasted = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        stats.record(ListenerHistogram::DownstreamCxLengthMs, lasted);
        if let Some(stats) = &self.listener.worker_stats {
            stats.dec(ListenerWorkerStat::DownstreamCxActive);
        }
    }
}

/// A socket that connections are taken from.
pub(crate) enum Accepting {
    /// TCP; the address it is bound to, when that is every connection's local address too.
    Tcp(tokio::net::TcpListener, Option<Address>),
    /// A Unix domain socket and its path.
    Unix(tokio::net::UnixListener, Address),
}

impl Accepting {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TransportSocket, Address, Address)>> {
        match self {
            Self::Tcp(listener, bound) => listener.poll_accept(cx).map(|accepted| {
                let (stream, remote) = accepted?;
                let local = match bound {
                    Some(address) => address.clone(),
                    None => Address::of_connection(stream.local_addr()?),
                };
                let remote = Address::of_connection(remote);
                Ok((TransportSocket::RawBuffer(RawBuffer::Tcp(stream)), local, remote))
            }),
            Self::Unix(listener, bound) => listener.poll_accept(cx).map(|accepted| {
                let (stream, _) = accepted?;
                let socket = TransportSocket::RawBuffer(RawBuffer::Unix(stream));
                // A client that has bound no path is told by ours, as by Envoy.
                let remote = socket.remote_address().ok().filter(|remote| !remote.is_unnamed());
                Ok((socket, bound.clone(), remote.unwrap_or_else(|| bound.clone())))
            }),
        }
    }
}

async fn accept_loop(listener: Rc<WorkerListener>, worker: Rc<Worker>, socket: Accepting) {
    let most = listener.listener.model.max_connections_to_accept_per_socket_event.unwrap_or(u32::MAX);
    let in_a_row = Cell::new(0u32);
    loop {
        let accepted = poll_fn(|cx| {
            let poll = socket.poll_accept(cx);
            if poll.is_pending() && in_a_row.get() > 0 {
                let batch = u64::from(in_a_row.replace(0));
                listener.stats.record(ListenerHistogram::ConnectionsAcceptedPerSocketEvent, batch);
            }
            poll
        })
        .await;
        match accepted {
            Ok((socket, local, remote)) => {
                // A panic here must not end the accepting.
                worker.contain(|| spawn_connection(&listener, &worker, socket, local, remote));
                in_a_row.set(in_a_row.get() + 1);
                if in_a_row.get() >= most {
                    let batch = u64::from(in_a_row.replace(0));
                    listener.stats.record(ListenerHistogram::ConnectionsAcceptedPerSocketEvent, batch);
                    tokio::task::yield_now().await;
                }
            }
            // The client is gone again.
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                let name = &listener.listener.name;
                let text =
                    format!("listener '{name}': accepting pauses for {} ms: {error}", PAUSE.as_millis());
                application_log::write(Component::ConnHandler, Level::Warning, text);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether the error is the accepted connection's, not the listening socket's or the system's.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotConnected
    )
}

fn spawn_connection(
    listener: &Rc<WorkerListener>,
    worker: &Rc<Worker>,
    socket: TransportSocket,
    local: Address,
    remote: Address,
) {
    let start = Instant::now();
    // Boxed: what async functions take by value is in their memory more than once.
    let mut info =
        Box::new(ConnectionInfo::new(next_connection_id(), local, remote, start, worker.clock.wall(start)));
    info.listener_name = Arc::clone(&listener.listener.name);
    if !listener.listener.access_log.is_empty() {
        info.stream = Some(Box::new(StreamInfo::new(info.start, info.start_time)));
    }
    log_at!(
        ConnHandler,
        Debug,
        "{} new connection from {} to {}, listener '{}'",
        OfConnection(info.id),
        info.remote_address,
        info.local_address,
        info.listener_name,
    );
    let Some(chain) = listener.find_chain(&info) else {
        log_at!(
            ConnHandler,
            Debug,
            "{} closing connection from {}: no matching filter chain found",
            OfConnection(info.id),
            info.remote_address,
        );
        listener.stats.inc(ListenerStat::NoFilterChainMatch);
        if let Some(stream) = &mut info.stream {
            stream.set_flag(ResponseFlag::NoRouteFound);
            stream.response_code_details = "filter_chain_not_found".into();
        }
        return listener.log(worker, &mut info);
    };
    info.filter_chain_name = Arc::clone(&chain.name);
    log_at!(ConnHandler, Trace, "{} filter chain '{}' chosen", OfConnection(info.id), chain.name);
    let open = worker.connections.open();
    let connection =
        Connection { worker: Rc::clone(worker), info, counted: Counted::new(listener, start), _open: open };
    match &chain.filter {
        Some(WorkerNetworkFilter::HttpConnectionManager(filter)) => {
            tokio::task::spawn_local(serve(Rc::clone(filter), connection, socket));
        }
        Some(WorkerNetworkFilter::TcpProxy(filter)) => {
            tokio::task::spawn_local(serve(Rc::clone(filter), connection, socket));
        }
        None => {
            let stats = &listener.listener.extension_stats;
            stats.add(ListenerExtensionStat::NetworkExtensionConfigMissing, 1);
        }
    }
}

/// An accepted connection.
struct Connection {
    worker: Rc<Worker>,
    info: Box<ConnectionInfo>,
    counted: Counted,
    _open: OpenConnection,
}

impl Drop for Connection {
    /// Logs: also what the end of the process cuts short.
    fn drop(&mut self) {
        log_at!(
            Connection,
            Debug,
            "{} closed after {} ms{}{}",
            OfConnection(self.info.id),
            self.info.start.elapsed().as_millis(),
            if self.info.local_close_reason.is_empty() { "" } else { ": " },
            self.info.local_close_reason,
        );
        self.counted.listener.log(&self.worker, &mut self.info);
    }
}

/// Serves a connection until its end. One function a filter, so that each connection takes the memory of its own.
async fn serve<F: ServeConnection>(filter: Rc<F>, mut connection: Connection, socket: TransportSocket) {
    let worker = &connection.worker;
    let served = pin!(filter.serve(worker, socket, &mut connection.info));
    worker.contain_panic(served).await;
}

#[cfg(test)]
mod tests;
