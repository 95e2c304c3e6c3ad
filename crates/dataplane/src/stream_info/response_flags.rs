//! Response flags: what went out of the ordinary on a stream.
//!
//! Owns the list, the short and long names and the set. Does not own who sets which (`local_reply`, router, filters).
//! Follows Envoy's page "Access logging", `%RESPONSE_FLAGS%`; the order is the order in which Envoy prints them.

macro_rules! response_flags {
    ($($flag:ident $short:literal $long:literal,)*) => {
        /// One response flag.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[allow(missing_docs)] // the long name says it
        pub enum ResponseFlag { $($flag,)* }

        impl ResponseFlag {
            /// Every flag in the order in which it is printed.
            pub const ALL: &'static [ResponseFlag] = &[$(ResponseFlag::$flag,)*];

            /// As `%RESPONSE_FLAGS%` prints it.
            #[must_use]
            pub fn short(self) -> &'static str {
                match self { $(ResponseFlag::$flag => $short,)* }
            }

            /// As `%RESPONSE_FLAGS_LONG%` prints it.
            #[must_use]
            pub fn long(self) -> &'static str {
                match self { $(ResponseFlag::$flag => $long,)* }
            }
        }
    };
}

response_flags! {
    FailedLocalHealthCheck "LH" "FailedLocalHealthCheck",
    NoHealthyUpstream "UH" "NoHealthyUpstream",
    UpstreamRequestTimeout "UT" "UpstreamRequestTimeout",
    LocalReset "LR" "LocalReset",
    UpstreamRemoteReset "UR" "UpstreamRemoteReset",
    UpstreamConnectionFailure "UF" "UpstreamConnectionFailure",
    UpstreamConnectionTermination "UC" "UpstreamConnectionTermination",
    UpstreamOverflow "UO" "UpstreamOverflow",
    NoRouteFound "NR" "NoRouteFound",
    DelayInjected "DI" "DelayInjected",
    FaultInjected "FI" "FaultInjected",
    RateLimited "RL" "RateLimited",
    UnauthorizedExternalService "UAEX" "UnauthorizedExternalService",
    RateLimitServiceError "RLSE" "RateLimitServiceError",
    DownstreamConnectionTermination "DC" "DownstreamConnectionTermination",
    UpstreamRetryLimitExceeded "URX" "UpstreamRetryLimitExceeded",
    StreamIdleTimeout "SI" "StreamIdleTimeout",
    InvalidEnvoyRequestHeaders "IH" "InvalidEnvoyRequestHeaders",
    DownstreamProtocolError "DPE" "DownstreamProtocolError",
    UpstreamMaxStreamDurationReached "UMSDR" "UpstreamMaxStreamDurationReached",
    ResponseFromCacheFilter "RFCF" "ResponseFromCacheFilter",
    NoFilterConfigFound "NFCF" "NoFilterConfigFound",
    DurationTimeout "DT" "DurationTimeout",
    UpstreamProtocolError "UPE" "UpstreamProtocolError",
    NoClusterFound "NC" "NoClusterFound",
    OverloadManagerTerminated "OM" "OverloadManagerTerminated",
    DnsResolutionFailed "DF" "DnsResolutionFailed",
    DropOverload "DO" "DropOverload",
    DownstreamRemoteReset "DR" "DownstreamRemoteReset",
    UnconditionalDropOverload "UDO" "UnconditionalDropOverload",
}

impl ResponseFlag {
    /// The flag with this short name.
    #[must_use]
    pub fn from_short(name: &str) -> Option<ResponseFlag> {
        ResponseFlag::ALL.iter().copied().find(|flag| flag.short() == name)
    }

    const fn bit(self) -> u64 {
        1 << (self as u8)
    }
}

/// A set of response flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct ResponseFlags(u64);

impl ResponseFlags {
    /// Adds a flag.
    #[inline]
    pub fn insert(&mut self, flag: ResponseFlag) {
        self.0 |= flag.bit();
    }

    /// Takes a flag away.
    #[inline]
    pub fn remove(&mut self, flag: ResponseFlag) {
        self.0 &= !flag.bit();
    }

    /// Whether the flag is set.
    #[inline]
    #[must_use]
    pub fn contains(self, flag: ResponseFlag) -> bool {
        self.0 & flag.bit() != 0
    }

    /// Whether one of `others` is set.
    #[inline]
    #[must_use]
    pub fn intersects(self, others: ResponseFlags) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether none is set.
    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The flags that are set, in the order in which they are printed.
    pub fn iter(self) -> impl Iterator<Item = ResponseFlag> {
        ResponseFlag::ALL.iter().copied().filter(move |flag| self.contains(*flag))
    }
}

impl FromIterator<ResponseFlag> for ResponseFlags {
    fn from_iter<I: IntoIterator<Item = ResponseFlag>>(flags: I) -> Self {
        let mut set = ResponseFlags::default();
        for flag in flags {
            set.insert(flag);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thirty_flags_have_distinct_names() {
        assert_eq!(ResponseFlag::ALL.len(), 30);
        for flag in ResponseFlag::ALL {
            assert_eq!(ResponseFlag::from_short(flag.short()), Some(*flag));
        }
        let longs: std::collections::HashSet<_> = ResponseFlag::ALL.iter().map(|flag| flag.long()).collect();
        assert_eq!(longs.len(), 30);
        assert_eq!(ResponseFlag::from_short("XX"), None);
    }

    #[test]
    fn a_set_is_printed_in_envoys_order() {
        let mut set: ResponseFlags =
            [ResponseFlag::UpstreamRetryLimitExceeded, ResponseFlag::UpstreamConnectionFailure]
                .into_iter()
                .collect();
        assert_eq!(set.iter().map(ResponseFlag::short).collect::<Vec<_>>(), ["UF", "URX"]);
        assert!(set.contains(ResponseFlag::UpstreamConnectionFailure));
        set.remove(ResponseFlag::UpstreamConnectionFailure);
        assert!(!set.contains(ResponseFlag::UpstreamConnectionFailure));
        assert!(!set.intersects(ResponseFlags::from_iter([ResponseFlag::NoRouteFound])));
        assert!(set.intersects(ResponseFlags::from_iter([ResponseFlag::UpstreamRetryLimitExceeded])));
    }
}
