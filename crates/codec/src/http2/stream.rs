//! The streams of a connection.
//!
//! Owns: a stream's state, the table of open streams, and the memory of streams that have ended. Does not own: which
//! frames change the state (`connection/`).
//! Follows: RFC 9113 section 5.1.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::message::RequestKind;

/// How many ended streams are remembered of each sort.
const REMEMBERED: usize = 128;

/// How far one direction of a stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Half {
    /// Nothing but informational heads has come.
    #[default]
    Head,
    /// The head has come.
    Body,
    /// The end has come.
    Ended,
}

/// A stream that has not ended on both sides.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) receiving: Half,
    pub(crate) sending: Half,
    /// What the request means for the response.
    pub(crate) kind: RequestKind,
    /// Whether the stream waits to be told that it can send.
    pub(crate) waits: bool,
    /// Whether data must not come: the response is to HEAD, or has the status 204 or 304.
    pub(crate) has_no_body: bool,
    /// What may still be sent; a lowered setting makes it negative.
    pub(crate) send_window: i32,
    /// What may still be received.
    pub(crate) receive_window: i32,
    /// What was consumed and not yet given back to the peer.
    pub(crate) consumed: u32,
    /// How much data is still missing of what content-length has announced.
    pub(crate) missing: Option<u64>,
    /// The protocol that extended CONNECT asked for.
    pub(crate) protocol: Option<Box<[u8]>>,
    /// How many heads and trailers have come.
    pub(crate) header_frames: u8,
}

impl Stream {
    pub(crate) fn is_ended(&self) -> bool {
        self.receiving == Half::Ended && self.sending == Half::Ended
    }
}

/// How a stream that is no longer open has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// We have reset it: what the peer sent before it knew is ignored.
    ResetByUs,
    /// It ended as it should, or the peer has reset it: nothing may come.
    Regular,
    /// It is not remembered.
    Unknown,
}

/// All streams of a connection that are open.
#[derive(Debug)]
pub(crate) struct Streams {
    slots: Vec<Stream>,
    free: Vec<u32>,
    places: HashMap<u32, u32, BuildHasherDefault<IdHasher>>,
    /// The place looked up last: most look-ups come in a row.
    last: (u32, u32),
    reset: Recent,
    ended: Recent,
}

impl Streams {
    pub(crate) fn new() -> Self {
        Streams {
            slots: Vec::new(),
            free: Vec::new(),
            places: HashMap::default(),
            last: (0, 0),
            reset: Recent::default(),
            ended: Recent::default(),
        }
    }

    /// How many are open.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    #[inline]
    fn place(&self, id: u32) -> Option<u32> {
        if self.last.0 == id && id != 0 { Some(self.last.1) } else { self.places.get(&id).copied() }
    }

    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<&Stream> {
        self.slots.get(to_usize(self.place(id)?))
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        let place = self.place(id)?;
        self.last = (id, place);
        self.slots.get_mut(to_usize(place))
    }

    /// Opens a stream with the id of the one given.
    pub(crate) fn insert(&mut self, stream: Stream) {
        let id = stream.id;
        let place = match self.free.pop() {
            Some(place) => place,
            None => u32::try_from(self.slots.len()).unwrap_or(u32::MAX),
        };
        match self.slots.get_mut(to_usize(place)) {
            Some(slot) => *slot = stream,
            None => self.slots.push(stream),
        }
        self.places.insert(id, place);
        self.last = (id, place);
    }

    /// Takes a stream out, and remembers how it ended.
    pub(crate) fn remove(&mut self, id: u32, ending: Ending) {
        let Some(place) = self.places.remove(&id) else { return };
        if let Some(slot) = self.slots.get_mut(to_usize(place)) {
            *slot = Stream::default();
        }
        self.free.push(place);
        self.last = (0, 0);
        self.remember(id, ending);
    }

    pub(crate) fn remember(&mut self, id: u32, ending: Ending) {
        match ending {
            Ending::ResetByUs => self.reset.add(id),
            Ending::Regular => self.ended.add(id),
            Ending::Unknown => {}
        }
    }

    /// How a stream that was opened, or refused, and is not open has ended.
    pub(crate) fn ending_of(&self, id: u32) -> Ending {
        if self.reset.contains(id) {
            Ending::ResetByUs
        } else if self.ended.contains(id) {
            Ending::Regular
        } else {
            Ending::Unknown
        }
    }

    /// All open streams, in no order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().filter(|stream| stream.id != 0)
    }

    /// Any open stream with a higher id.
    pub(crate) fn any_above(&self, id: u32) -> Option<u32> {
        self.slots.iter().map(|stream| stream.id).find(|&open| open > id)
    }
}

fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The last ids of some sort.
#[derive(Debug, Default)]
struct Recent {
    ids: Vec<u32>,
    next: usize,
}

impl Recent {
    fn add(&mut self, id: u32) {
        match self.ids.get_mut(self.next) {
            Some(place) => *place = id,
            None => self.ids.push(id),
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    fn contains(&self, id: u32) -> bool {
        self.ids.contains(&id)
    }
}

/// Spreads ids, which the peer chooses, over the whole table whatever their distance.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u32(u32::from(byte)));
    }

    #[inline]
    fn write_u32(&mut self, id: u32) {
        let product = u128::from(self.0 ^ u64::from(id)) * 0x9e37_79b9_7f4a_7c15;
        let folded = (product >> 64) ^ (product & u128::from(u64::MAX));
        self.0 = u64::try_from(folded & u128::from(u64::MAX)).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(streams: &mut Streams, id: u32) {
        streams.insert(Stream { id, ..Stream::default() });
    }

    #[test]
    fn places_are_used_again() {
        let mut streams = Streams::new();
        for id in (1..2001).step_by(2) {
            open(&mut streams, id);
            if id > 20 {
                streams.remove(id - 20, Ending::Regular);
            }
            assert!(streams.len() <= 10);
        }
        assert!(streams.slots.len() <= 11);
        assert_eq!(streams.get(1999).map(|stream| stream.id), Some(1999));
        assert!(streams.get(1).is_none() && streams.get(0).is_none());
        assert_eq!(streams.any_above(1997), Some(1999));
        assert_eq!(streams.any_above(1999), None);
    }

    #[test]
    fn endings_are_remembered_for_a_while() {
        let mut streams = Streams::new();
        for id in 1..300 {
            open(&mut streams, id);
            streams.remove(id, if id % 2 == 0 { Ending::ResetByUs } else { Ending::Regular });
        }
        assert_eq!(streams.ending_of(298), Ending::ResetByUs);
        assert_eq!(streams.ending_of(299), Ending::Regular);
        assert_eq!(streams.ending_of(1), Ending::Unknown);
    }
}
