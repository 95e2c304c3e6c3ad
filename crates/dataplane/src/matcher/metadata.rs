//! Matchers of metadata values, compiled.
//!
//! Owns: Envoy's `ValueMatcher` and `MetadataMatcher`. Does not own: whose metadata is matched (access log filters,
//! routes, RBAC). Follows: Envoy's `type.matcher.v3.ValueMatcher` and `MetadataMatcher`. A value that is not there is
//! matched by `present_match: false` alone.

use crate::model::matcher as model;
use crate::model::metadata::{Metadata, Value};

use super::StringMatcher;

/// A compiled `ValueMatcher`.
#[derive(Debug, Clone)]
pub enum ValueMatcher {
    /// It is null.
    Null,
    /// It is this number.
    Number(f64),
    /// It is a number from the first, below the second.
    Range(f64, f64),
    /// It is a text that matches.
    String(StringMatcher),
    /// It is this.
    Bool(bool),
    /// Whether there is one.
    Present(bool),
    /// It is a list of which one value matches.
    OneOf(Box<ValueMatcher>),
    /// Any of these matches.
    Or(Box<[ValueMatcher]>),
}

impl ValueMatcher {
    /// Compiles a matcher.
    ///
    /// # Errors
    /// As `compile_regex`.
    pub fn compile(matcher: &model::ValueMatcher) -> Result<Self, String> {
        use model::ValueMatcher as Model;
        Ok(match matcher {
            Model::Null {} => Self::Null,
            Model::Number { value } => Self::Number(*value),
            Model::Range { start, end } => Self::Range(*start, *end),
            Model::String { matcher } => Self::String(StringMatcher::compile(matcher)?),
            Model::Bool { value } => Self::Bool(*value),
            Model::Present { present } => Self::Present(*present),
            Model::OneOf { matcher } => Self::OneOf(Box::new(Self::compile(matcher)?)),
            Model::Or { matchers } => Self::Or(matchers.iter().map(Self::compile).collect::<Result<_, _>>()?),
        })
    }

    /// Whether a value, or its absence, matches.
    #[must_use]
    pub fn matches(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Self::Present(wanted), value) => *wanted == value.is_some(),
            (Self::Or(matchers), value) => matchers.iter().any(|matcher| matcher.matches(value)),
            (Self::Null, Some(Value::Null)) => true,
            (Self::Number(wanted), Some(Value::Number(number))) => wanted.total_cmp(number).is_eq(),
            (Self::Range(start, end), Some(Value::Number(number))) => start <= number && number < end,
            (Self::String(matcher), Some(Value::String(text))) => matcher.matches(text),
            (Self::Bool(wanted), Some(Value::Bool(value))) => wanted == value,
            (Self::OneOf(matcher), Some(Value::List(values))) => {
                values.iter().any(|value| matcher.matches(Some(value)))
            }
            _ => false,
        }
    }
}

/// A compiled `MetadataMatcher`.
#[derive(Debug, Clone)]
pub struct MetadataMatcher {
    namespace: Box<str>,
    path: Box<[Box<str>]>,
    value: ValueMatcher,
    invert: bool,
}

impl MetadataMatcher {
    /// Compiles a matcher.
    ///
    /// # Errors
    /// As `compile_regex`.
    pub fn compile(matcher: &model::MetadataMatcher) -> Result<Self, String> {
        Ok(MetadataMatcher {
            namespace: matcher.namespace.as_str().into(),
            path: matcher.path.iter().map(|key| key.as_str().into()).collect(),
            value: ValueMatcher::compile(&matcher.value)?,
            invert: matcher.invert,
        })
    }

    /// The value that it looks at.
    #[must_use]
    pub fn find<'a>(&self, metadata: Option<&'a Metadata>) -> Option<&'a Value> {
        metadata?.namespace(&self.namespace)?.get(&self.path)
    }

    /// Whether metadata matches.
    #[must_use]
    pub fn matches(&self, metadata: Option<&Metadata>) -> bool {
        self.value.matches(self.find(metadata)) != self.invert
    }

    /// Whether a value matches, whatever `invert` says.
    #[must_use]
    pub fn takes(&self, value: &Value) -> bool {
        self.value.matches(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let list = Value::List(vec![Value::Number(1.0), Value::text("a")]);
        let exact = StringMatcher::compile(&model::StringMatcher::Exact {
            value: "a".to_owned(),
            ignore_case: false,
        });
        let text = ValueMatcher::String(exact.expect("matcher"));
        assert!(text.matches(Some(&Value::text("a"))) && !text.matches(Some(&Value::text("b"))));
        assert!(!text.matches(Some(&Value::Number(1.0))) && !text.matches(None));
        assert!(ValueMatcher::OneOf(Box::new(text.clone())).matches(Some(&list)));
        assert!(!ValueMatcher::OneOf(Box::new(ValueMatcher::Null)).matches(Some(&list)));
        assert!(ValueMatcher::Range(0.0, 1.5).matches(Some(&Value::Number(0.0))));
        assert!(!ValueMatcher::Range(0.0, 1.5).matches(Some(&Value::Number(1.5))));
        assert!(ValueMatcher::Present(false).matches(None) && !ValueMatcher::Present(true).matches(None));
        assert!(ValueMatcher::Or([ValueMatcher::Null, text].into()).matches(Some(&Value::text("a"))));
        assert!(ValueMatcher::Bool(true).matches(Some(&Value::Bool(true))));
        assert!(!ValueMatcher::Number(1.0).matches(Some(&Value::Bool(true))));
    }
}
