//! What a stream does while it waits for something else than its upstream's bytes.
//!
//! Owns: noticing that the client leaves and that a deadline passes, and reading the request's body ahead. Does not own:
//! the deadlines (`timers`), the exchange with an upstream (`exchange`).

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::http_codec::Disturbance;

use super::HttpStream;
use super::exchange::downstream_error;

impl HttpStream<'_> {
    /// An error once a deadline has passed.
    pub(crate) fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if self.connection.timer.poll_at(cx, self.timers.next()).is_ready() {
            self.now = Instant::now();
            if let Some(kind) = self.timers.missed(self.now) {
                return Err(kind.into());
            }
            self.log_if_due();
            self.log_upstream_if_due();
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// An error once the client is gone. To be asked while nothing is read from it.
    pub(crate) fn poll_client(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        loop {
            match self.connection.codec.poll_disturbed(cx, &self.worker.blocks) {
                Poll::Ready(Disturbance::Ended | Disturbance::Failed(_)) => {
                    return Err(ErrorKind::DownstreamDisconnect.into());
                }
                Poll::Ready(Disturbance::Reset(reset)) => {
                    return Err(ErrorKind::of_downstream_reset(reset).into());
                }
                // It may send its next request already. Only a read that waits wakes us when it leaves after that.
                Poll::Ready(Disturbance::Data) => {}
                Poll::Pending => return Ok(()),
            }
        }
    }

    /// Waits for something, watching the client and the deadlines meanwhile.
    pub(crate) async fn watching<T>(&mut self, awaited: impl Future<Output = T>) -> Result<T, Error> {
        let mut awaited = std::pin::pin!(awaited);
        poll_fn(|cx| {
            if let Poll::Ready(value) = awaited.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
            self.poll_client(cx)?;
            self.poll_deadlines(cx)?;
            Poll::Pending
        })
        .await
    }

    /// Waits for an upstream connection. The request's body is read meanwhile, within the buffer limit: the route's
    /// timeout counts from its end.
    pub(crate) async fn reading_ahead<T>(&mut self, awaited: impl Future<Output = T>) -> Result<T, Error> {
        let mut awaited = std::pin::pin!(awaited);
        poll_fn(|cx| {
            if let Poll::Ready(value) = awaited.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
            self.poll_request_ahead(cx)?;
            self.poll_deadlines(cx)?;
            Poll::Pending
        })
        .await
    }

    fn poll_request_ahead(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        // What follows a request for another protocol waits until the upstream has agreed.
        while !self.endless && !self.request_body_is_ended() {
            if self.state.held_body.len() >= self.settings().buffer_limit {
                return Ok(());
            }
            match self.poll_request_data(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(downstream_error(error)),
                Poll::Pending => return Ok(()),
            }
            self.hold_request_data(usize::MAX);
            self.timers.active_at = Instant::now();
        }
        if !self.endless {
            self.complete_request();
        }
        self.poll_client(cx)?;
        self.refuse_early_data()
    }
}
