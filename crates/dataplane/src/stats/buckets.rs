//! The bounds below which a histogram's values are counted.
//!
//! Owns Envoy's default bounds and `stats_config.histogram_bucket_settings`: the first whose matcher takes the name
//! counts.

use super::distribution::DEFAULT_BUCKETS;
use super::number_text::write_general;
use crate::matcher::StringMatcher;
use crate::model::bootstrap::{HistogramBuckets, StatsConfig};

/// A bound of a bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// Values in its bin and below count.
    pub value: f64,
    /// As Prometheus' `le` has it.
    pub text: Vec<u8>,
}

impl Bound {
    fn new(value: f64) -> Self {
        let mut text = Vec::new();
        write_general(value, 32, &mut text);
        Self { value, text }
    }
}

/// The bounds as configured.
#[derive(Debug)]
pub struct Buckets {
    default: Vec<Bound>,
    configured: Vec<(StringMatcher, Vec<Bound>)>,
}

fn compile(settings: &HistogramBuckets) -> Option<(StringMatcher, Vec<Bound>)> {
    let matcher = StringMatcher::compile(&settings.matching).ok()?;
    let mut bounds = settings.buckets.clone();
    bounds.sort_by(f64::total_cmp);
    Some((matcher, bounds.into_iter().map(Bound::new).collect()))
}

impl Buckets {
    /// Compiles the configuration. A regular expression that does not compile was refused before it came here, and is
    /// left out.
    pub fn new(config: &StatsConfig) -> Self {
        Self {
            default: DEFAULT_BUCKETS.map(Bound::new).to_vec(),
            configured: config.histogram_buckets.iter().filter_map(compile).collect(),
        }
    }

    /// The bounds of the histogram with this name, in parts, ascending.
    pub fn of(&self, prefix: &str, name: &str) -> &[Bound] {
        if self.configured.is_empty() {
            return &self.default;
        }
        let name = format!("{prefix}{name}");
        let taken = self.configured.iter().find(|(matcher, _)| matcher.matches(name.as_bytes()));
        taken.map_or(&self.default, |(_, bounds)| bounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::matcher::StringMatcher;

    #[test]
    fn the_first_matcher_that_takes_the_name_counts() {
        let setting = |matching, buckets: &[f64]| HistogramBuckets { matching, buckets: buckets.to_vec() };
        let config = StatsConfig {
            histogram_buckets: vec![
                setting(StringMatcher::Regex { regex: "http.*time".to_owned() }, &[2.0, 1.0]),
                setting(StringMatcher::Prefix { value: "HTTP.".to_owned(), ignore_case: true }, &[3.0]),
            ],
            ..StatsConfig::default()
        };
        let buckets = Buckets::new(&config);
        let of =
            |prefix, name| -> Vec<f64> { buckets.of(prefix, name).iter().map(|bound| bound.value).collect() };
        assert_eq!(of("http.a.", "rq_time"), [1.0, 2.0]);
        assert_eq!(of("http.a.", "rq_time_ms"), [3.0]);
        assert_eq!(of("cluster.a.", "rq_time"), DEFAULT_BUCKETS);
    }
}
