//! Single values of histograms, for whoever wants each of them.
//!
//! Owns: the queue from the workers to the control thread, and its limit. Does not own: who wants the values
//! (`stat_sinks`); without anybody, no value is queued.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::scope::ScopeData;

/// Values that may wait; more are dropped.
const WAITING_LIMIT: usize = 1 << 16;

/// One value.
#[derive(Debug)]
pub struct Sample {
    pub(super) scope: Arc<ScopeData>,
    pub(super) histogram: usize,
    /// The value, in the unit that the histogram's name says.
    pub value: u64,
}

/// Where values go.
#[derive(Debug)]
pub(super) struct SampleQueue {
    sender: mpsc::Sender<Sample>,
    dropped: Arc<AtomicU64>,
}

/// Where values come from.
#[derive(Debug)]
pub struct Samples {
    receiver: mpsc::Receiver<Sample>,
    dropped: Arc<AtomicU64>,
}

impl SampleQueue {
    pub(super) fn new() -> (Arc<SampleQueue>, Samples) {
        let (sender, receiver) = mpsc::channel(WAITING_LIMIT);
        let dropped = Arc::new(AtomicU64::new(0));
        (Arc::new(SampleQueue { sender, dropped: Arc::clone(&dropped) }), Samples { receiver, dropped })
    }

    #[cold]
    pub(super) fn push(&self, scope: &Arc<ScopeData>, histogram: usize, value: u64) {
        let sample = Sample { scope: Arc::clone(scope), histogram, value };
        if self.sender.try_send(sample).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Samples {
    /// The next value; none once nobody records any more.
    pub async fn next(&mut self) -> Option<Sample> {
        self.receiver.recv().await
    }

    /// How many values were dropped since the last call, because too many waited.
    pub fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}
