//! The upstream side of a stream, whatever version of HTTP carries it.
//!
//! Owns: the one list of codecs as an exchange with a host sees them. Does not own: what they do (`http1_codec`,
//! `http2_stream`), nor whose connection it is (`connection_pool`).
//! Follows: Envoy's `Http::RequestEncoder` and `Http::ResponseDecoder`.
//!
//! An enum, not a trait object: the call on the hot path is a branch that is always predicted.

use std::io;
use std::task::{Context, Poll};

use ferryman_codec::{BodyFraming, Error, HeaderBlock, Http1Settings, RequestKind, ResponseHead};

use super::{BodyReader, Http1Codec, Http2Stream, ReadError};
use crate::buffer::BlockPool;

/// The codec of the upstream side of a stream.
#[derive(Debug)]
pub enum UpstreamCodec<'c> {
    /// HTTP/1, or plain bytes: the connection itself, for one request at a time.
    Http1(&'c mut Http1Codec),
    /// HTTP/2: one stream of many.
    Http2(&'c mut Http2Stream),
}

impl BodyReader for UpstreamCodec<'_> {
    #[inline]
    fn poll_data(&mut self, cx: &mut Context<'_>, blocks: &BlockPool) -> Poll<Result<(), ReadError>> {
        match self {
            UpstreamCodec::Http1(codec) => codec.poll_data(cx, blocks),
            UpstreamCodec::Http2(stream) => stream.poll_data(cx),
        }
    }

    #[inline]
    fn data(&self) -> &[u8] {
        match self {
            UpstreamCodec::Http1(codec) => codec.data(),
            UpstreamCodec::Http2(stream) => stream.data(),
        }
    }

    #[inline]
    fn consume(&mut self, count: usize, blocks: &BlockPool) {
        match self {
            UpstreamCodec::Http1(codec) => codec.consume(count, blocks),
            UpstreamCodec::Http2(stream) => stream.consume(count),
        }
    }

    #[inline]
    fn is_ended(&self) -> bool {
        match self {
            UpstreamCodec::Http1(codec) => codec.is_ended(),
            UpstreamCodec::Http2(stream) => stream.is_ended(),
        }
    }

    fn is_whole(&self) -> bool {
        match self {
            UpstreamCodec::Http1(codec) => codec.is_whole(),
            UpstreamCodec::Http2(stream) => stream.is_whole(),
        }
    }

    #[inline]
    fn trailers(&self) -> &HeaderBlock {
        match self {
            UpstreamCodec::Http1(codec) => codec.trailers(),
            UpstreamCodec::Http2(stream) => stream.trailers(),
        }
    }

    #[inline]
    fn trailers_mut(&mut self) -> &mut HeaderBlock {
        match self {
            UpstreamCodec::Http1(codec) => codec.trailers_mut(),
            UpstreamCodec::Http2(stream) => stream.trailers_mut(),
        }
    }
}

impl UpstreamCodec<'_> {
    /// Queues a request's head and begins its body. `memory`: to write it in, where the connection has none of its own.
    /// `is_open`: another protocol may follow, whatever the framing says.
    ///
    /// # Errors
    /// `UnwritableHead`, and nothing is queued.
    #[inline]
    pub fn start_request(
        &mut self,
        block: &HeaderBlock,
        framing: BodyFraming,
        (settings, is_open): (&Http1Settings, bool),
        memory: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match self {
            UpstreamCodec::Http1(codec) => {
                codec.writer.lend(std::mem::take(memory));
                codec.start_request(block, framing, settings)
            }
            UpstreamCodec::Http2(stream) => stream.start_request(block, framing, is_open),
        }
    }

    /// Waits for the head of the response, or an informational one.
    ///
    /// # Errors
    /// `ReadError`.
    #[inline]
    pub fn poll_response_head(
        &mut self,
        cx: &mut Context<'_>,
        blocks: &BlockPool,
        settings: &Http1Settings,
        kind: RequestKind,
        block: &mut HeaderBlock,
    ) -> Poll<Result<ResponseHead, ReadError>> {
        match self {
            UpstreamCodec::Http1(codec) => codec.poll_response_head(cx, blocks, settings, kind, block),
            UpstreamCodec::Http2(stream) => stream.poll_response_head(cx, kind, block),
        }
    }

    /// The protocol changes: all that follows, both ways, is data. On HTTP/2 that is so in any case.
    pub fn begin_tunnel(&mut self) {
        match self {
            UpstreamCodec::Http1(codec) => {
                codec.writer.begin_tunnel();
                codec.read_tunnel();
            }
            UpstreamCodec::Http2(_) => {}
        }
    }

    /// Takes bytes of the request's body; answers how many. Pending: the host does not read fast enough.
    ///
    /// # Errors
    /// The host takes no more of it.
    #[inline]
    pub fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            UpstreamCodec::Http1(codec) => codec.poll_write(cx, data),
            UpstreamCodec::Http2(stream) => stream.poll_write(cx, data),
        }
    }

    /// Ends the request. Trailers go where they are wanted: on HTTP/2 always.
    #[inline]
    pub fn finish(&mut self, trailers: &HeaderBlock, with_trailers: bool) {
        match self {
            UpstreamCodec::Http1(codec) => codec.finish(with_trailers.then_some(trailers)),
            UpstreamCodec::Http2(stream) => stream.finish(Some(trailers)),
        }
    }

    /// Writes all that waits; on HTTP/2 the connection does that, once for all of its streams.
    ///
    /// # Errors
    /// The host takes no more.
    #[inline]
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            UpstreamCodec::Http1(codec) => codec.poll_flush(cx),
            UpstreamCodec::Http2(stream) => stream.poll_flush(),
        }
    }

    /// Ends our side of the connection; of a stream of HTTP/2 that is done by its last frame.
    ///
    /// # Errors
    /// That of the socket.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            UpstreamCodec::Http1(codec) => codec.socket.poll_shutdown(cx),
            UpstreamCodec::Http2(_) => Poll::Ready(Ok(())),
        }
    }

    /// Whether received bytes wait.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        match self {
            UpstreamCodec::Http1(codec) => codec.has_unread(),
            UpstreamCodec::Http2(stream) => stream.has_unread(),
        }
    }

    /// Whether it is one stream of many, which ends by a frame of its own.
    #[must_use]
    pub fn is_multiplexed(&self) -> bool {
        matches!(self, UpstreamCodec::Http2(_))
    }

    /// Whether the host has ended its side of the connection.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match self {
            UpstreamCodec::Http1(codec) => codec.reader.is_closed(),
            UpstreamCodec::Http2(_) => false,
        }
    }

    /// How the response's body is delimited.
    #[must_use]
    pub fn framing(&self) -> BodyFraming {
        match self {
            UpstreamCodec::Http1(codec) => codec.reader.framing(),
            // It ends with a frame of its own.
            UpstreamCodec::Http2(_) => BodyFraming::Chunked,
        }
    }

    /// How many bytes of the response have come, on the wire and of its body.
    #[must_use]
    pub fn received_bytes(&self) -> (u64, u64) {
        match self {
            UpstreamCodec::Http1(codec) => (codec.reader.wire_bytes(), codec.reader.body_bytes()),
            UpstreamCodec::Http2(stream) => (stream.received_wire_bytes(), stream.received_body_bytes()),
        }
    }

    /// How many bytes of the request were queued: on the wire, how many of them were fields, and of its body.
    #[must_use]
    pub fn sent_bytes(&self) -> (u64, u64, u64) {
        match self {
            UpstreamCodec::Http1(codec) => {
                (codec.writer.wire_bytes(), codec.writer.field_bytes(), codec.writer.body_bytes())
            }
            UpstreamCodec::Http2(stream) => {
                (stream.sent_wire_bytes(), stream.sent_head_bytes(), stream.sent_body_bytes())
            }
        }
    }
}
