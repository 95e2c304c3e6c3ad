//! The filters of listeners of datagrams: what is done with each.
//!
//! Owns: the list of those that are built. Does not own: receiving (`listener::udp`), the filters themselves.
//! Follows Envoy's `envoy.filters.udp_listener`.

use std::rc::Rc;
use std::sync::Arc;

use crate::datagrams::{DatagramSocket, Received};
use crate::listener::CompileContext;
use crate::model::udp::UdpListenerFilter as Model;
use crate::worker::Worker;

pub mod udp_proxy;

use udp_proxy::{UdpProxy, WorkerUdpProxy};

/// A filter, compiled; shared by all workers.
#[derive(Debug)]
pub enum UdpListenerFilter {
    /// `envoy.filters.udp_listener.udp_proxy`
    UdpProxy(Arc<UdpProxy>),
}

impl UdpListenerFilter {
    /// Compiles a filter of a listener of this name.
    ///
    /// # Errors
    /// What is wrong with its configuration.
    pub fn compile(model: &Model, listener: &Arc<str>, context: &CompileContext<'_>) -> Result<Self, String> {
        Ok(match model {
            Model::UdpProxy(model) => {
                Self::UdpProxy(Arc::new(UdpProxy::compile(model, Arc::clone(listener), context)?))
            }
        })
    }

    /// Its part on a worker.
    #[must_use]
    pub fn on_worker(&self, worker: &Rc<Worker>) -> WorkerUdpListenerFilter {
        match self {
            Self::UdpProxy(proxy) => WorkerUdpListenerFilter::UdpProxy(WorkerUdpProxy::new(proxy, worker)),
        }
    }
}

/// A filter on one worker.
#[derive(Debug)]
pub enum WorkerUdpListenerFilter {
    /// `envoy.filters.udp_listener.udp_proxy`
    UdpProxy(Rc<WorkerUdpProxy>),
}

impl WorkerUdpListenerFilter {
    /// Does with a datagram what is to be done. `socket` is the one it has come to.
    #[inline]
    pub fn on_datagram(&self, socket: &Rc<DatagramSocket>, datagram: &Received<'_>) {
        match self {
            Self::UdpProxy(proxy) => proxy.on_datagram(socket, datagram),
        }
    }

    /// The socket has told of an error.
    pub fn on_receive_error(&self) {
        match self {
            Self::UdpProxy(proxy) => proxy.on_receive_error(),
        }
    }

    /// The listener stops: so does all that the filter does.
    pub fn close(&self) {
        match self {
            Self::UdpProxy(proxy) => proxy.close(),
        }
    }
}
