//! Several sorted lists read as one.
//!
//! Owns the merge by which scopes whose names interleave (`http.a.` twice, `listener.x.` and `listener.x.worker_0.`)
//! are printed in order without sorting everything. A list is looked into only when its turn comes, so the few that
//! overlap are in memory and not all ten thousand.

use std::cmp::Ordering;
use std::collections::VecDeque;

/// A sorted list of names.
pub trait Source {
    /// What all its names begin with, known before the list is.
    fn prefix(&self) -> &[u8];

    /// Makes the list. Called once, before `name`.
    fn open(&mut self);

    /// The rest of the current name, behind the prefix; `None` at the end.
    fn name(&self) -> Option<&[u8]>;

    /// Goes to the next name.
    fn advance(&mut self);
}

/// Compares `prefix` and `name` of one with those of another, each as one string.
fn compare<S: Source>(left: &S, right: &S) -> Ordering {
    let (a, b) = (left.prefix(), right.prefix());
    if a == b {
        return left.name().cmp(&right.name());
    }
    let full = |source| Source::prefix(source).iter().chain(S::name(source).unwrap_or_default());
    full(left).cmp(full(right))
}

/// The lists.
pub struct Merge<S> {
    /// Not begun, sorted by prefix.
    waiting: VecDeque<S>,
    /// Begun, and not at their end.
    open: Vec<S>,
}

impl<S: Source> Merge<S> {
    /// `sources` must be sorted by prefix.
    pub fn new(sources: impl IntoIterator<Item = S>) -> Self {
        Self { waiting: sources.into_iter().collect(), open: Vec::new() }
    }

    fn open_next(&mut self) {
        if let Some(mut source) = self.waiting.pop_front() {
            source.open();
            if source.name().is_some() {
                self.open.push(source);
            }
        }
    }

    /// Goes to the least name and calls `visit` for each list that has it, in the order of the lists. `Ok(false)` at
    /// the end of all.
    ///
    /// # Errors
    /// What `visit` says.
    pub fn step<E>(&mut self, mut visit: impl FnMut(&S) -> Result<(), E>) -> Result<bool, E> {
        let least = loop {
            let Some(least) =
                (0..self.open.len()).min_by(|a, b| match (self.open.get(*a), self.open.get(*b)) {
                    (Some(a), Some(b)) => compare(a, b),
                    _ => Ordering::Equal,
                })
            else {
                if self.waiting.is_empty() {
                    return Ok(false);
                }
                self.open_next();
                continue;
            };
            let (Some(source), Some(next)) = (self.open.get(least), self.waiting.front()) else {
                break least;
            };
            // All that the next list has comes behind its prefix.
            let name = source.prefix().iter().chain(source.name().unwrap_or_default());
            if name.lt(next.prefix()) {
                break least;
            }
            self.open_next();
        };
        let equal: Vec<usize> = match self.open.get(least) {
            None => Vec::new(),
            Some(first) => (0..self.open.len())
                .filter(|at| self.open.get(*at).is_some_and(|other| compare(first, other) == Ordering::Equal))
                .collect(),
        };
        for at in &equal {
            if let Some(source) = self.open.get_mut(*at) {
                visit(source)?;
                source.advance();
            }
        }
        self.open.retain(|source| source.name().is_some());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct List(&'static str, VecDeque<&'static str>, bool);

    impl Source for List {
        fn prefix(&self) -> &[u8] {
            self.0.as_bytes()
        }
        fn open(&mut self) {
            self.2 = true;
        }
        fn name(&self) -> Option<&[u8]> {
            assert!(self.2, "read before it was opened");
            self.1.front().map(|name| name.as_bytes())
        }
        fn advance(&mut self) {
            self.1.pop_front();
        }
    }

    fn list(prefix: &'static str, names: &[&'static str]) -> List {
        List(prefix, names.iter().copied().collect(), false)
    }

    #[test]
    fn interleaving_lists_come_out_in_order() {
        let lists = [
            list("a.", &["b.c", "c", "z"]),
            list("a.", &["a", "c"]),
            list("a.b.", &["a", "d"]),
            list("b.", &[]),
            list("c.", &["x"]),
        ];
        let mut merge = Merge::new(lists);
        let mut names = Vec::new();
        while merge
            .step(|list| {
                names.push(format!("{}{}", list.0, String::from_utf8_lossy(list.name().unwrap())));
                Ok::<(), ()>(())
            })
            .unwrap()
        {}
        assert_eq!(names, ["a.a", "a.b.a", "a.b.c", "a.b.d", "a.c", "a.c", "a.z", "c.x"]);
    }

    #[test]
    fn a_list_is_opened_when_its_turn_comes() {
        let mut merge = Merge::new([list("a.", &["a", "b"]), list("b.", &["a"])]);
        merge.step(|_| Ok::<(), ()>(())).unwrap();
        assert_eq!(merge.waiting.len(), 1);
    }
}
