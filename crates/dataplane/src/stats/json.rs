//! Statistics as one JSON object.
//!
//! Owns `/stats?format=json`. Follows what Envoy prints.

use super::distribution::{Bins, QUANTILES};
use super::listing::{HistogramView, Render};
use super::number_text::{write_general, write_integer, write_shortest};
use super::query::HistogramBuckets;

/// `{"stats":[…]}`
#[derive(Debug)]
pub struct Json {
    show: HistogramBuckets,
    numbers: usize,
    histograms: usize,
}

/// Appends a JSON string of parts.
fn write_string(parts: &[&[u8]], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in parts.iter().copied().flatten() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            byte => out.push(*byte),
        }
    }
    out.push(b'"');
}

/// Appends a JSON string.
pub fn write_json_string(text: &[u8], out: &mut Vec<u8>) {
    write_string(&[text], out);
}

fn write_number_or_null(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() { out.extend_from_slice(b"null") } else { write_shortest(value, out) }
}

impl Json {
    /// Whose histograms are shown in this way.
    pub fn new(show: HistogramBuckets) -> Self {
        Self { show, numbers: 0, histograms: 0 }
    }
}

impl Render for Json {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"stats\":[");
    }

    fn number(&mut self, name: &[&[u8]], value: u64, out: &mut Vec<u8>) {
        if self.numbers > 0 {
            out.push(b',');
        }
        self.numbers += 1;
        out.extend_from_slice(b"{\"name\":");
        write_string(name, out);
        out.extend_from_slice(b",\"value\":");
        write_integer(value, out);
        out.push(b'}');
    }

    fn histogram(&mut self, name: &[&[u8]], histogram: &HistogramView<'_>, out: &mut Vec<u8>) {
        if self.histograms > 0 {
            out.push(b',');
        } else {
            if self.numbers > 0 {
                out.push(b',');
            }
            self.write_opening(out);
        }
        self.histograms += 1;
        out.extend_from_slice(b"{\"name\":");
        write_string(name, out);
        match self.show {
            HistogramBuckets::Summary => {
                out.extend_from_slice(b",\"values\":");
                write_quantiles(histogram, out);
            }
            HistogramBuckets::Cumulative => write_buckets(histogram, false, out),
            HistogramBuckets::Disjoint => write_buckets(histogram, true, out),
            HistogramBuckets::Detailed => {
                out.extend_from_slice(b",\"totals\":");
                write_bins(&histogram.merged.cumulative, out);
                out.extend_from_slice(b",\"intervals\":");
                write_bins(&histogram.merged.interval, out);
                out.extend_from_slice(b",\"percentiles\":");
                write_quantiles(histogram, out);
            }
        }
        out.push(b'}');
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.histograms > 0 {
            out.extend_from_slice(match self.show {
                HistogramBuckets::Summary | HistogramBuckets::Detailed => b"]}}".as_slice(),
                HistogramBuckets::Cumulative | HistogramBuckets::Disjoint => b"]}",
            });
        }
        out.extend_from_slice(b"]}");
    }
}

impl Json {
    /// What stands before the first histogram.
    fn write_opening(&self, out: &mut Vec<u8>) {
        let (supported, list) = match self.show {
            HistogramBuckets::Summary => ("supported_quantiles", "computed_quantiles"),
            HistogramBuckets::Detailed => ("supported_percentiles", "details"),
            HistogramBuckets::Cumulative | HistogramBuckets::Disjoint => {
                out.extend_from_slice(b"{\"histograms\":[");
                return;
            }
        };
        out.extend_from_slice(format!("{{\"histograms\":{{\"{supported}\":[").as_bytes());
        for (at, quantile) in QUANTILES.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_general(quantile * 100.0, 6, out);
        }
        out.extend_from_slice(format!("],\"{list}\":[").as_bytes());
    }
}

fn write_quantiles(histogram: &HistogramView<'_>, out: &mut Vec<u8>) {
    let interval = histogram.merged.interval.quantiles();
    let cumulative = histogram.merged.cumulative.quantiles();
    for (at, (interval, cumulative)) in interval.iter().zip(&cumulative).enumerate() {
        out.extend_from_slice(if at == 0 { b"[{\"cumulative\":" } else { b",{\"cumulative\":" });
        write_number_or_null(*cumulative, out);
        out.extend_from_slice(b",\"interval\":");
        write_number_or_null(*interval, out);
        out.push(b'}');
    }
    out.push(b']');
}

fn write_buckets(histogram: &HistogramView<'_>, disjoint: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"buckets\":[");
    let mut before = (0, 0);
    for (at, bound) in histogram.bounds.iter().enumerate() {
        let below = (
            histogram.merged.interval.count_below(bound.value),
            histogram.merged.cumulative.count_below(bound.value),
        );
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"upper_bound\":");
        write_shortest(bound.value, out);
        out.extend_from_slice(b",\"interval\":");
        write_integer(below.0 - before.0, out);
        out.extend_from_slice(b",\"cumulative\":");
        write_integer(below.1 - before.1, out);
        out.push(b'}');
        if disjoint {
            before = below;
        }
    }
    out.push(b']');
}

fn write_bins(bins: &Bins, out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, bin) in bins.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"lower_bound\":");
        write_shortest(bin.lower_bound, out);
        out.extend_from_slice(b",\"width\":");
        write_shortest(bin.width, out);
        out.extend_from_slice(b",\"count\":");
        write_integer(bin.count, out);
        out.push(b'}');
    }
    out.push(b']');
}
