//! Lets clients of HTTP/1.1 make unary gRPC calls (Envoy: `envoy.filters.http.grpc_http1_bridge`).
//!
//! Owns: which requests are bridged, the prefix of a bare protobuf message, and how a response says how its call ended.
//! Does not own: holding the response (`http_stream`). Follows Envoy's page "gRPC HTTP/1.1 bridge".

use ferryman_codec::{HeaderBlock, KnownName};

use crate::decimal::{self, Decimal};
use crate::grpc::{PREFIX_BYTES, is_grpc_request, prefix};
use crate::local_reply::{LocalReply, set_status};
use crate::model::http_filters::grpc as model;
use crate::stream_info::Protocol;

use super::body::{BodyAnswer, BodyInput, BodyOutput, Direction, pass_on};
use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

/// The filter.
#[derive(Debug)]
pub struct GrpcHttp1Bridge {
    upgrade_protobuf: bool,
    ignore_query_parameters: bool,
}

/// What one stream keeps.
#[derive(Debug, Default)]
pub struct BridgeState {
    is_bridged: bool,
    /// Whether the client speaks of bare messages, without prefixes.
    is_bare: bool,
    /// What is left to be written of the prefix of its message; none: it is in the body already.
    prefix: Option<[u8; PREFIX_BYTES]>,
}

fn is_protobuf(head: &HeaderBlock) -> bool {
    head.get(KnownName::ContentType) == Some(b"application/x-protobuf")
}

impl GrpcHttp1Bridge {
    /// A bare message gets its prefix: at once where its length is told, else when all of it is there.
    fn frame(state: &mut BridgeState, length: Option<u64>, context: &mut FilterContext<'_>) -> Answer {
        state.is_bare = true;
        if context.end_stream {
            return Answer::Continue;
        }
        let Some(length) = length else { return Answer::StopIteration };
        state.prefix = usize::try_from(length).ok().and_then(prefix);
        if state.prefix.is_none() {
            // No message is that long: the buffer's limit refuses it.
            return Answer::StopIteration;
        }
        context.wishes.transform_body = true;
        Answer::Continue
    }
}

impl BuiltInFilter for GrpcHttp1Bridge {
    type Model = model::GrpcHttp1Bridge;
    type State = BridgeState;

    fn compile(model: &Self::Model, _context: &FilterCompileContext<'_>) -> Result<Self, String> {
        Ok(GrpcHttp1Bridge {
            upgrade_protobuf: model.upgrade_protobuf,
            ignore_query_parameters: model.ignore_query_parameters,
        })
    }

    fn takes_part_in(&self, phase: Phase, _route: RouteConfigs<'_>) -> bool {
        matches!(phase, Phase::RequestHeaders | Phase::RequestData | Phase::ResponseHeaders)
    }

    fn on_request_headers(&self, state: &mut BridgeState, context: &mut FilterContext<'_>) -> Answer {
        let is_bare = self.upgrade_protobuf && is_protobuf(context.request);
        let length = context.request.get(KnownName::ContentLength).and_then(decimal::parse);
        if is_bare {
            context.request.set(KnownName::ContentType, b"application/grpc");
            context.request.remove(KnownName::ContentLength);
        }
        let is_http1 = matches!(context.info.protocol, Some(Protocol::Http10 | Protocol::Http11));
        state.is_bridged = is_http1 && is_grpc_request(context.request);
        if !state.is_bridged {
            return Answer::Continue;
        }
        if self.ignore_query_parameters {
            let path = context.request.get(KnownName::Path).unwrap_or_default();
            if let Some(query) = path.iter().position(|&byte| byte == b'?') {
                let path = path.get(..query).unwrap_or_default().to_vec();
                context.request.set(KnownName::Path, &path);
            }
        }
        if is_bare { Self::frame(state, length, context) } else { Answer::Continue }
    }

    fn on_request_data(&self, _state: &mut BridgeState, context: &mut FilterContext<'_>) -> Answer {
        if !context.end_stream {
            return Answer::StopIteration;
        }
        let Some(prefix) = prefix(context.body.len()) else {
            let details = "request_payload_too_large".into();
            return Answer::Respond(LocalReply { status: 413, details, ..LocalReply::default() });
        };
        context.body.splice(..0, prefix);
        Answer::Continue
    }

    fn on_response_headers(&self, state: &mut BridgeState, context: &mut FilterContext<'_>) -> Answer {
        if state.is_bridged && !context.response_end_stream {
            Answer::StopIteration
        } else {
            Answer::Continue
        }
    }

    fn on_held_response(
        &self,
        state: &mut BridgeState,
        body: &mut Vec<u8>,
        trailers: &mut HeaderBlock,
        context: &mut FilterContext<'_>,
    ) {
        if state.is_bare {
            body.drain(..PREFIX_BYTES.min(body.len()));
        }
        let response = &mut *context.response;
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        if !trailers.is_empty() || (state.is_bare && response.contains(KnownName::ContentLength)) {
            response.set(KnownName::ContentLength, Decimal::new(length).as_bytes());
        }
        if let Some(status) = trailers.get(KnownName::GrpcStatus) {
            if decimal::parse(status) != Some(0) {
                set_status(response, 503);
                context.info.response_code = Some(503);
            }
            response.set(KnownName::GrpcStatus, status);
        }
        if let Some(message) = trailers.get(KnownName::GrpcMessage) {
            response.set(KnownName::GrpcMessage, message);
        }
    }

    fn transform_body(
        &self,
        state: &mut BridgeState,
        direction: Direction,
        input: BodyInput<'_>,
        output: &mut BodyOutput,
        _context: &mut FilterContext<'_>,
    ) -> BodyAnswer {
        if direction == Direction::Request {
            if let Some(prefix) = state.prefix.take_if(|_| output.room().len() >= PREFIX_BYTES) {
                output.push(&prefix);
            }
        }
        pass_on(input, output)
    }
}
