//! One HTTP/2 connection as its streams share it.
//!
//! Owns: the codec, and what has come for each stream and was not yet taken by it. Does not own: the socket and the
//! connection's end (who drives it), the wire format (`ferryman_codec::http2`), what a stream does (`http2_stream`).
//! Follows: RFC 9113 section 5; Envoy's `Http::Http2::ConnectionImpl`.
//!
//! One task drives a connection: it reads, hands out what has come, lets the streams run, and writes once what they have
//! queued. Nothing here waits.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use ferryman_codec::{
    BodyFraming, ErrorCode, HeaderBlock, Http2Connection, Http2Counts, Http2Error, Http2ErrorKind,
    Http2Event, Http2RequestHead, Http2ResponseHead, OpenError, RequestKind, Role,
};

use super::Http2Options;
use super::http2_keepalive::{Due, Keepalive, payload};

/// Why a stream ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset {
    /// The code that was received or sent.
    pub code: ErrorCode,
    /// The rule that the peer broke; none: it was the peer that reset the stream.
    pub cause: Option<Http2ErrorKind>,
}

/// How much memory for data a mailbox keeps for the next stream.
const KEPT_DATA: usize = 16 * 1024;

/// A head of a response that has come.
pub(super) type NewHead = Option<(Http2ResponseHead, HeaderBlock)>;

/// What has come for one stream.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// The head of a response that another follows; of several that nobody has looked at, the first.
    pub(super) informational: RefCell<NewHead>,
    /// The response's head.
    pub(super) head: Cell<Option<Http2ResponseHead>>,
    /// Its fields.
    pub(super) fields: RefCell<HeaderBlock>,
    /// Data.
    pub(super) data: RefCell<Vec<u8>>,
    /// Trailers.
    pub(super) trailers: RefCell<Option<Box<HeaderBlock>>>,
    /// Whether nothing comes after the data and the trailers.
    pub(super) has_ended: Cell<bool>,
    /// Why nothing more comes.
    pub(super) reset: Cell<Option<Reset>>,
    /// Whether the connection is over.
    pub(super) is_orphan: Cell<bool>,
    /// How many bytes came on the wire for it.
    pub(super) wire_bytes: Cell<u64>,
    /// How many of them were data.
    pub(super) body_bytes: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

impl Mailbox {
    /// Wakes the stream when anything changes for it.
    pub(super) fn watch(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        match &*waker {
            Some(known) if known.will_wake(cx.waker()) => {}
            _ => *waker = Some(cx.waker().clone()),
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Makes it that of another stream; memory is kept.
    pub(super) fn clear(&self) {
        self.informational.take();
        self.head.set(None);
        let mut data = self.data.borrow_mut();
        data.clear();
        data.shrink_to(KEPT_DATA);
        self.trailers.take();
        self.has_ended.set(false);
        self.reset.set(None);
        self.wire_bytes.set(0);
        self.body_bytes.set(0);
        self.waker.take();
    }

    fn count(&self, bytes: usize) {
        self.wire_bytes.set(self.wire_bytes.get() + u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

/// A request that has come, whose stream is to begin.
#[derive(Debug)]
pub struct NewStream {
    /// Its number.
    pub id: u32,
    /// What its fields say.
    pub head: Http2RequestHead,
    pub(super) mailbox: Rc<Mailbox>,
}

impl NewStream {
    /// The stream of a request that cannot be served.
    #[must_use]
    pub fn broken(id: u32) -> Self {
        let mailbox = Rc::new(Mailbox::default());
        mailbox.is_orphan.set(true);
        let head = Http2RequestHead {
            framing: BodyFraming::None,
            kind: RequestKind::Other,
            expect_continue: false,
            upgrade: false,
            fragment: false,
            field_bytes: 0,
            dropped_fields: 0,
        };
        NewStream { id, head, mailbox }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Http2Session {
    pub(super) codec: RefCell<Http2Connection>,
    mailboxes: RefCell<BTreeMap<u32, Rc<Mailbox>>>,
    role: Role,
    /// Whether the peer takes no more streams.
    went_away: Cell<bool>,
    /// Who writes what the streams queue, where that is another task than theirs.
    driver: RefCell<Option<Waker>>,
    is_woken: Cell<bool>,
    /// What finds out whether the peer is still there.
    keepalive: RefCell<Option<Box<Keepalive>>>,
}

/// What of the input was handed out.
#[derive(Debug)]
pub struct HandedOut {
    /// How many bytes of the input are done with.
    pub consumed: usize,
    /// A request, if one came; the rest of the input waits for it.
    pub new_stream: Option<NewStream>,
    /// A stream that ended before it was announced, and why; what was read of its head is in the block.
    pub malformed: Option<(NewStream, Reset)>,
}

impl Http2Session {
    /// A server's side of a connection on which nothing was said.
    #[must_use]
    pub fn server(options: &Http2Options) -> Self {
        Self::new(Role::Server, options)
    }

    /// A client's side of a connection on which nothing was said.
    #[must_use]
    pub fn client(options: &Http2Options) -> Self {
        Self::new(Role::Client, options)
    }

    fn new(role: Role, options: &Http2Options) -> Self {
        let codec = Http2Connection::with_entries(role, options.settings, &options.custom_settings);
        Http2Session {
            codec: RefCell::new(codec),
            mailboxes: RefCell::default(),
            role,
            went_away: Cell::new(false),
            driver: RefCell::default(),
            is_woken: Cell::new(false),
            keepalive: RefCell::new(options.keepalive.map(|settings| Box::new(Keepalive::new(settings)))),
        }
    }

    /// Hands out what the bytes mean, up to the next request or until more bytes are needed. `block`: where heads are put,
    /// a new request's among them.
    ///
    /// # Errors
    /// The rule that ends the connection. What waits is to be sent all the same.
    pub fn receive(&self, input: &[u8], block: &mut HeaderBlock) -> Result<HandedOut, Http2Error> {
        let mut consumed = 0;
        loop {
            let rest = input.get(consumed..).unwrap_or_default();
            let received = self.codec.borrow_mut().receive(rest, block)?;
            consumed += received.consumed;
            let (mut new_stream, mut malformed) = (None, None);
            match received.event {
                None => return Ok(HandedOut { consumed, new_stream, malformed }),
                Some(Http2Event::Request { stream, head, end_stream }) => {
                    let mailbox = self.open(stream, end_stream, received.consumed);
                    new_stream = Some(NewStream { id: stream, head, mailbox });
                }
                Some(Http2Event::Response { stream, head, end_stream }) => {
                    self.deliver_head(stream, head, block, end_stream, received.consumed);
                }
                Some(Http2Event::Pong { .. }) => {
                    if let Some(keepalive) = &mut *self.keepalive.borrow_mut() {
                        keepalive.answered(Instant::now());
                    }
                }
                Some(Http2Event::GoAway { .. }) => self.went_away.set(true),
                Some(Http2Event::Data { stream, data, end_stream }) => {
                    self.deliver(stream, data, end_stream, received.consumed);
                }
                Some(Http2Event::Trailers { stream }) => {
                    self.deliver_trailers(stream, block, received.consumed)
                }
                Some(Http2Event::Reset { stream, code, cause }) => {
                    let reset = Reset { code, cause };
                    if !self.reset_by_peer(stream, reset) {
                        malformed = Some((NewStream::broken(stream), reset));
                    }
                }
                Some(_) => {}
            }
            if new_stream.is_some() || malformed.is_some() {
                return Ok(HandedOut { consumed, new_stream, malformed });
            }
        }
    }

    fn open(&self, id: u32, end_stream: bool, wire_bytes: usize) -> Rc<Mailbox> {
        let mailbox = Rc::new(Mailbox::default());
        mailbox.has_ended.set(end_stream);
        mailbox.count(wire_bytes);
        self.mailboxes.borrow_mut().insert(id, Rc::clone(&mailbox));
        mailbox
    }

    /// Opens a stream with a request, and has what comes for it put there.
    pub(super) fn begin(
        &self,
        mailbox: &Rc<Mailbox>,
        request: &HeaderBlock,
        end_stream: bool,
    ) -> Result<u32, OpenError> {
        if let Some(keepalive) = &mut *self.keepalive.borrow_mut() {
            if keepalive.is_doubtful(Instant::now()) {
                self.codec.borrow_mut().ping(payload());
            }
        }
        let id = self.codec.borrow_mut().open(request, end_stream)?;
        self.mailboxes.borrow_mut().insert(id, Rc::clone(mailbox));
        Ok(id)
    }

    fn deliver_head(
        &self,
        id: u32,
        head: Http2ResponseHead,
        block: &mut HeaderBlock,
        end_stream: bool,
        wire_bytes: usize,
    ) {
        let mailboxes = self.mailboxes.borrow();
        let Some(mailbox) = mailboxes.get(&id) else { return };
        mailbox.count(wire_bytes);
        if !head.informational {
            std::mem::swap(&mut *mailbox.fields.borrow_mut(), block);
            mailbox.head.set(Some(head));
            mailbox.has_ended.set(end_stream);
        } else if mailbox.informational.borrow().is_none() {
            *mailbox.informational.borrow_mut() = Some((head, std::mem::take(block)));
        }
        mailbox.wake();
    }

    fn deliver(&self, id: u32, data: &[u8], end_stream: bool, wire_bytes: usize) {
        let mailboxes = self.mailboxes.borrow();
        let Some(mailbox) = mailboxes.get(&id) else {
            // Nobody wants it any more.
            return self.codec.borrow_mut().consume(id, data.len());
        };
        mailbox.data.borrow_mut().extend_from_slice(data);
        mailbox.body_bytes.set(mailbox.body_bytes.get() + u64::try_from(data.len()).unwrap_or(u64::MAX));
        mailbox.has_ended.set(end_stream);
        mailbox.count(wire_bytes);
        mailbox.wake();
    }

    fn deliver_trailers(&self, id: u32, block: &mut HeaderBlock, wire_bytes: usize) {
        if let Some(mailbox) = self.mailboxes.borrow().get(&id) {
            *mailbox.trailers.borrow_mut() = Some(Box::new(std::mem::take(block)));
            mailbox.has_ended.set(true);
            mailbox.count(wire_bytes);
            mailbox.wake();
        }
    }

    /// Answers whether anybody knows the stream.
    fn reset_by_peer(&self, id: u32, reset: Reset) -> bool {
        let mailboxes = self.mailboxes.borrow();
        let Some(mailbox) = mailboxes.get(&id) else { return false };
        mailbox.reset.set(Some(reset));
        mailbox.wake();
        true
    }

    /// Wakes the streams that can send again.
    pub fn wake_writers(&self) {
        loop {
            let next = self.codec.borrow_mut().next_writable();
            let Some(id) = next else { return };
            if let Some(mailbox) = self.mailboxes.borrow().get(&id) {
                mailbox.wake();
            }
        }
    }

    /// Something was received at this time.
    pub fn note_received(&self, now: Instant) {
        if let Some(keepalive) = &mut *self.keepalive.borrow_mut() {
            keepalive.received(now);
        }
    }

    /// Asks the peer for a sign of life when it is time to. Answers whether it has owed one for too long.
    pub fn poll_keepalive(&self, cx: &mut Context<'_>) -> bool {
        let mut keepalive = self.keepalive.borrow_mut();
        let Some(keepalive) = &mut *keepalive else { return false };
        loop {
            match keepalive.poll(cx) {
                Poll::Pending => return false,
                Poll::Ready(Due::Ping) => self.codec.borrow_mut().ping(payload()),
                Poll::Ready(Due::End) => return true,
            }
        }
    }

    /// The connection is over: nothing comes for any stream, and nothing goes out. `broken`: the rule that the peer broke.
    pub fn end(&self, broken: Option<Http2ErrorKind>) {
        // Of a client's broken rule one line of the log tells.
        let broken = broken.filter(|&kind| self.is_client() || kind == Http2ErrorKind::KeepaliveTimeout);
        for mailbox in self.mailboxes.borrow().values() {
            mailbox.is_orphan.set(true);
            if let Some(kind) = broken {
                mailbox.reset.set(Some(Reset { code: kind.code(), cause: Some(kind) }));
            }
            mailbox.wake();
        }
    }

    /// A stream is over: what still comes for it is dropped.
    pub(super) fn close(&self, id: u32, unread: usize) {
        let mailbox = self.mailboxes.borrow_mut().remove(&id);
        let waiting = mailbox.map_or(0, |mailbox| mailbox.data.borrow().len());
        if unread + waiting > 0 {
            self.codec.borrow_mut().consume(id, unread + waiting);
        }
    }

    /// How many streams have begun and are not over here.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.mailboxes.borrow().len()
    }

    /// Whether it is the client's side.
    pub(super) fn is_client(&self) -> bool {
        self.role == Role::Client
    }

    /// Whether the peer has said that it takes no more streams.
    #[must_use]
    pub fn went_away(&self) -> bool {
        self.went_away.get()
    }

    /// How many streams the peer lets us have at a time.
    #[must_use]
    pub fn peer_max_streams(&self) -> u32 {
        self.codec.borrow().peer_settings().max_concurrent_streams
    }

    /// Whoever polls with this drives the connection, and is woken when streams have queued something.
    pub fn drive_by(&self, cx: &Context<'_>) {
        self.is_woken.set(false);
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *driver = Some(cx.waker().clone());
        }
    }

    /// Wakes who drives the connection, once for all that is queued until it runs.
    #[inline]
    pub fn wake_driver(&self) {
        if !self.is_woken.replace(true) {
            if let Some(driver) = &*self.driver.borrow() {
                driver.wake_by_ref();
            }
        }
    }

    /// Tells the codec the time.
    pub fn set_now(&self, now_ms: u64) {
        self.codec.borrow_mut().set_now(now_ms);
    }

    /// What happened since this was last asked.
    pub fn take_counts(&self) -> Http2Counts {
        let mut counts = self.codec.borrow_mut().take_counts();
        if self.is_client() {
            // As in Envoy: those of requests.
            counts.trailers = 0;
        }
        counts
    }

    /// Whether bytes wait to be sent.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        !self.codec.borrow().pending().is_empty()
    }

    /// How many bytes wait to be sent.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.codec.borrow().pending().len()
    }

    /// Hands the bytes that wait to `write`, which answers how many it took.
    pub fn send<E>(&self, write: impl FnOnce(&[u8]) -> Result<usize, E>) -> Result<usize, E> {
        let mut codec = self.codec.borrow_mut();
        let sent = write(codec.pending())?;
        codec.mark_sent(sent);
        Ok(sent)
    }

    /// Says that no new streams are taken; those that are on their way still are.
    pub fn announce_goaway(&self) {
        self.codec.borrow_mut().announce_goaway();
    }

    /// Says which stream was the last that is taken.
    pub fn goaway(&self, code: ErrorCode) {
        self.codec.borrow_mut().goaway(code);
    }
}
