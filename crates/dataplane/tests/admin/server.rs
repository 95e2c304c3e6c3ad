//! The admin listener on a thread of its own, as in the proxy.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use ferryman_dataplane::admin::{Listener, serve};
use tokio::sync::oneshot;

use crate::fake_proxy::FakeProxy;

/// A socket that listens, before anyone accepts.
pub struct Bound {
    listener: Listener,
    pub address: SocketAddr,
}

impl Bound {
    pub fn tcp() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        Self { listener: Listener::Tcp(socket), address }
    }

    pub fn unix(path: &Path) -> Self {
        let socket = UnixListener::bind(path).unwrap();
        Self { listener: Listener::Unix(socket, "admin.sock".into()), address: SocketAddr::from(([0; 4], 0)) }
    }

    pub fn serve(self, proxy: &Arc<FakeProxy>) -> Server {
        self.run(Arc::clone(proxy), false)
    }

    /// With a clock that jumps to the next deadline whenever nothing is left to do. What is to be in time must have been
    /// sent before.
    pub fn serve_with_fast_clock(self, proxy: &Arc<FakeProxy>) -> Server {
        self.run(Arc::clone(proxy), true)
    }

    fn run(self, proxy: Arc<FakeProxy>, fast_clock: bool) -> Server {
        let Self { listener, address } = self;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().start_paused(fast_clock).build().unwrap();
            let registry = Arc::clone(&proxy.registry);
            runtime.block_on(async {
                tokio::select! {
                    served = serve(listener, proxy, registry) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Server { address, stop: Some(stop), thread: Some(thread) }
    }
}

/// Runs until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "the admin thread panicked");
    }
}
