//! Header edits that are made one after the other, each seeing what those before it did.
//!
//! Owns: one list of them. Does not own: who makes them when (filters).
//! Follows Envoy's `config.common.mutation_rules.v3.HeaderMutation`.

use ferryman_codec::{HeaderBlock, HeaderName};

use crate::format::{FormatContext, Formatter, Unset};
use crate::header_name;
use crate::matcher::StringMatcher;
use crate::model::http_filters::header_mutation as model;
use crate::model::route::AppendAction;
use crate::repeated_headers::Side;

enum Mutation {
    Remove(HeaderName),
    RemoveOnMatch(StringMatcher),
    Append { name: HeaderName, value: Formatter, action: AppendAction, keep_empty: bool },
}

/// A compiled list.
#[derive(Default)]
pub struct MutationSequence(Vec<Mutation>);

impl std::fmt::Debug for MutationSequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MutationSequence({})", self.0.len())
    }
}

impl MutationSequence {
    /// Compiles a list.
    ///
    /// # Errors
    /// The header that cannot be edited or whose value cannot be formatted, and why.
    pub fn compile(models: &[model::Mutation]) -> Result<Self, String> {
        let compile = |mutation: &model::Mutation| {
            Ok(match mutation {
                model::Mutation::Remove { name } => Mutation::Remove(header_name::parse_editable(name)?),
                model::Mutation::RemoveOnMatch { matcher } => {
                    Mutation::RemoveOnMatch(StringMatcher::compile(matcher)?)
                }
                model::Mutation::Append { option } => Mutation::Append {
                    name: header_name::parse_editable(&option.name)?,
                    value: Formatter::compile(&option.value, Unset::Empty)
                        .map_err(|text| format!("header '{}': {text}", option.name))?,
                    action: option.append_action,
                    keep_empty: option.keep_empty_value,
                },
            })
        };
        models.iter().map(compile).collect::<Result<_, String>>().map(MutationSequence)
    }

    /// Whether it edits nothing.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Edits a head; formats see it as it is by then.
    pub fn apply(&self, side: Side, head: &mut HeaderBlock, context: &FormatContext<'_>) {
        for mutation in &self.0 {
            mutation.apply(side, head, |value, head, text| {
                let context = match side {
                    Side::Request => FormatContext { request_headers: Some(head), ..*context },
                    Side::Response => FormatContext { response_headers: Some(head), ..*context },
                };
                value.write(&context, text);
            });
        }
    }

    /// Edits trailers.
    pub fn apply_to_trailers(&self, side: Side, trailers: &mut HeaderBlock, context: &FormatContext<'_>) {
        for mutation in &self.0 {
            mutation.apply(side, trailers, |value, trailers, text| match side {
                Side::Request => value.write(context, text),
                Side::Response => {
                    value.write(&FormatContext { response_trailers: Some(trailers), ..*context }, text);
                }
            });
        }
    }
}

impl Mutation {
    fn apply(
        &self,
        side: Side,
        head: &mut HeaderBlock,
        write: impl FnOnce(&Formatter, &HeaderBlock, &mut Vec<u8>),
    ) {
        match self {
            Mutation::Remove(name) => {
                head.remove_name(name);
            }
            Mutation::RemoveOnMatch(matcher) => {
                head.retain(|id, name, _| id.is_pseudo() || !matcher.matches(name));
            }
            Mutation::Append { name, value, action, keep_empty } => {
                let mut text = Vec::new();
                write(value, head, &mut text);
                if !text.is_empty() || *keep_empty {
                    append(side, head, name, &text, *action);
                }
            }
        }
    }
}

fn append(side: Side, head: &mut HeaderBlock, name: &HeaderName, value: &[u8], action: AppendAction) {
    let is_there = head.get_name(name).is_some();
    match action {
        AppendAction::AddIfAbsent if is_there => {}
        AppendAction::OverwriteIfExists if !is_there => {}
        AppendAction::AppendIfExistsOrAdd | AppendAction::AddIfAbsent => {
            side.append(head, name, value);
        }
        AppendAction::OverwriteIfExistsOrAdd | AppendAction::OverwriteIfExists => {
            head.remove_name(name);
            head.append_name(name, value);
        }
    }
}
