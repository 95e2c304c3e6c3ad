//! What HTTP/2 codecs downstream count.
//!
//! Owns: the way from a codec's counts to `http2.*`, and the gauges of one connection. Does not own: what is counted
//! (`ferryman_codec::http2`).
//! Follows Envoy's page "HTTP/2 codec statistics".

use ferryman_codec::Http2Counts;

use crate::http_codec::Http2Session;
use crate::stats::{Http2Stat, Http2Stats, LocalScope};

/// The part of one connection in the gauges, taken out of them at its end.
#[derive(Debug)]
pub(super) struct ActiveHttp2<'a> {
    stats: &'a LocalScope<Http2Stats>,
    has_begun: bool,
    streams: u64,
    pending_bytes: u64,
}

impl<'a> ActiveHttp2<'a> {
    /// A connection on which nothing was read.
    pub(super) fn new(stats: &'a LocalScope<Http2Stats>) -> Self {
        ActiveHttp2 { stats, has_begun: false, streams: 0, pending_bytes: 0 }
    }

    /// Whether anything was read.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Something was read.
    pub(super) fn begin(&mut self) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.stats.inc(Http2Stat::Nghttp2DownstreamConnections);
        }
    }

    /// Brings all up to date.
    pub(super) fn update(&mut self, session: &Http2Session) {
        let counts = session.take_counts();
        if counts != Http2Counts::default() {
            self.add(&counts);
        }
        let streams = u64::try_from(session.open_streams()).unwrap_or(u64::MAX);
        set(self.stats, Http2Stat::StreamsActive, &mut self.streams, streams);
        let pending = u64::try_from(session.pending_bytes()).unwrap_or(u64::MAX);
        set(self.stats, Http2Stat::PendingSendBytes, &mut self.pending_bytes, pending);
    }

    #[cold]
    fn add(&self, counts: &Http2Counts) {
        for (stat, count) in [
            (Http2Stat::DroppedHeadersWithUnderscores, counts.dropped_headers_with_underscores),
            (Http2Stat::GoawaySent, counts.goaway_sent),
            (Http2Stat::HeaderListSizeTooLarge, counts.header_list_size_too_large),
            (Http2Stat::HeaderOverflow, counts.header_overflow),
            (Http2Stat::HeadersCbNoStream, counts.headers_cb_no_stream),
            (Http2Stat::InboundEmptyFramesFlood, counts.inbound_empty_frames_flood),
            (Http2Stat::InboundPriorityFramesFlood, counts.inbound_priority_frames_flood),
            (Http2Stat::InboundWindowUpdateFramesFlood, counts.inbound_window_update_frames_flood),
            (Http2Stat::OutboundControlFlood, counts.outbound_control_flood),
            (Http2Stat::OutboundFlood, counts.outbound_flood),
            (
                Http2Stat::RequestsRejectedWithUnderscoresInHeaders,
                counts.requests_rejected_with_underscores_in_headers,
            ),
            (Http2Stat::RxMessagingError, counts.rx_messaging_error),
            (Http2Stat::RxReset, counts.rx_reset),
            (Http2Stat::StreamRefusedErrors, counts.stream_refused_errors),
            (Http2Stat::Trailers, counts.trailers),
            (Http2Stat::TxReset, counts.tx_reset),
        ] {
            if count > 0 {
                self.stats.add(stat, u64::from(count));
            }
        }
    }
}

fn set(stats: &LocalScope<Http2Stats>, gauge: Http2Stat, known: &mut u64, value: u64) {
    let before = std::mem::replace(known, value);
    if value > before {
        stats.add(gauge, value - before);
    } else if value < before {
        stats.sub(gauge, before - value);
    }
}

impl Drop for ActiveHttp2<'_> {
    fn drop(&mut self) {
        set(self.stats, Http2Stat::StreamsActive, &mut self.streams, 0);
        set(self.stats, Http2Stat::PendingSendBytes, &mut self.pending_bytes, 0);
    }
}
