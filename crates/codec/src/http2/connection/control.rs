//! All frames that carry no message.
//!
//! Owns: SETTINGS, PING, GOAWAY, RST_STREAM, WINDOW_UPDATE and PRIORITY as they are received, and their sending that the
//! caller asks for. Does not own: the windows that we open (`data.rs`).
//! Follows: RFC 9113 sections 3.1, 6.3 to 6.9 and 5.3; priority is checked and ignored.

use super::{Http2Connection, Http2Event, Phase, Role, Step, Stepped, to_usize};
use crate::http2::error::{ErrorCode, Http2ErrorKind};
use crate::http2::frame::{self, FrameHeader};
use crate::http2::settings::DEFAULT_WINDOW;
use crate::http2::stream::Ending;

/// The last stream of a GOAWAY that only says that another follows.
const NOTICE: u32 = (1 << 31) - 1;

impl Http2Connection {
    pub(super) fn settings_frame<'a>(&mut self, header: FrameHeader, payload: &[u8]) -> Stepped<'a> {
        if header.stream != 0 {
            return Err(Http2ErrorKind::InvalidStreamId);
        }
        if header.has(frame::ACK) {
            if !payload.is_empty() {
                return Err(Http2ErrorKind::FrameSize);
            }
            self.settings_acknowledged();
            return self.floods.on_settings().map(|()| Step::Again);
        }
        if payload.len() % 6 != 0 {
            return Err(Http2ErrorKind::FrameSize);
        }
        self.floods.on_settings()?;
        self.apply_settings(payload)?;
        self.phase = Phase::Open;
        frame::write_settings_ack(self.out.control_frame());
        self.check_control_frames()?;
        Ok(Step::Event(Http2Event::SettingsChanged))
    }

    /// From now on the peer keeps to what our SETTINGS say; until now it could not know.
    fn settings_acknowledged(&mut self) {
        if self.is_acknowledged {
            return;
        }
        self.is_acknowledged = true;
        self.decoder.set_limit(to_usize(self.settings.header_table_size));
        let excess = DEFAULT_WINDOW - self.settings.stream_window();
        if excess > 0 {
            for stream in self.streams.iter_mut() {
                stream.receive_window = stream.receive_window.saturating_sub(excess);
            }
        }
    }

    pub(super) fn apply_settings(&mut self, payload: &[u8]) -> Result<(), Http2ErrorKind> {
        let before = self.peer;
        self.peer.apply(payload, self.role == Role::Client)?;
        self.encoder.set_peer_limit(to_usize(self.peer.header_table_size));
        let change = i64::from(self.peer.initial_window) - i64::from(before.initial_window);
        if change == 0 {
            return Ok(());
        }
        for stream in self.streams.iter_mut() {
            let window = i64::from(stream.send_window) + change;
            let was_closed = stream.send_window <= 0;
            stream.send_window = i32::try_from(window).map_err(|_| Http2ErrorKind::WindowOverflow)?;
            if stream.waits && was_closed && window > 0 && !self.waiting.contains(&stream.id) {
                self.waiting.push_back(stream.id);
            }
        }
        Ok(())
    }

    pub(super) fn ping_frame<'a>(&mut self, header: FrameHeader, payload: &[u8]) -> Stepped<'a> {
        if header.stream != 0 {
            return Err(Http2ErrorKind::InvalidStreamId);
        }
        let payload = <[u8; 8]>::try_from(payload).map_err(|_| Http2ErrorKind::FrameSize)?;
        if header.has(frame::ACK) && self.pings > 0 {
            self.pings -= 1;
        } else {
            self.floods.on_ping()?;
        }
        if header.has(frame::ACK) {
            return Ok(Step::Event(Http2Event::Pong { payload }));
        }
        frame::write_ping(frame::ACK, payload, self.out.control_frame());
        self.check_control_frames()?;
        Ok(Step::Again)
    }

    pub(super) fn goaway_frame<'a>(&mut self, header: FrameHeader, payload: &'a [u8]) -> Stepped<'a> {
        if header.stream != 0 {
            return Err(Http2ErrorKind::InvalidStreamId);
        }
        let last_stream = frame::number(payload).ok_or(Http2ErrorKind::FrameSize)? & NOTICE;
        let code = payload.get(4..).and_then(frame::number).ok_or(Http2ErrorKind::FrameSize)?;
        // What was promised cannot be taken back, nor can it grow.
        let last_stream = self.goaway_received.map_or(last_stream, |before| before.min(last_stream));
        self.floods.on_useless()?;
        self.goaway_received = Some(last_stream);
        let debug = payload.get(8..).unwrap_or_default();
        Ok(Step::Event(Http2Event::GoAway { last_stream, code: ErrorCode::of(code), debug }))
    }

    /// The next of our streams that the peer has said it does not process.
    #[inline]
    pub(super) fn refused_stream<'a>(&mut self) -> Option<Step<'a>> {
        let last = self.goaway_received?;
        if self.role == Role::Server {
            return None;
        }
        let stream = self.streams.any_above(last)?;
        self.streams.remove(stream, Ending::ResetByUs);
        Some(Step::Event(Http2Event::Reset { stream, code: ErrorCode::RefusedStream, cause: None }))
    }

    pub(super) fn rst_stream<'a>(&mut self, header: FrameHeader, payload: &[u8]) -> Stepped<'a> {
        let stream = header.stream;
        if stream == 0 {
            return Err(Http2ErrorKind::InvalidStreamId);
        }
        let number = <[u8; 4]>::try_from(payload).map_err(|_| Http2ErrorKind::FrameSize)?;
        let code = ErrorCode::of(u32::from_be_bytes(number));
        if self.is_idle(stream) {
            return Err(Http2ErrorKind::IdleStream);
        }
        self.counts.rx_reset += 1;
        if self.role == Role::Server {
            self.floods.on_reset()?;
        }
        if self.streams.get(stream).is_none() {
            return self.floods.on_useless().map(|()| Step::Again);
        }
        self.streams.remove(stream, Ending::Regular);
        Ok(Step::Event(Http2Event::Reset { stream, code, cause: None }))
    }

    pub(super) fn window_update<'a>(&mut self, header: FrameHeader, payload: &[u8]) -> Stepped<'a> {
        let number = <[u8; 4]>::try_from(payload).map_err(|_| Http2ErrorKind::FrameSize)?;
        let increment = u32::from_be_bytes(number) & NOTICE;
        self.floods.on_window_update()?;
        if header.stream == 0 {
            if increment == 0 {
                return Err(Http2ErrorKind::ZeroIncrement);
            }
            let window = self.send_window.checked_add_unsigned(increment);
            self.send_window = window.ok_or(Http2ErrorKind::WindowOverflow)?;
            return Ok(Step::Again);
        }
        if self.is_idle(header.stream) {
            return Err(Http2ErrorKind::IdleStream);
        }
        let Some(stream) = self.streams.get_mut(header.stream) else {
            return self.floods.on_useless().map(|()| Step::Again);
        };
        if increment == 0 {
            return self.reset_for(header.stream, Http2ErrorKind::ZeroIncrement);
        }
        let was_closed = stream.send_window <= 0;
        let Some(window) = stream.send_window.checked_add_unsigned(increment) else {
            return self.reset_for(header.stream, Http2ErrorKind::WindowOverflow);
        };
        stream.send_window = window;
        if stream.waits && was_closed && window > 0 && !self.waiting.contains(&header.stream) {
            self.waiting.push_back(header.stream);
        }
        Ok(Step::Again)
    }

    pub(super) fn priority<'a>(&mut self, header: FrameHeader, payload: &[u8]) -> Stepped<'a> {
        if header.stream == 0 {
            return Err(Http2ErrorKind::InvalidStreamId);
        }
        self.floods.on_priority()?;
        let is_open = self.streams.get(header.stream).is_some();
        let fault = if payload.len() != 5 {
            Some(Http2ErrorKind::FrameSize)
        } else if frame::number(payload).map(|number| number & NOTICE) == Some(header.stream) {
            Some(Http2ErrorKind::SelfDependency)
        } else {
            None
        };
        match fault {
            None => Ok(Step::Again),
            Some(kind) if is_open => self.reset_for(header.stream, kind),
            // There is no stream to be reset.
            Some(kind) => Err(kind),
        }
    }

    /// Asks the peer for a sign of life; `Pong` answers with the same payload.
    pub fn ping(&mut self, payload: [u8; 8]) {
        self.pings += 1;
        frame::write_ping(0, payload, self.out.control_frame());
    }

    /// Says that the connection will end soon: the first step of a graceful end. Streams that are opened meanwhile are
    /// served.
    pub fn announce_goaway(&mut self) {
        if self.goaway_sent.is_none() {
            self.counts.goaway_sent += 1;
            self.write_goaway(NOTICE, ErrorCode::NoError);
        }
    }

    /// Says which streams are served to their end: those opened so far; later ones are ignored. The second step of a
    /// graceful end, or the only one.
    pub fn goaway(&mut self, code: ErrorCode) {
        let last_stream = if self.role == Role::Server { self.highest_stream } else { 0 };
        self.counts.goaway_sent += 1;
        self.write_goaway(last_stream, code);
    }

    /// Whether this side has said that the connection ends.
    #[must_use]
    pub fn is_going_away(&self) -> bool {
        self.goaway_sent.is_some()
    }
}

/// What the text stands for (RFC 4648 section 5, without padding); none when it is not base64url.
pub(super) fn base64url(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut word, mut bits) = (0u32, 0);
    for &character in text {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        word = (word << 6 | u32::from(value)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(word >> bits & 0xff).ok()?);
        }
    }
    // Six bits that are left over are a character too many.
    (bits < 6).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_is_read() {
        assert_eq!(base64url(b"AAMAAABkAAQAAP__"), Some(b"\0\x03\0\0\0d\0\x04\0\0\xff\xff".to_vec()));
        assert_eq!(base64url(b""), Some(vec![]));
        for bad in [&b"A"[..], b"AAA=", b"AA+A", b"A A"] {
            assert_eq!(base64url(bad), None);
        }
    }
}
