//! Match trees: from what is known to one of a list of actions.
//!
//! Owns: the compiled tree and the walk through it. Does not own: the actions, which whoever has the tree keeps in a list
//! and finds by number, nor what is looked at (`input`).
//! Follows Envoy's `xds.type.matcher.v3.Matcher`: where what is nested finds nothing, the search goes on with the next
//! best: the next predicate, a shorter prefix, a wider range, a shorter wildcard, and at last `on_no_match`.
//!
//! A map is looked up in, not walked through: ten thousand keys cost what ten cost.

use std::collections::HashMap;

use crate::ip_range::{IpRange, NarrowestRange};
use crate::model::match_tree as model;
use crate::stats::Registry;

use super::input::{Input, MatchingData, Value};
use super::predicate::{Holds, IpScopes, Predicate};
use super::prefix_tree::PrefixTree;

/// What a tree says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The action of this number.
    Action(usize),
    /// Nothing matches.
    NoMatch,
    /// It depends on what is not known yet.
    InsufficientData,
}

/// A compiled tree.
#[derive(Debug)]
pub struct MatchTree {
    root: Node,
    ip_scopes: IpScopes,
}

impl MatchTree {
    /// Compiles a tree.
    ///
    /// # Errors
    /// A regular expression or an address that is none.
    pub fn compile(model: &model::MatchTree) -> Result<Self, String> {
        let mut ip_scopes = IpScopes::default();
        let root = Node::compile(model, &mut ip_scopes)?;
        Ok(MatchTree { root, ip_scopes })
    }

    /// Opens the statistics that its matchers have.
    pub fn open_stats(&self, registry: &Registry) {
        self.ip_scopes.open(registry);
    }

    /// Finds the action. `skipped` is told of those that match and are passed by, because of `keep_matching`.
    #[inline]
    pub fn find(&self, data: &MatchingData<'_>, skipped: &mut dyn FnMut(usize)) -> Outcome {
        self.root.find(data, skipped)
    }
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    on_no_match: Option<OnMatch>,
}

#[derive(Debug)]
enum Kind {
    Empty,
    List(Vec<(Predicate, OnMatch)>),
    Map(Input, Map),
}

#[derive(Debug)]
enum Map {
    Exact(HashMap<Box<[u8]>, OnMatch>),
    /// The tree's values are places in the list.
    Prefix(PrefixTree, Vec<OnMatch>),
    Ip(NarrowestRange<Vec<usize>>, Vec<RangeMatcher>),
    Domain(Domains),
}

#[derive(Debug)]
struct RangeMatcher {
    on_match: OnMatch,
    /// Counts only where no narrower range was tried.
    exclusive: bool,
}

#[derive(Debug)]
struct Domains {
    exact: HashMap<Box<[u8]>, usize>,
    /// What follows the star: a dot and a domain.
    suffixes: HashMap<Box<[u8]>, usize>,
    any: Option<usize>,
    matchers: Vec<OnMatch>,
}

#[derive(Debug)]
struct OnMatch {
    target: Target,
    keep_matching: bool,
}

#[derive(Debug)]
enum Target {
    Action(usize),
    Matcher(Box<Node>),
}

impl OnMatch {
    fn compile(model: &model::OnMatch, scopes: &mut IpScopes) -> Result<Self, String> {
        Ok(match model {
            model::OnMatch::Action { index, keep_matching } => {
                OnMatch { target: Target::Action(*index), keep_matching: *keep_matching }
            }
            model::OnMatch::Matcher { matcher, keep_matching } => OnMatch {
                target: Target::Matcher(Box::new(Node::compile(matcher, scopes)?)),
                keep_matching: *keep_matching,
            },
        })
    }

    fn find(&self, data: &MatchingData<'_>, skipped: &mut dyn FnMut(usize)) -> Outcome {
        let found = match &self.target {
            Target::Action(action) => Outcome::Action(*action),
            Target::Matcher(node) => node.find(data, skipped),
        };
        match found {
            Outcome::Action(action) if self.keep_matching => {
                skipped(action);
                Outcome::NoMatch
            }
            found => found,
        }
    }
}

impl Node {
    fn compile(model: &model::MatchTree, scopes: &mut IpScopes) -> Result<Self, String> {
        use model::MatchTree as Model;
        let (kind, on_no_match) = match model {
            Model::Empty { on_no_match } => (Kind::Empty, on_no_match),
            Model::MatcherList { matchers, on_no_match } => {
                let compile = |matcher: &model::FieldMatcher| {
                    let predicate = Predicate::compile(&matcher.predicate, scopes)?;
                    Ok((predicate, OnMatch::compile(&matcher.on_match, scopes)?))
                };
                (Kind::List(matchers.iter().map(compile).collect::<Result<_, String>>()?), on_no_match)
            }
            Model::ExactMatchMap { input, map, on_no_match } => {
                (Kind::Map(Input::compile(input), Map::exact(map, scopes)?), on_no_match)
            }
            Model::PrefixMatchMap { input, map, on_no_match } => {
                (Kind::Map(Input::compile(input), Map::prefix(map, scopes)?), on_no_match)
            }
            Model::IpMatcher { input, range_matchers, on_no_match } => {
                (Kind::Map(Input::compile(input), Map::ip(range_matchers, scopes)?), on_no_match)
            }
            Model::ServerNameMatcher { input, domain_matchers, on_no_match } => {
                (Kind::Map(Input::compile(input), Map::domain(domain_matchers, scopes)?), on_no_match)
            }
        };
        let on_no_match =
            on_no_match.as_ref().map(|on_match| OnMatch::compile(on_match, scopes)).transpose()?;
        Ok(Node { kind, on_no_match })
    }

    fn find(&self, data: &MatchingData<'_>, skipped: &mut dyn FnMut(usize)) -> Outcome {
        let found = match &self.kind {
            Kind::Empty => Outcome::NoMatch,
            Kind::List(matchers) => find_in_list(matchers, data, skipped),
            Kind::Map(input, map) => match input.value(data) {
                Value::NotAvailable => Outcome::InsufficientData,
                value => map.find(&value, &mut |on_match| on_match.find(data, skipped)),
            },
        };
        match (found, &self.on_no_match) {
            (Outcome::NoMatch, Some(on_no_match)) => on_no_match.find(data, skipped),
            (found, _) => found,
        }
    }
}

fn find_in_list(
    matchers: &[(Predicate, OnMatch)],
    data: &MatchingData<'_>,
    skipped: &mut dyn FnMut(usize),
) -> Outcome {
    for (predicate, on_match) in matchers {
        match predicate.holds(data) {
            Holds::No => {}
            Holds::Unknown => return Outcome::InsufficientData,
            Holds::Yes => match on_match.find(data, skipped) {
                Outcome::NoMatch => {}
                found => return found,
            },
        }
    }
    Outcome::NoMatch
}

impl Map {
    fn exact(entries: &[model::MapEntry], scopes: &mut IpScopes) -> Result<Self, String> {
        let compile = |entry: &model::MapEntry| {
            Ok((entry.key.as_bytes().into(), OnMatch::compile(&entry.on_match, scopes)?))
        };
        Ok(Map::Exact(entries.iter().map(compile).collect::<Result<_, String>>()?))
    }

    fn prefix(entries: &[model::MapEntry], scopes: &mut IpScopes) -> Result<Self, String> {
        let mut keys: Vec<_> = entries.iter().map(|entry| entry.key.as_bytes()).zip(0..).collect();
        keys.sort_unstable();
        let on_match = entries.iter().map(|entry| OnMatch::compile(&entry.on_match, scopes));
        Ok(Map::Prefix(PrefixTree::build(&keys), on_match.collect::<Result<_, _>>()?))
    }

    fn ip(entries: &[model::IpRangeMatcher], scopes: &mut IpScopes) -> Result<Self, String> {
        let mut ranges: NarrowestRange<Vec<usize>> = NarrowestRange::default();
        let mut matchers = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            for range in &entry.ranges {
                ranges.entry(IpRange::compile(range)?).push(index);
            }
            let on_match = OnMatch::compile(&entry.on_match, scopes)?;
            matchers.push(RangeMatcher { on_match, exclusive: entry.exclusive });
        }
        Ok(Map::Ip(ranges, matchers))
    }

    fn domain(entries: &[model::DomainMatcher], scopes: &mut IpScopes) -> Result<Self, String> {
        let (mut exact, mut suffixes, mut any) = (HashMap::new(), HashMap::new(), None);
        for (index, entry) in entries.iter().enumerate() {
            for domain in &entry.domains {
                match domain.strip_prefix('*') {
                    Some("") => any = Some(index),
                    Some(suffix) => drop(suffixes.insert(suffix.as_bytes().into(), index)),
                    None => drop(exact.insert(domain.as_bytes().into(), index)),
                }
            }
        }
        let on_match = entries.iter().map(|entry| OnMatch::compile(&entry.on_match, scopes));
        Ok(Map::Domain(Domains { exact, suffixes, any, matchers: on_match.collect::<Result<_, _>>()? }))
    }

    /// Tries what the value leads to, the most specific first, until something is found.
    fn find(&self, value: &Value<'_>, resolve: &mut dyn FnMut(&OnMatch) -> Outcome) -> Outcome {
        let found = match self {
            Map::Exact(map) => value.with_text(|text| map.get(text).map_or(Outcome::NoMatch, resolve)),
            Map::Prefix(tree, matchers) => value.with_text(|text| by_prefix(tree, matchers, text, resolve)),
            Map::Ip(ranges, matchers) => value.ip().map(|ip| {
                let mut is_first = true;
                let candidates = ranges.all(ip).flatten().filter_map(|&index| matchers.get(index));
                first_match(candidates.filter_map(|matcher| {
                    let counts = std::mem::take(&mut is_first) || !matcher.exclusive;
                    counts.then(|| resolve(&matcher.on_match))
                }))
            }),
            Map::Domain(domains) => value.with_text(|name| domains.find(name, resolve)),
        };
        found.unwrap_or(Outcome::NoMatch)
    }
}

fn first_match(mut outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    outcomes.find(|outcome| *outcome != Outcome::NoMatch).unwrap_or(Outcome::NoMatch)
}

/// Prefixes of one text that are remembered without an allocation.
const FEW_PREFIXES: usize = 16;

fn by_prefix(
    tree: &PrefixTree,
    matchers: &[OnMatch],
    text: &[u8],
    resolve: &mut dyn FnMut(&OnMatch) -> Outcome,
) -> Outcome {
    let mut shorter = [0_u32; FEW_PREFIXES];
    let mut longer = Vec::new();
    let mut count = 0_usize;
    tree.walk(text.iter().copied(), |prefix| {
        match shorter.get_mut(count) {
            Some(slot) => *slot = prefix.value,
            None => longer.push(prefix.value),
        }
        count += 1;
    });
    let shorter = shorter.get(..count.min(FEW_PREFIXES)).unwrap_or_default();
    let longest_first = longer.iter().rev().chain(shorter.iter().rev());
    let candidates = longest_first.filter_map(|&place| matchers.get(usize::try_from(place).ok()?));
    first_match(candidates.map(resolve))
}

impl Domains {
    fn find(&self, name: &[u8], resolve: &mut dyn FnMut(&OnMatch) -> Outcome) -> Outcome {
        if name.is_empty() {
            return Outcome::NoMatch;
        }
        let dots = memchr::memchr_iter(b'.', name);
        let suffixes = dots.filter_map(|dot| self.suffixes.get(name.get(dot..)?));
        let candidates = self.exact.get(name).into_iter().chain(suffixes).chain(&self.any);
        first_match(candidates.filter_map(|&index| self.matchers.get(index)).map(resolve))
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
