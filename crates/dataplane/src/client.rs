//! Calls to clusters from inside the proxy.
//!
//! Owns: a request of the proxy's own to a cluster, unary or as a stream, over HTTP (`Client`, `client::stream`) and gRPC
//! (`client::grpc`). Does not own: which host it goes to (`cluster`), connections and their limits (`connection_pool`), the
//! wire (`http_codec`), what an error means in HTTP (`local_reply`). There is no other way to a host here than that of any
//! request: the cluster's balancer picks it, the pool gives the connection, circuit breakers refuse, and the same counters
//! move; as in Envoy, responses count as internal ones.
//! Follows: Envoy's `AsyncClient` and `Grpc::AsyncClient`.
//!
//! A call belongs to the worker that makes it. Dropping it at any time cancels it: a stream of HTTP/2 is reset, a connection
//! of HTTP/1.1 that is in the middle of something is closed. Nobody waits for a host to become healthy.

pub mod grpc;
pub mod stream;

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use ferryman_codec::{BodyFraming, HeaderBlock, KnownName, RequestKind, Version};

use crate::cluster::WorkerCluster;
use crate::connection_pool::{self, PoolError, Upstream};
use crate::error::{Error, ErrorKind};
use crate::local_reply::LocalReply;
use crate::model::route::RoutingPriority;
use crate::random::thread_random;
use crate::stats::{ClusterStat, EndpointStat, ResponseClass};
use crate::timer::LazyTimer;

pub use grpc::{GrpcStatus, GrpcStream};
pub use stream::Stream;

/// How long a call may take, and how much may come.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// When it must be over (`ErrorKind::ResponseTimeout`); none: it may last.
    pub deadline: Option<Instant>,
    /// The most bytes of a response's body, or of one message (`ErrorKind::ResponseTooLarge`).
    pub most_bytes: usize,
}

/// What was answered.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub fields: HeaderBlock,
    /// Its body.
    pub body: Vec<u8>,
    /// What followed the body.
    pub trailers: HeaderBlock,
}

/// Who calls one cluster.
#[derive(Debug, Clone)]
pub struct Client {
    cluster: Rc<WorkerCluster>,
    priority: RoutingPriority,
}

impl Client {
    /// For calls to this cluster, with the priority's connections and limits.
    #[must_use]
    pub fn new(cluster: &Rc<WorkerCluster>, priority: RoutingPriority) -> Self {
        Client { cluster: Rc::clone(cluster), priority }
    }

    /// Sends a request and waits for the whole response. `head` has the pseudo-headers too.
    ///
    /// # Errors
    /// Whatever ends a request before its time; `LocalReply::for_error` says what it is in HTTP.
    pub async fn call(&self, head: &HeaderBlock, body: &[u8], limits: CallLimits) -> Result<Response, Error> {
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let is_without = body.is_empty() && matches!(head.get(KnownName::Method), Some(b"GET" | b"HEAD"));
        let framing = if is_without { BodyFraming::None } else { BodyFraming::Length(length) };
        let mut stream = self.open(head, framing, limits).await?;
        let mut left = body;
        // A host may answer before it has taken all of the request.
        let status = poll_fn(|cx| {
            while !left.is_empty() {
                match stream.poll_send(cx, left)? {
                    Poll::Ready(taken) => left = left.get(taken..).unwrap_or_default(),
                    Poll::Pending => return stream.poll_head(cx),
                }
            }
            stream.half_close(&HeaderBlock::new());
            stream.poll_head(cx)
        })
        .await?;
        let mut received = Vec::new();
        while let Some(piece) = stream.receive().await? {
            if received.len() + piece.len() > limits.most_bytes {
                return Err(stream.give_up(ErrorKind::ResponseTooLarge.into()));
            }
            received.extend_from_slice(&piece);
        }
        let (fields, trailers) = stream.into_fields();
        Ok(Response { status, fields, body: received, trailers })
    }

    /// Begins a request whose body is sent piece by piece, while the response comes.
    ///
    /// # Errors
    /// There is no host, no connection, or no room for another request; or the deadline passes.
    pub async fn open(
        &self,
        head: &HeaderBlock,
        framing: BodyFraming,
        limits: CallLimits,
    ) -> Result<Stream, Error> {
        let cluster = &self.cluster;
        if cluster.cluster.is_in_maintenance(thread_random) {
            cluster.stats.inc(ClusterStat::UpstreamRqMaintenanceMode);
            return Err(self.refused(ErrorKind::MaintenanceMode.into()));
        }
        let host = cluster.choose_host().ok_or_else(|| self.refused(ErrorKind::NoHealthyUpstream.into()))?;
        let mut timer = LazyTimer::new();
        let connected = self.connect(&host, &mut timer, limits.deadline).await;
        let mut upstream = connected.map_err(|error| {
            if error.kind == ErrorKind::ResponseTimeout {
                cluster.stats.inc(ClusterStat::UpstreamRqTimeout);
            }
            host.stats.inc(EndpointStat::RqError);
            self.refused(error)
        })?;
        let Ok(permit) = upstream.request_permit() else {
            connection_pool::check_in(upstream, Instant::now());
            return Err(self.refused(ErrorKind::Overflow.into()));
        };
        let kind = RequestKind::of(head.get(KnownName::Method).unwrap_or_default());
        let at_host = (Rc::clone(cluster), host);
        let mut stream = Stream::new(at_host, (upstream, permit), (timer, limits.deadline), kind);
        stream.start(head, framing)?;
        Ok(stream)
    }

    /// A connection to the host, or a part of one.
    async fn connect(
        &self,
        host: &Rc<crate::cluster::WorkerHost>,
        timer: &mut LazyTimer,
        deadline: Option<Instant>,
    ) -> Result<Upstream, Error> {
        let key = self.cluster.pool_for(self.priority, Version::Http11);
        if let Some(idle) = connection_pool::take_idle(host, key, Instant::now()) {
            return Ok(idle);
        }
        let mut obtained = connection_pool::obtain(&self.cluster, host, key).map_err(failed_to_connect)?;
        poll_fn(|cx| {
            if timer.poll_at(cx, deadline).is_ready() {
                return Poll::Ready(Err(ErrorKind::ResponseTimeout.into()));
            }
            std::pin::Pin::new(&mut obtained).poll(cx).map_err(failed_to_connect)
        })
        .await
    }

    /// Counts what never was a request at a host.
    fn refused(&self, error: Error) -> Error {
        count_status(&self.cluster, LocalReply::for_error(&error, true).status);
        error
    }
}

fn failed_to_connect(error: PoolError) -> Error {
    match error {
        PoolError::Overflow => ErrorKind::Overflow.into(),
        PoolError::PoolOverflow => ErrorKind::NoHealthyUpstream.into(),
        PoolError::ConnectTimeout => ErrorKind::ConnectTimeout.into(),
        PoolError::Connect { reason } => Error { kind: ErrorKind::ConnectFailure, cause: reason.into() },
    }
}

fn count_status(cluster: &WorkerCluster, status: u16) {
    cluster.stats.response_code(ResponseClass::All, status);
    cluster.stats.response_code(ResponseClass::Internal, status);
}
