//! What a host has said of a tunnel, for others: fields in filter state.
//!
//! Owns: their typed form. Does not own: the tunnel (`tunnel`), nor whether they are kept (`tunneling`).
//! Follows Envoy's page "Well Known Filter State Objects".

use std::any::Any;
use std::borrow::Cow;

use ferryman_codec::HeaderBlock;

use crate::format::json_text;
use crate::stream_info::filter_state::{FilterStateObject, TypedForm};

/// Under this name is the head of the answer.
pub(super) const RESPONSE_HEADERS: &str = "envoy.tcp_proxy.propagate_response_headers";
/// Under this one are its trailers.
pub(super) const RESPONSE_TRAILERS: &str = "envoy.tcp_proxy.propagate_response_trailers";

/// Fields as they came.
#[derive(Debug)]
pub(super) struct TunnelFields(pub HeaderBlock);

impl FilterStateObject for TunnelFields {
    fn serialize(&self) -> Option<Cow<'_, [u8]>> {
        None
    }

    /// A `config.core.v3.HeaderMap`.
    fn typed(&self) -> Option<TypedForm<'_>> {
        let mut out = b"{".to_vec();
        for (index, (name, value)) in self.0.iter_all().enumerate() {
            out.extend_from_slice(if index == 0 { b"\"headers\":[{\"key\":" } else { b",{\"key\":" });
            out.extend_from_slice(&json_text::string(&String::from_utf8_lossy(name)));
            out.extend_from_slice(b",\"value\":");
            out.extend_from_slice(&json_text::string(&String::from_utf8_lossy(value)));
            out.push(b'}');
        }
        out.extend_from_slice(if self.0.is_empty() { b"}" } else { b"]}" });
        Some(TypedForm::Json(out.into()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use ferryman_codec::KnownName;

    use super::*;

    #[test]
    fn fields_are_a_header_map() {
        let mut fields = HeaderBlock::new();
        let typed = |fields: &HeaderBlock| match TunnelFields(fields.clone()).typed() {
            Some(TypedForm::Json(text)) => String::from_utf8(text.into_owned()).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(typed(&fields), "{}");
        fields.set(KnownName::Status, b"200");
        fields.set(KnownName::Via, b"a\"b");
        assert_eq!(
            typed(&fields),
            r#"{"headers":[{"key":":status","value":"200"},{"key":"via","value":"a\"b"}]}"#
        );
    }
}
