//! The walk of a stream along its HTTP filters.
//!
//! Owns: the order, waiting, holding a request back, and local replies of filters. Does not own: what a filter is
//! (`filters::http`).

use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::filters::http::{Answer, FilterContext, Phase};
use crate::local_reply::LocalReply;
use crate::stats::HttpStat;

use super::HttpStream;
use super::exchange::downstream_error;

/// What a filter decided, after all waiting.
enum Verdict {
    Continue,
    Stop,
    Respond(LocalReply<'static>),
}

impl HttpStream<'_> {
    /// Walks towards the upstream. Answers whether the request goes on; if not, the client has its answer.
    pub(super) async fn walk_request_filters(&mut self) -> Result<bool, Error> {
        let filters = &self.settings().filters;
        let active = match &self.matched {
            Some(matched) => matched.route.filters,
            None => filters.active(std::iter::empty()),
        };
        if active.is_empty() {
            return Ok(true);
        }
        filters.begin(active, &mut self.state.filters);
        for index in 0..self.state.filters.len() {
            let mut verdict = self.call_filter(index, Phase::RequestHeaders).await?;
            while let Verdict::Stop = verdict {
                if self.connection.reader.is_ended() {
                    break;
                }
                self.hold_more().await?;
                verdict = self.call_filter(index, Phase::RequestData).await?;
            }
            if let Verdict::Respond(reply) = verdict {
                self.reply(reply).await?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Walks back with the response's head. Answers what takes its place, if a filter wants that.
    pub(crate) async fn walk_response_filters(&mut self) -> Result<Option<LocalReply<'static>>, Error> {
        for index in (0..self.state.filters.len()).rev() {
            if let Verdict::Respond(reply) = self.call_filter(index, Phase::ResponseHeaders).await? {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    async fn call_filter(&mut self, index: usize, phase: Phase) -> Result<Verdict, Error> {
        let mut resumed = false;
        loop {
            let state = &mut *self.state;
            let Some(filter) = state.filters.get_mut(index) else { return Ok(Verdict::Continue) };
            let mut context = FilterContext {
                request: &mut state.request,
                body: &mut state.held_body,
                end_stream: self.connection.reader.is_ended(),
                response: &mut state.response,
                info: &mut state.info,
                connection: self.connection.info,
            };
            match filter.call(phase, resumed, &mut context) {
                Answer::Continue => return Ok(Verdict::Continue),
                Answer::StopIteration => return Ok(Verdict::Stop),
                Answer::Respond(reply) => return Ok(Verdict::Respond(reply)),
                Answer::Wait(done) => self.watching(done).await?,
            }
            resumed = true;
        }
    }

    /// Reads more of the body into memory, within the limit of the route or of the listener.
    async fn hold_more(&mut self) -> Result<(), Error> {
        let of_route = self.matched.and_then(|matched| matched.route.request_body_buffer_limit_bytes);
        let limit = of_route
            .map_or(self.settings().buffer_limit, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        poll_fn(|cx| {
            self.poll_deadlines(cx)?;
            let downstream = &mut self.connection;
            let blocks = &self.worker.blocks;
            match downstream.reader.poll_data(downstream.socket, cx, blocks) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(downstream_error(error))),
                Poll::Pending => return Poll::Pending,
            }
            let data = downstream.reader.data();
            if self.state.held_body.len() + data.len() > limit {
                self.manager.http.inc(HttpStat::DownstreamRqTooLarge);
                return Poll::Ready(Err(ErrorKind::RequestTooLarge.into()));
            }
            self.state.held_body.extend_from_slice(data);
            let count = data.len();
            downstream.reader.consume(count, blocks);
            self.state.info.bytes_received += u64::try_from(count).unwrap_or(u64::MAX);
            self.timers.active_at = Instant::now();
            Poll::Ready(Ok(()))
        })
        .await
    }
}
