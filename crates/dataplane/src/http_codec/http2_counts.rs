//! What HTTP/2 codecs count.
//!
//! Owns: the way from a codec's counts to `http2.*`, and the gauges of one connection. Does not own: what is counted
//! (`ferryman_codec::http2`), nor where (`stats`).
//! Follows Envoy's page "HTTP/2 codec statistics".

use std::ops::Deref;

use ferryman_codec::Http2Counts;

use super::Http2Session;
use crate::stats::{Group, Http2Stat, LocalScope};

/// Where the codecs of one side are counted.
pub trait Http2Counters {
    /// Adds to a counter or gauge.
    fn add(&self, stat: Http2Stat, count: u64);
    /// Takes away from a gauge.
    fn sub(&self, stat: Http2Stat, count: u64);
}

impl<G: Group<Stat = Http2Stat>, R: Deref<Target = LocalScope<G>>> Http2Counters for R {
    fn add(&self, stat: Http2Stat, count: u64) {
        (**self).add(stat, count);
    }

    fn sub(&self, stat: Http2Stat, count: u64) {
        (**self).sub(stat, count);
    }
}

/// The part of one connection in the gauges, taken out of them at its end.
#[derive(Debug)]
pub struct ActiveHttp2<C: Http2Counters> {
    stats: C,
    has_begun: bool,
    streams: u64,
    pending_bytes: u64,
}

impl<C: Http2Counters> ActiveHttp2<C> {
    /// A connection on which nothing was said.
    pub fn new(stats: C) -> Self {
        ActiveHttp2 { stats, has_begun: false, streams: 0, pending_bytes: 0 }
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Something was said: it is one of the connections of its side, which are counted here.
    pub fn begin(&mut self, connections: Http2Stat) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.stats.add(connections, 1);
        }
    }

    /// Brings all up to date.
    pub fn update(&mut self, session: &Http2Session) {
        let counts = session.take_counts();
        if counts != Http2Counts::default() {
            self.add(&counts);
        }
        let streams = u64::try_from(session.open_streams()).unwrap_or(u64::MAX);
        set(&self.stats, Http2Stat::StreamsActive, &mut self.streams, streams);
        let pending = u64::try_from(session.pending_bytes()).unwrap_or(u64::MAX);
        set(&self.stats, Http2Stat::PendingSendBytes, &mut self.pending_bytes, pending);
    }

    /// The peer has not answered a PING in time.
    pub fn keepalive_timeout(&self) {
        self.stats.add(Http2Stat::KeepaliveTimeout, 1);
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

fn set(stats: &impl Http2Counters, gauge: Http2Stat, known: &mut u64, value: u64) {
    let before = std::mem::replace(known, value);
    if value > before {
        stats.add(gauge, value - before);
    } else if value < before {
        stats.sub(gauge, before - value);
    }
}

impl<C: Http2Counters> Drop for ActiveHttp2<C> {
    fn drop(&mut self) {
        set(&self.stats, Http2Stat::StreamsActive, &mut self.streams, 0);
        set(&self.stats, Http2Stat::PendingSendBytes, &mut self.pending_bytes, 0);
    }
}
