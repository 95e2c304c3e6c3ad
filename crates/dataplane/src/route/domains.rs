//! Which virtual host a host header belongs to.
//!
//! Owns: the look-up by domain. Does not own: the virtual hosts, nor where the host comes from (`:authority`).
//! Follows Envoy's `VirtualHost.domains`: the exact name, then the longest `*suffix`, then the longest `prefix*`, then `*`;
//! a wildcard stands for at least one character, letters' case does not count.
//!
//! A look-up allocates nothing and costs the same for ten domains and for ten thousand.

use crate::matcher::prefix_tree::PrefixTree;

/// Compiled domains; the numbers are indexes of virtual hosts.
#[derive(Debug, Clone, Default)]
pub(super) struct Domains {
    exact: ExactNames,
    suffixes: PrefixTree,
    prefixes: PrefixTree,
    any: Option<u32>,
    only_any: bool,
}

impl Domains {
    /// Compiles the domains, each with its virtual host's index.
    ///
    /// # Errors
    /// The domain that is there twice.
    pub(super) fn compile<'a>(domains: impl Iterator<Item = (&'a str, u32)>) -> Result<Self, String> {
        let (mut exact, mut suffixes, mut prefixes, mut any) = (Vec::new(), Vec::new(), Vec::new(), None);
        for (domain, host) in domains {
            let lower = domain.to_ascii_lowercase().into_bytes();
            if lower == b"*" {
                if any.replace(host).is_some() {
                    return Err("only one virtual host may have the domain '*'".to_owned());
                }
            } else if let Some(suffix) = lower.strip_prefix(b"*") {
                suffixes.push((suffix.iter().rev().copied().collect::<Vec<_>>(), host));
            } else if let Some(prefix) = lower.strip_suffix(b"*") {
                prefixes.push((prefix.to_vec(), host));
            } else {
                exact.push((lower, host));
            }
        }
        Ok(Domains {
            only_any: exact.is_empty() && suffixes.is_empty() && prefixes.is_empty(),
            exact: ExactNames::build(sorted(exact, &|name| name.to_vec())?),
            suffixes: tree(suffixes, &|suffix| suffix.iter().chain(b"*").rev().copied().collect())?,
            prefixes: tree(prefixes, &|prefix| prefix.iter().chain(b"*").copied().collect())?,
            any,
        })
    }

    /// The virtual host of a host; `None` as host: there is no such header.
    #[inline]
    pub(super) fn find(&self, host: Option<&[u8]>) -> Option<u32> {
        if self.only_any {
            return self.any;
        }
        let host = host?;
        self.exact.find(host).or_else(|| self.find_wildcard(host)).or(self.any)
    }

    fn find_wildcard(&self, host: &[u8]) -> Option<u32> {
        let lower = host.iter().map(u8::to_ascii_lowercase);
        longest(&self.suffixes, lower.clone().rev(), host.len())
            .or_else(|| longest(&self.prefixes, lower, host.len()))
    }
}

/// The number of the longest key that the string begins with and that is not all of it.
fn longest(tree: &PrefixTree, string: impl Iterator<Item = u8>, length: usize) -> Option<u32> {
    let mut best = None;
    tree.walk(string, |found| {
        if found.length < length {
            best = Some(found.value);
        }
    });
    best
}

type Keys = Vec<(Vec<u8>, u32)>;

/// In ascending order; refuses a key that is there twice, and names it as `original` writes it.
fn sorted(mut keys: Keys, original: &dyn Fn(&[u8]) -> Vec<u8>) -> Result<Keys, String> {
    keys.sort_unstable();
    for pair in keys.windows(2) {
        if let [(a, _), (b, _)] = pair {
            if a == b {
                return Err(format!("the domain '{}' is there twice", String::from_utf8_lossy(&original(a))));
            }
        }
    }
    Ok(keys)
}

fn tree(keys: Keys, original: &dyn Fn(&[u8]) -> Vec<u8>) -> Result<PrefixTree, String> {
    let keys = sorted(keys, original)?;
    let borrowed: Vec<_> = keys.iter().map(|(key, host)| (&key[..], *host)).collect();
    Ok(PrefixTree::build(&borrowed))
}

/// A hash table of whole names. It is made of the configuration alone, so its hash needs no secret: who sends requests
/// has no say in what collides.
#[derive(Debug, Clone, Default)]
struct ExactNames {
    /// A power of two of slots, at most half of them in use; each is 0 or 1 + an index into `names`.
    slots: Vec<u32>,
    names: Keys,
}

impl ExactNames {
    fn build(names: Keys) -> Self {
        let mut slots = vec![0; (names.len() * 2).next_power_of_two()];
        for (index, (name, _)) in (1..).zip(&names) {
            let mut at = slot(name, slots.len());
            while slots.get(at).is_some_and(|&slot| slot != 0) {
                at = (at + 1) & (slots.len() - 1);
            }
            if let Some(slot) = slots.get_mut(at) {
                *slot = index;
            }
        }
        ExactNames { slots, names }
    }

    #[inline]
    fn find(&self, name: &[u8]) -> Option<u32> {
        if self.names.is_empty() {
            return None;
        }
        let mut at = slot(name, self.slots.len());
        // Half of the slots are empty, so the search ends.
        while let Some(index) = self.slots.get(at)?.checked_sub(1) {
            let (found, host) = self.names.get(usize::try_from(index).ok()?)?;
            if found.eq_ignore_ascii_case(name) {
                return Some(*host);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        None
    }
}

/// The slot of a name in a table of `size` slots, the same for both cases of a letter.
#[inline]
fn slot(name: &[u8], size: usize) -> usize {
    // Sets the bit by which the cases of ASCII letters differ; the other bytes that this makes equal only collide.
    const FOLD: u64 = 0x2020_2020_2020_2020;
    // An odd number without pattern: the fractional part of the golden ratio.
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = name.len() as u64;
    let words = name.chunks_exact(8);
    let rest = words.remainder().iter().fold(0, |word, &byte| (word << 8) | u64::from(byte));
    for word in words.map(|word| word.try_into().map_or(0, u64::from_le_bytes)).chain([rest]) {
        hash = (hash.rotate_left(29) ^ (word | FOLD)).wrapping_mul(MIX);
    }
    // The upper bits depend on all of the lower ones.
    usize::try_from(hash >> 32).unwrap_or_default() & (size - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains(names: &[&str]) -> Domains {
        Domains::compile((0..).zip(names).map(|(index, name)| (*name, index))).expect("domains")
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn in_envoys_order() {
        let names = [
            "*.ex.com",
            "*-bar.ex.com",
            "pre.*",
            "pre.foo.*",
            "*x",
            "a.ex.com",
            "pre.exact",
            "UPPER.com",
            "p.com:8080",
        ];
        let table = domains(&names);
        for (host, expected) in [
            ("b.ex.com", Some("*.ex.com")),
            (".ex.com", None),
            ("a.ex.com", Some("a.ex.com")),
            ("A.EX.COM", Some("a.ex.com")),
            ("foo-bar.ex.com", Some("*-bar.ex.com")),
            ("pre.x", Some("*x")),
            ("pre.y", Some("pre.*")),
            ("pre.foo.y", Some("pre.foo.*")),
            ("pre.exact", Some("pre.exact")),
            ("pre.", None),
            ("x", None),
            ("zx", Some("*x")),
            ("upper.COM", Some("UPPER.com")),
            ("p.com", None),
            ("p.com:8080", Some("p.com:8080")),
            ("b.ex.com:80", None),
            ("pre.x:9", Some("pre.*")),
            ("none.org", None),
            ("PRE.FOO.ex.com", Some("*.ex.com")),
            ("ex.com", None),
            ("", None),
        ] {
            let found = table.find(Some(host.as_bytes())).map(|index| names[index as usize]);
            assert_eq!(found, expected, "{host}");
        }
        assert_eq!(table.find(None), None);
    }

    #[test]
    fn the_star_takes_the_rest() {
        assert_eq!(domains(&["*"]).find(None), Some(0));
        let table = domains(&["a.com", "*"]);
        assert_eq!(table.find(Some(b"b.com")), Some(1));
        assert_eq!(table.find(Some(b"a.com")), Some(0));
        assert_eq!(
            table.find(None),
            None,
            "as in Envoy: without a host only a table of nothing but * matches"
        );
    }

    #[test]
    fn doubles_are_refused() {
        for (first, second) in [("a.com", "A.com"), ("*", "*"), ("*.a", "*.A"), ("a.*", "A.*")] {
            assert!(Domains::compile([(first, 0), (second, 1)].into_iter()).is_err(), "{first}");
        }
        let text = Domains::compile([("*.abc", 0), ("*.ABC", 1)].into_iter()).expect_err("double");
        assert_eq!(text, "the domain '*.abc' is there twice");
    }

    #[test]
    fn ten_thousand() {
        let names: Vec<_> = (0..10_000).map(|index| format!("service-{index}.example.com")).collect();
        let table = domains(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for (index, name) in (0..).zip(&names) {
            assert_eq!(table.find(Some(name.to_ascii_uppercase().as_bytes())), Some(index));
        }
        assert_eq!(table.find(Some(b"service-10000.example.com")), None);
    }
}
