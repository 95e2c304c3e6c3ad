//! Rate limits: what a request says of itself, and the buckets that it takes tokens from by that.
//!
//! Owns: the descriptors of a request, made by the actions of routes, virtual hosts and filters. Does not own: single
//! actions (`action`), which bucket is asked (`limiter`), the buckets (`token_bucket`), nor what becomes of a request
//! without a token (`filters::http::local_ratelimit`).
//! Follows Envoy's `config.route.v3.RateLimit`.

use std::borrow::Cow;
use std::time::Instant;

use ferryman_codec::HeaderBlock;

use crate::format::{AccessLogType, FormatContext, Formatter, RouteMetadata, Unset};
use crate::model::format::Format;
use crate::model::metadata::Metadata;
use crate::model::rate_limit as model;
use crate::random::thread_random;
use crate::stream_info::{ConnectionInfo, StreamInfo};

pub mod action;
pub mod limiter;

use action::{Action, Said};

/// More hits than one request may be.
const MAX_HITS: f64 = 1e9;

/// One entry of a descriptor: its key and its value.
pub type Entry<'a> = (&'a [u8], Cow<'a, [u8]>);

/// What a request says of itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Descriptor<'a> {
    /// In the order of the actions; at least one.
    pub entries: Vec<Entry<'a>>,
    /// How many tokens it takes.
    pub hits: u64,
    /// Whether the response tells what is left; none: as the filter says.
    pub tells: Option<bool>,
}

/// What actions look at.
#[derive(Clone, Copy)]
pub struct RequestFacts<'a> {
    /// The head.
    pub request: &'a HeaderBlock,
    /// The stream.
    pub stream: &'a StreamInfo,
    /// Its connection.
    pub connection: &'a ConnectionInfo,
    /// The time.
    pub now: Instant,
    /// `node.cluster`.
    pub node_cluster: &'a str,
    /// The cluster that the route chose, if it forwards.
    pub cluster: Option<&'a str>,
    /// What the configuration says of that cluster.
    pub cluster_metadata: Option<&'a Metadata>,
    /// What it says of the route.
    pub route_metadata: RouteMetadata<'a>,
}

impl<'a> RequestFacts<'a> {
    fn format_context(&self) -> FormatContext<'a> {
        FormatContext {
            request_headers: Some(self.request),
            route_metadata: self.route_metadata,
            ..FormatContext::new(self.stream, self.connection, AccessLogType::NotSet, self.now, thread_random)
        }
    }
}

/// One compiled rate limit: it makes one descriptor, or none.
#[derive(Debug)]
pub struct RateLimit {
    stage: u32,
    /// It can be disabled, and is passed over where nobody can enable it.
    can_be_disabled: bool,
    actions: Vec<Action>,
    hits: u64,
    hits_format: Option<Formatter>,
    tells: Option<bool>,
}

/// The rate limits of a route, a virtual host or a filter.
#[derive(Debug, Default)]
pub struct RateLimits(Vec<RateLimit>);

impl RateLimits {
    /// Compiles them.
    ///
    /// # Errors
    /// What is wrong with a matcher or a format.
    pub fn compile(models: &[model::RateLimit]) -> Result<Self, String> {
        models.iter().map(RateLimit::compile).collect::<Result<_, _>>().map(RateLimits)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the descriptors of a request that those of a stage make.
    pub fn describe<'a>(&'a self, stage: u32, facts: &RequestFacts<'a>, found: &mut Vec<Descriptor<'a>>) {
        let of_stage = self.0.iter().filter(|limit| limit.stage == stage && !limit.can_be_disabled);
        found.extend(of_stage.filter_map(|limit| limit.describe(facts)));
    }
}

impl RateLimit {
    fn compile(model: &model::RateLimit) -> Result<Self, String> {
        let format = |format: &Format| Formatter::compile(format, Unset::Empty);
        Ok(RateLimit {
            stage: model.stage,
            can_be_disabled: !model.disable_key.is_empty(),
            actions: model.actions.iter().map(Action::compile).collect::<Result<_, _>>()?,
            hits: model.hits,
            hits_format: model.hits_format.as_ref().map(format).transpose()?,
            tells: model.x_ratelimit_headers,
        })
    }

    /// The descriptor of a request; none where an action has nothing to say.
    fn describe<'a>(&'a self, facts: &RequestFacts<'a>) -> Option<Descriptor<'a>> {
        let mut entries = Vec::with_capacity(self.actions.len());
        for action in &self.actions {
            match action.describe(facts) {
                Said::Entry(entry) => entries.push(entry),
                Said::Skipped => {}
                Said::Nothing => return None,
            }
        }
        let hits = match &self.hits_format {
            None => self.hits,
            Some(format) => {
                let mut text = Vec::new();
                format.write(&facts.format_context(), &mut text);
                hits(&text)?
            }
        };
        (!entries.is_empty()).then_some(Descriptor { entries, hits, tells: self.tells })
    }
}

/// A number of hits as a text; what is behind the point does not count.
fn hits(text: &[u8]) -> Option<u64> {
    let number: f64 = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
    if !(0.0..=MAX_HITS).contains(&number) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in the range above")]
    Some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::hits;

    #[test]
    fn numbers_of_hits() {
        for (text, expected) in [
            ("3", Some(3)),
            ("1.9", Some(1)),
            ("0", Some(0)),
            (" 2 ", Some(2)),
            ("1e3", Some(1000)),
            ("1000000000", Some(1_000_000_000)),
            ("1000000001", None),
            ("-1", None),
            ("nan", None),
            ("inf", None),
            ("a", None),
            ("", None),
        ] {
            assert_eq!(hits(text.as_bytes()), expected, "{text}");
        }
    }
}
