//! One connection, from the moment when it was accepted to its end.
//!
//! Owns: what it meets in which order (listener filters, filter chain, network filter), how it is counted meanwhile, and
//! the listener's access log. Does not own: accepting (`accepting`), what filters do (`filters`).
//! Follows Envoy's pages "Listener filters" and "Listener stats".

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::connection_limits::Reached;
use super::exact_balance::Place;
use super::{WorkerFilterChain, WorkerListener, listener_of};
use crate::application_log::{OfConnection, log_at};
use crate::connection_id::next_connection_id;
use crate::drain::{DrainedBy, OpenConnection};
use crate::error::ErrorKind;
use crate::filters::listener::{Failure, Passed, Progress};
use crate::filters::network::read_filters::{Held, Refusal};
use crate::filters::network::{ServeConnection, WorkerNetworkFilter};
use crate::stats::{ListenerExtensionStat, ListenerHistogram, ListenerStat, ListenerWorkerStat};
use crate::stream_info::{Address, Cause, ConnectionInfo, ResponseFlag, StreamInfo};
use crate::transport_sockets::TransportSocket;
use crate::transport_sockets::tls::{TlsConnection, TlsSocket};
use crate::worker::Worker;

mod remember;

use remember::remember;

/// Begins to serve a connection that was accepted: what needs no byte of it at once, the rest in a task of its own.
pub(super) fn begin(
    listener: &Rc<WorkerListener>,
    worker: &Rc<Worker>,
    socket: TransportSocket,
    local: Address,
    remote: Address,
) {
    if is_full(listener) {
        return;
    }
    let Some(balance) = &listener.listener.balance else {
        return begin_here(listener, worker, socket, local, remote, None);
    };
    let place = balance.choose(worker.index);
    if place.worker() == worker.index {
        begin_here(listener, worker, socket, local, remote, Some(place));
    } else {
        balance.hand_over(place, socket, local, remote);
    }
}

/// Whether there is no room for one more connection, which is counted.
pub(super) fn is_full(listener: &WorkerListener) -> bool {
    let Some(reached) = listener.listener.limits.reached() else { return false };
    listener.stats.inc(match reached {
        Reached::Own => ListenerStat::DownstreamCxOverflow,
        Reached::Global => ListenerStat::DownstreamGlobalCxOverflow,
    });
    true
}

/// Begins to serve a connection that is this worker's.
pub(super) fn begin_here(
    listener: &Rc<WorkerListener>,
    worker: &Rc<Worker>,
    socket: TransportSocket,
    local: Address,
    remote: Address,
    place: Option<Place>,
) {
    let start = Instant::now();
    // Boxed: what async functions take by value is in their memory more than once.
    let mut info =
        Box::new(ConnectionInfo::new(next_connection_id(), local, remote, start, worker.clock.wall(start)));
    info.place = place;
    begin_with(listener, worker, socket, info);
}

/// The same, of which something is known already.
pub(super) fn begin_with(
    listener: &Rc<WorkerListener>,
    worker: &Rc<Worker>,
    socket: TransportSocket,
    mut info: Box<ConnectionInfo>,
) {
    enter(listener, &mut info);
    log_at!(
        ConnHandler,
        Debug,
        "{} new connection from {} to {}, listener '{}'",
        OfConnection(info.id),
        info.remote_address,
        info.local_address,
        info.listener_name,
    );
    apply_filters(listener, worker, socket, info);
}

/// From here on the connection is this listener's.
fn enter(listener: &WorkerListener, info: &mut ConnectionInfo) {
    info.listener_name = Arc::clone(&listener.listener.name);
    info.listener_metadata.clone_from(&listener.listener.metadata);
    info.drained_by = DrainedBy {
        modify_only: listener.listener.model.drains_on_modification_only,
        inbound: listener.is_inbound(),
    };
    let is_logged = !listener.listener.access_log.is_empty();
    info.stream = is_logged.then(|| Box::new(StreamInfo::new(info.start, info.start_time)));
}

fn apply_filters(
    listener: &Rc<WorkerListener>,
    worker: &Rc<Worker>,
    socket: TransportSocket,
    mut info: Box<ConnectionInfo>,
) {
    if listener.filters.is_empty() {
        return pass(listener, worker, socket, info);
    }
    match listener.filters.accept(&socket, &mut info) {
        Progress::Passed => pass(listener, worker, socket, info),
        Progress::Closed => listener.log(worker, &mut info),
        Progress::Waiting(filter) => {
            let waiting = Waiting::new(listener, worker, info);
            tokio::task::spawn_local(filter_connection(waiting, socket, filter));
        }
    }
}

/// The listener filters have let it pass: it stays here, or goes once to the listener of where it was headed.
fn pass(
    listener: &Rc<WorkerListener>,
    worker: &Rc<Worker>,
    socket: TransportSocket,
    mut info: Box<ConnectionInfo>,
) {
    let hands_over = listener.listener.model.use_original_dst && info.local_address_restored;
    if !hands_over || info.handed_over {
        return choose_chain(listener, worker, socket, info);
    }
    match listener_of(worker, &info.local_address) {
        Some(other) => {
            info.handed_over = true;
            info.place = other.listener.balance.as_ref().map(|balance| balance.take(worker.index));
            enter(&other, &mut info);
            apply_filters(&other, worker, socket, info);
        }
        None => choose_chain(listener, worker, socket, info),
    }
}

/// A connection of which listener filters want to see bytes. Dropping it logs it, unless it has gone on.
struct Waiting {
    listener: Rc<WorkerListener>,
    worker: Rc<Worker>,
    info: Option<Box<ConnectionInfo>>,
}

impl Waiting {
    fn new(listener: &Rc<WorkerListener>, worker: &Rc<Worker>, info: Box<ConnectionInfo>) -> Self {
        listener.stats.inc(ListenerStat::DownstreamPreCxActive);
        Waiting { listener: Rc::clone(listener), worker: Rc::clone(worker), info: Some(info) }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.listener.stats.dec(ListenerStat::DownstreamPreCxActive);
        if let Some(info) = &mut self.info {
            self.listener.log(&self.worker, info);
        }
    }
}

async fn filter_connection(mut waiting: Waiting, mut socket: TransportSocket, first: usize) {
    let (listener, worker) = (Rc::clone(&waiting.listener), Rc::clone(&waiting.worker));
    let Some(info) = &mut waiting.info else { return };
    let mut passed = None;
    {
        let reading = pin!(async {
            passed = Some(listener.filters.read(first, &mut socket, info).await);
        });
        worker.contain_panic(reading).await;
    }
    let stats = &listener.stats;
    if matches!(passed, Some(Ok(Passed::TimedOut) | Err(Failure::TimedOut))) {
        stats.inc(ListenerStat::DownstreamPreCxTimeout);
    }
    if let (Some(Err(failure)), Some(info)) = (&passed, &waiting.info) {
        let id = OfConnection(info.id);
        log_at!(ConnHandler, Debug, "{id} closed before its filter chain was chosen: {failure:?}");
    }
    match passed {
        Some(Ok(_)) => {
            let Some(info) = waiting.info.take() else { return };
            drop(waiting);
            worker.contain(|| pass(&listener, &worker, socket, info));
        }
        Some(Err(Failure::RemoteClose)) => stats.inc(ListenerStat::DownstreamListenerFilterRemoteClose),
        Some(Err(Failure::Error(_))) => stats.inc(ListenerStat::DownstreamListenerFilterError),
        Some(Err(Failure::Closed | Failure::TimedOut)) | None => {}
    }
}

fn choose_chain(
    listener: &Rc<WorkerListener>,
    worker: &Rc<Worker>,
    socket: TransportSocket,
    mut info: Box<ConnectionInfo>,
) {
    let Some(chain) = listener.find_chain(&info) else {
        log_at!(
            ConnHandler,
            Debug,
            "{} closing connection from {}: no matching filter chain found",
            OfConnection(info.id),
            info.remote_address,
        );
        listener.stats.inc(ListenerStat::NoFilterChainMatch);
        listener.stats.add(ListenerStat::DownstreamPreCxActive, 0);
        if let Some(stream) = &mut info.stream {
            stream.set_flag(ResponseFlag::NoRouteFound);
            stream.response_code_details = "filter_chain_not_found".into();
        }
        remember(worker, &listener.listener, &info, Cause::Error(ErrorKind::RouteNotFound));
        return listener.log(worker, &mut info);
    };
    info.filter_chain_name = Arc::clone(&chain.name);
    info.filter_chain_metadata.clone_from(&chain.metadata);
    log_at!(ConnHandler, Trace, "{} filter chain '{}' chosen", OfConnection(info.id), chain.name);
    let socket = encrypted(chain, socket, &mut info);
    let counted = Counted::new(listener, info.start);
    let open = worker.connections.open();
    let connection = Connection { worker: Rc::clone(worker), info, counted, held: None, _open: open };
    let serving = Serving { connection, socket, chain };
    match &chain.filter {
        Some(WorkerNetworkFilter::HttpConnectionManager(filter)) => serving.spawn(filter),
        Some(WorkerNetworkFilter::TcpProxy(filter)) => serving.spawn(filter),
        Some(WorkerNetworkFilter::DirectResponse(filter)) => serving.spawn(filter),
        Some(WorkerNetworkFilter::Echo(filter)) => serving.spawn(filter),
        None => {
            let stats = &listener.listener.extension_stats;
            stats.add(ListenerExtensionStat::NetworkExtensionConfigMissing, 1);
        }
    }
}

/// The socket as the filters of the chain get it.
fn encrypted(
    chain: &WorkerFilterChain,
    socket: TransportSocket,
    info: &mut ConnectionInfo,
) -> TransportSocket {
    match (&chain.tls, socket) {
        (Some(tls), TransportSocket::RawBuffer(socket)) => {
            let connection = Rc::<TlsConnection>::default();
            info.tls = Some(Rc::clone(&connection));
            TransportSocket::Tls(Box::new(TlsSocket::accept(socket, tls, connection)))
        }
        (_, socket) => socket,
    }
}

/// A connection and the filters that it is about to meet.
struct Serving<'a> {
    connection: Connection,
    socket: TransportSocket,
    chain: &'a WorkerFilterChain,
}

impl Serving<'_> {
    /// Serves the connection in a task of its own, if the filters before `last` let it pass.
    fn spawn<F: ServeConnection + 'static>(mut self, last: &Rc<F>) {
        if !self.chain.read_filters.is_empty() {
            let info = &mut *self.connection.info;
            match self.chain.read_filters.on_new_connection(info) {
                Ok(mut held) => {
                    self.socket = held.watch(self.socket, info);
                    self.connection.held = Some(Box::new(held));
                }
                Err(refusal) => return self.refuse(&**last, refusal),
            }
        }
        tokio::task::spawn_local(serve(Rc::clone(last), self.connection, self.socket));
    }

    fn refuse<F: ServeConnection>(mut self, last: &F, refusal: Refusal) {
        let Connection { worker, info, counted, .. } = &mut self.connection;
        info.local_close_reason = refusal.reason.into();
        if let (Some(stream), Some(flag)) = (&mut info.stream, refusal.flag) {
            stream.set_flag(flag);
        }
        last.refuse(worker, info, refusal.flag);
        remember(worker, &counted.listener.listener, info, Cause::LocalReply);
        let Some(delay) = refusal.delay else { return };
        let (connection, socket) = (self.connection, self.socket);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(delay).await;
            drop((connection, socket));
        });
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

/// A connection that has its filter chain.
struct Connection {
    worker: Rc<Worker>,
    info: Box<ConnectionInfo>,
    counted: Counted,
    held: Option<Box<Held>>,
    _open: OpenConnection,
}

impl Drop for Connection {
    /// Logs: also what the end of the process cuts short.
    fn drop(&mut self) {
        // Filters that do not know of it leave this to us.
        if self.info.note_filter_close().is_some() {
            remember(&self.worker, &self.counted.listener.listener, &self.info, Cause::LocalReply);
        }
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
