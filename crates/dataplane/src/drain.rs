//! How a proxy stops: at once, or by sending its clients away bit by bit.
//!
//! Owns: the phase of the process, whether a response is to close its connection, and the set of connections of a worker,
//! so that they can be woken. Does not own: signals and listeners (`control`), the closing itself (each connection).
//! Follows Envoy's page "Draining".

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::model::bootstrap::DrainStrategy;

/// Where the process is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Connections stay open.
    Serving,
    /// More and more responses close their connection.
    Draining,
    /// The process is about to end: every response closes its connection, idle connections are closed.
    Ending,
}

/// What makes the connections of a listener drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DrainedBy {
    /// Not `/healthcheck/fail`.
    pub modify_only: bool,
    /// Also what drains the listeners of traffic from outside the mesh alone.
    pub inbound: bool,
}

/// The phase of the process, read by every worker at every response.
#[derive(Debug)]
pub struct Drain {
    phase: AtomicU8,
    /// Milliseconds from `epoch` to the begin of the drain.
    began_ms: AtomicU64,
    /// Whether the drain is one of inbound listeners alone.
    inbound_only: AtomicBool,
    health_check_failed: AtomicBool,
    epoch: Instant,
    time: Duration,
    strategy: DrainStrategy,
}

impl Drain {
    /// Serving. A gradual drain reaches all connections within `time`.
    #[must_use]
    pub fn new(time: Duration, strategy: DrainStrategy) -> Self {
        Drain {
            phase: AtomicU8::new(0),
            began_ms: AtomicU64::new(0),
            inbound_only: AtomicBool::new(false),
            health_check_failed: AtomicBool::new(false),
            epoch: Instant::now(),
            time,
            strategy,
        }
    }

    /// How long a drain takes.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.time
    }

    /// The phase now.
    #[inline]
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Draining,
            _ => Phase::Ending,
        }
    }

    /// Begins to drain, all listeners or those of inbound traffic. The first time counts, but that a drain of those may
    /// become one of all. Answers whether anything has changed.
    pub fn begin(&self, now: Instant, inbound_only: bool) -> bool {
        let since = u64::try_from(now.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX);
        match self.phase() {
            Phase::Serving => {
                self.began_ms.store(since, Ordering::Release);
                self.inbound_only.store(inbound_only, Ordering::Release);
                self.phase.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire).is_ok()
            }
            Phase::Draining => !inbound_only && self.inbound_only.swap(false, Ordering::AcqRel),
            Phase::Ending => false,
        }
    }

    /// Begins the end: from now on no connection is kept.
    pub fn end(&self) {
        self.phase.store(2, Ordering::Release);
    }

    /// Whether `/healthcheck/fail` was called.
    #[must_use]
    pub fn health_check_failed(&self) -> bool {
        self.health_check_failed.load(Ordering::Relaxed)
    }

    /// `/healthcheck/fail` and `/healthcheck/ok`.
    pub fn set_health_check_failed(&self, failed: bool) {
        self.health_check_failed.store(failed, Ordering::Relaxed);
    }

    /// Whether the response that is about to begin is to close its connection. `random` is any number. A gradual drain says
    /// so more and more often as its time runs out, so that not all clients come back at once. `drained_by` is that of
    /// the connection's listener.
    #[inline]
    #[must_use]
    pub fn should_close(&self, random: u64, drained_by: DrainedBy) -> bool {
        if self.health_check_failed() && !drained_by.modify_only {
            return true;
        }
        match self.phase() {
            Phase::Serving => false,
            Phase::Draining if self.inbound_only.load(Ordering::Acquire) && !drained_by.inbound => false,
            Phase::Draining => self.closes_now(random),
            Phase::Ending => true,
        }
    }

    #[cold]
    fn closes_now(&self, random: u64) -> bool {
        if self.strategy == DrainStrategy::Immediate {
            return true;
        }
        let total = u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX);
        let since = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        let elapsed = since.saturating_sub(self.began_ms.load(Ordering::Acquire));
        random.checked_rem(total).is_none_or(|share| share < elapsed)
    }
}

/// The open downstream connections of a worker: how many there are, from the moment that each is accepted, and how to wake
/// those that wait for nothing but a client's next request.
#[derive(Debug, Default)]
pub struct Connections {
    seats: RefCell<Vec<Seat>>,
    free: RefCell<Vec<usize>>,
    count: Cell<usize>,
    emptied: RefCell<Option<Waker>>,
}

#[derive(Debug)]
struct Seat {
    waker: Option<Waker>,
}

impl Connections {
    /// Counts a connection as open until the answer is dropped.
    pub fn open(self: &std::rc::Rc<Self>) -> OpenConnection {
        self.count.set(self.count.get() + 1);
        OpenConnection(std::rc::Rc::clone(self))
    }

    /// A place among those that `wake_all` wakes; it is given back when the answer is dropped.
    pub fn enter(self: &std::rc::Rc<Self>) -> Entered {
        let index = self.free.borrow_mut().pop().unwrap_or_else(|| {
            let mut seats = self.seats.borrow_mut();
            seats.push(Seat { waker: None });
            seats.len() - 1
        });
        Entered { connections: std::rc::Rc::clone(self), index }
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.get()
    }

    /// Wakes all that wait in `Entered::wait`.
    pub fn wake_all(&self) {
        for seat in self.seats.borrow_mut().iter_mut() {
            if let Some(waker) = seat.waker.take() {
                waker.wake();
            }
        }
    }

    /// Ready once no connection is open.
    pub fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.count() == 0 {
            return Poll::Ready(());
        }
        *self.emptied.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// One connection's place among those of its worker.
#[derive(Debug)]
pub struct Entered {
    connections: std::rc::Rc<Connections>,
    index: usize,
}

impl Entered {
    /// Notes who is to be woken by `wake_all`.
    pub fn watch(&self, cx: &Context<'_>) {
        if let Some(seat) = self.connections.seats.borrow_mut().get_mut(self.index) {
            match &mut seat.waker {
                Some(waker) if waker.will_wake(cx.waker()) => {}
                waker => *waker = Some(cx.waker().clone()),
            }
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let connections = &self.connections;
        if let Some(seat) = connections.seats.borrow_mut().get_mut(self.index) {
            seat.waker = None;
        }
        connections.free.borrow_mut().push(self.index);
    }
}

/// An open connection: the worker does not end before it.
#[derive(Debug)]
pub struct OpenConnection(std::rc::Rc<Connections>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let connections = &self.0;
        connections.count.set(connections.count.get().saturating_sub(1));
        if connections.count() == 0 {
            if let Some(waker) = connections.emptied.borrow_mut().take() {
                waker.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    const ANY: DrainedBy = DrainedBy { modify_only: false, inbound: false };
    const MODIFY_ONLY: DrainedBy = DrainedBy { modify_only: true, inbound: false };

    #[test]
    fn a_drain_of_inbound_listeners_may_become_one_of_all() {
        let inbound = DrainedBy { modify_only: true, inbound: true };
        let drain = Drain::new(Duration::from_secs(600), DrainStrategy::Immediate);
        assert!(drain.begin(Instant::now(), true) && !drain.begin(Instant::now(), true));
        assert!(drain.should_close(0, inbound) && !drain.should_close(0, ANY));
        assert!(drain.begin(Instant::now(), false) && !drain.begin(Instant::now(), true));
        assert!(drain.should_close(0, inbound) && drain.should_close(0, ANY));
    }

    #[test]
    fn a_failed_health_check_does_not_count_where_only_modifications_drain() {
        let drain = Drain::new(Duration::from_secs(600), DrainStrategy::Gradual);
        drain.set_health_check_failed(true);
        assert!(drain.should_close(0, ANY) && !drain.should_close(0, MODIFY_ONLY));
        drain.end();
        assert!(drain.should_close(0, MODIFY_ONLY));
    }

    #[test]
    fn immediate_drain_closes_every_connection() {
        let drain = Drain::new(Duration::from_secs(600), DrainStrategy::Immediate);
        assert!(!drain.should_close(0, ANY));
        assert!(drain.begin(Instant::now(), false));
        assert!(!drain.begin(Instant::now(), false));
        assert!(drain.should_close(0, ANY) && drain.should_close(u64::MAX, ANY));
    }

    #[test]
    fn at_the_end_every_connection_closes() {
        let drain = Drain::new(Duration::from_secs(600), DrainStrategy::Gradual);
        drain.end();
        assert_eq!(drain.phase(), Phase::Ending);
        assert!(drain.should_close(u64::MAX, ANY) && !drain.begin(Instant::now(), false));
    }

    #[test]
    fn gradual_drain_closes_a_growing_share() {
        let hour = Duration::from_secs(3600);
        let mut drain = Drain::new(hour, DrainStrategy::Gradual);
        drain.epoch = Instant::now().checked_sub(hour / 2).expect("an hour of uptime");
        let began = drain.epoch;
        drain.begin(began, false);
        let total = u64::try_from(hour.as_millis()).expect("fits");
        assert!(drain.should_close(total / 4, ANY));
        assert!(!drain.should_close(total / 4 * 3, ANY));
    }

    #[test]
    fn failed_health_checks_close_and_can_be_taken_back() {
        let drain = Drain::new(Duration::from_secs(1), DrainStrategy::Gradual);
        drain.set_health_check_failed(true);
        assert!(drain.should_close(u64::MAX, ANY));
        drain.set_health_check_failed(false);
        assert!(!drain.should_close(0, ANY));
    }

    #[test]
    fn places_are_reused() {
        let connections = Rc::new(Connections::default());
        let first = connections.enter();
        let second = connections.enter();
        drop(first);
        let third = connections.enter();
        assert_eq!((second.index, third.index), (1, 0));
    }

    #[test]
    fn the_worker_does_not_end_before_its_connections() {
        let connections = Rc::new(Connections::default());
        let (first, second) = (connections.open(), connections.open());
        let mut cx = Context::from_waker(Waker::noop());
        drop(first);
        assert!(connections.poll_empty(&mut cx).is_pending());
        drop(second);
        assert!(connections.poll_empty(&mut cx).is_ready());
    }
}
