//! Listeners: addresses on which connections come in, and what is done with them.
//!
//! Owns: what is compiled of a listener, and the choice of the filter chain. Does not own: binding (`bind`), accepting
//! (`accepting`), the connections (`connection`), what filters do (`filters`).
//! Follows Envoy's page "Listeners".

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::AbortHandle;

use crate::access_loggers::{AccessLogSet, LogWriterHandle};
use crate::application_log::{self, Component, Level};
use crate::filter_chain::{ConnectionFacts, FilterChainMatcher, Found};
use crate::filters::listener::{ListenerFilters, WorkerListenerFilters};
use crate::filters::network::read_filters::{ReadFilters, WorkerReadFilters};
use crate::filters::network::{NetworkFilter, WorkerNetworkFilter};
use crate::format::{AccessLogType, FormatContext};
use crate::model;
use crate::model::listener::TrafficDirection;
use crate::model::metadata::Metadata;
use crate::random::thread_random;
use crate::snapshot::Snapshot;
use crate::stats::{ListenerExtensionStats, ListenerStats, ListenerWorkerStats, LocalScope, Registry, Scope};
use crate::stream_info::{Address, ConnectionInfo, InternalAddress, TimePoint};
use crate::token_bucket::SharedBuckets;
use crate::transport_sockets::tls::downstream::{DownstreamContext, Place, WorkerDownstreamTls};
use crate::worker::Worker;

mod accepting;
pub mod bind;
mod connection;
mod connection_limits;
pub(crate) mod exact_balance;
pub mod internal;
mod udp;

use accepting::accept_loop;
pub use bind::{BindError, BoundSocket};
use connection_limits::ConnectionLimits;
use exact_balance::ExactBalance;
use udp::{UdpListener, WorkerUdpListener};

/// What compiling a listener needs to know of everything else.
#[derive(Debug)]
pub struct CompileContext<'a> {
    /// The statistics.
    pub registry: &'a Arc<Registry>,
    /// The clusters that routes name.
    pub snapshot: &'a Arc<Snapshot>,
    /// Where access logs are opened.
    pub logs: &'a LogWriterHandle,
    /// What filters of several chains take tokens from.
    pub shared_buckets: &'a SharedBuckets,
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
    metadata: Option<Arc<Metadata>>,
    filters: ListenerFilters,
    limits: ConnectionLimits,
    balance: Option<Arc<ExactBalance>>,
    /// None: connections come in, not datagrams.
    udp: Option<UdpListener>,
    access_log: AccessLogSet,
    stats: Scope<ListenerStats>,
    extension_stats: Scope<ListenerExtensionStats>,
    worker_stats: Vec<Scope<ListenerWorkerStats>>,
}

#[derive(Debug)]
struct FilterChain {
    name: Arc<str>,
    metadata: Option<Arc<Metadata>>,
    read_filters: ReadFilters,
    /// None: its connections are closed.
    filter: Option<NetworkFilter>,
    tls: Option<Arc<DownstreamContext>>,
}

impl FilterChain {
    fn compile(
        model: &model::listener::FilterChain,
        number: usize,
        listener: &str,
        listener_name: &str,
        limit: usize,
        context: &CompileContext<'_>,
    ) -> Result<Self, String> {
        let (read_filters, filter) = match model.filters.as_slice() {
            [] => (ReadFilters::default(), None),
            [before @ .., last] => (
                ReadFilters::compile(before, context)?,
                Some(NetworkFilter::compile(last, listener, limit, context)?),
            ),
        };
        let compile_tls = |tls| {
            let place = Place { listener, listener_name, chain: (&model.name, number) };
            let timeout_ms = model.transport_socket_connect_timeout_ms;
            DownstreamContext::compile(tls, timeout_ms, place, context.registry)
        };
        Ok(FilterChain {
            name: model.name.as_str().into(),
            metadata: model.metadata.clone().map(Arc::new),
            read_filters,
            filter,
            tls: model.tls.as_deref().map(compile_tls).transpose()?,
        })
    }
}

impl Listener {
    /// What TLS its filter chains speak.
    pub fn tls_contexts(&self) -> impl Iterator<Item = &Arc<DownstreamContext>> {
        self.chains.iter().chain(&self.default_chain).filter_map(|chain| chain.tls.as_ref())
    }

    /// Compiles a listener; nothing is bound.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn compile(model: model::listener::Listener, context: &CompileContext<'_>) -> Result<Self, String> {
        let at = |text: String| format!("{}: listener '{}': {text}", model.place, model.name);
        let limit = usize::try_from(model.per_connection_buffer_limit_bytes).unwrap_or(usize::MAX);
        let prefix = stat_prefix(&model);
        let _matching = context.registry.matching(model.stats_matcher.as_ref());
        let compile = |(number, chain)| {
            FilterChain::compile(chain, number, &prefix, &model.name, limit, context).map_err(at)
        };
        let registry = context.registry;
        Ok(Listener {
            name: model.name.as_str().into(),
            metadata: model.metadata.clone().map(Arc::new),
            chains: model.filter_chains.iter().enumerate().map(compile).collect::<Result<_, _>>()?,
            default_chain: model
                .default_filter_chain
                .as_ref()
                .map(|chain| compile((usize::MAX, chain)))
                .transpose()?,
            matcher: match &model.filter_chain_matcher {
                None => FilterChainMatcher::compile(&model.filter_chains),
                Some(tree) => FilterChainMatcher::compile_tree(tree, &model.filter_chains, registry),
            }
            .map_err(at)?,
            filters: ListenerFilters::compile(
                &model.listener_filters,
                model.listener_filters_timeout_ms,
                model.continue_on_listener_filters_timeout,
                context,
            )
            .map_err(at)?,
            limits: ConnectionLimits::new(&model, registry),
            balance: model.exact_balance.then(|| ExactBalance::new(registry.workers())),
            udp: model
                .udp
                .as_ref()
                .map(|udp| UdpListener::compile(&model, udp, &prefix, context))
                .transpose()
                .map_err(at)?,
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

fn socket_address(address: &model::address::Address) -> Option<SocketAddr> {
    match address {
        model::address::Address::Socket { ip, port, .. } => model::address::socket_address(ip, *port),
        model::address::Address::Pipe { .. } | model::address::Address::Internal { .. } => None,
    }
}

/// Which of the worker's listeners has this address: one that has just that, or one of all addresses.
fn listener_of(worker: &Worker, address: &Address) -> Option<Rc<WorkerListener>> {
    let listeners = worker.listeners.borrow();
    let best = listeners.iter().filter_map(|listener| Some((listener.fits(address)?, listener)));
    // Of several, the first.
    best.rev().max_by_key(|(is_exact, _)| *is_exact).map(|(_, listener)| Rc::clone(listener))
}

impl Listener {
    /// Its addresses as configured.
    #[must_use]
    pub fn configured_addresses(&self) -> Vec<Address> {
        let addresses = self.model.addresses.iter().map(|address| match address {
            model::address::Address::Pipe { path, .. } => Some(Address::Pipe(path.as_str().into())),
            model::address::Address::Internal { listener, endpoint_id } => {
                Some(Address::Internal(InternalAddress::new(listener, endpoint_id)))
            }
            address @ model::address::Address::Socket { .. } => socket_address(address).map(Address::Ip),
        });
        addresses.flatten().collect()
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
        Some(model::address::Address::Internal { listener, .. }) => format!("envoy_internal_{listener}"),
        None => model.name.clone(),
    }
}

/// A listener on one worker.
#[derive(Debug)]
pub struct WorkerListener {
    listener: Arc<Listener>,
    chains: Vec<WorkerFilterChain>,
    default_chain: Option<WorkerFilterChain>,
    filters: WorkerListenerFilters,
    udp: Option<Rc<WorkerUdpListener>>,
    stats: LocalScope<ListenerStats>,
    worker_stats: Option<LocalScope<ListenerWorkerStats>>,
    accepting: RefCell<Vec<AbortHandle>>,
    index: usize,
}

#[derive(Debug)]
struct WorkerFilterChain {
    name: Arc<str>,
    metadata: Option<Arc<Metadata>>,
    read_filters: WorkerReadFilters,
    filter: Option<WorkerNetworkFilter>,
    tls: Option<Rc<WorkerDownstreamTls>>,
}

impl WorkerFilterChain {
    fn new(chain: &FilterChain, worker: usize) -> Self {
        let filter = chain.filter.as_ref().map(|filter| filter.on_worker(worker));
        let read_filters = chain.read_filters.on_worker(worker);
        let metadata = chain.metadata.clone();
        let tls = chain.tls.as_ref().map(|tls| Rc::new(tls.on_worker(worker)));
        WorkerFilterChain { name: Arc::clone(&chain.name), metadata, read_filters, filter, tls }
    }
}

impl WorkerListener {
    /// Starts to accept.
    pub fn start(worker: &Rc<Worker>, listener: &Arc<Listener>, sockets: Vec<BoundSocket>) -> Rc<Self> {
        let index = worker.index;
        let this = Rc::new(WorkerListener {
            chains: listener.chains.iter().map(|chain| WorkerFilterChain::new(chain, index)).collect(),
            default_chain: listener.default_chain.as_ref().map(|chain| WorkerFilterChain::new(chain, index)),
            filters: listener.filters.on_worker(index),
            udp: listener.udp.as_ref().map(|udp| udp.on_worker(worker)),
            stats: listener.stats.local(index),
            worker_stats: listener.worker_stats.get(index).map(|scope| scope.local(index)),
            listener: Arc::clone(listener),
            accepting: RefCell::default(),
            index,
        });
        if let Some(balance) = &listener.balance {
            let handed = exact_balance::receive(Rc::clone(&this), Rc::clone(worker), balance.join(index));
            tokio::task::spawn_local(handed);
        }
        if listener.model.internal_buffer_bytes.is_some() {
            internal::serve_on(worker);
        }
        if let Some(udp) = &this.udp {
            *this.accepting.borrow_mut() = udp.start(worker, &listener.name, sockets);
            return this;
        }
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

    /// How well it fits a connection to this address: not at all, as the listener of all addresses, or exactly.
    fn fits(&self, address: &Address) -> Option<bool> {
        let Address::Ip(address) = address else { return None };
        if self.udp.is_some() {
            return None;
        }
        let own = self.listener.model.addresses.iter().filter_map(socket_address);
        own.filter(|own| own.port() == address.port() && own.is_ipv4() == address.is_ipv4())
            .filter_map(|own| {
                let is_exact = own.ip() == address.ip();
                (is_exact || own.ip().is_unspecified()).then_some(is_exact)
            })
            .max()
    }

    /// Accepts no more and closes its sockets; connections go on, what datagrams have begun ends.
    pub fn stop(&self) {
        if let Some(balance) = &self.listener.balance {
            balance.leave(self.index);
        }
        self.accepting.borrow_mut().drain(..).for_each(|task| task.abort());
        if let Some(udp) = &self.udp {
            udp.close();
        }
    }

    fn find_chain(&self, info: &ConnectionInfo) -> Option<&WorkerFilterChain> {
        let protocols: Vec<&str> = info.requested_application_protocols.iter().map(String::as_str).collect();
        let facts = ConnectionFacts {
            local: &info.local_address,
            remote: &info.remote_address,
            direct_remote: &info.direct_remote_address,
            transport_protocol: match info.detected_transport_protocol {
                "" => "raw_buffer",
                detected => detected,
            },
            server_name: &info.requested_server_name,
            application_protocols: &protocols,
            filter_state: &info.filter_state,
        };
        match self.listener.matcher.find(&facts) {
            Found::Chain(index) => self.chains.get(index),
            Found::Default => self.default_chain.as_ref(),
            Found::Nowhere => None,
        }
    }

    fn log(&self, worker: &Worker, info: &mut ConnectionInfo) {
        let Some(mut stream) = info.stream.take() else { return };
        let now = Instant::now();
        stream.mark(TimePoint::RequestComplete, now);
        stream.dynamic_metadata = info.told_metadata().clone();
        let context = FormatContext::new(&stream, info, AccessLogType::NotSet, now, thread_random);
        self.listener.access_log.log(&worker.logs, &context);
        if let Some(session_log) = &info.session_log {
            let access_log_type = AccessLogType::TcpConnectionEnd;
            session_log.log(&worker.logs, &FormatContext { access_log_type, ..context });
        }
    }
}
