//! Operators that print one fact of the stream or its connection as it is.
//!
//! Owns: the table of names and where each value is found. Does not own: addresses, durations, times and heads
//! (siblings). Follows: Envoy's page "Access logging".

use super::FormatContext;
use super::operator::{Written, write_text};
use crate::stream_info::address::write_decimal;
use crate::stream_info::{ResponseFlag, StreamInfo, UpstreamAttempt};
use crate::uuid;

/// Finds a number.
pub(super) type NumberField = fn(&FormatContext<'_>) -> Option<u64>;

/// The operator that prints a number, if there is one of this name.
pub(super) fn number_field(name: &str) -> Option<NumberField> {
    NUMBERS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
}

/// The operator that prints a text, if there is one of this name.
pub(super) fn text_field(name: &str) -> Option<TextField> {
    TEXTS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
}

const NUMBERS: &[(&str, NumberField)] = &[
    ("BYTES_RECEIVED", |c| Some(c.stream.bytes_received)),
    // QUIC alone counts retransmissions; Envoy prints 0 for TCP.
    ("BYTES_RETRANSMITTED", |_| Some(0)),
    ("BYTES_SENT", |c| Some(c.stream.bytes_sent)),
    ("CONNECTION_ID", |c| Some(c.connection.id)),
    ("DOWNSTREAM_CX_RTT", |c| c.connection.round_trip_time_ms.get()),
    ("DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", |c| {
        Some(c.stream.downstream.decompressed_header_bytes_received)
    }),
    ("DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT", |c| {
        Some(c.stream.downstream.decompressed_header_bytes_sent)
    }),
    ("DOWNSTREAM_HEADER_BYTES_RECEIVED", |c| Some(c.stream.downstream.header_bytes_received)),
    ("DOWNSTREAM_HEADER_BYTES_SENT", |c| Some(c.stream.downstream.header_bytes_sent)),
    ("DOWNSTREAM_WIRE_BYTES_RECEIVED", |c| Some(c.stream.downstream.wire_bytes_received)),
    ("DOWNSTREAM_WIRE_BYTES_SENT", |c| Some(c.stream.downstream.wire_bytes_sent)),
    ("PACKETS_RETRANSMITTED", |_| Some(0)),
    ("REQUEST_HEADERS_BYTES", |c| head_size(c.request_headers)),
    ("RESPONSE_CODE", |c| Some(u64::from(c.stream.response_code.unwrap_or(0)))),
    ("RESPONSE_HEADERS_BYTES", |c| head_size(c.response_headers)),
    ("RESPONSE_TRAILERS_BYTES", |c| head_size(c.response_trailers)),
    ("ROUTE_RESOLUTION_COUNT", |c| Some(u64::from(c.stream.route_resolution_count))),
    ("UPSTREAM_CONNECTION_ID", |c| Some(c.stream.upstream.connection_id.unwrap_or(0))),
    ("ROUTE_RESOLUTION_TIME_US", |c| {
        let time = c.stream.route_resolution_time?;
        u64::try_from(time.as_micros()).ok()
    }),
    ("UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", |c| {
        Some(c.stream.upstream.bytes.decompressed_header_bytes_received)
    }),
    ("UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT", |c| {
        Some(c.stream.upstream.bytes.decompressed_header_bytes_sent)
    }),
    ("UPSTREAM_HEADER_BYTES_RECEIVED", |c| Some(c.stream.upstream.bytes.header_bytes_received)),
    ("UPSTREAM_HEADER_BYTES_SENT", |c| Some(c.stream.upstream.bytes.header_bytes_sent)),
    ("UPSTREAM_REQUEST_ATTEMPT_COUNT", |c| Some(u64::from(c.stream.upstream.attempt_count))),
    ("UPSTREAM_WIRE_BYTES_RECEIVED", |c| Some(c.stream.upstream.bytes.wire_bytes_received)),
    ("UPSTREAM_WIRE_BYTES_SENT", |c| Some(c.stream.upstream.bytes.wire_bytes_sent)),
];

fn head_size(head: Option<&ferryman_codec::HeaderBlock>) -> Option<u64> {
    Some(head.map_or(0, |head| u64::try_from(head.byte_size()).unwrap_or(u64::MAX)))
}

/// How a text is found.
#[derive(Clone, Copy)]
pub(super) enum TextField {
    /// Borrowed as it is; empty is a value.
    Borrowed(for<'a> fn(&FormatContext<'a>) -> Option<&'a [u8]>),
    /// Borrowed; empty is unset, and white space prints as `_`.
    Reason(for<'a> fn(&FormatContext<'a>) -> &'a str),
    /// Made on the way.
    Made(fn(&FormatContext<'_>, &mut Vec<u8>) -> Written),
}

impl TextField {
    pub(super) fn write(self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
        match self {
            TextField::Borrowed(field) => write_text(field(context), out),
            TextField::Reason(field) => write_reason(field(context), out),
            TextField::Made(field) => field(context, out),
        }
    }
}

fn write_reason(reason: &str, out: &mut Vec<u8>) -> Written {
    out.extend(reason.bytes().map(|byte| if byte.is_ascii_whitespace() { b'_' } else { byte }));
    if reason.is_empty() { Written::Unset } else { Written::Text }
}

fn response_code_details(context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
    if context.stream.details_are_blank {
        return Written::Text;
    }
    write_reason(&context.stream.response_code_details, out)
}

use TextField::{Borrowed, Made, Reason};

const TEXTS: &[(&str, TextField)] = &[
    ("ACCESS_LOG_TYPE", Borrowed(|c| Some(c.access_log_type.as_str().as_bytes()))),
    (
        "CONNECTION_TERMINATION_DETAILS",
        Borrowed(|c| {
            unless_empty(&c.stream.connection_termination_details)
                .or_else(|| unless_empty(&c.connection.termination_details))
        }),
    ),
    // Envoy's filters set these; none of ours does.
    ("CUSTOM_FLAGS", Borrowed(|_| Some(b""))),
    (
        "DOWNSTREAM_DETECTED_CLOSE_TYPE",
        Borrowed(|c| Some(c.connection.detected_close_type.as_str().as_bytes())),
    ),
    // Internal addresses alone have endpoint ids; Envoy prints nothing for all others.
    ("DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID", Borrowed(|_| Some(b""))),
    ("DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID", Borrowed(|_| Some(b""))),
    ("DOWNSTREAM_LOCAL_CLOSE_REASON", Reason(|c| &c.connection.local_close_reason)),
    ("DOWNSTREAM_TRANSPORT_FAILURE_REASON", Reason(|c| c.connection.transport_failure())),
    ("FILTER_CHAIN_NAME", Borrowed(|c| unless_empty(&c.connection.filter_chain_name))),
    ("LISTENER_NAME", Borrowed(|c| unless_empty(&c.connection.listener_name))),
    ("LOCAL_REPLY_BODY", Borrowed(|c| Some(c.local_reply_body))),
    ("PROTOCOL", Borrowed(|c| c.stream.protocol.map(|protocol| protocol.as_str().as_bytes()))),
    ("REQUESTED_SERVER_NAME", Borrowed(|c| unless_empty(&c.connection.requested_server_name))),
    ("RESPONSE_CODE_DETAILS", Made(response_code_details)),
    ("RESPONSE_CODE_DETAILS_AS_IS", Borrowed(|c| details_as_they_are(c.stream))),
    ("RESPONSE_FLAGS", Made(|c, out| write_flags(c, out, ResponseFlag::short))),
    ("RESPONSE_FLAGS_LONG", Made(|c, out| write_flags(c, out, ResponseFlag::long))),
    ("ROUTE_NAME", Borrowed(|c| unless_empty(&c.stream.route_name))),
    ("STREAM_ID", Borrowed(stream_id)),
    ("TLS_JA3_FINGERPRINT", Borrowed(|c| unless_empty(&c.connection.fingerprints.as_ref()?.ja3))),
    ("TLS_JA4_FINGERPRINT", Borrowed(|c| unless_empty(&c.connection.fingerprints.as_ref()?.ja4))),
    ("UNIQUE_ID", Made(write_uuid)),
    (
        "UPSTREAM_CLUSTER",
        Borrowed(|c| c.stream.upstream.cluster.as_ref().map(|cluster| cluster.observability_name.as_bytes())),
    ),
    (
        "UPSTREAM_CLUSTER_RAW",
        Borrowed(|c| c.stream.upstream.cluster.as_ref().map(|cluster| cluster.name.as_bytes())),
    ),
    ("UPSTREAM_CONNECTION_IDS_ATTEMPTED", Made(write_attempted_connections)),
    (
        "UPSTREAM_DETECTED_CLOSE_TYPE",
        Borrowed(|c| {
            // Without a host there is no upstream to tell of, unless a limit kept the request from the one that was chosen.
            let is_over = c.stream.response_flags.contains(ResponseFlag::UpstreamOverflow);
            (is_over || c.stream.upstream.host.is_some()).then_some(())?;
            Some(c.stream.upstream.detected_close_type.as_str().as_bytes())
        }),
    ),
    (
        "UPSTREAM_HOSTS_ATTEMPTED",
        Made(|c, out| write_attempts(c, out, |attempt, out| attempt.host.address.write(out))),
    ),
    (
        "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
        Made(|c, out| write_attempts(c, out, |attempt, out| attempt.host.address.write_without_port(out))),
    ),
    (
        "UPSTREAM_HOST_NAME",
        Made(|c, out| {
            let Some(host) = &c.stream.upstream.host else { return Written::Unset };
            host.write_name(out);
            Written::Text
        }),
    ),
    (
        "UPSTREAM_HOST_NAMES_ATTEMPTED",
        Made(|c, out| write_attempts(c, out, |attempt, out| attempt.host.write_name(out))),
    ),
    (
        "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT",
        Made(|c, out| write_attempts(c, out, |attempt, out| attempt.host.write_name_without_port(out))),
    ),
    (
        "UPSTREAM_HOST_NAME_WITHOUT_PORT",
        Made(|c, out| {
            let Some(host) = &c.stream.upstream.host else { return Written::Unset };
            host.write_name_without_port(out);
            Written::Text
        }),
    ),
    ("UPSTREAM_LOCAL_CLOSE_REASON", Reason(|c| &c.stream.upstream.local_close_reason)),
    (
        "UPSTREAM_PROTOCOL",
        Borrowed(|c| c.stream.upstream.protocol.map(|protocol| protocol.as_str().as_bytes())),
    ),
    (
        "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID",
        Borrowed(|c| c.stream.upstream.remote_address.as_ref().map(|_| &b""[..])),
    ),
    ("UPSTREAM_TRANSPORT_FAILURE_REASON", Reason(|c| &c.stream.upstream.transport_failure_reason)),
    ("VIRTUAL_CLUSTER_NAME", Borrowed(|c| unless_empty(&c.stream.virtual_cluster_name))),
];

fn unless_empty(text: &str) -> Option<&[u8]> {
    (!text.is_empty()).then_some(text.as_bytes())
}

fn details_as_they_are(stream: &StreamInfo) -> Option<&[u8]> {
    let details = stream.response_code_details.as_bytes();
    (!details.is_empty() || stream.details_are_blank).then_some(details)
}

/// An HTTP stream's id is its `x-request-id`; an upstream request has none.
fn stream_id<'a>(context: &FormatContext<'a>) -> Option<&'a [u8]> {
    match context.request_headers {
        Some(_) if context.access_log_type.is_of_upstream_request() => None,
        Some(head) => head.get(ferryman_codec::KnownName::XRequestId),
        None => unless_empty(&context.stream.stream_id),
    }
}

/// No flag prints as `-`, which is a value: it stays with `omit_empty_values`, and is a text in JSON.
fn write_flags(
    context: &FormatContext<'_>,
    out: &mut Vec<u8>,
    name: fn(ResponseFlag) -> &'static str,
) -> Written {
    if context.stream.response_flags.is_empty() {
        out.push(b'-');
        return Written::Text;
    }
    for (index, flag) in context.stream.response_flags.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name(flag).as_bytes());
    }
    Written::Text
}

fn write_uuid(context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
    out.extend_from_slice(&uuid::random((context.random)(), (context.random)()));
    Written::Text
}

fn write_attempts(
    context: &FormatContext<'_>,
    out: &mut Vec<u8>,
    write: fn(&UpstreamAttempt, &mut Vec<u8>),
) -> Written {
    let attempts = &context.stream.upstream.attempts;
    for (index, attempt) in attempts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(attempt, out);
    }
    if attempts.is_empty() { Written::Unset } else { Written::Text }
}

fn write_attempted_connections(context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
    let mut written = Written::Unset;
    for id in context.stream.upstream.attempts.iter().filter_map(|attempt| attempt.connection_id) {
        if written == Written::Text {
            out.push(b',');
        }
        write_decimal(id, out);
        written = Written::Text;
    }
    written
}
