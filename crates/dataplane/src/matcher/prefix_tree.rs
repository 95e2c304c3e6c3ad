//! A radix tree over byte strings: which of many keys does a string begin with?
//!
//! Owns: the tree, built once and never changed. Does not own: what the keys stand for, nor their letters' case.
//! A walk looks at each byte of the string at most once, however many keys there are, and allocates nothing.

use std::ops::Range;

/// The value of a node that is only a fork.
const NO_VALUE: u32 = u32::MAX;

#[derive(Debug, Clone)]
struct Node {
    label: Range<usize>,
    /// In `edges` and `children`.
    forks: Range<usize>,
    value: u32,
}

/// Keys with a number each.
#[derive(Debug, Clone, Default)]
pub(crate) struct PrefixTree {
    nodes: Vec<Node>,
    labels: Vec<u8>,
    /// The first byte of each child's label; the byte is not in the label itself.
    edges: Vec<u8>,
    children: Vec<usize>,
}

/// A key that the string begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// The key's number.
    pub value: u32,
    /// The key's length.
    pub length: usize,
    /// The byte of the string after it.
    pub next: Option<u8>,
}

impl PrefixTree {
    /// Builds the tree from keys in ascending order, each once; the numbers are below `u32::MAX`.
    #[must_use]
    pub(crate) fn build(keys: &[(&[u8], u32)]) -> Self {
        let mut tree = PrefixTree::default();
        if !keys.is_empty() {
            tree.add(keys, 0);
        }
        tree
    }

    /// Adds the node of keys that are equal up to `depth`; answers its place.
    fn add(&mut self, keys: &[(&[u8], u32)], depth: usize) -> usize {
        let first = keys.first().map_or(&b""[..], |(key, _)| key);
        let last = keys.last().map_or(&b""[..], |(key, _)| key);
        let common = first.iter().zip(last).skip(depth).take_while(|(a, b)| a == b).count();
        let label_start = self.labels.len();
        self.labels.extend(first.iter().skip(depth).take(common));
        let end = depth + common;
        let (value, rest) = match keys.split_first() {
            Some(((key, value), rest)) if key.len() == end => (*value, rest),
            _ => (NO_VALUE, keys),
        };
        let place = self.nodes.len();
        let label = label_start..self.labels.len();
        self.nodes.push(Node { label, forks: 0..0, value });
        let next_byte = |key: &[u8]| key.get(end).copied().unwrap_or_default();
        let groups: Vec<_> = rest.chunk_by(|(a, _), (b, _)| next_byte(a) == next_byte(b)).collect();
        let forks = self.edges.len()..self.edges.len() + groups.len();
        for group in &groups {
            self.edges.push(group.first().map_or(0, |(key, _)| next_byte(key)));
            self.children.push(0);
        }
        for (slot, group) in forks.clone().zip(groups) {
            let child = self.add(group, end + 1);
            if let Some(slot) = self.children.get_mut(slot) {
                *slot = child;
            }
        }
        if let Some(node) = self.nodes.get_mut(place) {
            node.forks = forks;
        }
        place
    }

    /// Calls `visit` for each key that the string begins with, from the shortest to the longest.
    #[inline]
    pub(crate) fn walk(&self, string: impl Iterator<Item = u8>, mut visit: impl FnMut(Found)) {
        let mut string = string.peekable();
        let Some(mut node) = self.nodes.first() else { return };
        let mut length = 0;
        loop {
            for &expected in self.labels.get(node.label.clone()).unwrap_or_default() {
                if string.next() != Some(expected) {
                    return;
                }
            }
            length += node.label.len();
            if node.value != NO_VALUE {
                visit(Found { value: node.value, length, next: string.peek().copied() });
            }
            let Some(byte) = string.next() else { return };
            length += 1;
            let edges = self.edges.get(node.forks.clone()).unwrap_or_default();
            let Some(fork) = memchr::memchr(byte, edges) else { return };
            let Some(child) =
                self.children.get(node.forks.start + fork).and_then(|&child| self.nodes.get(child))
            else {
                return;
            };
            node = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(keys: &[&str], string: &str) -> Vec<(String, Option<char>)> {
        let mut sorted: Vec<_> = keys.iter().map(|key| key.as_bytes()).collect();
        sorted.sort_unstable();
        let numbered: Vec<_> = (0..).zip(&sorted).map(|(number, &key)| (key, number)).collect();
        let mut found = Vec::new();
        PrefixTree::build(&numbered).walk(string.bytes(), |hit| {
            let key = String::from_utf8(sorted[hit.value as usize].to_vec()).expect("text");
            assert_eq!(key.len(), hit.length);
            found.push((key, hit.next.map(char::from)));
        });
        found
    }

    #[test]
    fn finds_every_prefix_in_order() {
        let keys = ["", "/", "/a", "/ab", "/abc/d", "/b", "/service-1", "/service-12", "x"];
        for string in ["", "/", "/a", "/abc", "/abc/d", "/abc/de", "/service-123", "/c", "xyz", "y"] {
            let mut expected: Vec<_> = keys.iter().filter(|key| string.starts_with(**key)).collect();
            expected.sort_unstable_by_key(|key| key.len());
            let expected: Vec<_> = expected
                .into_iter()
                .map(|key| (key.to_string(), string[key.len()..].chars().next()))
                .collect();
            assert_eq!(walk(&keys, string), expected, "{string}");
        }
    }

    #[test]
    fn an_empty_tree_finds_nothing() {
        assert_eq!(walk(&[], "/a"), []);
        assert_eq!(walk(&["/only"], "/onl"), []);
    }
}
