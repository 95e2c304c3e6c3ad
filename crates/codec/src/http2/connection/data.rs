//! DATA, and the windows that are opened as it is consumed.
//!
//! Owns: the receiving side of flow control, and that a body is as long as its head has announced. Does not own: the
//! sending side (`sending.rs`).
//! Follows: RFC 9113 sections 5.2, 6.1 and 8.1.1.

use super::{Http2Connection, Http2Event, Role, Step, Stepped};
use crate::http2::error::Http2ErrorKind;
use crate::http2::frame::{self, FRAME_HEADER_LEN, FrameHeader};
use crate::http2::stream::{Ending, Half, Stream};

/// A DATA frame that is being received.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataFrame {
    stream: u32,
    /// How much data is still to come, and how much padding behind it.
    data: usize,
    padding: usize,
    ends_stream: bool,
}

impl Http2Connection {
    pub(super) fn begin_data<'a>(&mut self, header: FrameHeader, rest: &mut &'a [u8]) -> Stepped<'a> {
        let is_padded = header.has(frame::PADDED);
        let before_data = FRAME_HEADER_LEN + usize::from(is_padded);
        let input: &'a [u8] = rest;
        let (padding, in_front) = match (is_padded, input.get(FRAME_HEADER_LEN)) {
            (false, _) => (0, 0),
            (true, _) if header.length == 0 => return Err(Http2ErrorKind::FrameSize),
            (true, None) => return Ok(Step::NeedMore),
            (true, Some(&padding)) => (usize::from(padding), 1),
        };
        *rest = input.get(before_data..).unwrap_or_default();
        if header.stream == 0 {
            return Err(Http2ErrorKind::InvalidStreamId);
        }
        let data = header.len().checked_sub(in_front + padding).ok_or(Http2ErrorKind::InvalidPadding)?;
        let ends_stream = header.has(frame::END_STREAM);
        self.floods.on_payload(data == 0, ends_stream)?;
        let length = i32::try_from(header.length).unwrap_or(i32::MAX);
        self.receive_window -= length;
        if self.receive_window < 0 {
            return Err(Http2ErrorKind::WindowExceeded);
        }
        let frame = DataFrame { stream: header.stream, data, padding, ends_stream };
        self.give_back_of_connection(in_front + padding);
        if let Err(fault) = self.check_data(frame, length) {
            return self.refuse_data(frame, fault);
        }
        self.give_back_of_stream(header.stream, in_front + padding);
        if data == 0 && padding == 0 {
            return Ok(if ends_stream { self.end_of_data(header.stream) } else { Step::Again });
        }
        self.data = Some(frame);
        Ok(Step::Again)
    }

    /// What may be wrong with a frame on this stream; its data is accounted for.
    fn check_data(&mut self, frame: DataFrame, length: i32) -> Result<(), Option<Http2ErrorKind>> {
        let is_client = self.role == Role::Client;
        let Some(stream) = self.streams.get_mut(frame.stream) else {
            if self.is_idle(frame.stream) {
                return Err(Some(Http2ErrorKind::IdleStream));
            }
            let is_late = self.streams.ending_of(frame.stream) == Ending::ResetByUs;
            return Err((!is_late).then_some(Http2ErrorKind::ClosedStream));
        };
        if stream.receiving == Half::Ended {
            return Err(Some(Http2ErrorKind::ClosedStream));
        }
        if is_client && stream.receiving == Half::Head {
            return Err(Some(Http2ErrorKind::DataBeforeHead));
        }
        stream.receive_window -= length;
        if stream.receive_window < 0 {
            return Err(Some(Http2ErrorKind::WindowExceeded));
        }
        check_length(stream, frame).map_err(Some)
    }

    /// Passes over the data of a frame that breaks a rule, or, without a fault, comes after we have reset its stream.
    fn refuse_data<'a>(&mut self, frame: DataFrame, fault: Option<Http2ErrorKind>) -> Stepped<'a> {
        if frame.data + frame.padding > 0 {
            self.data = Some(frame);
        }
        match fault {
            None => self.floods.on_useless().map(|()| Step::Again),
            Some(Http2ErrorKind::IdleStream) => Err(Http2ErrorKind::IdleStream),
            // Envoy ends the stream alone, also where a malformed head ends the connection.
            Some(kind) => self.reset_for(frame.stream, kind),
        }
    }

    /// The next piece of the frame that is being received.
    pub(super) fn data_piece<'a>(&mut self, frame: DataFrame, rest: &mut &'a [u8]) -> Step<'a> {
        let input: &'a [u8] = rest;
        if input.is_empty() {
            return Step::NeedMore;
        }
        let (piece, behind) = input.split_at(input.len().min(frame.data));
        let (padding, behind) = behind.split_at(behind.len().min(frame.padding));
        *rest = behind;
        let left =
            DataFrame { data: frame.data - piece.len(), padding: frame.padding - padding.len(), ..frame };
        let is_whole = left.data == 0 && left.padding == 0;
        self.data = (!is_whole).then_some(left);
        let is_wanted = self.streams.get(frame.stream).is_some_and(|stream| stream.receiving != Half::Ended);
        if !is_wanted {
            self.give_back_of_connection(piece.len());
            return Step::Again;
        }
        let end_stream = is_whole && frame.ends_stream;
        if end_stream {
            self.end_of_data(frame.stream);
        }
        if piece.is_empty() && !end_stream {
            return Step::Again;
        }
        Step::Event(Http2Event::Data { stream: frame.stream, data: piece, end_stream })
    }

    fn end_of_data<'a>(&mut self, id: u32) -> Step<'a> {
        self.end_receiving(id);
        Step::Event(Http2Event::Data { stream: id, data: b"", end_stream: true })
    }

    /// The peer has ended its side of a stream.
    pub(super) fn end_receiving(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.receiving = Half::Ended;
        if stream.is_ended() {
            self.streams.remove(id, Ending::Regular);
        }
    }

    /// Opens the windows by data that was received as an event and is done with: passed on or dropped. All data is
    /// consumed once, also that of streams that have ended.
    pub fn consume(&mut self, stream: u32, count: usize) {
        self.give_back_of_connection(count);
        self.give_back_of_stream(stream, count);
    }

    fn give_back_of_connection(&mut self, count: usize) {
        let half = self.settings.whole_window() / 2;
        if let Some(increment) = add_consumed(&mut self.consumed, count, half) {
            self.receive_window = self.receive_window.saturating_add_unsigned(increment);
            frame::write_window_update(0, increment, self.out.frame());
        }
    }

    fn give_back_of_stream(&mut self, id: u32, count: usize) {
        let half = self.settings.stream_window() / 2;
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.receiving == Half::Ended {
            return;
        }
        if let Some(increment) = add_consumed(&mut stream.consumed, count, half) {
            stream.receive_window = stream.receive_window.saturating_add_unsigned(increment);
            frame::write_window_update(id, increment, self.out.frame());
        }
    }
}

/// Adds to what was consumed; answers how much is given back now, once it is half of the window.
#[inline]
fn add_consumed(consumed: &mut u32, count: usize, half: i32) -> Option<u32> {
    *consumed = consumed.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    let is_enough = *consumed > 0 && i64::from(*consumed) >= i64::from(half);
    is_enough.then(|| std::mem::take(consumed))
}

/// Whether the data is not more, and at the end not less, than the head has announced.
fn check_length(stream: &mut Stream, frame: DataFrame) -> Result<(), Http2ErrorKind> {
    if stream.has_no_body && frame.data > 0 {
        return Err(Http2ErrorKind::BodyNotAllowed);
    }
    let Some(missing) = stream.missing else { return Ok(()) };
    let data = u64::try_from(frame.data).unwrap_or(u64::MAX);
    let left = missing.checked_sub(data).ok_or(Http2ErrorKind::LengthMismatch)?;
    stream.missing = Some(left);
    if frame.ends_stream && left > 0 { Err(Http2ErrorKind::LengthMismatch) } else { Ok(()) }
}
