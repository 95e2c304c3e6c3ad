//! The statistics of the process.
//!
//! Owns their names; follows Envoy's "Server", "File system", "Runtime", "Watchdog" and "Overload manager" pages.

use super::declare::stats_group;

stats_group! {
    /// Of the process: `server.`
    ServerStats (Plain)
    ServerStat {
        CompilationSettingsFipsMode gauge "compilation_settings.fips_mode",
        Concurrency gauge "concurrency",
        DaysUntilFirstCertExpiring gauge "days_until_first_cert_expiring",
        DebugAssertionFailures counter "debug_assertion_failures",
        DroppedStatFlushes counter "dropped_stat_flushes",
        DynamicUnknownFields counter "dynamic_unknown_fields",
        EnvoyBugFailures counter "envoy_bug_failures",
        EnvoyNotifications counter "envoy_notifications",
        HotRestartEpoch gauge "hot_restart_epoch",
        Live gauge "live",
        MemoryAllocated gauge "memory_allocated",
        MemoryHeapSize gauge "memory_heap_size",
        MemoryPhysicalSize gauge "memory_physical_size",
        ParentConnections gauge "parent_connections",
        SecondsUntilFirstOcspResponseExpiring gauge "seconds_until_first_ocsp_response_expiring",
        State gauge "state",
        StaticUnknownFields counter "static_unknown_fields",
        StatsRecentLookups gauge "stats_recent_lookups",
        TotalConnections gauge "total_connections",
        Uptime gauge "uptime",
        Version gauge "version",
        WipProtos counter "wip_protos",
    }
    ServerHistogram {
        InitializationTimeMs "initialization_time_ms",
    }
}

stats_group! {
    /// Of the watch on one thread or a kind of thread: `server.worker_<n>.`, `workers.`, …
    WatchdogStats (Worker)
    WatchdogStat {
        WatchdogMegaMiss counter "watchdog_mega_miss",
        WatchdogMiss counter "watchdog_miss",
    }
}

stats_group! {
    /// Of a thread's event loop: `server.dispatcher.`, `listener_manager.worker_<n>.dispatcher.`
    DispatcherStats (Worker)
    DispatcherStat {
    }
    DispatcherHistogram {
        LoopDurationUs "loop_duration_us",
        PollDelayUs "poll_delay_us",
    }
}

stats_group! {
    /// Of the log files: `filesystem.`
    FilesystemStats (Untagged)
    FilesystemStat {
        FlushedByTimer counter "flushed_by_timer",
        ReopenFailed counter "reopen_failed",
        WriteBuffered counter "write_buffered",
        WriteCompleted counter "write_completed",
        WriteFailed counter "write_failed",
        WriteTotalBuffered gauge "write_total_buffered",
    }
}

stats_group! {
    /// Of runtime values: `runtime.`
    RuntimeStats (Plain)
    RuntimeStat {
        AdminOverridesActive gauge "admin_overrides_active",
        DeprecatedFeatureSeenSinceProcessStart gauge "deprecated_feature_seen_since_process_start",
        DeprecatedFeatureUse counter "deprecated_feature_use",
        LoadError counter "load_error",
        LoadSuccess counter "load_success",
        NumKeys gauge "num_keys",
        NumLayers gauge "num_layers",
        OverrideDirExists counter "override_dir_exists",
        OverrideDirNotExists counter "override_dir_not_exists",
    }
}

stats_group! {
    /// Of overload actions: `envoy.overload_actions.<action>.`
    OverloadActionStats (Plain)
    OverloadActionStat {
        Count counter "count",
    }
}

stats_group! {
    /// Of the watch on resources: `overload.`
    OverloadStats (Plain)
    OverloadStat {
    }
    OverloadHistogram {
        RefreshIntervalDelay "refresh_interval_delay",
    }
}
