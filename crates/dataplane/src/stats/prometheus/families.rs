//! Which statistics make up which metric.
//!
//! Owns the sorting of scopes into families: scopes whose tags leave the same name (all clusters) have one list of
//! metrics between them, so that only that list and each scope's tags are in memory, however many lines there are.
//! What does not fit a family stands apart, one by one: response codes, which exist only once seen, and names that
//! configured regular expressions treat in a way of their own.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::super::declare::{Kind, Table};
use super::super::rows::{self, Row, RowValue};
use super::super::scope::{Reading, ScopeData};
use super::super::tags::{Extracted, Tags};

/// What is written one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Counters,
    Gauges,
    Histograms,
}

impl Phase {
    pub const ALL: [Self; 3] = [Self::Counters, Self::Gauges, Self::Histograms];

    /// The type of numbers in this phase.
    pub fn type_name(self) -> &'static [u8] {
        if self == Self::Gauges { b"gauge" } else { b"counter" }
    }

    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Counters,
            Kind::Gauge => Self::Gauges,
        }
    }
}

/// A statistic of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    Number(usize),
    /// `upstream_rq_completed`, of all responses.
    Completed,
    Histogram(usize),
}

impl Column {
    fn all(table: &'static Table) -> impl Iterator<Item = Self> {
        let completed = table.completed;
        (0..table.numbers.len())
            .map(Self::Number)
            .chain(completed.then_some(Self::Completed))
            .chain((0..table.histograms.len()).map(Self::Histogram))
    }

    /// Behind the scope's prefix.
    pub fn name(self, table: &'static Table) -> &'static str {
        match self {
            Self::Number(index) => table.numbers.get(index).map_or("", |number| number.name),
            Self::Completed => "upstream_rq_completed",
            Self::Histogram(index) => table.histograms.get(index).map_or("", |histogram| histogram.name),
        }
    }

    fn bit(self, table: &'static Table) -> usize {
        match self {
            Self::Number(index) => index,
            Self::Completed => table.numbers.len(),
            Self::Histogram(index) => table.numbers.len() + 1 + index,
        }
    }

    fn phase(self, table: &'static Table) -> Phase {
        match self {
            Self::Number(index) => {
                table.numbers.get(index).map_or(Phase::Counters, |number| Phase::of(number.kind))
            }
            Self::Completed => Phase::Counters,
            Self::Histogram(_) => Phase::Histograms,
        }
    }
}

/// Which columns of a scope were ever written, as bits: a column for which this is false need not be looked at.
#[derive(Debug, Clone, Copy)]
pub struct Used([u64; 3]);

impl Used {
    const ALL: Self = Self([u64::MAX; 3]);

    fn of(scope: &ScopeData, readings: &mut Vec<Reading>) -> Self {
        let mut used = Self([0; 3]);
        scope.read_numbers(readings);
        for column in Column::all(scope.table) {
            let written = match column {
                Column::Number(index) => readings.get(index).is_some_and(|reading| reading.used),
                Column::Completed => scope.has_codes(),
                Column::Histogram(index) => scope.has_histogram(index),
            };
            let bit = column.bit(scope.table);
            if let Some(word) = used.0.get_mut(bit / 64).filter(|_| written) {
                *word |= 1 << (bit % 64);
            }
        }
        used
    }

    /// Whether the column may have been written.
    pub fn contains(self, column: Column, table: &'static Table) -> bool {
        let bit = column.bit(table);
        self.0.get(bit / 64).is_none_or(|word| word >> (bit % 64) & 1 == 1)
    }
}

/// A metric of a family.
#[derive(Debug)]
pub struct Metric {
    pub phase: Phase,
    /// Its name behind the family's prefix.
    pub suffix: String,
    /// Its statistics, each with the tag (and a comma) that tells it from the others: `downstream_rq_2xx`, `…_3xx`.
    pub columns: Vec<(String, Column)>,
}

/// A scope in a family.
#[derive(Debug)]
pub struct Member {
    pub scope: Arc<ScopeData>,
    pub used: Used,
    pub labels: String,
}

/// Scopes of one group, the tags of which leave the same prefix.
#[derive(Debug)]
pub struct Family {
    pub prefix: String,
    pub table: &'static Table,
    /// Sorted by suffix.
    pub metrics: Vec<Metric>,
    pub members: Vec<Member>,
}

/// What a statistic that stands apart is.
#[derive(Debug, Clone, Copy)]
pub enum Item {
    Column(Column),
    Row(RowValue),
}

/// A statistic that is in no family.
#[derive(Debug)]
pub struct Apart {
    pub metric: Rc<str>,
    pub scope: Arc<ScopeData>,
    pub item: Item,
}

/// All statistics, sorted out.
#[derive(Debug, Default)]
pub struct Plan {
    /// By prefix, group, and the columns that are not in it.
    pub families: BTreeMap<(String, &'static str, Vec<Column>), Family>,
    apart: [Vec<Apart>; 3],
    metrics: HashSet<Rc<str>>,
}

/// A statistic's tags, compared with those of its scope.
fn split<'e>(own: &'e Extracted, scope: &Extracted) -> Option<&'e str> {
    let first = own.labels.strip_suffix(scope.labels.as_str())?;
    let fits = scope.removed.iter().all(|range| own.removed.contains(range))
        && own.removed.len() <= scope.removed.len() + 1
        && (first.is_empty() == (own.removed.len() == scope.removed.len()));
    let comes_first =
        ["", "envoy_response_code", "envoy_ssl_", "cipher_suite"].iter().any(|word| match *word {
            "" => first.is_empty(),
            word => first.starts_with(word),
        });
    (fits && comes_first).then_some(first)
}

impl Plan {
    /// Sorts out all statistics of these scopes, which must be sorted by prefix; or only what was written.
    pub fn new(scopes: &[Arc<ScopeData>], tags: &Tags, used_only: bool) -> Self {
        let mut plan = Self::default();
        let (mut readings, mut values) = (Vec::new(), Vec::new());
        for scope in scopes.iter().filter(|scope| !used_only || scope.touched()) {
            let used = if used_only { Used::of(scope, &mut readings) } else { Used::ALL };
            plan.add(scope, used, tags);
            if scope.has_codes() {
                rows::collect(scope, &mut readings, &mut values);
                for value in values.iter().filter(|value| is_dynamic(value.row, scope.table)) {
                    let mut name = scope.prefix.to_string().into_bytes();
                    value.row.name().write(&mut name);
                    let metric = plan.metric(&String::from_utf8_lossy(&name), scope, tags);
                    plan.set_apart(Phase::Counters, metric, scope, Item::Row(*value));
                }
            }
        }
        for family in plan.families.values_mut() {
            // Word by word, as Envoy: `a.` comes before `a-b.`.
            family
                .members
                .sort_by(|one, other| one.scope.prefix.split('.').cmp(other.scope.prefix.split('.')));
        }
        for rows in &mut plan.apart {
            rows.sort_by(|one, other| one.metric.cmp(&other.metric));
        }
        plan
    }

    /// The statistics that stand apart, sorted by metric.
    pub fn apart(&self, phase: Phase) -> &[Apart] {
        let [counters, gauges, histograms] = &self.apart;
        match phase {
            Phase::Counters => counters,
            Phase::Gauges => gauges,
            Phase::Histograms => histograms,
        }
    }

    fn set_apart(&mut self, phase: Phase, metric: Rc<str>, scope: &Arc<ScopeData>, item: Item) {
        let [counters, gauges, histograms] = &mut self.apart;
        let rows = match phase {
            Phase::Counters => counters,
            Phase::Gauges => gauges,
            Phase::Histograms => histograms,
        };
        rows.push(Apart { metric, scope: Arc::clone(scope), item });
    }

    /// The metric of a whole name; equal ones share their text.
    fn metric(&mut self, name: &str, scope: &ScopeData, tags: &Tags) -> Rc<str> {
        let metric = tags.extract(name, scope.prefix.len(), scope.table.shape).metric(name);
        if let Some(known) = self.metrics.get(metric.as_str()) {
            return Rc::clone(known);
        }
        let metric: Rc<str> = metric.into();
        self.metrics.insert(Rc::clone(&metric));
        metric
    }

    fn add(&mut self, scope: &Arc<ScopeData>, used: Used, tags: &Tags) {
        let (prefix, table) = (&*scope.prefix, scope.table);
        let of_scope = tags.extract(prefix, prefix.len(), table.shape);
        let mut excluded = Vec::new();
        if tags.has_regex() {
            for column in Column::all(table) {
                let name = format!("{prefix}{}", column.name(table));
                let own = tags.extract(&name, prefix.len(), table.shape);
                if split(&own, &of_scope).is_none() {
                    let metric = self.metric(&name, scope, tags);
                    self.set_apart(column.phase(table), metric, scope, Item::Column(column));
                    excluded.push(column);
                }
            }
        }
        let metric_prefix = of_scope.metric(prefix);
        let member = Member { scope: Arc::clone(scope), used, labels: of_scope.labels.clone() };
        self.families
            .entry((metric_prefix.clone(), table.group, excluded))
            .or_insert_with_key(|(_, _, excluded)| {
                let metrics = metrics(scope, &of_scope, excluded, tags);
                Family { prefix: metric_prefix, table, metrics, members: Vec::new() }
            })
            .members
            .push(member);
    }
}

fn is_dynamic(row: Row, table: &Table) -> bool {
    match row {
        Row::Number(_) => false,
        Row::Completed(class) => !(class.is_empty() && table.completed),
        Row::Code(..) | Row::Hundred(..) => true,
    }
}

/// The metrics of the family that begins with this scope.
fn metrics(scope: &ScopeData, of_scope: &Extracted, excluded: &[Column], tags: &Tags) -> Vec<Metric> {
    let (prefix, table) = (&*scope.prefix, scope.table);
    let prefix_length = of_scope.metric(prefix).len();
    let mut metrics: Vec<Metric> = Vec::new();
    for column in Column::all(table).filter(|column| !excluded.contains(column)) {
        let name = format!("{prefix}{}", column.name(table));
        let own = tags.extract(&name, prefix.len(), table.shape);
        let first_label = split(&own, of_scope).unwrap_or_default().to_owned();
        let suffix = own.metric(&name).split_off(prefix_length);
        let phase = column.phase(table);
        match metrics.iter_mut().find(|metric| metric.phase == phase && metric.suffix == suffix) {
            Some(metric) => metric.columns.push((first_label, column)),
            None => metrics.push(Metric { phase, suffix, columns: vec![(first_label, column)] }),
        }
    }
    metrics.sort_by(|one, other| one.suffix.cmp(&other.suffix));
    metrics
}
