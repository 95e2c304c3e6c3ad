//! All expected values are what Envoy 1.40 sent on.

use std::time::{Instant, SystemTime};

use super::*;
use crate::format::AccessLogType;
use crate::model::format::FormatPart;
use crate::model::route::HeaderValueOption;
use crate::stream_info::{Address, ConnectionInfo, StreamInfo};

fn head(fields: &[&str]) -> HeaderBlock {
    let mut head = HeaderBlock::new();
    for field in fields {
        let (name, value) = field.split_once(':').expect("field");
        assert!(head.append_name(&HeaderName::new(name.as_bytes()).expect("name"), value.as_bytes()));
    }
    head
}

fn add(name: &str, value: &str, append_action: AppendAction) -> HeaderValueOption {
    let operator = value.strip_prefix("%REQ(").and_then(|rest| rest.strip_suffix(")%"));
    let part = match operator {
        Some(argument) => FormatPart::Operator {
            name: "REQ".to_owned(),
            argument: Some(argument.to_owned()),
            max_length: None,
        },
        None => FormatPart::Literal { text: value.to_owned() },
    };
    HeaderValueOption { name: name.to_owned(), value: vec![part], append_action, keep_empty_value: false }
}

fn applied(additions: &[HeaderValueOption], removals: &[&str], fields: &[&str]) -> HeaderBlock {
    let model = model::route::HeaderMutations {
        request_headers_to_add: additions.to_vec(),
        request_headers_to_remove: removals.iter().map(ToString::to_string).collect(),
        ..Default::default()
    };
    let mutations = HeaderMutations::compile(&model).expect("mutations");
    let (now, wall) = (Instant::now(), SystemTime::now());
    let address = || Address::Ip("127.0.0.1:1".parse().expect("address"));
    let connection = ConnectionInfo::new(1, address(), address(), now, wall);
    let stream = StreamInfo::new(now, wall);
    let context = FormatContext::new(&stream, &connection, AccessLogType::NotSet, now, || 0);
    let mut request = head(fields);
    mutations.apply_to_request(&mut request, &context, &mut MutationScratch::default());
    request
}

use AppendAction::{AddIfAbsent, AppendIfExistsOrAdd, OverwriteIfExists, OverwriteIfExistsOrAdd};

const SENT: &[&str] = &["x-e:1", "x-e:2", "user-agent:u"];

#[test]
fn four_actions() {
    for (action, alone, with) in [
        (AppendIfExistsOrAdd, &["x-e:n"][..], &["x-e:1", "x-e:2", "user-agent:u", "x-e:n"][..]),
        (AddIfAbsent, &["x-e:n"], SENT),
        (OverwriteIfExistsOrAdd, &["x-e:n"], &["user-agent:u", "x-e:n"]),
        (OverwriteIfExists, &[], &["user-agent:u", "x-e:n"]),
    ] {
        let edit = [add("x-e", "n", action)];
        assert_eq!(applied(&edit, &[], &[]), head(alone), "{action:?}");
        assert_eq!(applied(&edit, &[], SENT), head(with), "{action:?}");
    }
}

#[test]
fn conditions_look_at_the_head_before() {
    let twice = [add("x-e", "a", AddIfAbsent), add("x-e", "b", AddIfAbsent)];
    assert_eq!(applied(&twice, &[], &[]), head(&["x-e:a", "x-e:b"]));
    let mixed = [
        add("x-e", "a", AppendIfExistsOrAdd),
        add("x-e", "b", OverwriteIfExistsOrAdd),
        add("x-e", "c", OverwriteIfExists),
    ];
    assert_eq!(applied(&mixed, &[], &[]), head(&["x-e:b", "x-e:a"]));
    assert_eq!(applied(&mixed, &[], SENT), head(&["user-agent:u", "x-e:c", "x-e:a"]));
}

#[test]
fn removals_come_first() {
    let edits = [add("x-e", "n", AddIfAbsent), add("x-q", "%REQ(x-e)%", AppendIfExistsOrAdd)];
    assert_eq!(applied(&edits, &["X-E"], SENT), head(&["user-agent:u", "x-e:n"]));
}

#[test]
fn empty_values() {
    let keep =
        |name, value| HeaderValueOption { keep_empty_value: true, ..add(name, value, AppendIfExistsOrAdd) };
    let edits = [
        add("x-e", "", AppendIfExistsOrAdd),
        keep("x-f", ""),
        add("x-g", "%REQ(nope)%", AppendIfExistsOrAdd),
        keep("x-i", "%REQ(nope)%"),
        add("x-k", "%REQ(user-agent)%", AppendIfExistsOrAdd),
    ];
    assert_eq!(applied(&edits, &[], &["user-agent:u"]), head(&["user-agent:u", "x-f:", "x-i:", "x-k:u"]));
}

#[test]
fn names_that_envoy_joins() {
    let edits = [
        add("x-forwarded-for", "9.9.9.9", AppendIfExistsOrAdd),
        add("user-agent", "ua2", AppendIfExistsOrAdd),
        add("cookie", "c=1", AppendIfExistsOrAdd),
        add("accept", "z", AppendIfExistsOrAdd),
    ];
    assert_eq!(
        applied(&edits, &[], &["x-forwarded-for:1.1.1.1", "user-agent:u", "cookie:a", "accept:b"]),
        head(&[
            "x-forwarded-for:1.1.1.1,9.9.9.9",
            "user-agent:u,ua2",
            "cookie:a",
            "accept:b,z",
            "cookie:c=1"
        ])
    );
}

#[test]
fn what_may_not_be_edited() {
    for name in [":path", "Host", "a b"] {
        let model = model::route::HeaderMutations {
            request_headers_to_add: vec![add(name, "v", AddIfAbsent)],
            ..Default::default()
        };
        assert!(HeaderMutations::compile(&model).is_err_and(|text| text.contains(name)), "{name}");
    }
}
