//! The admin listener on a thread of its own, as in the proxy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use ferryman_dataplane::admin::{Listener, ProxyState, serve};
use ferryman_dataplane::stats::Registry;
use tokio::sync::oneshot;

/// Runs until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(state: Arc<dyn ProxyState>, registry: Arc<Registry>) -> Self {
        Self::run(state, registry, false)
    }

    /// With a clock that jumps to the next deadline whenever nothing else is to be done: every time-out is at once.
    pub fn start_with_fast_clock(state: Arc<dyn ProxyState>, registry: Arc<Registry>) -> Self {
        Self::run(state, registry, true)
    }

    fn run(state: Arc<dyn ProxyState>, registry: Arc<Registry>, fast_clock: bool) -> Self {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().start_paused(fast_clock).build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    served = serve(Listener::Tcp(socket), state, registry) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "the admin thread panicked");
    }
}
