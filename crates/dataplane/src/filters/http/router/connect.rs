//! The upstream connection of an attempt.
//!
//! Owns: what the stream is told of getting one. Does not own: the pool (`connection_pool`), the attempt (`router`).
//! Follows Envoy's page "Connection pooling".

use std::rc::Rc;
use std::time::Instant;

use crate::cluster::{WorkerCluster, WorkerHost};
use crate::connection_pool::{self, PoolError, Upstream};
use crate::error::{Error, ErrorKind};
use crate::http_stream::HttpStream;
use crate::route::ForwardAction;
use crate::stream_info::{FilterState, PoolAnswer, TimePoint};

/// Gets a connection from the pool; none: a filter has answered the request meanwhile.
pub(super) async fn connect(
    stream: &mut HttpStream<'_>,
    action: &ForwardAction,
    cluster: &Rc<WorkerCluster>,
    host: &Rc<WorkerHost>,
) -> Result<Option<Upstream>, Error> {
    let key = cluster.pool_for(action.priority, stream.head.version);
    if let Some(idle) = connection_pool::take_idle(host, key, stream.now) {
        stream.state.info.decisions.pool = PoolAnswer::Reused;
        return Ok(Some(idle));
    }
    stream.state.info.decisions.pool = PoolAnswer::Waiting;
    let connection = match connection_pool::obtain(cluster, host, key) {
        Ok(obtained) => {
            // As in Envoy, they see the request while the connection is made, unless there is one already.
            if !stream.walk_to_upstream(cluster.cluster.upstream_filters.as_ref()).await? {
                return Ok(None);
            }
            stream.reading_ahead(obtained).await?
        }
        Err(error) => Err(error),
    };
    stream.now = Instant::now();
    stream.state.info.decisions.pool = match &connection {
        Ok(connection) if connection.requests() == 0 => PoolAnswer::Connected,
        Ok(_) => PoolAnswer::Inherited,
        Err(PoolError::Overflow) => PoolAnswer::TooManyPending,
        Err(PoolError::PoolOverflow) => PoolAnswer::TooManyPools,
        Err(PoolError::Connect { .. } | PoolError::ConnectTimeout) => PoolAnswer::Failed,
    };
    // As in Envoy, also when the pool gives none.
    stream.state.info.mark(TimePoint::UpstreamPoolReady, stream.now);
    connection.map(Some).map_err(|error| failed_to_connect(stream, error))
}

pub(super) fn failed_to_connect(stream: &mut HttpStream<'_>, error: PoolError) -> Error {
    match error {
        PoolError::Overflow => {
            // As in Envoy, no host was tried then.
            stream.state.info.upstream.host = None;
            ErrorKind::Overflow.into()
        }
        PoolError::PoolOverflow => ErrorKind::NoHealthyUpstream.into(),
        PoolError::ConnectTimeout => ErrorKind::ConnectTimeout.into(),
        PoolError::Connect { reason } => {
            stream.state.info.upstream.transport_failure_reason = reason.replace(' ', "_").into();
            Error { kind: ErrorKind::ConnectFailure, cause: reason.into() }
        }
    }
}

/// When the connection was made, and what filters left for it when it was.
pub(super) fn note_connecting(stream: &mut HttpStream<'_>, connection: &mut Upstream) {
    let info = &mut stream.state.info;
    let (start, end) = connection.connecting();
    info.mark(TimePoint::UpstreamConnectStart, start);
    info.mark(TimePoint::UpstreamConnectEnd, end);
    let of_connection = &stream.connection.info.filter_state;
    let make = || FilterState::for_upstream(of_connection, &info.filter_state);
    info.upstream.filter_state = connection.filter_state(make);
}
