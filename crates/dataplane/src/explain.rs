//! What is remembered of streams that ended in an error made by the proxy, so that it can be explained.
//!
//! Owns: how many are kept, how, and finding one. Does not own: the decisions (`stream_info`), who gathers the facts
//! (`http_stream/remember.rs`, `filters/network/tcp_proxy/remember.rs`), nor the words for them
//! (`ferryman/admin/explain.py`).
//!
//! A worker writes to its own ring, and only when a stream fails; whoever asks reads all of them. What is kept lies
//! packed in blocks of one size that are used again: ten thousand times the same small allocations, each freed when
//! ten thousand others have come between, would leave holes all over the worker's heap.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use memchr::memmem::Finder;

mod facts;
mod failed_stream;

pub use facts::{broken_rule_of, name_of, upstream_facts};
pub use failed_stream::{FailedRoute, FailedStream, FailedUpstream, Limits, PickedHost, StreamKind, cut};

/// How many are kept: by each worker, so that the last ones of the process are among them however they are spread.
const KEPT: usize = 10_000;
/// The size of a block, and what is left free in it when the next one is begun: a record with its texts cut is smaller.
const BLOCK_BYTES: usize = 64 * 1024;
const RESERVE_BYTES: usize = 4 * 1024;

/// Which of them is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// Any.
    Latest,
    /// The request with this `x-request-id`.
    Request(&'a str),
    /// Whatever was on the downstream connection with this id.
    Connection(u64),
}

/// A record as it is kept and as it crosses to Python: msgpack, the fields without their names.
pub type Encoded = Box<[u8]>;

/// The failed streams of all workers.
#[derive(Debug)]
pub struct FailedStreams {
    rings: Box<[Mutex<Ring>]>,
}

impl FailedStreams {
    /// For this many workers. Takes no memory until a stream fails.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        FailedStreams { rings: (0..workers).map(|_| Mutex::default()).collect() }
    }

    /// Keeps one more, in the place of the worker's oldest when there are enough.
    pub fn remember(&self, worker: usize, failed: &FailedStream<'_>) {
        if let Some(ring) = self.rings.get(worker) {
            locked(ring).push(failed);
        }
    }

    /// The latest of those that are asked for, at most `most`, the latest first.
    #[must_use]
    pub fn latest(&self, which: Which<'_>, most: usize) -> Vec<Encoded> {
        let mut found = Vec::new();
        for ring in &self.rings {
            let ring = locked(ring);
            found.extend(ring.latest(which).take(most).map(|(ended_ms, bytes)| (ended_ms, bytes.into())));
        }
        found.sort_by_key(|&(ended_ms, _)| std::cmp::Reverse(ended_ms));
        found.into_iter().take(most).map(|(_, bytes)| bytes).collect()
    }
}

fn locked(ring: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a record.
///
/// # Errors
/// It is none.
pub fn decode(record: &[u8]) -> Result<FailedStream<'_>, String> {
    rmp_serde::from_slice(record).map_err(|error| error.to_string())
}

/// The records of one worker, the oldest first.
#[derive(Debug, Default)]
struct Ring {
    blocks: VecDeque<Block>,
    count: usize,
}

/// Records one after the other.
#[derive(Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

/// What is looked at to find one.
#[derive(Debug, Clone, Copy)]
struct Record {
    begin: usize,
    end: usize,
    ended_ms: u64,
    connection_id: u64,
}

impl Ring {
    fn push(&mut self, failed: &FailedStream<'_>) {
        if self.blocks.back().is_none_or(|block| block.bytes.len() > BLOCK_BYTES - RESERVE_BYTES) {
            let block = self.emptied().unwrap_or_default();
            self.blocks.push_back(block);
        }
        let Some(block) = self.blocks.back_mut() else { return };
        self.count += usize::from(block.push(failed));
    }

    /// The oldest block, without its records, if there are enough in the others.
    fn emptied(&mut self) -> Option<Block> {
        let oldest = self.blocks.front()?.records.len();
        let left = self.count.checked_sub(oldest).filter(|&left| left >= KEPT)?;
        let mut block = self.blocks.pop_front()?;
        self.count = left;
        block.bytes.clear();
        block.records.clear();
        Some(block)
    }

    /// The last ones that are kept, the latest first, each with the time of its end.
    fn latest<'r>(&'r self, which: Which<'r>) -> impl Iterator<Item = (u64, &'r [u8])> {
        let records = self.blocks.iter().rev().flat_map(|block| {
            block
                .records
                .iter()
                .rev()
                .map(|record| (*record, block.bytes.get(record.begin..record.end).unwrap_or_default()))
        });
        // Most records are passed over without being read.
        let id = match which {
            Which::Request(id) => Finder::new(id),
            Which::Latest | Which::Connection(_) => Finder::new(""),
        };
        records
            .take(KEPT)
            .filter(move |(record, bytes)| match which {
                Which::Latest => true,
                Which::Connection(id) => record.connection_id == id,
                Which::Request(asked) => {
                    id.find(bytes).is_some() && decode(bytes).is_ok_and(|failed| failed.request_id == asked)
                }
            })
            .map(|(record, bytes)| (record.ended_ms, bytes))
    }
}

impl Block {
    /// Answers whether it could be written, as plain values can.
    fn push(&mut self, failed: &FailedStream<'_>) -> bool {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(BLOCK_BYTES);
        }
        let begin = self.bytes.len();
        if rmp_serde::encode::write(&mut self.bytes, failed).is_err() {
            self.bytes.truncate(begin);
            return false;
        }
        self.records.push(Record {
            begin,
            end: self.bytes.len(),
            ended_ms: failed.started_ms.saturating_add(failed.duration_ms),
            connection_id: failed.connection_id,
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(request_id: &str, started_ms: u64) -> FailedStream<'_> {
        FailedStream {
            request_id: request_id.into(),
            connection_id: started_ms,
            started_ms,
            ..FailedStream::default()
        }
    }

    fn times(streams: &FailedStreams, which: Which<'_>, most: usize) -> Vec<u64> {
        let found = streams.latest(which, most);
        found.iter().map(|bytes| decode(bytes).expect("a record").started_ms).collect()
    }

    #[test]
    fn the_latest_of_all_workers_come_first() {
        let streams = FailedStreams::new(2);
        streams.remember(0, &failed("a", 1));
        streams.remember(1, &failed("b", 2));
        streams.remember(0, &failed("a", 3));
        streams.remember(7, &failed("nobody", 4));
        assert_eq!(times(&streams, Which::Latest, 9), [3, 2, 1]);
        assert_eq!(times(&streams, Which::Latest, 2), [3, 2]);
        assert_eq!(times(&streams, Which::Request("a"), 9), [3, 1]);
        assert_eq!(times(&streams, Which::Request("none"), 9), [0; 0]);
        assert_eq!(times(&streams, Which::Connection(2), 9), [2]);
    }

    #[test]
    fn an_id_is_not_found_in_another_text() {
        let streams = FailedStreams::new(1);
        streams.remember(0, &FailedStream { path: "/a".into(), ..failed("b", 1) });
        streams.remember(0, &failed("ab", 2));
        assert_eq!(times(&streams, Which::Request("a"), 9), [0; 0]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let streams = FailedStreams::new(1);
        (0..32_000).for_each(|time| streams.remember(0, &failed("", time)));
        let kept = times(&streams, Which::Latest, usize::MAX);
        assert_eq!((kept.len(), kept[0], kept[9_999]), (KEPT, 31_999, 22_000));
        let ring = locked(&streams.rings[0]);
        // Blocks hold a few hundred of these: one too many may be there, and none of them has grown.
        assert!(ring.count < KEPT + 2_000, "{}", ring.count);
        assert!(ring.blocks.iter().all(|block| block.bytes.capacity() == BLOCK_BYTES));
    }

    #[test]
    fn texts_from_outside_are_cut() {
        assert_eq!(cut(&[b'x'; 1000]).len(), failed_stream::MOST_TEXT_BYTES);
        assert_eq!(cut(b"a\xff"), "a\u{fffd}");
    }
}
