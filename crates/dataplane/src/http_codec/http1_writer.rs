//! Writes HTTP/1.1 messages to a transport socket.
//!
//! Owns: the framing of a body as its head announced it, and when bytes are copied to leave together and when
//! they are written from where they lie. Does not own: the wire format (`ferryman_codec`), nor which fields a
//! message has.
//! Follows: RFC 9112 sections 6, 7 and 9.
//!
//! The order of calls: `start_…`, `poll_write` for each piece of the body, `finish`, `poll_flush`. Small pieces
//! wait for a large one or for `poll_flush`: whoever runs out of input flushes.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use ferryman_codec::{
    BodyFraming, CHUNK_END, Error, ErrorKind, HeaderBlock, Http1Settings, KnownName, NameCase, Version,
    encode_chunk_start, encode_last_chunk, encode_request_head, encode_request_head_in_full,
    encode_response_head,
};

use crate::transport_sockets::TransportSocket;

/// The largest piece of a body that is copied.
const SMALL_PIECE: usize = 4 * 1024;
/// How many bytes may wait before small pieces wait for the socket too.
const MOST_GATHERED: usize = 16 * 1024;
/// How much memory is kept from one message to the next: room for what is gathered, with a head before it.
const KEPT_CAPACITY: usize = 32 * 1024;

/// The sending half of one HTTP/1.1 connection, downstream or upstream.
#[derive(Debug, Default)]
pub struct Http1Writer {
    /// What goes out first: heads, framing, small pieces.
    pending: Vec<u8>,
    /// How much of `pending` has gone out.
    sent: usize,
    body: Body,
    style: Style,
    field_bytes: u64,
    wire_bytes: u64,
    body_bytes: u64,
}

/// How heads are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Style {
    name_case: NameCase,
    full_url: bool,
}

/// What may follow on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Body {
    /// A head: no message is being written, or its body has been finished.
    #[default]
    Finished,
    /// Nothing: the message has no body.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks; of the one that was begun so many bytes are missing.
    Chunks(u64),
    UntilClose,
    /// Nothing: the message was finished before its announced length. The connection cannot be used on.
    Broken,
}

impl Http1Writer {
    /// A writer for a connection on which nothing has been sent. Allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How the heads that follow are written.
    #[inline]
    pub fn set_style(&mut self, settings: &Http1Settings) {
        self.style = Style { name_case: settings.name_case, full_url: settings.send_fully_qualified_url };
    }

    /// Queues a request's head and begins its body.
    ///
    /// # Errors
    /// `UnwritableHead` when the block lacks what a request needs, or the former message is not finished.
    /// Then nothing is queued.
    pub fn start_request(&mut self, block: &HeaderBlock, framing: BodyFraming) -> Result<(), Error> {
        if self.style.full_url {
            return self.start(block, framing, |out| encode_request_head_in_full(block, framing, out));
        }
        self.start(block, framing, |out| encode_request_head(block, framing, out))
    }

    /// Queues a response's head and begins its body. A 1xx and a 204 have none, whatever the framing says;
    /// for a tunnel (101, or 2xx to CONNECT) pass `UntilClose`. An HTTP/1.0 client understands no chunks.
    ///
    /// # Errors
    /// `UnwritableHead` when there is no `:status`, or the former message is not finished. Then nothing is
    /// queued.
    pub fn start_response(
        &mut self,
        block: &HeaderBlock,
        framing: BodyFraming,
        version: Version,
    ) -> Result<(), Error> {
        let framing = match block.get(KnownName::Status) {
            Some(b"101") if framing == BodyFraming::UntilClose => framing,
            Some([b'1', _, _] | b"204") => BodyFraming::None,
            _ => framing,
        };
        self.start(block, framing, |out| encode_response_head(block, framing, version, out))
    }

    /// Queues the head of a response to HEAD, which has no body. As Envoy does, it says how the body would be framed: by
    /// the length that is in the block, else by chunks.
    ///
    /// # Errors
    /// As `start_response`.
    pub fn start_response_to_head(&mut self, block: &HeaderBlock, version: Version) -> Result<(), Error> {
        let has_framing = block.contains(KnownName::ContentLength)
            || version == Version::Http10
            || matches!(block.get(KnownName::Status), Some([b'1', _, _] | b"204" | b"304"));
        let framing = if has_framing { BodyFraming::None } else { BodyFraming::Chunked };
        self.start(block, BodyFraming::None, |out| encode_response_head(block, framing, version, out))
    }

    /// Queues a 1xx response that another response follows.
    ///
    /// # Errors
    /// `UnwritableHead` when there is no `:status`, or a message has been started and not finished.
    pub fn queue_informational(&mut self, block: &HeaderBlock) -> Result<(), Error> {
        self.start_response(block, BodyFraming::None, Version::Http11)?;
        self.body = Body::Finished;
        Ok(())
    }

    fn start(
        &mut self,
        block: &HeaderBlock,
        framing: BodyFraming,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.body != Body::Finished {
            return Err(ErrorKind::UnwritableHead.into());
        }
        let before = self.pending.len();
        encode(&mut self.pending)?;
        block.respell(self.pending.get_mut(before..).unwrap_or_default(), self.style.name_case);
        self.count_queued(before);
        self.body_bytes = 0;
        let head = self.pending.get(before..).unwrap_or_default();
        let first_line = memchr::memchr(b'\n', head).map_or(0, |end| end + 1);
        // Without the empty line at the end.
        let fields = head.len().saturating_sub(first_line + 2);
        // Those of informational heads before this one count too.
        self.field_bytes += u64::try_from(fields).unwrap_or(u64::MAX);
        self.body = match framing {
            BodyFraming::None => Body::None,
            BodyFraming::Length(length) => Body::Length(length),
            BodyFraming::Chunked => Body::Chunks(0),
            BodyFraming::UntilClose => Body::UntilClose,
        };
        Ok(())
    }

    /// Takes bytes of the body; answers how many, at least one unless `data` is empty. What was not taken
    /// must be offered again. Pending means that the peer does not read fast enough.
    ///
    /// # Errors
    /// `InvalidInput` when the body would become longer than its head announced, and then nothing of `data` is
    /// written; else that of the socket.
    pub fn poll_write(
        &mut self,
        socket: &mut TransportSocket,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let allowed = match self.body {
            Body::Length(remaining) => length <= remaining,
            Body::Chunks(_) | Body::UntilClose => true,
            Body::None | Body::Finished | Body::Broken => false,
        };
        if !allowed {
            let text = "the body is longer than its head announced";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, text)));
        }
        if data.len() > SMALL_PIECE {
            return self.poll_write_large(socket, cx, data);
        }
        if self.pending_len() + data.len() > MOST_GATHERED {
            ready!(self.poll_flush(socket, cx))?;
        }
        let data = self.begin_piece(data);
        self.pending.extend_from_slice(data);
        self.end_piece(data.len());
        Poll::Ready(Ok(data.len()))
    }

    /// Writes what waits and the piece behind it, without copying the piece.
    fn poll_write_large(
        &mut self,
        socket: &mut TransportSocket,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let data = self.begin_piece(data);
        // What follows the piece leaves with it when the piece ends its chunk.
        let ends_chunk =
            matches!(self.body, Body::Chunks(missing) if usize::try_from(missing) == Ok(data.len()));
        let behind = if ends_chunk { CHUNK_END } else { b"" };
        loop {
            let waiting = self.pending.get(self.sent..).unwrap_or_default();
            let waiting_len = waiting.len();
            let pieces = [IoSlice::new(waiting), IoSlice::new(data), IoSlice::new(behind)];
            let written = ready!(poll_write_pieces(socket, cx, &pieces))?;
            self.mark_sent(written);
            let Some(of_data @ 1..) = written.checked_sub(waiting_len) else { continue };
            let taken = of_data.min(data.len());
            self.end_piece(taken);
            // The end of the chunk was queued; some of it may have gone out already.
            self.sent += of_data - taken;
            self.forget_sent();
            return Poll::Ready(Ok(taken));
        }
    }

    /// Queues a chunk's first line unless one is begun; answers what of the data belongs to this chunk.
    fn begin_piece<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        match self.body {
            Body::Chunks(0) => {
                let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                let before = self.pending.len();
                encode_chunk_start(length, &mut self.pending);
                self.count_queued(before);
                self.body = Body::Chunks(length);
                data
            }
            Body::Chunks(missing) => {
                let most = usize::try_from(missing).unwrap_or(usize::MAX);
                data.get(..most).unwrap_or(data)
            }
            _ => data,
        }
    }

    /// Takes account of data that was queued or written; queues the end of a chunk that is complete.
    fn end_piece(&mut self, taken: usize) {
        let taken = u64::try_from(taken).unwrap_or(u64::MAX);
        self.wire_bytes += taken;
        self.body_bytes += taken;
        match &mut self.body {
            Body::Length(remaining) => *remaining = remaining.saturating_sub(taken),
            Body::Chunks(missing) => {
                *missing = missing.saturating_sub(taken);
                if *missing == 0 {
                    let before = self.pending.len();
                    self.pending.extend_from_slice(CHUNK_END);
                    self.count_queued(before);
                }
            }
            _ => {}
        }
    }

    /// After a request's head that the peer has answered by changing the protocol: all that follows is data.
    pub fn begin_tunnel(&mut self) {
        self.body = Body::UntilClose;
    }

    /// Begins a tunnel with some bytes of our own, which leave with the first of it.
    pub fn begin_tunnel_with(&mut self, bytes: &[u8]) {
        let before = self.pending.len();
        self.pending.extend_from_slice(bytes);
        self.count_queued(before);
        self.begin_tunnel();
    }

    /// Ends the message; trailers are written when the body is chunked. When the body is shorter than its
    /// head announced, `poll_flush` answers the error and no other message can be started.
    pub fn finish(&mut self, trailers: Option<&HeaderBlock>) {
        let before = self.pending.len();
        self.body = match self.body {
            Body::Length(1..) | Body::Chunks(1..) | Body::Broken => Body::Broken,
            Body::Chunks(0) => {
                encode_last_chunk(trailers, &mut self.pending);
                // Without the chunk itself and the empty line.
                let fields = self.pending.len().saturating_sub(before + b"0\r\n\r\n".len());
                self.field_bytes += u64::try_from(fields).unwrap_or(u64::MAX);
                Body::Finished
            }
            _ => Body::Finished,
        };
        self.count_queued(before);
    }

    /// Writes all that waits.
    ///
    /// # Errors
    /// That of the socket; `InvalidData` when the message was finished too early.
    pub fn poll_flush(&mut self, socket: &mut TransportSocket, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.has_pending() {
            let waiting = self.pending.get(self.sent..).unwrap_or_default();
            let written = ready!(poll_write_pieces(socket, cx, &[IoSlice::new(waiting)]))?;
            self.mark_sent(written);
        }
        if self.body == Body::Broken {
            let text = "the body is shorter than its head announced";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
        }
        Poll::Ready(Ok(()))
    }

    /// Whether bytes wait to be written.
    #[inline]
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.sent < self.pending.len()
    }

    /// How many bytes wait to be written.
    #[must_use]
    pub fn pending_len(&self) -> usize {
        self.pending.len() - self.sent
    }

    /// Whether the message that was started last has been finished, as far as it is for us to do.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.body == Body::Finished
    }

    /// How many bytes of this message's body were taken, without what frames them.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// The size of the lines of this message's fields on the wire.
    #[must_use]
    pub fn field_bytes(&self) -> u64 {
        self.field_bytes
    }

    /// The size on the wire of what has been queued and written of this message.
    #[must_use]
    pub fn wire_bytes(&self) -> u64 {
        self.wire_bytes
    }

    /// Borrows memory for a message; a connection that is idle has none of its own.
    #[inline]
    pub fn lend(&mut self, memory: Vec<u8>) {
        if self.pending.is_empty() {
            self.pending = memory;
        }
    }

    /// Gives the memory back, empty, and forgets the message: nothing of one connection's bytes may go out on another.
    #[inline]
    pub fn give_back(&mut self) -> Vec<u8> {
        let mut memory = std::mem::take(&mut self.pending);
        memory.clear();
        if memory.capacity() > KEPT_CAPACITY {
            memory.shrink_to(KEPT_CAPACITY);
        }
        *self = Http1Writer { style: self.style, ..Http1Writer::default() };
        memory
    }

    fn count_queued(&mut self, before: usize) {
        self.wire_bytes += u64::try_from(self.pending.len() - before).unwrap_or(u64::MAX);
    }

    /// Takes account of bytes that have gone out, those of `pending` first.
    fn mark_sent(&mut self, written: usize) {
        self.sent += written.min(self.pending_len());
        self.forget_sent();
    }

    fn forget_sent(&mut self) {
        if !self.has_pending() {
            self.pending.clear();
            self.sent = 0;
        }
    }
}

/// Writes once, from the pieces that are not empty.
fn poll_write_pieces(
    socket: &mut TransportSocket,
    cx: &mut Context<'_>,
    pieces: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let start = pieces.iter().take_while(|piece| piece.is_empty()).count();
    let end = pieces.len() - pieces.iter().rev().take_while(|piece| piece.is_empty()).count();
    let pieces = pieces.get(start..end).unwrap_or_default();
    match ready!(socket.poll_write(cx, pieces))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        written => Poll::Ready(Ok(written)),
    }
}
