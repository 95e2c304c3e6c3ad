//! Of `tree`: the ways through a tree, and what it says when something is not known yet.

use super::*;
use crate::model::address::CidrRange;
use crate::model::match_tree::{HeaderPart, InputMatcher, MatchInput, ResponseFact};
use crate::model::matcher::StringMatcher;
use ferryman_codec::{HeaderBlock, HeaderName};

fn input() -> MatchInput {
    MatchInput::Header { part: HeaderPart::RequestHeaders, name: "x".to_owned() }
}

fn action(index: usize) -> model::OnMatch {
    model::OnMatch::Action { index, keep_matching: false }
}

fn kept(index: usize) -> model::OnMatch {
    model::OnMatch::Action { index, keep_matching: true }
}

fn nested(matcher: model::MatchTree) -> model::OnMatch {
    model::OnMatch::Matcher { matcher: Box::new(matcher), keep_matching: false }
}

fn nothing() -> model::OnMatch {
    nested(model::MatchTree::Empty { on_no_match: None })
}

fn entries(keys: &[(&str, model::OnMatch)]) -> Vec<model::MapEntry> {
    let entry = |(key, on_match): &(&str, model::OnMatch)| model::MapEntry {
        key: (*key).to_owned(),
        on_match: on_match.clone(),
    };
    keys.iter().map(entry).collect()
}

fn request(value: &str) -> HeaderBlock {
    let mut request = HeaderBlock::new();
    assert!(request.append_name(&HeaderName::new(b"x").expect("name"), value.as_bytes()));
    request
}

/// What the tree says to a request whose header `x` has the value, and what it passed by.
fn find(tree: &model::MatchTree, value: &str) -> (Outcome, Vec<usize>) {
    let tree = MatchTree::compile(tree).expect("tree");
    let request = request(value);
    let data = MatchingData { request_headers: Some(&request), ..MatchingData::default() };
    let mut skipped = Vec::new();
    let found = tree.find(&data, &mut |index| skipped.push(index));
    (found, skipped)
}

fn equal(value: &str, ignore_case: bool) -> model::Predicate {
    let matcher = StringMatcher::Exact { value: value.to_owned(), ignore_case };
    model::Predicate::Single { input: input(), matching: InputMatcher::String { matcher } }
}

#[test]
fn what_matches_may_be_passed_by() {
    let map = entries(&[("/", action(0)), ("/a", kept(1)), ("/a/b", kept(2)), ("/c", nothing())]);
    let tree = model::MatchTree::PrefixMatchMap { input: input(), map, on_no_match: Some(action(9)) };
    assert_eq!(find(&tree, "/a/b/c"), (Outcome::Action(0), vec![2, 1]));
    assert_eq!(find(&tree, "/c"), (Outcome::Action(0), vec![]));
    assert_eq!(find(&tree, "x"), (Outcome::Action(9), vec![]));
    let whole = model::MatchTree::ExactMatchMap {
        input: input(),
        map: entries(&[(
            "a",
            model::OnMatch::Matcher {
                matcher: Box::new(model::MatchTree::Empty { on_no_match: Some(action(3)) }),
                keep_matching: true,
            },
        )]),
        on_no_match: None,
    };
    assert_eq!(find(&whole, "a"), (Outcome::NoMatch, vec![3]));
}

#[test]
fn many_prefixes_of_one_text() {
    let keys: Vec<_> = (1..=40).map(|length| "/".repeat(length)).collect();
    let mut map = entries(&keys.iter().map(|key| (key.as_str(), nothing())).collect::<Vec<_>>());
    map[0].on_match = action(5);
    let tree = model::MatchTree::PrefixMatchMap { input: input(), map, on_no_match: None };
    assert_eq!(find(&tree, &"/".repeat(50)).0, Outcome::Action(5));
}

#[test]
fn predicates_are_combined() {
    let not = |predicate| model::Predicate::Not { predicate: Box::new(predicate) };
    let list = |predicate| model::MatchTree::MatcherList {
        matchers: vec![model::FieldMatcher { predicate, on_match: action(1) }],
        on_no_match: None,
    };
    let both = |first, second| model::Predicate::And { predicates: vec![first, second] };
    let either = |first, second| model::Predicate::Or { predicates: vec![first, second] };
    for (predicate, value, matches) in [
        (either(equal("a", false), equal("b", true)), "B", true),
        (either(equal("a", false), equal("b", true)), "A", false),
        (both(equal("a", false), equal("A", true)), "a", true),
        (both(equal("a", false), not(equal("A", true))), "a", false),
        (not(equal("a", false)), "b", true),
    ] {
        let expected = if matches { Outcome::Action(1) } else { Outcome::NoMatch };
        assert_eq!(find(&list(predicate.clone()), value).0, expected, "{predicate:?} {value}");
    }
}

#[test]
fn what_is_not_known_yet() {
    let later = model::Predicate::Single {
        input: MatchInput::Response { fact: ResponseFact::StatusCodeClass },
        matching: InputMatcher::String {
            matcher: StringMatcher::Exact { value: "5xx".to_owned(), ignore_case: false },
        },
    };
    let list = |predicates: Vec<model::Predicate>, any: bool| model::MatchTree::MatcherList {
        matchers: vec![model::FieldMatcher {
            predicate: if any {
                model::Predicate::Or { predicates }
            } else {
                model::Predicate::And { predicates }
            },
            on_match: action(1),
        }],
        on_no_match: Some(action(2)),
    };
    let unknown = Outcome::InsufficientData;
    assert_eq!(find(&list(vec![later.clone(), equal("a", false)], true), "a").0, Outcome::Action(1));
    assert_eq!(find(&list(vec![later.clone(), equal("a", false)], true), "b").0, unknown);
    assert_eq!(find(&list(vec![equal("a", false), later.clone()], false), "b").0, Outcome::Action(2));
    assert_eq!(find(&list(vec![equal("a", false), later.clone()], false), "a").0, unknown);
    let tree = MatchTree::compile(&list(vec![later.clone(), later], true)).expect("tree");
    let mut response = HeaderBlock::new();
    assert!(response.set(ferryman_codec::KnownName::Status, b"503"));
    let data = MatchingData { response_headers: Some(&response), ..MatchingData::default() };
    assert_eq!(tree.find(&data, &mut |_| ()), Outcome::Action(1));
}

#[test]
fn ten_thousand_keys() {
    let keys: Vec<_> = (0..10_000).map(|index| format!("host-{index}.example.com")).collect();
    let map = keys.iter().zip(0..).map(|(key, index)| (key.as_str(), action(index))).collect::<Vec<_>>();
    let tree = model::MatchTree::ExactMatchMap { input: input(), map: entries(&map), on_no_match: None };
    assert_eq!(find(&tree, "host-9999.example.com").0, Outcome::Action(9999));
    let matcher = |domains: &[&str], on_match| model::DomainMatcher {
        domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
        on_match,
    };
    let tree = model::MatchTree::ServerNameMatcher {
        input: input(),
        domain_matchers: vec![
            matcher(&["a.com"], nothing()),
            matcher(&["*.b.a.com"], nothing()),
            matcher(&["*.a.com", "*.org"], action(1)),
            matcher(&["*"], action(2)),
        ],
        on_no_match: None,
    };
    for (name, expected) in [("x.b.a.com", 1), ("a.com", 2), ("b.org", 1), ("org", 2)] {
        assert_eq!(find(&tree, name).0, Outcome::Action(expected), "{name}");
    }
    assert_eq!(find(&tree, "").0, Outcome::NoMatch);
}

#[test]
fn ranges_of_addresses() {
    let range = |ranges: &[(&str, u8)], exclusive, on_match| model::IpRangeMatcher {
        ranges: ranges
            .iter()
            .map(|&(prefix, prefix_len)| CidrRange { address_prefix: prefix.to_owned(), prefix_len })
            .collect(),
        exclusive,
        on_match,
    };
    let tree = model::MatchTree::IpMatcher {
        input: input(),
        range_matchers: vec![
            range(&[("0.0.0.0", 0)], true, action(0)),
            range(&[("10.0.0.0", 8), ("fd00::", 8)], false, action(1)),
            range(&[("10.1.0.0", 16), ("11.0.0.0", 8)], false, nothing()),
        ],
        on_no_match: None,
    };
    for (address, expected) in [
        ("9.9.9.9", Outcome::Action(0)),
        ("10.9.9.9", Outcome::Action(1)),
        ("10.1.9.9", Outcome::Action(1)),
        ("11.1.1.1", Outcome::NoMatch),
        ("fd00::1", Outcome::Action(1)),
        ("ten", Outcome::NoMatch),
    ] {
        assert_eq!(find(&tree, address).0, expected, "{address}");
    }
}
