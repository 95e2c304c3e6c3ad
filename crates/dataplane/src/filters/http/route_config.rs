//! What routes say to HTTP filters (`typed_per_filter_config`), worked out once a route.
//!
//! Owns: the four levels (route configuration, virtual host, route, weighted cluster), which of them wins, and the
//! table in which a filter finds its configuration by its place, not by its name. Does not own: what a configuration
//! means (the filter's own file).
//! Follows Envoy's page "HTTP filters", section "Route specific config".

use std::any::Any;
use std::sync::Arc;

use crate::model::http_filters::RouteFilterConfig;

use super::FilterCompileContext;
use super::built_in::compile_per_route;
use super::chain::{ActiveFilters, TakingPart};

/// What a route may say to a filter. Named types only: a filter that looked for a box or a reference would find nothing.
pub trait PerRoute: Any + Send + Sync {}

/// What one level says to one filter, compiled; routes below the level share it.
#[derive(Debug, Clone)]
pub struct RouteConfig(Arc<dyn Any + Send + Sync>);

impl RouteConfig {
    /// A filter's own type; it gets back what it put in.
    #[must_use]
    pub fn new<T: PerRoute>(config: T) -> Self {
        RouteConfig(Arc::new(config))
    }
}

/// What one level says of filters.
#[derive(Debug, Default)]
pub struct FilterOverrides(Vec<FilterOverride>);

#[derive(Debug)]
struct FilterOverride {
    filter_name: Box<str>,
    disabled: bool,
    config: Option<RouteConfig>,
}

impl FilterOverrides {
    /// Compiles a level.
    ///
    /// # Errors
    /// The filter whose configuration is wrong, and what is.
    pub fn compile(models: &[RouteFilterConfig], context: &FilterCompileContext<'_>) -> Result<Self, String> {
        let compile = |model: &RouteFilterConfig| {
            let config = model.config.as_ref().map(|config| compile_per_route(config, context));
            Ok(FilterOverride {
                filter_name: model.filter_name.as_str().into(),
                disabled: model.disabled,
                config: config
                    .transpose()
                    .map_err(|text| format!("typed_per_filter_config '{}': {text}", model.filter_name))?,
            })
        };
        models.iter().map(compile).collect::<Result<_, String>>().map(FilterOverrides)
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of(&self, filter_name: &str) -> Option<&FilterOverride> {
        self.0.iter().find(|said| *said.filter_name == *filter_name)
    }

    pub(super) fn disabled(&self, filter_name: &str) -> Option<bool> {
        self.of(filter_name).map(|said| said.disabled)
    }

    pub(super) fn config(&self, filter_name: &str) -> Option<RouteConfig> {
        self.of(filter_name)?.config.clone()
    }

    pub(super) fn has_config(&self) -> bool {
        self.0.iter().any(|said| said.config.is_some())
    }
}

/// What holds for a route: which filters are on, and what each is told.
#[derive(Debug, Default)]
pub struct RouteFilters {
    /// Which are on.
    pub active: ActiveFilters,
    /// Which of them have anything to do.
    pub taking_part: TakingPart,
    /// By the filter's place, the least specific level first; empty where no level says anything.
    pub(super) configs: Box<[Box<[RouteConfig]>]>,
    /// By the filter's name, for lists that are not known here.
    pub(super) named: NamedOverrides,
}

/// What levels together say to filters, by name.
#[derive(Debug, Default)]
pub struct NamedOverrides(Box<[NamedOverride]>);

#[derive(Debug)]
struct NamedOverride {
    filter_name: Box<str>,
    disabled: bool,
    configs: Box<[RouteConfig]>,
}

impl NamedOverrides {
    pub(super) fn new(levels: &[&FilterOverrides]) -> Self {
        let mut names: Vec<&str> =
            levels.iter().flat_map(|level| &level.0).map(|said| &*said.filter_name).collect();
        names.sort_unstable();
        names.dedup();
        let together = |name: &str| NamedOverride {
            filter_name: name.into(),
            disabled: levels.iter().rev().find_map(|level| level.disabled(name)).unwrap_or_default(),
            configs: levels.iter().filter_map(|level| level.config(name)).collect(),
        };
        NamedOverrides(names.into_iter().map(together).collect())
    }

    fn find(&self, name: &str) -> Option<&NamedOverride> {
        self.0.iter().find(|said| *said.filter_name == *name)
    }

    /// What is said to the filter of a name.
    #[must_use]
    pub fn of(&self, name: &str) -> RouteConfigs<'_> {
        RouteConfigs(self.find(name).map_or(&[], |said| &said.configs))
    }

    /// Whether it is turned off, or on; none: nothing is said of it.
    #[must_use]
    pub fn disabled(&self, name: &str) -> Option<bool> {
        self.find(name).map(|said| said.disabled)
    }
}

impl RouteFilters {
    /// What is said to the filter at a place of the list.
    #[inline]
    #[must_use]
    pub fn of(&self, index: usize) -> RouteConfigs<'_> {
        RouteConfigs(self.configs.get(index).map_or(&[], |configs| configs))
    }
}

/// What the levels of a route say to one filter.
#[derive(Debug, Clone, Copy, Default)]
pub struct RouteConfigs<'a>(&'a [RouteConfig]);

impl<'a> RouteConfigs<'a> {
    /// What the most specific level says that says anything. A configuration for another kind of filter counts for
    /// nothing, but hides those above it, as in Envoy.
    #[inline]
    #[must_use]
    pub fn most_specific<T: PerRoute>(self) -> Option<&'a T> {
        self.0.last().and_then(|config| config.0.downcast_ref())
    }

    /// What all levels say, the least specific first.
    pub fn all<T: PerRoute>(self) -> impl DoubleEndedIterator<Item = &'a T> {
        self.0.iter().filter_map(|config| config.0.downcast_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl PerRoute for u8 {}
    impl PerRoute for u16 {}

    #[test]
    fn the_most_specific_level_counts_and_all_can_be_read() {
        let configs = [RouteConfig::new(1_u8), RouteConfig::new(2_u8)];
        let said = RouteConfigs(&configs);
        assert_eq!(said.most_specific::<u8>(), Some(&2));
        assert_eq!(said.all::<u8>().collect::<Vec<_>>(), [&1, &2]);
        assert_eq!(said.most_specific::<u16>(), None);
        assert_eq!(RouteFilters::default().of(7).most_specific::<u8>(), None);
        assert!(NamedOverrides::default().of("a").most_specific::<u8>().is_none());
    }
}
