//! Objects of filter state that filters make of formats, for streams and for connections.
//!
//! Owns: the list of one filter. Does not own: the objects (`stream_info::filter_state_objects`), nor when they are made.
//! Follows Envoy's `filters.common.set_filter_state.v3`.

use crate::access_loggers::Line;
use crate::format::FormatContext;
use crate::model::filter_state as model;
use crate::stream_info::filter_state::SharedWithUpstream;
use crate::stream_info::filter_state_objects::make;
use crate::stream_info::{FilterState, FilterStateObject};

/// Objects in their order.
#[derive(Debug)]
pub struct FilterStateValues(Vec<Value>);

struct Value {
    key: Box<str>,
    factory: model::ObjectFactory,
    format: Line,
    shared: SharedWithUpstream,
    skip_if_empty: bool,
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Value").field("key", &self.key).finish_non_exhaustive()
    }
}

impl FilterStateValues {
    /// Compiles the objects.
    ///
    /// # Errors
    /// The object whose format cannot be filled.
    pub fn compile(models: &[model::FilterStateValue]) -> Result<Self, String> {
        let compile = |model: &model::FilterStateValue| {
            Ok(Value {
                key: model.object_key.as_str().into(),
                factory: model.factory,
                format: Line::compile(&model.format)
                    .map_err(|text| format!("object '{}': {text}", model.object_key))?,
                shared: match model.shared_with_upstream {
                    model::Sharing::None => SharedWithUpstream::None,
                    model::Sharing::Once => SharedWithUpstream::Once,
                    model::Sharing::Transitive => SharedWithUpstream::Transitive,
                },
                skip_if_empty: model.skip_if_empty,
            })
        };
        models.iter().map(compile).collect::<Result<_, String>>().map(FilterStateValues)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes the object at a place and sets it; what stands for no object sets nothing. `parent`: as in Envoy, its names
    /// are taken.
    pub fn set(
        &self,
        place: usize,
        context: &FormatContext<'_>,
        parent: Option<&FilterState>,
    ) -> Option<impl FnOnce(&mut FilterState) + use<>> {
        let value = self.0.get(place)?;
        let mut text = Vec::new();
        value.format.write(context, &mut text);
        if text.is_empty() && value.skip_if_empty || parent.is_some_and(|it| it.object(&value.key).is_some())
        {
            return None;
        }
        let object: std::rc::Rc<dyn FilterStateObject> = make(value.factory, &text)?;
        let (key, shared) = (value.key.clone(), value.shared);
        Some(move |state: &mut FilterState| {
            // There are never so many in one configuration that one more does not fit.
            let _set: bool = state.set(&key, object, shared);
        })
    }
}
