//! What filters tell each other and the access log about a stream or a connection: dynamic metadata.
//!
//! Owns: the namespaces of one stream, merging into them, and the limit of their size. Does not own: the values
//! (`model::metadata`), nor who sets them.
//! Follows Envoy's pages "Dynamic state" and "Well known dynamic metadata".
//!
//! Nothing is allocated before something is set.

use crate::model::metadata::{Metadata, Struct, Value};

/// About how much one stream may hold. What comes above is not set: the sum counts everything that was ever set.
const MOST_BYTES: usize = 256 * 1024;

/// The dynamic metadata of a stream or of a connection.
#[derive(Debug, Clone, Default)]
pub struct DynamicMetadata(Option<Box<Held>>);

#[derive(Debug, Clone, Default)]
struct Held {
    metadata: Metadata,
    /// The namespaces that have a typed value; nobody who reads one is built.
    typed: Vec<Box<str>>,
    bytes: usize,
}

impl DynamicMetadata {
    /// Whether nothing was set.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Forgets everything.
    #[inline]
    pub fn clear(&mut self) {
        self.0 = None;
    }

    /// What was set, by namespace.
    #[must_use]
    pub fn all(&self) -> Option<&Metadata> {
        self.0.as_ref().map(|held| &held.metadata)
    }

    /// What was set in a namespace.
    #[must_use]
    pub fn namespace(&self, namespace: &str) -> Option<&Struct> {
        self.all()?.namespace(namespace)
    }

    /// The value at the end of a path in a namespace.
    #[must_use]
    pub fn get<K: AsRef<str>>(&self, namespace: &str, path: &[K]) -> Option<&Value> {
        self.namespace(namespace)?.get(path)
    }

    /// Sets fields of a namespace; each takes the place of what was there (Envoy: `setDynamicMetadata`). Answers whether
    /// there was room.
    pub fn set(&mut self, namespace: &str, fields: Struct) -> bool {
        self.change(namespace, fields.byte_size(), |there| there.0.extend(fields.0))
    }

    /// Sets all that is in another one.
    pub fn merge(&mut self, other: DynamicMetadata) {
        for (namespace, fields) in other.0.into_iter().flat_map(|held| held.metadata.0) {
            // What finds no room is left out, as wherever it is set.
            let _set: bool = self.set(&namespace, fields);
        }
    }

    /// Whether a namespace has a typed value.
    #[must_use]
    pub fn has_typed(&self, namespace: &str) -> bool {
        self.0.as_ref().is_some_and(|held| held.typed.iter().any(|there| **there == *namespace))
    }

    /// A namespace has a typed value now. Answers whether there was room.
    pub fn set_typed(&mut self, namespace: &str) -> bool {
        if self.has_typed(namespace) {
            return true;
        }
        let held = self.0.get_or_insert_default();
        held.bytes += namespace.len();
        let fits = held.bytes <= MOST_BYTES;
        if fits {
            held.typed.push(namespace.into());
        }
        fits
    }

    /// Changes a namespace by something that takes so many bytes. Answers whether there was room; if not, nothing
    /// changes.
    pub fn change(&mut self, namespace: &str, bytes: usize, change: impl FnOnce(&mut Struct)) -> bool {
        let held = self.0.get_or_insert_default();
        let bytes = bytes.saturating_add(namespace.len());
        if held.bytes.saturating_add(bytes) > MOST_BYTES {
            return false;
        }
        held.bytes += bytes;
        if !held.metadata.0.contains_key(namespace) {
            held.metadata.0.insert(namespace.to_owned(), Struct::default());
        }
        if let Some(there) = held.metadata.0.get_mut(namespace) {
            change(there);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn one(name: &str, value: Value) -> Struct {
        Struct(BTreeMap::from([(name.to_owned(), value)]))
    }

    #[test]
    fn fields_are_set_one_by_one() {
        let mut metadata = DynamicMetadata::default();
        assert!(metadata.is_empty() && metadata.namespace("n").is_none());
        assert!(metadata.set("n", one("a", Value::Struct(one("b", Value::Number(1.0))))));
        assert!(metadata.set("n", one("c", Value::text("2"))));
        assert_eq!(metadata.get("n", &["a", "b"]), Some(&Value::Number(1.0)));
        assert!(metadata.set("n", one("a", Value::Null)));
        assert_eq!(metadata.get("n", &["a"]), Some(&Value::Null));
        assert_eq!(metadata.get("n", &["c"]), Some(&Value::text("2")));
        assert_eq!(metadata.get("m", &["c"]), None);
        metadata.clear();
        assert!(metadata.is_empty());
    }

    #[test]
    fn there_is_a_limit() {
        let mut metadata = DynamicMetadata::default();
        let large = || Value::String(vec![b'x'; MOST_BYTES / 2]);
        assert!(metadata.set("n", one("a", large())));
        assert!(!metadata.set("n", one("b", large())));
        assert_eq!(metadata.get("n", &["b"]), None);
        assert!(metadata.set("n", one("b", Value::Null)), "there is room for something small");
    }
}
