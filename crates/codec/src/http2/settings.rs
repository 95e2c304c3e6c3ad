//! Limits and choices for HTTP/2, and what the peer has chosen.
//!
//! Owns: both, and how SETTINGS changes the peer's. Does not own: what follows from a change (`connection/control.rs`).
//! Follows: RFC 9113 section 6.5; Envoy's `Http2ProtocolOptions` for names and defaults.

use super::error::Http2ErrorKind;
use super::frame;
use crate::http1::UnderscoresAction;

/// Limits and choices for one listener or cluster. The default is Envoy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Settings {
    /// Most streams that the peer may have open at a time. Default 1024.
    pub max_concurrent_streams: u32,
    /// Bytes that the peer may send on a stream before some are consumed; 1 to 2^31-1. Default 16 MiB.
    pub initial_stream_window: u32,
    /// The same for the connection; 65,535 to 2^31-1. Default 24 MiB.
    pub connection_window: u32,
    /// The largest HPACK tables. Default 4096.
    pub header_table_size: u32,
    /// The largest frame that is received; 16,384 to 2^24-1. Default 16,384.
    pub max_frame_size: u32,
    /// Largest head, and largest trailers: names and values. Default 60 KiB.
    pub max_header_bytes: usize,
    /// Most fields in a head, and in trailers; every crumb of a cookie is one. Default 100.
    pub max_headers_count: usize,
    /// Whether extended CONNECT (RFC 8441) is taken. Default false.
    pub allow_connect: bool,
    /// What underscores in names meet with. Default `Allow`.
    pub underscores: UnderscoresAction,
    /// Whether a malformed message ends its stream alone. Default false: it ends the connection
    /// (`override_stream_error_on_invalid_http_message`).
    pub stream_error_on_invalid_message: bool,
    /// Bytes that may wait to be sent before no more data is taken. Default 1 MiB (`per_connection_buffer_limit_bytes`).
    pub max_pending_bytes: usize,
    /// Whether literals are sent in Huffman's code where that is shorter. Default true.
    pub huffman: bool,
    /// What a peer may do without being cut off.
    pub floods: FloodLimits,
}

/// What a peer may do without being cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodLimits {
    /// Most frames of all types that wait to be sent. Default 10,000.
    pub max_outbound_frames: u32,
    /// Most PING, SETTINGS and RST_STREAM frames that wait to be sent. Default 1,000.
    pub max_outbound_control_frames: u32,
    /// Most empty DATA, HEADERS and CONTINUATION frames in a row that do not end a stream. Default 1.
    pub max_consecutive_empty_frames: u32,
    /// Most PRIORITY frames for each stream opened, and one more. Default 100.
    pub max_priority_frames_per_stream: u32,
    /// Most WINDOW_UPDATE frames for each DATA frame sent. Default 10.
    pub max_window_updates_per_data_frame: u32,
    /// Most streams reset, by the peer or because of it, at a time. Default 1,000.
    pub reset_burst: u32,
    /// How many more each second. Default 33.
    pub resets_per_second: u32,
}

impl Default for FloodLimits {
    fn default() -> Self {
        FloodLimits {
            max_outbound_frames: 10_000,
            max_outbound_control_frames: 1_000,
            max_consecutive_empty_frames: 1,
            max_priority_frames_per_stream: 100,
            max_window_updates_per_data_frame: 10,
            reset_burst: 1_000,
            resets_per_second: 33,
        }
    }
}

impl Default for Http2Settings {
    fn default() -> Self {
        Http2Settings {
            max_concurrent_streams: 1024,
            initial_stream_window: 16 << 20,
            connection_window: 24 << 20,
            header_table_size: 4096,
            max_frame_size: frame::DEFAULT_MAX_FRAME_SIZE,
            max_header_bytes: 60 * 1024,
            max_headers_count: 100,
            allow_connect: false,
            underscores: UnderscoresAction::Allow,
            stream_error_on_invalid_message: false,
            max_pending_bytes: 1 << 20,
            huffman: true,
            floods: FloodLimits::default(),
        }
    }
}

/// The window of a stream, or of a connection, before anyone has said anything.
pub(crate) const DEFAULT_WINDOW: i32 = 65_535;

/// What the peer has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerSettings {
    /// The largest HPACK table that it keeps.
    pub header_table_size: u32,
    /// Most streams that we may have open at a time.
    pub max_concurrent_streams: u32,
    /// Bytes that we may send on a new stream.
    pub initial_window: i32,
    /// The largest frame that it takes.
    pub max_frame_size: u32,
    /// The largest head that it takes, as the RFC counts; not obeyed: it is the peer's to refuse.
    pub max_header_list_size: Option<u32>,
    /// Whether it takes extended CONNECT.
    pub enable_connect_protocol: bool,
}

impl Default for PeerSettings {
    fn default() -> Self {
        PeerSettings {
            header_table_size: 4096,
            max_concurrent_streams: u32::MAX,
            initial_window: DEFAULT_WINDOW,
            max_frame_size: frame::DEFAULT_MAX_FRAME_SIZE,
            max_header_list_size: None,
            enable_connect_protocol: false,
        }
    }
}

impl PeerSettings {
    /// Takes the payload of SETTINGS, whose length is a multiple of six.
    pub(crate) fn apply(&mut self, payload: &[u8], from_server: bool) -> Result<(), Http2ErrorKind> {
        for entry in payload.chunks_exact(6) {
            let &[high, low, v0, v1, v2, v3] = entry else { continue };
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match u16::from_be_bytes([high, low]) {
                frame::SETTINGS_HEADER_TABLE_SIZE => self.header_table_size = value,
                frame::SETTINGS_ENABLE_PUSH if value > 1 || (value == 1 && from_server) => {
                    return Err(Http2ErrorKind::InvalidSetting);
                }
                frame::SETTINGS_MAX_CONCURRENT_STREAMS => self.max_concurrent_streams = value,
                frame::SETTINGS_INITIAL_WINDOW_SIZE => {
                    self.initial_window =
                        i32::try_from(value).map_err(|_| Http2ErrorKind::InvalidWindowSetting)?;
                }
                frame::SETTINGS_MAX_FRAME_SIZE => {
                    if !(frame::DEFAULT_MAX_FRAME_SIZE..=frame::LARGEST_MAX_FRAME_SIZE).contains(&value) {
                        return Err(Http2ErrorKind::InvalidSetting);
                    }
                    self.max_frame_size = value;
                }
                frame::SETTINGS_MAX_HEADER_LIST_SIZE => self.max_header_list_size = Some(value),
                frame::SETTINGS_ENABLE_CONNECT_PROTOCOL => {
                    // Once given, the permission cannot be taken back (RFC 8441 section 3).
                    if value > 1 || (self.enable_connect_protocol && value == 0) {
                        return Err(Http2ErrorKind::InvalidSetting);
                    }
                    self.enable_connect_protocol = value == 1;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Http2Settings {
    /// Our SETTINGS, as Envoy says them: what holds unsaid is said all the same.
    pub(crate) fn write(&self, is_client: bool, others: &[(u16, u32)], out: &mut Vec<u8>) {
        let window = u32::try_from(self.stream_window()).unwrap_or(0);
        let frame_size = self.frame_size();
        let is_given = others.iter().any(|&(id, _)| id == frame::SETTINGS_MAX_FRAME_SIZE);
        let says_frame_size = frame_size != frame::DEFAULT_MAX_FRAME_SIZE && !is_given;
        let own = [
            (frame::SETTINGS_HEADER_TABLE_SIZE, self.header_table_size, true),
            (frame::SETTINGS_ENABLE_CONNECT_PROTOCOL, u32::from(self.allow_connect && !is_client), true),
            (frame::SETTINGS_MAX_CONCURRENT_STREAMS, self.max_concurrent_streams, true),
            (frame::SETTINGS_INITIAL_WINDOW_SIZE, window, true),
            (frame::SETTINGS_MAX_FRAME_SIZE, frame_size, says_frame_size),
        ];
        let push = is_client.then_some((frame::SETTINGS_ENABLE_PUSH, 0));
        let is_said_first = move |id| is_client && id == frame::SETTINGS_ENABLE_PUSH;
        let others = others.iter().copied().filter(move |&(id, _)| !is_said_first(id));
        let own = own.into_iter().filter(|&(.., is_said)| is_said).map(|(id, value, _)| (id, value));
        frame::write_settings(push.into_iter().chain(others).chain(own), out);
    }

    pub(crate) fn stream_window(&self) -> i32 {
        i32::try_from(self.initial_stream_window).unwrap_or(i32::MAX)
    }

    pub(crate) fn whole_window(&self) -> i32 {
        i32::try_from(self.connection_window).unwrap_or(i32::MAX).max(DEFAULT_WINDOW)
    }

    pub(crate) fn frame_size(&self) -> u32 {
        self.max_frame_size.clamp(frame::DEFAULT_MAX_FRAME_SIZE, frame::LARGEST_MAX_FRAME_SIZE)
    }
}
