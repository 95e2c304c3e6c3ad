//! HTTP messages over a transport socket.
//!
//! Owns: what a reader of messages can answer besides messages: why there are no more, and what happened on a
//! connection that should have been silent. The readers and writers are in the modules below.
//! Does not own: the wire format (`ferryman_codec`), what a message means, nor when to close.
//! Follows: RFC 9112, RFC 9113; Envoy's `Http::Connection`.

use std::fmt;
use std::io;

use ferryman_codec::{FloodLimits, Http1Settings, Http2Settings, NameCase};

use crate::filters::http::body::BodyRefusal;
use crate::model::http_connection_manager::{HeaderKeyFormat, Http2ProtocolOptions};

pub mod http1_codec;
pub mod http1_reader;
pub mod http1_writer;
pub mod http2_client_stream;
pub mod http2_counts;
pub mod http2_keepalive;
pub mod http2_session;
pub mod http2_stream;
pub mod stream_codec;
pub mod upstream_codec;

pub use http1_codec::Http1Codec;
pub use http1_reader::Http1Reader;
pub use http1_writer::Http1Writer;
pub use http2_counts::ActiveHttp2;
pub use http2_keepalive::KeepaliveSettings;
pub use http2_session::{Http2Session, NewStream, Reset};
pub use http2_stream::Http2Stream;
pub use stream_codec::{BodyReader, StreamCodec};
pub use upstream_codec::UpstreamCodec;

/// The identifier of the one custom setting that means something to us (RFC 9113 section 6.5.2).
const MAX_FRAME_SIZE: u16 = 5;

/// Why a message cannot be read. The connection cannot be read on.
#[derive(Debug)]
pub enum ReadError {
    /// The peer broke a rule of the protocol.
    Codec(ferryman_codec::Error),
    /// The socket failed.
    Io(io::Error),
    /// The stream was reset.
    Reset(Reset),
    /// The peer has ended its side.
    Ended {
        /// Whether it did so between two messages; else inside one.
        clean: bool,
    },
    /// A filter does not let the message pass.
    Refused(BodyRefusal),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Codec(error) => error.fmt(f),
            ReadError::Io(error) => error.fmt(f),
            ReadError::Reset(_) => f.write_str("the stream was reset"),
            ReadError::Ended { clean: true } => f.write_str("the connection closed"),
            ReadError::Ended { clean: false } => f.write_str("the connection closed inside a message"),
            ReadError::Refused(refusal) => f.write_str(refusal.details),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<ferryman_codec::Error> for ReadError {
    fn from(error: ferryman_codec::Error) -> Self {
        ReadError::Codec(error)
    }
}

impl From<BodyRefusal> for ReadError {
    fn from(refusal: BodyRefusal) -> Self {
        ReadError::Refused(refusal)
    }
}

/// What happened on a connection from which nothing should come now.
#[derive(Debug)]
pub enum Disturbance {
    /// The peer has ended its side.
    Ended,
    /// Bytes have come; they are kept for the next message.
    Data,
    /// The socket failed.
    Failed(io::Error),
    /// The stream was reset.
    Reset(Reset),
}

/// The settings that write, and keep, the names of fields as the configuration says; all others are the defaults.
#[must_use]
pub fn settings_of(format: HeaderKeyFormat) -> Http1Settings {
    let (name_case, preserve_case) = match format {
        HeaderKeyFormat::LowerCase => (NameCase::Lower, None),
        HeaderKeyFormat::ProperCase => (NameCase::Proper, None),
        HeaderKeyFormat::PreserveCase => (NameCase::Lower, Some(NameCase::Lower)),
        HeaderKeyFormat::PreserveCaseElseProper => (NameCase::Lower, Some(NameCase::Proper)),
    };
    Http1Settings { name_case, preserve_case, ..Http1Settings::default() }
}

/// How the connections of one side speak HTTP/2.
#[derive(Debug, Clone, Default)]
pub struct Http2Options {
    /// Limits and choices of the codec.
    pub settings: Http2Settings,
    /// When the peer is asked whether it is there; none: never.
    pub keepalive: Option<KeepaliveSettings>,
    /// Entries of SETTINGS that are sent besides, by identifier.
    pub custom_settings: Box<[(u16, u32)]>,
}

/// What the options set; all limits that are not among them are the defaults.
#[must_use]
pub fn http2_options_of(options: &Http2ProtocolOptions) -> Http2Options {
    Http2Options {
        settings: http2_settings_of(options),
        keepalive: options.connection_keepalive.as_ref().map(KeepaliveSettings::from),
        custom_settings: options.custom_settings.as_slice().into(),
    }
}

fn http2_settings_of(options: &Http2ProtocolOptions) -> Http2Settings {
    let mut custom = options.custom_settings.iter();
    let frame_size = custom.find(|(id, _)| *id == MAX_FRAME_SIZE).map(|&(_, size)| size);
    let default = Http2Settings::default();
    Http2Settings {
        max_frame_size: frame_size.unwrap_or(default.max_frame_size),
        huffman: options.enable_huffman_encoding,
        max_concurrent_streams: options.max_concurrent_streams,
        initial_stream_window: options.initial_stream_window_size,
        connection_window: options.initial_connection_window_size,
        header_table_size: options.hpack_table_size,
        allow_connect: options.allow_connect,
        stream_error_on_invalid_message: options.stream_error_on_invalid_http_message,
        floods: FloodLimits {
            max_outbound_frames: options.max_outbound_frames,
            max_outbound_control_frames: options.max_outbound_control_frames,
            max_consecutive_empty_frames: options.max_consecutive_inbound_frames_with_empty_payload,
            max_priority_frames_per_stream: options.max_inbound_priority_frames_per_stream,
            max_window_updates_per_data_frame: options.max_inbound_window_update_frames_per_data_frame_sent,
            reset_burst: options.stream_reset_burst,
            resets_per_second: options.stream_reset_rate,
        },
        ..default
    }
}
