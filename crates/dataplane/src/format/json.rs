//! JSON lines made of operators.
//!
//! Owns: the structure of a line, types of values and `omit_empty_values`. Does not own: escaping (`json_text`).
//! Follows: Envoy's page "Access logging", section "Format dictionaries". As in Envoy, the fields of an object are
//! sorted by name; an operator that stands alone keeps its type, and is `null` when it has no value; with
//! `omit_empty_values` such fields, elements and objects that are thereby empty are left out.

use super::json_text;
use super::operator::{Operator, Written};
use super::{FormatContext, Part, Unset};
use crate::model::format::{FormatPart, JsonValue};

/// A compiled JSON format.
pub struct JsonFormatter {
    root: Node,
    omit_empty_values: bool,
}

enum Node {
    /// A finished JSON text.
    Constant(Box<[u8]>),
    Null,
    /// An operator that stands alone.
    Operator(Operator),
    /// A string made of several parts; literals are escaped already.
    Text(Box<[Part]>),
    /// Each name with its quotes and colon.
    Object(Box<[(Box<[u8]>, Node)]>),
    Array(Box<[Node]>),
}

impl JsonFormatter {
    /// Compiles a JSON format.
    ///
    /// # Errors
    /// One line that names the operator and says why it cannot be filled.
    pub fn compile(root: &JsonValue, omit_empty_values: bool) -> Result<Self, String> {
        Ok(JsonFormatter { root: Node::compile(root)?, omit_empty_values })
    }

    /// Appends the filled format, without a newline.
    pub fn write(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) {
        let writer = Writer { context, omit: self.omit_empty_values };
        if !writer.write(&self.root, out) {
            out.extend_from_slice(if matches!(self.root, Node::Object(_)) { b"{}" } else { b"null" });
        }
    }
}

impl Node {
    fn compile(value: &JsonValue) -> Result<Node, String> {
        Ok(match value {
            JsonValue::Null {} => Node::Null,
            JsonValue::Bool { value } => {
                Node::Constant(if *value { b"true"[..].into() } else { b"false"[..].into() })
            }
            JsonValue::Number { value } => Node::Constant(json_text::number(*value).into_bytes().into()),
            JsonValue::Array { elements } => {
                Node::Array(elements.iter().map(Node::compile).collect::<Result<_, _>>()?)
            }
            JsonValue::Object { fields } => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by(|left, right| left.0.as_bytes().cmp(right.0.as_bytes()));
                let compile = |(name, value): &(String, JsonValue)| {
                    let mut name = json_text::string(name);
                    name.push(b':');
                    Ok((name.into(), Node::compile(value)?))
                };
                Node::Object(fields.into_iter().map(compile).collect::<Result<_, String>>()?)
            }
            JsonValue::Format { format } => Node::compile_format(format)?,
        })
    }

    fn compile_format(format: &[FormatPart]) -> Result<Node, String> {
        match format {
            [] => Ok(Node::Constant(b"\"\""[..].into())),
            [FormatPart::Literal { text }] => Ok(Node::Constant(json_text::string(text).into())),
            [FormatPart::Operator { name, argument, max_length }] => {
                Operator::compile(name, argument.as_deref(), *max_length).map(Node::Operator)
            }
            parts => {
                let compile = |part: &FormatPart| match part {
                    FormatPart::Literal { text } => {
                        let mut text = text.as_bytes().to_vec();
                        json_text::escape_from(&mut text, 0);
                        Ok(Part::Literal(text.into()))
                    }
                    FormatPart::Operator { name, argument, max_length } => {
                        Operator::compile(name, argument.as_deref(), *max_length).map(Part::Operator)
                    }
                };
                Ok(Node::Text(parts.iter().map(compile).collect::<Result<_, String>>()?))
            }
        }
    }
}

struct Writer<'a, 'b> {
    context: &'a FormatContext<'b>,
    omit: bool,
}

impl Writer<'_, '_> {
    /// Appends a value; `false`: it is to be omitted, and nothing was appended.
    fn write(&self, node: &Node, out: &mut Vec<u8>) -> bool {
        match node {
            Node::Constant(text) => out.extend_from_slice(text),
            Node::Null => return self.write_null(out),
            Node::Operator(operator) => return self.write_operator(operator, out),
            Node::Text(parts) => self.write_text(parts, out),
            Node::Object(fields) => return self.write_object(fields, out),
            Node::Array(elements) => {
                out.push(b'[');
                self.write_elements(elements, out);
                out.push(b']');
            }
        }
        true
    }

    fn write_null(&self, out: &mut Vec<u8>) -> bool {
        if !self.omit {
            out.extend_from_slice(b"null");
        }
        !self.omit
    }

    fn write_operator(&self, operator: &Operator, out: &mut Vec<u8>) -> bool {
        let quote = out.len();
        out.push(b'"');
        match operator.write_typed(self.context, out) {
            Written::Text => {
                json_text::escape_from(out, quote + 1);
                out.push(b'"');
            }
            Written::Number | Written::Json => {
                out.remove(quote);
            }
            Written::Unset | Written::Blank => {
                out.truncate(quote);
                return self.write_null(out);
            }
        }
        true
    }

    fn write_text(&self, parts: &[Part], out: &mut Vec<u8>) {
        let unset = if self.omit { Unset::Empty } else { Unset::Dash };
        out.push(b'"');
        for part in parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text),
                Part::Operator(operator) => {
                    let start = out.len();
                    if operator.write(self.context, out) == Written::Unset && unset == Unset::Dash {
                        out.push(b'-');
                    }
                    json_text::escape_from(out, start);
                }
            }
        }
        out.push(b'"');
    }

    fn write_object(&self, fields: &[(Box<[u8]>, Node)], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        out.push(b'{');
        let mut empty = true;
        for (name, value) in fields {
            let before = out.len();
            if !empty {
                out.push(b',');
            }
            out.extend_from_slice(name);
            if self.write(value, out) {
                empty = false;
            } else {
                out.truncate(before);
            }
        }
        if empty && self.omit {
            out.truncate(start);
            return false;
        }
        out.push(b'}');
        true
    }

    fn write_elements(&self, elements: &[Node], out: &mut Vec<u8>) {
        let mut empty = true;
        for element in elements {
            let before = out.len();
            if !empty {
                out.push(b',');
            }
            if self.write(element, out) {
                empty = false;
            } else {
                out.truncate(before);
            }
        }
    }
}
