//! Holds a request until all of its body is there (Envoy: `envoy.filters.http.buffer`).
//!
//! Owns: which requests are held, up to how much, and the `content-length` that they get. Does not own: holding, nor the
//! answer to a body that is too large (`http_stream`).
//! Follows Envoy's page "Buffer".

use ferryman_codec::KnownName;

use crate::decimal::Decimal;
use crate::model::http_filters::buffer as model;

use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

/// The filter.
#[derive(Debug)]
pub struct Buffer {
    max_request_bytes: usize,
}

/// What a route says to it: the limit; none where requests are not held.
#[derive(Debug)]
pub struct BufferPerRoute(Option<usize>);

impl BufferPerRoute {
    pub(super) fn new(model: &model::BufferPerRoute) -> Self {
        BufferPerRoute(model.max_request_bytes.map(to_usize))
    }
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Buffer {
    pub(super) fn new(model: &model::Buffer) -> Self {
        Buffer { max_request_bytes: to_usize(model.max_request_bytes) }
    }
}

impl BuiltInFilter for Buffer {
    type Model = model::Buffer;
    type State = ();

    fn compile(model: &Self::Model, _context: &FilterCompileContext<'_>) -> Result<Self, String> {
        Ok(Buffer::new(model))
    }

    fn takes_part_in(&self, phase: Phase, _route: RouteConfigs<'_>) -> bool {
        matches!(phase, Phase::RequestHeaders | Phase::RequestData)
    }

    fn on_request_headers(&self, _state: &mut (), context: &mut FilterContext<'_>) -> Answer {
        if context.end_stream {
            return Answer::Continue;
        }
        let limit = match context.route_config::<BufferPerRoute>() {
            Some(BufferPerRoute(None)) => return Answer::Continue,
            Some(BufferPerRoute(Some(limit))) => *limit,
            None => self.max_request_bytes,
        };
        context.wishes.request_body_limit = Some(limit);
        Answer::StopIteration
    }

    fn on_request_data(&self, _state: &mut (), context: &mut FilterContext<'_>) -> Answer {
        if !context.end_stream {
            return Answer::StopIteration;
        }
        if !context.request.contains(KnownName::ContentLength) {
            let length = u64::try_from(context.body.len()).unwrap_or(u64::MAX);
            context.request.set(KnownName::ContentLength, Decimal::new(length).as_bytes());
        }
        Answer::Continue
    }
}
