//! The destinations that are open.
//!
//! Owns: who shares a file: two access logs with the same path do. Does not own: the files (`destination`). Used when
//! configuration changes and on SIGUSR1, never on traffic.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::destination::Destination;
use crate::model::access_log::Sink;

/// The place in the list is the destination's slot; a dead entry's is free.
#[derive(Default)]
pub(super) struct Registry {
    destinations: Mutex<Vec<Weak<Destination>>>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Destination>>> {
        self.destinations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The destination of this sink; if there is none yet, what `open` makes for the slot it is given.
    pub(super) fn get_or_open(
        &self,
        sink: &Sink,
        open: impl FnOnce(usize) -> Result<Destination, String>,
    ) -> Result<Arc<Destination>, String> {
        let mut destinations = self.lock();
        let known = destinations.iter().filter_map(Weak::upgrade).find(|known| known.sink == *sink);
        if let Some(known) = known {
            return Ok(known);
        }
        let dead = destinations.iter().position(|entry| entry.strong_count() == 0);
        let slot = dead.unwrap_or(destinations.len());
        let opened = Arc::new(open(slot)?);
        match destinations.get_mut(slot) {
            Some(entry) => *entry = Arc::downgrade(&opened),
            None => destinations.push(Arc::downgrade(&opened)),
        }
        Ok(opened)
    }

    /// Those that somebody has.
    pub(super) fn open_destinations(&self) -> Vec<Arc<Destination>> {
        self.lock().iter().filter_map(Weak::upgrade).collect()
    }
}
