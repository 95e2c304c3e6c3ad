//! How a session ends, and what is told of it.
//!
//! Owns: the reasons, their names in the access log and what `explain` calls them. Does not own: which one it is
//! (`session`).

use crate::error::ErrorKind;
use crate::relay::End;
use crate::stream_info::{Cause, PoolAnswer};
use crate::transport_sockets::TransportSocket;

/// Why there is no upstream connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum GivenUp {
    ConnectFailed,
    NoHealthyUpstream,
    Overflow,
    NoCluster,
    OutOfTime(TimeLimit),
    /// The client has left, or ended without a byte to send.
    ClientGone,
}

/// A limit in time that ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum TimeLimit {
    Idle,
    MaxDuration,
}

impl TimeLimit {
    /// As `%DOWNSTREAM_LOCAL_CLOSE_REASON%` prints it.
    pub(super) fn close_reason(self) -> &'static str {
        match self {
            TimeLimit::Idle => "tcp_session_idle_timeout",
            TimeLimit::MaxDuration => "max_connection_duration_reached",
        }
    }

    pub(super) fn cause(self) -> Cause {
        Cause::Error(match self {
            TimeLimit::Idle => ErrorKind::StreamIdleTimeout,
            TimeLimit::MaxDuration => ErrorKind::MaxStreamDuration,
        })
    }
}

impl GivenUp {
    /// As `%DOWNSTREAM_LOCAL_CLOSE_REASON%` prints it, spelled as by Envoy.
    pub(super) fn close_reason(self) -> &'static str {
        match self {
            GivenUp::ConnectFailed => "tcp_initializion_failure:0",
            GivenUp::NoHealthyUpstream => "tcp_initializion_failure:1",
            GivenUp::Overflow => "tcp_initializion_failure:2",
            GivenUp::NoCluster => "tcp_initializion_failure:3",
            GivenUp::OutOfTime(limit) => limit.close_reason(),
            GivenUp::ClientGone => "",
        }
    }

    pub(super) fn cause(self, pool: PoolAnswer) -> Cause {
        Cause::Error(match self {
            GivenUp::ConnectFailed if pool == PoolAnswer::TooManyPools => ErrorKind::NoHealthyUpstream,
            GivenUp::ConnectFailed if pool == PoolAnswer::Waiting => ErrorKind::ConnectTimeout,
            GivenUp::ConnectFailed => ErrorKind::ConnectFailure,
            GivenUp::NoHealthyUpstream => ErrorKind::NoHealthyUpstream,
            GivenUp::Overflow => ErrorKind::Overflow,
            // The status is what a request would be answered with.
            GivenUp::NoCluster => ErrorKind::ClusterNotFound(503),
            GivenUp::OutOfTime(limit) => return limit.cause(),
            GivenUp::ClientGone => ErrorKind::DownstreamDisconnect,
        })
    }
}

/// How a session with a host ended.
pub(super) enum Outcome {
    Ended(End),
    OutOfTime(TimeLimit),
    Drained,
}

/// Sees to it that the peer sees a reset.
pub(super) fn reset(socket: &TransportSocket) {
    // A socket that does not take the option is closed in the ordinary way, which ends the session too.
    let _set: std::io::Result<()> = socket.reset_on_close();
}
