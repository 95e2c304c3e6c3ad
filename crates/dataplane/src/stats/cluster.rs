//! The statistics of clusters, and of all clusters together.
//!
//! Owns their names; follows Envoy's "Cluster stats" and "Cluster manager stats" pages.

use super::declare::stats_group;

stats_group! {
    /// Of one cluster: `cluster.<name>.`
    ClusterStats (Cluster, codes &["", "external.", "internal.", "canary."], completed true)
    ClusterStat {
        AssignmentStale counter "assignment_stale",
        AssignmentTimeoutReceived counter "assignment_timeout_received",
        AssignmentUseCached counter "assignment_use_cached",
        BindErrors counter "bind_errors",
        CircuitBreakersDefaultCxOpen gauge "circuit_breakers.default.cx_open",
        CircuitBreakersDefaultCxPoolOpen gauge "circuit_breakers.default.cx_pool_open",
        CircuitBreakersDefaultRemainingCx gauge "circuit_breakers.default.remaining_cx" [used],
        CircuitBreakersDefaultRemainingCxPools gauge "circuit_breakers.default.remaining_cx_pools" [used],
        CircuitBreakersDefaultRemainingPending gauge "circuit_breakers.default.remaining_pending" [used],
        CircuitBreakersDefaultRemainingRetries gauge "circuit_breakers.default.remaining_retries" [used],
        CircuitBreakersDefaultRemainingRq gauge "circuit_breakers.default.remaining_rq" [used],
        CircuitBreakersDefaultRqOpen gauge "circuit_breakers.default.rq_open",
        CircuitBreakersDefaultRqPendingOpen gauge "circuit_breakers.default.rq_pending_open",
        CircuitBreakersDefaultRqRetryOpen gauge "circuit_breakers.default.rq_retry_open",
        CircuitBreakersHighCxOpen gauge "circuit_breakers.high.cx_open",
        CircuitBreakersHighCxPoolOpen gauge "circuit_breakers.high.cx_pool_open",
        CircuitBreakersHighRemainingCx gauge "circuit_breakers.high.remaining_cx" [used],
        CircuitBreakersHighRemainingCxPools gauge "circuit_breakers.high.remaining_cx_pools" [used],
        CircuitBreakersHighRemainingPending gauge "circuit_breakers.high.remaining_pending" [used],
        CircuitBreakersHighRemainingRetries gauge "circuit_breakers.high.remaining_retries" [used],
        CircuitBreakersHighRemainingRq gauge "circuit_breakers.high.remaining_rq" [used],
        CircuitBreakersHighRqOpen gauge "circuit_breakers.high.rq_open",
        CircuitBreakersHighRqPendingOpen gauge "circuit_breakers.high.rq_pending_open",
        CircuitBreakersHighRqRetryOpen gauge "circuit_breakers.high.rq_retry_open",
        DefaultTotalMatchCount counter "default.total_match_count",
        Http1DroppedHeadersWithUnderscores counter "http1.dropped_headers_with_underscores" [after UpstreamCxHttp1Total],
        Http1MetadataNotSupportedError counter "http1.metadata_not_supported_error" [after UpstreamCxHttp1Total],
        Http1RequestsRejectedWithUnderscoresInHeaders counter "http1.requests_rejected_with_underscores_in_headers" [after UpstreamCxHttp1Total],
        Http1ResponseFlood counter "http1.response_flood" [after UpstreamCxHttp1Total],
        LbHealthyPanic counter "lb_healthy_panic",
        LbLocalClusterNotOk counter "lb_local_cluster_not_ok",
        LbRecalculateZoneStructures counter "lb_recalculate_zone_structures",
        LbSubsetsActive gauge "lb_subsets_active",
        LbSubsetsCreated counter "lb_subsets_created",
        LbSubsetsFallback counter "lb_subsets_fallback",
        LbSubsetsFallbackPanic counter "lb_subsets_fallback_panic",
        LbSubsetsRemoved counter "lb_subsets_removed",
        LbSubsetsSelected counter "lb_subsets_selected",
        LbZoneClusterTooSmall counter "lb_zone_cluster_too_small",
        LbZoneNoCapacityLeft counter "lb_zone_no_capacity_left",
        LbZoneRoutingAllDirectly counter "lb_zone_routing_all_directly",
        LbZoneRoutingCrossZone counter "lb_zone_routing_cross_zone",
        LbZoneRoutingSampled counter "lb_zone_routing_sampled",
        MaxHostWeight gauge "max_host_weight",
        MembershipChange counter "membership_change",
        MembershipDegraded gauge "membership_degraded",
        MembershipExcluded gauge "membership_excluded",
        MembershipHealthy gauge "membership_healthy",
        MembershipTotal gauge "membership_total",
        OriginalDstHostInvalid counter "original_dst_host_invalid",
        RetryOrShadowAbandoned counter "retry_or_shadow_abandoned",
        UpdateAttempt counter "update_attempt",
        UpdateEmpty counter "update_empty",
        UpdateFailure counter "update_failure",
        UpdateNoRebuild counter "update_no_rebuild",
        UpdateSuccess counter "update_success",
        UpstreamCxActive gauge "upstream_cx_active",
        UpstreamCxCloseNotify counter "upstream_cx_close_notify",
        UpstreamCxConnectAttemptsExceeded counter "upstream_cx_connect_attempts_exceeded",
        UpstreamCxConnectFail counter "upstream_cx_connect_fail",
        UpstreamCxConnectTimeout counter "upstream_cx_connect_timeout",
        UpstreamCxConnectWith0Rtt counter "upstream_cx_connect_with_0_rtt",
        UpstreamCxDestroy counter "upstream_cx_destroy",
        UpstreamCxDestroyLocal counter "upstream_cx_destroy_local",
        UpstreamCxDestroyLocalWithActiveRq counter "upstream_cx_destroy_local_with_active_rq",
        UpstreamCxDestroyRemote counter "upstream_cx_destroy_remote",
        UpstreamCxDestroyRemoteWithActiveRq counter "upstream_cx_destroy_remote_with_active_rq",
        UpstreamCxDestroyWithActiveRq counter "upstream_cx_destroy_with_active_rq",
        UpstreamCxHttp1Total counter "upstream_cx_http1_total",
        UpstreamCxHttp2Total counter "upstream_cx_http2_total",
        UpstreamCxHttp3Total counter "upstream_cx_http3_total",
        UpstreamCxIdleTimeout counter "upstream_cx_idle_timeout",
        UpstreamCxMaxDurationReached counter "upstream_cx_max_duration_reached",
        UpstreamCxMaxRequests counter "upstream_cx_max_requests",
        UpstreamCxNoneHealthy counter "upstream_cx_none_healthy",
        UpstreamCxOverflow counter "upstream_cx_overflow",
        UpstreamCxPoolOverflow counter "upstream_cx_pool_overflow",
        UpstreamCxPreconnectSkipped counter "upstream_cx_preconnect_skipped",
        UpstreamCxProtocolError counter "upstream_cx_protocol_error",
        UpstreamCxRxBytesBuffered gauge "upstream_cx_rx_bytes_buffered",
        UpstreamCxRxBytesTotal counter "upstream_cx_rx_bytes_total",
        UpstreamCxTotal counter "upstream_cx_total",
        UpstreamCxTxBytesBuffered gauge "upstream_cx_tx_bytes_buffered",
        UpstreamCxTxBytesTotal counter "upstream_cx_tx_bytes_total",
        UpstreamFlowControlBackedUpTotal counter "upstream_flow_control_backed_up_total",
        UpstreamFlowControlDrainedTotal counter "upstream_flow_control_drained_total",
        UpstreamFlowControlPausedReadingTotal counter "upstream_flow_control_paused_reading_total",
        UpstreamFlowControlResumedReadingTotal counter "upstream_flow_control_resumed_reading_total",
        UpstreamHttp3Broken counter "upstream_http3_broken",
        UpstreamInternalRedirectFailedTotal counter "upstream_internal_redirect_failed_total",
        UpstreamInternalRedirectSucceededTotal counter "upstream_internal_redirect_succeeded_total",
        UpstreamQueueOverloaded gauge "upstream_queue_overloaded",
        UpstreamRq0rtt counter "upstream_rq_0rtt",
        UpstreamRqActive gauge "upstream_rq_active",
        UpstreamRqActiveOverflow counter "upstream_rq_active_overflow",
        UpstreamRqCancelled counter "upstream_rq_cancelled",
        UpstreamRqMaintenanceMode counter "upstream_rq_maintenance_mode",
        UpstreamRqMaxDurationReached counter "upstream_rq_max_duration_reached",
        UpstreamRqPendingActive gauge "upstream_rq_pending_active",
        UpstreamRqPendingFailureEject counter "upstream_rq_pending_failure_eject",
        UpstreamRqPendingOverflow counter "upstream_rq_pending_overflow",
        UpstreamRqPendingTotal counter "upstream_rq_pending_total",
        UpstreamRqPerTryIdleTimeout counter "upstream_rq_per_try_idle_timeout",
        UpstreamRqPerTryTimeout counter "upstream_rq_per_try_timeout",
        UpstreamRqRetry counter "upstream_rq_retry",
        UpstreamRqRetryBackoffExponential counter "upstream_rq_retry_backoff_exponential",
        UpstreamRqRetryBackoffRatelimited counter "upstream_rq_retry_backoff_ratelimited",
        UpstreamRqRetryLimitExceeded counter "upstream_rq_retry_limit_exceeded",
        UpstreamRqRetryOverflow counter "upstream_rq_retry_overflow",
        UpstreamRqRetrySuccess counter "upstream_rq_retry_success",
        UpstreamRqRxReset counter "upstream_rq_rx_reset",
        UpstreamRqRxResetNoError counter "upstream_rq_rx_reset_no_error",
        UpstreamRqTimeout counter "upstream_rq_timeout",
        UpstreamRqTotal counter "upstream_rq_total",
        UpstreamRqTxReset counter "upstream_rq_tx_reset",
        Version gauge "version",
        WarmingState gauge "warming_state",
    }
    ClusterHistogram {
        CanaryUpstreamRqTime "canary.upstream_rq_time" [used],
        ExternalUpstreamRqTime "external.upstream_rq_time" [used],
        InternalUpstreamRqTime "internal.upstream_rq_time" [used],
        UpstreamCxConnectMs "upstream_cx_connect_ms",
        UpstreamCxLengthMs "upstream_cx_length_ms",
        UpstreamRqPerCx "upstream_rq_per_cx",
        UpstreamRqTime "upstream_rq_time" [used],
    }
}

stats_group! {
    /// Of the messages of a cluster that wants them measured: `cluster.<name>.`
    ClusterSizeStats (Cluster)
    ClusterSizeStat {
    }
    ClusterSizeHistogram {
        UpstreamRqBodySize "upstream_rq_body_size",
        UpstreamRqHeadersCount "upstream_rq_headers_count",
        UpstreamRqHeadersSize "upstream_rq_headers_size",
        UpstreamRsBodySize "upstream_rs_body_size",
        UpstreamRsHeadersCount "upstream_rs_headers_count",
        UpstreamRsHeadersSize "upstream_rs_headers_size",
    }
}

stats_group! {
    /// Of the time that requests used, in percent of what they had: `cluster.<name>.`
    ClusterBudgetStats (Cluster)
    ClusterBudgetStat {
    }
    ClusterBudgetHistogram {
        UpstreamRqTimeoutBudgetPerTryPercentUsed "upstream_rq_timeout_budget_per_try_percent_used",
        UpstreamRqTimeoutBudgetPercentUsed "upstream_rq_timeout_budget_percent_used",
    }
}

stats_group! {
    /// Of requests from one zone to another: `cluster.<name>.zone.<from>.<to>.`
    ZoneStats (Cluster, codes &[""])
    ZoneStat {
    }
    ZoneHistogram {
        UpstreamRqTime "upstream_rq_time" [used],
    }
}

stats_group! {
    /// Of PROXY protocol headers to the hosts of a cluster: `cluster.<name>.upstream.proxyprotocol.`
    UpstreamProxyProtocolStats (Cluster)
    UpstreamProxyProtocolStat {
        V2TlvsExceedMaxLength counter "v2_tlvs_exceed_max_length",
    }
}

stats_group! {
    /// Of connections to internal listeners: `cluster.<name>.internal_upstream.`
    InternalUpstreamStats (Cluster)
    InternalUpstreamStat {
        NoMetadata counter "no_metadata",
    }
}

stats_group! {
    /// Of all clusters: `cluster_manager.`
    ClusterManagerStats (Plain)
    ClusterManagerStat {
        ActiveClusters gauge "active_clusters",
        ClusterAdded counter "cluster_added",
        ClusterModified counter "cluster_modified",
        ClusterRemoved counter "cluster_removed",
        ClusterUpdated counter "cluster_updated",
        ClusterUpdatedViaMerge counter "cluster_updated_via_merge",
        UpdateMergeCancelled counter "update_merge_cancelled",
        UpdateOutOfMergeWindow counter "update_out_of_merge_window",
        WarmingClusters gauge "warming_clusters",
    }
}

stats_group! {
    /// Of the clusters that a thread uses: `thread_local_cluster_manager.<thread>.`
    ThreadLocalClusterStats (Worker)
    ThreadLocalClusterStat {
        ClustersInflated gauge "clusters_inflated",
    }
}

stats_group! {
    /// Of one endpoint. Not listed among the statistics, but by `/clusters`, in this order.
    EndpointStats (Plain)
    EndpointStat {
        CxActive gauge "cx_active",
        CxConnectFail counter "cx_connect_fail",
        CxTotal counter "cx_total",
        RqActive gauge "rq_active",
        RqError counter "rq_error",
        RqPendingActive gauge "rq_pending_active",
        RqSuccess counter "rq_success",
        RqTimeout counter "rq_timeout",
        RqTotal counter "rq_total",
    }
}
