//! A request of the proxy's own and its response, both of which may last.
//!
//! Owns: where each of the two is, the deadline, what is counted of them, and whether the connection may serve again. Does
//! not own: how it came to its connection (`client`), messages (`client::grpc`).
//! Follows: Envoy's `AsyncClient::Stream`.
//!
//! Back-pressure is that of the connection: what is not received is not read (HTTP/2: its window stays shut), and what the
//! host does not take is not sent. Sending and receiving may go on at once: `poll_send` and `poll_receive` do not wait for
//! each other.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use ferryman_codec::{BodyFraming, ErrorKind as CodecError, HeaderBlock, RequestKind, ResponseHead};

use super::count_status;
use crate::buffer::BlockPool;
use crate::cluster::{WorkerCluster, WorkerHost};
use crate::connection_pool::{self, RequestPermit, Upstream};
use crate::error::{Error, ErrorKind};
use crate::http_codec::{BodyReader, ReadError, UpstreamCodec};
use crate::local_reply::LocalReply;
use crate::stats::{ClusterHistogram, ClusterStat, EndpointStat};
use crate::timer::LazyTimer;

thread_local! {
    /// Where HTTP/1.1 is read into.
    static BLOCKS: BlockPool = BlockPool::new();
}

/// How far the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    /// More of it may be sent.
    Open,
    /// It has ended; some of it may still wait to be written.
    Flushing,
    /// All of it was written.
    Done,
    /// The host takes no more of it. What it says of that comes as the response.
    Refused,
}

/// The exchange while it lasts.
#[derive(Debug)]
struct Active {
    upstream: Upstream,
    _permit: RequestPermit,
    received_before: u64,
}

/// One stream. Dropping it before its end cancels it.
#[derive(Debug)]
pub struct Stream {
    cluster: Rc<WorkerCluster>,
    host: Rc<WorkerHost>,
    /// None: it is over.
    active: Option<Active>,
    timer: LazyTimer,
    deadline: Option<Instant>,
    kind: RequestKind,
    request: Request,
    /// When all of the request was sent.
    sent_at: Option<Instant>,
    head: Option<ResponseHead>,
    fields: HeaderBlock,
    trailers: HeaderBlock,
}

impl Stream {
    pub(super) fn new(
        (cluster, host): (Rc<WorkerCluster>, Rc<WorkerHost>),
        (upstream, permit): (Upstream, RequestPermit),
        (timer, deadline): (LazyTimer, Option<Instant>),
        kind: RequestKind,
    ) -> Self {
        let received_before = upstream.received_bytes();
        Stream {
            cluster,
            host,
            active: Some(Active { upstream, _permit: permit, received_before }),
            timer,
            deadline,
            kind,
            request: Request::Open,
            sent_at: None,
            head: None,
            fields: HeaderBlock::new(),
            trailers: HeaderBlock::new(),
        }
    }

    pub(super) fn start(&mut self, head: &HeaderBlock, framing: BodyFraming) -> Result<(), Error> {
        let cluster = Rc::clone(&self.cluster);
        let Some(active) = &mut self.active else { return Ok(()) };
        let settings = (cluster.http1_settings(), false);
        let started = active.upstream.codec().start_request(head, framing, settings, &mut Vec::new());
        started.map_err(|error| self.give_up(ErrorKind::DownstreamCodec(error.kind).into()))
    }

    /// Sends some of `data`; answers how much. Pending: the host does not read fast enough. A host that wants no more of
    /// the request takes all of it; its response says why.
    ///
    /// # Errors
    /// The deadline has passed.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Result<Poll<usize>, Error> {
        self.poll_deadline(cx)?;
        let Some(active) = self.active.as_mut().filter(|_| self.request == Request::Open) else {
            return Ok(Poll::Ready(data.len()));
        };
        Ok(match active.upstream.codec().poll_write(cx, data) {
            Poll::Ready(Ok(taken)) => Poll::Ready(taken),
            Poll::Ready(Err(_)) => {
                self.request = Request::Refused;
                Poll::Ready(data.len())
            }
            Poll::Pending => Poll::Pending,
        })
    }

    /// Sends all of `data`, as fast as the host takes it.
    ///
    /// # Errors
    /// As `poll_send`.
    pub async fn send(&mut self, data: &[u8]) -> Result<(), Error> {
        let mut left = data;
        poll_fn(|cx| {
            while !left.is_empty() {
                match self.poll_send(cx, left)? {
                    Poll::Ready(taken) => left = left.get(taken..).unwrap_or_default(),
                    Poll::Pending => return Poll::Pending,
                }
            }
            self.flush(cx);
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Ends the request. The second time does nothing.
    pub fn half_close(&mut self, trailers: &HeaderBlock) {
        let Some(active) = self.active.as_mut().filter(|_| self.request == Request::Open) else { return };
        active.upstream.codec().finish(trailers, self.cluster.http1_settings().enable_trailers);
        self.request = Request::Flushing;
        self.sent_at = Some(Instant::now());
    }

    /// Waits for the response's head, of which it answers the status. The fields are in `fields`.
    ///
    /// # Errors
    /// Whatever ends a request before its time.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<u16, Error>> {
        loop {
            if let Some(head) = &self.head {
                return Poll::Ready(Ok(head.status));
            }
            self.poll_deadline(cx)?;
            self.flush(cx);
            let Some(active) = &mut self.active else {
                return Poll::Ready(Err(ErrorKind::UpstreamTermination.into()));
            };
            let settings = self.cluster.http1_settings();
            let (kind, fields) = (self.kind, &mut self.fields);
            let mut codec = active.upstream.codec();
            let polled = BLOCKS.with(|blocks| codec.poll_response_head(cx, blocks, settings, kind, fields));
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.give_up(of_read_error(error)))),
                Poll::Ready(Ok(head)) if head.informational => {}
                Poll::Ready(Ok(head)) if head.upgrade => {
                    let error = ErrorKind::UpstreamCodec(CodecError::UnexpectedSwitch);
                    return Poll::Ready(Err(self.give_up(error.into())));
                }
                Poll::Ready(Ok(head)) => self.note_head(head),
            }
        }
    }

    /// The same, to be awaited.
    ///
    /// # Errors
    /// As `poll_head`.
    pub async fn head(&mut self) -> Result<u16, Error> {
        poll_fn(|cx| self.poll_head(cx)).await
    }

    /// Waits for more of the response's body; none: it has ended, and `trailers` are there. What is taken here makes room
    /// for as much.
    ///
    /// # Errors
    /// Whatever ends a request before its time.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Vec<u8>>, Error>> {
        if self.head.is_none() {
            match self.poll_head(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.active.is_none() {
            return Poll::Ready(Ok(None));
        }
        self.poll_deadline(cx)?;
        self.flush(cx);
        let Some(active) = &mut self.active else { return Poll::Ready(Ok(None)) };
        let mut codec = active.upstream.codec();
        BLOCKS
            .with(|blocks| {
                if codec.data().is_empty() && !codec.is_ended() {
                    match codec.poll_data(cx, blocks) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(of_read_error(error))),
                        Poll::Ready(Ok(())) => {}
                    }
                }
                let piece = codec.data().to_vec();
                codec.consume(piece.len(), blocks);
                Poll::Ready(Ok(Some(piece).filter(|piece| !piece.is_empty())))
            })
            .map(|received| match received {
                Ok(Some(piece)) => Ok(Some(piece)),
                Ok(None) => {
                    self.complete();
                    Ok(None)
                }
                Err(error) => Err(self.give_up(error)),
            })
    }

    /// The same, to be awaited.
    ///
    /// # Errors
    /// As `poll_receive`.
    pub async fn receive(&mut self) -> Result<Option<Vec<u8>>, Error> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// The response's fields, once `head` has answered.
    #[must_use]
    pub fn fields(&self) -> &HeaderBlock {
        &self.fields
    }

    /// What followed the response's body, once all of it was received.
    #[must_use]
    pub fn trailers(&self) -> &HeaderBlock {
        &self.trailers
    }

    /// Fields and trailers of the response.
    #[must_use]
    pub fn into_fields(mut self) -> (HeaderBlock, HeaderBlock) {
        (std::mem::take(&mut self.fields), std::mem::take(&mut self.trailers))
    }

    /// Cancels it; nothing more comes.
    pub fn reset(&mut self) {
        self.end();
    }

    /// Ends it for this reason, which is counted.
    pub(super) fn give_up(&mut self, error: Error) -> Error {
        if self.active.is_none() {
            return error;
        }
        let stats = &self.cluster.stats;
        match error.kind {
            ErrorKind::UpstreamCodec(_) => stats.inc(ClusterStat::UpstreamCxProtocolError),
            ErrorKind::ResponseTimeout => stats.inc(ClusterStat::UpstreamRqTimeout),
            _ => {}
        }
        if self.head.is_none() {
            count_status(&self.cluster, LocalReply::for_error(&error, true).status);
            self.host.stats.inc(EndpointStat::RqError);
        }
        self.end();
        error
    }

    fn note_head(&mut self, head: ResponseHead) {
        count_status(&self.cluster, head.status);
        let is_good = head.status < 500;
        self.host.stats.inc(if is_good { EndpointStat::RqSuccess } else { EndpointStat::RqError });
        self.head = Some(head);
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if self.active.is_some() && self.timer.poll_at(cx, self.deadline).is_ready() {
            return Err(self.give_up(ErrorKind::ResponseTimeout.into()));
        }
        Ok(())
    }

    /// Writes what waits, as far as the host takes it.
    fn flush(&mut self, cx: &mut Context<'_>) {
        let Some(active) = &mut self.active else { return };
        if matches!(self.request, Request::Done | Request::Refused) {
            return;
        }
        match active.upstream.codec().poll_flush(cx) {
            Poll::Ready(Ok(())) if self.request == Request::Flushing => self.request = Request::Done,
            Poll::Ready(Ok(())) | Poll::Pending => {}
            Poll::Ready(Err(_)) => self.request = Request::Refused,
        }
    }

    /// All of the response is there: the connection may serve others.
    fn complete(&mut self) {
        if let (Some(sent_at), stats) = (self.sent_at, &self.cluster.stats) {
            let elapsed = u64::try_from(sent_at.elapsed().as_millis()).unwrap_or(u64::MAX);
            stats.record(ClusterHistogram::UpstreamRqTime, elapsed);
            stats.record(ClusterHistogram::InternalUpstreamRqTime, elapsed);
        }
        let Some(active) = &mut self.active else { return };
        let mut codec = active.upstream.codec();
        self.trailers = std::mem::take(codec.trailers_mut());
        let keep_alive = self.head.as_ref().is_some_and(|head| head.keep_alive);
        let is_reusable = self.request == Request::Done
            && keep_alive
            && codec.framing() != BodyFraming::UntilClose
            && !codec.has_unread()
            && !codec.is_closed();
        let is_closed = codec.is_closed();
        if let Upstream::Http1(connection) = &mut active.upstream {
            if self.head.as_ref().is_some_and(|head| head.announces_close) {
                connection.close_notify();
            }
            if is_closed {
                connection.set_closed_by_remote();
            }
            if self.request == Request::Done {
                connection.response_complete();
            }
        }
        let Some(active) = self.end() else { return };
        if is_reusable {
            connection_pool::check_in(active.upstream, Instant::now());
        }
    }

    /// Counts what went over the connection, and takes it away.
    fn end(&mut self) -> Option<Active> {
        let mut active = self.active.take()?;
        // A connection of many streams counts what goes over it.
        if let UpstreamCodec::Http1(codec) = active.upstream.codec() {
            let stats = &self.cluster.stats;
            let received = codec.reader.received_bytes().saturating_sub(active.received_before);
            stats.add(ClusterStat::UpstreamCxRxBytesTotal, received);
            stats.add(ClusterStat::UpstreamCxTxBytesTotal, codec.writer.wire_bytes());
        }
        Some(active)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.end();
    }
}

fn of_read_error(error: ReadError) -> Error {
    match error {
        ReadError::Codec(error) => ErrorKind::UpstreamCodec(error.kind),
        ReadError::Reset(reset) => ErrorKind::of_upstream_reset(reset),
        ReadError::Ended { clean: false } => ErrorKind::UpstreamCodec(CodecError::PrematureClose),
        ReadError::Ended { clean: true } | ReadError::Io(_) => ErrorKind::UpstreamTermination,
        ReadError::Refused(refusal) => ErrorKind::BodyRefused(refusal),
    }
    .into()
}
