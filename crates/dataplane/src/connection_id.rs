//! The ids of connections, downstream and upstream alike.
//!
//! Owns the one counter of the process, as logs tell connections apart by it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Unique in the process, from 1.
#[must_use]
pub fn next_connection_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_and_begin_after_0() {
        let (first, second) = (next_connection_id(), next_connection_id());
        assert!(first >= 1 && second > first);
    }
}
