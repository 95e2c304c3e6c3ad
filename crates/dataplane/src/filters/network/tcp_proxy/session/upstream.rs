//! What a session has of its host.
//!
//! Owns: the one list of kinds. Does not own: what they are (`connection_pool`, `tcp_proxy::tunnel`).

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::super::tunnel::Tunnel;
use super::outcome::reset;
use crate::buffer::{BlockPool, ReadBuffer};
use crate::cluster::WorkerCluster;
use crate::connection_pool::TcpUpstream;
use crate::relay::Endpoint;

/// A connection, or a tunnel.
pub(in super::super) enum SessionUpstream {
    Tcp(TcpUpstream),
    Tunnel(Box<Tunnel>),
}

impl SessionUpstream {
    pub(super) fn cluster(&self) -> &Rc<WorkerCluster> {
        match self {
            SessionUpstream::Tcp(upstream) => upstream.cluster(),
            SessionUpstream::Tunnel(tunnel) => tunnel.cluster(),
        }
    }

    pub(super) fn is_tunnel(&self) -> bool {
        matches!(self, SessionUpstream::Tunnel(_))
    }

    /// The peer has closed the connection: its end counts as remote.
    pub(super) fn set_closed_by_remote(&mut self) {
        match self {
            SessionUpstream::Tcp(upstream) => upstream.set_closed_by_remote(),
            SessionUpstream::Tunnel(tunnel) => tunnel.note_end(),
        }
    }

    /// Sees to it that the host sees a reset. That of a tunnel sees how its stream ends.
    pub(super) fn reset(&self) {
        if let SessionUpstream::Tcp(upstream) = self {
            reset(&upstream.socket);
        }
    }
}

impl Endpoint for SessionUpstream {
    #[inline]
    fn poll_fill(
        &mut self,
        buffer: &mut ReadBuffer,
        cx: &mut Context<'_>,
        blocks: &BlockPool,
    ) -> Poll<io::Result<usize>> {
        match self {
            SessionUpstream::Tcp(upstream) => upstream.socket.poll_fill(buffer, cx, blocks),
            SessionUpstream::Tunnel(tunnel) => tunnel.poll_fill(buffer, cx, blocks),
        }
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            SessionUpstream::Tcp(upstream) => Endpoint::poll_write(&mut upstream.socket, cx, data),
            SessionUpstream::Tunnel(tunnel) => tunnel.poll_write(cx, data),
        }
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            SessionUpstream::Tcp(_) => Poll::Ready(Ok(())),
            SessionUpstream::Tunnel(tunnel) => tunnel.poll_flush(cx),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            SessionUpstream::Tcp(upstream) => upstream.socket.poll_shutdown(cx),
            SessionUpstream::Tunnel(tunnel) => tunnel.poll_shutdown(cx),
        }
    }
}
