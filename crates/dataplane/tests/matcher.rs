//! Header matchers, against what Envoy 1.40.0 answered for the same matcher and headers.

#![allow(clippy::expect_used)] // a helper of tests may end the test

use ferryman_codec::{HeaderBlock, HeaderName};
use ferryman_dataplane::matcher::{HeaderMatcher, StringMatcher};
use ferryman_dataplane::model::matcher as model;

/// The values of `x-h` in the order in which they came, for each column of the tables.
const COLUMNS: [&[&str]; 25] = [
    &[],
    &[""],
    &["a"],
    &["A"],
    &["b"],
    &["a", "b"],
    &["b", "a"],
    &["x", "y"],
    &["a,b"],
    &["a", ""],
    &["5"],
    &["-5"],
    &["10"],
    &["5"],
    &["+5"],
    &["5x"],
    &["5", "6"],
    &["5", "x"],
    &["05"],
    &["0x5"],
    &["99999999999999999999"],
    &["-0"],
    &["5.0"],
    &["ab"],
    &["b,c"],
];

fn head(values: &[&str]) -> HeaderBlock {
    let name = HeaderName::new(b"x-h").expect("name");
    let mut block = HeaderBlock::new();
    for value in values {
        assert!(block.append_name(&name, value.as_bytes()));
    }
    block
}

fn string(matcher: model::StringMatcher) -> model::HeaderMatch {
    model::HeaderMatch::String { matcher }
}

/// Checks a matcher: plain, inverted, with missing headers as empty, and with both. One digit a column.
fn check(matching: &model::HeaderMatch, expected: [&str; 4]) {
    let variants = [(false, false), (true, false), (false, true), (true, true)];
    for ((invert_match, treat_missing_header_as_empty), expected) in variants.into_iter().zip(expected) {
        let matcher = model::HeaderMatcher {
            name: "X-H".to_owned(),
            matching: matching.clone(),
            invert_match,
            treat_missing_header_as_empty,
        };
        let matcher = HeaderMatcher::compile(&matcher).expect("matcher");
        let ours: String =
            COLUMNS.iter().map(|values| if matcher.matches(&head(values)) { '1' } else { '0' }).collect();
        assert_eq!(
            ours, expected,
            "{matching:?} invert {invert_match} missing {treat_missing_header_as_empty}"
        );
    }
}

#[test]
fn presence_and_ranges() {
    let present = model::HeaderMatch::Present { present: true };
    let rows = [
        "0111111111111111111111111",
        "1000000000000000000000000",
        "1111111111111111111111111",
        "0000000000000000000000000",
    ];
    check(&present, rows);
    let absent = model::HeaderMatch::Present { present: false };
    check(&absent, [rows[1], rows[0], rows[3], rows[2]]);
    let range = model::HeaderMatch::Range { start: -5, end: 10 };
    check(
        &range,
        [
            "0000000000110110111001000",
            "0111111111001001000110111",
            "0000000000110110111001000",
            "1111111111001001000110111",
        ],
    );
}

#[test]
fn exact_strings() {
    use model::StringMatcher::Exact;
    let exact = |value: &str, ignore_case| string(Exact { value: value.to_owned(), ignore_case });
    check(
        &exact("a", false),
        [
            "0010011001000000000000000",
            "0101100110111111111111111",
            "0010011001000000000000000",
            "1101100110111111111111111",
        ],
    );
    check(
        &exact("A", true),
        [
            "0011011001000000000000000",
            "0100100110111111111111111",
            "0011011001000000000000000",
            "1100100110111111111111111",
        ],
    );
    check(
        &exact("", false),
        [
            "0100000001000000000000000",
            "0011111110111111111111111",
            "1100000001000000000000000",
            "0011111110111111111111111",
        ],
    );
}

#[test]
fn parts_of_strings_and_expressions() {
    use model::StringMatcher::{Contains, Prefix, Regex, Suffix};
    check(
        &string(Prefix { value: "a".to_owned(), ignore_case: false }),
        [
            "0010011011000000000000010",
            "0101100100111111111111101",
            "0010011011000000000000010",
            "1101100100111111111111101",
        ],
    );
    check(
        &string(Suffix { value: "b".to_owned(), ignore_case: false }),
        [
            "0000111010000000000000010",
            "0111000101111111111111101",
            "0000111010000000000000010",
            "1111000101111111111111101",
        ],
    );
    check(
        &string(Contains { value: "B".to_owned(), ignore_case: true }),
        [
            "0000111010000000000000011",
            "0111000101111111111111100",
            "0000111010000000000000011",
            "1111000101111111111111100",
        ],
    );
    check(
        &string(Contains { value: "b,c".to_owned(), ignore_case: false }),
        [
            "0000000000000000000000001",
            "0111111111111111111111110",
            "0000000000000000000000001",
            "1111111111111111111111110",
        ],
    );
    check(
        &string(Regex { regex: "a|b".to_owned() }),
        [
            "0010111001000000000000000",
            "0101000110111111111111111",
            "0010111001000000000000000",
            "1101000110111111111111111",
        ],
    );
    check(
        &string(Regex { regex: ".*".to_owned() }),
        [
            "0111111111111111111111111",
            "0000000000000000000000000",
            "1111111111111111111111111",
            "0000000000000000000000000",
        ],
    );
}

#[test]
fn case_is_ignored_in_ascii_only() {
    for (matcher, value, matches) in [
        (model::StringMatcher::Prefix { value: "/API".into(), ignore_case: true }, "/api/v1", true),
        (model::StringMatcher::Suffix { value: ".Example".into(), ignore_case: true }, "a.EXAMPLE", true),
        (model::StringMatcher::Suffix { value: "longer".into(), ignore_case: true }, "er", false),
        (model::StringMatcher::Contains { value: String::new(), ignore_case: true }, "", true),
        (model::StringMatcher::Exact { value: "\u{e9}".into(), ignore_case: true }, "\u{c9}", false),
    ] {
        let compiled = StringMatcher::compile(&matcher).expect("matcher");
        assert_eq!(compiled.matches(value.as_bytes()), matches, "{matcher:?}");
    }
}

#[test]
fn host_stands_for_authority() {
    let matching = string(model::StringMatcher::Exact { value: "a.example".into(), ignore_case: false });
    let matcher = model::HeaderMatcher {
        name: "Host".to_owned(),
        matching,
        invert_match: false,
        treat_missing_header_as_empty: false,
    };
    let mut block = HeaderBlock::new();
    assert!(block.set(ferryman_codec::KnownName::Authority, b"a.example"));
    assert!(HeaderMatcher::compile(&matcher).expect("matcher").matches(&block));
}
