//! The runtime: values by key that may be changed while the process runs.
//!
//! Owns: the layers that the values come from, the snapshot made of them, and what reads it. Does not own: the pages that
//! show and change it (`admin/pages/runtime.rs`), nor who asks for which key.
//! Follows Envoy's pages "Runtime" and `config.bootstrap.v3.LayeredRuntime`.
//!
//! Who has a runtime key in its configuration makes a [`RuntimeKey`] of it once: that gives the key a number. A snapshot
//! has the value of every number, so that to ask for one is to look into an array; no text is compared or hashed. A
//! thread that serves follows the runtime of its process: one load of the epoch tells whether there is a new snapshot.
//! Keys of which each cluster has ten, and hardly one a value, have no numbers, nor have those that only say how a
//! configuration is compiled: they are asked for by name, when the epoch has changed or while compiling.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

mod disk;
mod keys;
mod layers;
mod loader;
mod settings;
mod value;

pub use keys::RuntimeKey;
pub use layers::LayerError;
pub use loader::{ModifyError, Runtime, RuntimeListing};
pub use settings::{RuntimeDouble, RuntimeFeatureFlag, RuntimeFractionalPercent, RuntimeUInt32};
pub use value::Value;

/// How the keys begin that are asked for by name.
const NAMED: [&str; 2] = ["circuit_breakers.", "http_connection_manager."];

/// The values that somebody may ask for.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// By the key's number.
    values: Box<[Option<Box<Value>>]>,
    /// Of the keys without numbers.
    named: BTreeMap<Box<str>, Value>,
}

impl Snapshot {
    /// Looks up every key that there is a number for, and every name that is among `all`.
    fn new<'k>(all: impl Iterator<Item = &'k str>, find: impl Fn(&str) -> Option<Value>) -> Self {
        let is_named = |key: &&str| NAMED.iter().any(|start| key.starts_with(start));
        let named = all.filter(is_named).filter_map(|key| Some((key.into(), find(key)?)));
        Snapshot {
            values: keys::names().iter().map(|name| find(name).map(Box::new)).collect(),
            named: named.collect(),
        }
    }
}

/// Where the threads of one process find the latest snapshot.
#[derive(Debug, Default)]
pub struct Published {
    epoch: AtomicU64,
    latest: Mutex<Arc<Snapshot>>,
}

impl Published {
    fn publish(&self, snapshot: Snapshot) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        self.epoch.fetch_add(1, Ordering::Release);
    }

    fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.latest.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a thread follows, and the snapshot that it has seen last.
#[derive(Default)]
struct Followed {
    published: Option<Arc<Published>>,
    epoch: u64,
    snapshot: Arc<Snapshot>,
}

thread_local! {
    static FOLLOWED: RefCell<Followed> = RefCell::default();
}

/// From now on this thread reads the values of this runtime. A thread that follows none reads defaults.
pub fn follow(published: &Arc<Published>) {
    // The epoch first: a snapshot that comes in between is then taken again, not missed.
    let epoch = published.epoch.load(Ordering::Acquire);
    let snapshot = published.latest();
    FOLLOWED.set(Followed { published: Some(Arc::clone(published)), epoch, snapshot });
}

impl Followed {
    #[inline]
    fn latest(&mut self) -> Option<&Snapshot> {
        let published = self.published.as_ref()?;
        let epoch = published.epoch.load(Ordering::Acquire);
        if epoch != self.epoch {
            self.epoch = epoch;
            self.snapshot = published.latest();
        }
        Some(&self.snapshot)
    }
}

/// Reads the value of one number, if it has any.
#[inline]
fn read<T>(number: u32, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
    FOLLOWED.with_borrow_mut(|followed| {
        followed.latest()?.values.get(usize::try_from(number).ok()?)?.as_deref().and_then(read)
    })
}

/// Another number whenever values may have changed; 0: this thread follows no runtime.
#[inline]
#[must_use]
pub fn epoch() -> u64 {
    FOLLOWED.with_borrow_mut(|followed| if followed.latest().is_some() { followed.epoch } else { 0 })
}

/// Whether any key has a value that is asked for by name.
#[must_use]
pub fn has_named() -> bool {
    FOLLOWED.with_borrow_mut(|followed| followed.latest().is_some_and(|latest| !latest.named.is_empty()))
}

/// The value of a key without a number. Slow.
#[must_use]
pub fn named(name: &str) -> Option<Value> {
    FOLLOWED.with_borrow_mut(|followed| followed.latest()?.named.get(name).cloned())
}
