//! A scope: the numbers of one cluster, listener, stat prefix… and each worker's share of them.
//!
//! Owns where the numbers live and how they are written. A worker owns a block of plain cells per scope, made on its
//! first write, and is the only one to write there, so a write is a load, an add and a store. Whoever reads sums the
//! blocks. What the control side sets once in a while (membership, versions, what `/reset_counters` takes away) goes to
//! a short list under a lock, so that a cluster without traffic has no block at all. Does not print anything.
//!
//! A cell holds `value << 1 | used`, in two's complement: "used" is Envoy's "written at least once", and costs no
//! second store.

use std::cell::OnceCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::declare::{Group, Kind, Stat, Table};
use super::distribution::{Bins, Merged};
use super::histogram::LocalHistogram;
use super::response_codes::{CLASSES, LocalCodes, ResponseClass};
use super::samples::SampleQueue;
use super::stats_matcher::StatsMatcher;

/// What one worker writes for one scope.
#[derive(Debug)]
struct Block {
    numbers: Arc<[AtomicU64]>,
    histograms: Arc<[OnceLock<Box<LocalHistogram>>]>,
    codes: Arc<[OnceLock<Box<LocalCodes>>; CLASSES]>,
}

/// What the control side wrote, and what was merged: short, under a lock.
#[derive(Debug, Default)]
struct Sparse {
    numbers: Vec<(usize, u64)>,
    codes: Vec<(usize, u16, u64)>,
    merged: Vec<Merged>,
}

impl Sparse {
    fn update(&mut self, index: usize, change: impl Fn(u64) -> u64) {
        match self.numbers.iter_mut().find(|entry| entry.0 == index) {
            Some(entry) => entry.1 = change(entry.1),
            None => self.numbers.push((index, change(0))),
        }
    }
}

/// A scope without its type: what the registry keeps and the pages read.
#[derive(Debug)]
pub struct ScopeData {
    /// The names of its numbers.
    pub table: &'static Table,
    /// What precedes each name, with the dot at the end; already in Envoy's form (`:` is `_`).
    pub prefix: Arc<str>,
    workers: usize,
    /// Which of its statistics there are; none: all.
    matcher: Option<Arc<StatsMatcher>>,
    /// Whether what counts traffic is listed only once there was some.
    deferred: bool,
    /// Where single values of histograms go, if anybody wants them.
    samples: Option<Arc<SampleQueue>>,
    blocks: OnceLock<Box<[OnceLock<Block>]>>,
    sparse: Mutex<Sparse>,
}

/// A number as read: its value and whether it was ever written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// The sum over workers; a gauge that is for a moment below 0 reads 0.
    pub value: u64,
    /// Written at least once.
    pub used: bool,
}

const USED: u64 = 1;

impl ScopeData {
    pub(super) fn new(table: &'static Table, prefix: Arc<str>, workers: usize) -> Self {
        Self {
            table,
            prefix,
            workers,
            matcher: None,
            deferred: false,
            samples: None,
            blocks: OnceLock::new(),
            sparse: Mutex::default(),
        }
    }

    /// Has only those statistics that the matcher accepts.
    pub(super) fn matching(self, matcher: Option<Arc<StatsMatcher>>) -> Self {
        Self { matcher, ..self }
    }

    /// Queues the single values of histograms.
    pub(super) fn sampled(self, samples: Option<Arc<SampleQueue>>) -> Self {
        Self { samples, ..self }
    }

    /// Lists what counts traffic only once there was some.
    pub(super) fn deferred(self, deferred: bool) -> Self {
        Self { deferred, ..self }
    }

    /// Whether there is a statistic of this name, which begins with the scope's prefix; given in parts.
    pub fn accepts(&self, name: &[&[u8]]) -> bool {
        let is_untouched = self.deferred && self.written().next().is_none();
        if is_untouched && name.get(1).is_some_and(|name| is_of_traffic(name)) {
            return false;
        }
        self.matcher.as_ref().is_none_or(|matcher| matcher.accepts(name))
    }

    fn sparse(&self) -> MutexGuard<'_, Sparse> {
        self.sparse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn block(&self, worker: usize) -> Option<&Block> {
        let blocks = self.blocks.get_or_init(|| (0..self.workers).map(|_| OnceLock::new()).collect());
        blocks.get(worker).map(|slot| {
            slot.get_or_init(|| Block {
                numbers: self.table.numbers.iter().map(|_| AtomicU64::new(0)).collect(),
                histograms: self.table.histograms.iter().map(|_| OnceLock::new()).collect(),
                codes: Arc::default(),
            })
        })
    }

    fn written(&self) -> impl Iterator<Item = &Block> {
        self.blocks.get().into_iter().flatten().filter_map(OnceLock::get)
    }

    /// Whether anything was ever written; a scope of which this is false has no memory to read.
    pub fn touched(&self) -> bool {
        self.written().next().is_some() || !self.sparse().numbers.is_empty()
    }

    /// All numbers, in the order of the table, into `readings`.
    pub fn read_numbers(&self, readings: &mut Vec<Reading>) {
        readings.clear();
        readings.resize(self.table.numbers.len(), Reading::default());
        let mut add = |index: usize, cell: u64| {
            if let Some(reading) = readings.get_mut(index) {
                reading.value = reading.value.wrapping_add(cell & !USED);
                reading.used |= cell & USED != 0;
            }
        };
        for block in self.written() {
            for (index, cell) in block.numbers.iter().enumerate() {
                add(index, cell.load(Ordering::Relaxed));
            }
        }
        for (index, cell) in &self.sparse().numbers {
            add(*index, *cell);
        }
        readings.iter_mut().for_each(|reading| reading.value = to_value(reading.value));
    }

    /// One number.
    pub fn read_number(&self, index: usize) -> Reading {
        let cells = self.written().filter_map(|block| block.numbers.get(index));
        let mut sum = 0_u64;
        let mut used = 0;
        for cell in cells.map(|cell| cell.load(Ordering::Relaxed)) {
            sum = sum.wrapping_add(cell & !USED);
            used |= cell & USED;
        }
        for (_, cell) in self.sparse().numbers.iter().filter(|(at, _)| *at == index) {
            sum = sum.wrapping_add(cell & !USED);
            used |= cell & USED;
        }
        Reading { value: to_value(sum), used: used != 0 }
    }

    /// Whether a response was ever counted.
    pub fn has_codes(&self) -> bool {
        self.written().flat_map(|block| block.codes.iter()).any(|slot| slot.get().is_some())
    }

    /// The codes of one class that were seen, ascending, each with its count.
    pub fn read_codes(&self, class: usize) -> Vec<(u16, u64)> {
        let mut codes: Vec<(u16, u64)> = Vec::new();
        let mut add = |code: u16, count: u64| match codes.binary_search_by_key(&code, |entry| entry.0) {
            Ok(at) => {
                codes.iter_mut().skip(at).take(1).for_each(|entry| entry.1 = entry.1.wrapping_add(count))
            }
            Err(at) => codes.insert(at, (code, count)),
        };
        for local in self.written().filter_map(|block| block.codes.get(class)).filter_map(OnceLock::get) {
            local.each(&mut add);
        }
        for (_, code, cell) in self.sparse().codes.iter().filter(|entry| entry.0 == class) {
            add(*code, *cell);
        }
        codes
    }

    /// Whether a histogram was ever recorded into, merged or not.
    pub fn has_histogram(&self, index: usize) -> bool {
        self.written().filter_map(|block| block.histograms.get(index)).any(|slot| slot.get().is_some())
    }

    /// The merged histogram: what was recorded in the last interval and since the start.
    pub fn read_histogram(&self, index: usize) -> Merged {
        self.sparse().merged.get(index).cloned().unwrap_or_default()
    }

    /// Makes what was recorded since the last call readable, as Envoy does at each `stats_flush_interval`.
    pub(super) fn merge_histograms(&self) {
        let mut sparse = self.sparse();
        for index in 0..self.table.histograms.len() {
            let mut total = Bins::default();
            for local in
                self.written().filter_map(|block| block.histograms.get(index)).filter_map(OnceLock::get)
            {
                local.each(|bin, count| total.add(bin, count));
            }
            if total.is_empty() {
                continue;
            }
            if sparse.merged.len() < self.table.histograms.len() {
                sparse.merged.resize_with(self.table.histograms.len(), Merged::default);
            }
            if let Some(merged) = sparse.merged.get_mut(index) {
                merged.advance(total);
            }
        }
    }

    /// Sets all counters to 0, keeping "used"; workers go on writing meanwhile and lose nothing.
    pub(super) fn reset_counters(&self) {
        for (index, number) in self.table.numbers.iter().enumerate() {
            if number.kind == Kind::Counter {
                self.adjust(index, self.read_number(index).value.wrapping_neg());
            }
        }
        for class in 0..self.table.codes.len() {
            let seen = self.read_codes(class);
            let mut sparse = self.sparse();
            for (code, count) in seen.into_iter().filter(|(_, count)| *count != 0) {
                match sparse.codes.iter_mut().find(|entry| (entry.0, entry.1) == (class, code)) {
                    Some(entry) => entry.2 = entry.2.wrapping_sub(count),
                    None => sparse.codes.push((class, code, count.wrapping_neg())),
                }
            }
        }
    }

    /// Adds to the control side's share without marking the number as used.
    fn adjust(&self, index: usize, amount: u64) {
        if amount != 0 {
            self.sparse().update(index, |cell| cell.wrapping_add(amount << 1));
        }
    }
}

/// Whether Envoy makes a cluster's statistic of this name with its first traffic, when it is told to make some later.
fn is_of_traffic(name: &[u8]) -> bool {
    let others: [&[u8]; 3] = [b"bind_errors", b"original_dst_host_invalid", b"retry_or_shadow_abandoned"];
    name.starts_with(b"upstream_") || others.contains(&name)
}

fn to_value(sum: u64) -> u64 {
    u64::try_from(i64::from_ne_bytes(sum.to_ne_bytes()) >> 1).unwrap_or(0)
}

/// The numbers of one cluster, listener, …: shared by all who ask the registry for the same name, gone when the last
/// of them drops it.
#[derive(Debug)]
pub struct Scope<G: Group> {
    data: Arc<ScopeData>,
    group: PhantomData<fn() -> G>,
}

impl<G: Group> Clone for Scope<G> {
    fn clone(&self) -> Self {
        Self { data: Arc::clone(&self.data), group: PhantomData }
    }
}

impl<G: Group> Scope<G> {
    pub(super) fn new(data: Arc<ScopeData>) -> Self {
        Self { data, group: PhantomData }
    }

    /// The handle with which the worker `worker` writes; the thread that takes it must be that worker. An index of
    /// workers or more than that is the control thread.
    pub fn local(&self, worker: usize) -> LocalScope<G> {
        LocalScope {
            data: Arc::clone(&self.data),
            worker: worker.min(self.data.workers.saturating_sub(1)),
            numbers: OnceCell::new(),
            histograms: OnceCell::new(),
            codes: OnceCell::new(),
            group: PhantomData,
            only_here: PhantomData,
        }
    }

    /// Counts under a worker's number, for whoever is shared by all workers; the calling thread must be that worker.
    pub fn inc_on(&self, worker: usize, stat: G::Stat) {
        self.add_on(worker, stat, 1);
    }

    /// Counts `amount` under a worker's number.
    pub fn add_on(&self, worker: usize, stat: G::Stat, amount: u64) {
        let worker = worker.min(self.data.workers.saturating_sub(1));
        if let Some(cell) = self.data.block(worker).and_then(|block| block.numbers.get(stat.index())) {
            let value = cell.load(Ordering::Relaxed).wrapping_add(amount << 1);
            cell.store(value | USED, Ordering::Relaxed);
        }
    }

    /// Sets the control side's share, from any thread and slowly (a lock): for what changes with configuration.
    pub fn set(&self, stat: G::Stat, value: u64) {
        self.data.sparse().update(stat.index(), |_| (value << 1) | USED);
    }

    /// Adds to the control side's share, from any thread and slowly (a lock). May be negative, for gauges.
    pub fn add(&self, stat: G::Stat, amount: i64) {
        let doubled = u64::from_ne_bytes(amount.to_ne_bytes()) << 1;
        self.data.sparse().update(stat.index(), |cell| cell.wrapping_add(doubled) | USED);
    }

    /// The sum over all workers, as the admin pages show it.
    pub fn value(&self, stat: G::Stat) -> u64 {
        self.data.read_number(stat.index()).value
    }

    /// What the tests look into.
    #[cfg(test)]
    pub(crate) fn data(&self) -> &ScopeData {
        &self.data
    }

    /// All counters and gauges, in the order of their enum.
    pub fn read(&self) -> Vec<Reading> {
        let mut readings = Vec::new();
        self.data.read_numbers(&mut readings);
        readings
    }

    /// The name in front of each statistic, with its dot.
    pub fn prefix(&self) -> &str {
        &self.data.prefix
    }
}

/// One worker's handle for writing to one scope. Stays on its thread; takes memory on its first write.
#[derive(Debug)]
pub struct LocalScope<G: Group> {
    data: Arc<ScopeData>,
    worker: usize,
    numbers: OnceCell<Arc<[AtomicU64]>>,
    histograms: OnceCell<Arc<[OnceLock<Box<LocalHistogram>>]>>,
    codes: OnceCell<Arc<[OnceLock<Box<LocalCodes>>; CLASSES]>>,
    group: PhantomData<fn() -> G>,
    only_here: PhantomData<Rc<()>>,
}

impl<G: Group> LocalScope<G> {
    #[cold]
    fn first_write(&self) {
        if let Some(block) = self.data.block(self.worker) {
            self.numbers.get_or_init(|| Arc::clone(&block.numbers));
            self.histograms.get_or_init(|| Arc::clone(&block.histograms));
            self.codes.get_or_init(|| Arc::clone(&block.codes));
        }
    }

    #[inline]
    fn bump(&self, stat: G::Stat, by: u64) {
        if self.numbers.get().is_none() {
            self.first_write();
        }
        if let Some(cell) = self.numbers.get().and_then(|cells| cells.get(stat.index())) {
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(by) | USED, Ordering::Relaxed);
        }
    }

    /// Counts one.
    #[inline]
    pub fn inc(&self, stat: G::Stat) {
        self.bump(stat, 2);
    }

    /// Counts `amount`.
    #[inline]
    pub fn add(&self, stat: G::Stat, amount: u64) {
        self.bump(stat, amount << 1);
    }

    /// Takes one from a gauge.
    #[inline]
    pub fn dec(&self, stat: G::Stat) {
        self.bump(stat, 2_u64.wrapping_neg());
    }

    /// Takes `amount` from a gauge.
    #[inline]
    pub fn sub(&self, stat: G::Stat, amount: u64) {
        self.bump(stat, (amount << 1).wrapping_neg());
    }

    /// Records a value, in the unit that the histogram's name says (`_ms`: milliseconds).
    #[inline]
    pub fn record(&self, histogram: G::Histogram, value: u64) {
        if self.histograms.get().is_none() {
            self.first_write();
        }
        if let Some(slot) = self.histograms.get().and_then(|slots| slots.get(histogram.index())) {
            slot.get_or_init(Box::default).record(value);
        }
        if let Some(samples) = &self.data.samples {
            samples.push(&self.data, histogram.index(), value);
        }
    }

    /// Counts a response: its code, its class of codes and `upstream_rq_completed`, for all or for one kind of them.
    #[inline]
    pub fn response_code(&self, class: ResponseClass, code: u16) {
        self.with_codes(class, |codes| codes.count(code));
    }

    /// Counts a response in `upstream_rq_completed` alone.
    pub fn response_completed(&self, class: ResponseClass) {
        self.with_codes(class, LocalCodes::count_untold);
    }

    #[inline]
    fn with_codes(&self, class: ResponseClass, count: impl FnOnce(&LocalCodes)) {
        if self.codes.get().is_none() {
            self.first_write();
        }
        if let Some(slot) = self.codes.get().and_then(|slots| slots.get(class as usize)) {
            count(slot.get_or_init(Box::default));
        }
    }
}
