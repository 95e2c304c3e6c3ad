//! `%FILTER_STATE(KEY:F)%` and `%UPSTREAM_FILTER_STATE(KEY:F)%`: what filters left for each other, as text.
//!
//! Owns: the forms PLAIN, TYPED and FIELD. Does not own: the objects (`stream_info::filter_state`).
//! Follows Envoy's page "Access logging". An object of the stream hides one of its connection. The typed form of a text is a
//! JSON string.

use super::FormatContext;
use super::json_text;
use super::operator::Written;
use crate::stream_info::filter_state::TypedForm;

enum Form {
    Plain,
    Typed,
    Field(Box<str>),
}

/// A key and a form.
pub(super) struct FilterStateField {
    key: Box<str>,
    form: Form,
    /// Whether it is the upstream connection's.
    of_upstream: bool,
}

impl FilterStateField {
    /// `KEY`, `KEY:PLAIN`, `KEY:TYPED` or `KEY:FIELD:NAME`.
    pub(super) fn compile(argument: &str, of_upstream: bool) -> Result<Self, String> {
        let mut parts = argument.splitn(3, ':');
        let key = parts.next().unwrap_or_default();
        if key.is_empty() {
            return Err("Invalid filter state configuration, key cannot be empty.".to_owned());
        }
        let form = match (parts.next(), parts.next()) {
            (None | Some("TYPED"), _) => Form::Typed,
            (Some("PLAIN"), _) => Form::Plain,
            (Some("FIELD"), Some(name)) => Form::Field(name.into()),
            (Some("FIELD"), None) => {
                return Err("Invalid filter state serialize type, FIELD should be used with the field name."
                    .to_owned());
            }
            _ => {
                return Err("Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.".to_owned());
            }
        };
        Ok(FilterStateField { key: key.into(), form, of_upstream })
    }

    /// `as_json`: a typed text stands in JSON as what it is; elsewhere it has quotes.
    pub(super) fn write(&self, context: &FormatContext<'_>, as_json: bool, out: &mut Vec<u8>) -> Written {
        let found = if self.of_upstream {
            context.stream.upstream.filter_state.as_ref().and_then(|state| state.object(&self.key))
        } else {
            let of_stream = context.stream.filter_state.object(&self.key);
            of_stream.or_else(|| context.connection.filter_state.object(&self.key))
        };
        let Some(object) = found else { return Written::Unset };
        let form = match &self.form {
            Form::Field(name) => object.field(name).map(TypedForm::Text),
            Form::Plain => object.serialize().map(TypedForm::Text),
            Form::Typed => object.typed(),
        };
        match form {
            None => return Written::Unset,
            Some(TypedForm::Text(text)) if !as_json && matches!(self.form, Form::Typed) => {
                write_quoted(&text, out);
            }
            Some(TypedForm::Text(text)) => out.extend_from_slice(&text),
            Some(TypedForm::Json(text)) => {
                out.extend_from_slice(&text);
                return Written::Json;
            }
        }
        Written::Text
    }
}

/// As protobuf writes a JSON string: without the signs that HTML has a meaning for.
fn write_quoted(text: &[u8], out: &mut Vec<u8>) {
    let mut quoted = vec![b'"'];
    quoted.extend_from_slice(text);
    json_text::escape_from(&mut quoted, 1);
    for byte in quoted {
        match byte {
            b'<' => out.extend_from_slice(b"\\u003c"),
            b'>' => out.extend_from_slice(b"\\u003e"),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
