//! Rewriting by regular expression.
//!
//! Owns: the substitution and its back references. Does not own: the expressions' syntax (`matcher`), nor what is rewritten.
//! Follows Envoy's `RegexMatchAndSubstitute`: every match is replaced; `\1` to `\9` stand for groups, `\0` for the whole
//! match, `\\` for a backslash. With a group that the expression has not, nothing is replaced.

use regex::bytes::{Captures, Regex};

use crate::matcher;
use crate::model;

#[derive(Debug, Clone)]
enum Part {
    Text(Vec<u8>),
    Group(usize),
}

/// A compiled expression and substitution.
#[derive(Debug, Clone)]
pub struct RegexRewrite {
    regex: Regex,
    parts: Vec<Part>,
    /// Whether the substitution names a group that there is not.
    is_void: bool,
}

impl RegexRewrite {
    /// Compiles both.
    ///
    /// # Errors
    /// What is wrong with the expression or the substitution.
    pub fn compile(model: &model::route::RegexRewrite) -> Result<Self, String> {
        let regex = matcher::compile_search_regex(&model.regex)?;
        let parts = parse_substitution(&model.substitution)?;
        let groups = regex.captures_len();
        let is_void = parts.iter().any(|part| matches!(part, Part::Group(group) if *group >= groups));
        Ok(RegexRewrite { regex, parts, is_void })
    }

    /// The text with every match replaced.
    #[must_use]
    pub fn replace_all(&self, text: &[u8]) -> Vec<u8> {
        if self.is_void {
            return text.to_vec();
        }
        self.regex
            .replace_all(text, |captures: &Captures<'_>| {
                let mut out = Vec::new();
                for part in &self.parts {
                    match part {
                        Part::Text(text) => out.extend_from_slice(text),
                        Part::Group(group) => {
                            out.extend(captures.get(*group).map_or(&b""[..], |group| group.as_bytes()))
                        }
                    }
                }
                out
            })
            .into_owned()
    }
}

fn parse_substitution(substitution: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    let mut bytes = substitution.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'\\') => text.push(b'\\'),
            Some(digit @ b'0'..=b'9') => {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(Part::Group(usize::from(digit - b'0')));
            }
            _ => {
                return Err(format!(
                    "substitution '{substitution}': after a backslash comes a digit or a backslash"
                ));
            }
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(regex: &str, substitution: &str, text: &str) -> String {
        let model =
            model::route::RegexRewrite { regex: regex.to_owned(), substitution: substitution.to_owned() };
        let rewrite = RegexRewrite::compile(&model).expect("rewrite");
        String::from_utf8(rewrite.replace_all(text.as_bytes())).expect("text")
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn substitutions() {
        for (regex, substitution, text, expected) in [
            ("^/rx/([^/]+)(/.*)$", "\\2/inst/\\1", "/rx/one/two", "/two/inst/one"),
            ("^/rx/([^/]+)(/.*)$", "\\2/inst/\\1", "/rx/none", "/rx/none"),
            ("o", "[\\0]", "/rgoo", "/rg[o][o]"),
            ("x*", "-", "/rstarx", "-/-r-s-t-a-r-"),
            (".*", "", "/rempty", ""),
            (".*", "/all", "/rall/x", "/all"),
            ("b", "\\5", "/rbadb", "/rbadb"),
            ("c", "\\\\x", "/rescc", "/res\\x\\x"),
            ("(a)|(b)", "<\\1\\2>", "abc", "<a><b>c"),
        ] {
            assert_eq!(rewrite(regex, substitution, text), expected, "{regex} {substitution} {text}");
        }
    }

    #[test]
    fn backslashes_are_checked() {
        for bad in ["\\", "\\x", "a\\"] {
            assert!(parse_substitution(bad).is_err(), "{bad}");
        }
    }
}
