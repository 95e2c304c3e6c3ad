//! Statistics in Prometheus' text format.
//!
//! Owns `/stats/prometheus`: the order of metrics and the lines of each. Follows what Envoy prints: counters, gauges,
//! then histograms; each metric once, with one line per scope. Which statistics make up a metric is worked out in
//! `families`.

mod families;
mod protobuf;

use std::sync::Arc;

use super::buckets::Buckets;
use super::chunks::{Chunks, Stopped};
use super::declare::Presence;
use super::distribution::{Merged, QUANTILES};
use super::merge::{Merge, Source};
use super::number_text::{write_general, write_integer, write_plain};
use super::query::{HistogramBuckets, StatsQuery};
use super::scope::{Reading, ScopeData};
use super::tags::{Tags, write_metric};
use families::{Apart, Column, Family, Item, Metric, Phase, Plan};
pub use protobuf::Converter;

/// Metrics of one phase, sorted: those of a family, or those that stand apart.
enum Metrics<'p> {
    Family { family: &'p Family, metrics: Vec<&'p Metric>, at: usize },
    Apart { rows: &'p [Apart], at: usize },
}

impl Metrics<'_> {
    /// The rows apart with the current metric.
    fn apart_rows(&self) -> &[Apart] {
        let Self::Apart { rows, at } = self else { return &[] };
        let rest = rows.get(*at..).unwrap_or_default();
        rest.chunk_by(|one, other| one.metric == other.metric).next().unwrap_or_default()
    }
}

impl Source for Metrics<'_> {
    fn prefix(&self) -> &[u8] {
        match self {
            Self::Family { family, .. } => family.prefix.as_bytes(),
            Self::Apart { .. } => &[],
        }
    }

    fn open(&mut self) {}

    fn name(&self) -> Option<&[u8]> {
        match self {
            Self::Family { metrics, at, .. } => metrics.get(*at).map(|metric| metric.suffix.as_bytes()),
            Self::Apart { rows, at } => rows.get(*at).map(|row| row.metric.as_bytes()),
        }
    }

    fn advance(&mut self) {
        let apart = self.apart_rows().len();
        match self {
            Self::Family { at, .. } => *at += 1,
            Self::Apart { at, .. } => *at += apart,
        }
    }
}

/// Writes all statistics that the query wants.
///
/// # Errors
/// The reader is gone.
pub fn write(
    scopes: &[Arc<ScopeData>],
    tags: &Tags,
    buckets: &Buckets,
    query: &StatsQuery,
    chunks: &mut Chunks<'_>,
) -> Result<(), Stopped> {
    let plan = Plan::new(scopes, tags, query.used_only);
    let mut writer =
        Writer { tags, buckets, query, chunks, head: Vec::new(), scratch: Vec::new(), typed: false };
    for phase in Phase::ALL {
        let families = plan.families.values().map(|family| Metrics::Family {
            family,
            metrics: family.metrics.iter().filter(|metric| metric.phase == phase).collect(),
            at: 0,
        });
        let apart = Metrics::Apart { rows: plan.apart(phase), at: 0 };
        let mut merge = Merge::new(std::iter::once(apart).chain(families));
        loop {
            writer.typed = false;
            if !merge.step(|metrics| writer.metric(metrics, phase))? {
                break;
            }
        }
    }
    Ok(())
}

struct Writer<'w, 'c> {
    tags: &'w Tags,
    buckets: &'w Buckets,
    query: &'w StatsQuery,
    chunks: &'w mut Chunks<'c>,
    /// The metric's name.
    head: Vec<u8>,
    scratch: Vec<u8>,
    /// Whether the metric's `# TYPE` line is written.
    typed: bool,
}

/// Where a line comes from.
struct Line<'l> {
    scope: &'l ScopeData,
    /// The statistic's name behind the scope's prefix.
    name: &'l [u8],
    /// A tag that comes before the others, with its comma; or nothing.
    first_label: &'l str,
    labels: &'l str,
}

impl Writer<'_, '_> {
    fn metric(&mut self, metrics: &Metrics<'_>, phase: Phase) -> Result<(), Stopped> {
        self.head.clear();
        self.head.extend_from_slice(b"envoy_");
        write_metric(metrics.prefix(), &mut self.head);
        write_metric(metrics.name().unwrap_or_default(), &mut self.head);
        if let Metrics::Family { family, metrics, at } = metrics {
            let Some(metric) = metrics.get(*at) else { return Ok(()) };
            for member in &family.members {
                for (first_label, column) in &metric.columns {
                    if !member.used.contains(*column, family.table) {
                        continue;
                    }
                    let name = column.name(family.table).as_bytes();
                    let line = Line { scope: &member.scope, name, first_label, labels: &member.labels };
                    self.column(&line, *column, phase)?;
                }
            }
        }
        let mut name = Vec::new();
        for row in metrics.apart_rows() {
            name.clear();
            match row.item {
                Item::Column(column) => name.extend_from_slice(column.name(row.scope.table).as_bytes()),
                Item::Row(value) => value.row.name().write(&mut name),
            }
            let full = format!("{}{}", row.scope.prefix, String::from_utf8_lossy(&name));
            let labels = self.tags.extract(&full, row.scope.prefix.len(), row.scope.table.shape).labels;
            let line = Line { scope: &row.scope, name: &name, first_label: "", labels: &labels };
            match row.item {
                Item::Column(column) => self.column(&line, column, phase)?,
                Item::Row(value) => self.number(&line, value.reading, phase)?,
            }
        }
        Ok(())
    }

    fn column(&mut self, line: &Line<'_>, column: Column, phase: Phase) -> Result<(), Stopped> {
        let scope = line.scope;
        let index = match column {
            Column::Number(index) => index,
            Column::Completed => return self.number(line, completed(scope), phase),
            Column::Histogram(index) => return self.histogram(line, index),
        };
        let reading = scope.read_number(index);
        let present = match scope.table.numbers.get(index).map(|number| number.presence) {
            Some(Presence::Used) => reading.used,
            Some(Presence::After(other)) => scope.read_number(other).used,
            Some(Presence::Always) | None => true,
        };
        if present { self.number(line, reading, phase) } else { Ok(()) }
    }

    fn wants(&mut self, line: &Line<'_>, used: bool) -> bool {
        (used || !self.query.used_only)
            && line.scope.accepts(&[line.scope.prefix.as_bytes(), line.name])
            && self.query.wants_name(&[line.scope.prefix.as_bytes(), line.name], &mut self.scratch)
    }

    fn type_line(&mut self, kind: &[u8]) {
        if !self.typed {
            self.typed = true;
            for part in [b"# TYPE ", self.head.as_slice(), b" ", kind, b"\n"] {
                self.chunks.buffer.extend_from_slice(part);
            }
        }
    }

    /// `metric<suffix>{labels`, without the closing brace.
    fn line_head(&mut self, line: &Line<'_>, suffix: &[u8]) {
        let out = &mut self.chunks.buffer;
        for part in [self.head.as_slice(), suffix, b"{", line.first_label.as_bytes(), line.labels.as_bytes()]
        {
            out.extend_from_slice(part);
        }
    }

    fn number(&mut self, line: &Line<'_>, reading: Reading, phase: Phase) -> Result<(), Stopped> {
        if !self.wants(line, reading.used) {
            return Ok(());
        }
        self.type_line(phase.type_name());
        self.line_head(line, b"");
        let out = &mut self.chunks.buffer;
        out.extend_from_slice(b"} ");
        write_integer(reading.value, out);
        out.push(b'\n');
        self.chunks.cut()
    }

    fn histogram(&mut self, line: &Line<'_>, index: usize) -> Result<(), Stopped> {
        let Some(histogram) = line.scope.table.histograms.get(index) else { return Ok(()) };
        if histogram.presence != Presence::Always && !line.scope.has_histogram(index) {
            return Ok(());
        }
        let merged = line.scope.read_histogram(index);
        if !self.wants(line, !merged.cumulative.is_empty()) {
            return Ok(());
        }
        if self.query.histogram_buckets == HistogramBuckets::Summary {
            self.type_line(b"summary");
            self.summary(line, &merged);
        } else {
            self.type_line(b"histogram");
            self.buckets(line, histogram.name, &merged);
        }
        self.chunks.cut()
    }

    /// The label `name`, behind the others.
    fn last_label(&mut self, line: &Line<'_>, name: &[u8]) {
        let out = &mut self.chunks.buffer;
        if !line.labels.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(name);
        out.extend_from_slice(b"=\"");
    }

    fn buckets(&mut self, line: &Line<'_>, name: &str, merged: &Merged) {
        for bound in self.buckets.of(&line.scope.prefix, name) {
            self.line_head(line, b"_bucket");
            self.last_label(line, b"le");
            self.chunks.buffer.extend_from_slice(&bound.text);
            self.chunks.buffer.extend_from_slice(b"\"} ");
            write_integer(merged.cumulative.count_below(bound.value), &mut self.chunks.buffer);
            self.chunks.buffer.push(b'\n');
        }
        self.line_head(line, b"_bucket");
        self.last_label(line, b"le");
        self.chunks.buffer.extend_from_slice(b"+Inf\"} ");
        write_integer(merged.cumulative.count(), &mut self.chunks.buffer);
        self.chunks.buffer.push(b'\n');
        self.sum_and_count(line, merged.cumulative.sum(), merged.cumulative.count());
    }

    fn summary(&mut self, line: &Line<'_>, merged: &Merged) {
        for (quantile, value) in QUANTILES.iter().zip(merged.interval.quantiles()) {
            self.line_head(line, b"");
            self.last_label(line, b"quantile");
            write_plain(*quantile, &mut self.chunks.buffer);
            self.chunks.buffer.extend_from_slice(b"\"} ");
            write_general(value, 32, &mut self.chunks.buffer);
            self.chunks.buffer.push(b'\n');
        }
        self.sum_and_count(line, merged.interval.sum(), merged.interval.count());
    }

    fn sum_and_count(&mut self, line: &Line<'_>, sum: f64, count: u64) {
        self.line_head(line, b"_sum");
        self.chunks.buffer.extend_from_slice(b"} ");
        write_general(sum, 32, &mut self.chunks.buffer);
        self.chunks.buffer.push(b'\n');
        self.line_head(line, b"_count");
        self.chunks.buffer.extend_from_slice(b"} ");
        write_integer(count, &mut self.chunks.buffer);
        self.chunks.buffer.push(b'\n');
    }
}

/// `upstream_rq_completed`: the sum of all codes.
fn completed(scope: &ScopeData) -> Reading {
    let codes = scope.read_codes(0);
    Reading { value: codes.iter().map(|entry| entry.1).sum(), used: !codes.is_empty() }
}
