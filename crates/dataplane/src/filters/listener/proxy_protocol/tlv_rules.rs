//! What is made of the TLVs of a PROXY protocol header: dynamic metadata, or an object of the filter state.
//!
//! Owns: the rules, the form of the values, and the object. Does not own: which TLVs are told on to upstreams
//! (`proxy_protocol`). Follows Envoy's `ProxyProtocol` fields `rules` and `tlv_location`: of a TLV that comes twice, the
//! metadata has the first value, the object the last.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base64;
use crate::format::json_text;
use crate::model::listener_filter::{ProxyProtocol as Model, TlvEncoding};
use crate::model::metadata::{Struct, Value};
use crate::stream_info::filter_state::SharedWithUpstream;
use crate::stream_info::{ConnectionInfo, FilterStateObject};

/// The name of the object.
const KEY: &str = "envoy.network.proxy_protocol.tlv";

/// The rules of a filter, compiled.
#[derive(Debug)]
pub(super) struct TlvRules {
    rules: Vec<Rule>,
    in_filter_state: bool,
}

#[derive(Debug)]
struct Rule {
    kind: u8,
    namespace: Box<str>,
    key: Box<str>,
    encoding: TlvEncoding,
}

impl TlvRules {
    pub(super) fn compile(model: &Model) -> Self {
        let rule = |rule: &crate::model::listener_filter::TlvRule| Rule {
            kind: rule.tlv_type,
            namespace: rule.metadata_namespace.as_str().into(),
            key: rule.key.as_str().into(),
            encoding: rule.encoding,
        };
        TlvRules {
            rules: model.rules.iter().map(rule).collect(),
            in_filter_state: model.tlvs_in_filter_state,
        }
    }

    /// Takes note of one TLV.
    pub(super) fn note(&self, kind: u8, value: &[u8], info: &mut ConnectionInfo) {
        let Some(rule) = self.rules.iter().find(|rule| rule.kind == kind) else { return };
        let text = rule.encoding.text_of(value);
        if self.in_filter_state {
            note_in_filter_state(rule, text, info);
            return;
        }
        let is_there = info.dynamic_metadata.get(&rule.namespace, &[&rule.key]).is_some();
        if !is_there {
            let field = (String::from(&*rule.key), Value::String(text));
            // A header is smaller than what metadata may hold.
            let _set: bool = info.dynamic_metadata.set(&rule.namespace, Struct(BTreeMap::from([field])));
        }
    }
}

fn note_in_filter_state(rule: &Rule, text: Vec<u8>, info: &mut ConnectionInfo) {
    let mut values = info.filter_state.get::<Tlvs>(KEY).map(|tlvs| tlvs.values.clone()).unwrap_or_default();
    values.insert(rule.key.clone(), text);
    let object = Rc::new(Tlvs::new(values));
    // Only the number of objects is limited, and this is one.
    let _set: bool = info.filter_state.set(KEY, object, SharedWithUpstream::None);
}

impl TlvEncoding {
    fn text_of(self, value: &[u8]) -> Vec<u8> {
        match self {
            TlvEncoding::SanitizedUtf8 => sanitized(value),
            TlvEncoding::Base64 => {
                let mut text = Vec::new();
                base64::encode(value, &mut text);
                text
            }
        }
    }
}

/// With an exclamation mark for each byte that is no UTF-8.
fn sanitized(mut bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    loop {
        let Err(error) = std::str::from_utf8(bytes) else {
            text.extend_from_slice(bytes);
            return text;
        };
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        text.extend_from_slice(valid);
        text.push(b'!');
        bytes = rest.get(1..).unwrap_or_default();
    }
}

/// The values of TLVs by name.
#[derive(Debug)]
struct Tlvs {
    values: BTreeMap<Box<str>, Vec<u8>>,
    json: Vec<u8>,
}

impl Tlvs {
    fn new(values: BTreeMap<Box<str>, Vec<u8>>) -> Self {
        let mut json = vec![b'{'];
        for (key, value) in &values {
            if json.len() > 1 {
                json.push(b',');
            }
            json.extend(json_text::string(key));
            json.push(b':');
            json.extend(json_text::string(&String::from_utf8_lossy(value)));
        }
        json.push(b'}');
        Tlvs { values, json }
    }
}

impl FilterStateObject for Tlvs {
    fn serialize(&self) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(&self.json))
    }

    fn is_json(&self) -> bool {
        true
    }

    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.values.get(name).map(|value| Cow::Borrowed(value.as_slice()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_made_one() {
        assert_eq!(sanitized(b"f\xffo"), b"f!o");
        assert_eq!(sanitized("\u{e4}".as_bytes()), "\u{e4}".as_bytes());
        assert_eq!(sanitized(b"\xe4\x80"), b"!!");
        assert_eq!(sanitized(b""), b"");
        assert_eq!(TlvEncoding::Base64.text_of(b"\xff\x00"), b"/wA=");
    }

    #[test]
    fn the_object_is_json_and_has_fields() {
        let values = [("b", &b"\"2\""[..]), ("a", b"1")];
        let tlvs = Tlvs::new(values.map(|(key, value)| (key.into(), value.to_vec())).into());
        assert_eq!(tlvs.serialize().as_deref(), Some(&br#"{"a":"1","b":"\"2\""}"#[..]));
        assert_eq!(tlvs.field("b").as_deref(), Some(&b"\"2\""[..]));
        assert_eq!(tlvs.field("c"), None);
    }
}
