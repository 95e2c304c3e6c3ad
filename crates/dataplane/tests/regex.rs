//! Regular expressions: accepted, refused and matched as by Envoy 1.40.0 (RE2).
//!
//! `data/re2.json` was recorded from Envoy: every pattern was the `safe_regex` of a route's header matcher and every
//! input (its bytes are written as the characters of the same numbers) a header's value; `matches` lists the inputs
//! that took the route, null stands for a configuration that was refused.

#![allow(clippy::expect_used)] // a helper of tests may end the test

use ferryman_dataplane::matcher::{check_regex, compile_regex, compile_search_regex};
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    inputs: Vec<String>,
    patterns: Vec<Pattern>,
}

#[derive(Deserialize)]
struct Pattern {
    pattern: String,
    matches: Option<Vec<usize>>,
}

#[test]
fn patterns_are_read_as_by_re2() {
    let recorded: Recorded = serde_json::from_str(include_str!("data/re2.json")).expect("JSON");
    let inputs: Vec<Vec<u8>> = recorded
        .inputs
        .iter()
        .map(|input| input.chars().map(|char| u8::try_from(char).expect("a byte")).collect())
        .collect();
    let mut differences = Vec::new();
    for Pattern { pattern, matches } in recorded.patterns {
        let ours = compile_regex(&pattern)
            .map(|regex| (0..inputs.len()).filter(|at| regex.is_match(&inputs[*at])).collect::<Vec<_>>());
        match (ours, matches) {
            (Ok(ours), Some(theirs)) if ours == theirs => {}
            (Err(_), None) => {}
            (ours, theirs) => differences.push(format!("{pattern:?}: RE2 {theirs:?}, we {ours:?}")),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn errors_are_one_clear_line() {
    for (pattern, says) in [
        ("(?=a)", "invalid regex '(?=a)': invalid perl operator: (?="),
        (r"a\1", r"invalid regex 'a\1': invalid escape sequence: \1"),
        ("a**", "bad repetition operator: *"),
        ("*a", "no argument for repetition operator: *"),
        ("a{1001}", "invalid repetition size: {1001}"),
        ("[z-a]", "invalid character class range: z-a"),
        ("[a", "missing ]: [a"),
        ("(a", "missing ): (a"),
        ("a)", "unexpected ): a)"),
        ("(a{100}){100}", "invalid repetition size: {100}"),
        (r"\p{Nope}", r"invalid character class range: \p{Nope}"),
        (r"\x{100}", r"invalid escape sequence: \x"),
    ] {
        let error = check_regex(pattern).expect_err(pattern);
        assert!(error.contains(says), "{pattern}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_search_finds_a_part() {
    let regex = compile_search_regex("/v[0-9]+").expect("regex");
    assert_eq!(regex.replace_all(b"/api/v12/x", &b"/new"[..]).as_ref(), b"/api/new/x");
    assert!(!compile_regex("/v[0-9]+").expect("regex").is_match(b"/api/v12"));
}
