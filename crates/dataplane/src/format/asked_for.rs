//! Facts that cost something to find out, and whether any format prints them.
//!
//! Owns: one switch a fact; it is set when an operator that prints the fact is compiled, and stays set. Does not own: the
//! facts (`stream_info`), nor who finds them out.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a fact is asked for.
pub(crate) struct AskedFor(AtomicBool);

impl AskedFor {
    pub(super) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether to find it out.
    #[inline]
    pub(crate) fn is_asked_for(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// `%DOWNSTREAM_CX_RTT%`
pub(crate) static ROUND_TRIP_TIME: AskedFor = AskedFor(AtomicBool::new(false));
/// `%DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256%`, `%DOWNSTREAM_PEER_ISSUER_SERIAL%`
pub(crate) static PEER_ISSUER: AskedFor = AskedFor(AtomicBool::new(false));
/// `%DOWNSTREAM_TLS_SESSION_ID%`, `%UPSTREAM_TLS_SESSION_ID%`
pub(crate) static SESSION_ID: AskedFor = AskedFor(AtomicBool::new(false));
/// `%ROUTE_RESOLUTION_TIME_US%`
pub(crate) static ROUTE_RESOLUTION_TIME: AskedFor = AskedFor(AtomicBool::new(false));
