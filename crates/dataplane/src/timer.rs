//! Deadlines that move often and pass seldom.
//!
//! Owns: one timer a stream or connection, armed as seldom as possible. Does not own: which deadlines there
//! are and what happens when one passes (`http_stream`, `connection_pool`, …).
//! Follows: nothing; what it must not cost is in the design, section 8.
//!
//! An idle time-out moves with every byte. Moving a deadline to a later time costs nothing here: the timer
//! goes off at the earlier time, finds that the deadline has moved, and is armed anew.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use tokio::task::unconstrained;
use tokio::time::Sleep;

/// One timer; takes no memory until it is first armed.
#[derive(Debug, Default)]
pub struct LazyTimer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// When `sleep` goes off; none: it has gone off.
    armed: Option<Instant>,
    /// Whom `sleep` wakes; none: it has not been asked since it was armed.
    waker: Option<Waker>,
}

impl LazyTimer {
    /// A timer that is not armed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ready once the deadline has passed; none never passes. The deadline may be another one at each call.
    /// The task may be woken without need when an earlier deadline was given up.
    #[inline]
    pub fn poll_at(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        match deadline {
            None => Poll::Pending,
            Some(deadline) => self.poll_deadline(cx, deadline),
        }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        loop {
            let armed = self.armed.filter(|&armed| armed <= deadline).unwrap_or_else(|| self.arm(deadline));
            let Some(sleep) = self.sleep.as_mut() else { return Poll::Pending };
            // To ask costs many times what the rest of this does, and is in vain while the same task is to be woken.
            let is_known = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
            if is_known && !sleep.is_elapsed() {
                return Poll::Pending;
            }
            self.waker = Some(cx.waker().clone());
            // Constrained, it would not note whom to wake when the task has used up its turn.
            ready!(pin!(unconstrained(sleep.as_mut())).poll(cx));
            self.armed = None;
            if armed == deadline || deadline <= tokio::time::Instant::now().into_std() {
                return Poll::Ready(());
            }
        }
    }

    fn arm(&mut self, deadline: Instant) -> Instant {
        let at = tokio::time::Instant::from_std(deadline);
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.sleep = Some(Box::pin(tokio::time::sleep_until(at))),
        }
        self.armed = Some(deadline);
        self.waker = None;
        deadline
    }
}

/// The deadline that passes first.
pub fn earliest(deadlines: impl IntoIterator<Item = Option<Instant>>) -> Option<Instant> {
    deadlines.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;
    use std::time::Duration;

    use super::*;

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[tokio::test(start_paused = true)]
    async fn passes_at_its_time() {
        let (mut timer, start) = (LazyTimer::new(), now());
        for after in [1, 5, 6] {
            poll_fn(|cx| timer.poll_at(cx, Some(start + seconds(after)))).await;
            assert_eq!((now() - start).as_secs(), after);
        }
        poll_fn(|cx| timer.poll_at(cx, Some(start))).await;
        assert_eq!((now() - start).as_secs(), 6, "a deadline of the past has passed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_may_move() {
        let (mut timer, start) = (LazyTimer::new(), now());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(timer.poll_at(&mut cx, None).is_pending());
        assert!(timer.sleep.is_none(), "takes no memory until armed");
        assert!(timer.poll_at(&mut cx, Some(start + seconds(10))).is_pending());
        assert!(timer.poll_at(&mut cx, Some(start + seconds(20))).is_pending());
        assert_eq!(timer.armed, Some(start + seconds(10)), "moving it later costs nothing");
        assert!(timer.poll_at(&mut cx, Some(start + seconds(5))).is_pending());
        assert_eq!(timer.armed, Some(start + seconds(5)));
        tokio::time::advance(seconds(7)).await;
        assert!(timer.poll_at(&mut cx, None).is_pending());
        assert!(timer.poll_at(&mut cx, Some(start + seconds(8))).is_pending(), "went off too early");
        assert_eq!(timer.armed, Some(start + seconds(8)));
        poll_fn(|cx| timer.poll_at(cx, Some(start + seconds(9)))).await;
        assert_eq!((now() - start).as_secs(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn wakes_a_task_that_had_used_up_its_turn() {
        let (mut timer, start) = (LazyTimer::new(), now());
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        (0..1000).for_each(|number| sender.send(number).unwrap());
        let mut polls = 0;
        let passed = poll_fn(|cx| {
            polls += 1;
            while polls == 1 && receiver.poll_recv(cx).is_ready() {}
            assert!(!receiver.is_empty(), "the turn was over before the messages");
            timer.poll_at(cx, Some(start + seconds(5)))
        });
        tokio::time::timeout(seconds(9), passed).await.expect("in time");
        assert_eq!((now() - start).as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn wakes_the_task_that_asked_last() {
        let (mut timer, start) = (LazyTimer::new(), now());
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(timer.poll_at(&mut nobody, Some(start + seconds(5))).is_pending());
        let passed = poll_fn(|cx| timer.poll_at(cx, Some(start + seconds(5))));
        tokio::time::timeout(seconds(9), passed).await.expect("in time");
    }

    #[test]
    fn the_earliest_of_what_is_set() {
        let start = Instant::now();
        assert_eq!(
            earliest([None, Some(start + seconds(2)), Some(start + seconds(1))]),
            Some(start + seconds(1))
        );
        assert_eq!(earliest([None, None]), None);
    }
}
