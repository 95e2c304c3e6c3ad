//! The statistics that were ever written, one by one, for those who send them away.
//!
//! Owns: the walk, and the names with and without tags. Does not own: what is sent (`stat_sinks`).

use super::declare::Kind;
use super::registry::Registry;
use super::rows;
use super::samples::Sample;
use super::scope::ScopeData;

/// A name as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SentName {
    /// The whole name, or what tags leave of it.
    pub name: String,
    /// The tags.
    pub tags: Vec<(String, String)>,
}

/// A counter or gauge that was ever written.
#[derive(Debug)]
pub struct UsedStat {
    /// Its name.
    pub name: SentName,
    /// Counter or gauge.
    pub kind: Kind,
    /// Its value now.
    pub value: u64,
}

impl Registry {
    /// Visits every counter and gauge that was ever written. `tagged`: with tags taken out of the names.
    pub fn visit_used(&self, tagged: bool, mut visit: impl FnMut(UsedStat)) {
        let (mut readings, mut found, mut name) = (Vec::new(), Vec::new(), Vec::new());
        for scope in self.scopes().iter().filter(|scope| scope.touched()) {
            rows::collect(scope, &mut readings, &mut found);
            for row in found.iter().filter(|row| row.reading.used) {
                name.clear();
                row.row.name().write(&mut name);
                if scope.accepts(&[scope.prefix.as_bytes(), &name]) {
                    let name = self.sent_name(scope, &name, tagged);
                    visit(UsedStat { name, kind: row.row.kind(), value: row.reading.value });
                }
            }
        }
    }

    /// The name of a value's histogram; none when there is no such statistic.
    pub fn sample_name(&self, sample: &Sample, tagged: bool) -> Option<SentName> {
        let name = sample.scope.table.histograms.get(sample.histogram)?.name.as_bytes();
        let wanted = sample.scope.accepts(&[sample.scope.prefix.as_bytes(), name]);
        wanted.then(|| self.sent_name(&sample.scope, name, tagged))
    }

    fn sent_name(&self, scope: &ScopeData, name: &[u8], tagged: bool) -> SentName {
        let full = format!("{}{}", scope.prefix, String::from_utf8_lossy(name));
        if !tagged {
            return SentName { name: full, tags: Vec::new() };
        }
        let (name, tags) = self.tags().take_out(&full, scope.prefix.len(), scope.table.shape);
        SentName { name, tags }
    }
}
