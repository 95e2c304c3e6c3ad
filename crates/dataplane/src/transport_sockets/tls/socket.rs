//! `envoy.transport_sockets.tls`: a socket whose bytes are encrypted.
//!
//! Owns: moving records between the socket and `rustls`, the handshake with its time limit, and what is kept between
//! calls. Does not own: records themselves (`session`), what is agreed on (`downstream`, `upstream`).
//! Follows Envoy's `SslSocket`: an end of the socket is an end of the stream, with or without a word about it.
//!
//! A connection that is idle holds no buffer: records are read and made in memory that all connections of a thread share.
//! What a write has encrypted is sent before the write is over, so nothing waits unseen.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use rustls::{Error, SignatureScheme};
use tokio::io::ReadBuf;
use tokio::time::Sleep;

use super::client_hello::{self, Found};
use super::connection::TlsConnection;
use super::downstream::WorkerDownstreamTls;
use super::peer::Issuer;
use super::session::{Outgoing, Session, Sink, gather};
use super::session_id::SessionIdNotes;
use super::upstream::WorkerUpstreamTls;
use super::{failure, observed};
use crate::connection_pool::PoolProtocol;
use crate::format::asked_for;
use crate::stats::SslStat;
use crate::stream_info::UpstreamHost;
use crate::transport_sockets::{Peeked, RawBuffer};

/// What is read at once: a whole record and more.
const READ_MOST: usize = (1 << 14) + 2048;
/// A handshake message may be as long as this, and comes whole or not at all.
const INCOMING_MOST: usize = (1 << 16) + READ_MOST;

/// What all connections of a thread share.
struct Scratch {
    incoming: Vec<u8>,
    outgoing: Outgoing,
    plain: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = const {
        RefCell::new(Scratch { incoming: Vec::new(), outgoing: Outgoing::new(), plain: Vec::new() })
    };
}

/// Where a connection stands.
pub(super) enum State {
    /// The client's first message is awaited, to choose by it.
    ClientHello,
    Handshake(Session),
    Open(Session),
    /// It has failed.
    Failed,
}

/// Who is to be told of the handshake.
pub(super) enum Side {
    Downstream(Rc<WorkerDownstreamTls>),
    Upstream(Rc<WorkerUpstreamTls>),
}

/// A socket that speaks TLS.
pub struct TlsSocket {
    socket: RawBuffer,
    pub(super) state: State,
    pub(super) side: Side,
    pub(super) connection: Rc<TlsConnection>,
    /// Records that are not whole yet.
    incoming: Vec<u8>,
    /// What was decrypted and not read yet.
    plaintext: Vec<u8>,
    read: usize,
    /// What was encrypted and not sent yet.
    outgoing: Vec<u8>,
    sent: usize,
    /// Bytes of the caller's that are in what is sent, and that it has not been told of.
    taken: usize,
    has_begun: bool,
    peer_ended: bool,
    we_ended: bool,
    closes_silently: Cell<bool>,
    pub(super) timeout: Option<Pin<Box<Sleep>>>,
    pub(super) certificate: Option<observed::OurCertificate>,
    pub(super) server_name: Option<String>,
    pub(super) validated: bool,
    pub(super) signature_scheme: Option<SignatureScheme>,
    pub(super) issuer: Option<Box<Issuer>>,
    /// None: nobody asks for it.
    pub(super) session_id: Option<Box<SessionIdNotes>>,
    pub(super) first_bytes: [u8; 8],
}

impl std::fmt::Debug for TlsSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsSocket").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl TlsSocket {
    /// The server's side, on a connection that was accepted.
    #[must_use]
    pub fn accept(socket: RawBuffer, tls: &Rc<WorkerDownstreamTls>, connection: Rc<TlsConnection>) -> Self {
        let timeout = tls.context.connect_timeout().map(|timeout| Box::pin(tokio::time::sleep(timeout)));
        let mut this = Self::new(socket, Side::Downstream(Rc::clone(tls)), connection);
        this.timeout = timeout;
        this
    }

    /// The client's side, on a connection to a host.
    ///
    /// # Errors
    /// That of `rustls`.
    pub fn connect(
        socket: RawBuffer,
        tls: &Rc<WorkerUpstreamTls>,
        host: &UpstreamHost,
        protocol: Option<PoolProtocol>,
    ) -> Result<Self, Error> {
        let (session, certificate) = tls.context.begin(host, protocol)?;
        let mut this = Self::new(socket, Side::Upstream(Rc::clone(tls)), Rc::default());
        this.state = State::Handshake(Session::Client(Box::new(session)));
        this.certificate = certificate;
        this.server_name = Some(tls.context.server_name(host).to_owned());
        Ok(this)
    }

    /// Goes on with the handshake until it is over.
    ///
    /// # Errors
    /// It has failed; `TlsConnection` says why.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let State::Handshake(_) = self.state {
            if self.peer_ended {
                self.state = State::Failed;
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            if !self.has_begun {
                self.has_begun = true;
                SCRATCH.with_borrow_mut(|scratch| {
                    scratch.outgoing.clear();
                    let begun = self.take_records(&mut [], None, &mut scratch.outgoing);
                    begun.and(self.send(cx, scratch.outgoing.get()))
                })?;
            }
            ready!(self.poll_take(cx, None))?;
        }
        match self.state {
            State::Open(_) => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
        }
    }

    /// What is known of the connection.
    #[must_use]
    pub fn connection(&self) -> &Rc<TlsConnection> {
        &self.connection
    }

    fn new(socket: RawBuffer, side: Side, connection: Rc<TlsConnection>) -> Self {
        TlsSocket {
            socket,
            state: State::ClientHello,
            side,
            connection,
            incoming: Vec::new(),
            plaintext: Vec::new(),
            read: 0,
            outgoing: Vec::new(),
            sent: 0,
            taken: 0,
            has_begun: false,
            peer_ended: false,
            we_ended: false,
            closes_silently: Cell::new(false),
            timeout: None,
            certificate: None,
            server_name: None,
            validated: false,
            signature_scheme: None,
            issuer: None,
            session_id: asked_for::SESSION_ID.is_asked_for().then(Box::default),
            first_bytes: [0; 8],
        }
    }

    /// The socket below.
    #[must_use]
    pub fn socket(&self) -> &RawBuffer {
        &self.socket
    }

    /// The socket below.
    pub fn socket_mut(&mut self) -> &mut RawBuffer {
        &mut self.socket
    }

    /// The close that follows says nothing.
    pub fn close_silently(&self) {
        self.closes_silently.set(true);
    }

    pub(in crate::transport_sockets) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.read < self.plaintext.len() {
                let left = self.plaintext.get(self.read..).unwrap_or_default();
                let fits = left.get(..left.len().min(into.remaining())).unwrap_or_default();
                into.put_slice(fits);
                self.read += fits.len();
                if self.read == self.plaintext.len() {
                    self.plaintext = Vec::new();
                    self.read = 0;
                }
                return Poll::Ready(Ok(()));
            }
            if self.peer_ended {
                return Poll::Ready(Ok(()));
            }
            let before = into.filled().len();
            ready!(self.poll_take(cx, Some(into)))?;
            if into.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Waits until a read would answer something.
    pub(in crate::transport_sockets) fn poll_read_ready(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.read == self.plaintext.len() && !self.peer_ended && !matches!(self.state, State::Failed) {
            if ready!(self.poll_take(cx, None)).is_err() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// What a read would answer. Takes records that carry no data, such as tickets.
    pub(in crate::transport_sockets) fn peek(&mut self, ask_kernel: bool) -> Peeked {
        loop {
            if self.read < self.plaintext.len() {
                return Peeked::Bytes;
            }
            if self.peer_ended || matches!(self.state, State::Failed) {
                return Peeked::End;
            }
            match self.socket.peek(ask_kernel) {
                Peeked::Bytes => {}
                other => return other,
            }
            let mut cx = Context::from_waker(std::task::Waker::noop());
            match self.poll_take(&mut cx, None) {
                Poll::Pending => return Peeked::Nothing,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Peeked::End,
            }
        }
    }

    /// Writes once. The caller is told of its bytes when they are sent; until then it comes again with the same ones.
    pub(in crate::transport_sockets) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        while matches!(self.state, State::ClientHello | State::Handshake(_)) && !self.peer_ended {
            ready!(self.poll_take(cx, None))?;
        }
        ready!(self.poll_flush(cx))?;
        if self.taken > 0 {
            return Poll::Ready(Ok(std::mem::take(&mut self.taken)));
        }
        let taken = self.with_session(cx, |this, session, scratch| {
            let Scratch { outgoing, plain, .. } = scratch;
            let (all, count) = gather(pieces, plain);
            let mut sink = Sink { into: None, rest: &mut this.plaintext };
            let (progress, outcome) = session.encrypt(all, &mut this.incoming, &mut sink, outgoing);
            this.incoming.drain(..progress.consumed.min(this.incoming.len()));
            outcome.map(|()| count)
        });
        self.taken = taken?;
        ready!(self.poll_flush(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.taken)))
    }

    /// Says that we send no more; as in Envoy, the socket below stays open.
    pub(in crate::transport_sockets) fn poll_shutdown(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.we_ended && matches!(self.state, State::Open(_)) {
            ready!(self.poll_flush(cx))?;
            self.end(cx)?;
        }
        self.poll_flush(cx)
    }

    fn end(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.we_ended = true;
        self.with_session(cx, |this, session, scratch| {
            let mut sink = Sink { into: None, rest: &mut this.plaintext };
            session.close(&mut this.incoming, &mut sink, &mut scratch.outgoing).1.map(|()| 0)
        })
        .map(drop)
    }

    /// Works on the session, and sends what is to be sent then.
    fn with_session(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Self, &mut Session, &mut Scratch) -> Result<usize, Error>,
    ) -> io::Result<usize> {
        let mut state = std::mem::replace(&mut self.state, State::Failed);
        let (State::Open(session) | State::Handshake(session)) = &mut state else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let worked = SCRATCH.with_borrow_mut(|scratch| {
            scratch.outgoing.clear();
            let worked = work(self, session, scratch);
            (worked, self.send(cx, scratch.outgoing.get()))
        });
        let (worked, sent) = worked;
        let count = worked.map_err(|error| self.fail(&error))?;
        self.state = state;
        sent.map(|()| count)
    }

    /// Reads once from the socket and takes what has come.
    fn poll_take(&mut self, cx: &mut Context<'_>, into: Option<&mut ReadBuf<'_>>) -> Poll<io::Result<()>> {
        if matches!(self.state, State::Failed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        // Whoever waits for the answer to a handshake's message needs it sent.
        if self.poll_flush(cx)?.is_pending() && !matches!(self.state, State::Open(_)) {
            self.poll_timeout(cx)?;
            return Poll::Pending;
        }
        let taken = SCRATCH.with_borrow_mut(|scratch| self.poll_take_with(cx, into, scratch));
        if taken.is_pending() {
            self.poll_timeout(cx)?;
        }
        taken
    }

    fn poll_take_with(
        &mut self,
        cx: &mut Context<'_>,
        into: Option<&mut ReadBuf<'_>>,
        scratch: &mut Scratch,
    ) -> Poll<io::Result<()>> {
        let kept = self.incoming.len();
        if kept + READ_MOST > INCOMING_MOST {
            return Poll::Ready(Err(self.fail(&Error::PeerSentOversizedRecord)));
        }
        if scratch.incoming.is_empty() {
            scratch.incoming.resize(INCOMING_MOST, 0);
        }
        let room = scratch.incoming.get_mut(kept..kept + READ_MOST).unwrap_or_default();
        let mut block = ReadBuf::new(room);
        ready!(self.socket.poll_read(cx, &mut block))?;
        let count = block.filled().len();
        if count == 0 {
            self.peer_ended = true;
            return Poll::Ready(Ok(()));
        }
        let all = scratch.incoming.get_mut(..kept + count).unwrap_or_default();
        all.get_mut(..kept).unwrap_or_default().copy_from_slice(&self.incoming);
        if let State::ClientHello = self.state {
            match client_hello::find(all) {
                Found::Begin(_) => {
                    self.incoming.clear();
                    self.incoming.extend_from_slice(all);
                    return Poll::Ready(Ok(()));
                }
                Found::ClientHello(hello, _) => self.begin(Some(&hello)),
                Found::Other | Found::Malformed => self.begin(None),
            }
        }
        scratch.outgoing.clear();
        let outcome = self.take_records(all, into, &mut scratch.outgoing);
        let sent = self.send(cx, scratch.outgoing.get());
        Poll::Ready(outcome.and(sent))
    }

    fn take_records(
        &mut self,
        all: &mut [u8],
        into: Option<&mut ReadBuf<'_>>,
        outgoing: &mut Outgoing,
    ) -> io::Result<()> {
        if let (State::Handshake(_), [0, ..], Some(first)) =
            (&self.state, self.first_bytes, all.first_chunk())
        {
            self.first_bytes = *first;
        }
        let (State::Handshake(session) | State::Open(session)) = &mut self.state else {
            return Err(self.fail(&Error::General("refused".to_owned())));
        };
        if let (Some(notes), Session::Client(_)) = (&mut self.session_id, &*session) {
            notes.scan(all);
        }
        let mut sink = Sink { into, rest: &mut self.plaintext };
        let (progress, outcome) = session.take(all, &mut sink, outgoing);
        if let Some(notes) = &mut self.session_id {
            notes.note_sent(outgoing.get());
        }
        self.keep(all.get(progress.consumed..).unwrap_or_default());
        if let State::Handshake(_) = self.state {
            self.note(observed::take(), &outcome);
        }
        if outcome.is_err() && failure::is_http(&self.first_bytes) {
            // Who speaks no TLS is not told of it in TLS.
            outgoing.clear();
        }
        outcome.map_err(|error| self.fail(&error))?;
        self.peer_ended |= progress.peer_closed;
        self.finish_handshake();
        Ok(())
    }

    /// Nothing is held where nothing is left.
    fn keep(&mut self, left: &[u8]) {
        self.incoming.clear();
        if left.is_empty() {
            self.incoming = Vec::new();
        } else {
            self.incoming.extend_from_slice(left);
        }
    }

    fn fail(&mut self, error: &Error) -> io::Error {
        if self.connection.failure.set(failure::reason(error, &self.first_bytes, None)).is_ok() {
            self.count(Some(SslStat::ConnectionError));
        }
        self.state = State::Failed;
        io::Error::new(io::ErrorKind::ConnectionAborted, error.to_string())
    }

    /// Sends as much as the socket takes at once, and keeps the rest.
    fn send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<()> {
        let mut left = bytes;
        while self.outgoing.is_empty() && !left.is_empty() {
            match self.socket.poll_write(cx, &[IoSlice::new(left)])? {
                Poll::Ready(count) => left = left.get(count..).unwrap_or_default(),
                Poll::Pending => break,
            }
        }
        self.outgoing.extend_from_slice(left);
        Ok(())
    }

    /// Sends what was encrypted.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.outgoing.len() {
            let left = self.outgoing.get(self.sent..).unwrap_or_default();
            let count = ready!(self.socket.poll_write(cx, &[IoSlice::new(left)]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
        }
        if self.sent > 0 {
            self.outgoing = Vec::new();
            self.sent = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for TlsSocket {
    /// The last words, as far as the socket takes them at once.
    fn drop(&mut self) {
        if self.closes_silently.get() {
            return;
        }
        let mut cx = Context::from_waker(std::task::Waker::noop());
        if matches!(self.state, State::Open(_)) && !self.we_ended && self.end(&mut cx).is_err() {
            return;
        }
        let _: Poll<io::Result<()>> = self.poll_flush(&mut cx);
    }
}
