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
    /// Of the local rate limit filters with one stat prefix: `<stat prefix>.http_local_rate_limit.`
    HttpRateLimitStats (HttpRateLimit)
    HttpRateLimitStat {
        Enabled counter "enabled",
        Enforced counter "enforced",
        Ok counter "ok",
        RateLimited counter "rate_limited",
        ShadowMode counter "shadow_mode",
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

stats_group! {
    /// Of the compressor filter: `http.<stat prefix>.compressor.<library name>.<library>.`
    CompressorStats (Http)
    CompressorStat {
        HeaderCompressorOvershadowed counter "header_compressor_overshadowed",
        HeaderCompressorUsed counter "header_compressor_used",
        HeaderIdentity counter "header_identity",
        HeaderNotValid counter "header_not_valid",
        HeaderWildcard counter "header_wildcard",
        NoAcceptHeader counter "no_accept_header",
        NotCompressedEtag counter "not_compressed_etag",
    }
}

stats_group! {
    /// Of one direction of the compressor filter, behind the same prefix: `request.`, `response.`, or nothing.
    CompressorDirectionStats (Http)
    CompressorDirectionStat {
        Compressed counter "compressed",
        ContentLengthTooSmall counter "content_length_too_small",
        NotCompressed counter "not_compressed",
        TotalCompressedBytes counter "total_compressed_bytes",
        TotalUncompressedBytes counter "total_uncompressed_bytes",
    }
}

stats_group! {
    /// Of one direction of the decompressor filter:
    /// `http.<stat prefix>.decompressor.<library name>.<library>.<direction>.`
    DecompressorStats (Http)
    DecompressorStat {
        Decompressed counter "decompressed",
        NotDecompressed counter "not_decompressed",
        TotalCompressedBytes counter "total_compressed_bytes",
        TotalUncompressedBytes counter "total_uncompressed_bytes",
    }
}

stats_group! {
    /// Of decompressing gzip: `http.<stat prefix>.decompressor.<library name>.gzip.decompressor_library.`
    ZlibDecompressorStats (Http)
    ZlibDecompressorStat {
        ZlibErrno counter "zlib_errno",
        ZlibStreamError counter "zlib_stream_error",
        ZlibDataError counter "zlib_data_error",
        ZlibMemError counter "zlib_mem_error",
        ZlibBufError counter "zlib_buf_error",
        ZlibVersionError counter "zlib_version_error",
    }
}

stats_group! {
    /// Of decompressing brotli: `http.<stat prefix>.decompressor.<library name>.brotli.decompressor_library.`
    BrotliDecompressorStats (Http)
    BrotliDecompressorStat {
        BrotliError counter "brotli_error",
        BrotliOutputOverflow counter "brotli_output_overflow",
        BrotliRedundantInput counter "brotli_redundant_input",
    }
}

stats_group! {
    /// Of decompressing zstd: `http.<stat prefix>.decompressor.<library name>.zstd.decompressor_library.`
    ZstdDecompressorStats (Http)
    ZstdDecompressorStat {
        ZstdGenericError counter "zstd_generic_error",
        ZstdDictionaryError counter "zstd_dictionary_error",
        ZstdChecksumWrongError counter "zstd_checksum_wrong_error",
        ZstdMemoryError counter "zstd_memory_error",
    }
}
