//! The statistics of HTTP filters.
//!
//! Owns their names; follows the "Statistics" sections of Envoy's pages about each filter.

use super::declare::stats_group;

stats_group! {
    /// Of the CORS filter: `http.<stat prefix>.cors.`
    CorsStats (Http)
    CorsStat {
        OriginInvalid counter "origin_invalid",
        OriginValid counter "origin_valid",
    }
}

stats_group! {
    /// Of the CSRF filter: `http.<stat prefix>.csrf.`
    CsrfStats (Http)
    CsrfStat {
        MissingSourceOrigin counter "missing_source_origin",
        RequestInvalid counter "request_invalid",
        RequestValid counter "request_valid",
    }
}

stats_group! {
    /// Of the basic authentication filter: `http.<stat prefix>.basic_auth.`
    BasicAuthStats (Http)
    BasicAuthStat {
        Allowed counter "allowed",
        Denied counter "denied",
    }
}

stats_group! {
    /// Of the health check filter: `http.<stat prefix>.health_check.`
    HealthCheckStats (Http)
    HealthCheckStat {
        CachedResponse counter "cached_response",
        Degraded counter "degraded",
        Failed counter "failed",
        FailedClusterEmpty counter "failed_cluster_empty",
        FailedClusterNotFound counter "failed_cluster_not_found",
        FailedClusterUnhealthy counter "failed_cluster_unhealthy",
        Ok counter "ok",
        RequestTotal counter "request_total",
    }
}

stats_group! {
    /// Of the fault filter: `http.<stat prefix>.fault.`
    FaultStats (Http)
    FaultStat {
        AbortsInjected counter "aborts_injected",
        ActiveFaults gauge "active_faults",
        DelaysInjected counter "delays_injected",
        FaultsOverflow counter "faults_overflow",
        ResponseRlInjected counter "response_rl_injected",
    }
}
