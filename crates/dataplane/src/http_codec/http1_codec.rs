//! HTTP/1.1 on one connection: its socket, what reads from it and what writes to it.
//!
//! Owns: that the three go together, so that a stream needs to know of neither socket nor halves.
//! Does not own: how messages are read (`http1_reader`) and written (`http1_writer`), nor when the connection closes.
//! Follows: RFC 9112; Envoy's `Http::Http1::ConnectionImpl`.

use std::io;
use std::task::{Context, Poll};

use ferryman_codec::{
    BodyFraming, Error, HeaderBlock, Http1Settings, RequestHead, RequestKind, ResponseHead, Version,
};

use super::{BodyReader, Disturbance, Http1Reader, Http1Writer, ReadError};
use crate::buffer::BlockPool;
use crate::transport_sockets::TransportSocket;

/// One connection, downstream or upstream. What is not here, its halves have.
#[derive(Debug)]
pub struct Http1Codec {
    /// The socket.
    pub socket: TransportSocket,
    /// Reads messages.
    pub reader: Http1Reader,
    /// Writes messages.
    pub writer: Http1Writer,
}

impl BodyReader for Http1Codec {
    #[inline]
    fn poll_data(&mut self, cx: &mut Context<'_>, blocks: &BlockPool) -> Poll<Result<(), ReadError>> {
        self.reader.poll_data(&mut self.socket, cx, blocks)
    }

    #[inline]
    fn data(&self) -> &[u8] {
        self.reader.data()
    }

    #[inline]
    fn consume(&mut self, count: usize, blocks: &BlockPool) {
        self.reader.consume(count, blocks);
    }

    #[inline]
    fn is_ended(&self) -> bool {
        self.reader.is_ended()
    }

    fn is_whole(&self) -> bool {
        self.reader.is_whole()
    }

    #[inline]
    fn trailers(&self) -> &HeaderBlock {
        self.reader.trailers()
    }

    fn trailers_mut(&mut self) -> &mut HeaderBlock {
        self.reader.trailers_mut()
    }
}

impl Http1Codec {
    /// A connection on which nothing was said. `limit` is the most bytes that wait unread
    /// (`per_connection_buffer_limit_bytes`).
    #[must_use]
    pub fn new(socket: TransportSocket, limit: usize) -> Self {
        Http1Codec { socket, reader: Http1Reader::new(limit), writer: Http1Writer::new() }
    }

    /// See `Http1Reader::poll_request_head`.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn poll_request_head(
        &mut self,
        cx: &mut Context<'_>,
        blocks: &BlockPool,
        settings: &Http1Settings,
        block: &mut HeaderBlock,
    ) -> Poll<Result<RequestHead, ReadError>> {
        self.reader.poll_request_head(&mut self.socket, cx, blocks, settings, block)
    }

    /// See `Http1Reader::poll_response_head`.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn poll_response_head(
        &mut self,
        cx: &mut Context<'_>,
        blocks: &BlockPool,
        settings: &Http1Settings,
        kind: RequestKind,
        block: &mut HeaderBlock,
    ) -> Poll<Result<ResponseHead, ReadError>> {
        self.reader.poll_response_head(&mut self.socket, cx, blocks, settings, kind, block)
    }

    /// Watches the connection while nothing should come from it; see `Http1Reader::poll_disturbed`.
    #[inline]
    pub fn poll_disturbed(&mut self, cx: &mut Context<'_>, blocks: &BlockPool) -> Poll<Disturbance> {
        self.reader.poll_disturbed(&mut self.socket, cx, blocks)
    }

    /// After a head that changes the protocol: all that the peer sends is data, until it ends its side.
    pub fn read_tunnel(&mut self) {
        self.reader.begin_tunnel();
    }

    /// Queues a request's head and begins its body.
    ///
    /// # Errors
    /// `UnwritableHead`, and nothing is queued.
    #[inline]
    pub fn start_request(
        &mut self,
        block: &HeaderBlock,
        framing: BodyFraming,
        settings: &Http1Settings,
    ) -> Result<(), Error> {
        self.writer.set_style(settings);
        self.writer.start_request(block, framing)
    }

    /// Queues the head of a response to a request of this kind, and begins its body.
    ///
    /// # Errors
    /// `UnwritableHead`, and nothing is queued.
    #[inline]
    pub fn start_response(
        &mut self,
        block: &HeaderBlock,
        framing: BodyFraming,
        kind: RequestKind,
        version: Version,
    ) -> Result<(), Error> {
        match kind {
            RequestKind::Head => self.writer.start_response_to_head(block, version),
            _ => self.writer.start_response(block, framing, version),
        }
    }

    /// Queues a 1xx response that another response follows.
    ///
    /// # Errors
    /// `UnwritableHead`, and nothing is queued.
    pub fn queue_informational(&mut self, block: &HeaderBlock) -> Result<(), Error> {
        self.writer.queue_informational(block)
    }

    /// Takes bytes of the body that is written; answers how many. Pending: the peer does not read fast enough.
    ///
    /// # Errors
    /// See `Http1Writer::poll_write`.
    #[inline]
    pub fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.writer.poll_write(&mut self.socket, cx, data)
    }

    /// Ends the message that is written.
    #[inline]
    pub fn finish(&mut self, trailers: Option<&HeaderBlock>) {
        self.writer.finish(trailers);
    }

    /// Writes all that waits.
    ///
    /// # Errors
    /// See `Http1Writer::poll_flush`.
    #[inline]
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_flush(&mut self.socket, cx)
    }

    /// Whether the message that was started last has been finished, as far as it is for us to do.
    #[inline]
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.writer.is_finished()
    }

    /// Whether bytes wait to be written.
    #[inline]
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.writer.has_pending()
    }

    /// Whether received bytes wait, decoded or not.
    #[inline]
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.reader.has_unread()
    }
}
