//! Lets browsers make gRPC calls (Envoy: `envoy.filters.http.grpc_web`).
//!
//! Owns: which requests are those of gRPC-Web, the heads of both sides, and what becomes of a response that is no gRPC. Does
//! not own: the text form (`grpc_web/text`), the frame that stands for trailers (`grpc_web/frames`), statistics' names.
//! Follows: grpc/doc/PROTOCOL-WEB.md; Envoy's page "gRPC-Web".

use ferryman_codec::{HeaderBlock, KnownName};

use crate::decimal::Decimal;
use crate::format::grpc_status;
use crate::grpc::is_grpc_response;
use crate::local_reply::percent_encoded;
use crate::model::http_filters::grpc as model;
use crate::stats::{GrpcCallStats, Scope};

use super::body::{BodyAnswer, BodyInput, BodyOutput, Direction, pass_on};
use super::grpc_call_stats::{GrpcCalls, count_status, method_of};
use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

mod frames;
mod text;

use frames::WebFrames;
use text::TextDecoder;

/// How much of a response that is no gRPC becomes the message of its status.
const MESSAGE_BYTES: usize = 16 * 1024;

const TEXT_TYPES: [&[u8]; 2] = [b"application/grpc-web-text", b"application/grpc-web-text+proto"];
const BINARY_TYPES: [&[u8]; 2] = [b"application/grpc-web", b"application/grpc-web+proto"];

/// The filter.
#[derive(Debug)]
pub struct GrpcWeb {
    calls: GrpcCalls,
}

/// What one stream keeps.
#[derive(Debug, Default)]
pub struct GrpcWebState {
    is_web: bool,
    /// Whether the client wants text.
    wants_text: bool,
    /// Where the call is counted.
    scope: Option<Scope<GrpcCallStats>>,
    /// Reads the text of the request; none: it is binary.
    request: Option<Box<TextDecoder>>,
    response: Option<Box<WebFrames>>,
}

/// A response that is no gRPC and has a body: that says why.
fn is_page(head: &HeaderBlock) -> bool {
    let content_type = head.get(KnownName::ContentType).unwrap_or_default();
    !is_grpc_response(head, false) && !BINARY_TYPES.contains(&content_type)
}

impl BuiltInFilter for GrpcWeb {
    type Model = model::GrpcWeb;
    type State = GrpcWebState;

    fn compile(_model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        Ok(GrpcWeb { calls: GrpcCalls::new(context.process.registry, "grpc-web") })
    }

    fn takes_part_in(&self, phase: Phase, _route: RouteConfigs<'_>) -> bool {
        matches!(phase, Phase::RequestHeaders | Phase::ResponseHeaders)
    }

    fn on_request_headers(&self, state: &mut GrpcWebState, context: &mut FilterContext<'_>) -> Answer {
        let request = &mut *context.request;
        let content_type = request.get(KnownName::ContentType).unwrap_or_default();
        let is_text = TEXT_TYPES.contains(&content_type);
        state.is_web = is_text || BINARY_TYPES.contains(&content_type);
        if !state.is_web {
            return Answer::Continue;
        }
        state.wants_text = request.get(KnownName::Accept).is_some_and(|accept| TEXT_TYPES.contains(&accept));
        request.remove(KnownName::ContentLength);
        request.set(KnownName::ContentType, b"application/grpc");
        request.set(KnownName::Te, b"trailers");
        request.set(KnownName::GrpcAcceptEncoding, b"identity");
        let method = method_of(context.request.get(KnownName::Path).unwrap_or_default());
        state.scope = method.and_then(|method| self.calls.of(context, Some(method), false));
        if is_text {
            state.request = Some(Box::default());
        }
        // Also what stays as it is has another length to whoever reads the head.
        context.wishes.transform_body = context.request_has_body();
        Answer::Continue
    }

    fn on_response_headers(&self, state: &mut GrpcWebState, context: &mut FilterContext<'_>) -> Answer {
        if !state.is_web {
            return Answer::Continue;
        }
        if let Some(scope) = &state.scope {
            count_status(scope, context.worker.index, context.response.get(KnownName::GrpcStatus));
        }
        let holds = !context.response_end_stream && is_page(context.response);
        let content_type: &[u8] =
            if state.wants_text { b"application/grpc-web-text+proto" } else { b"application/grpc-web+proto" };
        context.response.set(KnownName::ContentType, content_type);
        if context.response_end_stream {
            return Answer::Continue;
        }
        if holds {
            return Answer::StopIteration;
        }
        context.response.remove(KnownName::ContentLength);
        state.response = Some(Box::new(WebFrames::new(state.wants_text)));
        context.wishes.transform_body = true;
        Answer::Continue
    }

    /// What is no gRPC becomes the message of a status.
    fn on_held_response(
        &self,
        _state: &mut GrpcWebState,
        body: &mut Vec<u8>,
        _trailers: &mut HeaderBlock,
        context: &mut FilterContext<'_>,
    ) {
        let response = &mut *context.response;
        let status = grpc_status::from_http(context.info.response_code.unwrap_or(200));
        response.set(KnownName::GrpcStatus, Decimal::new(status).as_bytes());
        body.truncate(MESSAGE_BYTES);
        if !body.is_empty() {
            response.set(KnownName::GrpcMessage, &percent_encoded(body));
        }
        response.set(KnownName::ContentLength, b"0");
        body.clear();
    }

    fn transform_body(
        &self,
        state: &mut GrpcWebState,
        direction: Direction,
        input: BodyInput<'_>,
        output: &mut BodyOutput,
        context: &mut FilterContext<'_>,
    ) -> BodyAnswer {
        match (direction, &mut state.request, &mut state.response) {
            (Direction::Request, Some(decoder), _) => decoder.transform(input, output),
            (Direction::Response, _, Some(frames)) => {
                if let (BodyInput::End(trailers), Some(scope)) = (&input, &state.scope) {
                    count_status(scope, context.worker.index, trailers.get(KnownName::GrpcStatus));
                }
                frames.transform(input, output)
            }
            _ => pass_on(input, output),
        }
    }
}
