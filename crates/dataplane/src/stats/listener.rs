//! The statistics of listeners and of TCP proxying.
//!
//! Owns their names; follows Envoy's "Listener stats" and "TCP proxy" pages.

use super::declare::stats_group;

stats_group! {
    /// Of one listener: `listener.<address or stat prefix>.`
    ListenerStats (Listener)
    ListenerStat {
        DownstreamCxActive gauge "downstream_cx_active",
        DownstreamCxDestroy counter "downstream_cx_destroy",
        DownstreamCxOverflow counter "downstream_cx_overflow",
        DownstreamCxOverloadReject counter "downstream_cx_overload_reject",
        DownstreamCxTotal counter "downstream_cx_total",
        DownstreamCxTransportSocketConnectTimeout counter "downstream_cx_transport_socket_connect_timeout",
        DownstreamGlobalCxOverflow counter "downstream_global_cx_overflow",
        DownstreamListenerFilterError counter "downstream_listener_filter_error",
        DownstreamListenerFilterRemoteClose counter "downstream_listener_filter_remote_close",
        DownstreamPreCxActive gauge "downstream_pre_cx_active",
        DownstreamPreCxTimeout counter "downstream_pre_cx_timeout",
        NoFilterChainMatch counter "no_filter_chain_match",
    }
    ListenerHistogram {
        ConnectionsAcceptedPerSocketEvent "connections_accepted_per_socket_event",
        DownstreamCxLengthMs "downstream_cx_length_ms",
    }
}

stats_group! {
    /// Of the extensions that one listener waits for: `listener.<address or stat prefix>.`
    ListenerExtensionStats (Listener)
    ListenerExtensionStat {
        ExtensionConfigMissing counter "extension_config_missing",
        NetworkExtensionConfigMissing counter "network_extension_config_missing",
    }
}

stats_group! {
    /// Of one listener on one thread: `listener.<address or stat prefix>.worker_<n>.`
    ListenerWorkerStats (Listener)
    ListenerWorkerStat {
        DownstreamCxActive gauge "downstream_cx_active",
        DownstreamCxTotal counter "downstream_cx_total",
    }
}

stats_group! {
    /// Of the PROXY protocol listener filters with one stat prefix: `proxy_proto.[<stat prefix>.]`
    ProxyProtocolStats (ProxyProtocol)
    ProxyProtocolStat {
        NotFoundAllowed counter "not_found_allowed",
        NotFoundDisallowed counter "not_found_disallowed",
    }
}

stats_group! {
    /// Of their headers of one version: `proxy_proto.[<stat prefix>.]versions.v<n>.`
    ProxyProtocolVersionStats (ProxyProtocol)
    ProxyProtocolVersionStat {
        Disallowed counter "disallowed",
        Error counter "error",
        Found counter "found",
    }
}

stats_group! {
    /// Of all PROXY protocol listener filters.
    ProxyProtocolErrorStats (Plain)
    ProxyProtocolErrorStat {
        DownstreamCxProxyProtoError counter "downstream_cx_proxy_proto_error",
    }
}

stats_group! {
    /// Of the local rate limit listener filters with one stat prefix: `listener_local_ratelimit.<stat prefix>.`
    ListenerRateLimitStats (ListenerRateLimit)
    ListenerRateLimitStat {
        RateLimited counter "rate_limited",
    }
}

stats_group! {
    /// Of the connection limit filters with one stat prefix: `connection_limit.<stat prefix>.`
    ConnectionLimitStats (ConnectionLimit)
    ConnectionLimitStat {
        ActiveConnections gauge "active_connections",
        LimitedConnections counter "limited_connections",
    }
}

stats_group! {
    /// Of the local rate limit network filters with one stat prefix: `local_rate_limit.<stat prefix>.`
    NetworkRateLimitStats (NetworkRateLimit)
    NetworkRateLimitStat {
        RateLimited counter "rate_limited",
    }
}

stats_group! {
    /// Of the RBAC network filters with one stat prefix: `<stat prefix>.rbac.`
    RbacStats (NetworkRbac)
    RbacStat {
        Allowed counter "allowed",
        Denied counter "denied",
    }
}

stats_group! {
    /// Of the shadow rules of RBAC network filters: `<stat prefix>.rbac.[<shadow prefix>.]`
    RbacShadowStats (NetworkRbac)
    RbacShadowStat {
        ShadowAllowed counter "shadow_allowed",
        ShadowDenied counter "shadow_denied",
    }
}

stats_group! {
    /// Of all listeners: `listener_manager.`
    ListenerManagerStats (Plain)
    ListenerManagerStat {
        ListenerAdded counter "listener_added",
        ListenerCreateFailure counter "listener_create_failure",
        ListenerCreateSuccess counter "listener_create_success",
        ListenerInPlaceUpdated counter "listener_in_place_updated",
        ListenerModified counter "listener_modified",
        ListenerRemoved counter "listener_removed",
        ListenerStopped counter "listener_stopped",
        TotalFilterChainsDraining gauge "total_filter_chains_draining",
        TotalListenersActive gauge "total_listeners_active",
        TotalListenersDraining gauge "total_listeners_draining",
        TotalListenersWarming gauge "total_listeners_warming",
        WorkersPinned gauge "workers_pinned",
        WorkersStarted gauge "workers_started",
    }
}

stats_group! {
    /// Of tunnels: `tcp.<stat prefix>.tcpproxy_tunneling.`. Envoy 1.40 lists them, and counts none unless a runtime
    /// feature that is off has tunnels go through its router.
    TcpTunnelingStats (Tcp)
    TcpTunnelingStat {
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
    /// Of the TCP proxies with one stat prefix: `tcp.<stat prefix>.`
    TcpStats (Tcp)
    TcpStat {
        DownstreamCxDrainClose counter "downstream_cx_drain_close",
        DownstreamCxNoRoute counter "downstream_cx_no_route",
        DownstreamCxOverloadClose counter "downstream_cx_overload_close",
        DownstreamCxRxBytesBuffered gauge "downstream_cx_rx_bytes_buffered",
        DownstreamCxRxBytesTotal counter "downstream_cx_rx_bytes_total",
        DownstreamCxTotal counter "downstream_cx_total",
        DownstreamCxTxBytesBuffered gauge "downstream_cx_tx_bytes_buffered",
        DownstreamCxTxBytesTotal counter "downstream_cx_tx_bytes_total",
        DownstreamFlowControlPausedReadingTotal counter "downstream_flow_control_paused_reading_total",
        DownstreamFlowControlResumedReadingTotal counter "downstream_flow_control_resumed_reading_total",
        EarlyDataReceivedCountTotal counter "early_data_received_count_total",
        IdleTimeout counter "idle_timeout",
        MaxDownstreamConnectionDuration counter "max_downstream_connection_duration",
        RouteDelayedTotal counter "route_delayed_total",
        UpstreamFlushActive gauge "upstream_flush_active",
        UpstreamFlushTotal counter "upstream_flush_total",
    }
}
