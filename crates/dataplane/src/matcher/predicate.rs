//! The predicates of a match tree's list.
//!
//! Owns: what is asked of one input, and how answers are combined. Does not own: where inputs come from (`input`).
//! Follows Envoy's `Matcher.MatcherList.Predicate` and `envoy.matching.input_matchers`.

use std::sync::{Arc, OnceLock};

use crate::ip_range::IpRange;
use crate::model::match_tree as model;
use crate::runtime::RuntimeFractionalPercent;
use crate::stats::{IpMatcherStat, IpMatcherStats, Registry, Scope};

use super::StringMatcher;
use super::input::{Input, MatchingData, Value};
use super::metadata::ValueMatcher;
use super::xx_hash::xx_hash_64;

/// The answer of a predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    No,
    /// What it looks at is not there yet.
    Unknown,
}

/// Statistics of the IP matchers of a tree, opened when it is known where they are counted.
#[derive(Debug, Default)]
pub(super) struct IpScopes(Vec<(Box<str>, IpScope)>);

type IpScope = Arc<OnceLock<Scope<IpMatcherStats>>>;

impl IpScopes {
    fn add(&mut self, stat_prefix: &str) -> IpScope {
        let scope = IpScope::default();
        self.0.push((stat_prefix.into(), Arc::clone(&scope)));
        scope
    }

    pub(super) fn open(&self, registry: &Registry) {
        for (stat_prefix, scope) in &self.0 {
            scope.get_or_init(|| registry.ip_matcher(stat_prefix));
        }
    }
}

#[derive(Debug)]
pub(super) enum Predicate {
    Single(Input, InputMatcher),
    Or(Vec<Predicate>),
    And(Vec<Predicate>),
    Not(Box<Predicate>),
}

/// What is asked of a value.
#[derive(Debug)]
pub(super) enum InputMatcher {
    String(StringMatcher),
    Ip {
        ranges: Vec<IpRange>,
        scope: IpScope,
    },
    /// Whether the hash's remainder is at least the threshold.
    ConsistentHashing {
        threshold: u64,
        modulo: u64,
        seed: u64,
    },
    /// Whether metadata matches, or does not if the second is so.
    Metadata(ValueMatcher, bool),
    /// Whether the hash, with this seed, falls into the fraction.
    RuntimeFraction(RuntimeFractionalPercent, u64),
    /// Asks for a kind of value that the input never gives.
    Nothing,
}

impl Predicate {
    pub(super) fn compile(model: &model::Predicate, scopes: &mut IpScopes) -> Result<Self, String> {
        let mut compile_all = |predicates: &[model::Predicate]| {
            predicates
                .iter()
                .map(|predicate| Predicate::compile(predicate, scopes))
                .collect::<Result<_, String>>()
        };
        Ok(match model {
            model::Predicate::Single { input, matching } => {
                Predicate::Single(Input::compile(input), InputMatcher::compile(matching, scopes)?)
            }
            model::Predicate::Or { predicates } => Predicate::Or(compile_all(predicates)?),
            model::Predicate::And { predicates } => Predicate::And(compile_all(predicates)?),
            model::Predicate::Not { predicate } => {
                Predicate::Not(Box::new(Predicate::compile(predicate, scopes)?))
            }
        })
    }

    pub(super) fn holds(&self, data: &MatchingData<'_>) -> Holds {
        match self {
            Predicate::Single(input, matcher) => match input.value(data) {
                Value::NotAvailable => Holds::Unknown,
                value if matcher.matches(&value) => Holds::Yes,
                _ => Holds::No,
            },
            Predicate::Or(predicates) => {
                let mut answer = Holds::No;
                for predicate in predicates {
                    match predicate.holds(data) {
                        Holds::Yes => return Holds::Yes,
                        Holds::Unknown => answer = Holds::Unknown,
                        Holds::No => {}
                    }
                }
                answer
            }
            Predicate::And(predicates) => {
                let mut answers = predicates.iter().map(|predicate| predicate.holds(data));
                answers.find(|holds| *holds != Holds::Yes).unwrap_or(Holds::Yes)
            }
            Predicate::Not(predicate) => match predicate.holds(data) {
                Holds::Yes => Holds::No,
                Holds::No => Holds::Yes,
                Holds::Unknown => Holds::Unknown,
            },
        }
    }
}

impl InputMatcher {
    fn compile(model: &model::InputMatcher, scopes: &mut IpScopes) -> Result<Self, String> {
        use model::InputMatcher as Model;
        Ok(match model {
            Model::String { matcher } => InputMatcher::String(StringMatcher::compile(matcher)?),
            Model::Ip { ranges, stat_prefix } => InputMatcher::Ip {
                ranges: ranges.iter().map(IpRange::compile).collect::<Result<_, _>>()?,
                scope: scopes.add(stat_prefix),
            },
            Model::ConsistentHashing { threshold, modulo, seed } => InputMatcher::ConsistentHashing {
                threshold: u64::from(*threshold),
                modulo: u64::from(*modulo),
                seed: *seed,
            },
            Model::Metadata { value, invert } => {
                InputMatcher::Metadata(ValueMatcher::compile(value)?, *invert)
            }
            Model::RuntimeFraction { fraction, seed } => {
                InputMatcher::RuntimeFraction(RuntimeFractionalPercent::from(fraction), *seed)
            }
            Model::Nothing {} => InputMatcher::Nothing,
        })
    }

    fn matches(&self, value: &Value<'_>) -> bool {
        match self {
            InputMatcher::String(matcher) => value.with_text(|text| matcher.matches(text)).unwrap_or(false),
            InputMatcher::Ip { ranges, scope } => match value.ip() {
                Some(ip) => ranges.iter().any(|range| range.contains(ip)),
                None => {
                    let scope = scope.get().filter(|_| *value != Value::Absent);
                    scope.inspect(|scope| scope.add(IpMatcherStat::IpParsingFailed, 1));
                    false
                }
            },
            InputMatcher::ConsistentHashing { threshold, modulo, seed } => {
                let remainder = |text: &[u8]| xx_hash_64(text, *seed).checked_rem(*modulo);
                let remainder = value.with_text(remainder).flatten();
                remainder.is_some_and(|remainder| remainder >= *threshold)
            }
            InputMatcher::Metadata(matcher, invert) => match value {
                Value::Metadata(value) => matcher.matches(*value) != *invert,
                _ => false,
            },
            InputMatcher::RuntimeFraction(fraction, seed) => {
                value.with_text(|text| fraction.holds(xx_hash_64(text, *seed))).unwrap_or(false)
            }
            InputMatcher::Nothing => false,
        }
    }
}
