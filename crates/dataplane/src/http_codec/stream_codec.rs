//! The downstream side of a stream, whatever version of HTTP carries it.
//!
//! Owns: the one list of codecs as a stream sees them. Does not own: what they do (`http1_codec`, `http2_stream`).
//! Follows: Envoy's `Http::StreamEncoder` and `Http::StreamDecoder`.
//!
//! An enum, not a trait object: the call on the hot path is a branch that is always predicted.

use std::io;
use std::task::{Context, Poll};

use ferryman_codec::{BodyFraming, Error, HeaderBlock, RequestKind, Version};

use super::{Disturbance, Http1Codec, Http2Stream, ReadError};
use crate::buffer::BlockPool;

/// The body of the message that is read.
pub trait BodyReader {
    /// Ready when `data` is not empty or the body has ended. Reads only when all data has been consumed.
    ///
    /// # Errors
    /// `ReadError`; `Ended { clean: false }` when the peer is gone and the body goes on.
    fn poll_data(&mut self, cx: &mut Context<'_>, blocks: &BlockPool) -> Poll<Result<(), ReadError>>;

    /// The decoded bytes of the body that are there.
    fn data(&self) -> &[u8];

    /// Drops the first `count` bytes of `data` (at most all).
    fn consume(&mut self, count: usize, blocks: &BlockPool);

    /// Whether the body is complete and all of its data consumed.
    fn is_ended(&self) -> bool;

    /// Whether the body is complete, with or without data that is not consumed.
    fn is_whole(&self) -> bool;

    /// What followed the body; complete once it has ended.
    fn trailers(&self) -> &HeaderBlock;

    /// The same, to be edited.
    fn trailers_mut(&mut self) -> &mut HeaderBlock;
}

/// The codec of the downstream side of a stream.
#[derive(Debug)]
pub enum StreamCodec<'a> {
    /// HTTP/1: the connection itself, for one request at a time.
    Http1(&'a mut Http1Codec),
    /// HTTP/2: one stream of many.
    Http2(&'a mut Http2Stream),
}

impl BodyReader for StreamCodec<'_> {
    #[inline]
    fn poll_data(&mut self, cx: &mut Context<'_>, blocks: &BlockPool) -> Poll<Result<(), ReadError>> {
        match self {
            StreamCodec::Http1(codec) => codec.poll_data(cx, blocks),
            StreamCodec::Http2(stream) => stream.poll_data(cx),
        }
    }

    #[inline]
    fn data(&self) -> &[u8] {
        match self {
            StreamCodec::Http1(codec) => codec.data(),
            StreamCodec::Http2(stream) => stream.data(),
        }
    }

    #[inline]
    fn consume(&mut self, count: usize, blocks: &BlockPool) {
        match self {
            StreamCodec::Http1(codec) => codec.consume(count, blocks),
            StreamCodec::Http2(stream) => stream.consume(count),
        }
    }

    #[inline]
    fn is_ended(&self) -> bool {
        match self {
            StreamCodec::Http1(codec) => codec.is_ended(),
            StreamCodec::Http2(stream) => stream.is_ended(),
        }
    }

    fn is_whole(&self) -> bool {
        match self {
            StreamCodec::Http1(codec) => codec.is_whole(),
            StreamCodec::Http2(stream) => stream.is_whole(),
        }
    }

    #[inline]
    fn trailers(&self) -> &HeaderBlock {
        match self {
            StreamCodec::Http1(codec) => codec.trailers(),
            StreamCodec::Http2(stream) => stream.trailers(),
        }
    }

    #[inline]
    fn trailers_mut(&mut self) -> &mut HeaderBlock {
        match self {
            StreamCodec::Http1(codec) => codec.trailers_mut(),
            StreamCodec::Http2(stream) => stream.trailers_mut(),
        }
    }
}

impl StreamCodec<'_> {
    /// Decodes what was received already, up to the next data, and answers how much that is. None: there is no more.
    pub fn decode_read_data(&mut self, blocks: &BlockPool) -> Option<usize> {
        match self {
            StreamCodec::Http1(codec) => codec.reader.decode_read_data(blocks),
            StreamCodec::Http2(stream) => stream.decode_read_data(),
        }
    }

    /// Watches the client while nothing should come from it; see `Http1Reader::poll_disturbed`.
    #[inline]
    pub fn poll_disturbed(&mut self, cx: &mut Context<'_>, blocks: &BlockPool) -> Poll<Disturbance> {
        match self {
            StreamCodec::Http1(codec) => codec.poll_disturbed(cx, blocks),
            StreamCodec::Http2(stream) => stream.poll_disturbed(cx),
        }
    }

    /// Whether received bytes wait.
    #[inline]
    #[must_use]
    pub fn has_unread(&self) -> bool {
        match self {
            StreamCodec::Http1(codec) => codec.has_unread(),
            StreamCodec::Http2(stream) => stream.has_unread(),
        }
    }

    /// How many received bytes wait.
    #[must_use]
    pub fn unread_bytes(&self) -> usize {
        match self {
            StreamCodec::Http1(codec) => codec.reader.unread_bytes(),
            StreamCodec::Http2(stream) => stream.unread_bytes(),
        }
    }

    /// After a head that changes the protocol: all that the client sends is data, until it ends its side. On HTTP/2 that is
    /// so in any case.
    pub fn read_tunnel(&mut self) {
        match self {
            StreamCodec::Http1(codec) => codec.read_tunnel(),
            StreamCodec::Http2(_) => {}
        }
    }

    /// How many bytes of the request have come, on the wire.
    #[must_use]
    pub fn received_wire_bytes(&self) -> u64 {
        match self {
            StreamCodec::Http1(codec) => codec.reader.wire_bytes(),
            StreamCodec::Http2(stream) => stream.received_wire_bytes(),
        }
    }

    /// How many bytes of the response were queued, on the wire.
    #[must_use]
    pub fn sent_wire_bytes(&self) -> u64 {
        match self {
            StreamCodec::Http1(codec) => codec.writer.wire_bytes(),
            StreamCodec::Http2(stream) => stream.sent_wire_bytes(),
        }
    }

    /// How many of them were fields.
    #[must_use]
    pub fn sent_field_bytes(&self) -> u64 {
        match self {
            StreamCodec::Http1(codec) => codec.writer.field_bytes(),
            StreamCodec::Http2(stream) => stream.sent_head_bytes(),
        }
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
        match self {
            StreamCodec::Http1(codec) => codec.start_response(block, framing, kind, version),
            StreamCodec::Http2(stream) => stream.start_response(block, framing, kind),
        }
    }

    /// Queues a 1xx response that another response follows.
    ///
    /// # Errors
    /// `UnwritableHead`, and nothing is queued.
    pub fn queue_informational(&mut self, block: &HeaderBlock) -> Result<(), Error> {
        match self {
            StreamCodec::Http1(codec) => codec.queue_informational(block),
            StreamCodec::Http2(stream) => stream.queue_informational(block),
        }
    }

    /// Takes bytes of the response's body; answers how many. Pending: the client does not read fast enough.
    ///
    /// # Errors
    /// The client is gone, or the body is longer than its head announced.
    #[inline]
    pub fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            StreamCodec::Http1(codec) => codec.poll_write(cx, data),
            StreamCodec::Http2(stream) => stream.poll_write(cx, data),
        }
    }

    /// Ends the response.
    #[inline]
    pub fn finish(&mut self, trailers: Option<&HeaderBlock>) {
        match self {
            StreamCodec::Http1(codec) => codec.finish(trailers),
            StreamCodec::Http2(stream) => stream.finish(trailers),
        }
    }

    /// Writes all that waits; on HTTP/2 the connection does that, once for all of its streams.
    ///
    /// # Errors
    /// The client is gone.
    #[inline]
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            StreamCodec::Http1(codec) => codec.poll_flush(cx),
            StreamCodec::Http2(stream) => stream.poll_flush(),
        }
    }

    /// Whether the response has been finished, as far as it is for us to do.
    #[inline]
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match self {
            StreamCodec::Http1(codec) => codec.is_finished(),
            StreamCodec::Http2(stream) => stream.is_finished(),
        }
    }

    /// Whether bytes wait to be written for this stream alone.
    #[inline]
    #[must_use]
    pub fn has_pending(&self) -> bool {
        match self {
            StreamCodec::Http1(codec) => codec.has_pending(),
            StreamCodec::Http2(_) => false,
        }
    }
}
