//! The runtime: values by key that may be changed while the process runs.
//!
//! Owns: the layers that the values come from, the snapshot made of them, and what reads it. Does not own: the pages that
//! show and change it (`admin/pages/runtime.rs`), nor who asks for which key.
//! Follows Envoy's pages "Runtime" and `config.bootstrap.v3.LayeredRuntime`.
//!
//! Who has a runtime key in its configuration makes a [`RuntimeKey`] of it once: that gives the key a number. A snapshot
//! has the value of every number, so that to ask for one is to look into an array; no text is compared or hashed. A
//! thread that serves follows the runtime of its process: one load of the epoch tells whether there is a new snapshot.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

mod disk;
mod keys;
mod layers;
mod loader;
mod settings;
mod value;
mod watch;

pub use keys::RuntimeKey;
pub use layers::LayerError;
pub use loader::{ModifyError, Runtime, RuntimeListing};
pub use settings::{RuntimeDouble, RuntimeFeatureFlag, RuntimeFractionalPercent, RuntimeUInt32};
pub use value::Value;

/// The value of every key that somebody asks for, by the key's number.
#[derive(Debug, Default)]
pub struct Snapshot {
    values: Box<[Option<Box<Value>>]>,
}

impl Snapshot {
    /// Looks up every key that there is a number for.
    fn new(find: impl Fn(&str) -> Option<Value>) -> Self {
        Snapshot { values: keys::names().iter().map(|name| find(name).map(Box::new)).collect() }
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

/// Reads the value of one number, if it has any.
#[inline]
fn read<T>(number: u32, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
    FOLLOWED.with_borrow_mut(|followed| {
        let epoch = followed.published.as_ref()?.epoch.load(Ordering::Acquire);
        if epoch != followed.epoch {
            followed.epoch = epoch;
            followed.snapshot = followed.published.as_ref()?.latest();
        }
        followed.snapshot.values.get(usize::try_from(number).ok()?)?.as_deref().and_then(read)
    })
}
