//! A listener of datagrams: it has no connections.
//!
//! Owns: receiving from the sockets of a worker, and dropping what is too long. Does not own: binding (`bind`), what is
//! done with a datagram (`filters::udp_listener`).
//! Follows Envoy's `UdpListenerConfig` and its page "UDP listeners".
//!
//! Each worker has a socket of its own for each address; the kernel gives all datagrams from one client's address and port
//! to the same one, so that a session stays on its worker.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::{BoundSocket, CompileContext};
use crate::application_log::{self, Component, Level};
use crate::datagrams::{DatagramSocket, ReceiveBatch};
use crate::filters::udp_listener::{UdpListenerFilter, WorkerUdpListenerFilter};
use crate::model;
use crate::stats::{LocalScope, Scope, UdpListenerStat, UdpListenerStats};
use crate::worker::Worker;

/// How many times in a row a socket is received from before others have their turn.
const BATCHES_IN_A_ROW: u32 = 16;

/// What is compiled of a listener of datagrams.
#[derive(Debug)]
pub(super) struct UdpListener {
    max_rx_datagram_size: usize,
    filter: UdpListenerFilter,
    stats: Scope<UdpListenerStats>,
}

impl UdpListener {
    pub(super) fn compile(
        model: &model::listener::Listener,
        udp: &model::udp::UdpListener,
        stat_prefix: &str,
        context: &CompileContext<'_>,
    ) -> Result<Self, String> {
        if !model.reuse_port && context.registry.workers() > 1 {
            return Err("enable_reuse_port: false would scatter the datagrams of a client over the workers; leave it \
                        out, or start with --concurrency 1"
                .to_owned());
        }
        let name: Arc<str> = model.name.as_str().into();
        Ok(UdpListener {
            max_rx_datagram_size: udp.max_rx_datagram_size,
            filter: UdpListenerFilter::compile(&udp.filter, &name, context)?,
            stats: context.registry.udp_listener(stat_prefix),
        })
    }

    /// Its part on a worker.
    pub(super) fn on_worker(&self, worker: &Rc<Worker>) -> Rc<WorkerUdpListener> {
        Rc::new(WorkerUdpListener {
            max_rx_datagram_size: self.max_rx_datagram_size,
            filter: self.filter.on_worker(worker),
            stats: self.stats.local(worker.index),
        })
    }
}

/// A listener of datagrams on one worker.
#[derive(Debug)]
pub(super) struct WorkerUdpListener {
    max_rx_datagram_size: usize,
    filter: WorkerUdpListenerFilter,
    stats: LocalScope<UdpListenerStats>,
}

impl WorkerUdpListener {
    /// Starts to receive from the sockets; the answer ends that.
    pub(super) fn start(
        self: &Rc<Self>,
        worker: &Rc<Worker>,
        listener: &str,
        sockets: Vec<BoundSocket>,
    ) -> Vec<AbortHandle> {
        let mut receiving = Vec::with_capacity(sockets.len());
        for socket in sockets {
            match socket.into_datagrams() {
                Ok(socket) => {
                    let task = receive_loop(Rc::clone(self), Rc::clone(worker), Rc::new(socket));
                    receiving.push(tokio::task::spawn_local(task).abort_handle());
                }
                Err(error) => {
                    let text = format!("listener '{listener}': cannot receive: {error}");
                    application_log::write(Component::Main, Level::Critical, text);
                }
            }
        }
        receiving
    }

    /// Ends what the filter does.
    pub(super) fn close(&self) {
        self.filter.close();
    }

    /// Receives once. Answers whether that is all for now.
    fn receive(&self, worker: &Worker, socket: &Rc<DatagramSocket>) -> bool {
        let mut batch = worker.datagrams.borrow_mut();
        match socket.try_receive(&mut batch, self.max_rx_datagram_size) {
            Ok(count) => {
                // A panic here must not end the receiving.
                let _done: Option<()> = worker.contain(|| self.pass_on(socket, &batch, count));
                count < ReceiveBatch::ROOM
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(_) => {
                self.filter.on_receive_error();
                false
            }
        }
    }

    fn pass_on(&self, socket: &Rc<DatagramSocket>, batch: &ReceiveBatch, count: usize) {
        for datagram in (0..count).filter_map(|at| batch.get(at)) {
            if datagram.is_cut {
                self.stats.inc(UdpListenerStat::DownstreamRxDatagramDropped);
            } else {
                self.filter.on_datagram(socket, &datagram);
            }
        }
    }
}

async fn receive_loop(listener: Rc<WorkerUdpListener>, worker: Rc<Worker>, socket: Rc<DatagramSocket>) {
    while socket.readable().await.is_ok() {
        let is_emptied = (0..BATCHES_IN_A_ROW).any(|_| listener.receive(&worker, &socket));
        if !is_emptied {
            tokio::task::yield_now().await;
        }
    }
}
