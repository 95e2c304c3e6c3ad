//! The admin listener's loop.
//!
//! Owns accepting, and how many connections there may be. Runs on the control thread. What happens on a connection is
//! in `connection`.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::LocalSet;

use super::connection::{self, Shared};
use super::counters::Counters;
use super::proxy_state::ProxyState;
use crate::stats::Registry;
use crate::stream_info::{Address, ConnectionInfo};

/// Connections that are kept at once; beyond it they are closed at once.
const MAX_CONNECTIONS: usize = 256;
/// How long accepting rests when the process has no file descriptors left.
const REST: Duration = Duration::from_millis(100);

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// A Unix domain socket, and its path.
    Unix(std::os::unix::net::UnixListener, Arc<str>),
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, Arc<str>),
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

impl Socket {
    fn new(listener: Listener) -> io::Result<Self> {
        match listener {
            Listener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(listener)?))
            }
            Listener::Unix(listener, path) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(UnixListener::from_std(listener)?, path))
            }
        }
    }

    async fn accept(&self) -> io::Result<(Box<dyn Stream>, Address, Address)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let local = stream.local_addr()?;
                Ok((Box::new(stream), local.into(), remote.into()))
            }
            Self::Unix(listener, path) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), Address::Pipe(Arc::clone(path)), Address::Pipe("".into())))
            }
        }
    }
}

/// Serves admin until it is dropped. To be called on a current-thread runtime.
///
/// # Errors
/// The socket cannot be used.
pub async fn serve(
    listener: Listener,
    state: Arc<dyn ProxyState>,
    registry: Arc<Registry>,
) -> io::Result<()> {
    let socket = Socket::new(listener)?;
    let counters = Counters::new(&registry);
    let shared = Rc::new(Shared { state, registry, counters });
    let tasks = LocalSet::new();
    tasks.run_until(accept(&socket, &shared)).await;
    Ok(())
}

async fn accept(socket: &Socket, shared: &Rc<Shared>) {
    for id in 1.. {
        let (stream, local, remote) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                // No descriptors, or the client was gone already; either way there is nobody to tell.
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        // Each connection has the other reference.
        if Rc::strong_count(shared) > MAX_CONNECTIONS {
            shared.counters.connection_overflows();
            continue;
        }
        let info = ConnectionInfo::new(id, local, remote, Instant::now(), SystemTime::now());
        tokio::task::spawn_local(connection::run(stream, Rc::clone(shared), info));
    }
}
