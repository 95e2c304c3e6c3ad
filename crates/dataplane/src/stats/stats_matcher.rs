//! Which statistics there are at all.
//!
//! Owns: `stats_matcher`, of the whole process, of a listener or of a cluster. Does not own: how a text matches (`matcher`).
//! Follows: `config.metrics.v3.StatsMatcher`. What a listener or cluster says holds in its scopes in place of what the process
//! says. Names are whole, as the pages list them.

use std::sync::Arc;

use crate::matcher::StringMatcher;
use crate::model::bootstrap as model;

/// A compiled `stats_matcher`.
#[derive(Debug)]
pub enum StatsMatcher {
    /// All are accepted, or none.
    All(bool),
    /// Those that match.
    Include(Box<[StringMatcher]>),
    /// Those that don't.
    Exclude(Box<[StringMatcher]>),
}

impl StatsMatcher {
    /// Compiles one. A regular expression that does not compile was refused before it came here, and is left out.
    pub fn compile(matcher: &model::StatsMatcher) -> Arc<Self> {
        let compile = |patterns: &[crate::model::matcher::StringMatcher]| {
            patterns.iter().filter_map(|pattern| StringMatcher::compile(pattern).ok()).collect()
        };
        Arc::new(match matcher {
            model::StatsMatcher::All { accepted } => StatsMatcher::All(*accepted),
            model::StatsMatcher::Include { patterns } => StatsMatcher::Include(compile(patterns)),
            model::StatsMatcher::Exclude { patterns } => StatsMatcher::Exclude(compile(patterns)),
        })
    }

    /// Whether there is a statistic of this name, given in parts.
    pub fn accepts(&self, name: &[&[u8]]) -> bool {
        let any = |patterns: &[StringMatcher]| {
            let name = name.concat();
            patterns.iter().any(|pattern| pattern.matches(&name))
        };
        match self {
            StatsMatcher::All(accepted) => *accepted,
            StatsMatcher::Include(patterns) => any(patterns),
            StatsMatcher::Exclude(patterns) => !any(patterns),
        }
    }
}
