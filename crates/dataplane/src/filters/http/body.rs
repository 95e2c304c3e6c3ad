//! What a filter does with a body while it streams.
//!
//! Owns: the pieces that a filter is handed and the bounded buffer that it writes to. Does not own: the order of the
//! filters of a body, who asks for bytes and where they come from (`http_stream/body_pipeline.rs`).
//! Follows Envoy's page "HTTP filters"; the flow control of its page "Flow control".
//!
//! A filter that wants a body sets `Wishes::transform_body` while it is called with the head of the message (and removes
//! `content-length` from that head if the length will change). From then on each piece of the body goes through its
//! `transform_body`, and what the filter writes to the output is the body from there on. Nothing is pushed: the filter is
//! called when whoever stands behind it has taken all that it wrote before, so it holds one output at most.
//!
//! What a filter may do, by example:
//! - change bytes: write others to the output;
//! - hold bytes back for a while: `Wait`;
//! - replace the body: take all input, write nothing, and write the new body at the end;
//! - add to the end, or make trailers of it or it of trailers: that is what `BodyInput::End` is for.

use std::pin::Pin;

use ferryman_codec::HeaderBlock;

/// The most that one filter may have written and nobody taken yet.
pub const OUTPUT_BYTES: usize = 16 * 1024;

/// Which body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Towards the upstream.
    Request,
    /// Towards the client.
    Response,
}

/// What a filter is called with.
#[derive(Debug)]
pub enum BodyInput<'a> {
    /// Bytes; never none. What is not taken comes again, perhaps with more behind it.
    Data(&'a [u8]),
    /// There is no more for now. What was kept back only to make larger pieces is to be written. Comes at most once after
    /// each `Data`.
    Pause,
    /// The body is complete. These trailers follow it, none if they are empty; what is left in them goes on.
    End(&'a mut HeaderBlock),
}

/// A filter's answer.
pub enum BodyAnswer {
    /// To `Data`: so many bytes were taken. Not all: what was written is to be taken before the rest comes.
    Took(usize),
    /// To `Pause` and `End`: all was written that there is to write.
    Done,
    /// To `Pause` and `End`: there is more to write than the output has room for. Called again with the same.
    Full,
    /// Nothing was taken, and nothing is until this is done. Then the call comes again. The future must not be ready at
    /// once again and again.
    Wait(Pin<Box<dyn Future<Output = ()>>>),
    /// The body cannot be what it should be: the client is told so, or hears no more where its response has begun.
    Refuse(BodyRefusal),
}

/// Why a body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyRefusal {
    /// The status to answer with.
    pub status: u16,
    /// What the client is told.
    pub body: &'static str,
    /// Envoy's `RESPONSE_CODE_DETAILS`.
    pub details: &'static str,
}

/// Where a filter writes: a buffer of `OUTPUT_BYTES`. What it wrote in calls just before may still be in it.
#[derive(Debug)]
pub struct BodyOutput {
    bytes: Vec<u8>,
    /// How much of it was taken.
    start: usize,
    /// How much of it was written.
    end: usize,
}

impl BodyOutput {
    /// An empty one; its memory comes with the first byte.
    #[must_use]
    pub fn new() -> Self {
        BodyOutput { bytes: Vec::new(), start: 0, end: 0 }
    }

    /// One that holds bytes already, which may be more than a filter could write.
    #[must_use]
    pub(crate) fn holding(bytes: Vec<u8>) -> Self {
        BodyOutput { start: 0, end: bytes.len(), bytes }
    }

    /// Where bytes may be written; `wrote` says how many were.
    pub fn room(&mut self) -> &mut [u8] {
        if self.bytes.len() < OUTPUT_BYTES {
            self.bytes.resize(OUTPUT_BYTES, 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// So many bytes were written to `room`.
    pub fn wrote(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Writes what there is room for, and answers how much that was.
    pub fn push(&mut self, data: &[u8]) -> usize {
        let room = self.room();
        let count = room.len().min(data.len());
        if let (Some(room), Some(data)) = (room.get_mut(..count), data.get(..count)) {
            room.copy_from_slice(data);
        }
        self.wrote(count);
        count
    }

    /// What was written and not taken.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether all was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes the first bytes away.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }
}

/// What a filter does that leaves the body as it is.
pub(crate) fn pass_on(input: BodyInput<'_>, output: &mut BodyOutput) -> BodyAnswer {
    match input {
        BodyInput::Data(data) => BodyAnswer::Took(output.push(data)),
        BodyInput::Pause | BodyInput::End(_) => BodyAnswer::Done,
    }
}

impl Default for BodyOutput {
    fn default() -> Self {
        BodyOutput::new()
    }
}
