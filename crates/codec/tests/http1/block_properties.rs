//! A `HeaderBlock` behaves like a plain list of names and values, and what it writes reads back.

use ferryman_codec::{
    BodyFraming, HeaderBlock, HeaderName, Http1Settings, KnownName, RequestDecoder, encode_request_head,
};
use proptest::prelude::*;
use proptest::sample::select;

/// The plain list.
#[derive(Default)]
struct Model(Vec<(String, Vec<u8>)>);

#[derive(Clone, Debug)]
enum Edit {
    Append(String, Vec<u8>),
    Set(String, Vec<u8>),
    AppendValue(String, Vec<u8>, Vec<u8>),
    Remove(String),
    RetainShorterThan(usize),
}

fn name() -> impl Strategy<Value = String> {
    select(vec!["accept", "via", "x-team", "x-b", "cookie", "x-request-id", "x-envoy-retry-on"])
        .prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof!["[ -~]{0,20}".prop_map(String::into_bytes), proptest::collection::vec(any::<u8>(), 0..12),]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (name(), value()).prop_map(|(name, value)| Edit::Append(name, value)),
        (name(), value()).prop_map(|(name, value)| Edit::Set(name, value)),
        (name(), value(), select(vec![&b","[..], b", ", b"\n", b""]))
            .prop_map(|(name, value, separator)| Edit::AppendValue(name, value, separator.to_vec())),
        name().prop_map(Edit::Remove),
        (0..20usize).prop_map(Edit::RetainShorterThan),
    ]
}

fn is_fit(value: &[u8]) -> bool {
    value.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

fn trimmed(value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    while blank(value.last()) {
        value.pop();
    }
    while blank(value.first()) {
        value.remove(0);
    }
    value
}

impl Model {
    fn first(&mut self, name: &str) -> Option<&mut Vec<u8>> {
        self.0.iter_mut().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// Answers whether the edit was taken.
    fn apply(&mut self, edit: &Edit) -> bool {
        match edit {
            Edit::Append(_, value) | Edit::Set(_, value) if !is_fit(value) => return false,
            Edit::Append(name, value) => self.0.push((name.clone(), value.clone())),
            Edit::Set(name, value) => {
                let Some(place) = self.0.iter().position(|(found, _)| found == name) else {
                    self.0.push((name.clone(), value.clone()));
                    return true;
                };
                self.0[place].1.clone_from(value);
                let mut seen = false;
                self.0.retain(|(found, _)| found != name || !std::mem::replace(&mut seen, true));
            }
            Edit::AppendValue(name, value, separator) => match self.first(name) {
                _ if !is_fit(value) => return false,
                None => self.0.push((name.clone(), value.clone())),
                Some(_) if !is_fit(separator) => return false,
                Some(_) if value.is_empty() => {}
                Some(former) if former.is_empty() => former.clone_from(value),
                Some(former) => former.extend([&separator[..], value].concat()),
            },
            Edit::Remove(name) => self.0.retain(|(found, _)| found != name),
            Edit::RetainShorterThan(length) => self.0.retain(|(_, value)| value.len() < *length),
        }
        true
    }
}

/// The same edit by id where the name has one and by name where not.
fn apply(block: &mut HeaderBlock, edit: &Edit) -> bool {
    let by_name = |name: &str| HeaderName::new(name.as_bytes()).unwrap();
    let id = |name: &str| KnownName::of(name.as_bytes());
    match edit {
        Edit::Append(name, value) if id(name) != KnownName::Other => block.append(id(name), value),
        Edit::Append(name, value) => block.append_name(&by_name(name), value),
        Edit::Set(name, value) if id(name) != KnownName::Other => block.set(id(name), value),
        Edit::Set(name, value) => block.set_name(&by_name(name), value),
        Edit::AppendValue(name, value, separator) => {
            block.append_value_name(&by_name(name), value, separator)
        }
        Edit::Remove(name) => {
            block.remove_name(&by_name(name));
            true
        }
        Edit::RetainShorterThan(length) => {
            block.retain(|_, _, value| value.len() < *length);
            true
        }
    }
}

proptest! {
    #[test]
    fn a_block_is_a_list(edits in proptest::collection::vec(edit(), 0..30), reused in any::<bool>()) {
        let (mut block, mut model) = (HeaderBlock::new(), Model::default());
        if reused {
            block.append(KnownName::Accept, b"left over");
            block.clear();
        }
        for edit in &edits {
            prop_assert_eq!(apply(&mut block, edit), model.apply(edit), "{:?}", edit);
        }
        let ours: Vec<_> = block.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        let theirs: Vec<_> = model.0.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone())).collect();
        prop_assert_eq!(&ours, &theirs);
        prop_assert_eq!(block.len(), theirs.len());
        prop_assert_eq!(block.is_empty(), theirs.is_empty());
        prop_assert_eq!(block.byte_size(), theirs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>());
        for text in ["accept", "via", "x-team", "x-b", "cookie", "x-request-id", "x-envoy-retry-on", "x-none"] {
            let name = HeaderName::new(text.as_bytes()).unwrap();
            let all: Vec<_> = theirs.iter().filter(|(found, _)| found == text.as_bytes()).map(|(_, v)| &v[..]).collect();
            prop_assert_eq!(block.get_all(&name).collect::<Vec<_>>(), all.clone());
            prop_assert_eq!(block.get_name(&name), all.first().copied());
            prop_assert_eq!(block.get_bytes(text.to_ascii_uppercase().as_bytes()), all.first().copied());
            if name.known() != KnownName::Other {
                prop_assert_eq!(block.contains(name.known()), !all.is_empty());
                prop_assert_eq!(block.get(name.known()), all.first().copied());
            }
        }
    }

    #[test]
    fn what_a_block_writes_reads_back(
        edits in proptest::collection::vec(edit(), 0..30),
        path in proptest::collection::vec(any::<u8>(), 0..12),
        authority in proptest::collection::vec(any::<u8>(), 0..6),
        framing in select(vec![BodyFraming::None, BodyFraming::Length(7), BodyFraming::Chunked]),
        length in select(vec![None, Some("7"), Some("8"), Some("07"), Some("x")]),
    ) {
        let mut block = HeaderBlock::new();
        prop_assert!(block.set(KnownName::Method, b"POST") && block.set(KnownName::Path, b"/"));
        prop_assert!(block.set(KnownName::Authority, b"h"));
        // Either refused, or fit to be written.
        block.set(KnownName::Path, &[b"/", &path[..]].concat());
        block.set(KnownName::Authority, &authority);
        if let Some(length) = length {
            block.append(KnownName::ContentLength, length.as_bytes());
        }
        block.append(KnownName::TransferEncoding, b"gzip");
        block.append(KnownName::Host, b"other");
        for edit in &edits {
            apply(&mut block, edit);
        }
        let mut out = Vec::new();
        encode_request_head(&block, framing, &mut out).unwrap();
        let mut again = HeaderBlock::new();
        let head = RequestDecoder::new().decode(&out, &Http1Settings::default(), &mut again).unwrap().unwrap();
        prop_assert_eq!((head.consumed, head.framing), (out.len(), framing));
        for name in [KnownName::ContentLength, KnownName::TransferEncoding, KnownName::Host] {
            block.remove(name);
            again.remove(name);
        }
        // Blanks at either end are kept here, and lost on the way (RFC 9110 section 5.5).
        let fields = |block: &HeaderBlock| -> Vec<(Vec<u8>, Vec<u8>)> {
            block.iter().map(|(name, value)| (name.to_vec(), trimmed(value))).collect()
        };
        prop_assert_eq!(fields(&again), fields(&block));
    }
}
