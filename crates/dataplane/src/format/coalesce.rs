//! `%COALESCE({"operators": […]})%`: the first of several operators that has a value.
//!
//! Owns: reading its JSON. Does not own: the operators (`operator`). Follows: Envoy's page "Access logging".

use serde::Deserialize;

use super::FormatContext;
use super::operator::{Operator, Written};

/// The operators in order.
pub(super) struct Coalesce {
    operators: Box<[Operator]>,
}

#[derive(Deserialize)]
struct Configuration {
    operators: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Name(String),
    Detailed { command: String, param: Option<String>, max_length: Option<usize> },
}

impl Coalesce {
    pub(super) fn compile(argument: &str) -> Result<Self, String> {
        let configuration: Configuration = serde_json::from_str(argument).map_err(|error| {
            format!(
                "COALESCE takes {{\"operators\": [NAME or {{\"command\", \"param\", \"max_length\"}}, …]}}: {error}"
            )
        })?;
        if configuration.operators.is_empty() {
            return Err("COALESCE: 'operators' array must not be empty".to_owned());
        }
        let compile = |(index, entry)| {
            let (command, param, max_length) = match entry {
                Entry::Name(name) => (name, None, None),
                Entry::Detailed { command, param, max_length } => (command, param, max_length),
            };
            // As in Envoy, to which formatters add nothing here.
            let compiled = match command.as_str() {
                "FILE_CONTENT" => Err(format!("unknown command: '{command}'")),
                command => Operator::compile(command, param.as_deref(), max_length),
            };
            compiled.map_err(|error| format!("COALESCE: failed to parse operator at index {index}: {error}"))
        };
        let operators =
            configuration.operators.into_iter().enumerate().map(compile).collect::<Result<_, _>>()?;
        Ok(Coalesce { operators })
    }

    pub(super) fn write(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
        self.operators
            .iter()
            .map(|operator| operator.write_typed(context, out))
            .find(|written| *written != Written::Unset)
            .unwrap_or(Written::Unset)
    }
}
