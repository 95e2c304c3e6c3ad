//! What was decided on the way of a stream: the part of it that nothing else keeps.
//!
//! Owns: the small record that each stream has. It is filled as decisions are made and costs a few stores; the route, the
//! cluster and the host are where the stream needs them anyway. Does not own: what is told of it (`explain`).

use crate::error::ErrorKind;

/// What the connection pool answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PoolAnswer {
    /// It was not asked.
    #[default]
    NotAsked,
    /// It is still waited for.
    Waiting,
    /// An idle connection.
    Reused,
    /// A connection that was made for the request.
    Connected,
    /// A connection that another request gave back.
    Inherited,
    /// There is none.
    Failed,
    /// Too many wait already (`max_pending_requests`).
    TooManyPending,
    /// Too many requests are under way (`max_requests`).
    TooManyRequests,
    /// Too many hosts have connections (`max_connection_pools`).
    TooManyPools,
}

/// What ended a stream before its time, or gave it another answer than the upstream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cause {
    /// Nothing.
    #[default]
    None,
    /// An error.
    Error(ErrorKind),
    /// A filter, or the route itself, answers with an error.
    LocalReply,
    /// The process ended.
    ProcessEnded,
}

/// The record of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decisions {
    /// What the connection pool answered to the last attempt.
    pub pool: PoolAnswer,
    /// The host that was picked for it, by its place in the cluster.
    pub host: Option<usize>,
    /// The filter that held the request or answered in the upstream's place, by its place in the list.
    pub filter: Option<usize>,
    /// What went wrong first.
    pub cause: Cause,
    /// Whether the response had begun then.
    pub response_started: bool,
}

impl Decisions {
    /// Notes what went wrong. What goes wrong while that is answered is not the cause.
    pub fn fail(&mut self, cause: Cause, response_started: bool) {
        if self.cause == Cause::None {
            self.cause = cause;
            self.response_started = response_started;
        }
    }
}
