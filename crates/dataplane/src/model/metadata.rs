//! Metadata: namespaces of structured values (Envoy: `config.core.v3.Metadata`, `google.protobuf.Struct`).
//!
//! Owns the values, how they are looked up and how large they are. They come from the configuration, and at run time
//! from filters (`stream_info::dynamic_metadata`).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value, as JSON has them.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs)] // JSON's own names
pub enum Value {
    #[default]
    Null,
    Number(f64),
    /// In the configuration UTF-8; at run time what a header brought.
    String(Vec<u8>),
    Bool(bool),
    Struct(Struct),
    List(Vec<Value>),
}

/// Values by name.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Struct(pub BTreeMap<String, Value>);

/// Structs by namespace.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Metadata(pub BTreeMap<String, Struct>);

impl Value {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Value::String(text.as_bytes().to_vec())
    }

    /// About how much memory it takes.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        size_of::<Value>()
            + match self {
                Value::Null | Value::Number(_) | Value::Bool(_) => 0,
                Value::String(text) => text.len(),
                Value::Struct(fields) => fields.byte_size(),
                Value::List(values) => values.iter().map(Value::byte_size).sum(),
            }
    }
}

impl Struct {
    /// The value at the end of a path; the struct itself is at the end of no path.
    #[must_use]
    pub fn get<K: AsRef<str>>(&self, path: &[K]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let mut found = self.0.get(first.as_ref())?;
        for key in rest {
            let Value::Struct(inner) = found else { return None };
            found = inner.0.get(key.as_ref())?;
        }
        Some(found)
    }

    /// About how much memory it takes.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.0.iter().map(|(name, value)| size_of::<String>() + name.len() + value.byte_size()).sum()
    }
}

impl Metadata {
    /// The struct of a namespace.
    #[must_use]
    pub fn namespace(&self, namespace: &str) -> Option<&Struct> {
        self.0.get(namespace)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Number(number) => serializer.serialize_f64(*number),
            Value::String(text) => serializer.serialize_str(&String::from_utf8_lossy(text)),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Struct(fields) => fields.serialize(serializer),
            Value::List(values) => values.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfAnyKind)
    }
}

struct OfAnyKind;

impl<'de> Visitor<'de> for OfAnyKind {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a number, a string, a bool, a list or a map")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            fields.insert(name, value);
        }
        Ok(Value::Struct(Struct(fields)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_path_and_read_back() {
        let inner = Struct(BTreeMap::from([("b".to_owned(), Value::Number(1.5))]));
        let of_a = Value::Struct(inner.clone());
        let all = Struct(BTreeMap::from([
            ("a".to_owned(), of_a.clone()),
            ("l".to_owned(), Value::List(vec![Value::Null, Value::Bool(true), Value::text("x")])),
        ]));
        assert_eq!(all.get(&["a", "b"]), Some(&Value::Number(1.5)));
        assert_eq!(all.get(&["a"]), Some(&of_a));
        assert_eq!(all.get(&["a", "b", "c"]), None);
        assert_eq!(all.get(&["x"]), None);
        assert_eq!(all.get::<&str>(&[]), None);
        let bytes = rmp_serde::to_vec_named(&all).unwrap();
        assert_eq!(rmp_serde::from_slice::<Struct>(&bytes).unwrap(), all);
        assert!(all.byte_size() > inner.byte_size());
    }
}
