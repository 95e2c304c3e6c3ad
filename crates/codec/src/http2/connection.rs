//! One HTTP/2 connection, as bytes and events.
//!
//! Owns: what has been received in part, the order of frames, and the end of the connection. Does not own: what each
//! frame does, and the sending of messages (the modules below); reading and writing of the socket.
//! Follows: RFC 9113 sections 3.4, 4 and 5.4.
//!
//! Receiving: `receive` is called with the bytes that have come until it answers no event; what it has consumed is
//! dropped. Sending: all that is sent waits in one buffer (`pending`), to be written once for each wake-up.

mod control;
mod data;
mod headers;
mod sending;

pub use sending::{OpenError, SendError};

use std::collections::VecDeque;

use super::counts::Http2Counts;
use super::error::{ErrorCode, Http2Error, Http2ErrorKind};
use super::floods::Floods;
use super::frame::{self, FRAME_HEADER_LEN, FrameHeader};
use super::head::{Http2RequestHead, Http2ResponseHead};
use super::hpack::decoder::Decoder;
use super::hpack::encoder::Encoder;
use super::outbound::Outbound;
use super::settings::{DEFAULT_WINDOW, Http2Settings, PeerSettings};
use super::stream::{Ending, Half, Stream, Streams};
use crate::header_block::HeaderBlock;
use crate::message::RequestKind;
use data::DataFrame;
use headers::OpenBlock;

/// Which side of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We answer requests.
    Server,
    /// We send requests.
    Client,
}

/// What the bytes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http2Event<'a> {
    /// A request has come; its fields are in the block.
    Request {
        /// The new stream.
        stream: u32,
        /// What the fields say.
        head: Http2RequestHead,
        /// Whether nothing follows.
        end_stream: bool,
    },
    /// A response has come, or an informational one; its fields are in the block.
    Response {
        /// Its stream.
        stream: u32,
        /// What the fields say.
        head: Http2ResponseHead,
        /// Whether nothing follows.
        end_stream: bool,
    },
    /// Data has come; the caller answers with `consume` once it is done with it.
    Data {
        /// Its stream.
        stream: u32,
        /// Part of the input; may be empty at the end.
        data: &'a [u8],
        /// Whether nothing follows.
        end_stream: bool,
    },
    /// Trailers have come, which end the stream; their fields are in the block.
    Trailers {
        /// Their stream.
        stream: u32,
    },
    /// A stream has ended before its time; one that was never announced may be among them.
    Reset {
        /// The stream.
        stream: u32,
        /// The code that the peer has sent, or that it is sent.
        code: ErrorCode,
        /// The rule that the peer broke; none: it was the peer that reset the stream.
        cause: Option<Http2ErrorKind>,
    },
    /// The peer takes no more streams. Those of ours above the last are unprocessed; a `Reset` with `RefusedStream`
    /// follows for each.
    GoAway {
        /// The last stream that the peer may have processed.
        last_stream: u32,
        /// Why.
        code: ErrorCode,
        /// Words for a log.
        debug: &'a [u8],
    },
    /// The peer has answered `ping`.
    Pong {
        /// What was sent.
        payload: [u8; 8],
    },
    /// The peer has sent SETTINGS.
    SettingsChanged,
}

/// What a call of `receive` has come to.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// How many bytes of the input are done with.
    pub consumed: usize,
    /// None: all frames that are whole have been read; more bytes are needed.
    pub event: Option<Http2Event<'a>>,
}

/// What a step of receiving has come to.
enum Step<'a> {
    Event(Http2Event<'a>),
    /// Something was read that the caller need not know.
    Again,
    NeedMore,
}

type Stepped<'a> = Result<Step<'a>, Http2ErrorKind>;

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The client's preface is to come.
    Preface,
    /// The peer's first SETTINGS are to come.
    FirstSettings,
    Open,
    Failed(Http2ErrorKind),
}

/// A connection, downstream (server) or upstream (client).
#[derive(Debug)]
pub struct Http2Connection {
    role: Role,
    settings: Http2Settings,
    peer: PeerSettings,
    phase: Phase,
    /// The DATA frame that is being received.
    data: Option<DataFrame>,
    /// The header block that is being received, and what has come of it.
    open_block: Option<OpenBlock>,
    fragments: Vec<u8>,
    cookie: Vec<u8>,
    streams: Streams,
    decoder: Decoder,
    encoder: Encoder,
    out: Outbound,
    send_window: i32,
    receive_window: i32,
    /// What was consumed and not yet given back to the peer.
    consumed: u32,
    /// Whether the peer has acknowledged our SETTINGS.
    is_acknowledged: bool,
    /// The highest stream that the peer has opened.
    highest_stream: u32,
    /// The next stream that we open; too high: there is none.
    next_stream: u32,
    /// The last stream that we have said we would process.
    goaway_sent: Option<u32>,
    /// The last stream that the peer has said it would process.
    goaway_received: Option<u32>,
    /// Streams that may be able to send now, in the order in which they began to wait.
    waiting: VecDeque<u32>,
    counts: Http2Counts,
    floods: Floods,
    /// How many PING of ours the peer has not answered.
    pings: u32,
}

impl Http2Connection {
    /// A connection on which nothing has been received. Our SETTINGS, as a client the preface before them, wait to be
    /// sent.
    #[must_use]
    pub fn new(role: Role, settings: Http2Settings) -> Self {
        Self::with_entries(role, settings, &[])
    }

    /// The same, with entries of SETTINGS, by identifier, that mean nothing to us and are sent before our own.
    #[must_use]
    pub fn with_entries(role: Role, settings: Http2Settings, entries: &[(u16, u32)]) -> Self {
        let mut connection = Http2Connection {
            role,
            settings,
            peer: PeerSettings::default(),
            phase: if role == Role::Server { Phase::Preface } else { Phase::FirstSettings },
            data: None,
            open_block: None,
            fragments: Vec::new(),
            cookie: Vec::new(),
            streams: Streams::new(),
            // What we have said does not hold before it is acknowledged.
            decoder: Decoder::new(to_usize(settings.header_table_size.max(4096))),
            encoder: Encoder::new(to_usize(settings.header_table_size)).with_huffman(settings.huffman),
            out: Outbound::default(),
            send_window: DEFAULT_WINDOW,
            receive_window: settings.whole_window(),
            consumed: 0,
            is_acknowledged: false,
            highest_stream: 0,
            next_stream: if role == Role::Server { 2 } else { 1 },
            goaway_sent: None,
            goaway_received: None,
            waiting: VecDeque::new(),
            counts: Http2Counts::default(),
            floods: Floods::new(settings.floods),
            pings: 0,
        };
        let out = connection.out.frame();
        if role == Role::Client {
            out.extend_from_slice(frame::PREFACE);
        }
        settings.write(role == Role::Client, entries, out);
        let opened = settings.whole_window() - DEFAULT_WINDOW;
        if let (Ok(opened), true) = (u32::try_from(opened), opened > 0) {
            frame::write_window_update(0, opened, connection.out.frame());
        }
        connection
    }

    /// A server's connection that was HTTP/1.1 until the client asked for `h2c`, with what its `http2-settings` said.
    /// The request that asked is on stream 1 and has ended; its response is sent there. The client's preface follows.
    ///
    /// # Errors
    /// The field is no payload of SETTINGS in base64url.
    pub fn upgraded(
        settings: Http2Settings,
        http2_settings: &[u8],
        kind: RequestKind,
    ) -> Result<Self, Http2Error> {
        let mut connection = Self::new(Role::Server, settings);
        let payload = control::base64url(http2_settings).filter(|payload| payload.len() % 6 == 0);
        let payload = payload.ok_or(Http2ErrorKind::InvalidSetting)?;
        connection.apply_settings(&payload)?;
        connection.open_stream(1, kind);
        connection.highest_stream = 1;
        if let Some(stream) = connection.streams.get_mut(1) {
            stream.receiving = Half::Ended;
        }
        Ok(connection)
    }

    /// Reads up to the next event. A frame other than DATA is read once it is whole, so the caller's buffer must have
    /// room for `max_frame_size` and nine bytes. `block` is what heads and trailers are put into; it is cleared first.
    /// Call again, with what was consumed dropped, until there is no event.
    ///
    /// # Errors
    /// The rule that ends the connection. What waits is to be sent, then the connection closed. All further calls answer
    /// the same.
    pub fn receive<'a>(
        &mut self,
        input: &'a [u8],
        block: &mut HeaderBlock,
    ) -> Result<Received<'a>, Http2Error> {
        let mut rest = input;
        loop {
            match self.step(&mut rest, block) {
                Ok(Step::Again) => {}
                Ok(Step::NeedMore) => {
                    return Ok(Received { consumed: input.len() - rest.len(), event: None });
                }
                Ok(Step::Event(event)) => {
                    return Ok(Received { consumed: input.len() - rest.len(), event: Some(event) });
                }
                Err(kind) => {
                    self.fail(kind);
                    return Err(kind.into());
                }
            }
        }
    }

    #[inline]
    fn step<'a>(&mut self, rest: &mut &'a [u8], block: &mut HeaderBlock) -> Stepped<'a> {
        match self.phase {
            Phase::Failed(kind) => return Err(kind),
            Phase::Preface => return self.preface(rest),
            Phase::FirstSettings | Phase::Open => {}
        }
        if let Some(step) = self.refused_stream() {
            return Ok(step);
        }
        if let Some(frame) = self.data {
            return Ok(self.data_piece(frame, rest));
        }
        self.frame(rest, block)
    }

    fn preface<'a>(&mut self, rest: &mut &'a [u8]) -> Stepped<'a> {
        let length = rest.len().min(frame::PREFACE.len());
        if rest.get(..length) != frame::PREFACE.get(..length) {
            return Err(Http2ErrorKind::InvalidPreface);
        }
        if length < frame::PREFACE.len() {
            return Ok(Step::NeedMore);
        }
        *rest = rest.get(length..).unwrap_or_default();
        self.phase = Phase::FirstSettings;
        Ok(Step::Again)
    }

    fn frame<'a>(&mut self, rest: &mut &'a [u8], block: &mut HeaderBlock) -> Stepped<'a> {
        let Some(header) = FrameHeader::parse(rest) else { return Ok(Step::NeedMore) };
        if self.phase == Phase::FirstSettings && (header.kind != frame::SETTINGS || header.has(frame::ACK)) {
            return Err(Http2ErrorKind::InvalidPreface);
        }
        if header.length > self.settings.frame_size() {
            return Err(Http2ErrorKind::FrameSize);
        }
        match self.open_block {
            Some(open) if header.kind != frame::CONTINUATION || header.stream != open.stream => {
                return Err(Http2ErrorKind::Interleaved);
            }
            _ => {}
        }
        if header.kind == frame::DATA {
            return self.begin_data(header, rest);
        }
        let input: &'a [u8] = rest;
        let Some(payload) = input.get(FRAME_HEADER_LEN..FRAME_HEADER_LEN + header.len()) else {
            return Ok(Step::NeedMore);
        };
        *rest = input.get(FRAME_HEADER_LEN + header.len()..).unwrap_or_default();
        match header.kind {
            frame::HEADERS => self.headers(header, payload, block),
            frame::CONTINUATION => self.continuation(header, payload, block),
            frame::PRIORITY => self.priority(header, payload),
            frame::RST_STREAM => self.rst_stream(header, payload),
            frame::SETTINGS => self.settings_frame(header, payload),
            frame::PUSH_PROMISE => Err(Http2ErrorKind::Push),
            frame::PING => self.ping_frame(header, payload),
            frame::GOAWAY => self.goaway_frame(header, payload),
            frame::WINDOW_UPDATE => self.window_update(header, payload),
            _ => self.floods.on_useless().map(|()| Step::Again),
        }
    }

    fn fail(&mut self, kind: Http2ErrorKind) {
        if matches!(self.phase, Phase::Failed(_)) {
            return;
        }
        self.phase = Phase::Failed(kind);
        self.counts.add(kind);
        // A peer that does not read would not see it.
        if !matches!(kind, Http2ErrorKind::OutboundFlood | Http2ErrorKind::OutboundControlFlood) {
            self.write_goaway(self.highest_stream, kind.code());
        }
    }

    fn write_goaway(&mut self, last_stream: u32, code: ErrorCode) {
        frame::write_goaway(last_stream, code, self.out.control_frame());
        self.goaway_sent = Some(last_stream);
    }

    /// Ends a stream because of what the peer has sent, and says so.
    fn reset_for<'a>(&mut self, stream: u32, kind: Http2ErrorKind) -> Stepped<'a> {
        self.counts.add(kind);
        self.write_reset(stream, kind.code());
        if self.role == Role::Server {
            self.floods.on_reset()?;
        }
        self.check_control_frames()?;
        Ok(Step::Event(Http2Event::Reset { stream, code: kind.code(), cause: Some(kind) }))
    }

    /// Ends a stream, or the connection if the settings say so, because of a malformed message.
    fn malformed<'a>(&mut self, stream: u32, kind: Http2ErrorKind) -> Stepped<'a> {
        if kind.is_malformed_message() && !self.settings.stream_error_on_invalid_message {
            return Err(kind);
        }
        self.reset_for(stream, kind)
    }

    fn write_reset(&mut self, stream: u32, code: ErrorCode) {
        frame::write_rst_stream(stream, code, self.out.control_frame());
        self.counts.tx_reset += 1;
        self.streams.remove(stream, Ending::Regular);
        self.streams.remember(stream, Ending::ResetByUs);
    }

    fn check_control_frames(&self) -> Result<(), Http2ErrorKind> {
        let limits = &self.settings.floods;
        if self.out.control_frames() > limits.max_outbound_control_frames {
            return Err(Http2ErrorKind::OutboundControlFlood);
        }
        if self.out.frames() > limits.max_outbound_frames {
            return Err(Http2ErrorKind::OutboundFlood);
        }
        Ok(())
    }

    fn open_stream(&mut self, id: u32, kind: RequestKind) {
        let mut receive_window = self.settings.stream_window();
        if !self.is_acknowledged {
            receive_window = receive_window.max(DEFAULT_WINDOW);
        }
        let send_window = self.peer.initial_window;
        self.streams.insert(Stream { id, kind, send_window, receive_window, ..Stream::default() });
        self.floods.on_stream();
    }

    /// Whether the peer can have sent a frame on a stream: it was opened once, by whichever side.
    fn is_idle(&self, stream: u32) -> bool {
        let is_ours = (stream % 2 == 1) == (self.role == Role::Client);
        if is_ours { stream >= self.next_stream } else { stream > self.highest_stream }
    }

    /// Tells the time, in milliseconds since any moment; limits that are rates need it.
    pub fn set_now(&mut self, now_ms: u64) {
        self.floods.set_now(now_ms);
    }

    /// The bytes that wait to be sent.
    #[inline]
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        self.out.pending()
    }

    /// Takes account of bytes of `pending` that were sent.
    pub fn mark_sent(&mut self, count: usize) {
        self.out.mark_sent(count);
    }

    /// What has happened since this was last asked.
    pub fn take_counts(&mut self) -> Http2Counts {
        std::mem::take(&mut self.counts)
    }

    /// How many streams are open.
    #[must_use]
    pub fn active_streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether a stream is open; one that has ended on both sides, or was reset, is not.
    #[must_use]
    pub fn is_open(&self, stream: u32) -> bool {
        self.streams.get(stream).is_some()
    }

    /// What the peer has chosen.
    #[must_use]
    pub fn peer_settings(&self) -> &PeerSettings {
        &self.peer
    }

    /// The last stream that the peer processes, once it has sent GOAWAY.
    #[must_use]
    pub fn goaway_received(&self) -> Option<u32> {
        self.goaway_received
    }

    /// Whether the preface or a frame has come in part.
    #[must_use]
    pub fn is_inside_message(&self) -> bool {
        self.data.is_some() || self.open_block.is_some()
    }
}

#[inline]
fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
