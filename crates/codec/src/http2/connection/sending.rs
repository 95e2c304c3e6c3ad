//! Sending: heads, data and trailers, and when there is room for data.
//!
//! Owns: the order of a message's parts, the sending side of flow control, and which streams wait for it. Does not own:
//! the writing of heads (`write_head.rs`).
//! Follows: RFC 9113 sections 5.2, 6.9 and 8.1.
//!
//! A stream for whose data there was no room waits; `next_writable` names the streams that can go on, in turn.

use super::{Http2Connection, Role, to_usize};
use crate::header_block::{HeaderBlock, KnownName};
use crate::http2::error::{ErrorCode, Http2ErrorKind};
use crate::http2::frame::{self, FRAME_HEADER_LEN, FrameHeader};
use crate::http2::hpack::encoder::Encoder;
use crate::http2::stream::{Ending, Half, Stream};
use crate::http2::write_head::{self, RequestForm};
use crate::message::RequestKind;

/// Less than this is not worth a frame while others wait to be sent.
const LITTLE_ROOM: usize = 4 * 1024;

/// Why something cannot be sent on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendError {
    /// The stream has ended or was reset, or the connection has failed.
    Closed,
    /// The message has no head yet, or has one, or has ended; or the head lacks what it needs.
    OutOfOrder,
    /// More frames wait to be sent than are allowed; the connection has failed.
    Flood,
}

/// Why no stream can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenError {
    /// The peer has as many streams as it takes: try again when one has ended.
    TooManyStreams,
    /// The connection takes no new streams: it ends, or its numbers are used up.
    Closed,
    /// The block has no method, authority or path, or the path does not begin with `/`.
    UnwritableHead,
}

impl Http2Connection {
    /// How many streams can be opened now.
    #[must_use]
    pub fn available_streams(&self) -> usize {
        let is_closed = self.goaway_received.is_some()
            || self.goaway_sent.is_some()
            || matches!(self.phase, super::Phase::Failed(_))
            || self.next_stream > 1 << 31;
        if is_closed {
            0
        } else {
            to_usize(self.peer.max_concurrent_streams).saturating_sub(self.streams.len())
        }
    }

    /// Opens a stream with a request, as a client; answers its id. A request with `upgrade` goes out as extended CONNECT,
    /// as by Envoy also to a peer that has not said (yet) that it takes it: one that does not resets the stream.
    ///
    /// # Errors
    /// `OpenError`; then nothing is queued.
    pub fn open(&mut self, block: &HeaderBlock, end_stream: bool) -> Result<u32, OpenError> {
        let form = write_head::form_of(block).ok_or(OpenError::UnwritableHead)?;
        if self.available_streams() == 0 {
            let is_full = self.streams.len() >= to_usize(self.peer.max_concurrent_streams);
            let is_closed = self.goaway_received.is_some() || self.goaway_sent.is_some();
            return Err(if is_full && !is_closed { OpenError::TooManyStreams } else { OpenError::Closed });
        }
        let id = self.next_stream;
        self.next_stream += 2;
        let kind = match form {
            RequestForm::Upgrade => RequestKind::Upgrade,
            _ => RequestKind::of(block.get(KnownName::Method).unwrap_or_default()),
        };
        self.open_stream(id, kind);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.sending = if end_stream { Half::Ended } else { Half::Body };
            if form == RequestForm::Upgrade {
                stream.protocol = block.get(KnownName::Upgrade).map(Into::into);
            }
        }
        self.write_header_block(id, end_stream, |encoder, out| {
            write_head::request(encoder, block, form, out)
        });
        Ok(id)
    }

    /// Sends a response's head, as a server; a 1xx (not 101) is followed by another head.
    ///
    /// # Errors
    /// `SendError`; then nothing is queued.
    pub fn send_response(&mut self, id: u32, block: &HeaderBlock, end_stream: bool) -> Result<(), SendError> {
        let status = block.get(KnownName::Status).ok_or(SendError::OutOfOrder)?;
        let stream = self.open_half(id)?;
        if stream.sending != Half::Head {
            return Err(SendError::OutOfOrder);
        }
        let is_informational = status.first() == Some(&b'1') && status != b"101";
        if is_informational && end_stream {
            return Err(SendError::OutOfOrder);
        }
        let is_success = status == b"101" || status.first() == Some(&b'2');
        let tunnel = is_success && matches!(stream.kind, RequestKind::Connect | RequestKind::Upgrade);
        if !is_informational {
            stream.sending = Half::Body;
        }
        self.write_header_block(id, end_stream, |encoder, out| {
            write_head::response(encoder, block, tunnel, out)
        });
        self.after_frame(id, end_stream)
    }

    /// Sends trailers, which end the message.
    ///
    /// # Errors
    /// `SendError`; then nothing is queued.
    pub fn send_trailers(&mut self, id: u32, block: &HeaderBlock) -> Result<(), SendError> {
        if self.open_half(id)?.sending != Half::Body {
            return Err(SendError::OutOfOrder);
        }
        self.write_header_block(id, true, |encoder, out| write_head::trailers(encoder, block, out));
        self.after_frame(id, true)
    }

    /// How many bytes of data the stream can send now. When it is 0, the stream waits for `next_writable` to name it.
    ///
    /// # Errors
    /// `SendError::Closed`.
    pub fn capacity(&mut self, id: u32) -> Result<usize, SendError> {
        let shared = self.shared_capacity();
        let stream = self.open_half(id)?;
        let own = usize::try_from(stream.send_window).unwrap_or(0);
        let capacity = own.min(shared);
        if capacity == 0 && !stream.waits {
            stream.waits = true;
            // A stream whose own window is closed is put in line when that is opened.
            if own > 0 {
                self.waiting.push_back(id);
            }
        }
        Ok(capacity)
    }

    /// What the connection has room for.
    fn shared_capacity(&self) -> usize {
        let limits = &self.settings.floods;
        // Heads of other streams must still find room.
        if self.out.frames() >= limits.max_outbound_frames / 2 {
            return 0;
        }
        let most = self.settings.max_pending_bytes;
        let room = most.saturating_sub(self.out.len());
        // A little room would only make frames small.
        if room < LITTLE_ROOM.min(most / 4) {
            return 0;
        }
        room.min(usize::try_from(self.send_window).unwrap_or(0))
    }

    /// Takes data of a stream; answers how many bytes. What was not taken must be offered again, once `next_writable`
    /// names the stream. The stream ends with the last byte; without data, with those that wait last, or by an empty frame.
    ///
    /// # Errors
    /// `SendError`; then nothing is queued.
    pub fn send_data(&mut self, id: u32, data: &[u8], end_stream: bool) -> Result<usize, SendError> {
        if self.open_half(id)?.sending != Half::Body {
            return Err(SendError::OutOfOrder);
        }
        if data.is_empty() && !end_stream {
            return Ok(0);
        }
        if data.is_empty() && self.out.end_with_last_data(id) {
            self.after_frame(id, true)?;
            return Ok(0);
        }
        let taken = if data.is_empty() { 0 } else { self.capacity(id)?.min(data.len()) };
        if taken == 0 && !data.is_empty() {
            return Ok(0);
        }
        let ends_stream = end_stream && taken == data.len();
        let (now, _) = data.split_at(taken);
        self.write_data(id, now, ends_stream);
        let count = i32::try_from(taken).unwrap_or(i32::MAX);
        self.send_window -= count;
        if let Some(stream) = self.streams.get_mut(id) {
            stream.send_window -= count;
        }
        self.after_frame(id, ends_stream)?;
        if taken < data.len() {
            // There is no room for the rest: the stream waits.
            self.capacity(id)?;
        }
        Ok(taken)
    }

    fn write_data(&mut self, id: u32, data: &[u8], ends_stream: bool) {
        let mut rest = data;
        loop {
            let (piece, behind) = rest.split_at(rest.len().min(to_usize(self.peer.max_frame_size)));
            rest = behind;
            let flags = if ends_stream && rest.is_empty() { frame::END_STREAM } else { 0 };
            let length = u32::try_from(piece.len()).unwrap_or(0);
            let header = FrameHeader { length, kind: frame::DATA, flags, stream: id };
            let out = self.out.data_frame(id);
            out.extend_from_slice(&header.bytes());
            out.extend_from_slice(piece);
            self.floods.on_data_sent();
            if rest.is_empty() {
                return;
            }
        }
    }

    /// Ends a stream before its time. Nothing when it has ended already.
    pub fn reset(&mut self, id: u32, code: ErrorCode) {
        if self.streams.get(id).is_some() {
            self.write_reset(id, code);
        }
    }

    /// The next stream that has waited for room and has some now; it waits no longer. To be asked after `receive` and
    /// after `mark_sent`, until there is none.
    pub fn next_writable(&mut self) -> Option<u32> {
        if self.waiting.is_empty() || self.shared_capacity() == 0 {
            return None;
        }
        while let Some(id) = self.waiting.pop_front() {
            let Some(stream) = self.streams.get_mut(id) else { continue };
            if stream.waits && stream.send_window > 0 {
                stream.waits = false;
                return Some(id);
            }
        }
        None
    }

    fn open_half(&mut self, id: u32) -> Result<&mut Stream, SendError> {
        if matches!(self.phase, super::Phase::Failed(_)) {
            return Err(SendError::Closed);
        }
        let stream = self.streams.get_mut(id).ok_or(SendError::Closed)?;
        if stream.sending == Half::Ended { Err(SendError::Closed) } else { Ok(stream) }
    }

    /// What follows from a frame that was queued.
    fn after_frame(&mut self, id: u32, ends_stream: bool) -> Result<(), SendError> {
        if ends_stream {
            if let Some(stream) = self.streams.get_mut(id) {
                stream.sending = Half::Ended;
                if stream.is_ended() {
                    self.streams.remove(id, Ending::Regular);
                }
            }
        }
        if self.role == Role::Server && self.out.frames() > self.settings.floods.max_outbound_frames {
            self.fail(Http2ErrorKind::OutboundFlood);
            return Err(SendError::Flood);
        }
        Ok(())
    }

    /// Queues HEADERS, and CONTINUATION where one frame is not enough.
    fn write_header_block(
        &mut self,
        id: u32,
        end_stream: bool,
        encode: impl FnOnce(&mut Encoder, &mut Vec<u8>),
    ) {
        let most = to_usize(self.peer.max_frame_size);
        let out = self.out.frame();
        let start = out.len();
        out.extend_from_slice(&[0; FRAME_HEADER_LEN]);
        encode(&mut self.encoder, out);
        let length = out.len() - start - FRAME_HEADER_LEN;
        let end_stream = if end_stream { frame::END_STREAM } else { 0 };
        if length <= most {
            let length = u32::try_from(length).unwrap_or(0);
            let flags = end_stream | frame::END_HEADERS;
            let header = FrameHeader { length, kind: frame::HEADERS, flags, stream: id };
            if let Some(place) = out.get_mut(start..start + FRAME_HEADER_LEN) {
                place.copy_from_slice(&header.bytes());
            }
            return;
        }
        let block = out.split_off(start + FRAME_HEADER_LEN);
        out.truncate(start);
        let pieces = block.chunks(most);
        let last = pieces.len() - 1;
        for (piece, index) in pieces.zip(0..) {
            let (kind, first_flags) =
                if index == 0 { (frame::HEADERS, end_stream) } else { (frame::CONTINUATION, 0) };
            let last_flags = if index == last { frame::END_HEADERS } else { 0 };
            let length = u32::try_from(piece.len()).unwrap_or(0);
            let header = FrameHeader { length, kind, flags: first_flags | last_flags, stream: id };
            out.extend_from_slice(&header.bytes());
            out.extend_from_slice(piece);
        }
    }
}
