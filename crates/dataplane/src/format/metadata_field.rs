//! `%DYNAMIC_METADATA(…)%`, `%METADATA(TYPE:…)%` and their kin: values of metadata as text or JSON.
//!
//! Owns: where each type of metadata is found, and how a value is written. Does not own: the values (`model::metadata`).
//! Follows Envoy's page "Access logging": a string is written as it is, anything else as JSON with sorted fields.

use super::FormatContext;
use super::json_text;
use super::operator::Written;
use crate::model::metadata::{Metadata, Struct, Value};

/// Whose metadata is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Stream,
    Route,
    VirtualHost,
    Cluster,
    UpstreamHost,
    Listener,
    FilterChain,
}

/// A namespace and a path in it.
pub(super) struct MetadataField {
    of: Of,
    namespace: Box<str>,
    path: Box<[Box<str>]>,
    takes_length: bool,
    max_length: Option<usize>,
}

impl MetadataField {
    /// The operators beside `METADATA`, each for one type.
    pub(super) fn named(name: &str, argument: &str) -> Option<Self> {
        let of = match name {
            "DYNAMIC_METADATA" => Of::Stream,
            "CLUSTER_METADATA" => Of::Cluster,
            "UPSTREAM_METADATA" => Of::UpstreamHost,
            _ => return None,
        };
        Some(Self::new(of, argument, of == Of::Stream))
    }

    /// `TYPE:NAMESPACE:KEY:…`
    pub(super) fn typed(argument: &str) -> Result<Self, String> {
        let (kind, argument) = argument.split_once(':').unwrap_or((argument, ""));
        let of = match kind {
            "DYNAMIC" => Of::Stream,
            "ROUTE" => Of::Route,
            "VIRTUAL_HOST" => Of::VirtualHost,
            "CLUSTER" => Of::Cluster,
            "UPSTREAM_HOST" => Of::UpstreamHost,
            "LISTENER" => Of::Listener,
            "LISTENER_FILTER_CHAIN" => Of::FilterChain,
            _ => return Err(format!("{kind} is not supported type of metadata")),
        };
        Ok(Self::new(of, argument, true))
    }

    fn new(of: Of, argument: &str, takes_length: bool) -> Self {
        let mut parts = argument.split(':');
        let namespace = parts.next().unwrap_or_default().into();
        MetadataField { of, namespace, path: parts.map(Box::from).collect(), takes_length, max_length: None }
    }

    /// Strings are cut to this length wherever they stand, JSON only in text.
    pub(super) fn with_length(self, max_length: Option<usize>) -> Self {
        MetadataField { max_length, ..self }
    }

    /// As in Envoy, not all of these operators allow one.
    pub(super) fn takes_length(&self) -> bool {
        self.takes_length
    }

    fn metadata<'a>(&self, context: &FormatContext<'a>) -> Option<&'a Metadata> {
        match self.of {
            Of::Stream => context.stream.dynamic_metadata.all(),
            Of::Route => context.route_metadata.route,
            Of::VirtualHost => context.route_metadata.virtual_host,
            Of::Cluster => context.stream.upstream.cluster.as_ref()?.metadata.as_deref(),
            Of::UpstreamHost => context.stream.upstream.host.as_ref()?.metadata.as_deref(),
            Of::Listener => context.connection.listener_metadata.as_deref(),
            Of::FilterChain => context.connection.filter_chain_metadata.as_deref(),
        }
    }

    pub(super) fn write(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
        let Some(fields) = self.metadata(context).and_then(|metadata| metadata.namespace(&self.namespace))
        else {
            return Written::Unset;
        };
        if self.path.is_empty() {
            write_struct(fields, out);
            return Written::Json;
        }
        match fields.get(&self.path) {
            None | Some(Value::Null) => Written::Unset,
            Some(Value::String(text)) => {
                let most = self.max_length.unwrap_or(usize::MAX);
                out.extend_from_slice(text.get(..most).unwrap_or(text));
                Written::Text
            }
            Some(value) => {
                write_value(value, out);
                Written::Json
            }
        }
    }
}

/// Appends a value as JSON.
pub(crate) fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Number(number) => out.extend_from_slice(json_text::number(*number).as_bytes()),
        Value::String(text) => write_string(text, out),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Struct(fields) => write_struct(fields, out),
        Value::List(values) => {
            out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(value, out);
            }
            out.push(b']');
        }
    }
}

fn write_struct(fields: &Struct, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (name, value)) in fields.0.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(name.as_bytes(), out);
        out.push(b':');
        write_value(value, out);
    }
    out.push(b'}');
}

fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    out.extend_from_slice(text);
    json_text::escape_from(out, start);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn values_as_json() {
        let fields = Struct(BTreeMap::from([
            ("z".to_owned(), Value::List(vec![Value::Null, Value::Bool(false), Value::Number(2.0)])),
            ("a".to_owned(), Value::text("q\"")),
        ]));
        let mut out = Vec::new();
        write_value(&Value::Struct(fields), &mut out);
        assert_eq!(out, br#"{"a":"q\"","z":[null,false,2]}"#);
    }

    #[test]
    fn arguments() {
        let field = MetadataField::typed("ROUTE:n:a:b").ok().filter(|field| field.of == Of::Route);
        assert!(field.is_some_and(|field| &*field.namespace == "n" && field.path.len() == 2));
        assert!(MetadataField::typed("X:n").is_err_and(|text| text.starts_with("X is not")));
        assert!(MetadataField::named("METADATA", "n").is_none());
    }
}
