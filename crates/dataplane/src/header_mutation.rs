//! Edits of headers that the configuration asks for.
//!
//! Owns: `request_headers_to_add`, `-to_remove` and their twins for responses, of one level of the configuration. Does not
//! own: the order of the levels (`route`), nor how values are formatted (`format`).
//! Follows Envoy's page "HTTP header manipulation", section "Custom request/response headers".
//!
//! Within one level all removals come first; then every value is worked out from the head as it is then; then come the
//! overwrites, then the additions.

use ferryman_codec::{HeaderBlock, HeaderName};

use crate::format::{FormatContext, Formatter, Unset};
use crate::header_name;
use crate::model;
use crate::model::route::AppendAction;
use crate::repeated_headers::Side;

pub mod sequence;

/// Room to work in, kept from request to request so that edits allocate nothing.
#[derive(Debug, Default)]
pub struct MutationScratch {
    text: Vec<u8>,
    /// Which edits are made, and where in `text` the value stands when it is not a constant.
    ready: Vec<(usize, std::ops::Range<usize>)>,
}

/// The edits of one level for both heads.
#[derive(Debug)]
pub struct HeaderMutations {
    request: Edits,
    response: Edits,
    /// Whether formats of the request's edits see its head.
    sees_request: bool,
    /// Whether formats of the response's edits see its head.
    sees_response: bool,
}

#[derive(Debug)]
struct Edits {
    remove: Vec<HeaderName>,
    add: Vec<Addition>,
}

struct Addition {
    name: HeaderName,
    value: Formatter,
    action: AppendAction,
    keep_empty: bool,
}

impl std::fmt::Debug for Addition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Addition")
            .field("name", &self.name)
            .field("action", &self.action)
            .finish_non_exhaustive()
    }
}

impl HeaderMutations {
    /// Compiles one level.
    ///
    /// # Errors
    /// The header that cannot be edited or whose value cannot be formatted, and why.
    pub fn compile(model: &model::route::HeaderMutations) -> Result<Self, String> {
        Ok(HeaderMutations {
            request: Edits::compile(&model.request_headers_to_add, &model.request_headers_to_remove)?,
            response: Edits::compile(&model.response_headers_to_add, &model.response_headers_to_remove)?,
            sees_request: true,
            sees_response: true,
        })
    }

    /// Additions that a filter makes. As in Envoy, their formats see no response.
    ///
    /// # Errors
    /// As `compile`.
    pub fn of_filter(
        to_request: &[model::route::HeaderValueOption],
        to_response: &[model::route::HeaderValueOption],
    ) -> Result<Self, String> {
        Ok(HeaderMutations {
            request: Edits::compile(to_request, &[])?,
            response: Edits::compile(to_response, &[])?,
            sees_request: true,
            sees_response: false,
        })
    }

    /// Additions to a request of our own, whose formats do not see it.
    ///
    /// # Errors
    /// As `compile`.
    pub fn of_own_request(add: &[model::route::HeaderValueOption]) -> Result<Self, String> {
        Ok(HeaderMutations { sees_request: false, ..Self::of_filter(add, &[])? })
    }

    /// Additions to a response alone.
    ///
    /// # Errors
    /// As `compile`.
    pub fn of_response(add: &[model::route::HeaderValueOption]) -> Result<Self, String> {
        Ok(HeaderMutations { sees_response: true, ..Self::of_filter(&[], add)? })
    }

    /// Edits a request. Formats see it as it is before this level's additions.
    #[inline]
    pub fn apply_to_request(
        &self,
        request: &mut HeaderBlock,
        context: &FormatContext<'_>,
        scratch: &mut MutationScratch,
    ) {
        if !self.request.is_empty() {
            self.request.apply((Side::Request, self.sees_request), request, context, scratch);
        }
    }

    /// Edits a response. Formats see it as it is before this level's additions.
    #[inline]
    pub fn apply_to_response(
        &self,
        response: &mut HeaderBlock,
        context: &FormatContext<'_>,
        scratch: &mut MutationScratch,
    ) {
        if !self.response.is_empty() {
            self.response.apply((Side::Response, self.sees_response), response, context, scratch);
        }
    }
}

impl Edits {
    fn compile(add: &[model::route::HeaderValueOption], remove: &[String]) -> Result<Self, String> {
        let compile = |option: &model::route::HeaderValueOption| {
            Ok(Addition {
                name: header_name::parse_editable(&option.name)?,
                value: Formatter::compile(&option.value, Unset::Empty)
                    .map_err(|text| format!("header '{}': {text}", option.name))?,
                action: option.append_action,
                keep_empty: option.keep_empty_value,
            })
        };
        Ok(Edits {
            remove: remove.iter().map(|name| header_name::parse_editable(name)).collect::<Result<_, _>>()?,
            add: add.iter().map(compile).collect::<Result<_, String>>()?,
        })
    }

    fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.add.is_empty()
    }

    /// `sees_head`: whether formats see the head as it is before.
    fn apply(
        &self,
        (side, sees_head): (Side, bool),
        head: &mut HeaderBlock,
        context: &FormatContext<'_>,
        scratch: &mut MutationScratch,
    ) {
        for name in &self.remove {
            head.remove_name(name);
        }
        let context = match side {
            _ if !sees_head => *context,
            Side::Request => FormatContext { request_headers: Some(head), ..*context },
            Side::Response => FormatContext { response_headers: Some(head), ..*context },
        };
        self.work_out(head, &context, scratch);
        for (addition, value) in self.ready(scratch, true) {
            // As Envoy does: the field moves to the end.
            head.remove_name(&addition.name);
            head.append_name(&addition.name, value);
        }
        for (addition, value) in self.ready(scratch, false) {
            side.append(head, &addition.name, value);
        }
    }

    /// Notes which additions are made and their values.
    fn work_out(&self, head: &HeaderBlock, context: &FormatContext<'_>, scratch: &mut MutationScratch) {
        scratch.text.clear();
        scratch.ready.clear();
        for (index, addition) in self.add.iter().enumerate() {
            let start = scratch.text.len();
            let is_empty = match addition.value.constant() {
                Some(value) => value.is_empty(),
                None => {
                    addition.value.write(context, &mut scratch.text);
                    scratch.text.len() == start
                }
            };
            let is_wanted = match addition.action {
                AppendAction::AppendIfExistsOrAdd | AppendAction::OverwriteIfExistsOrAdd => true,
                AppendAction::AddIfAbsent => head.get_name(&addition.name).is_none(),
                AppendAction::OverwriteIfExists => head.get_name(&addition.name).is_some(),
            };
            if is_wanted && (!is_empty || addition.keep_empty) {
                scratch.ready.push((index, start..scratch.text.len()));
            }
        }
    }

    /// The additions that are made and overwrite, or that are made and do not.
    fn ready<'a>(
        &'a self,
        scratch: &'a MutationScratch,
        overwrites: bool,
    ) -> impl Iterator<Item = (&'a Addition, &'a [u8])> {
        scratch.ready.iter().filter_map(move |(index, range)| {
            let addition = self.add.get(*index)?;
            let overwrite = matches!(
                addition.action,
                AppendAction::OverwriteIfExists | AppendAction::OverwriteIfExistsOrAdd
            );
            let value = addition.value.constant().or_else(|| scratch.text.get(range.clone()))?;
            (overwrite == overwrites).then_some((addition, value))
        })
    }
}

#[cfg(test)]
#[path = "header_mutation_tests.rs"]
mod tests;
