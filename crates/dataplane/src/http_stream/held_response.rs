//! A response that a filter holds until all of it is there.
//!
//! Owns: reading it whole, within the limit, and handing it to the filter. Does not own: what the filter makes of it
//! (`filters::http`), the walk (`filter_walk`), the copying of what is not held (`exchange`).
//! Follows Envoy's page "Flow control", section on filters that buffer; `StopIteration` of an encoder filter.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use ferryman_codec::HeaderBlock;

use crate::error::{Error, ErrorKind};
use crate::filters::http::{FilterContext, Phase, Wishes};
use crate::http_codec::BodyReader;
use crate::stats::HttpStat;
use crate::stream_info::TimePoint;

use super::body_pipeline::BodyPipeline;
use super::exchange::note_end;
use super::filter_walk::{Walked, filter_context};
use super::{Exchange, HttpStream};

impl Exchange<'_> {
    /// Reads the rest of the response, as the filters so far leave it, and hands it to the one that holds it, by its place in
    /// the stream's list. Answers how the walk went on from there.
    pub(crate) async fn hold_response(
        &mut self,
        stream: &mut HttpStream<'_>,
        holder: usize,
    ) -> Result<Walked, Error> {
        let limit = stream.settings().buffer_limit;
        let mut held = Vec::new();
        poll_fn(|cx| {
            self.poll_request(stream, cx)?;
            self.poll_deadlines(stream, cx)?;
            loop {
                let data = stream.state.response_body.data(&self.codec);
                if data.is_empty() {
                    if stream.state.response_body.is_ended(&self.codec) {
                        return Poll::Ready(Ok(()));
                    }
                    match stream.poll_response_data(&mut self.codec, cx) {
                        Poll::Ready(Ok(())) => stream.timers.active_at = Instant::now(),
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(self.upstream_error(error))),
                        Poll::Pending => {
                            self.flush_and_watch(stream, cx)?;
                            return Poll::Pending;
                        }
                    }
                    continue;
                }
                stream.state.info.mark(TimePoint::FirstUpstreamRxBodyByte, stream.timers.active_at);
                let count = data.len();
                if held.len().saturating_add(count) > limit {
                    stream.manager.http.inc(HttpStat::RsTooLarge);
                    return Poll::Ready(Err(Error::from(ErrorKind::ResponseTooLarge)));
                }
                held.extend_from_slice(data);
                stream.consume_response_data(count, &mut self.codec);
            }
        })
        .await?;
        if !std::mem::replace(&mut stream.response_was_held, true) {
            note_end(stream, &self.codec);
        }
        let trailers = stream.state.response_body.take_trailers();
        let mut trailers = trailers.unwrap_or_else(|| std::mem::take(self.codec.trailers_mut()));
        stream.hand_over(holder, &mut held, &mut trailers);
        stream.state.response_body = BodyPipeline::holding(held, trailers);
        stream.walk_response_from(holder, false).await
    }
}

impl HttpStream<'_> {
    /// Hands a response that is all there to the filter that holds it; those that are nearer to the upstream see its trailers
    /// first.
    pub(super) fn hand_over(&mut self, holder: usize, body: &mut Vec<u8>, trailers: &mut HeaderBlock) {
        if !trailers.is_empty() {
            self.walk_response_trailers(holder + 1, trailers);
        }
        let state = &mut *self.state;
        let Some(filter) = state.filters.get_mut(holder) else { return };
        let route_filters = filter.route_of(&self.earlier_routes).unwrap_or(self.route_filters);
        let Some(configs) = filter.told_by(route_filters, Phase::ResponseHeaders) else { return };
        let mut wishes = Wishes::default();
        let mut context = filter_context!(self, state, configs, (true, false), &mut wishes);
        filter.on_held_response(self.filters, body, trailers, &mut context);
    }
}
