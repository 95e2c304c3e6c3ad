//! Where statistics are sent to, at each `stats_flush_interval`.
//!
//! Owns: what each sink was sent of the counters before. Does not own: the numbers (`stats`), when they are flushed
//! (`control`). Follows Envoy's `config.metrics.v3.StatsdSink`, `DogStatsdSink` and
//! `extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink`: a counter is sent as what it grew by, a gauge as it is, both
//! once they were ever written; each value of a histogram is sent at once.

use std::collections::HashMap;
use std::io;

use crate::model::bootstrap as model;
use crate::stats::{Kind, Registry, Sample, UsedStat};

mod datagrams;
mod line;
mod stream;

use datagrams::Datagrams;
use line::Dialect;
pub(crate) use stream::StreamFeed;
use stream::StreamQueue;

/// All sinks of the process.
#[derive(Debug, Default)]
pub struct StatSinks {
    sinks: Vec<Sink>,
    /// The counters at the last flush, by their whole names.
    flushed: HashMap<String, u64>,
}

#[derive(Debug)]
struct Sink {
    dialect: Dialect,
    writer: Writer,
}

#[derive(Debug)]
enum Writer {
    Datagrams(Datagrams),
    Stream(StreamQueue),
}

impl StatSinks {
    /// Opens the sinks. Those that send through a cluster begin when their feed is run.
    ///
    /// # Errors
    /// The system gives no socket.
    pub(crate) fn open(models: &[model::StatsSink]) -> io::Result<(Self, Vec<StreamFeed>)> {
        let mut feeds = Vec::new();
        let mut sinks = Vec::new();
        for model in models {
            let writer = match &model.destination {
                model::StatsDestination::Datagrams { address, max_bytes } => {
                    Writer::Datagrams(Datagrams::open(address, *max_bytes)?)
                }
                model::StatsDestination::Stream { cluster } => {
                    let (queue, feed) = stream::queue(cluster);
                    feeds.push(feed);
                    Writer::Stream(queue)
                }
            };
            sinks.push(Sink { dialect: Dialect::new(model), writer });
        }
        Ok((StatSinks { sinks, flushed: HashMap::new() }, feeds))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sinks.is_empty()
    }

    /// Sends counters and gauges.
    pub fn flush(&mut self, registry: &Registry) {
        if self.is_empty() {
            return;
        }
        let mut grown = HashMap::new();
        registry.visit_used(false, |stat| {
            if stat.kind == Kind::Counter {
                // Less than before: it was set to 0 meanwhile.
                let before = self.flushed.insert(stat.name.name.clone(), stat.value).unwrap_or(0);
                grown.insert(stat.name.name, stat.value.checked_sub(before).unwrap_or(stat.value));
            }
        });
        for sink in &mut self.sinks {
            sink.send_all(registry, &grown);
        }
    }

    /// Sends one value of a histogram.
    pub fn send_sample(&mut self, registry: &Registry, sample: &Sample) {
        for sink in &mut self.sinks {
            if let Some(name) = registry.sample_name(sample, sink.dialect.has_tags()) {
                let line = sink.dialect.line(&name, sample.value, "ms");
                sink.writer.write(&line);
                sink.writer.flush();
            }
        }
    }
}

impl Sink {
    fn send_all(&mut self, registry: &Registry, grown: &HashMap<String, u64>) {
        let has_tags = self.dialect.has_tags();
        let mut send = |stat: UsedStat, value: u64| {
            let unit = if stat.kind == Kind::Counter { "c" } else { "g" };
            self.writer.write(&self.dialect.line(&stat.name, value, unit));
        };
        if !has_tags {
            registry.visit_used(false, |stat| {
                let value = grown.get(&stat.name.name).copied().unwrap_or(stat.value);
                send(stat, value);
            });
        } else {
            // What counters grew by is known by their whole names.
            let mut whole = Vec::new();
            registry.visit_used(false, |stat| whole.push(stat));
            let mut whole = whole.into_iter();
            registry.visit_used(true, |stat| {
                let grown = whole.next().and_then(|whole| grown.get(&whole.name.name));
                let value = grown.copied().unwrap_or(stat.value);
                send(stat, value);
            });
        }
        self.writer.flush();
    }
}

impl Writer {
    fn write(&mut self, line: &[u8]) {
        match self {
            Writer::Datagrams(datagrams) => datagrams.write(line),
            Writer::Stream(queue) => queue.write(line),
        }
    }

    fn flush(&mut self) {
        match self {
            Writer::Datagrams(datagrams) => datagrams.flush(),
            Writer::Stream(queue) => queue.flush(),
        }
    }
}
