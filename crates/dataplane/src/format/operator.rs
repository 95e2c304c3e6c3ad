//! One command operator: compiled from its name and argument, and written.
//!
//! Owns: which operators there are and which argument and length each takes. Does not own: how each is filled (the
//! sibling modules). Follows: Envoy's page "Access logging", section "Command operators"; the texts of the errors
//! are close to Envoy's.

use super::FormatContext;
use super::address_field::AddressField;
use super::asked_for;
use super::certificate_field::CertificateField;
use super::coalesce::Coalesce;
use super::duration::DurationField;
use super::file_content::FileContent;
use super::filter_state_field::FilterStateField;
use super::grpc_status::GrpcStatusStyle;
use super::header_field::{HeaderField, HeaderSource};
use super::metadata_field::MetadataField;
use super::path_field::{PathField, QueryParameter, QueryParameters, without_query};
use super::stream_field::{NumberField, TextField, number_field, text_field};
use super::time_field::TimeField;
use super::tls_field::TlsField;
use crate::stream_info::address::write_decimal;

/// What an operator appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// Nothing: it has no value.
    Unset,
    /// Nothing, and a text log prints nothing for it as well: the port of a Unix domain socket.
    Blank,
    /// Text, perhaps empty.
    Text,
    /// A decimal number.
    Number,
    /// JSON that is no string.
    Json,
}

/// A compiled operator.
pub(super) struct Operator {
    source: Source,
    /// In bytes.
    max_length: Option<usize>,
}

enum Source {
    /// Read once, when the format is compiled.
    Environment(Box<[u8]>),
    /// As `Environment`.
    HostName(Box<[u8]>),
    /// Without a value for every stream.
    Never,
    Number(NumberField),
    Text(TextField),
    Address(AddressField),
    Duration(DurationField),
    Time(TimeField),
    Header(HeaderField),
    Path(PathField),
    PathOfHeader(HeaderField),
    Certificate(CertificateField),
    QueryParameter(QueryParameter),
    QueryParameters(QueryParameters),
    GrpcStatus(GrpcStatusStyle),
    Coalesce(Coalesce),
    Metadata(MetadataField),
    FilterState(FilterStateField),
    File(FileContent),
    Tls(TlsField),
}

/// Belongs to tracing or QUIC: always unset on what this build serves.
const NEVER: &[&str] = &["ROUNDTRIP_DURATION", "SPAN_ID", "TRACE_ID"];

/// Envoy has these; what they read is not built yet.
const NOT_BUILT: &[&str] = &["CEL", "SECRET"];

impl Operator {
    /// Compiles `%name(argument):max_length%`.
    pub(super) fn compile(
        name: &str,
        argument: Option<&str>,
        max_length: Option<usize>,
    ) -> Result<Self, String> {
        // `%DURATION()%` is `%DURATION%`.
        let argument = argument.filter(|argument| !argument.is_empty());
        let source = match argument {
            Some(argument) => Source::with_argument(name, argument)?,
            None => Source::without_argument(name)?,
        };
        if max_length.is_some() && !source.takes_length() {
            return Err(match source {
                Source::Address(AddressField { masked: true, .. })
                | Source::Time(_)
                | Source::GrpcStatus(_) => {
                    format!("{name} does not allow length to be specified")
                }
                _ => format!("{name} does not take any parameters or length"),
            });
        }
        // As Envoy, which takes a length there and does not look at it.
        let max_length = max_length.filter(|_| !matches!(source, Source::Certificate(_)));
        let source = match source {
            Source::Metadata(field) => Source::Metadata(field.with_length(max_length)),
            source => source,
        };
        Ok(Operator { source, max_length })
    }

    /// Appends the value as `write` does, but a number whole.
    #[inline]
    pub(super) fn write_typed(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
        let start = out.len();
        let written = match &self.source {
            Source::FilterState(field) => field.write(context, true, out),
            source => source.write(context, out),
        };
        if let (Some(max_length), Written::Text) = (self.max_length, written) {
            out.truncate(start.saturating_add(max_length));
        }
        written
    }

    /// Appends the value.
    #[inline]
    pub(super) fn write(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
        let start = out.len();
        let written = self.source.write(context, out);
        if let Some(max_length) = self.max_length {
            out.truncate(start.saturating_add(max_length));
        }
        written
    }
}

impl Source {
    fn without_argument(name: &str) -> Result<Source, String> {
        match name {
            "DOWNSTREAM_CX_RTT" => asked_for::ROUND_TRIP_TIME.ask(),
            "ROUTE_RESOLUTION_TIME_US" => asked_for::ROUTE_RESOLUTION_TIME.ask(),
            _ => {}
        }
        if let Some(field) = number_field(name) {
            return Ok(Source::Number(field));
        }
        if let Some(field) = text_field(name) {
            return Ok(Source::Text(field));
        }
        if let Some(field) = AddressField::compile(name, None) {
            return Ok(Source::Address(field));
        }
        if let Some(field) = DurationField::named(name) {
            return Ok(Source::Duration(field));
        }
        if let Some(field) = TlsField::named(name).map(Ok).or_else(|| TlsField::time(name, None)) {
            return field.map(Source::Tls);
        }
        if NEVER.contains(&name) {
            return Ok(Source::Never);
        }
        if header_source(name).is_some() {
            return Err(format!("{name} requires parameters"));
        }
        match name {
            "HOSTNAME" => Ok(Source::HostName(host_name())),
            "PATH" => Ok(Source::Path(PathField::default())),
            "QUERY_PARAMS" => Ok(Source::QueryParameters(QueryParameters::AsReceived)),
            "GRPC_STATUS" => Ok(Source::GrpcStatus(GrpcStatusStyle::CamelCase)),
            "GRPC_STATUS_NUMBER" => Ok(Source::GrpcStatus(GrpcStatusStyle::Number)),
            "START_TIME" | "START_TIME_LOCAL" | "EMIT_TIME" | "EMIT_TIME_LOCAL" => {
                TimeField::compile(name, None).map(Source::Time)
            }
            "CLUSTER_METADATA"
            | "COALESCE"
            | "COMMON_DURATION"
            | "DYNAMIC_METADATA"
            | "ENVIRONMENT"
            | "FILE_CONTENT"
            | "FILTER_STATE"
            | "METADATA"
            | "QUERY_PARAM"
            | "REQ_WITHOUT_QUERY"
            | "UPSTREAM_FILTER_STATE"
            | "UPSTREAM_METADATA"
            | "XFCC_VALUE" => Err(format!("{name} requires parameters")),
            _ => Err(unknown(name)),
        }
    }

    fn with_argument(name: &str, argument: &str) -> Result<Source, String> {
        if let Some(source) = header_source(name) {
            return HeaderField::compile(source, argument).map(Source::Header);
        }
        if let Some(field) = AddressField::compile(name, Some(argument)) {
            return Ok(Source::Address(field));
        }
        if let Some(field) = TlsField::time(name, Some(argument)) {
            return field.map(Source::Tls);
        }
        if let Some(field) = MetadataField::named(name, argument) {
            return Ok(Source::Metadata(field));
        }
        match name {
            "REQ_WITHOUT_QUERY" => {
                HeaderField::compile(HeaderSource::Request, argument).map(Source::PathOfHeader)
            }
            "XFCC_VALUE" => CertificateField::compile(argument).map(Source::Certificate),
            "METADATA" => MetadataField::typed(argument).map(Source::Metadata),
            "FILTER_STATE" | "UPSTREAM_FILTER_STATE" => {
                let of_upstream = name == "UPSTREAM_FILTER_STATE";
                FilterStateField::compile(argument, of_upstream).map(Source::FilterState)
            }
            "ENVIRONMENT" => Ok(Source::Environment(environment(argument))),
            "FILE_CONTENT" => FileContent::compile(argument).map(Source::File),
            "PATH" => PathField::compile(argument).map(Source::Path),
            "QUERY_PARAM" => Ok(Source::QueryParameter(QueryParameter::new(argument))),
            "QUERY_PARAMS" => QueryParameters::compile(argument).map(Source::QueryParameters),
            "GRPC_STATUS" => GrpcStatusStyle::compile(argument).map(Source::GrpcStatus),
            "COMMON_DURATION" => DurationField::common(argument).map(Source::Duration),
            "COALESCE" => Coalesce::compile(argument).map(Source::Coalesce),
            "RESPONSE_CODE_DETAILS" if argument == "ALLOW_WHITESPACES" => {
                text_field("RESPONSE_CODE_DETAILS_AS_IS").map(Source::Text).ok_or_else(|| unknown(name))
            }
            // Envoy takes any other argument here and ignores it.
            "RESPONSE_CODE_DETAILS" => Source::without_argument(name),
            "START_TIME" | "START_TIME_LOCAL" | "EMIT_TIME" | "EMIT_TIME_LOCAL" => {
                TimeField::compile(name, Some(argument)).map(Source::Time)
            }
            // Known, then it is the argument that is wrong; else the name is.
            _ => Source::without_argument(name)
                .and(Err(format!("{name} does not take any parameters or length"))),
        }
    }

    fn takes_length(&self) -> bool {
        matches!(
            self,
            Source::Environment(_)
                | Source::Header(_)
                | Source::Path(_)
                | Source::PathOfHeader(_)
                | Source::Certificate(_)
                | Source::QueryParameter(_)
                | Source::QueryParameters(_)
                | Source::Coalesce(_)
                | Source::FilterState(_)
                | Source::File(_)
        ) || matches!(self, Source::Metadata(field) if field.takes_length())
    }

    #[inline]
    fn write(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
        match self {
            Source::Environment(text) | Source::HostName(text) => {
                out.extend_from_slice(text);
                Written::Text
            }
            Source::Never => Written::Unset,
            Source::Number(field) => write_number(field(context), out),
            Source::Text(field) => field.write(context, out),
            Source::Address(field) => field.write(context, out),
            Source::Duration(field) => field.write(context, out),
            Source::Time(field) => {
                field.write(context, out);
                Written::Text
            }
            Source::Header(field) => write_text(field.value(context), out),
            Source::Path(field) => write_text(field.value(context), out),
            Source::PathOfHeader(field) => write_text(field.value(context).map(without_query), out),
            Source::Certificate(field) => field.write(context, out),
            Source::QueryParameter(field) => field.write(context, out),
            Source::QueryParameters(field) => field.write(context, out),
            Source::GrpcStatus(style) => style.write(context, out),
            Source::Coalesce(field) => field.write(context, out),
            Source::Metadata(field) => field.write(context, out),
            Source::FilterState(field) => field.write(context, false, out),
            Source::File(content) => {
                content.write(out);
                Written::Text
            }
            Source::Tls(field) => field.write(context, out),
        }
    }
}

/// Appends a number, if there is one.
pub(super) fn write_number(value: Option<u64>, out: &mut Vec<u8>) -> Written {
    let Some(value) = value else { return Written::Unset };
    write_decimal(value, out);
    Written::Number
}

/// Appends a text, if there is one.
#[inline]
pub(super) fn write_text(value: Option<&[u8]>, out: &mut Vec<u8>) -> Written {
    let Some(value) = value else { return Written::Unset };
    out.extend_from_slice(value);
    Written::Text
}

fn header_source(name: &str) -> Option<HeaderSource> {
    match name {
        "REQ" | "REQUEST_HEADER" | "STREAM_INFO_REQ" => Some(HeaderSource::Request),
        "RESP" | "RESPONSE_HEADER" => Some(HeaderSource::Response),
        "TRAILER" | "RESPONSE_TRAILER" => Some(HeaderSource::ResponseTrailers),
        _ => None,
    }
}

fn unknown(name: &str) -> String {
    if NOT_BUILT.contains(&name) {
        format!("the command operator {name} is not supported yet")
    } else {
        format!("{name} is not a command operator")
    }
}

/// As Envoy, a variable that is not set is the text `-`, also in JSON.
fn environment(name: &str) -> Box<[u8]> {
    use std::os::unix::ffi::OsStringExt;
    std::env::var_os(name).map_or_else(|| b"-"[..].into(), |value| value.into_vec().into())
}

fn host_name() -> Box<[u8]> {
    let mut name = [0u8; 256];
    // SAFETY: the buffer is writable for the length that is passed.
    let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) } != 0;
    let text = name.split(|byte| *byte == 0).next().unwrap_or_default();
    if failed || text.is_empty() { b"-"[..].into() } else { text.into() }
}
