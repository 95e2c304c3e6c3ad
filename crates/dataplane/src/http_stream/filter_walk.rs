//! The walk of a stream along its HTTP filters.
//!
//! Owns: the order, waiting, and local replies of filters. Does not own: what a filter is (`filters::http`).

use crate::error::Error;
use crate::filters::http::{Answer, FilterContext, Phase};
use crate::local_reply::LocalReply;

use super::HttpStream;

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
            if let Some(reply) = self.call_filter(index, Phase::RequestHeaders).await? {
                self.reply(reply).await?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Walks back with the response's head. Answers what takes its place, if a filter wants that.
    pub(crate) async fn walk_response_filters(&mut self) -> Result<Option<LocalReply<'static>>, Error> {
        for index in (0..self.state.filters.len()).rev() {
            if let Some(reply) = self.call_filter(index, Phase::ResponseHeaders).await? {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    async fn call_filter(
        &mut self,
        index: usize,
        phase: Phase,
    ) -> Result<Option<LocalReply<'static>>, Error> {
        let mut resumed = false;
        loop {
            let state = &mut *self.state;
            let Some(filter) = state.filters.get_mut(index) else { return Ok(None) };
            let mut context = FilterContext {
                request: &mut state.request,
                response: &mut state.response,
                info: &mut state.info,
                connection: self.connection.info,
            };
            match filter.call(phase, resumed, &mut context) {
                Answer::Continue => return Ok(None),
                Answer::Respond(reply) => return Ok(Some(reply)),
                Answer::Wait(done) => self.watching(done).await?,
            }
            resumed = true;
        }
    }
}
