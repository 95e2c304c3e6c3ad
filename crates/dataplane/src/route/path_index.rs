//! Which routes of a virtual host can match a path, found without trying them all.
//!
//! Owns: the index over the routes' path matches. Does not own: the other conditions, which the caller checks.
//! Follows Envoy: the first route in the order of the configuration wins, whatever its kind.
//!
//! All prefixes and whole paths stand in a radix tree. At each key, the routes that match there, its own and those of
//! shorter keys, are one list in the order of the configuration; so a look-up is a walk along the path and the reading
//! of at most a few short lists. A regular expression stands at the text that it must begin with.

use super::path_match::{PathMatcher, PathText};
use crate::matcher::prefix_tree::PrefixTree;

/// Up to so many routes, trying each is faster than a walk.
const FEW: usize = 4;
/// Lists up to this length take in those of shorter keys; beyond it they are read beside them.
const MERGE_LIMIT: usize = 32;
/// So many lists are read side by side at most.
const MAX_LISTS: usize = 8;

/// A compiled index of routes by path.
#[derive(Debug, Clone)]
pub(super) enum PathIndex {
    /// The routes are tried one by one: `0..count`.
    Each { count: u32 },
    /// Each list of candidates is in ascending order.
    Trees(Box<Trees>),
}

#[derive(Debug, Clone)]
pub(super) struct Trees {
    exact_case: Tree,
    any_case: Tree,
}

/// The lists of a key: which routes match when the path ends here, goes on with a slash, or with anything else.
#[derive(Debug, Clone, Copy)]
struct Lists {
    here: usize,
    slash: usize,
    beyond: usize,
}

#[derive(Debug, Clone, Default)]
struct Tree {
    keys: PrefixTree,
    /// One a key.
    lists_of: Vec<Lists>,
    lists: Vec<List>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct List {
    routes: Vec<u32>,
    /// A list of shorter keys to read beside this one.
    also: Option<usize>,
}

/// Candidates in the order of the configuration. Each has been found to match the path, except for the regular
/// expressions, of which only the beginning has.
#[derive(Debug, Clone)]
pub(super) struct Candidates<'a> {
    lists: [&'a [u32]; MAX_LISTS],
    used: usize,
    each: std::ops::Range<u32>,
    tested: bool,
}

impl Candidates<'_> {
    /// Whether the path has been looked at.
    #[inline]
    pub(super) fn are_tested(&self) -> bool {
        self.tested
    }
}

impl Iterator for Candidates<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        let lists = self.lists.get_mut(..self.used).unwrap_or_default();
        // A route stands in one list only.
        let first = lists.iter_mut().filter(|list| !list.is_empty()).min_by_key(|list| list.first().copied());
        match first {
            Some(list) => {
                let (route, rest) = list.split_first()?;
                *list = rest;
                Some(*route)
            }
            None => self.each.next(),
        }
    }
}

impl PathIndex {
    pub(super) fn compile(paths: &[&PathMatcher]) -> Self {
        let count = u32::try_from(paths.len()).unwrap_or(u32::MAX);
        if paths.len() <= FEW {
            return PathIndex::Each { count };
        }
        let trees = Trees { exact_case: Tree::compile(paths, true), any_case: Tree::compile(paths, false) };
        // Prefixes nested that deep are no table that anyone wrote; they are tried one by one, as Envoy does.
        if trees.exact_case.depth() + trees.any_case.depth() > MAX_LISTS {
            return PathIndex::Each { count };
        }
        PathIndex::Trees(Box::new(trees))
    }

    /// The routes that can match a path (without query).
    #[inline]
    pub(super) fn candidates(&self, path: &[u8]) -> Candidates<'_> {
        let mut candidates = Candidates { lists: [&[]; MAX_LISTS], used: 0, each: 0..0, tested: true };
        match self {
            PathIndex::Each { count } => {
                candidates.each = 0..*count;
                candidates.tested = false;
            }
            PathIndex::Trees(trees) => {
                trees.exact_case.collect(path.iter().copied(), &mut candidates);
                if !trees.any_case.lists.is_empty() {
                    trees.any_case.collect(path.iter().map(u8::to_ascii_lowercase), &mut candidates);
                }
            }
        }
        candidates
    }
}

/// What a route contributes to one tree.
enum Kind {
    Prefix,
    Path,
    PathSeparatedPrefix,
}

fn entry(path: &PathMatcher, case_sensitive: bool) -> Option<(Vec<u8>, Kind)> {
    let key = |text: &PathText| {
        let folded = if case_sensitive { text.text.to_vec() } else { text.text.to_ascii_lowercase() };
        (text.case_sensitive == case_sensitive).then_some(folded)
    };
    match path {
        PathMatcher::Prefix(text) => Some((key(text)?, Kind::Prefix)),
        PathMatcher::Path(text) => Some((key(text)?, Kind::Path)),
        PathMatcher::PathSeparatedPrefix(text) => Some((key(text)?, Kind::PathSeparatedPrefix)),
        PathMatcher::SafeRegex { literal_prefix, .. } if case_sensitive => {
            Some((literal_prefix.to_vec(), Kind::Prefix))
        }
        PathMatcher::SafeRegex { .. } | PathMatcher::Connect => None,
    }
}

/// The routes of one key before lists are made of them.
#[derive(Default)]
struct Own {
    prefix: Vec<u32>,
    separated: Vec<u32>,
    path: Vec<u32>,
}

impl Tree {
    fn compile(paths: &[&PathMatcher], case_sensitive: bool) -> Self {
        let mut keys: std::collections::BTreeMap<Vec<u8>, Own> = std::collections::BTreeMap::new();
        for (route, path) in (0..).zip(paths) {
            let Some((key, kind)) = entry(path, case_sensitive) else { continue };
            let own = keys.entry(key).or_default();
            match kind {
                Kind::Prefix => own.prefix.push(route),
                Kind::Path => own.path.push(route),
                Kind::PathSeparatedPrefix => own.separated.push(route),
            }
        }
        let numbered: Vec<_> = keys.keys().map(Vec::as_slice).zip(0..).collect();
        let mut tree = Tree { keys: PrefixTree::build(&numbered), ..Tree::default() };
        // In ascending order a key comes after all that it begins with.
        let mut outer: Vec<(&[u8], Lists)> = Vec::new();
        for (key, own) in &keys {
            while outer.last().is_some_and(|(shorter, _)| !key.starts_with(shorter)) {
                outer.pop();
            }
            let inherited = outer.last().map(|(shorter, lists)| match key.get(shorter.len()) {
                Some(b'/') => lists.slash,
                _ => lists.beyond,
            });
            let lists = tree.add_lists(own, inherited);
            tree.lists_of.push(lists);
            outer.push((key, lists));
        }
        tree
    }

    fn add_lists(&mut self, own: &Own, inherited: Option<usize>) -> Lists {
        let beyond = self.add_list(own.prefix.clone(), inherited);
        let slash = if own.separated.is_empty() {
            beyond
        } else {
            self.add_list([&own.prefix[..], &own.separated].concat(), inherited)
        };
        let here = if own.path.is_empty() {
            slash
        } else {
            self.add_list([&own.prefix[..], &own.separated, &own.path].concat(), inherited)
        };
        Lists { here, slash, beyond }
    }

    fn add_list(&mut self, mut routes: Vec<u32>, inherited: Option<usize>) -> usize {
        if let (true, Some(inherited)) = (routes.is_empty(), inherited) {
            return inherited;
        }
        let mut also = inherited;
        if let Some(shorter) = inherited.and_then(|place| self.lists.get(place)) {
            if routes.len() + shorter.routes.len() <= MERGE_LIMIT {
                routes.extend(&shorter.routes);
                also = shorter.also;
            }
        }
        routes.sort_unstable();
        self.lists.push(List { routes, also });
        self.lists.len() - 1
    }

    /// How many lists a look-up reads at most.
    fn depth(&self) -> usize {
        let mut depths: Vec<usize> = Vec::with_capacity(self.lists.len());
        for list in &self.lists {
            depths.push(1 + list.also.and_then(|place| depths.get(place)).copied().unwrap_or(0));
        }
        depths.into_iter().max().unwrap_or(0)
    }

    #[inline]
    fn collect<'a>(&'a self, path: impl Iterator<Item = u8>, candidates: &mut Candidates<'a>) {
        let mut deepest = None;
        self.keys.walk(path, |found| deepest = Some(found));
        let Some(found) = deepest else { return };
        let Some(lists) = usize::try_from(found.value).ok().and_then(|key| self.lists_of.get(key)) else {
            return;
        };
        let mut place = Some(match found.next {
            None => lists.here,
            Some(b'/') => lists.slash,
            Some(_) => lists.beyond,
        });
        while let Some(list) = place.and_then(|place| self.lists.get(place)) {
            // `depth` was checked against the room there is.
            if let Some(slot) = candidates.lists.get_mut(candidates.used) {
                *slot = &list.routes;
                candidates.used += 1;
            }
            place = list.also;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::route::PathMatch;

    /// A generator of numbers that need not be good (xorshift), so that a failure comes back.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 16).unwrap_or_default() % limit
        }

        /// A path of few kinds of segments, so that paths share much.
        fn path(&mut self) -> String {
            let segment = |n| ["/a", "/b", "/ab", "/B", "/", "/abc"][n];
            (0..=self.below(4)).map(|_| segment(self.below(6))).collect()
        }

        fn path_match(&mut self) -> PathMatch {
            let (value, case_sensitive) = (self.path(), self.below(3) > 0);
            match self.below(4) {
                0 => PathMatch::Prefix { value, case_sensitive },
                1 => PathMatch::Path { value, case_sensitive },
                2 => PathMatch::PathSeparatedPrefix { value, case_sensitive },
                _ => PathMatch::SafeRegex { regex: value + ["", ".*", "?", "[ab]/.+"][self.below(4)] },
            }
        }
    }

    fn routes(models: &[PathMatch]) -> Vec<PathMatcher> {
        models.iter().map(|model| PathMatcher::compile(model).expect("match")).collect()
    }

    fn found(index: &PathIndex, routes: &[PathMatcher], path: &str) -> Vec<u32> {
        let candidates = index.candidates(path.as_bytes());
        let tested = candidates.are_tested();
        candidates
            .filter(|&route| {
                let matcher = &routes[route as usize];
                let matches = matcher.matches(path.as_bytes());
                assert!(matches || !tested || matcher.is_regex(), "{path} is no candidate for {matcher:?}");
                matches
            })
            .collect()
    }

    #[test]
    fn agrees_with_trying_each() {
        let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
        for round in 0..300 {
            let models: Vec<_> = (0..numbers.below(60)).map(|_| numbers.path_match()).collect();
            let routes = routes(&models);
            let index = PathIndex::compile(&routes.iter().collect::<Vec<_>>());
            let each = PathIndex::Each { count: u32::try_from(routes.len()).expect("few") };
            for _ in 0..60 {
                let path = numbers.path();
                assert_eq!(
                    found(&index, &routes, &path),
                    found(&each, &routes, &path),
                    "round {round}: {path}"
                );
            }
        }
    }

    #[test]
    fn long_lists_are_read_beside_short_ones() {
        let prefix = |value: String| PathMatch::Prefix { value, case_sensitive: true };
        let mut models: Vec<_> = (0..100).map(|_| prefix("/".to_owned())).collect();
        models.insert(50, prefix("/a".to_owned()));
        let routes = routes(&models);
        let index = PathIndex::compile(&routes.iter().collect::<Vec<_>>());
        assert!(matches!(index, PathIndex::Trees(_)));
        assert_eq!(found(&index, &routes, "/a"), (0..=100).collect::<Vec<_>>());
        assert_eq!(found(&index, &routes, "/b").len(), 100);
    }

    #[test]
    fn a_staircase_of_prefixes_is_tried_one_by_one() {
        let models: Vec<_> = (1..400)
            .map(|depth| PathMatch::Prefix { value: "/a".repeat(depth), case_sensitive: true })
            .collect();
        let routes = routes(&models);
        let index = PathIndex::compile(&routes.iter().collect::<Vec<_>>());
        assert!(matches!(index, PathIndex::Each { .. }));
        assert_eq!(found(&index, &routes, &"/a".repeat(399)).len(), 399);
    }
}
