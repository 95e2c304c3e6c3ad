//! The same metrics as protobuf: `io.prometheus.client.MetricFamily`, each after its length.
//!
//! Owns: turning the lines of the text format into messages, a family at a time, so that both formats say the same. Does
//! not own which metrics there are. Follows Prometheus' `metrics.proto` and what Envoy writes: no bucket for infinity.

/// What Envoy writes for a quantile of nothing.
const NOT_A_NUMBER: u64 = 0x7FFF_FFFF_FFFF_FFFF;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Counter,
    Gauge,
    Summary,
    Histogram,
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            "gauge" => Kind::Gauge,
            "summary" => Kind::Summary,
            "histogram" => Kind::Histogram,
            _ => Kind::Counter,
        }
    }

    /// Its number among the types of metrics, and that of its field in a metric.
    fn numbers(self) -> (u64, u64) {
        match self {
            Kind::Counter => (0, 3),
            Kind::Gauge => (1, 2),
            Kind::Summary => (2, 4),
            Kind::Histogram => (4, 7),
        }
    }
}

/// Takes the text format and gives messages.
#[derive(Debug, Default)]
pub struct Converter {
    name: String,
    kind: Kind,
    metrics: Vec<u8>,
    /// Buckets or quantiles of the metric whose sum and count are still to come.
    parts: Vec<u8>,
    sum: f64,
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7F).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

fn write_number(field: u64, value: u64, out: &mut Vec<u8>) {
    write_varint(field << 3, out);
    write_varint(value, out);
}

fn write_double(field: u64, value: f64, out: &mut Vec<u8>) {
    write_varint(field << 3 | 1, out);
    let bits = if value.is_nan() { NOT_A_NUMBER } else { value.to_bits() };
    out.extend_from_slice(&bits.to_le_bytes());
}

fn write_bytes(field: u64, bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(field << 3 | 2, out);
    write_varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX), out);
    out.extend_from_slice(bytes);
}

/// `name="value"`, …: each with its value unescaped.
fn labels(mut text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let mut value = String::new();
        let mut characters = rest.char_indices();
        let mut end = rest.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, escaped)) => value.push(escaped),
                    None => {}
                },
                character => value.push(character),
            }
        }
        found.push((name, value));
        text = rest.get(end..).unwrap_or_default().trim_start_matches(',');
    }
    found
}

impl Converter {
    /// Takes whole lines; families that are complete are appended to `out`.
    pub fn convert(&mut self, lines: &[u8], out: &mut Vec<u8>) {
        for line in String::from_utf8_lossy(lines).lines() {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                self.finish(out);
                let (name, kind) = family.split_once(' ').unwrap_or((family, ""));
                name.clone_into(&mut self.name);
                self.kind = Kind::of(kind);
            } else if let Some((sample, value)) = line.rsplit_once("} ") {
                let (name, text) = sample.split_once('{').unwrap_or((sample, ""));
                let suffix = name.strip_prefix(self.name.as_str()).unwrap_or_default().to_owned();
                self.sample(&suffix, &labels(text), value);
            }
        }
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, String)], value: &str) {
        let number: f64 = value.parse().unwrap_or(f64::NAN);
        let mut part = Vec::new();
        match (self.kind, suffix) {
            (Kind::Counter | Kind::Gauge, _) => {
                write_double(1, number, &mut part);
                self.metric(labels, &part);
            }
            (_, "_sum") => self.sum = number,
            (_, "_count") => {
                write_number(1, value.parse().unwrap_or(0), &mut part);
                write_double(2, self.sum, &mut part);
                part.append(&mut self.parts);
                self.metric(labels, &part);
            }
            (kind, _) => {
                let bound = labels.last().and_then(|(_, bound)| bound.parse().ok());
                let Some(bound) = bound.filter(|bound: &f64| bound.is_finite()) else { return };
                if kind == Kind::Histogram {
                    write_number(1, value.parse().unwrap_or(0), &mut part);
                    write_double(2, bound, &mut part);
                } else {
                    write_double(1, bound, &mut part);
                    write_double(2, number, &mut part);
                }
                write_bytes(3, &part, &mut self.parts);
            }
        }
    }

    fn metric(&mut self, labels: &[(&str, String)], value: &[u8]) {
        let (mut metric, mut pair) = (Vec::new(), Vec::new());
        for (name, value) in labels {
            pair.clear();
            write_bytes(1, name.as_bytes(), &mut pair);
            write_bytes(2, value.as_bytes(), &mut pair);
            write_bytes(1, &pair, &mut metric);
        }
        write_bytes(self.kind.numbers().1, value, &mut metric);
        write_bytes(4, &metric, &mut self.metrics);
    }

    /// Appends the family that is under way.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.metrics.is_empty() {
            let mut family = Vec::new();
            write_bytes(1, self.name.as_bytes(), &mut family);
            write_number(3, self.kind.numbers().0, &mut family);
            family.append(&mut self.metrics);
            write_varint(u64::try_from(family.len()).unwrap_or(u64::MAX), out);
            out.append(&mut family);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(text: &str) -> Vec<u8> {
        let (mut converter, mut out) = (Converter::default(), Vec::new());
        // Pieces end with a line.
        for line in text.split_inclusive('\n') {
            converter.convert(line.as_bytes(), &mut out);
        }
        converter.finish(&mut out);
        out
    }

    /// What the real Envoy 1.40 sends for `server.live`.
    #[test]
    fn a_gauge() {
        let expected = b"\x22\n\x11envoy_server_live\x18\x01\x22\x0b\x12\t\t\0\0\0\0\0\0\xf0?";
        assert_eq!(converted("# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\n"), expected);
    }

    #[test]
    fn values_of_labels_are_unescaped() {
        let expected = [("a", "x\"y\\,=\n".to_owned()), ("b", String::new())];
        assert_eq!(labels(r#"a="x\"y\\,=\n",b="""#), expected);
    }

    #[test]
    fn a_histogram_is_one_metric_without_infinity() {
        let text = "# TYPE h histogram\nh_bucket{c=\"u\",le=\"0.5\"} 1\nh_bucket{c=\"u\",le=\"+Inf\"} 3\n\
                    h_sum{c=\"u\"} 2.5\nh_count{c=\"u\"} 3\n";
        let mut value = vec![8, 3, 0x11];
        value.extend(2.5_f64.to_le_bytes());
        value.extend([0x1A, 11, 8, 1, 0x11]);
        value.extend(0.5_f64.to_le_bytes());
        let found = converted(text);
        assert!(found.windows(value.len()).any(|part| part == value), "{found:?}");
        assert!(found.ends_with(&value));
    }
}
