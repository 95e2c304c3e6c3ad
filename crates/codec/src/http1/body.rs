//! Bodies: what of the received bytes is data, and where the message ends.
//!
//! Owns: counting content-length, taking chunks apart, trailers. Does not own: which framing a
//! message has (`framing.rs`), nor the grammar of a chunk's first line (`chunk_line.rs`).
//! Follows: RFC 9112 sections 6 and 7.1, strictly: lines end in CR LF only.

use std::ops::Range;

use super::Http1Settings;
use super::chunk_line::ChunkLine;
use super::encode::CHUNK_END;
use super::field_line::FieldLine;
use super::lines::Lines;
use crate::error::{Error, ErrorKind};
use crate::framing::BodyFraming;
use crate::header_block::{HeaderBlock, KnownName};

/// What one call has made of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyStep {
    /// How many bytes are done with. The rest comes again in the next call, with more behind it.
    pub consumed: usize,
    /// Where in the input the body's data is; may be empty.
    pub data: Range<usize>,
    /// Whether the body has ended: what follows `consumed` belongs to the next message.
    pub end: bool,
}

/// Reads one body.
#[derive(Debug)]
pub struct BodyDecoder {
    settings: Http1Settings,
    state: State,
    chunk_line: ChunkLine,
    trailer_lines: Lines,
    trailer_bytes: usize,
    trailer_count: usize,
    trailers: HeaderBlock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    End,
    Length(u64),
    UntilClose,
    ChunkLine,
    ChunkData(u64),
    ChunkDataCr,
    ChunkDataLf,
    Trailers,
}

impl BodyDecoder {
    /// A decoder for a body of this framing. Allocates nothing.
    #[must_use]
    pub fn new(framing: BodyFraming, settings: &Http1Settings) -> Self {
        BodyDecoder {
            settings: *settings,
            state: State::of(framing),
            chunk_line: ChunkLine::default(),
            trailer_lines: Lines::default(),
            trailer_bytes: 0,
            trailer_count: 0,
            trailers: HeaderBlock::new(),
        }
    }

    /// Makes the decoder ready for another body and keeps its memory.
    #[inline]
    pub fn begin(&mut self, framing: BodyFraming, settings: &Http1Settings) {
        self.state = State::of(framing);
        if self.settings != *settings {
            self.settings = *settings;
        }
        if self.state == State::ChunkLine {
            self.chunk_line = ChunkLine::default();
            self.trailer_lines = Lines::default();
            self.trailer_bytes = 0;
            self.trailer_count = 0;
        }
        self.trailers.clear();
    }

    /// Takes the bytes received after those already consumed. To be called until it answers `end`, or
    /// consumes nothing and has no data: then it needs more bytes than it was given. One call yields
    /// at most one range of data.
    ///
    /// # Errors
    /// The rule that the body breaks. The connection cannot be read on.
    #[inline]
    pub fn decode(&mut self, input: &[u8]) -> Result<BodyStep, Error> {
        match self.state {
            State::End => Ok(BodyStep { consumed: 0, data: 0..0, end: true }),
            State::UntilClose => Ok(BodyStep { consumed: input.len(), data: 0..input.len(), end: false }),
            State::Length(remaining) => {
                let (length, rest) = take(input.len(), remaining);
                self.state = if rest == 0 { State::End } else { State::Length(rest) };
                Ok(BodyStep { consumed: length, data: 0..length, end: rest == 0 })
            }
            _ => Ok(self.decode_chunked(input)?),
        }
    }

    /// To be called when the connection has closed and all input has been consumed.
    ///
    /// # Errors
    /// `PrematureClose` when the body has not ended; never for `BodyFraming::UntilClose`.
    pub fn on_eof(&mut self) -> Result<(), Error> {
        if !matches!(self.state, State::End | State::UntilClose) {
            return Err(ErrorKind::PrematureClose.into());
        }
        self.state = State::End;
        Ok(())
    }

    /// Whether the body has ended.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.state == State::End
    }

    /// How many bytes of a body with content-length are still to come.
    #[must_use]
    pub fn remaining_length(&self) -> Option<u64> {
        match self.state {
            State::Length(remaining) => Some(remaining),
            _ => None,
        }
    }

    /// The trailers; complete once the body has ended, always empty unless the settings enable them.
    #[must_use]
    pub fn trailers(&self) -> &HeaderBlock {
        &self.trailers
    }

    /// The trailers, to be edited.
    pub fn trailers_mut(&mut self) -> &mut HeaderBlock {
        &mut self.trailers
    }

    fn decode_chunked(&mut self, input: &[u8]) -> Result<BodyStep, ErrorKind> {
        let mut step = BodyStep { consumed: 0, data: 0..0, end: false };
        loop {
            let rest = input.get(step.consumed..).unwrap_or_default();
            match self.state {
                State::Trailers => {
                    step.consumed += self.read_trailers(rest)?;
                    step.end = self.state == State::End;
                    return Ok(step);
                }
                State::ChunkLine => {
                    let (consumed, size) = self.chunk_line.read(rest)?;
                    step.consumed += consumed;
                    match size {
                        None => return Ok(step),
                        Some(0) => self.state = State::Trailers,
                        Some(size) => self.state = State::ChunkData(size),
                    }
                }
                State::ChunkData(_) if rest.is_empty() || !step.data.is_empty() => return Ok(step),
                State::ChunkData(remaining) => {
                    let (length, left) = take(rest.len(), remaining);
                    step.data = step.consumed..step.consumed + length;
                    step.consumed += length;
                    self.state = match input.get(step.consumed..) {
                        _ if left > 0 => State::ChunkData(left),
                        Some([b'\r', b'\n', ..]) => {
                            step.consumed += CHUNK_END.len();
                            State::ChunkLine
                        }
                        _ => State::ChunkDataCr,
                    };
                }
                _ => match rest.first() {
                    None => return Ok(step),
                    Some(&byte) => {
                        self.state = self.after_chunk_data(byte)?;
                        step.consumed += 1;
                    }
                },
            }
        }
    }

    fn after_chunk_data(&self, byte: u8) -> Result<State, ErrorKind> {
        match (self.state, byte) {
            (State::ChunkDataCr, b'\r') => Ok(State::ChunkDataLf),
            (State::ChunkDataLf, b'\n') => Ok(State::ChunkLine),
            (State::ChunkDataCr, b'\n') => Err(ErrorKind::BareLf),
            (State::ChunkDataLf, _) => Err(ErrorKind::BareCr),
            _ => Err(ErrorKind::InvalidChunkEnd),
        }
    }

    /// Reads whole lines; answers how many bytes they were.
    fn read_trailers(&mut self, input: &[u8]) -> Result<usize, ErrorKind> {
        let mut lines = self.trailer_lines;
        let limit = self.settings.max_head_bytes.saturating_sub(self.trailer_bytes);
        while let Some(line) = lines.next(input, limit)? {
            if line == b"\r\n" {
                self.state = State::End;
                return Ok(lines.consumed());
            }
            self.trailer_count += 1;
            if self.trailer_count > self.settings.max_headers_count {
                return Err(ErrorKind::TooManyHeaders);
            }
            self.trailer(line)?;
        }
        let consumed = lines.consumed();
        self.trailer_bytes += consumed;
        self.trailer_lines = lines.rebased();
        Ok(consumed)
    }

    fn trailer(&mut self, line: &[u8]) -> Result<(), ErrorKind> {
        let field = FieldLine::parse(line)?;
        let forbidden = [KnownName::ContentLength, KnownName::TransferEncoding, KnownName::Host];
        if forbidden.iter().any(|name| field.name().eq_ignore_ascii_case(name.as_str().as_bytes())) {
            return Err(ErrorKind::ForbiddenTrailer);
        }
        if self.settings.enable_trailers {
            field.store(&self.settings, &mut self.trailers)?;
        }
        Ok(())
    }
}

impl State {
    fn of(framing: BodyFraming) -> State {
        match framing {
            BodyFraming::None | BodyFraming::Length(0) => State::End,
            BodyFraming::Length(length) => State::Length(length),
            BodyFraming::Chunked => State::ChunkLine,
            BodyFraming::UntilClose => State::UntilClose,
        }
    }
}

/// Splits what remains of a body: how much of it is there, and what then remains.
#[inline]
fn take(available: usize, remaining: u64) -> (usize, u64) {
    match usize::try_from(remaining) {
        Ok(all) if all <= available => (all, 0),
        _ => (available, remaining.saturating_sub(u64::try_from(available).unwrap_or(u64::MAX))),
    }
}
