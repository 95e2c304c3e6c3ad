//! String and header matchers, compiled.
//!
//! Owns: Envoy's `StringMatcher` and `HeaderMatcher` on bytes, and regular expressions in RE2's syntax.
//! Does not own: what is matched where (`route`, `access_loggers`). Follows: Envoy's `type.matcher.v3.StringMatcher`,
//! `config.route.v3.HeaderMatcher`.
//!
//! A header that came more than once is matched value by value: one value that matches is enough, and with
//! `invert_match` none may. A header that did not come matches nothing, inverted or not, unless it is treated as
//! empty; `present_match` alone asks for absence.

use ferryman_codec::{HeaderBlock, HeaderName};
pub use regex::bytes::Regex;
use regex::bytes::RegexBuilder;

use crate::model::matcher as model;

mod filter_state;
pub mod input;
mod metadata;
mod predicate;
pub(crate) mod prefix_tree;
pub(crate) mod query;
mod re2_class;
mod re2_syntax;
pub mod tree;
mod xx_hash;

pub use filter_state::{FilterStateMatcher, VisibleState};
pub use metadata::{MetadataMatcher, ValueMatcher};

/// Memory that one compiled expression may take; RE2's own limit is of this order.
const REGEX_SIZE_LIMIT: usize = 8 << 20;

/// Compiles an RE2 pattern that must match a whole value.
///
/// # Errors
/// One line that says what RE2, or our engine, does not take.
pub fn compile_regex(re2: &str) -> Result<Regex, String> {
    build(re2, &format!(r"\A{}\z", re2_syntax::translate(re2)?))
}

/// Compiles an RE2 pattern that is searched for within a value.
///
/// # Errors
/// As `compile_regex`.
pub fn compile_search_regex(re2: &str) -> Result<Regex, String> {
    build(re2, &re2_syntax::translate(re2)?)
}

/// Says whether an RE2 pattern can be compiled.
///
/// # Errors
/// As `compile_regex`.
pub fn check_regex(re2: &str) -> Result<(), String> {
    compile_regex(re2).map(drop)
}

fn build(re2: &str, pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).size_limit(REGEX_SIZE_LIMIT).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => format!("invalid regex '{re2}': pattern too large"),
        error => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("invalid regex '{re2}': {reason}")
        }
    })
}

/// A compiled `StringMatcher`.
#[derive(Debug, Clone)]
pub enum StringMatcher {
    /// The whole value.
    Exact(Text),
    /// Its beginning.
    Prefix(Text),
    /// Its end.
    Suffix(Text),
    /// Any part of it.
    Contains(Text),
    /// The whole value, by an expression.
    Regex(Regex),
}

/// A text to compare with, in lower case if case is ignored.
#[derive(Debug, Clone)]
pub struct Text {
    bytes: Box<[u8]>,
    ignore_case: bool,
}

impl Text {
    fn new(text: &str, ignore_case: bool) -> Self {
        let text = if ignore_case { text.to_ascii_lowercase() } else { text.to_owned() };
        Text { bytes: text.into_bytes().into(), ignore_case }
    }

    #[inline]
    fn equals(&self, value: &[u8]) -> bool {
        if self.ignore_case { self.bytes.eq_ignore_ascii_case(value) } else { *self.bytes == *value }
    }

    fn is_within(&self, value: &[u8]) -> bool {
        if !self.ignore_case || self.bytes.is_empty() {
            return memchr::memmem::find(value, &self.bytes).is_some();
        }
        value.windows(self.bytes.len()).any(|part| self.equals(part))
    }
}

impl StringMatcher {
    /// Just this text.
    pub(crate) fn exact(text: &str) -> Self {
        StringMatcher::Exact(Text::new(text, false))
    }

    /// Compiles a matcher.
    ///
    /// # Errors
    /// As `compile_regex`.
    pub fn compile(matcher: &model::StringMatcher) -> Result<Self, String> {
        use model::StringMatcher as Model;
        Ok(match matcher {
            Model::Exact { value, ignore_case } => StringMatcher::Exact(Text::new(value, *ignore_case)),
            Model::Prefix { value, ignore_case } => StringMatcher::Prefix(Text::new(value, *ignore_case)),
            Model::Suffix { value, ignore_case } => StringMatcher::Suffix(Text::new(value, *ignore_case)),
            Model::Contains { value, ignore_case } => StringMatcher::Contains(Text::new(value, *ignore_case)),
            Model::Regex { regex } => StringMatcher::Regex(compile_regex(regex)?),
        })
    }

    /// Whether the value matches.
    #[inline]
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            StringMatcher::Exact(text) => text.equals(value),
            StringMatcher::Prefix(text) => {
                value.get(..text.bytes.len()).is_some_and(|start| text.equals(start))
            }
            StringMatcher::Suffix(text) => {
                let start = value.len().checked_sub(text.bytes.len());
                start.and_then(|start| value.get(start..)).is_some_and(|end| text.equals(end))
            }
            StringMatcher::Contains(text) => text.is_within(value),
            StringMatcher::Regex(regex) => regex.is_match(value),
        }
    }
}

/// A compiled `HeaderMatcher`.
#[derive(Debug, Clone)]
pub struct HeaderMatcher {
    /// `None`: not a name that can come.
    name: Option<HeaderName>,
    condition: Condition,
    invert: bool,
    missing_is_empty: bool,
}

#[derive(Debug, Clone)]
enum Condition {
    Present(bool),
    /// From the first, below the second.
    Range(i64, i64),
    String(StringMatcher),
}

impl HeaderMatcher {
    /// Compiles a matcher. `host` stands for `:authority`.
    ///
    /// # Errors
    /// As `compile_regex`.
    pub fn compile(matcher: &model::HeaderMatcher) -> Result<Self, String> {
        let name = matcher.name.to_ascii_lowercase();
        let name = if name == "host" { ":authority" } else { &name };
        let condition = match &matcher.matching {
            model::HeaderMatch::Present { present } => Condition::Present(*present),
            model::HeaderMatch::Range { start, end } => Condition::Range(*start, *end),
            model::HeaderMatch::String { matcher } => Condition::String(StringMatcher::compile(matcher)?),
        };
        Ok(HeaderMatcher {
            name: HeaderName::new(name.as_bytes()).ok(),
            condition,
            invert: matcher.invert_match,
            missing_is_empty: matcher.treat_missing_header_as_empty,
        })
    }

    /// Whether the head matches.
    #[must_use]
    pub fn matches(&self, head: &HeaderBlock) -> bool {
        let mut values = self.name.as_ref().map(|name| head.get_all(name)).into_iter().flatten().peekable();
        let present = values.peek().is_some() || self.missing_is_empty;
        if let Condition::Present(wanted) = &self.condition {
            return (present == *wanted) != self.invert;
        }
        if !present {
            return false;
        }
        let matched = if values.peek().is_none() {
            self.condition.holds_for(b"")
        } else {
            values.any(|value| self.condition.holds_for(value))
        };
        matched != self.invert
    }
}

impl Condition {
    fn holds_for(&self, value: &[u8]) -> bool {
        match self {
            Condition::Present(_) => true,
            Condition::String(matcher) => matcher.matches(value),
            Condition::Range(start, end) => {
                let number =
                    std::str::from_utf8(value).ok().and_then(|text| text.trim_ascii().parse::<i64>().ok());
                number.is_some_and(|number| *start <= number && number < *end)
            }
        }
    }
}
