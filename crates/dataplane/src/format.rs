//! Format strings: text and JSON made of literals and command operators.
//!
//! Owns: compiling `model::format` and filling it from a stream, for access logs, header values and local replies.
//! Does not own: the facts (`stream_info`), who logs where (`access_loggers`), nor splitting a format string into
//! operators (Python's `config`).
//! Follows: Envoy's page "Access logging", sections "Format rules" and "Command operators".
//!
//! A compiled format writes into a buffer that the caller keeps: filling one allocates nothing.

use std::time::{Instant, SystemTime};

use ferryman_codec::HeaderBlock;

use crate::model::format::FormatPart;
use crate::model::metadata::Metadata;
use crate::stream_info::{ConnectionInfo, StreamInfo};

pub(crate) mod access_log_type;
mod address_field;
pub(crate) mod asked_for;
pub(crate) mod calendar;
mod certificate_field;
mod coalesce;
mod duration;
pub(crate) mod file_content;
mod filter_state_field;
pub(crate) mod grpc_status;
mod header_field;
mod json;
pub(crate) mod json_text;
pub(crate) mod metadata_field;
mod operator;
mod path_field;
mod stream_field;
mod time_field;
pub(crate) mod time_format;
mod tls_field;

pub use access_log_type::AccessLogType;
pub use json::JsonFormatter;
use operator::{Operator, Written};

/// The metadata of a stream's route and of its virtual host.
#[derive(Debug, Clone, Copy, Default)]
pub struct RouteMetadata<'a> {
    /// The route's.
    pub route: Option<&'a Metadata>,
    /// Its virtual host's.
    pub virtual_host: Option<&'a Metadata>,
}

/// Everything that operators read. Heads are `None` on TCP and where none came.
#[derive(Clone, Copy)]
pub struct FormatContext<'a> {
    /// The request as the filters left it.
    pub request_headers: Option<&'a HeaderBlock>,
    /// The response as it went downstream.
    pub response_headers: Option<&'a HeaderBlock>,
    /// The response's trailers.
    pub response_trailers: Option<&'a HeaderBlock>,
    /// The stream.
    pub stream: &'a StreamInfo,
    /// Its connection.
    pub connection: &'a ConnectionInfo,
    /// The body of a local reply while that is made; empty in access logs, as in Envoy.
    pub local_reply_body: &'a [u8],
    /// The occasion.
    pub access_log_type: AccessLogType,
    /// What the configuration says of the route, where there is one.
    pub route_metadata: RouteMetadata<'a>,
    /// The worker's clock.
    pub now: Instant,
    /// The worker's source of random numbers (`%UNIQUE_ID%`).
    pub random: fn() -> u64,
}

impl<'a> FormatContext<'a> {
    /// A context without heads, for TCP; the other fields can be set afterwards.
    #[must_use]
    pub fn new(
        stream: &'a StreamInfo,
        connection: &'a ConnectionInfo,
        access_log_type: AccessLogType,
        now: Instant,
        random: fn() -> u64,
    ) -> Self {
        FormatContext {
            request_headers: None,
            response_headers: None,
            response_trailers: None,
            stream,
            connection,
            local_reply_body: b"",
            access_log_type,
            route_metadata: RouteMetadata::default(),
            now,
            random,
        }
    }

    /// The wall clock: the stream's start and what has passed since.
    fn wall_clock(&self) -> SystemTime {
        self.stream.start_time + self.now.saturating_duration_since(self.stream.start)
    }
}

/// What stands for an operator that has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// `-`, as access logs print it.
    Dash,
    /// Nothing: header values, and access logs with `omit_empty_values`.
    Empty,
}

enum Part {
    Literal(Box<[u8]>),
    Operator(Operator),
}

/// A compiled text format.
pub struct Formatter {
    parts: Box<[Part]>,
    unset: Unset,
}

impl std::fmt::Debug for Formatter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Formatter").field("parts", &self.parts.len()).finish_non_exhaustive()
    }
}

impl Formatter {
    /// Compiles a format.
    ///
    /// # Errors
    /// One line that names the operator and says why it cannot be filled.
    pub fn compile(format: &[FormatPart], unset: Unset) -> Result<Self, String> {
        let parts = format
            .iter()
            .map(|part| match part {
                FormatPart::Literal { text } => Ok(Part::Literal(text.as_bytes().into())),
                FormatPart::Operator { name, argument, max_length } => {
                    Operator::compile(name, argument.as_deref(), *max_length).map(Part::Operator)
                }
            })
            .collect::<Result<_, String>>()?;
        Ok(Formatter { parts, unset })
    }

    /// The value, if it is the same for every stream.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        match &*self.parts {
            [] => Some(b""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the filled format.
    pub fn write(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text),
                Part::Operator(operator) => {
                    if operator.write(context, out) == Written::Unset && self.unset == Unset::Dash {
                        out.push(b'-');
                    }
                }
            }
        }
    }
}

/// Says whether the command operator `%name(argument):max_length%` can be filled.
///
/// # Errors
/// One line that names the operator and says why not.
pub fn check_operator(name: &str, argument: Option<&str>, max_length: Option<usize>) -> Result<(), String> {
    Operator::compile(name, argument, max_length).map(drop)
}
