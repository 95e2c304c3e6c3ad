//! The runtime of one process: its layers put together, again and again.
//!
//! Owns: when layers are read, the overrides of admin, the statistics `runtime.*`. Does not own: the threads that read
//! values (`follow`).
//! Follows Envoy's page "Runtime": of a key that several layers have, the last layer counts.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::application_log::{self, Component, Level};
use crate::file_watch::{Watch, Watched};
use crate::model::runtime::RuntimeLayer;
use crate::stats::{Registry, RuntimeStat, RuntimeStats, Scope};

use super::layers::{Layer, LoadedLayer, Values};
use super::value::Value;
use super::{Published, Snapshot};

/// How many overrides of admin there may be.
const MAX_OVERRIDES: usize = 10_000;

/// The runtime of one process.
#[derive(Debug)]
pub struct Runtime {
    layers: Vec<Layer>,
    links: Vec<PathBuf>,
    state: Mutex<State>,
    published: Arc<Published>,
    stats: Scope<RuntimeStats>,
}

#[derive(Debug, Default)]
struct State {
    /// What admin set.
    overrides: Arc<Values>,
    /// As of the last load; layers that could not be read are not among them.
    loaded: Vec<LoadedLayer>,
    watch: Option<Watch>,
}

/// The text of a key in each layer, where that has it.
pub type Texts = Vec<Option<Box<str>>>;

/// All layers and values, as `/runtime` shows them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuntimeListing {
    /// The names of the layers.
    pub layers: Vec<Arc<str>>,
    /// By key.
    pub entries: Vec<(Box<str>, Texts)>,
}

/// Why `/runtime_modify` changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModifyError {
    /// The configuration has no layer for it.
    NoAdminLayer,
    /// A value cannot be read, or there are too many.
    Refused(String),
}

impl Runtime {
    /// Reads all layers.
    ///
    /// # Errors
    /// One line: a link that cannot be watched.
    pub fn new(models: &[RuntimeLayer], registry: &Registry) -> Result<Self, String> {
        let links: Vec<PathBuf> = models
            .iter()
            .filter_map(|layer| match layer {
                RuntimeLayer::Disk { symlink_root, .. } => Some(symlink_root.into()),
                _ => None,
            })
            .collect();
        let watched = links.iter().map(|link| Watched::Link(link));
        let watch = if links.is_empty() { None } else { Some(Watch::new(watched)?) };
        let runtime = Runtime {
            layers: models.iter().map(Layer::new).collect(),
            links,
            state: Mutex::new(State { watch, ..State::default() }),
            published: Arc::default(),
            stats: registry.runtime(),
        };
        runtime.load();
        Ok(runtime)
    }

    /// What threads follow.
    #[must_use]
    pub fn published(&self) -> &Arc<Published> {
        &self.published
    }

    /// Reads all layers again; also to be called when new keys are asked for.
    pub fn load(&self) {
        self.load_into(&mut self.state());
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load_into(&self, state: &mut State) {
        let (mut failed, mut disk_layers) = (false, 0);
        let mut loaded = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            match layer.load(&state.overrides) {
                Ok(Some(found)) => {
                    disk_layers += u32::from(layer.is_disk());
                    loaded.push(found);
                }
                Ok(None) => {}
                Err(error) => {
                    failed = true;
                    let text = format!("runtime layer '{}' is left out: {}", error.layer, error.text);
                    application_log::write(Component::Runtime, Level::Warning, text);
                }
            }
        }
        let find = |name: &str| loaded.iter().rev().find_map(|layer| layer.values.get(name)).cloned();
        self.published.publish(Snapshot::new(keys(&loaded).into_iter(), find));
        state.loaded = loaded;
        self.count(state, failed, disk_layers);
    }

    /// As Envoy counts: an override needs two folders.
    fn count(&self, state: &State, failed: bool, disk_layers: u32) {
        let stats = &self.stats;
        stats.add(if failed { RuntimeStat::LoadError } else { RuntimeStat::LoadSuccess }, 1);
        let overridden = disk_layers > 1;
        stats.add(
            if overridden { RuntimeStat::OverrideDirExists } else { RuntimeStat::OverrideDirNotExists },
            1,
        );
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        stats.set(RuntimeStat::NumLayers, number(state.loaded.len()));
        stats.set(RuntimeStat::NumKeys, number(keys(&state.loaded).len()));
    }

    /// Sets values in the layer of admin; an empty text takes a value back. All of them, or none.
    ///
    /// # Errors
    /// There is no such layer, or a value cannot be.
    pub fn modify<'v>(&self, values: impl Iterator<Item = (&'v str, &'v str)>) -> Result<(), ModifyError> {
        if !self.layers.iter().any(Layer::is_admin) {
            return Err(ModifyError::NoAdminLayer);
        }
        let mut state = self.state();
        let mut overrides = Values::clone(&state.overrides);
        for (key, text) in values {
            if text.is_empty() {
                overrides.remove(key);
            } else {
                overrides.insert(key.into(), Value::parse(text).map_err(ModifyError::Refused)?);
            }
        }
        if overrides.len() > MAX_OVERRIDES {
            return Err(ModifyError::Refused(format!("there are more than {MAX_OVERRIDES} overrides")));
        }
        self.stats.set(RuntimeStat::AdminOverridesActive, u64::from(!overrides.is_empty()));
        state.overrides = Arc::new(overrides);
        self.load_into(&mut state);
        Ok(())
    }

    /// All layers and values.
    #[must_use]
    pub fn listing(&self) -> RuntimeListing {
        let state = self.state();
        let texts = |key: &str| {
            let text = |layer: &LoadedLayer| layer.values.get(key).map(|value| value.text.clone());
            state.loaded.iter().map(text).collect()
        };
        RuntimeListing {
            layers: state.loaded.iter().map(|layer| Arc::clone(&layer.name)).collect(),
            entries: keys(&state.loaded).into_iter().map(|key| (key.into(), texts(key))).collect(),
        }
    }

    /// Reads the layers again each time that one of their links is replaced; to be called once, on the control thread.
    pub async fn watch(&self) {
        let watch = self.state().watch.take();
        let Some(watch) = watch else { return };
        // As in Envoy, once for each layer whose link was replaced.
        if let Err(error) = watch.run(|links| links.iter().for_each(|_| self.load())).await {
            let text = format!("runtime: {:?} are no longer watched: {error}", self.links);
            application_log::write(Component::Runtime, Level::Error, text);
        }
    }
}

/// The keys of all layers, sorted.
fn keys(loaded: &[LoadedLayer]) -> std::collections::BTreeSet<&str> {
    loaded.iter().flat_map(|layer| layer.values.keys().map(|key| &**key)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{RuntimeKey, follow};
    use super::*;
    use crate::model::bootstrap::StatsConfig;
    use crate::model::runtime::RuntimeEntry;

    fn runtime(layers: &[RuntimeLayer]) -> Runtime {
        let config = StatsConfig::default();
        Runtime::new(layers, &Registry::new(&config, 1)).unwrap()
    }

    fn layer(name: &str, key: &str, number: f64) -> RuntimeLayer {
        let entry = RuntimeEntry {
            key: key.to_owned(),
            text: number.to_string(),
            number: Some(number),
            flag: None,
            fraction: None,
        };
        RuntimeLayer::Static { name: name.to_owned(), entries: vec![entry] }
    }

    #[test]
    fn the_last_layer_counts_and_admin_takes_back() {
        let admin = RuntimeLayer::Admin { name: "admin".to_owned() };
        let runtime = runtime(&[layer("a", "loader.one", 1.0), layer("b", "loader.one", 2.0), admin]);
        let one = RuntimeKey::new("loader.one");
        follow(runtime.published());
        assert_eq!(one.integer(9), 9, "nobody asked for it when the layers were read");
        runtime.load();
        assert_eq!(one.integer(9), 2);
        assert_eq!(runtime.stats.value(RuntimeStat::LoadSuccess), 2);
        runtime.modify([("loader.one", "3"), ("x", "y")].into_iter()).unwrap();
        assert_eq!(one.integer(9), 3);
        assert_eq!(runtime.stats.value(RuntimeStat::AdminOverridesActive), 1);
        assert_eq!(runtime.stats.value(RuntimeStat::NumKeys), 2);
        let listing = runtime.listing();
        assert_eq!(listing.layers.iter().map(|name| &**name).collect::<Vec<_>>(), ["a", "b", "admin"]);
        let texts: Vec<_> = listing.entries.iter().map(|(key, texts)| format!("{key} {texts:?}")).collect();
        assert_eq!(
            texts,
            [r#"loader.one [Some("1"), Some("2"), Some("3")]"#, r#"x [None, None, Some("y")]"#]
        );
        assert!(matches!(runtime.modify([("x", ""), ("z", "[")].into_iter()), Err(ModifyError::Refused(_))));
        assert_eq!(runtime.listing().entries.len(), 2, "all or none");
        runtime.modify([("loader.one", ""), ("x", "")].into_iter()).unwrap();
        assert_eq!(one.integer(9), 2);
        assert_eq!(runtime.stats.value(RuntimeStat::AdminOverridesActive), 0);
    }

    #[test]
    fn without_its_layer_admin_changes_nothing() {
        let runtime = runtime(&[layer("a", "loader.two", 1.0)]);
        assert_eq!(runtime.modify([("a", "1")].into_iter()), Err(ModifyError::NoAdminLayer));
    }
}
