//! Deadlines that move often and pass seldom.
//!
//! Owns: one timer a stream or connection, armed as seldom as possible. Does not own: which deadlines there
//! are and what happens when one passes (`http_stream`, `connection_pool`, …).
//! Follows: nothing; what it must not cost is in the design, section 8.
//!
//! An idle time-out moves with every byte. Moving a deadline to a later time costs nothing here: the timer
//! goes off at the earlier time, finds that the deadline has moved, and is armed anew.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::time::Sleep;

/// One timer; takes no memory until it is first armed.
#[derive(Debug, Default)]
pub struct LazyTimer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// When `sleep` goes off; none: it has gone off.
    armed: Option<Instant>,
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
            ready!(sleep.as_mut().poll(cx));
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
        deadline
    }
}

/// The deadline that passes first.
pub fn earliest(deadlines: impl IntoIterator<Item = Option<Instant>>) -> Option<Instant> {
    deadlines.into_iter().flatten().min()
}
