//! The statistics of HTTP connections and requests downstream, and of routes.
//!
//! Owns their names; follows Envoy's "HTTP connection manager stats" and "Router" pages.

use super::declare::{Group, NoHistogram, Table, stats_group};
use super::tags::Shape;

stats_group! {
    /// Of the connection managers with one stat prefix: `http.<stat prefix>.`
    HttpStats (Http)
    HttpStat {
        DownstreamCxActive gauge "downstream_cx_active",
        DownstreamCxDelayedCloseTimeout counter "downstream_cx_delayed_close_timeout",
        DownstreamCxDestroy counter "downstream_cx_destroy",
        DownstreamCxDestroyActiveRq counter "downstream_cx_destroy_active_rq",
        DownstreamCxDestroyLocal counter "downstream_cx_destroy_local",
        DownstreamCxDestroyLocalActiveRq counter "downstream_cx_destroy_local_active_rq",
        DownstreamCxDestroyRemote counter "downstream_cx_destroy_remote",
        DownstreamCxDestroyRemoteActiveRq counter "downstream_cx_destroy_remote_active_rq",
        DownstreamCxDrainClose counter "downstream_cx_drain_close",
        DownstreamCxHttp1Active gauge "downstream_cx_http1_active",
        DownstreamCxHttp1SoftDrain gauge "downstream_cx_http1_soft_drain",
        DownstreamCxHttp1Total counter "downstream_cx_http1_total",
        DownstreamCxHttp2Active gauge "downstream_cx_http2_active",
        DownstreamCxHttp2Total counter "downstream_cx_http2_total",
        DownstreamCxHttp3Active gauge "downstream_cx_http3_active",
        DownstreamCxHttp3Total counter "downstream_cx_http3_total",
        DownstreamCxIdleTimeout counter "downstream_cx_idle_timeout",
        DownstreamCxMaxDurationReached counter "downstream_cx_max_duration_reached",
        DownstreamCxMaxRequestsReached counter "downstream_cx_max_requests_reached",
        DownstreamCxOverloadDisableKeepalive counter "downstream_cx_overload_disable_keepalive",
        DownstreamCxProtocolError counter "downstream_cx_protocol_error",
        DownstreamCxRxBytesBuffered gauge "downstream_cx_rx_bytes_buffered",
        DownstreamCxRxBytesTotal counter "downstream_cx_rx_bytes_total",
        DownstreamCxSslActive gauge "downstream_cx_ssl_active",
        DownstreamCxSslTotal counter "downstream_cx_ssl_total",
        DownstreamCxTotal counter "downstream_cx_total",
        DownstreamCxTxBytesBuffered gauge "downstream_cx_tx_bytes_buffered",
        DownstreamCxTxBytesTotal counter "downstream_cx_tx_bytes_total",
        DownstreamCxUpgradesActive gauge "downstream_cx_upgrades_active",
        DownstreamCxUpgradesTotal counter "downstream_cx_upgrades_total",
        DownstreamFlowControlPausedReadingTotal counter "downstream_flow_control_paused_reading_total",
        DownstreamFlowControlResumedReadingTotal counter "downstream_flow_control_resumed_reading_total",
        DownstreamRq1xx counter "downstream_rq_1xx",
        DownstreamRq2xx counter "downstream_rq_2xx",
        DownstreamRq3xx counter "downstream_rq_3xx",
        DownstreamRq4xx counter "downstream_rq_4xx",
        DownstreamRq5xx counter "downstream_rq_5xx",
        DownstreamRqActive gauge "downstream_rq_active",
        DownstreamRqCompleted counter "downstream_rq_completed",
        DownstreamRqFailedPathNormalization counter "downstream_rq_failed_path_normalization",
        DownstreamRqHeaderTimeout counter "downstream_rq_header_timeout",
        DownstreamRqHttp1Total counter "downstream_rq_http1_total",
        DownstreamRqHttp2Total counter "downstream_rq_http2_total",
        DownstreamRqHttp3Total counter "downstream_rq_http3_total",
        DownstreamRqIdleTimeout counter "downstream_rq_idle_timeout",
        DownstreamRqMaxDurationReached counter "downstream_rq_max_duration_reached",
        DownstreamRqNonRelativePath counter "downstream_rq_non_relative_path",
        DownstreamRqOverloadClose counter "downstream_rq_overload_close",
        DownstreamRqRedirectedWithNormalizedPath counter "downstream_rq_redirected_with_normalized_path",
        DownstreamRqRejectedViaIpDetection counter "downstream_rq_rejected_via_ip_detection",
        DownstreamRqResponseBeforeRqComplete counter "downstream_rq_response_before_rq_complete",
        DownstreamRqRxReset counter "downstream_rq_rx_reset",
        DownstreamRqTimeout counter "downstream_rq_timeout",
        DownstreamRqTooLarge counter "downstream_rq_too_large",
        DownstreamRqTooManyPrematureResets counter "downstream_rq_too_many_premature_resets",
        DownstreamRqTotal counter "downstream_rq_total",
        DownstreamRqTxReset counter "downstream_rq_tx_reset",
        DownstreamRqWsOnNonWsRoute counter "downstream_rq_ws_on_non_ws_route",
        RsTooLarge counter "rs_too_large",
    }
    HttpHistogram {
        DownstreamCxLengthMs "downstream_cx_length_ms",
        DownstreamRqTime "downstream_rq_time",
    }
}

stats_group! {
    /// Of their router filters: `http.<stat prefix>.`
    RouterStats (Http)
    RouterStat {
        NoCluster counter "no_cluster",
        NoRoute counter "no_route",
        PassthroughInternalRedirectBadLocation counter "passthrough_internal_redirect_bad_location",
        PassthroughInternalRedirectNoRoute counter "passthrough_internal_redirect_no_route",
        PassthroughInternalRedirectPredicate counter "passthrough_internal_redirect_predicate",
        PassthroughInternalRedirectTooManyRedirects counter "passthrough_internal_redirect_too_many_redirects",
        PassthroughInternalRedirectUnsafeScheme counter "passthrough_internal_redirect_unsafe_scheme",
        RqDirectResponse counter "rq_direct_response",
        RqOverloadLocalReply counter "rq_overload_local_reply",
        RqRedirect counter "rq_redirect",
        RqResetAfterDownstreamResponseStarted counter "rq_reset_after_downstream_response_started",
        RqTotal counter "rq_total",
    }
}

stats_group! {
    /// Of their looking up of routes, where that is asked for: `http.<stat prefix>.`
    RouteResolutionStats (Http)
    RouteResolutionStat {}
    RouteResolutionHistogram {
        DownstreamRqRouteResolutionTimeUs "downstream_rq_route_resolution_time_us" [used],
        DownstreamRqRouteResolutions "downstream_rq_route_resolutions" [used],
    }
}

stats_group! {
    /// Of their tracing: `http.<stat prefix>.`
    TracingStats (Http)
    TracingStat {
        TracingClientEnabled counter "tracing.client_enabled",
        TracingHealthCheck counter "tracing.health_check",
        TracingNotTraceable counter "tracing.not_traceable",
        TracingRandomSampling counter "tracing.random_sampling",
        TracingServiceForced counter "tracing.service_forced",
    }
}

stats_group! {
    /// Of one listener and stat prefix: `listener.<address>.http.<stat prefix>.`
    ListenerHttpStats (Listener)
    ListenerHttpStat {
        DownstreamRq1xx counter "downstream_rq_1xx",
        DownstreamRq2xx counter "downstream_rq_2xx",
        DownstreamRq3xx counter "downstream_rq_3xx",
        DownstreamRq4xx counter "downstream_rq_4xx",
        DownstreamRq5xx counter "downstream_rq_5xx",
        DownstreamRqCompleted counter "downstream_rq_completed",
    }
}

stats_group! {
    /// Of all HTTP/1 codecs downstream: `http1.`
    Http1Stats (Plain)
    Http1Stat {
        DroppedHeadersWithUnderscores counter "dropped_headers_with_underscores",
        MetadataNotSupportedError counter "metadata_not_supported_error",
        RequestsRejectedWithUnderscoresInHeaders counter "requests_rejected_with_underscores_in_headers",
        ResponseFlood counter "response_flood",
    }
}

stats_group! {
    /// Of HTTP/2 codecs: of all downstream `http2.`
    Http2Stats (Plain)
    Http2Stat {
        CookiesTotalBytesTooLarge counter "cookies_total_bytes_too_large",
        DeferredStreamClose gauge "deferred_stream_close",
        DroppedHeadersWithUnderscores counter "dropped_headers_with_underscores",
        GoawaySent counter "goaway_sent",
        HeaderListSizeTooLarge counter "header_list_size_too_large",
        HeaderOverflow counter "header_overflow",
        HeadersCbNoStream counter "headers_cb_no_stream",
        InboundEmptyFramesFlood counter "inbound_empty_frames_flood",
        InboundPriorityFramesFlood counter "inbound_priority_frames_flood",
        InboundWindowUpdateFramesFlood counter "inbound_window_update_frames_flood",
        KeepaliveTimeout counter "keepalive_timeout",
        MetadataEmptyFrames counter "metadata_empty_frames",
        Nghttp2DownstreamConnections counter "nghttp2_downstream_connections",
        Nghttp2UpstreamConnections counter "nghttp2_upstream_connections",
        Oghttp2DownstreamConnections counter "oghttp2_downstream_connections",
        Oghttp2UpstreamConnections counter "oghttp2_upstream_connections",
        OutboundControlFlood counter "outbound_control_flood",
        OutboundControlFramesActive gauge "outbound_control_frames_active",
        OutboundFlood counter "outbound_flood",
        OutboundFramesActive gauge "outbound_frames_active",
        PendingSendBytes gauge "pending_send_bytes",
        RequestsRejectedWithUnderscoresInHeaders counter "requests_rejected_with_underscores_in_headers",
        RxMessagingError counter "rx_messaging_error",
        RxReset counter "rx_reset",
        StreamRefusedErrors counter "stream_refused_errors",
        StreamsActive gauge "streams_active",
        Trailers counter "trailers",
        TxFlushTimeout counter "tx_flush_timeout",
        TxReset counter "tx_reset",
    }
}

stats_group! {
    /// Of a virtual cluster or of a route with a stat prefix: `vhost.<virtual host>.vcluster.<name>.`,
    /// `vhost.<virtual host>.route.<stat prefix>.`
    VirtualHostStats (VirtualHost, codes &[""])
    VirtualHostStat {
        UpstreamRqRetry counter "upstream_rq_retry",
        UpstreamRqRetryLimitExceeded counter "upstream_rq_retry_limit_exceeded",
        UpstreamRqRetryOverflow counter "upstream_rq_retry_overflow",
        UpstreamRqRetrySuccess counter "upstream_rq_retry_success",
        UpstreamRqTimeout counter "upstream_rq_timeout",
        UpstreamRqTotal counter "upstream_rq_total",
    }
    VirtualHostHistogram {
        UpstreamRqTime "upstream_rq_time" [used],
    }
}

/// Of the HTTP/2 codecs of one cluster: `cluster.<name>.http2.`
#[derive(Debug)]
pub enum ClusterHttp2Stats {}

impl Group for ClusterHttp2Stats {
    type Stat = Http2Stat;
    type Histogram = NoHistogram;
    const TABLE: &'static Table =
        &Table { group: "ClusterHttp2Stats", shape: Shape::Cluster, ..*Http2Stats::TABLE };
}
