//! The keys that somebody asks for, each with its number.
//!
//! Owns: the one list of them, for all proxies of the process; it grows by each new key of a configuration and never
//! shrinks. Does not own: their values.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A key of the runtime, ready to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuntimeKey {
    /// None: no key was configured, and there is never a value.
    number: Option<u32>,
}

#[derive(Default)]
struct Numbers {
    by_name: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

static NUMBERS: Mutex<Option<Numbers>> = Mutex::new(None);

/// All keys; the place of each is its number.
pub(super) fn names() -> Vec<Arc<str>> {
    let numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    numbers.as_ref().map(|numbers| numbers.names.clone()).unwrap_or_default()
}

impl RuntimeKey {
    /// The key of this name; the empty name is that of no key. To be made when a configuration is compiled.
    #[must_use]
    pub fn new(name: &str) -> Self {
        if name.is_empty() {
            return RuntimeKey::default();
        }
        let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = numbers.get_or_insert_with(Numbers::default);
        if let Some(&number) = numbers.by_name.get(name) {
            return RuntimeKey { number: Some(number) };
        }
        // More keys than numbers would need more memory than there is; such a key reads its default.
        let Ok(number) = u32::try_from(numbers.names.len()) else { return RuntimeKey::default() };
        let name: Arc<str> = name.into();
        numbers.names.push(Arc::clone(&name));
        numbers.by_name.insert(name, number);
        RuntimeKey { number: Some(number) }
    }

    /// Whether there is a key at all.
    #[inline]
    #[must_use]
    pub fn is_configured(self) -> bool {
        self.number.is_some()
    }

    /// The value as a number without sign or fraction, if it is one (Envoy: `getInteger`).
    #[inline]
    #[must_use]
    pub fn integer(self, default: u64) -> u64 {
        self.integer_if_set().unwrap_or(default)
    }

    /// The same; none when there is no such value.
    #[inline]
    #[must_use]
    pub fn integer_if_set(self) -> Option<u64> {
        self.read(|value| value.integer)
    }

    /// The value as a number (Envoy: `getDouble`).
    #[inline]
    #[must_use]
    pub fn double(self, default: f64) -> f64 {
        self.read(|value| value.number).unwrap_or(default)
    }

    /// The value as true or false (Envoy: `getBoolean`).
    #[inline]
    #[must_use]
    pub fn boolean(self, default: bool) -> bool {
        self.read(|value| value.flag).unwrap_or(default)
    }

    /// Whether `random` falls below the value in percent (Envoy: `featureEnabled` of an integer).
    #[inline]
    #[must_use]
    pub fn percent_holds(self, default: u64, random: u64) -> bool {
        random % 100 < self.integer(default)
    }

    #[inline]
    pub(super) fn read<T>(self, read: impl FnOnce(&super::Value) -> Option<T>) -> Option<T> {
        super::read(self.number?, read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number() {
        let one = RuntimeKey::new("keys.test.one");
        assert_eq!(one, RuntimeKey::new("keys.test.one"));
        assert_ne!(one, RuntimeKey::new("keys.test.two"));
        assert!(one.is_configured() && !RuntimeKey::new("").is_configured());
        assert!(names().iter().any(|name| &**name == "keys.test.two"));
    }

    #[test]
    fn without_a_runtime_the_default_holds() {
        assert_eq!(RuntimeKey::new("keys.test.unset").integer(7), 7);
        assert!(RuntimeKey::new("").boolean(true));
        assert!(RuntimeKey::default().percent_holds(50, 49) && !RuntimeKey::default().percent_holds(50, 150));
    }
}
