//! `envoy.filters.network.echo`: every byte goes back to where it came from.
//!
//! Owns: reading and writing back, one read at a time, so that a client that does not read is not read. Does not own: the
//! connection (`listener`). Follows Envoy's page "Echo".

use std::future::poll_fn;
use std::io::IoSlice;
use std::rc::Rc;

use super::ServeConnection;
use crate::buffer::ReadBuffer;
use crate::stream_info::{ConnectionInfo, ResponseFlag};
use crate::transport_sockets::TransportSocket;
use crate::worker::Worker;

/// The filter; each connection buffers up to so many bytes.
#[derive(Debug, Clone, Copy)]
pub struct Echo {
    limit: usize,
}

impl Echo {
    /// The filter of a listener whose connections buffer up to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Echo { limit }
    }
}

impl ServeConnection for Echo {
    async fn serve(&self, worker: &Rc<Worker>, mut socket: TransportSocket, info: &mut ConnectionInfo) {
        let mut buffer = ReadBuffer::new(self.limit);
        let mut moved = 0;
        loop {
            let filled = poll_fn(|cx| buffer.poll_fill(&mut socket, cx, &worker.blocks, usize::MAX)).await;
            let Ok(count @ 1..) = filled else { break };
            moved += u64::try_from(count).unwrap_or(u64::MAX);
            while !buffer.is_empty() {
                let piece = [IoSlice::new(buffer.readable())];
                let Ok(count @ 1..) = poll_fn(|cx| socket.poll_write(cx, &piece)).await else { break };
                buffer.consume(count, &worker.blocks);
            }
            if !buffer.is_empty() {
                break;
            }
        }
        buffer.release(&worker.blocks);
        if let Some(stream) = &mut info.stream {
            (stream.bytes_received, stream.bytes_sent) = (moved, moved);
        }
    }

    fn refuse(&self, _worker: &Rc<Worker>, _info: &mut ConnectionInfo, _flag: Option<ResponseFlag>) {}
}
