//! The header names that the proxy itself reads or writes, as one-byte ids.
//!
//! Owns: the list and its look-up. Does not own: names of the configuration and of traffic that are
//! not in the list (`HeaderName`, and the bytes in a `HeaderBlock`).
//! Follows: RFC 9110 section 5.1, RFC 9113 section 8.3 (pseudo-headers), Envoy's page "HTTP headers".

/// Names are grouped by length: a look-up compares with a handful of constants of one length,
/// which compile to integer comparisons, and no name is ever hashed.
macro_rules! known_names {
    (pseudo { $($pseudo:ident $pseudo_text:literal,)* } $($length:literal { $($name:ident $text:literal,)* })*) => {
        /// A header name that has an id. `Other` stands for all names that have none.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[allow(missing_docs)] // each is a header of that name
        pub enum KnownName { #[default] Other = 0, $($pseudo,)* $($($name,)*)* }

        impl KnownName {
            /// Every name but `Other`, in the order of the ids.
            pub const ALL: &'static [KnownName] = &[$(KnownName::$pseudo,)* $($(KnownName::$name,)*)*];

            /// The id of a name in lower case; `Other` when it has none.
            #[inline]
            #[must_use]
            pub fn of(lower: &[u8]) -> KnownName {
                if lower.first() == Some(&b':') {
                    return Self::of_pseudo(lower);
                }
                match lower.len() {
                    $($length => {
                        $(if lower == $text.as_bytes() { return KnownName::$name; })*
                        KnownName::Other
                    })*
                    _ => KnownName::Other,
                }
            }

            #[cold]
            fn of_pseudo(lower: &[u8]) -> KnownName {
                $(if lower == $pseudo_text.as_bytes() { return KnownName::$pseudo; })*
                KnownName::Other
            }

            /// The name in lower case; empty for `Other`.
            #[inline]
            #[must_use]
            pub fn as_str(self) -> &'static str {
                const TEXTS: &[&str] = &["", $($pseudo_text,)* $($($text,)*)*];
                TEXTS.get(usize::from(self as u8)).copied().unwrap_or("")
            }
        }
    };
}

known_names! {
    pseudo {
        Method ":method", Scheme ":scheme", Authority ":authority", Path ":path", Status ":status",
        Protocol ":protocol",
    }
    2 {
        Te "te",
        B3 "b3",
    }
    3 {
        Age "age",
        Via "via",
    }
    4 {
        Host "host",
        Date "date",
        Etag "etag",
        Vary "vary",
    }
    5 {
        Range "range",
    }
    6 {
        Accept "accept",
        Cookie "cookie",
        Expect "expect",
        Origin "origin",
        Server "server",
    }
    7 {
        AltSvc "alt-svc",
        Referer "referer",
        Trailer "trailer",
        Upgrade "upgrade",
        Baggage "baggage",
    }
    8 {
        Location "location",
        Priority "priority",
    }
    9 {
        Forwarded "forwarded",
    }
    10 {
        SetCookie "set-cookie",
        Connection "connection",
        KeepAlive "keep-alive",
        UserAgent "user-agent",
        XB3Flags "x-b3-flags",
        Tracestate "tracestate",
    }
    11 {
        RetryAfter "retry-after",
        XB3SpanId "x-b3-spanid",
        Traceparent "traceparent",
        GrpcStatus "grpc-status",
    }
    12 {
        ContentType "content-type",
        ProxyStatus "proxy-status",
        XRequestId "x-request-id",
        XB3TraceId "x-b3-traceid",
        XB3Sampled "x-b3-sampled",
        GrpcMessage "grpc-message",
        GrpcTimeout "grpc-timeout",
    }
    13 {
        CacheControl "cache-control",
        Authorization "authorization",
        IfNoneMatch "if-none-match",
        LastModified "last-modified",
        GrpcEncoding "grpc-encoding",
    }
    14 {
        ContentLength "content-length",
        SecFetchMode "sec-fetch-mode",
        Http2Settings "http2-settings",
    }
    15 {
        AcceptEncoding "accept-encoding",
        AcceptLanguage "accept-language",
        XForwardedFor "x-forwarded-for",
        XEnvoyIpTags "x-envoy-ip-tags",
    }
    16 {
        ProxyConnection "proxy-connection",
        ContentEncoding "content-encoding",
        WwwAuthenticate "www-authenticate",
        XForwardedHost "x-forwarded-host",
        XForwardedPort "x-forwarded-port",
        XEnvoyInternal "x-envoy-internal",
        XEnvoyRetryOn "x-envoy-retry-on",
        XEnvoyDegraded "x-envoy-degraded",
    }
    17 {
        TransferEncoding "transfer-encoding",
        IfModifiedSince "if-modified-since",
        XForwardedProto "x-forwarded-proto",
        XClientTraceId "x-client-trace-id",
        XB3ParentSpanId "x-b3-parentspanid",
    }
    18 {
        ProxyAuthenticate "proxy-authenticate",
        XEnvoyOverloaded "x-envoy-overloaded",
    }
    19 {
        ProxyAuthorization "proxy-authorization",
        XEnvoyMaxRetries "x-envoy-max-retries",
        XEnvoyForceTrace "x-envoy-force-trace",
        XEnvoyRatelimited "x-envoy-ratelimited",
    }
    20 {
        GrpcAcceptEncoding "grpc-accept-encoding",
        XEnvoyOriginalUrl "x-envoy-original-url",
    }
    21 {
        XEnvoyOriginalPath "x-envoy-original-path",
        XEnvoyOriginalHost "x-envoy-original-host",
        XEnvoyAttemptCount "x-envoy-attempt-count",
        XEnvoyRetryGrpcOn "x-envoy-retry-grpc-on",
    }
    23 {
        XForwardedClientCert "x-forwarded-client-cert",
        GrpcStatusDetailsBin "grpc-status-details-bin",
        XEnvoyOriginalMethod "x-envoy-original-method",
        XEnvoyUpstreamCanary "x-envoy-upstream-canary",
    }
    24 {
        XEnvoyExternalAddress "x-envoy-external-address",
        XEnvoyIsTimeoutRetry "x-envoy-is-timeout-retry",
        XEnvoyLocalOverloaded "x-envoy-local-overloaded",
    }
    25 {
        XEnvoyOriginalDstHost "x-envoy-original-dst-host",
    }
    27 {
        AccessControlAllowOrigin "access-control-allow-origin",
        XEnvoyDecoratorOperation "x-envoy-decorator-operation",
    }
    29 {
        AccessControlRequestMethod "access-control-request-method",
        XEnvoyUpstreamServiceTime "x-envoy-upstream-service-time",
    }
    30 {
        AccessControlRequestHeaders "access-control-request-headers",
        XEnvoyExpectedRqTimeoutMs "x-envoy-expected-rq-timeout-ms",
        XEnvoyUpstreamRqTimeoutMs "x-envoy-upstream-rq-timeout-ms",
        XEnvoyUpstreamAltStatName "x-envoy-upstream-alt-stat-name",
        XEnvoyRetriableStatusCodes "x-envoy-retriable-status-codes",
        XEnvoyRetriableHeaderNames "x-envoy-retriable-header-names",
    }
    31 {
        XEnvoyDownstreamServiceNode "x-envoy-downstream-service-node",
    }
    32 {
        XEnvoyHedgeOnPerTryTimeout "x-envoy-hedge-on-per-try-timeout",
    }
    34 {
        XEnvoyDownstreamServiceCluster "x-envoy-downstream-service-cluster",
    }
    35 {
        XEnvoyUpstreamStreamDurationMs "x-envoy-upstream-stream-duration-ms",
        XEnvoyImmediateHealthCheckFail "x-envoy-immediate-health-check-fail",
    }
    38 {
        XEnvoyUpstreamRqPerTryTimeoutMs "x-envoy-upstream-rq-per-try-timeout-ms",
        XEnvoyUpstreamHealthcheckedCluster "x-envoy-upstream-healthchecked-cluster",
    }
    40 {
        XEnvoyUpstreamRqTimeoutAltResponse "x-envoy-upstream-rq-timeout-alt-response",
    }
}

impl KnownName {
    /// Whether the name is a pseudo-header (`:method` and its kind).
    #[inline]
    #[must_use]
    pub fn is_pseudo(self) -> bool {
        matches!(self as u8, 1..=6)
    }

    /// The name's bit in a `HeaderBlock`'s presence set; none for `Other`.
    #[inline]
    pub(crate) fn bit(self) -> u128 {
        (1u128 << (self as u8)) & !1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_itself() {
        for &name in KnownName::ALL {
            assert_eq!(KnownName::of(name.as_str().as_bytes()), name);
            assert_eq!(name.is_pseudo(), name.as_str().starts_with(':'));
        }
        assert!(KnownName::ALL.len() < 128, "the presence set has 128 bits and Other takes one");
    }

    #[test]
    fn near_misses_are_other() {
        for miss in ["", "hos", "hosts", "Host", "x-envoy-", ":methods", ":", "xequest-id", "content-lengtx"]
        {
            assert_eq!(KnownName::of(miss.as_bytes()), KnownName::Other, "{miss}");
        }
    }
}
