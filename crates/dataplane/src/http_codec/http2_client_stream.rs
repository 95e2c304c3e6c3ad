//! The client's side of a stream of HTTP/2: a request sent, a response received.
//!
//! Owns: the opening of the stream, and the heads of its response. Does not own: bodies and trailers (`http2_stream`, which
//! are the same on both sides), nor whether there is room for a stream (`connection_pool`).
//! Follows: RFC 9113 section 8.1.

use std::rc::Rc;
use std::task::{Context, Poll};

use ferryman_codec::{
    BodyFraming, Error, ErrorCode, ErrorKind, HeaderBlock, OpenError, RequestKind, ResponseHead, Version,
};

use super::ReadError;
use super::http2_session::{Http2Session, Mailbox, Reset};
use super::http2_stream::{Http2Stream, Writing};

impl Http2Stream {
    /// A stream that is not opened yet.
    #[must_use]
    pub fn client(session: &Rc<Http2Session>) -> Self {
        Http2Stream {
            session: Rc::clone(session),
            mailbox: Rc::new(Mailbox::default()),
            id: 0,
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

    /// Opens the stream with this head. `is_open`: more than the framing says may follow.
    ///
    /// # Errors
    /// `UnwritableHead`, and nothing is queued. Where the connection takes no stream any more, the stream is as one that the
    /// peer has refused.
    pub fn start_request(
        &mut self,
        block: &HeaderBlock,
        framing: BodyFraming,
        is_open: bool,
    ) -> Result<(), Error> {
        if is_open {
            // As in Envoy, also when the host has said all.
            self.reset_with = ErrorCode::InternalError;
        }
        let end_stream = !is_open && matches!(framing, BodyFraming::None | BodyFraming::Length(0));
        let before = self.session.pending_bytes();
        match self.session.begin(&self.mailbox, block, end_stream) {
            Ok(id) => self.id = id,
            Err(OpenError::UnwritableHead) => return Err(ErrorKind::UnwritableHead.into()),
            Err(OpenError::TooManyStreams | OpenError::Closed) => {
                self.mailbox.reset.set(Some(Reset { code: ErrorCode::RefusedStream, cause: None }));
            }
        }
        let queued = self.session.pending_bytes().saturating_sub(before);
        self.sent_bytes += u64::try_from(queued).unwrap_or(u64::MAX);
        self.sent_head_bytes = self.sent_bytes;
        self.writing = if end_stream { Writing::Ended } else { Writing::Body };
        self.session.wake_driver();
        Ok(())
    }

    /// Waits for the head of the response, or an informational one, and puts its fields in the block.
    ///
    /// # Errors
    /// `Reset`; `Ended { clean: true }` when the connection is over.
    pub fn poll_response_head(
        &mut self,
        cx: &mut Context<'_>,
        kind: RequestKind,
        block: &mut HeaderBlock,
    ) -> Poll<Result<ResponseHead, ReadError>> {
        let mailbox = &*self.mailbox;
        let head = if let Some((head, mut fields)) = mailbox.informational.take() {
            std::mem::swap(block, &mut fields);
            head
        } else if let Some(head) = mailbox.head.take() {
            std::mem::swap(block, &mut *mailbox.fields.borrow_mut());
            head
        } else if let Some(reset) = mailbox.reset.get() {
            return Poll::Ready(Err(ReadError::Reset(reset)));
        } else if mailbox.is_orphan.get() {
            return Poll::Ready(Err(ReadError::Ended { clean: true }));
        } else {
            mailbox.watch(cx);
            return Poll::Pending;
        };
        Poll::Ready(Ok(ResponseHead {
            consumed: 0,
            version: Version::Http2,
            status: head.status,
            framing: match head.framing {
                // Other versions must be told that there is none.
                BodyFraming::None if kind != RequestKind::Head && !matches!(head.status, 204 | 304) => {
                    BodyFraming::Length(0)
                }
                framing => framing,
            },
            keep_alive: true,
            announces_close: false,
            field_bytes: head.field_bytes,
            informational: head.informational,
            upgrade: head.upgrade,
        }))
    }

    /// How it ended before its time, if it did: why it was reset, or that its connection is over.
    #[must_use]
    pub fn cut_short(&self) -> Option<Result<Reset, ConnectionLost>> {
        let is_lost = self.mailbox.is_orphan.get() && !self.mailbox.has_ended.get();
        match self.ending_reset() {
            _ if self.id == 0 => None,
            Some(reset) => Some(Ok(reset)),
            None => is_lost.then_some(Err(ConnectionLost)),
        }
    }

    /// Whether it is over: both sides have ended, or one has reset it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.id == 0 || !self.session.codec.borrow().is_open(self.id)
    }

    /// How many bytes of the response's body have come.
    #[must_use]
    pub fn received_body_bytes(&self) -> u64 {
        self.mailbox.body_bytes.get()
    }

    /// How many bytes of the request's body were queued.
    #[must_use]
    pub fn sent_body_bytes(&self) -> u64 {
        self.sent_body_bytes
    }

    /// Whether it was opened.
    #[must_use]
    pub fn is_opened(&self) -> bool {
        self.id > 0
    }

    /// Ends the stream, and makes this another one that is not opened yet; memory is kept.
    pub fn renew(&mut self) {
        if !self.mailbox.has_ended.get() {
            self.reset_with = ErrorCode::InternalError;
        }
        self.leave();
        self.mailbox.clear();
        self.id = 0;
        self.data.clear();
        self.data.shrink_to(KEPT_DATA);
        self.consumed = 0;
        self.trailers.clear();
        self.writing = Writing::Head;
        self.reset_with = ErrorCode::NoError;
        (self.sent_bytes, self.sent_head_bytes, self.sent_body_bytes) = (0, 0, 0);
    }
}

/// The connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLost;

/// How much memory for data a stream keeps for the next.
const KEPT_DATA: usize = 16 * 1024;
