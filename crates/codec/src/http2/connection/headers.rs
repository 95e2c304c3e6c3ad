//! HEADERS and CONTINUATION: requests, responses and trailers.
//!
//! Owns: the gathering of a header block, which stream it belongs to, and what it is there. Does not own: what its fields
//! must be (`head.rs`).
//! Follows: RFC 9113 sections 5.1, 6.2, 6.10 and 8.1. Every header block is decoded, also one that nobody wants: the
//! table must stay the peer's.

use super::{Http2Connection, Http2Event, Role, Step, Stepped};
use crate::framing::BodyFraming;
use crate::header_block::HeaderBlock;
use crate::http2::error::Http2ErrorKind;
use crate::http2::frame::{self, FrameHeader};
use crate::http2::head::{HeadFacts, HeadOf, HeadReader};
use crate::http2::stream::{Ending, Half};
use crate::message::RequestKind;

/// A header block that goes on in CONTINUATION.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenBlock {
    pub(super) stream: u32,
    ends_stream: bool,
    depends_on_itself: bool,
    frames: usize,
}

/// What a header block on a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Head(HeadOf),
    /// It is decoded and dropped.
    Ignored,
    /// The same, and the rule that the peer broke is answered on the stream.
    Refused(Http2ErrorKind),
}

/// Most heads of a response, informational ones and trailers included.
const MAX_HEADER_FRAMES: u8 = 8;
/// So many bytes of a header block may come in a frame of their own.
const BYTES_PER_FRAME: usize = 1024;
/// What a field needs on the wire beyond its name and value, at most.
const FIELD_OVERHEAD: usize = 12;
/// How many times the limit a header block may have that is decoded for the table's sake.
const EXCESS: usize = 4;

impl Http2Connection {
    pub(super) fn headers<'a>(
        &mut self,
        header: FrameHeader,
        payload: &'a [u8],
        block: &mut HeaderBlock,
    ) -> Stepped<'a> {
        if header.stream == 0 {
            return Err(Http2ErrorKind::InvalidStreamId);
        }
        let (fragment, dependency) = fragment_of(header, payload)?;
        let ends_headers = header.has(frame::END_HEADERS);
        let ends_stream = header.has(frame::END_STREAM);
        self.floods.on_payload(fragment.is_empty(), ends_stream)?;
        let open = OpenBlock {
            stream: header.stream,
            ends_stream,
            depends_on_itself: dependency == Some(header.stream),
            frames: 1,
        };
        if ends_headers {
            return self.header_block(open, fragment, block);
        }
        self.fragments.clear();
        self.append_fragment(fragment)?;
        self.open_block = Some(open);
        Ok(Step::Again)
    }

    pub(super) fn continuation<'a>(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        block: &mut HeaderBlock,
    ) -> Stepped<'a> {
        let Some(open) = &mut self.open_block else { return Err(Http2ErrorKind::Interleaved) };
        open.frames += 1;
        let open = *open;
        if open.frames > 8 + self.max_block_bytes() / BYTES_PER_FRAME {
            return Err(Http2ErrorKind::TooManyHeaderFrames);
        }
        self.floods.on_payload(payload.is_empty(), false)?;
        self.append_fragment(payload)?;
        if !header.has(frame::END_HEADERS) {
            return Ok(Step::Again);
        }
        self.open_block = None;
        let mut fragments = std::mem::take(&mut self.fragments);
        let step = self.header_block(open, &fragments, block);
        fragments.clear();
        // Such blocks are rare: their memory is not kept for the next.
        fragments.shrink_to(4096);
        self.fragments = fragments;
        step
    }

    /// The most bytes on the wire that a header block may have before the connection is cut; one that is smaller and
    /// beyond the limits ends its stream alone.
    fn max_block_bytes(&self) -> usize {
        let fields = self.settings.max_headers_count.saturating_mul(FIELD_OVERHEAD);
        self.settings.max_header_bytes.saturating_mul(EXCESS).saturating_add(fields)
    }

    fn append_fragment(&mut self, fragment: &[u8]) -> Result<(), Http2ErrorKind> {
        if self.fragments.len() + fragment.len() > self.max_block_bytes() {
            return Err(Http2ErrorKind::HeadersTooLarge);
        }
        self.fragments.extend_from_slice(fragment);
        Ok(())
    }

    /// Takes a header block that is whole.
    fn header_block<'a>(&mut self, open: OpenBlock, fragment: &[u8], block: &mut HeaderBlock) -> Stepped<'a> {
        let purpose = match self.role {
            Role::Server => self.purpose_from_client(open.stream)?,
            Role::Client => self.purpose_from_server(open.stream)?,
        };
        block.clear();
        let of = match purpose {
            Purpose::Head(of) => of,
            Purpose::Ignored | Purpose::Refused(_) => {
                self.decoder.decode(fragment, |_| {}).map_err(|_| Http2ErrorKind::Compression)?;
                return match purpose {
                    Purpose::Refused(kind) => self.reset_for(open.stream, kind),
                    _ => self.floods.on_useless().map(|()| Step::Again),
                };
            }
        };
        let facts = HeadFacts::default();
        let mut reader = HeadReader { block, settings: &self.settings, of, cookie: &mut self.cookie, facts };
        let decoded = self.decoder.decode(fragment, |field| reader.field(field));
        if decoded.is_err() {
            return Err(Http2ErrorKind::Compression);
        }
        self.counts.dropped_headers_with_underscores += reader.facts.dropped_fields;
        if open.depends_on_itself {
            reader.facts.fault = Some(Http2ErrorKind::SelfDependency);
        }
        let length = reader.facts.content_length;
        match of {
            HeadOf::Request => {
                let head = reader.request(open.ends_stream);
                self.open_stream(open.stream, RequestKind::Other);
                match head {
                    Ok(head) => Ok(self.request(open, head, length)),
                    Err(kind) => self.malformed(open.stream, kind),
                }
            }
            HeadOf::Response => {
                let stream = self.streams.get(open.stream);
                let (kind, protocol) = stream
                    .map_or((RequestKind::Other, None), |stream| (stream.kind, stream.protocol.as_deref()));
                match reader.response(open.ends_stream, kind, protocol) {
                    Ok(head) => self.response(open, head, length),
                    Err(kind) => self.malformed(open.stream, kind),
                }
            }
            HeadOf::Trailers => match reader.trailers() {
                Ok(()) => self.trailers(open),
                Err(kind) => self.malformed(open.stream, kind),
            },
        }
    }

    /// What a header block from a client is, on this stream.
    fn purpose_from_client(&mut self, id: u32) -> Result<Purpose, Http2ErrorKind> {
        if id % 2 == 0 {
            return Err(Http2ErrorKind::InvalidStreamId);
        }
        if let Some(stream) = self.streams.get(id) {
            let ended = stream.receiving == Half::Ended;
            return Ok(if ended {
                Purpose::Refused(Http2ErrorKind::ClosedStream)
            } else {
                Purpose::Head(HeadOf::Trailers)
            });
        }
        if id <= self.highest_stream {
            return match self.streams.ending_of(id) {
                Ending::ResetByUs => Ok(Purpose::Ignored),
                Ending::Regular => Err(Http2ErrorKind::ClosedStream),
                Ending::Unknown => Err(Http2ErrorKind::InvalidStreamId),
            };
        }
        if self.goaway_sent.is_some_and(|last| id > last) {
            return Ok(Purpose::Ignored);
        }
        self.highest_stream = id;
        let most = usize::try_from(self.settings.max_concurrent_streams).unwrap_or(usize::MAX);
        Ok(if self.streams.len() >= most {
            Purpose::Refused(Http2ErrorKind::Refused)
        } else {
            Purpose::Head(HeadOf::Request)
        })
    }

    /// What a header block from a server is, on this stream.
    fn purpose_from_server(&mut self, id: u32) -> Result<Purpose, Http2ErrorKind> {
        if let Some(stream) = self.streams.get(id) {
            return Ok(match stream.receiving {
                Half::Head => Purpose::Head(HeadOf::Response),
                Half::Body => Purpose::Head(HeadOf::Trailers),
                Half::Ended => Purpose::Refused(Http2ErrorKind::ClosedStream),
            });
        }
        if self.is_idle(id) {
            return Err(Http2ErrorKind::IdleStream);
        }
        self.counts.headers_cb_no_stream += 1;
        match self.streams.ending_of(id) {
            Ending::Regular => Err(Http2ErrorKind::ClosedStream),
            Ending::ResetByUs | Ending::Unknown => Ok(Purpose::Ignored),
        }
    }

    fn request<'a>(
        &mut self,
        open: OpenBlock,
        head: crate::http2::head::Http2RequestHead,
        length: Option<u64>,
    ) -> Step<'a> {
        if let Some(stream) = self.streams.get_mut(open.stream) {
            stream.kind = head.kind;
            stream.receiving = if open.ends_stream { Half::Ended } else { Half::Body };
            stream.missing = if matches!(head.framing, BodyFraming::Length(_)) { length } else { None };
        }
        Step::Event(Http2Event::Request { stream: open.stream, head, end_stream: open.ends_stream })
    }

    fn response<'a>(
        &mut self,
        open: OpenBlock,
        head: crate::http2::head::Http2ResponseHead,
        length: Option<u64>,
    ) -> Stepped<'a> {
        let Some(stream) = self.streams.get_mut(open.stream) else { return Ok(Step::Again) };
        stream.header_frames = stream.header_frames.saturating_add(1);
        if stream.header_frames > MAX_HEADER_FRAMES {
            return self.reset_for(open.stream, Http2ErrorKind::TooManyHeaderFrames);
        }
        if !head.informational {
            stream.receiving = Half::Body;
            stream.has_no_body = head.framing == BodyFraming::None && !open.ends_stream;
            stream.missing = if matches!(head.framing, BodyFraming::Length(_)) { length } else { None };
        }
        if open.ends_stream {
            self.end_receiving(open.stream);
        }
        let (stream, end_stream) = (open.stream, open.ends_stream);
        Ok(Step::Event(Http2Event::Response { stream, head, end_stream }))
    }

    fn trailers<'a>(&mut self, open: OpenBlock) -> Stepped<'a> {
        if !open.ends_stream {
            return self.malformed(open.stream, Http2ErrorKind::UnendedTrailers);
        }
        let missing = self.streams.get(open.stream).and_then(|stream| stream.missing);
        if missing.is_some_and(|missing| missing > 0) {
            return self.reset_for(open.stream, Http2ErrorKind::LengthMismatch);
        }
        self.counts.trailers += 1;
        self.end_receiving(open.stream);
        Ok(Step::Event(Http2Event::Trailers { stream: open.stream }))
    }
}

/// The part of the header block in HEADERS, and the stream that this one depends on.
fn fragment_of(header: FrameHeader, payload: &[u8]) -> Result<(&[u8], Option<u32>), Http2ErrorKind> {
    let mut rest = payload;
    let mut padding = 0;
    if header.has(frame::PADDED) {
        let (&length, behind) = rest.split_first().ok_or(Http2ErrorKind::FrameSize)?;
        (padding, rest) = (usize::from(length), behind);
    }
    let mut dependency = None;
    if header.has(frame::HAS_PRIORITY) {
        dependency = Some(frame::number(rest).ok_or(Http2ErrorKind::FrameSize)? & !(1 << 31));
        rest = rest.get(5..).ok_or(Http2ErrorKind::FrameSize)?;
    }
    let length = rest.len().checked_sub(padding).ok_or(Http2ErrorKind::InvalidPadding)?;
    Ok((rest.get(..length).unwrap_or_default(), dependency))
}
