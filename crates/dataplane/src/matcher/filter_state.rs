//! Matchers of filter state objects, compiled.
//!
//! Owns: Envoy's `FilterStateMatcher`. Does not own: the objects (`stream_info/filter_state.rs`), nor whose are matched.
//! Follows: Envoy's `type.matcher.v3.FilterStateMatcher`. An object that is not there matches nothing.

use std::rc::Rc;

use crate::ip_range::IpRange;
use crate::model::matcher as model;
use crate::stream_info::FilterState;
use crate::stream_info::filter_state::FilterStateObject;

use super::StringMatcher;

/// The filter state that a stream sees: an object of its own hides one of its connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct VisibleState<'a> {
    /// The stream's.
    pub stream: Option<&'a FilterState>,
    /// The connection's.
    pub connection: Option<&'a FilterState>,
}

impl<'a> VisibleState<'a> {
    /// The object of a name.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<&'a Rc<dyn FilterStateObject>> {
        let of = |state: Option<&'a FilterState>| state?.object(name);
        of(self.stream).or_else(|| of(self.connection))
    }
}

#[derive(Debug, Clone)]
enum Value {
    Text(StringMatcher),
    Address { ranges: Box<[IpRange]>, invert: bool },
    Nothing,
}

/// A compiled `FilterStateMatcher`.
#[derive(Debug, Clone)]
pub struct FilterStateMatcher {
    key: Box<str>,
    value: Value,
}

impl FilterStateMatcher {
    /// Compiles a matcher.
    ///
    /// # Errors
    /// What is wrong with a regex or a range.
    pub fn compile(matcher: &model::FilterStateMatcher) -> Result<Self, String> {
        use model::StateMatcher as Model;
        let value = match &matcher.value {
            Model::String { matcher } => Value::Text(StringMatcher::compile(matcher)?),
            Model::Address { ranges, invert } => Value::Address {
                ranges: ranges.iter().map(IpRange::compile).collect::<Result<_, _>>()?,
                invert: *invert,
            },
            Model::Nothing {} => Value::Nothing,
        };
        Ok(FilterStateMatcher { key: matcher.key.as_str().into(), value })
    }

    /// Whether there is such an object, and it matches.
    #[must_use]
    pub fn matches(&self, state: VisibleState<'_>) -> bool {
        let Some(object) = state.object(&self.key) else { return false };
        match &self.value {
            Value::Text(matcher) => object.serialize().is_some_and(|text| matcher.matches(&text)),
            Value::Address { ranges, invert } => {
                object.ip().is_some_and(|ip| ranges.iter().any(|range| range.contains(ip)) != *invert)
            }
            Value::Nothing => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::address::CidrRange;
    use crate::stream_info::StringObject;
    use crate::stream_info::filter_state::SharedWithUpstream;

    fn state(name: &str, text: &str) -> FilterState {
        let mut state = FilterState::default();
        let object = Rc::new(StringObject(text.as_bytes().into()));
        assert!(state.set(name, object, SharedWithUpstream::None));
        state
    }

    fn exact(value: &str) -> FilterStateMatcher {
        let matcher = model::StringMatcher::Exact { value: value.to_owned(), ignore_case: false };
        let value = model::StateMatcher::String { matcher };
        FilterStateMatcher::compile(&model::FilterStateMatcher { key: "k".to_owned(), value })
            .expect("matcher")
    }

    #[test]
    fn what_the_stream_has_hides_what_the_connection_has() {
        let (own, of_connection) = (state("k", "a"), state("k", "b"));
        let both = VisibleState { stream: Some(&own), connection: Some(&of_connection) };
        let one = VisibleState { stream: None, connection: Some(&of_connection) };
        assert!(exact("a").matches(both) && !exact("b").matches(both));
        assert!(exact("b").matches(one));
        assert!(!exact("").matches(VisibleState::default()), "nothing is there");
    }

    #[test]
    fn a_text_is_no_address() {
        let ranges = vec![CidrRange { address_prefix: "0.0.0.0".to_owned(), prefix_len: 0 }];
        for invert in [false, true] {
            let value = model::StateMatcher::Address { ranges: ranges.clone(), invert };
            let matcher =
                FilterStateMatcher::compile(&model::FilterStateMatcher { key: "k".to_owned(), value });
            let own = state("k", "127.0.0.1");
            let matcher = matcher.expect("matcher");
            assert!(!matcher.matches(VisibleState { stream: Some(&own), connection: None }));
        }
    }
}
