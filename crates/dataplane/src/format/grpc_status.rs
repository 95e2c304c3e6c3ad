//! `%GRPC_STATUS%`: how a gRPC call ended.
//!
//! Owns: the names of the codes and where the code is found. Does not own: gRPC framing.
//! Follows: Envoy's page "Access logging"; grpc/doc/statuscodes.md and http-grpc-status-mapping.md for the names and
//! for what an HTTP status stands for when the response carries no code.

use ferryman_codec::{HeaderBlock, KnownName};

use super::FormatContext;
use super::operator::Written;
use crate::stream_info::address::write_decimal;

/// How the code is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrpcStatusStyle {
    /// `InvalidArgument`
    CamelCase,
    /// `INVALID_ARGUMENT`
    SnakeCase,
    /// `3`
    Number,
}

const NAMES: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

/// The code of what has none.
const UNKNOWN: u64 = 2;
/// The time for a call was up.
pub(crate) const DEADLINE_EXCEEDED: u64 = 4;

/// A code, or that what came is none (printed as -1).
enum GrpcStatus {
    Code(u64),
    Invalid,
}

impl GrpcStatusStyle {
    pub(super) fn compile(argument: &str) -> Result<Self, String> {
        match argument {
            "CAMEL_STRING" => Ok(GrpcStatusStyle::CamelCase),
            "SNAKE_STRING" => Ok(GrpcStatusStyle::SnakeCase),
            "NUMBER" => Ok(GrpcStatusStyle::Number),
            other => {
                Err(format!("GRPC_STATUS only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: {other}"))
            }
        }
    }

    pub(super) fn write(self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
        let Some(status) = grpc_status(context) else { return Written::Unset };
        let number = if self == GrpcStatusStyle::Number { Written::Number } else { Written::Text };
        let GrpcStatus::Code(code) = status else {
            out.extend_from_slice(b"-1");
            return number;
        };
        let names = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
        match (self, names) {
            (GrpcStatusStyle::CamelCase, Some((camel, _))) => out.extend_from_slice(camel.as_bytes()),
            (GrpcStatusStyle::SnakeCase, Some((_, snake))) => out.extend_from_slice(snake.as_bytes()),
            (GrpcStatusStyle::Number, _) | (_, None) => write_decimal(code, out),
        }
        number
    }
}

fn grpc_status(context: &FormatContext<'_>) -> Option<GrpcStatus> {
    if !is_grpc_request(context.request_headers?) {
        return None;
    }
    let carried =
        [context.response_trailers, context.response_headers].into_iter().flatten().find_map(carried);
    carried.or_else(|| context.stream.response_code.map(|status| GrpcStatus::Code(from_http(status))))
}

/// What a response stands for as one to a call, whether it is one or not; `None`: a code that there is not.
pub(crate) fn of_stream(context: &FormatContext<'_>) -> Option<u64> {
    let carried =
        [context.response_trailers, context.response_headers].into_iter().flatten().find_map(carried);
    match carried {
        Some(GrpcStatus::Code(code)) => {
            usize::try_from(code).is_ok_and(|code| code < NAMES.len()).then_some(code)
        }
        Some(GrpcStatus::Invalid) => None,
        None => Some(context.stream.response_code.map_or(UNKNOWN, from_http)),
    }
}

pub(crate) fn is_grpc_request(head: &HeaderBlock) -> bool {
    is_grpc_type(head.get(KnownName::ContentType).unwrap_or_default())
}

pub(crate) fn is_grpc_type(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
}

fn carried(head: &HeaderBlock) -> Option<GrpcStatus> {
    let text = head.get(KnownName::GrpcStatus).filter(|text| !text.is_empty())?;
    let code = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    Some(code.map_or(GrpcStatus::Invalid, GrpcStatus::Code))
}

pub(crate) fn from_http(status: u16) -> u64 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => UNKNOWN,
    }
}
