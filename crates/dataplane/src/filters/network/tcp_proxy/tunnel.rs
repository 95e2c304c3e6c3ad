//! A tunnel to a host: the stream of a request whose body goes there, and whose response's body comes from there.
//!
//! Owns: the stream from its connection on, the host's answer, and how it ends in each version of HTTP. Does not own: the
//! request (`tunneling`), the wire (`http_codec`), the other side of the session (`relay`).
//! Follows Envoy's page "Tunneling TCP over HTTP"; RFC 9110 section 9.3.6, RFC 9113 section 8.5.
//!
//! On HTTP/2 each side of a tunnel ends by a frame of its own. On HTTP/1.1 the client's end is that of the connection, as is
//! the host's unless its response says how it ends.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use ferryman_codec::{BodyFraming, ErrorKind, HeaderBlock, KnownName, RequestKind, ResponseHead, Version};

use crate::buffer::{BlockPool, ReadBuffer};
use crate::cluster::{WorkerCluster, WorkerHost};
use crate::connection_pool::{self, PoolError, RequestPermit, Upstream};
use crate::http_codec::{BodyReader, ReadError, UpstreamCodec};
use crate::model::route::RoutingPriority;
use crate::relay::Endpoint;
use crate::stats::ClusterStat;
use crate::stream_info::{Address, ByteMeter};

/// Why there is no tunnel.
#[derive(Debug)]
pub(super) enum TunnelError {
    /// No connection.
    Pool(PoolError),
    /// Too many requests, or one that cannot be written.
    NotBegun,
}

/// One tunnel. Dropping it ends the stream, and on HTTP/1.1 the connection.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub upstream: Upstream,
    cluster: Rc<WorkerCluster>,
    _permit: RequestPermit,
    received_before: u64,
    /// What earlier attempts of the session have sent and received.
    bytes_before: ByteMeter,
    kind: RequestKind,
    /// The head of the answer, once it has come.
    pub fields: HeaderBlock,
    /// The status of the answer; 0: there is none.
    pub status: u16,
    /// The size of the fields that came, informational heads among them.
    field_bytes: u64,
    /// What followed the payload.
    pub trailers: HeaderBlock,
    /// Whether the answer says that the connection ends.
    announces_close: bool,
    /// Whether we have ended it.
    is_closed: bool,
    /// Whether the connection broke.
    is_broken: bool,
}

impl Tunnel {
    /// Gets a connection, and sends the head of the request on it. `proxy_header`: what goes before.
    ///
    /// # Errors
    /// `TunnelError`.
    pub(super) async fn connect(
        cluster: &Rc<WorkerCluster>,
        host: &Rc<WorkerHost>,
        (head, bytes_before): (&HeaderBlock, ByteMeter),
        proxy_header: Option<Vec<u8>>,
    ) -> Result<Self, TunnelError> {
        let key = cluster.pool_for(RoutingPriority::Default, Version::Http11);
        let mut upstream = match connection_pool::take_idle(host, key, Instant::now()) {
            Some(idle) => idle,
            None => connection_pool::obtain(cluster, host, key)
                .map_err(TunnelError::Pool)?
                .await
                .map_err(TunnelError::Pool)?,
        };
        let Ok(permit) = upstream.request_permit() else {
            connection_pool::check_in(upstream, Instant::now());
            return Err(TunnelError::NotBegun);
        };
        if let Some(header) = proxy_header {
            // A host that does not take it is found broken by the request.
            let _sent: io::Result<()> = upstream.send_header(&header).await;
        }
        let received_before = upstream.received_bytes();
        let kind = RequestKind::of(head.get(KnownName::Method).unwrap_or_default());
        let framing = if kind == RequestKind::Connect { BodyFraming::None } else { BodyFraming::Chunked };
        let settings = (cluster.http1_settings(), true);
        let started = upstream.codec().start_request(head, framing, settings, &mut Vec::new());
        let tunnel = Tunnel {
            upstream,
            cluster: Rc::clone(cluster),
            _permit: permit,
            received_before,
            bytes_before,
            kind,
            fields: HeaderBlock::new(),
            status: 0,
            field_bytes: 0,
            trailers: HeaderBlock::new(),
            announces_close: false,
            is_closed: false,
            is_broken: false,
        };
        started.map(|()| tunnel).map_err(|_| TunnelError::NotBegun)
    }

    /// Waits for the host's answer, whose head is in `fields` then. Answers whether it agrees.
    pub(super) async fn answer(&mut self, blocks: &BlockPool) -> bool {
        let agrees = poll_fn(|cx| self.poll_answer(cx, blocks)).await;
        if let (Upstream::Http1(connection), true) = (&mut self.upstream, self.announces_close) {
            connection.close_notify();
        }
        agrees
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>, blocks: &BlockPool) -> Poll<bool> {
        let settings = self.cluster.http1_settings();
        let mut codec = self.upstream.codec();
        if let Poll::Ready(Err(_)) = codec.poll_flush(cx) {
            // Why, its answer may say.
        }
        loop {
            self.fields.clear();
            match ready!(codec.poll_response_head(cx, blocks, settings, self.kind, &mut self.fields)) {
                Err(error) => {
                    self.note_bad_answer(&error);
                    return Poll::Ready(false);
                }
                Ok(head) if head.informational => self.field_bytes += to_u64(head.field_bytes),
                Ok(head) => {
                    self.field_bytes += to_u64(head.field_bytes);
                    self.status = head.status;
                    self.announces_close = head.announces_close;
                    let agrees = agrees(&head);
                    if agrees && self.kind == RequestKind::Connect {
                        codec.begin_tunnel();
                    }
                    return Poll::Ready(agrees);
                }
            }
        }
    }

    pub(super) fn cluster(&self) -> &Rc<WorkerCluster> {
        &self.cluster
    }

    #[cold]
    fn note_bad_answer(&mut self, error: &ReadError) {
        self.is_broken = matches!(error, ReadError::Io(_));
        match error {
            // To a tunnel it is no more than another status.
            ReadError::Codec(error) if error.kind == ErrorKind::UnexpectedSwitch => {
                self.status = 101;
                let size = |(name, value): (&[u8], &[u8])| to_u64(name.len() + value.len() + 3);
                self.field_bytes += self.fields.iter().map(size).sum::<u64>();
                return;
            }
            ReadError::Codec(_) => self.cluster.stats.inc(ClusterStat::UpstreamCxProtocolError),
            _ => {}
        }
        self.fields.clear();
    }

    /// The peer has reset the connection: its end counts as remote. As in Envoy, any other end is our own, unless it is
    /// that of an internal listener.
    pub(super) fn note_end(&mut self) {
        if let Upstream::Http1(connection) = &mut self.upstream {
            let is_internal = matches!(connection.host().info.address, Address::Internal(_));
            if self.is_broken || is_internal && connection.codec.reader.is_closed() {
                connection.set_closed_by_remote();
            }
        }
    }

    /// What has gone over the connection for this tunnel.
    pub(super) fn bytes(&mut self) -> ByteMeter {
        let fields = self.field_bytes;
        let codec = self.upstream.codec();
        let (received, payload) = codec.received_bytes();
        let received = match &codec {
            UpstreamCodec::Http1(codec) => codec.reader.received_bytes().saturating_sub(self.received_before),
            UpstreamCodec::Http2(_) => received,
        };
        let (sent, sent_fields, sent_payload) = codec.sent_bytes();
        let mut bytes = self.bytes_before;
        // As in Envoy, the payload counts once more for itself.
        bytes.receive_head(received + payload, fields);
        bytes.send_head(sent + sent_payload, sent_fields);
        bytes
    }

    fn take_trailers(&mut self) {
        let mut codec = self.upstream.codec();
        if !codec.trailers().is_empty() {
            self.trailers = std::mem::take(codec.trailers_mut());
        }
    }
}

/// Whether the answer opens the tunnel: with HTTP/1.1 any 2xx, as in RFC 9110 section 9.3.6, with HTTP/2 200 alone.
fn agrees(head: &ResponseHead) -> bool {
    let is_over = matches!(head.framing, BodyFraming::None | BodyFraming::Length(0));
    match head.version {
        Version::Http2 => head.status == 200 && !is_over,
        _ => (200..300).contains(&head.status) && (head.upgrade || !is_over),
    }
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Whether a tunnel's failure is no more than its end.
pub(super) fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

impl Endpoint for Tunnel {
    fn poll_fill(
        &mut self,
        buffer: &mut ReadBuffer,
        cx: &mut Context<'_>,
        blocks: &BlockPool,
    ) -> Poll<io::Result<usize>> {
        if self.is_closed {
            return Poll::Ready(Ok(0));
        }
        let mut codec = self.upstream.codec();
        let is_wanting = codec.data().is_empty() && !codec.is_ended();
        if is_wanting {
            if let Err(error) = ready!(codec.poll_data(cx, blocks)) {
                self.is_broken = matches!(error, ReadError::Io(_));
                // As in Envoy, the client sees the reset of a stream, and no other end.
                let is_reset = matches!(error, ReadError::Reset(reset) if reset.cause.is_none());
                let kind =
                    if is_reset { io::ErrorKind::ConnectionReset } else { io::ErrorKind::UnexpectedEof };
                return Poll::Ready(Err(kind.into()));
            }
        }
        let count = buffer.append(codec.data(), blocks);
        codec.consume(count, blocks);
        if count == 0 {
            if codec.is_closed() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.take_trailers();
        }
        Poll::Ready(Ok(count))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.upstream.codec().poll_write(cx, data).map_err(|_| io::ErrorKind::UnexpectedEof.into())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.upstream.codec() {
            UpstreamCodec::Http1(codec) => {
                codec.poll_flush(cx).map_err(|_| io::ErrorKind::UnexpectedEof.into())
            }
            // How it ends, reading tells.
            UpstreamCodec::Http2(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.upstream.codec() {
            UpstreamCodec::Http1(codec) => {
                if !codec.is_finished() {
                    codec.finish(None);
                }
                let flushed = ready!(codec.poll_flush(cx));
                self.is_closed = true;
                Poll::Ready(flushed)
            }
            UpstreamCodec::Http2(stream) => {
                stream.finish(None);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl Drop for Tunnel {
    /// Counts what has gone over the connection. One of many streams counts for itself.
    fn drop(&mut self) {
        if let UpstreamCodec::Http1(codec) = self.upstream.codec() {
            let stats = &self.cluster.stats;
            let received = codec.reader.received_bytes().saturating_sub(self.received_before);
            stats.add(ClusterStat::UpstreamCxRxBytesTotal, received);
            stats.add(ClusterStat::UpstreamCxTxBytesTotal, codec.writer.wire_bytes());
        }
    }
}
