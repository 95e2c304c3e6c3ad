//! The task of one HTTP/2 connection to a host.
//!
//! Owns: its socket, reading and writing, and its end with all that is counted of it. Does not own: what waits for a stream
//! (`http_codec::http2_session`), who gets one (`http2_upstream`).
//! Follows: RFC 9113 sections 5.4 and 6.8; Envoy's page "Cluster stats".
//!
//! It reads what has come and hands it out, lets the streams that it concerns run, and then writes at once what all of them
//! have queued.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use ferryman_codec::{HeaderBlock, Http2ErrorKind};

use super::connection_lifetime::ConnectionLifetime;
use super::http2_upstream::{Facts, Http2Upstream};
use super::waiting;
use crate::application_log::{OfConnection, log_at};
use crate::buffer::{BlockPool, ReadBuffer};
use crate::http_codec::ActiveHttp2;
use crate::stats::{ClusterHttp2Stats, ClusterStat, Http2Stat, LocalScope};
use crate::transport_sockets::TransportSocket;

/// The size of what goes before each frame.
const FRAME_HEADER: usize = 9;
/// After this much was read, the streams run before more is.
const READ_AT_ONCE: usize = 128 * 1024;

thread_local! {
    /// Memory for what is received on these connections, of one worker.
    static BLOCKS: BlockPool = BlockPool::new();
}

/// One connection; it ends with this.
struct Driver {
    connection: Rc<Http2Upstream>,
    socket: TransportSocket,
    buffer: ReadBuffer,
    block: HeaderBlock,
    lifetime: ConnectionLifetime,
    counts: Option<ActiveHttp2<Rc<LocalScope<ClusterHttp2Stats>>>>,
    /// The rule that the host broke.
    broken: Option<Http2ErrorKind>,
}

/// Begins to speak HTTP/2 on a connection that stands, and lets those who wait use it.
pub(super) fn begin(lifetime: ConnectionLifetime, socket: TransportSocket) {
    let (cluster, host) = (&lifetime.cluster, &lifetime.host);
    let facts = Facts {
        id: lifetime.id,
        started: lifetime.started,
        local_address: socket.local_address().ok(),
        tls: socket.tls(),
    };
    let connection = Http2Upstream::new(cluster, host, lifetime.key(), facts, Instant::now());
    let settings = cluster.cluster.http2.as_ref().map(|http2| http2.options.settings).unwrap_or_default();
    let frame = usize::try_from(settings.max_frame_size).unwrap_or(usize::MAX);
    let limit = cluster.buffer_limit().max(frame.saturating_add(FRAME_HEADER));
    let mut counts = cluster.http2_stats().map(ActiveHttp2::new);
    if let Some(counts) = &mut counts {
        counts.begin(Http2Stat::Nghttp2UpstreamConnections);
    }
    host.pool.of(lifetime.key()).http2.borrow_mut().push(Rc::clone(&connection));
    let mut driver = Driver {
        connection: Rc::clone(&connection),
        socket,
        buffer: ReadBuffer::new(limit),
        block: HeaderBlock::new(),
        lifetime,
        counts,
        broken: None,
    };
    tokio::task::spawn_local(async move { poll_fn(|cx| driver.poll(cx)).await });
    waiting::serve_streams(&connection);
}

impl Driver {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let connection = Rc::clone(&self.connection);
        connection.session.drive_by(cx);
        let has_ended = !self.read(cx) || self.is_silent(cx);
        let has_failed = self.poll_write(cx).is_err();
        connection.session.wake_writers();
        if let Some(counts) = &mut self.counts {
            counts.update(&connection.session);
        }
        if connection.session.went_away() && !connection.closes() {
            log_at!(Pool, Debug, "{} the host goes away", OfConnection(connection.id));
            connection.cluster.stats.inc(ClusterStat::UpstreamCxCloseNotify);
            connection.close_when_done();
        }
        let is_done = connection.closes() && connection.leased() == 0 && !connection.session.has_pending();
        if has_ended || has_failed || is_done { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Reads and hands out what has come. Answers whether the connection goes on.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let mut all = 0;
        while all < READ_AT_ONCE {
            let filled =
                BLOCKS.with(|blocks| self.buffer.poll_fill(&mut self.socket, cx, blocks, usize::MAX));
            let count = match filled {
                Poll::Ready(Ok(count @ 1..)) => count,
                Poll::Ready(Ok(0) | Err(_)) => {
                    self.lifetime.closed_by_remote = true;
                    return false;
                }
                Poll::Pending => return true,
            };
            if all == 0 {
                self.connection.session.note_received(Instant::now());
                let since = self.lifetime.started.elapsed().as_millis();
                self.connection.session.set_now(u64::try_from(since).unwrap_or(u64::MAX));
            }
            all += count;
            let stats = &self.connection.cluster.stats;
            stats.add(ClusterStat::UpstreamCxRxBytesTotal, u64::try_from(count).unwrap_or(u64::MAX));
            if let Err(kind) = self.hand_out() {
                self.broken = Some(kind);
                return false;
            }
        }
        cx.waker().wake_by_ref();
        true
    }

    /// Whether the host has not answered a PING in time.
    fn is_silent(&self, cx: &mut Context<'_>) -> bool {
        let is_silent = self.connection.session.poll_keepalive(cx);
        if is_silent {
            log_at!(Pool, Debug, "{} the host does not answer PING", OfConnection(self.connection.id));
            if let Some(counts) = &self.counts {
                counts.keepalive_timeout();
            }
        }
        is_silent
    }

    fn hand_out(&mut self) -> Result<(), Http2ErrorKind> {
        let received = self.connection.session.receive(self.buffer.readable(), &mut self.block);
        let received = received.map_err(|error| {
            log_at!(Http2, Debug, "{} {error}", OfConnection(self.connection.id));
            self.connection.cluster.stats.inc(ClusterStat::UpstreamCxProtocolError);
            error.kind
        })?;
        BLOCKS.with(|blocks| self.buffer.consume(received.consumed, blocks));
        Ok(())
    }

    /// Writes what waits, as far as the socket takes it.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let session = Rc::clone(&self.connection.session);
        while session.has_pending() {
            let socket = &mut self.socket;
            let sent = session.send(|bytes| match socket.poll_write(cx, &[IoSlice::new(bytes)]) {
                Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => written,
                Poll::Pending => Ok(0),
            })?;
            if sent == 0 {
                break;
            }
            let sent = u64::try_from(sent).unwrap_or(u64::MAX);
            self.connection.cluster.stats.add(ClusterStat::UpstreamCxTxBytesTotal, sent);
        }
        Ok(())
    }
}

impl Drop for Driver {
    /// All streams see that it is over.
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.close_when_done();
        BLOCKS.with(|blocks| self.buffer.release(blocks));
        self.lifetime.active = connection.leased() > 0;
        self.lifetime.requests = connection.requests();
        connection.session.end(self.broken);
    }
}
