//! What a client sends before there is a host to send it to.
//!
//! Owns: reading it, up to the limit, and whether connecting waits for it. Does not own: the attempts to connect
//! (`session`), nor what becomes of the bytes then (`relay`).
//! Follows Envoy's `TcpProxy` fields `upstream_connect_mode` and `max_early_data_bytes`.

use std::io;
use std::task::{Context, Poll, ready};

use crate::buffer::{BlockPool, ReadBuffer};
use crate::transport_sockets::TransportSocket;

/// As configured.
#[derive(Debug)]
pub(super) struct EarlyDataSettings {
    /// Whether connecting waits for the first bytes.
    pub connects_on_data: bool,
    /// With so many bytes, reading stops until there is a host; none: nothing is read before.
    pub most: Option<usize>,
    /// The most that is buffered.
    pub limit: usize,
}

/// What has come.
pub(super) struct EarlyData {
    /// The bytes.
    pub buffer: ReadBuffer,
    /// Whether the client has ended its side.
    pub ended: bool,
    most: usize,
}

impl EarlyData {
    /// Nothing yet; `None` where nothing is read early.
    pub fn new(settings: &EarlyDataSettings) -> Option<Self> {
        let most = settings.most?;
        Some(EarlyData { buffer: ReadBuffer::new(settings.limit), ended: false, most })
    }

    /// Reads once, as long as there is room. Answers how many bytes came; none is the client's end.
    pub fn poll_read(
        &mut self,
        socket: &mut TransportSocket,
        cx: &mut Context<'_>,
        blocks: &BlockPool,
    ) -> Poll<io::Result<usize>> {
        // One read may go above the limit, as in Envoy, where the limit is what stops the next one.
        if self.ended || self.buffer.len() >= self.most.max(1) {
            return Poll::Pending;
        }
        let count = ready!(self.buffer.poll_fill(socket, cx, blocks, usize::MAX))?;
        self.ended = count == 0;
        Poll::Ready(Ok(count))
    }
}
