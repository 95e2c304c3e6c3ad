//! What a compressor demands of a message's head, in one direction.
//!
//! Owns: length, type, and the other fields that keep a body from being compressed. Does not own: what clients want
//! (`accept_encoding`).
//! Follows Envoy's page "Compressor".

use ferryman_codec::{HeaderBlock, KnownName};

use crate::decimal;
use crate::filters::http::FilterCompileContext;
use crate::matcher::StringMatcher;
use crate::model::http_filters::compressor as model;
use crate::runtime::RuntimeFeatureFlag;
use crate::stats::{CompressorDirectionStat, CompressorDirectionStats, Scope};

/// The settings of one direction.
#[derive(Debug)]
pub(super) struct CompressorDirection {
    pub enabled: RuntimeFeatureFlag,
    min_content_length: u64,
    content_types: Vec<StringMatcher>,
    pub stats: Scope<CompressorDirectionStats>,
}

impl CompressorDirection {
    pub(super) fn compile(
        model: &model::CompressorDirection,
        context: &FilterCompileContext<'_>,
        prefix: &str,
    ) -> Result<Self, String> {
        Ok(CompressorDirection {
            enabled: RuntimeFeatureFlag::from(&model.enabled),
            min_content_length: u64::from(model.min_content_length),
            content_types: model
                .content_types
                .iter()
                .map(StringMatcher::compile)
                .collect::<Result<_, _>>()?,
            stats: context.process.registry.filter(&format!("{prefix}{}", model.stat_prefix)),
        })
    }

    /// Whether the body is long enough, as far as the head says; counts one that is not.
    pub(super) fn is_long_enough(&self, head: &HeaderBlock, worker: usize) -> bool {
        let Some(length) = head.get(KnownName::ContentLength) else { return true };
        let is_long = decimal::parse(length).is_some_and(|length| length >= self.min_content_length);
        if !is_long {
            self.stats.inc_on(worker, CompressorDirectionStat::ContentLengthTooSmall);
        }
        is_long
    }

    /// Whether the body is of a type that is compressed. One that says none is.
    pub(super) fn takes_type(&self, head: &HeaderBlock) -> bool {
        let Some(content_type) = head.get(KnownName::ContentType) else { return true };
        let media_type = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        self.content_types.iter().any(|matcher| matcher.matches(media_type))
    }
}

/// Whether a list of values, in the field of this name, has one of them.
pub(super) fn has_value(head: &HeaderBlock, name: KnownName, wanted: &[u8]) -> bool {
    let mut values = head.get_all_known(name).flat_map(|field| field.split(|&byte| byte == b','));
    values.any(|value| value.trim_ascii().eq_ignore_ascii_case(wanted))
}
