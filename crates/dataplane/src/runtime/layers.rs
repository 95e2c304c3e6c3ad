//! The layers of a runtime: where values come from.
//!
//! Owns: what each kind of layer has to give. Does not own: how layers are put together (`loader`), how a folder is read
//! (`disk`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::runtime::RuntimeLayer;

use super::disk;
use super::value::Value;

/// Values by key, in the order of the keys.
pub(super) type Values = BTreeMap<Box<str>, Value>;

/// Why a layer has nothing to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerError {
    /// The layer's name.
    pub layer: String,
    /// What is wrong.
    pub text: String,
}

/// A layer of the configuration.
#[derive(Debug)]
pub(super) enum Layer {
    Static { name: Arc<str>, values: Arc<Values> },
    Disk { name: Arc<str>, folder: PathBuf },
    Admin { name: Arc<str> },
}

/// A layer with its values, as they were when it was read.
#[derive(Debug, Clone)]
pub(super) struct LoadedLayer {
    pub(super) name: Arc<str>,
    pub(super) values: Arc<Values>,
}

impl Layer {
    pub(super) fn new(model: &RuntimeLayer) -> Self {
        match model {
            RuntimeLayer::Static { name, entries } => Layer::Static {
                name: name.as_str().into(),
                values: Arc::new(
                    entries.iter().map(|entry| (entry.key.as_str().into(), entry.into())).collect(),
                ),
            },
            RuntimeLayer::Disk { name, folder, .. } => {
                Layer::Disk { name: name.as_str().into(), folder: folder.into() }
            }
            RuntimeLayer::Admin { name } => Layer::Admin { name: name.as_str().into() },
        }
    }

    /// What it has now; `None`: a folder that is not there, which is no error.
    pub(super) fn load(&self, overrides: &Arc<Values>) -> Result<Option<LoadedLayer>, LayerError> {
        let (name, values) = match self {
            Layer::Static { name, values } => (name, Arc::clone(values)),
            Layer::Admin { name } => (name, Arc::clone(overrides)),
            Layer::Disk { folder, .. } if !folder.is_dir() => return Ok(None),
            Layer::Disk { name, folder } => {
                let failed = |text| LayerError { layer: name.to_string(), text };
                (name, Arc::new(disk::read(folder).map_err(failed)?))
            }
        };
        Ok(Some(LoadedLayer { name: Arc::clone(name), values }))
    }

    pub(super) fn is_admin(&self) -> bool {
        matches!(self, Layer::Admin { .. })
    }

    pub(super) fn is_disk(&self) -> bool {
        matches!(self, Layer::Disk { .. })
    }
}
