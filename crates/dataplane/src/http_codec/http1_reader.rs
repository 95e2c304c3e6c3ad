//! Reads HTTP/1.1 messages from a transport socket.
//!
//! Owns: feeding the codec's decoders from a read buffer, and giving out body bytes where they were received.
//! Does not own: the grammar (`ferryman_codec::http1`), time-outs, nor when the connection may be used again.
//! Follows: RFC 9112 sections 6 and 9.
//!
//! The order of calls: a head, then `poll_data` and `consume` until `is_ended`, then the next head.

use std::task::{Context, Poll, ready};

use ferryman_codec::{
    BodyDecoder, BodyFraming, ErrorKind, HeaderBlock, Http1Settings, RequestDecoder, RequestHead,
    RequestKind, ResponseDecoder, ResponseHead,
};

use super::{Disturbance, ReadError};
use crate::buffer::{BlockPool, ReadBuffer};
use crate::transport_sockets::TransportSocket;

/// The receiving half of one HTTP/1.1 connection, downstream or upstream.
pub struct Http1Reader {
    buffer: ReadBuffer,
    /// The most unread bytes while a body is read.
    limit: usize,
    head: HeadDecoder,
    body: BodyDecoder,
    framing: BodyFraming,
    /// How many bytes at the front of the buffer are data of the body.
    data: usize,
    /// How many bytes behind the data have been decoded too.
    decoded_behind_data: usize,
    /// Whether a head has been read to which no further head belongs.
    head_is_read: bool,
    /// Largest head and largest trailers.
    max_head_bytes: usize,
    is_closed: bool,
    wire_bytes: u64,
    body_bytes: u64,
}

/// A connection carries requests or responses, never both.
enum HeadDecoder {
    Unknown,
    Request(RequestDecoder),
    Response(ResponseDecoder),
}

impl Http1Reader {
    /// A reader for a connection on which nothing has been received. `limit` is the most bytes that wait
    /// unread (`per_connection_buffer_limit_bytes`); a head may be larger, as the settings say.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let settings = Http1Settings::default();
        Http1Reader {
            buffer: ReadBuffer::new(limit),
            limit,
            head: HeadDecoder::Unknown,
            body: BodyDecoder::new(BodyFraming::None, &settings),
            framing: BodyFraming::None,
            data: 0,
            decoded_behind_data: 0,
            head_is_read: false,
            max_head_bytes: settings.max_head_bytes,
            is_closed: false,
            wire_bytes: 0,
            body_bytes: 0,
        }
    }

    /// Reads the next request head and begins its body. The block is the same, and untouched, in all calls
    /// for one head; what was read before an error is in it, for the access log.
    ///
    /// # Errors
    /// `ReadError`. `ExtraneousData` when the former body has not ended.
    pub fn poll_request_head(
        &mut self,
        socket: &mut TransportSocket,
        cx: &mut Context<'_>,
        pool: &BlockPool,
        settings: &Http1Settings,
        block: &mut HeaderBlock,
    ) -> Poll<Result<RequestHead, ReadError>> {
        self.begin_head(settings)?;
        loop {
            if !self.buffer.is_empty() {
                if !matches!(self.head, HeadDecoder::Request(_)) {
                    self.head = HeadDecoder::Request(RequestDecoder::new());
                }
                if let HeadDecoder::Request(decoder) = &mut self.head {
                    if let Some(head) = decoder.decode(self.buffer.readable(), settings, block)? {
                        self.end_head(head.consumed, pool);
                        self.begin_body(head.framing, settings);
                        return Poll::Ready(Ok(head));
                    }
                }
            }
            ready!(self.poll_more_of_head(socket, cx, pool))?;
        }
    }

    /// Reads the next response head and begins its body; an informational one has none, and the next call
    /// reads the head that follows it. For `kind` and the block see `poll_request_head` and
    /// `RequestHead::kind`.
    ///
    /// # Errors
    /// `ReadError`. `ExtraneousData` when the former body has not ended.
    pub fn poll_response_head(
        &mut self,
        socket: &mut TransportSocket,
        cx: &mut Context<'_>,
        pool: &BlockPool,
        settings: &Http1Settings,
        kind: RequestKind,
        block: &mut HeaderBlock,
    ) -> Poll<Result<ResponseHead, ReadError>> {
        self.begin_head(settings)?;
        loop {
            if !self.buffer.is_empty() {
                if !matches!(self.head, HeadDecoder::Response(_)) {
                    self.head = HeadDecoder::Response(ResponseDecoder::new());
                }
                if let HeadDecoder::Response(decoder) = &mut self.head {
                    if let Some(head) = decoder.decode(self.buffer.readable(), settings, kind, block)? {
                        self.end_head(head.consumed, pool);
                        if !head.informational {
                            self.begin_body(head.framing, settings);
                        }
                        return Poll::Ready(Ok(head));
                    }
                }
            }
            ready!(self.poll_more_of_head(socket, cx, pool))?;
        }
    }

    fn begin_head(&mut self, settings: &Http1Settings) -> Result<(), ReadError> {
        if self.head_is_read {
            if !self.is_ended() {
                return Err(ReadError::Codec(ErrorKind::ExtraneousData.into()));
            }
            self.head_is_read = false;
            self.wire_bytes = 0;
        }
        self.max_head_bytes = settings.max_head_bytes;
        Ok(())
    }

    fn poll_more_of_head(
        &mut self,
        socket: &mut TransportSocket,
        cx: &mut Context<'_>,
        pool: &BlockPool,
    ) -> Poll<Result<(), ReadError>> {
        // One byte more than the largest head, for the decoder to see that it is too large.
        self.buffer.set_limit(self.limit.max(self.max_head_bytes.saturating_add(1)));
        if ready!(self.poll_fill(socket, cx, pool))? {
            return Poll::Ready(Ok(()));
        }
        // Empty lines before a message are not one (RFC 9112 section 2.2).
        let clean = self.buffer.readable().iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        Poll::Ready(Err(ReadError::Ended { clean }))
    }

    fn end_head(&mut self, length: usize, pool: &BlockPool) {
        self.count(length);
        self.buffer.consume(length, pool);
    }

    fn begin_body(&mut self, framing: BodyFraming, settings: &Http1Settings) {
        self.head_is_read = true;
        self.framing = framing;
        self.body_bytes = 0;
        self.body.begin(framing, settings);
    }

    /// After a head that changes the protocol: all that follows is data, until the peer ends its side.
    pub fn begin_tunnel(&mut self) {
        self.head_is_read = true;
        self.framing = BodyFraming::UntilClose;
        self.body.begin(BodyFraming::UntilClose, &Http1Settings::default());
    }

    /// Ready when `data` is not empty or the body has ended. Reads only when all data has been consumed.
    ///
    /// # Errors
    /// `ReadError`; `Ended { clean: false }` when the peer ends its side and the body goes on.
    pub fn poll_data(
        &mut self,
        socket: &mut TransportSocket,
        cx: &mut Context<'_>,
        pool: &BlockPool,
    ) -> Poll<Result<(), ReadError>> {
        loop {
            if self.data > 0 || self.body.is_end() {
                return Poll::Ready(Ok(()));
            }
            if !self.buffer.is_empty() && self.decode(pool)? {
                continue;
            }
            // Bytes that stay undecoded are a trailer that is not whole: it may be as large as a head.
            let undecoded = if self.buffer.is_empty() { 0 } else { self.max_head_bytes.saturating_add(1) };
            self.buffer.set_limit(self.limit.max(undecoded));
            if !ready!(self.poll_fill(socket, cx, pool))? {
                self.body.on_eof().map_err(|_| ReadError::Ended { clean: false })?;
            }
        }
    }

    /// Decodes what was received already, up to the next data, and answers how much that is. None: there is no more, or
    /// what follows cannot be read.
    pub fn decode_read_data(&mut self, pool: &BlockPool) -> Option<usize> {
        while self.data == 0 {
            if self.body.is_end() || self.buffer.is_empty() || !self.decode(pool).unwrap_or(false) {
                return None;
            }
        }
        Some(self.data)
    }

    /// Decodes up to the next data; answers whether that changed anything.
    fn decode(&mut self, pool: &BlockPool) -> Result<bool, ReadError> {
        let step = self.body.decode(self.buffer.readable())?;
        self.count(step.consumed);
        if step.data.is_empty() {
            self.buffer.consume(step.consumed, pool);
        } else {
            self.buffer.consume(step.data.start, pool);
            self.data = step.data.len();
            self.decoded_behind_data = step.consumed - step.data.end;
        }
        Ok(step.consumed > 0 || step.end)
    }

    /// The decoded bytes of the body that are there, where they were received.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.buffer.readable().get(..self.data).unwrap_or_default()
    }

    /// Drops the first `count` bytes of `data` (at most all).
    #[inline]
    pub fn consume(&mut self, count: usize, pool: &BlockPool) {
        let count = count.min(self.data);
        self.data -= count;
        self.body_bytes += u64::try_from(count).unwrap_or(u64::MAX);
        let behind = if self.data == 0 { std::mem::take(&mut self.decoded_behind_data) } else { 0 };
        self.buffer.consume(count + behind, pool);
    }

    /// How many bytes of this message's body were consumed, without what frames them.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Whether the body is complete and all of its data consumed.
    #[inline]
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.data == 0 && self.body.is_end()
    }

    /// Whether the body is complete, with or without data that is not consumed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.body.is_end()
    }

    /// The trailers; complete once the body has ended, always empty unless the settings enable them.
    #[must_use]
    pub fn trailers(&self) -> &HeaderBlock {
        self.body.trailers()
    }

    /// The trailers, to be edited.
    pub fn trailers_mut(&mut self) -> &mut HeaderBlock {
        self.body.trailers_mut()
    }

    /// How the body is delimited.
    #[must_use]
    pub fn framing(&self) -> BodyFraming {
        self.framing
    }

    /// What was received, for who reads the rest of the connection: another protocol.
    pub fn buffer_mut(&mut self) -> &mut ReadBuffer {
        &mut self.buffer
    }

    /// What was received and not yet decoded.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        self.buffer.readable()
    }

    /// Whether received bytes wait, decoded or not.
    #[inline]
    #[must_use]
    pub fn has_unread(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// How many received bytes wait, decoded or not.
    #[must_use]
    pub fn unread_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the peer has ended its side. Bytes may still wait.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Drops all bytes that wait, for a connection that is not read on.
    pub fn release(&mut self, pool: &BlockPool) {
        (self.data, self.decoded_behind_data) = (0, 0);
        self.buffer.release(pool);
    }

    /// How many bytes of this message have been decoded; while its head is not whole, those received too.
    #[must_use]
    pub fn wire_bytes(&self) -> u64 {
        let undecoded = if self.head_is_read { 0 } else { self.buffer.len() };
        self.wire_bytes + u64::try_from(undecoded).unwrap_or(u64::MAX)
    }

    /// How many bytes have ever been read from the socket.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.buffer.received_bytes()
    }

    /// Watches a connection from which nothing should come now: an idle upstream, or a downstream while its
    /// response is made. What comes is kept for the next message, within the limit; beyond it the socket is
    /// not read, and this does not become ready.
    pub fn poll_disturbed(
        &mut self,
        socket: &mut TransportSocket,
        cx: &mut Context<'_>,
        pool: &BlockPool,
    ) -> Poll<Disturbance> {
        if self.is_closed {
            return Poll::Ready(Disturbance::Ended);
        }
        self.buffer.set_limit(self.limit);
        if self.buffer.is_full() {
            return Poll::Pending;
        }
        Poll::Ready(match ready!(self.poll_fill(socket, cx, pool)) {
            Ok(true) => Disturbance::Data,
            Err(ReadError::Io(error)) => Disturbance::Failed(error),
            Ok(false) | Err(_) => Disturbance::Ended,
        })
    }

    /// Reads once; answers whether bytes have come, else the peer has ended its side.
    fn poll_fill(
        &mut self,
        socket: &mut TransportSocket,
        cx: &mut Context<'_>,
        pool: &BlockPool,
    ) -> Poll<Result<bool, ReadError>> {
        if self.is_closed {
            return Poll::Ready(Ok(false));
        }
        let count = ready!(self.buffer.poll_fill(socket, cx, pool, usize::MAX)).map_err(ReadError::Io)?;
        self.is_closed = count == 0;
        Poll::Ready(Ok(count > 0))
    }

    fn count(&mut self, length: usize) {
        self.wire_bytes += u64::try_from(length).unwrap_or(u64::MAX);
    }
}

impl std::fmt::Debug for Http1Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http1Reader").finish_non_exhaustive()
    }
}
