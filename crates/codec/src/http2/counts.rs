//! What happened on a connection, to be added to Envoy's counters.
//!
//! Owns: the counts since they were last taken. Does not own: the counters (`http2.*` of the data plane).
//! Follows: Envoy's page "HTTP/2 codec statistics".

use super::error::Http2ErrorKind;

/// Counts since they were last taken; each has the name of the counter it goes to, where Envoy has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each is the counter of that name
pub struct Http2Counts {
    pub dropped_headers_with_underscores: u32,
    pub goaway_sent: u32,
    pub header_list_size_too_large: u32,
    pub header_overflow: u32,
    pub headers_cb_no_stream: u32,
    pub inbound_empty_frames_flood: u32,
    pub inbound_priority_frames_flood: u32,
    pub inbound_window_update_frames_flood: u32,
    pub outbound_control_flood: u32,
    pub outbound_flood: u32,
    pub requests_rejected_with_underscores_in_headers: u32,
    pub rx_messaging_error: u32,
    pub rx_reset: u32,
    pub stream_refused_errors: u32,
    pub too_many_header_frames: u32,
    pub trailers: u32,
    pub tx_reset: u32,
    /// Connections cut for streams reset or made to be reset; Envoy has no counter.
    pub inbound_reset_flood: u32,
    /// Connections cut for PING, SETTINGS, and frames that do nothing; Envoy has no counter.
    pub inbound_other_flood: u32,
}

impl Http2Counts {
    /// Counts a rule that was broken.
    pub(crate) fn add(&mut self, kind: Http2ErrorKind) {
        use Http2ErrorKind::*;
        let place = match kind {
            TooManyHeaders => &mut self.header_overflow,
            HeadersTooLarge => &mut self.header_list_size_too_large,
            TooManyHeaderFrames => &mut self.too_many_header_frames,
            EmptyFramesFlood => &mut self.inbound_empty_frames_flood,
            PriorityFlood => &mut self.inbound_priority_frames_flood,
            WindowUpdateFlood => &mut self.inbound_window_update_frames_flood,
            ResetFlood => &mut self.inbound_reset_flood,
            PingFlood | SettingsFlood | UselessFlood => &mut self.inbound_other_flood,
            OutboundControlFlood => &mut self.outbound_control_flood,
            OutboundFlood => &mut self.outbound_flood,
            Refused => &mut self.stream_refused_errors,
            UnderscoreInName => &mut self.requests_rejected_with_underscores_in_headers,
            // Envoy takes it for a reset by the peer.
            LengthMismatch => return,
            kind if kind.is_malformed_message() => &mut self.rx_messaging_error,
            _ => return,
        };
        *place += 1;
    }
}
