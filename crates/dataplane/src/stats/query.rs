//! What one wants to see of the statistics: the parameters of `/stats`.
//!
//! Owns their meaning, defaults and error texts, which are Envoy's. Does not own decoding a URL.

use regex::bytes::Regex;

use super::declare::Kind;
use crate::matcher::compile_search_regex;

/// How a page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines of `name: value`.
    Text,
    /// One JSON object.
    Json,
    /// The text in a page with a form.
    Html,
    /// Prometheus' text format.
    Prometheus,
}

/// What is shown of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistogramBuckets {
    /// Quantiles.
    Summary,
    /// How many values are below each bound.
    Cumulative,
    /// How many values are between each bound and the one before.
    Disjoint,
    /// Every bin, and quantiles.
    Detailed,
}

/// Which kinds of statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatType {
    /// All.
    All,
    /// Counters.
    Counters,
    /// Gauges.
    Gauges,
    /// Histograms.
    Histograms,
    /// Text readouts, of which there are none.
    TextReadouts,
}

/// The parameters of a page of statistics.
#[derive(Debug, Clone)]
pub struct StatsQuery {
    /// `usedonly`: only what was written at least once.
    pub used_only: bool,
    /// `filter`: the name must match, anywhere.
    pub filter: Option<Regex>,
    /// `invert_filter`: the name must not match.
    pub invert_filter: bool,
    /// `type`
    pub stat_type: StatType,
    /// `format`
    pub format: Format,
    /// Prometheus' metrics as protobuf: `prom_protobuf`, or what the client accepts.
    pub protobuf: bool,
    /// `histogram_buckets`
    pub histogram_buckets: HistogramBuckets,
}

impl StatsQuery {
    /// Reads the parameters; `first` yields the first value of one. `prometheus`: the path is `/stats/prometheus`.
    ///
    /// # Errors
    /// The text of a 400.
    pub fn parse<'a>(prometheus: bool, first: impl Fn(&str) -> Option<&'a str>) -> Result<Self, String> {
        let filled = |name| first(name).filter(|value| !value.is_empty());
        let format = match filled("format") {
            _ if prometheus => Format::Prometheus,
            None | Some("text") => Format::Text,
            Some("json") => Format::Json,
            Some("html" | "active-html") => Format::Html,
            Some("prometheus") => Format::Prometheus,
            Some(_) => {
                return Err("usage: /stats?format=(html|active-html|json|prometheus|text)\n\n".to_owned());
            }
        };
        let stat_type = match filled("type") {
            None | Some("All") => StatType::All,
            Some("Counters") => StatType::Counters,
            Some("Gauges") => StatType::Gauges,
            Some("Histograms") => StatType::Histograms,
            Some("TextReadouts") => StatType::TextReadouts,
            Some(_) => return Err("invalid &type= param".to_owned()),
        };
        let filter = match filled("filter") {
            None => None,
            Some(pattern) => {
                let regex = compile_search_regex(pattern).map_err(|error| {
                    let said = format!("invalid regex '{pattern}': ");
                    format!("Invalid re2 regex: {}", error.strip_prefix(&said).unwrap_or(&error))
                })?;
                Some(regex)
            }
        };
        let hidden_only = match filled("hidden") {
            None | Some("include" | "exclude") => false,
            Some("only") => true,
            Some(_) => return Err("usage: /stats?hidden=(include|only|exclude)\n\n".to_owned()),
        };
        Ok(Self {
            used_only: first("usedonly").is_some(),
            // No statistic is hidden.
            filter: if hidden_only { Some(compile_search_regex("[^\\s\\S]")?) } else { filter },
            invert_filter: first("invert_filter").is_some() && !hidden_only,
            stat_type,
            format,
            protobuf: first("prom_protobuf").is_some(),
            histogram_buckets: histogram_buckets(format, filled("histogram_buckets"))?,
        })
    }

    /// Whether a name is wanted, given in parts.
    pub fn wants_name(&self, parts: &[&[u8]], scratch: &mut Vec<u8>) -> bool {
        let Some(filter) = &self.filter else { return true };
        scratch.clear();
        parts.iter().for_each(|part| scratch.extend_from_slice(part));
        filter.is_match(scratch) != self.invert_filter
    }

    /// Whether counters or gauges are wanted. Prometheus does not look at `type`.
    pub fn wants_kind(&self, kind: Kind) -> bool {
        match self.stat_type {
            _ if self.format == Format::Prometheus => true,
            StatType::All => true,
            StatType::Counters => kind == Kind::Counter,
            StatType::Gauges => kind == Kind::Gauge,
            StatType::Histograms | StatType::TextReadouts => false,
        }
    }

    /// Whether histograms are wanted. Prometheus does not look at `type`.
    pub fn wants_histograms(&self) -> bool {
        self.format == Format::Prometheus || matches!(self.stat_type, StatType::All | StatType::Histograms)
    }
}

fn histogram_buckets(format: Format, value: Option<&str>) -> Result<HistogramBuckets, String> {
    let prometheus = format == Format::Prometheus;
    match value {
        None if prometheus => Ok(HistogramBuckets::Cumulative),
        None | Some("none" | "summary") => Ok(HistogramBuckets::Summary),
        Some("cumulative") => Ok(HistogramBuckets::Cumulative),
        Some("disjoint" | "detailed") if prometheus => {
            Err("unsupported prometheus histogram bucket mode".to_owned())
        }
        Some("disjoint") => Ok(HistogramBuckets::Disjoint),
        Some("detailed") => Ok(HistogramBuckets::Detailed),
        Some("prometheusnative") if prometheus => {
            Err("unsupported prometheusnative histogram type when not using protobuf exposition format"
                .to_owned())
        }
        Some("prometheusnative") => {
            Err("Invalid histogram_buckets type for non prometheus stats type".to_owned())
        }
        Some(_) => Err(concat!(
            "usage: /stats?histogram_buckets=",
            "(cumulative|disjoint|detailed|summary|prometheusnative)\n"
        )
        .to_owned()),
    }
}
