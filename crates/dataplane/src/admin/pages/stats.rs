//! `/stats` and `/stats/prometheus`.
//!
//! Owns their parameters; formats are in `crate::stats`.

use std::sync::Arc;

use super::{Context, Page};
use crate::admin::response::{HTML, JSON, PROTOBUF, Response, TEXT};
use crate::stats::{Format, StatsQuery};

/// A kind of histogram that only protobuf has.
const NATIVE: &str = "prometheusnative";

pub const PAGES: &[Page] = &[
    Page {
        path: "/stats",
        post: false,
        help: "print server stats",
        parameters: &[
            ("usedonly", "Only include stats that have been written by system since restart"),
            ("filter", "Regular expression (Google re2) for filtering stats"),
            ("invert_filter", "Invert the filter regex"),
            ("format", "Format to use; One of (html, active-html, text, json)"),
            ("type", "Stat types to include.; One of (All, Counters, Histograms, Gauges, TextReadouts)"),
            (
                "histogram_buckets",
                "Histogram bucket display mode; One of (cumulative, disjoint, detailed, summary)",
            ),
        ],
        answer: |context| write(context, false),
    },
    Page {
        path: "/stats/prometheus",
        post: false,
        help: "print server stats in prometheus format",
        parameters: &[
            ("usedonly", "Only include stats that have been written by system since restart"),
            (
                "text_readouts",
                "Render text_readouts as new gaugues with value 0 (increases Prometheus data size)",
            ),
            ("filter", "Regular expression (Google re2) for filtering stats"),
            ("invert_filter", "Invert the filter regex"),
            ("histogram_buckets", "Histogram bucket display mode; One of (cumulative, summary)"),
        ],
        answer: |context| write(context, true),
    },
];

fn write(context: &Context<'_>, prometheus: bool) -> Response {
    let accepts_protobuf = context.request.accepted == "application/vnd.google.protobuf";
    let mut query = match StatsQuery::parse(prometheus, |name| context.request.parameters.first(name)) {
        Ok(query) => query,
        Err(_)
            if accepts_protobuf && context.request.parameters.first("histogram_buckets") == Some(NATIVE) =>
        {
            return Response::text(400, "native histograms are not built\n");
        }
        Err(text) => return Response::text(400, text),
    };
    query.protobuf |= accepts_protobuf;
    context.state.refresh_stats();
    let content_type = match query.format {
        Format::Prometheus if query.protobuf => PROTOBUF,
        Format::Text | Format::Prometheus => TEXT,
        Format::Json => JSON,
        Format::Html => HTML,
    };
    let registry = Arc::clone(context.registry);
    Response::long(content_type, move |chunks| registry.write(&query, chunks))
}
