//! Statistics as lines of text, and as the same text in an HTML page.
//!
//! Owns `/stats` and `/stats?format=html`. Follows what Envoy prints.

use super::distribution::{Bins, QUANTILES};
use super::listing::{HistogramView, Render};
use super::number_text::{write_general, write_integer, write_plain};
use super::query::HistogramBuckets;

/// `name: value` lines.
#[derive(Debug, Default)]
pub struct Text {
    html: bool,
}

impl Text {
    /// The text in a page, with a form above it.
    pub fn html() -> Self {
        Self { html: true }
    }

    fn name(&self, name: &[&[u8]], out: &mut Vec<u8>) {
        for byte in name.iter().copied().flatten() {
            match byte {
                b'&' if self.html => out.extend_from_slice(b"&amp;"),
                b'<' if self.html => out.extend_from_slice(b"&lt;"),
                byte => out.push(*byte),
            }
        }
    }
}

const HTML_HEAD: &str = concat!(
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Ferryman stats</title></head>\n<body>\n",
    "<form action=\"stats\"><input type=\"hidden\" name=\"format\" value=\"html\">\n",
    "<label>filter <input name=\"filter\" size=\"40\"></label>\n",
    "<label><input type=\"checkbox\" name=\"usedonly\"> usedonly</label>\n",
    "<label>type <select name=\"type\"><option>All<option>Counters<option>Gauges<option>Histograms</select></label>\n",
    "<label>histogram_buckets <select name=\"histogram_buckets\">",
    "<option>summary<option>cumulative<option>disjoint<option>detailed</select></label>\n",
    "<button>Show</button> <a href=\"./\">home</a></form>\n<pre>\n",
);

impl Render for Text {
    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.html {
            out.extend_from_slice(HTML_HEAD.as_bytes());
        }
    }

    fn number(&mut self, name: &[&[u8]], value: u64, out: &mut Vec<u8>) {
        self.name(name, out);
        out.extend_from_slice(b": ");
        write_integer(value, out);
        out.push(b'\n');
    }

    fn histogram(&mut self, name: &[&[u8]], histogram: &HistogramView<'_>, out: &mut Vec<u8>) {
        self.name(name, out);
        let merged = histogram.merged;
        if merged.cumulative.is_empty() {
            out.extend_from_slice(b": No recorded values\n");
            return;
        }
        match histogram.show {
            HistogramBuckets::Summary => {
                out.extend_from_slice(b": ");
                write_summary(histogram, out);
            }
            HistogramBuckets::Cumulative => {
                out.extend_from_slice(b": ");
                write_buckets(histogram, false, out);
            }
            HistogramBuckets::Disjoint => {
                out.extend_from_slice(b": ");
                write_buckets(histogram, true, out);
            }
            HistogramBuckets::Detailed => {
                out.extend_from_slice(b":\n  totals=");
                write_bins(&merged.cumulative, out);
                out.extend_from_slice(b"\n  intervals=");
                write_bins(&merged.interval, out);
                out.extend_from_slice(b"\n  summary=");
                write_summary(histogram, out);
            }
        }
        out.push(b'\n');
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.html {
            out.extend_from_slice(b"</pre>\n</body>\n</html>\n");
        }
    }
}

/// `P50(interval,cumulative)` and so on.
fn write_summary(histogram: &HistogramView<'_>, out: &mut Vec<u8>) {
    let interval = histogram.merged.interval.quantiles();
    let cumulative = histogram.merged.cumulative.quantiles();
    for (at, (quantile, values)) in QUANTILES.iter().zip(interval.iter().zip(&cumulative)).enumerate() {
        out.extend_from_slice(if at == 0 { b"P" } else { b" P" });
        write_general(quantile * 100.0, 6, out);
        out.push(b'(');
        write_plain(*values.0, out);
        out.push(b',');
        write_plain(*values.1, out);
        out.push(b')');
    }
}

/// `B250(interval,cumulative)` and so on: counts up to each bound, or between it and the one before.
fn write_buckets(histogram: &HistogramView<'_>, disjoint: bool, out: &mut Vec<u8>) {
    let mut before = (0, 0);
    for (at, bound) in histogram.bounds.iter().enumerate() {
        let below = (
            histogram.merged.interval.count_below(bound.value),
            histogram.merged.cumulative.count_below(bound.value),
        );
        out.extend_from_slice(if at == 0 { b"B" } else { b" B" });
        write_general(bound.value, 6, out);
        out.push(b'(');
        write_integer(below.0 - before.0, out);
        out.push(b',');
        write_integer(below.1 - before.1, out);
        out.push(b')');
        if disjoint {
            before = below;
        }
    }
}

/// `lower_bound,width:count` of each bin.
fn write_bins(bins: &Bins, out: &mut Vec<u8>) {
    for (at, bin) in bins.iter().enumerate() {
        if at != 0 {
            out.extend_from_slice(b", ");
        }
        write_plain(bin.lower_bound, out);
        out.push(b',');
        write_plain(bin.width, out);
        out.push(b':');
        write_integer(bin.count, out);
    }
}
