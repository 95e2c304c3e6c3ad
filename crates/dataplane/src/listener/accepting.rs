//! Taking connections from the listening sockets of a worker.
//!
//! Owns: accepting, and the pause when the system has no more file descriptors. Does not own: binding (`bind`), what is
//! done with a connection (`connection`).

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{WorkerListener, connection};
use crate::application_log::{self, Component, Level};
use crate::stats::ListenerHistogram;
use crate::stream_info::Address;
use crate::transport_sockets::{RawBuffer, TransportSocket};
use crate::worker::Worker;

/// How long accepting pauses when the system has no more file descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

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

pub(super) async fn accept_loop(listener: Rc<WorkerListener>, worker: Rc<Worker>, socket: Accepting) {
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
                worker.contain(|| connection::begin(&listener, &worker, socket, local, remote));
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
