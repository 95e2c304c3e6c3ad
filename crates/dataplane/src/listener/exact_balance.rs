//! The same number of connections for each worker.
//!
//! Owns: how many connections of a listener each worker has, the choice of the one with the fewest, and the way there.
//! Does not own: accepting (`accepting`), what is done with a connection (`connection`).
//! Follows Envoy's `Listener.ConnectionBalanceConfig.ExactBalance`: of several with the fewest, the first.
//!
//! All workers take this one lock for each connection, so it is for few connections that live long, as Envoy says.

use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{WorkerListener, connection};
use crate::stream_info::Address;
use crate::transport_sockets::{RawBuffer, TransportSocket};
use crate::worker::Worker;

/// The connections of one listener.
#[derive(Debug)]
pub(super) struct ExactBalance {
    seats: Mutex<Vec<Seat>>,
}

/// One worker's share.
#[derive(Debug, Default)]
struct Seat {
    connections: usize,
    /// None: the worker does not serve the listener.
    inbox: Option<UnboundedSender<Handed>>,
}

/// A connection's place among those of its worker, until it is dropped.
#[derive(Debug)]
pub struct Place {
    balance: Arc<ExactBalance>,
    worker: usize,
}

impl Place {
    /// The worker that the connection belongs to.
    pub(super) fn worker(&self) -> usize {
        self.worker
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(seat) = self.balance.seats().get_mut(self.worker) {
            seat.connections = seat.connections.saturating_sub(1);
        }
    }
}

/// A connection on its way from the worker that accepted it.
#[derive(Debug)]
pub(super) struct Handed {
    socket: Unregistered,
    local: Address,
    remote: Address,
    place: Place,
}

/// A socket that no event loop knows.
#[derive(Debug)]
enum Unregistered {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Unregistered {
    fn new(socket: TransportSocket) -> io::Result<Option<Self>> {
        Ok(match socket {
            TransportSocket::RawBuffer(RawBuffer::Tcp(stream)) => Some(Self::Tcp(stream.into_std()?)),
            TransportSocket::RawBuffer(RawBuffer::Unix(stream)) => Some(Self::Unix(stream.into_std()?)),
            _ => None,
        })
    }

    fn register(self) -> io::Result<TransportSocket> {
        Ok(TransportSocket::RawBuffer(match self {
            Self::Tcp(stream) => RawBuffer::Tcp(tokio::net::TcpStream::from_std(stream)?),
            Self::Unix(stream) => RawBuffer::Unix(tokio::net::UnixStream::from_std(stream)?),
        }))
    }
}

impl ExactBalance {
    pub(super) fn new(workers: usize) -> Arc<Self> {
        Arc::new(ExactBalance { seats: Mutex::new((0..workers).map(|_| Seat::default()).collect()) })
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place with this very worker.
    pub(super) fn take(self: &Arc<Self>, worker: usize) -> Place {
        if let Some(seat) = self.seats().get_mut(worker) {
            seat.connections += 1;
        }
        Place { balance: Arc::clone(self), worker }
    }

    /// A place with the worker that has the fewest connections; `own` when none serves the listener.
    pub(super) fn choose(self: &Arc<Self>, own: usize) -> Place {
        let mut seats = self.seats();
        let serving = seats.iter_mut().enumerate().filter(|(_, seat)| seat.inbox.is_some());
        let fewest = serving.min_by_key(|(_, seat)| seat.connections);
        let worker = fewest.map_or(own, |(worker, seat)| {
            seat.connections += 1;
            worker
        });
        Place { balance: Arc::clone(self), worker }
    }

    /// Sends a connection to the worker that has a place for it. One that has just ceased to serve closes it.
    pub(super) fn hand_over(&self, place: Place, socket: TransportSocket, local: Address, remote: Address) {
        let Ok(Some(socket)) = Unregistered::new(socket) else { return };
        let inbox = self.seats().get(place.worker).and_then(|seat| seat.inbox.clone());
        if let Some(inbox) = inbox {
            drop(inbox.send(Handed { socket, local, remote, place }));
        }
    }

    /// The worker serves from now on; what it is handed comes here.
    pub(super) fn join(&self, worker: usize) -> UnboundedReceiver<Handed> {
        let (sender, inbox) = unbounded_channel();
        if let Some(seat) = self.seats().get_mut(worker) {
            seat.inbox = Some(sender);
        }
        inbox
    }

    /// The worker accepts no more.
    pub(super) fn leave(&self, worker: usize) {
        if let Some(seat) = self.seats().get_mut(worker) {
            seat.inbox = None;
        }
    }
}

/// Serves what other workers hand over, until this one has left and all is served.
pub(super) async fn receive(
    listener: Rc<WorkerListener>,
    worker: Rc<Worker>,
    mut inbox: UnboundedReceiver<Handed>,
) {
    while let Some(Handed { socket, local, remote, place }) = inbox.recv().await {
        // Without room in the event loop the connection is closed, as the system is out of descriptors or memory.
        let Ok(socket) = socket.register() else { continue };
        worker.contain(|| connection::begin_here(&listener, &worker, socket, local, remote, Some(place)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_with_the_fewest_that_serves_is_chosen() {
        let balance = ExactBalance::new(3);
        assert_eq!(balance.choose(1).worker(), 1);
        let _inboxes = [balance.join(0), balance.join(2)];
        let mut places: Vec<Place> = (0..4).map(|_| balance.choose(1)).collect();
        assert_eq!(places.iter().map(Place::worker).collect::<Vec<_>>(), [0, 2, 0, 2]);
        places.remove(1);
        assert_eq!(balance.choose(1).worker(), 2);
        balance.leave(2);
        assert_eq!(balance.choose(1).worker(), 0);
        let _own = (balance.take(0), balance.take(0));
        let _inbox = balance.join(1);
        assert_eq!(balance.choose(0).worker(), 1);
    }
}
