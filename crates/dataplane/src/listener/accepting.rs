//! Taking connections from the listening sockets of a worker.
//!
//! Owns: accepting, and the pause when the system has no more file descriptors. Does not own: binding (`bind`), what is
//! done with a connection (`connection`).

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::{WorkerListener, connection};
use crate::application_log::{self, Component, Level};
use crate::stats::ListenerHistogram;
use crate::stream_info::Address;
use crate::transport_sockets::{RawBuffer, TransportSocket};
use crate::worker::Worker;

/// How long accepting pauses when the system has no more file descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);
/// After how long without a failure it is over.
const CALM: Duration = Duration::from_secs(1);

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
    let mut pause = Pause::default();
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
                if pause.lasts.is_some() {
                    if let Some(lasted) = pause.ends(Instant::now()) {
                        tell(&listener.listener.name, format_args!("again after {} ms", lasted.as_millis()));
                    }
                }
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
                if pause.goes_on(Instant::now()) {
                    let every = PAUSE.as_millis();
                    let what = format_args!("pauses, to be tried every {every} ms: {error}");
                    tell(&listener.listener.name, what);
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// A time in which accepting fails: told of when it begins and when it is over, not at every try.
#[derive(Debug, Default)]
struct Pause {
    /// When it began, and the last failure.
    lasts: Option<(Instant, Instant)>,
}

impl Pause {
    /// Answers whether it begins.
    fn goes_on(&mut self, now: Instant) -> bool {
        let began = self.lasts.map(|(began, _)| began);
        self.lasts = Some((began.unwrap_or(now), now));
        began.is_none()
    }

    /// Something was accepted. Answers how long it has lasted, if it is over: where descriptors come and go it is one pause.
    fn ends(&mut self, now: Instant) -> Option<Duration> {
        let (began, _) = self.lasts.take_if(|(_, failed)| now.saturating_duration_since(*failed) >= CALM)?;
        Some(now.saturating_duration_since(began))
    }
}

fn tell(listener: &str, what: impl std::fmt::Display) {
    application_log::write(
        Component::ConnHandler,
        Level::Warning,
        format!("listener '{listener}': accepting {what}"),
    );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_told_of_once() {
        let (mut pause, start) = (Pause::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert!(pause.ends(at(0)).is_none());
        assert!(pause.goes_on(at(0)));
        assert!(!pause.goes_on(at(100)));
        assert!(pause.ends(at(150)).is_none(), "a descriptor has come free");
        assert!(!pause.goes_on(at(200)));
        assert_eq!(pause.ends(at(1200)), Some(Duration::from_millis(1200)));
        assert!(pause.ends(at(1201)).is_none());
        assert!(pause.goes_on(at(1300)));
    }
}
