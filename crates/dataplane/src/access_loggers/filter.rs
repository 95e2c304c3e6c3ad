//! Filters of access logs: which streams leave a line.
//!
//! Owns: Envoy's conditions on status, duration, flags, headers, metadata and the runtime. Does not own: how a header matches
//! (`matcher`). Follows: `config.accesslog.v3.AccessLogFilter`. A stream without a status has status 0; the duration of
//! one that still lasts is the time since its start; a stream without a request head has an empty one.

use ferryman_codec::{HeaderBlock, KnownName};

use crate::format::{FormatContext, grpc_status};
use crate::matcher::{HeaderMatcher, MetadataMatcher};
use crate::model::access_log as model;
use crate::model::runtime::FractionalPercent;
use crate::runtime::{RuntimeKey, RuntimeUInt32};
use crate::stream_info::{ResponseFlag, ResponseFlags, TimePoint};

/// A compiled filter.
pub(crate) enum LogFilter {
    StatusCode(Comparison),
    Duration(Comparison),
    /// Any of these; an empty set: any at all.
    ResponseFlag(ResponseFlags),
    Header(HeaderMatcher),
    And(Box<[LogFilter]>),
    Or(Box<[LogFilter]>),
    NotHealthCheck,
    /// Nothing is traced.
    Traceable,
    /// By number; the status counts as it is printed.
    GrpcStatus {
        statuses: Box<[u64]>,
        exclude: bool,
    },
    Metadata {
        matcher: Option<MetadataMatcher>,
        if_missing: bool,
    },
    /// A bit for each.
    LogType(u32),
    Runtime(RuntimeShare),
}

/// A number to compare with, which the runtime may set.
pub(crate) struct Comparison {
    op: model::ComparisonOp,
    value: RuntimeUInt32,
}

/// A share of all streams. The runtime may set its numerator.
pub(crate) struct RuntimeShare {
    percent: FractionalPercent,
    key: RuntimeKey,
    use_independent_randomness: bool,
}

impl RuntimeShare {
    /// The same for all that is logged of one request identifier, unless that is not wanted.
    fn takes(&self, context: &FormatContext<'_>) -> bool {
        let random = if self.use_independent_randomness { None } else { request_number(context) };
        let random = random.unwrap_or_else(|| (context.random)());
        let denominator = u64::from(self.percent.denominator.max(1));
        random % denominator < self.key.integer(self.percent.numerator.into()).min(denominator)
    }
}

/// The number that an `x-request-id` begins with: its first eight digits.
fn request_number(context: &FormatContext<'_>) -> Option<u64> {
    let digits = context.request_headers?.get(KnownName::XRequestId)?.get(..8)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

impl LogFilter {
    pub(crate) fn compile(filter: &model::LogFilter) -> Result<Self, String> {
        use model::LogFilter as Model;
        let all = |filters: &[Model]| filters.iter().map(LogFilter::compile).collect::<Result<_, _>>();
        Ok(match filter {
            Model::StatusCode { comparison } => LogFilter::StatusCode(comparison.into()),
            Model::Duration { comparison } => LogFilter::Duration(comparison.into()),
            Model::ResponseFlag { flags } => {
                let named = |name: &String| {
                    ResponseFlag::from_short(name).ok_or_else(|| format!("unknown response flag '{name}'"))
                };
                LogFilter::ResponseFlag(flags.iter().map(named).collect::<Result<_, _>>()?)
            }
            Model::Header { header } => LogFilter::Header(HeaderMatcher::compile(header)?),
            Model::And { filters } => LogFilter::And(all(filters)?),
            Model::Or { filters } => LogFilter::Or(all(filters)?),
            Model::NotHealthCheck {} => LogFilter::NotHealthCheck,
            Model::Traceable {} => LogFilter::Traceable,
            Model::GrpcStatus { statuses, exclude } => {
                LogFilter::GrpcStatus { statuses: statuses.as_slice().into(), exclude: *exclude }
            }
            Model::Metadata { matcher, if_missing } => LogFilter::Metadata {
                matcher: matcher.as_ref().map(MetadataMatcher::compile).transpose()?,
                if_missing: *if_missing,
            },
            Model::LogType { types, exclude } => {
                let bits = types.iter().filter_map(|&number| 1_u32.checked_shl(number));
                let named = bits.fold(0, |set, bit| set | bit);
                LogFilter::LogType(if *exclude { !named } else { named })
            }
            Model::Runtime { percent, runtime_key, use_independent_randomness } => {
                LogFilter::Runtime(RuntimeShare {
                    percent: *percent,
                    key: RuntimeKey::new(runtime_key),
                    use_independent_randomness: *use_independent_randomness,
                })
            }
        })
    }

    pub(crate) fn matches(&self, context: &FormatContext<'_>) -> bool {
        let stream = context.stream;
        match self {
            LogFilter::StatusCode(comparison) => {
                comparison.holds(stream.response_code.unwrap_or_default().into())
            }
            LogFilter::Duration(comparison) => {
                let lasted = stream
                    .timing
                    .get(TimePoint::RequestComplete)
                    .unwrap_or_else(|| context.now.saturating_duration_since(stream.start));
                comparison.holds(u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX))
            }
            LogFilter::ResponseFlag(any) if any.is_empty() => !stream.response_flags.is_empty(),
            LogFilter::ResponseFlag(any) => stream.response_flags.intersects(*any),
            LogFilter::Header(matcher) => match context.request_headers {
                Some(head) => matcher.matches(head),
                None => matcher.matches(&HeaderBlock::new()),
            },
            LogFilter::And(filters) => filters.iter().all(|filter| filter.matches(context)),
            LogFilter::Or(filters) => filters.iter().any(|filter| filter.matches(context)),
            LogFilter::NotHealthCheck => !stream.health_check,
            LogFilter::Traceable => false,
            LogFilter::GrpcStatus { statuses, exclude } => {
                let found = grpc_status::of_stream(context).is_some_and(|status| statuses.contains(&status));
                found != *exclude
            }
            // As in Envoy, `invert` counts for nothing here.
            LogFilter::Metadata { matcher, if_missing } => {
                let found = matcher
                    .as_ref()
                    .and_then(|matcher| Some((matcher, matcher.find(stream.dynamic_metadata.all())?)));
                found.map_or(*if_missing, |(matcher, value)| matcher.takes(value))
            }
            LogFilter::LogType(types) => types & context.access_log_type.bit() != 0,
            LogFilter::Runtime(share) => share.takes(context),
        }
    }
}

impl From<&model::Comparison> for Comparison {
    fn from(model: &model::Comparison) -> Self {
        Comparison { op: model.op, value: RuntimeUInt32::from(&model.value) }
    }
}

impl Comparison {
    fn holds(&self, value: u64) -> bool {
        let wanted = self.value.get();
        match self.op {
            model::ComparisonOp::Eq => value == wanted,
            model::ComparisonOp::Ge => value >= wanted,
            model::ComparisonOp::Le => value <= wanted,
            model::ComparisonOp::Ne => value != wanted,
        }
    }
}
