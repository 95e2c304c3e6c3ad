//! The bounds below which a histogram's values are counted.
//!
//! Owns Envoy's default bounds and `stats_config.histogram_bucket_settings`: the first whose matcher takes the name
//! counts.

use regex::Regex;

use super::distribution::DEFAULT_BUCKETS;
use super::number_text::write_general;
use crate::model::bootstrap::{HistogramBuckets, StatsConfig};
use crate::model::matcher::StringMatcher;

#[derive(Debug)]
enum Matcher {
    Plain(StringMatcher),
    Regex(Regex),
}

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
    configured: Vec<(Matcher, Vec<Bound>)>,
}

fn compile(settings: &HistogramBuckets) -> Option<(Matcher, Vec<Bound>)> {
    let matcher = match &settings.matching {
        StringMatcher::Regex { regex } => Matcher::Regex(Regex::new(&format!("^(?:{regex})$")).ok()?),
        plain => Matcher::Plain(plain.clone()),
    };
    let mut bounds = settings.buckets.clone();
    bounds.sort_by(f64::total_cmp);
    Some((matcher, bounds.into_iter().map(Bound::new).collect()))
}

impl Matcher {
    fn takes(&self, name: &str) -> bool {
        let folded = |text: &str, ignore_case: bool| {
            if ignore_case { text.to_ascii_lowercase() } else { text.to_owned() }
        };
        match self {
            Self::Regex(regex) => regex.is_match(name),
            Self::Plain(StringMatcher::Exact { value, ignore_case }) => {
                folded(name, *ignore_case) == folded(value, *ignore_case)
            }
            Self::Plain(StringMatcher::Prefix { value, ignore_case }) => {
                folded(name, *ignore_case).starts_with(&folded(value, *ignore_case))
            }
            Self::Plain(StringMatcher::Suffix { value, ignore_case }) => {
                folded(name, *ignore_case).ends_with(&folded(value, *ignore_case))
            }
            Self::Plain(StringMatcher::Contains { value, ignore_case }) => {
                folded(name, *ignore_case).contains(&folded(value, *ignore_case))
            }
            Self::Plain(StringMatcher::Regex { .. }) => false,
        }
    }
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
        let taken = self.configured.iter().find(|(matcher, _)| matcher.takes(&name));
        taken.map_or(&self.default, |(_, bounds)| bounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_matcher_that_takes_the_name_counts() {
        let setting = |matching, buckets: &[f64]| HistogramBuckets { matching, buckets: buckets.to_vec() };
        let config = StatsConfig {
            tags: Vec::new(),
            use_all_default_tags: true,
            histogram_buckets: vec![
                setting(StringMatcher::Regex { regex: "http.*time".to_owned() }, &[2.0, 1.0]),
                setting(StringMatcher::Prefix { value: "HTTP.".to_owned(), ignore_case: true }, &[3.0]),
            ],
        };
        let buckets = Buckets::new(&config);
        let of =
            |prefix, name| -> Vec<f64> { buckets.of(prefix, name).iter().map(|bound| bound.value).collect() };
        assert_eq!(of("http.a.", "rq_time"), [1.0, 2.0]);
        assert_eq!(of("http.a.", "rq_time_ms"), [3.0]);
        assert_eq!(of("cluster.a.", "rq_time"), DEFAULT_BUCKETS);
    }
}
