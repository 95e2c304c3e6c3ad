//! The statistics one by one, sorted by name: what text, JSON and HTML have in common.
//!
//! Owns the walk over all scopes and what is left out of it. Does not own formats: those are `Render`s.

use std::sync::Arc;

use super::buckets::{Bound, Buckets};
use super::chunks::{Chunks, Stopped};
use super::declare::Presence;
use super::distribution::Merged;
use super::endpoints::{self, ListedEndpoints};
use super::merge::{Merge, Source};
use super::query::{HistogramBuckets, StatsQuery};
use super::rows::{self, RowValue};
use super::scope::ScopeData;

/// A histogram as a page shows it.
#[derive(Debug)]
pub struct HistogramView<'a> {
    /// The merged values.
    pub merged: &'a Merged,
    /// The bounds of its buckets.
    pub bounds: &'a [Bound],
    /// What to show.
    pub show: HistogramBuckets,
}

/// A format.
pub trait Render {
    /// What comes first.
    fn begin(&mut self, out: &mut Vec<u8>);
    /// A counter or gauge; the name in parts.
    fn number(&mut self, name: &[&[u8]], value: u64, out: &mut Vec<u8>);
    /// A histogram; the name in parts. These come after all numbers.
    fn histogram(&mut self, name: &[&[u8]], histogram: &HistogramView<'_>, out: &mut Vec<u8>);
    /// What comes last.
    fn end(&mut self, out: &mut Vec<u8>);
}

/// The rows of one scope.
struct Numbers {
    scope: Arc<ScopeData>,
    rows: std::vec::IntoIter<RowValue>,
    name: Vec<u8>,
    used_only: bool,
}

impl Numbers {
    fn take_name(&mut self) {
        self.name.clear();
        if let Some(row) = self.rows.as_slice().first() {
            row.row.name().write(&mut self.name);
        }
    }
}

impl Source for Numbers {
    fn prefix(&self) -> &[u8] {
        self.scope.prefix.as_bytes()
    }

    fn open(&mut self) {
        let (mut readings, mut rows) = (Vec::new(), Vec::new());
        rows::collect(&self.scope, &mut readings, &mut rows);
        rows.retain(|row| row.reading.used || !self.used_only);
        self.rows = rows.into_iter();
        self.take_name();
    }

    fn name(&self) -> Option<&[u8]> {
        self.rows.as_slice().first().map(|_| self.name.as_slice())
    }

    fn advance(&mut self) {
        self.rows.next();
        self.take_name();
    }
}

/// The histograms of one scope.
struct Histograms {
    scope: Arc<ScopeData>,
    at: usize,
}

impl Histograms {
    fn skip_absent(&mut self) {
        let names = self.scope.table.histograms;
        let absent = |at: usize| {
            names
                .get(at)
                .is_some_and(|name| name.presence != Presence::Always && !self.scope.has_histogram(at))
        };
        let mut at = self.at;
        while absent(at) {
            at += 1;
        }
        self.at = at;
    }
}

impl Source for Histograms {
    fn prefix(&self) -> &[u8] {
        self.scope.prefix.as_bytes()
    }

    fn open(&mut self) {
        self.skip_absent();
    }

    fn name(&self) -> Option<&[u8]> {
        self.scope.table.histograms.get(self.at).map(|histogram| histogram.name.as_bytes())
    }

    fn advance(&mut self) {
        self.at += 1;
        self.skip_absent();
    }
}

/// Writes all statistics that the query wants.
///
/// # Errors
/// The reader is gone.
pub fn write(
    scopes: &[Arc<ScopeData>],
    endpoints: &[Arc<ListedEndpoints>],
    buckets: &Buckets,
    query: &StatsQuery,
    render: &mut dyn Render,
    chunks: &mut Chunks<'_>,
) -> Result<(), Stopped> {
    render.begin(&mut chunks.buffer);
    write_numbers(scopes, query, render, chunks)?;
    endpoints::write(endpoints, query, render, chunks)?;
    if query.wants_histograms() {
        write_histograms(scopes, buckets, query, render, chunks)?;
    }
    render.end(&mut chunks.buffer);
    Ok(())
}

fn write_numbers(
    scopes: &[Arc<ScopeData>],
    query: &StatsQuery,
    render: &mut dyn Render,
    chunks: &mut Chunks<'_>,
) -> Result<(), Stopped> {
    let mut scratch = Vec::new();
    let mut visit = |source: &Numbers| {
        let Some(RowValue { row, reading }) = source.rows.as_slice().first().copied() else {
            return Ok(());
        };
        let parts = [source.prefix(), source.name.as_slice()];
        if query.wants_kind(row.kind())
            && source.scope.accepts(&parts)
            && query.wants_name(&parts, &mut scratch)
        {
            render.number(&parts, reading.value, &mut chunks.buffer);
            chunks.cut()?;
        }
        Ok(())
    };
    let wanted = scopes.iter().filter(|scope| !query.used_only || scope.touched());
    let mut merge = Merge::new(wanted.map(|scope| Numbers {
        scope: Arc::clone(scope),
        rows: Vec::new().into_iter(),
        name: Vec::new(),
        used_only: query.used_only,
    }));
    while merge.step(&mut visit)? {}
    Ok(())
}

fn write_histograms(
    scopes: &[Arc<ScopeData>],
    buckets: &Buckets,
    query: &StatsQuery,
    render: &mut dyn Render,
    chunks: &mut Chunks<'_>,
) -> Result<(), Stopped> {
    let mut scratch = Vec::new();
    let mut visit = |source: &Histograms| {
        let Some(name) = source.scope.table.histograms.get(source.at).map(|histogram| histogram.name) else {
            return Ok(());
        };
        let merged = source.scope.read_histogram(source.at);
        let parts = [source.prefix(), name.as_bytes()];
        if (query.used_only && merged.cumulative.is_empty())
            || !source.scope.accepts(&parts)
            || !query.wants_name(&parts, &mut scratch)
        {
            return Ok(());
        }
        let bounds = buckets.of(&source.scope.prefix, name);
        let view = HistogramView { merged: &merged, bounds, show: query.histogram_buckets };
        render.histogram(&parts, &view, &mut chunks.buffer);
        chunks.cut()
    };
    let with_histograms = scopes.iter().filter(|scope| !scope.table.histograms.is_empty());
    let mut merge = Merge::new(with_histograms.map(|scope| Histograms { scope: Arc::clone(scope), at: 0 }));
    while merge.step(&mut visit)? {}
    Ok(())
}
