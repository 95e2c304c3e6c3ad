//! What is found by the name of the server that a client asks for.
//!
//! Owns: exact names, then wildcards, the longest first, then what is for every name. Does not own: where a name comes from
//! (listener filters). Follows Envoy's `FilterChainMatch.server_names`: letters' case does not count, and `*.a` is for
//! every name that ends with `.a`.

use std::collections::HashMap;

/// A value for some names, and one for the rest.
#[derive(Debug)]
pub(super) struct ByServerName<T> {
    exact: HashMap<Box<str>, T>,
    /// By what follows the star: a dot and a name.
    wildcards: HashMap<Box<str>, T>,
    any: Option<T>,
}

impl<T> Default for ByServerName<T> {
    fn default() -> Self {
        ByServerName { exact: HashMap::new(), wildcards: HashMap::new(), any: None }
    }
}

impl<T: Default> ByServerName<T> {
    pub(super) fn entry(&mut self, name: Option<&str>) -> &mut T {
        let Some(name) = name.map(str::to_ascii_lowercase) else { return self.any.get_or_insert_default() };
        // Envoy takes a name that begins with a dot for a wildcard too.
        let wildcard = name.strip_prefix('*').or_else(|| name.starts_with('.').then_some(&name));
        match wildcard {
            Some(suffix) => self.wildcards.entry(suffix.into()).or_default(),
            None => self.exact.entry(name.into()).or_default(),
        }
    }

    /// `name` has small letters only; empty: none was asked for.
    pub(super) fn find(&self, name: &str) -> Option<&T> {
        if name.is_empty() || self.exact.is_empty() && self.wildcards.is_empty() {
            return self.any.as_ref();
        }
        let dots = name.match_indices('.').map(|(dot, _)| dot).filter(|&dot| dot > 0);
        let mut suffixes = dots.filter_map(|dot| self.wildcards.get(name.get(dot..)?));
        self.exact.get(name).or_else(|| suffixes.next()).or(self.any.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_go_before_wildcards_and_long_ones_before_short_ones() {
        let mut names = ByServerName::default();
        for (name, value) in [(Some("A.com"), 1), (Some("*.com"), 2), (Some(".b.com"), 3), (None, 4)] {
            *names.entry(name) = value;
        }
        for (name, value) in
            [("a.com", 1), ("b.com", 2), ("x.b.com", 3), ("y.x.b.com", 3), (".com", 4), ("com", 4), ("", 4)]
        {
            assert_eq!(names.find(name), Some(&value), "{name}");
        }
        assert_eq!(ByServerName::<u8>::default().find("a"), None);
    }
}
