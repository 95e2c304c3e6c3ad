//! Response flags: what went out of the ordinary on a stream.
//!
//! Owns the list, the short and long names and the set. Does not own who sets which (`local_reply`, router, filters).
//! Follows Envoy's page "Access logging", `%RESPONSE_FLAGS%`; they print in the
//! order in which they were set.

macro_rules! response_flags {
    ($($flag:ident $short:literal $long:literal,)*) => {
        /// One response flag.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[allow(missing_docs)] // the long name says it
        pub enum ResponseFlag { $($flag,)* }

        impl ResponseFlag {
            /// Every flag, in the order of Envoy's list.
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

    const fn bit(self) -> u32 {
        1 << (self as u8)
    }
}

/// Flags beyond this number on one stream are kept but printed after the others, in the list's order.
const ORDERED: usize = 11;

/// A set of response flags that remembers in which order they were set, as Envoy prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct ResponseFlags {
    bits: u32,
    /// How many of `order` are used.
    count: u8,
    order: [u8; ORDERED],
}

impl ResponseFlags {
    /// Adds a flag; one that is already set keeps its place.
    pub fn insert(&mut self, flag: ResponseFlag) {
        if self.contains(flag) {
            return;
        }
        self.bits |= flag.bit();
        if let Some(place) = self.order.get_mut(usize::from(self.count)) {
            *place = flag as u8;
            self.count += 1;
        }
    }

    /// Whether the flag is set.
    #[inline]
    #[must_use]
    pub fn contains(self, flag: ResponseFlag) -> bool {
        self.bits & flag.bit() != 0
    }

    /// Whether one of `others` is set.
    #[inline]
    #[must_use]
    pub fn intersects(self, others: ResponseFlags) -> bool {
        self.bits & others.bits != 0
    }

    /// Whether none is set.
    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// The flags in the order in which they were set.
    pub fn iter(self) -> impl Iterator<Item = ResponseFlag> {
        let count = usize::from(self.count);
        let ordered = self.order.into_iter().take(count);
        let ordered = ordered.filter_map(|index| ResponseFlag::ALL.get(usize::from(index)).copied());
        let beyond = ResponseFlag::ALL.iter().copied().filter(move |flag| {
            self.contains(*flag) && !self.order.iter().take(count).any(|index| *index == *flag as u8)
        });
        ordered.chain(beyond)
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
    fn a_set_remembers_the_order() {
        use ResponseFlag::{NoRouteFound, UpstreamConnectionFailure, UpstreamRetryLimitExceeded};
        let mut set: ResponseFlags =
            [UpstreamRetryLimitExceeded, UpstreamConnectionFailure].into_iter().collect();
        set.insert(UpstreamRetryLimitExceeded);
        assert_eq!(set.iter().map(ResponseFlag::short).collect::<Vec<_>>(), ["URX", "UF"]);
        assert!(set.contains(UpstreamConnectionFailure));
        assert!(!set.intersects(ResponseFlags::from_iter([NoRouteFound])));
        assert!(set.intersects(ResponseFlags::from_iter([UpstreamRetryLimitExceeded])));
        let all: ResponseFlags = ResponseFlag::ALL.iter().rev().copied().collect();
        assert_eq!(all.iter().count(), 30);
        assert_eq!(all.iter().next(), Some(ResponseFlag::UnconditionalDropOverload));
    }
}
