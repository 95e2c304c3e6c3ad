//! The counters and gauges of a scope as they are listed: present, named, in order.
//!
//! Owns what a row is and which rows a scope has at a moment. Does not own formats.

use super::declare::{Kind, Number, Presence, Table};
use super::response_codes::{UNKNOWN, UNTOLD};
use super::scope::{Reading, ScopeData};

/// A counter or gauge of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// A number of the table.
    Number(&'static Number),
    /// `upstream_rq_200`, of a class of responses.
    Code(&'static str, u16),
    /// `upstream_rq_2xx`
    Hundred(&'static str, u16),
    /// `upstream_rq_completed`
    Completed(&'static str),
}

impl Row {
    /// Whether it is a gauge.
    pub fn kind(self) -> Kind {
        match self {
            Self::Number(number) => number.kind,
            _ => Kind::Counter,
        }
    }

    /// The three parts of the name behind the scope's prefix.
    pub fn name(self) -> RowName {
        match self {
            Self::Number(number) => RowName { head: number.name, middle: "", digits: [0; 3], length: 0 },
            Self::Completed(class) => {
                RowName { head: class, middle: "upstream_rq_completed", digits: [0; 3], length: 0 }
            }
            Self::Code(class, UNKNOWN) => {
                RowName { head: class, middle: "upstream_rq_unknown", digits: [0; 3], length: 0 }
            }
            Self::Code(class, code) => {
                let digit = |power: u16| b'0' + u8::try_from(code / power % 10).unwrap_or(0);
                let digits = [digit(100), digit(10), digit(1)];
                RowName { head: class, middle: "upstream_rq_", digits, length: 3 }
            }
            Self::Hundred(class, hundred) => {
                let digits = [b'0' + u8::try_from(hundred % 10).unwrap_or(0), b'x', b'x'];
                RowName { head: class, middle: "upstream_rq_", digits, length: 3 }
            }
        }
    }
}

/// A name without allocation.
#[derive(Debug, Clone, Copy)]
pub struct RowName {
    head: &'static str,
    middle: &'static str,
    digits: [u8; 3],
    length: usize,
}

impl RowName {
    /// The parts, which are to be read one behind the other.
    pub fn parts(&self) -> [&[u8]; 3] {
        let digits = self.digits.get(..self.length).unwrap_or_default();
        [self.head.as_bytes(), self.middle.as_bytes(), digits]
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.parts().iter().for_each(|part| out.extend_from_slice(part));
    }

    /// The bytes in order.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.parts().into_iter().flatten().copied()
    }
}

/// A row with its value.
#[derive(Debug, Clone, Copy)]
pub struct RowValue {
    /// Which.
    pub row: Row,
    /// How much.
    pub reading: Reading,
}

fn is_present(presence: Presence, reading: Reading, readings: &[Reading]) -> bool {
    match presence {
        Presence::Always => true,
        Presence::Used => reading.used,
        Presence::After(other) => readings.get(other).is_some_and(|reading| reading.used),
    }
}

/// The rows of response codes of one class, given what was seen.
fn code_rows(class: &'static str, codes: &[(u16, u64)], always: bool, mut each: impl FnMut(RowValue)) {
    if codes.is_empty() && !always {
        return;
    }
    let used = !codes.is_empty();
    let total = codes.iter().map(|entry| entry.1).sum();
    each(RowValue { row: Row::Completed(class), reading: Reading { value: total, used } });
    for (code, value) in codes.iter().filter(|(code, _)| *code != UNTOLD) {
        each(RowValue { row: Row::Code(class, *code), reading: Reading { value: *value, used: true } });
    }
    for hundreds in codes.chunk_by(|one, other| one.0 / 100 == other.0 / 100) {
        let Some((code, _)) = hundreds.first().filter(|(code, _)| !matches!(*code, UNKNOWN | UNTOLD)) else {
            continue;
        };
        let value = hundreds.iter().map(|entry| entry.1).sum();
        each(RowValue { row: Row::Hundred(class, code / 100), reading: Reading { value, used: true } });
    }
}

/// Reads a scope into `rows`, sorted by name. `readings` is memory to be reused.
pub fn collect(scope: &ScopeData, readings: &mut Vec<Reading>, rows: &mut Vec<RowValue>) {
    rows.clear();
    scope.read_numbers(readings);
    let table: &'static Table = scope.table;
    for (number, reading) in table.numbers.iter().zip(readings.iter()) {
        if is_present(number.presence, *reading, readings) {
            rows.push(RowValue { row: Row::Number(number), reading: *reading });
        }
    }
    for (index, class) in table.codes.iter().enumerate() {
        let always = class.is_empty() && table.completed;
        code_rows(class, &scope.read_codes(index), always, |row| {
            let name = row.row.name();
            let at = rows.partition_point(|other| other.row.name().bytes().lt(name.bytes()));
            rows.insert(at, row);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

    fn sorted<G: Group>() {
        let names: Vec<_> = G::TABLE.numbers.iter().map(|number| number.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        let names: Vec<_> = G::TABLE.histograms.iter().map(|histogram| histogram.name).collect();
        assert!(names.is_sorted(), "{names:?}");
    }

    #[test]
    fn tables_are_sorted_by_name() {
        sorted::<ClusterStats>();
        sorted::<ZoneStats>();
        sorted::<ClusterManagerStats>();
        sorted::<EndpointStats>();
        sorted::<HttpStats>();
        sorted::<RouterStats>();
        sorted::<TracingStats>();
        sorted::<ListenerHttpStats>();
        sorted::<Http1Stats>();
        sorted::<VirtualHostStats>();
        sorted::<ListenerStats>();
        sorted::<ListenerExtensionStats>();
        sorted::<ListenerWorkerStats>();
        sorted::<ListenerManagerStats>();
        sorted::<TcpStats>();
        sorted::<TcpTunnelingStats>();
        sorted::<UdpListenerStats>();
        sorted::<UdpStats>();
        sorted::<ClusterUdpStats>();
        sorted::<ServerStats>();
        sorted::<WatchdogStats>();
        sorted::<FilesystemStats>();
        sorted::<RuntimeStats>();
        sorted::<OverloadActionStats>();
        sorted::<OverloadStats>();
    }

    #[test]
    fn code_rows_stand_among_the_numbers() {
        let config = crate::model::bootstrap::StatsConfig::default();
        let cluster = Registry::new(&config, 1).cluster("web");
        let local = cluster.local(0);
        local.response_code(ResponseClass::All, 404);
        local.response_code(ResponseClass::All, 9999);
        local.response_code(ResponseClass::Internal, 200);
        let (mut readings, mut rows) = (Vec::new(), Vec::new());
        collect(cluster.data(), &mut readings, &mut rows);
        let mut text = Vec::new();
        for row in &rows {
            row.row.name().write(&mut text);
            text.extend_from_slice(format!("={} ", row.reading.value).as_bytes());
        }
        let text = String::from_utf8(text).unwrap();
        for part in [
            " internal.upstream_rq_200=1 internal.upstream_rq_2xx=1 internal.upstream_rq_completed=1 lb_",
            " upstream_rq_404=1 upstream_rq_4xx=1 upstream_rq_active=0 ",
            " upstream_rq_completed=2 ",
            " upstream_rq_unknown=1 ",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let names: Vec<Vec<u8>> = rows.iter().map(|row| row.row.name().bytes().collect()).collect();
        assert!(names.is_sorted());
    }
}
