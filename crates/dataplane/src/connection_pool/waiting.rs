//! Waiting for a connection.
//!
//! Owns the queue: first come, first served, by whichever connection is free first, new or used. Follows Envoy's page
//! "Cluster stats" (`upstream_rq_pending_*`, `upstream_rq_cancelled`).

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::connecting::connect_for_waiting;
use super::{Http2Upstream, PoolError, PoolKey, Upstream, UpstreamConnection, check_in};
use crate::application_log::log_at;
use crate::circuit_breakers::Resource;
use crate::cluster::{WorkerCluster, WorkerHost};
use crate::model::route::RoutingPriority;
use crate::stats::{ClusterStat, EndpointStat};

/// One that waits, as the queue knows it.
#[derive(Debug, Default)]
pub struct Waiter {
    outcome: RefCell<Option<Result<Upstream, PoolError>>>,
    waker: RefCell<Option<Waker>>,
}

impl Waiter {
    fn finish(&self, outcome: Result<Upstream, PoolError>) {
        *self.outcome.borrow_mut() = Some(outcome);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The pending request, as limits and statistics see it; to be ended once.
pub(super) struct Pending;

impl Pending {
    /// Begins, if not too many wait.
    pub(super) fn begin(
        cluster: &WorkerCluster,
        host: &WorkerHost,
        priority: RoutingPriority,
    ) -> Result<(), PoolError> {
        if !cluster.circuit_breakers.acquire(Resource::PendingRequests, priority) {
            log_at!(Pool, Debug, "cluster '{}': max pending streams overflow", cluster.info.name);
            cluster.stats.inc(ClusterStat::UpstreamRqPendingOverflow);
            return Err(PoolError::Overflow);
        }
        cluster.stats.inc(ClusterStat::UpstreamRqPendingTotal);
        cluster.stats.inc(ClusterStat::UpstreamRqPendingActive);
        host.stats.inc(EndpointStat::RqPendingActive);
        Ok(())
    }

    pub(super) fn end(cluster: &WorkerCluster, host: &WorkerHost, priority: RoutingPriority) {
        cluster.stats.dec(ClusterStat::UpstreamRqPendingActive);
        host.stats.dec(EndpointStat::RqPendingActive);
        cluster.circuit_breakers.release(Resource::PendingRequests, priority);
    }
}

/// A connection to come. Dropping it cancels the wait; an attempt to connect goes on and leaves an idle connection.
#[derive(Debug)]
#[must_use = "nothing is obtained until it is awaited"]
pub struct Obtain {
    cluster: Rc<WorkerCluster>,
    host: Rc<WorkerHost>,
    key: PoolKey,
    waiter: Rc<Waiter>,
    done: bool,
}

/// Waits for a connection: for a new one, whose making begins now if the limits let, or for one that others give back.
/// To be called from a task on the worker's local runtime, when `take_idle` has none.
///
/// # Errors
/// `PoolError::Overflow`: too many wait already. `PoolError::PoolOverflow`: too many hosts are in use. The future answers the other kinds.
pub fn obtain(
    cluster: &Rc<WorkerCluster>,
    host: &Rc<WorkerHost>,
    key: impl Into<PoolKey>,
) -> Result<Obtain, PoolError> {
    let key = key.into();
    host.pool.of(key).begin(cluster, key.priority)?;
    Pending::begin(cluster, host, key.priority)?;
    let waiter = Rc::new(Waiter::default());
    host.pool.of(key).waiting.borrow_mut().push_back(Rc::clone(&waiter));
    connect_for_waiting(cluster, host, key);
    Ok(Obtain { cluster: Rc::clone(cluster), host: Rc::clone(host), key, waiter, done: false })
}

impl Future for Obtain {
    type Output = Result<Upstream, PoolError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(outcome) = this.waiter.outcome.take() {
            this.done = true;
            return Poll::Ready(outcome);
        }
        let mut waker = this.waiter.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Obtain {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let outcome = self.waiter.outcome.take();
        match outcome {
            Some(Ok(connection)) => check_in(connection, Instant::now()),
            Some(Err(_)) => {}
            None => {
                let waiting = &self.host.pool.of(self.key).waiting;
                waiting.borrow_mut().retain(|other| !Rc::ptr_eq(other, &self.waiter));
                Pending::end(&self.cluster, &self.host, self.key.priority);
                self.cluster.stats.inc(ClusterStat::UpstreamRqCancelled);
            }
        }
    }
}

/// Gives a connection to the one who waits longest; else it is idle.
pub(super) fn serve(connection: Box<UpstreamConnection>) {
    let host = Rc::clone(connection.host());
    let pool = host.pool.of(connection.key());
    let longest = pool.waiting.borrow_mut().pop_front();
    match longest {
        Some(waiter) => {
            Pending::end(connection.cluster(), &host, connection.key().priority);
            waiter.finish(Ok(Upstream::Http1(connection)));
        }
        None => pool.idle.borrow_mut().push(connection),
    }
}

/// Gives streams of a connection to those who wait longest, as far as it has room.
pub(super) fn serve_streams(connection: &Rc<Http2Upstream>) {
    let pool = connection.host.pool.of(connection.key);
    while !pool.waiting.borrow().is_empty() {
        let Some(lease) = connection.lease() else { return };
        let Some(waiter) = pool.waiting.borrow_mut().pop_front() else { return };
        Pending::end(&connection.cluster, &connection.host, connection.key.priority);
        waiter.finish(Ok(Upstream::Http2(lease)));
    }
}

/// Tells all who wait at this host that connecting failed.
pub(super) fn fail_all(cluster: &WorkerCluster, host: &WorkerHost, key: PoolKey, error: &PoolError) {
    let waiting = host.pool.of(key).waiting.take();
    for waiter in waiting {
        Pending::end(cluster, host, key.priority);
        cluster.stats.inc(ClusterStat::UpstreamRqPendingFailureEject);
        waiter.finish(Err(error.clone()));
    }
}
