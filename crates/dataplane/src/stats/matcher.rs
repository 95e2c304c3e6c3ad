//! The statistics of matchers.
//!
//! Owns their names; follows Envoy's `envoy.extensions.matching.input_matchers.ip.v3.Ip`.

use super::declare::stats_group;

stats_group! {
    /// Of an IP matcher of a match tree: `<stat_prefix>.`
    IpMatcherStats (Plain)
    IpMatcherStat {
        IpParsingFailed counter "ip_parsing_failed",
    }
}
