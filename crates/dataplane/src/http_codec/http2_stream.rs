//! One stream of an HTTP/2 connection, as who serves it reads and writes it.
//!
//! Owns: what it has taken of its request and not yet passed on, and where in its response it is. Does not own: the
//! connection (`http2_session`), the wire format (`ferryman_codec::http2`).
//! Follows: RFC 9113 sections 5.1, 5.2 and 8.1.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use ferryman_codec::{
    BodyFraming, Error, ErrorCode, ErrorKind, HeaderBlock, Http2Connection, RequestKind, SendError,
};

use super::http2_session::{Http2Session, Mailbox, NewStream, Reset};
use super::{Disturbance, ReadError};

/// How far the message is that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// No head was written.
    Head,
    /// The head was written, and did not end the message.
    Body,
    /// The head has ended the message; `finish` is to come.
    Ended,
    /// All was written.
    Finished,
}

/// One stream. Dropping it resets it, if it is not over.
#[derive(Debug)]
pub struct Http2Stream {
    pub(super) session: Rc<Http2Session>,
    pub(super) mailbox: Rc<Mailbox>,
    pub(super) id: u32,
    pub(super) data: Vec<u8>,
    /// How much of `data` was consumed.
    pub(super) consumed: usize,
    pub(super) trailers: HeaderBlock,
    pub(super) writing: Writing,
    /// What a stream that is dropped before its end is reset with.
    pub(super) reset_with: ErrorCode,
    pub(super) sent_bytes: u64,
    pub(super) sent_head_bytes: u64,
    pub(super) sent_body_bytes: u64,
}

impl Http2Stream {
    /// The stream of a request.
    #[must_use]
    pub fn begin(session: &Rc<Http2Session>, new: NewStream) -> Self {
        Http2Stream {
            session: Rc::clone(session),
            mailbox: new.mailbox,
            id: new.id,
            data: Vec::new(),
            consumed: 0,
            trailers: HeaderBlock::new(),
            writing: Writing::Head,
            reset_with: ErrorCode::NoError,
            sent_bytes: 0,
            sent_head_bytes: 0,
            sent_body_bytes: 0,
        }
    }

    /// Ready when `data` is not empty or the body has ended.
    ///
    /// # Errors
    /// `Reset`; `Ended` when the connection is over, of which no stream has a part.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        if !self.data().is_empty() {
            return Poll::Ready(Ok(()));
        }
        if let Some(reset) = self.ending_reset() {
            return Poll::Ready(Err(ReadError::Reset(reset)));
        }
        self.data.clear();
        self.consumed = 0;
        std::mem::swap(&mut self.data, &mut *self.mailbox.data.borrow_mut());
        if self.data.is_empty() {
            if let Some(trailers) = self.mailbox.trailers.take() {
                self.trailers = *trailers;
            }
            if !self.mailbox.has_ended.get() {
                if self.mailbox.is_orphan.get() {
                    let clean = self.session.is_client();
                    return Poll::Ready(Err(ReadError::Ended { clean }));
                }
                self.mailbox.watch(cx);
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Why nothing more comes; a response that is whole is not undone by what follows it.
    pub(super) fn ending_reset(&self) -> Option<Reset> {
        self.mailbox.reset.get().filter(|_| !(self.session.is_client() && self.mailbox.has_ended.get()))
    }

    /// Moves on to the next data that is there; none: there is no more.
    pub fn decode_read_data(&mut self) -> Option<usize> {
        if self.data().is_empty() {
            self.data.clear();
            self.consumed = 0;
            std::mem::swap(&mut self.data, &mut *self.mailbox.data.borrow_mut());
        }
        Some(self.data().len()).filter(|&count| count > 0)
    }

    /// The data that is there.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.data.get(self.consumed..).unwrap_or_default()
    }

    /// Drops the first `count` bytes of `data`; the client may send as many more.
    pub fn consume(&mut self, count: usize) {
        self.consumed += count;
        let mut codec = self.session.codec.borrow_mut();
        codec.consume(self.id, count);
        if !codec.pending().is_empty() {
            self.session.wake_driver();
        }
    }

    /// Whether the body is complete and all of it was consumed.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        let has_trailers = self.mailbox.trailers.borrow().is_some();
        self.mailbox.has_ended.get() && !self.has_unread() && !has_trailers
    }

    /// Whether the body is complete, with or without data that was not consumed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.mailbox.has_ended.get()
    }

    /// Whether data waits.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.unread_bytes() > 0
    }

    /// How much data waits.
    #[must_use]
    pub fn unread_bytes(&self) -> usize {
        self.data().len() + self.mailbox.data.borrow().len()
    }

    /// What followed the body.
    #[must_use]
    pub fn trailers(&self) -> &HeaderBlock {
        &self.trailers
    }

    /// The same, to be edited.
    pub fn trailers_mut(&mut self) -> &mut HeaderBlock {
        &mut self.trailers
    }

    /// Watches the stream while nothing is read of it.
    pub fn poll_disturbed(&mut self, cx: &mut Context<'_>) -> Poll<Disturbance> {
        if let Some(reset) = self.mailbox.reset.get() {
            return Poll::Ready(Disturbance::Reset(reset));
        }
        if self.mailbox.is_orphan.get() {
            return Poll::Ready(Disturbance::Ended);
        }
        self.mailbox.watch(cx);
        Poll::Pending
    }

    /// Queues the head of a response to a request of this kind, and begins its body.
    ///
    /// # Errors
    /// `UnwritableHead`, and nothing is queued.
    pub fn start_response(
        &mut self,
        block: &HeaderBlock,
        framing: BodyFraming,
        kind: RequestKind,
    ) -> Result<(), Error> {
        let end_stream =
            kind == RequestKind::Head || matches!(framing, BodyFraming::None | BodyFraming::Length(0));
        self.queue(|codec, id| codec.send_response(id, block, end_stream))?;
        self.sent_head_bytes = self.sent_bytes;
        self.writing = if end_stream { Writing::Ended } else { Writing::Body };
        Ok(())
    }

    /// Queues a 1xx response that another response follows.
    ///
    /// # Errors
    /// `UnwritableHead`, and nothing is queued.
    pub fn queue_informational(&mut self, block: &HeaderBlock) -> Result<(), Error> {
        self.queue(|codec, id| codec.send_response(id, block, false))
    }

    /// A stream that the client has reset, or whose connection is over, takes all that is written.
    fn queue(
        &mut self,
        send: impl FnOnce(&mut Http2Connection, u32) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        match self.counting(send) {
            Ok(()) | Err(SendError::Closed | SendError::Flood) => Ok(()),
            Err(SendError::OutOfOrder) => Err(ErrorKind::UnwritableHead.into()),
        }
    }

    fn counting<T>(&mut self, send: impl FnOnce(&mut Http2Connection, u32) -> T) -> T {
        let mut codec = self.session.codec.borrow_mut();
        let before = codec.pending().len();
        let answer = send(&mut codec, self.id);
        let queued = codec.pending().len().saturating_sub(before);
        self.sent_bytes += u64::try_from(queued).unwrap_or(u64::MAX);
        self.session.wake_driver();
        answer
    }

    /// Takes bytes of the body; answers how many. Pending: the client does not read fast enough.
    ///
    /// # Errors
    /// The stream or its connection is over.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.writing != Writing::Body {
            let text = "the body is longer than its head announced";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, text)));
        }
        match self.counting(|codec, id| codec.send_data(id, data, false)) {
            _ if self.mailbox.is_orphan.get() => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Ok(0) => {
                self.mailbox.watch(cx);
                Poll::Pending
            }
            Ok(taken) => {
                self.sent_body_bytes += u64::try_from(taken).unwrap_or(u64::MAX);
                Poll::Ready(Ok(taken))
            }
            Err(_) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Ends the message.
    pub fn finish(&mut self, trailers: Option<&HeaderBlock>) {
        let sent = match (self.writing, trailers.filter(|trailers| !trailers.is_empty())) {
            (Writing::Body, Some(trailers)) => self.counting(|codec, id| codec.send_trailers(id, trailers)),
            (Writing::Body, None) => self.counting(|codec, id| codec.send_data(id, b"", true)).map(|_| ()),
            (Writing::Head | Writing::Ended | Writing::Finished, _) => Ok(()),
        };
        // What a stream which was reset is to say goes nowhere.
        debug_assert!(sent != Err(SendError::OutOfOrder));
        self.writing = Writing::Finished;
    }

    /// Whether all is queued.
    ///
    /// # Errors
    /// The stream or its connection is over.
    pub fn poll_flush(&mut self) -> Poll<io::Result<()>> {
        let is_gone = self.mailbox.is_orphan.get() || self.mailbox.reset.get().is_some();
        Poll::Ready(if is_gone { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) })
    }

    /// Whether the message that was started last has been finished.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.writing == Writing::Finished
    }

    /// How many bytes came for it on the wire, as far as they can be told apart from others.
    #[must_use]
    pub fn received_wire_bytes(&self) -> u64 {
        self.mailbox.wire_bytes.get()
    }

    /// How many bytes were queued for it, heads among them.
    #[must_use]
    pub fn sent_wire_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// How many of them were heads.
    #[must_use]
    pub fn sent_head_bytes(&self) -> u64 {
        self.sent_head_bytes
    }

    /// What the stream is reset with, should it be dropped before its end.
    pub fn reset_with(&mut self, code: ErrorCode) {
        self.reset_with = code;
    }
}

impl Http2Stream {
    /// Wants nothing more of the stream: it is reset, if it is not over.
    pub(super) fn leave(&mut self) {
        if self.id == 0 {
            return;
        }
        self.session.close(self.id, self.data().len());
        let mut codec = self.session.codec.borrow_mut();
        if !self.mailbox.is_orphan.get() {
            if codec.is_open(self.id) {
                codec.reset(self.id, self.reset_with);
            }
            self.session.wake_driver();
        }
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        self.leave();
    }
}
