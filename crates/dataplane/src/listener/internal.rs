//! Connections from within the process: an internal listener has no address that others could reach.
//!
//! Owns: finding the listener by its name on this worker, and what its new connections know from the cluster that they
//! come from. Does not own: the sockets (`transport_sockets::internal`), serving them (`connection`).
//! Follows Envoy's page "Internal listener" and its `envoy.bootstrap.internal_listener`.
//!
//! A connection stays on the worker that makes it, so nothing is shared between threads.

use std::cell::RefCell;
use std::io;
use std::rc::{Rc, Weak};
use std::time::Instant;

use super::{WorkerListener, connection};
use crate::connection_id::next_connection_id;
use crate::stream_info::dynamic_metadata::DynamicMetadata;
use crate::stream_info::filter_state::FilterState;
use crate::stream_info::{Address, ConnectionInfo, InternalAddress};
use crate::transport_sockets::{InternalSocket, RawBuffer, TransportSocket};
use crate::worker::Worker;

/// What Envoy calls the near end of every connection to an internal listener.
const CLIENT: &str = "internal_client_address";

thread_local! {
    /// The worker of this thread, once it serves an internal listener.
    static SERVING: RefCell<Weak<Worker>> = const { RefCell::new(Weak::new()) };
}

/// What the connection gets from the one that leads to it (Envoy: `envoy.transport_sockets.internal_upstream`).
#[derive(Debug, Default)]
pub struct PassedOn {
    /// Metadata of the host and the cluster.
    pub metadata: DynamicMetadata,
    /// The objects that are shared with upstream connections.
    pub filter_state: FilterState,
}

/// The worker serves an internal listener from now on.
pub(super) fn serve_on(worker: &Rc<Worker>) {
    SERVING.with_borrow_mut(|serving| *serving = Rc::downgrade(worker));
}

/// Connects to an internal listener of this worker; it begins to serve the connection at once.
///
/// # Errors
/// `EINVAL`, as of Envoy: this worker serves no internal listener of that name, or that has closed it at once.
pub fn connect(address: &InternalAddress, passed_on: PassedOn) -> io::Result<RawBuffer> {
    let found = SERVING.with_borrow(Weak::upgrade).and_then(|worker| {
        let listener = find(&worker, &address.listener)?;
        Some((worker, listener))
    });
    let Some((worker, listener)) = found else { return Err(io::Error::from_raw_os_error(libc::EINVAL)) };
    let limit = listener.listener.model.internal_buffer_bytes.unwrap_or_default();
    let client = Address::Internal(InternalAddress::new(CLIENT, ""));
    let server = Address::Internal(InternalAddress::new(&address.listener, &address.endpoint_id));
    let (ours, theirs) = InternalSocket::pair(limit, &client, &server);
    if !connection::is_full(&listener) {
        let start = Instant::now();
        let wall = worker.clock.wall(start);
        let mut info = Box::new(ConnectionInfo::new(next_connection_id(), server, client, start, wall));
        info.dynamic_metadata = passed_on.metadata;
        info.filter_state = passed_on.filter_state;
        let socket = TransportSocket::RawBuffer(RawBuffer::Internal(Box::new(theirs)));
        // A panic of the listener is not one of who connects.
        worker.contain(|| connection::begin_with(&listener, &worker, socket, info));
    } else {
        drop(theirs);
    }
    if ours.is_abandoned() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    Ok(RawBuffer::Internal(Box::new(ours)))
}

fn find(worker: &Worker, name: &str) -> Option<Rc<WorkerListener>> {
    let listeners = worker.listeners.borrow();
    let mut found = listeners.iter().filter(|listener| {
        listener.listener.model.internal_buffer_bytes.is_some() && &*listener.listener.name == name
    });
    found.next().map(Rc::clone)
}
