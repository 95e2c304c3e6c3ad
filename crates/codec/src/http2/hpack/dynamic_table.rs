//! The dynamic table.
//!
//! Owns: its entries, their eviction, and its size. Does not own: indices (the static table comes before it).
//! Follows: RFC 7541 sections 2.3.2 and 4.
//!
//! An entry is kept as the line that a `HeaderBlock` stores, so that a field that refers to it is one copy.

use std::collections::VecDeque;
use std::ops::Range;

use crate::header_block::KnownName;

/// What an entry counts beyond its bytes.
const ENTRY_OVERHEAD: usize = 32;

/// The entries of one direction of a connection.
#[derive(Debug)]
pub(crate) struct DynamicTable {
    /// The newest is the last.
    entries: VecDeque<Entry>,
    /// Their lines in order; those of evicted entries come first until they are dropped.
    bytes: Vec<u8>,
    size: usize,
    max_size: usize,
    /// How many entries were ever inserted.
    inserted: u32,
}

/// An entry's place and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    start: usize,
    name_len: usize,
    value_len: usize,
    pub(crate) id: KnownName,
    /// Whether name and value were found to be fit for any message.
    pub(crate) sound: bool,
}

/// An entry's parts. The line is empty for a pseudo-header, as in a `HeaderBlock`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryParts<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) line: &'a [u8],
}

impl Entry {
    fn line_len(self) -> usize {
        if self.id.is_pseudo() { self.value_len } else { self.name_len + self.value_len + 4 }
    }

    fn size(self) -> usize {
        self.name_len + self.value_len + ENTRY_OVERHEAD
    }

    fn line(self) -> Range<usize> {
        self.start..self.start + self.line_len()
    }
}

impl DynamicTable {
    /// An empty table; allocates nothing.
    pub(crate) fn new(max_size: usize) -> Self {
        DynamicTable { entries: VecDeque::new(), bytes: Vec::new(), size: 0, max_size, inserted: 0 }
    }

    pub(crate) fn max_size(&self) -> usize {
        self.max_size
    }

    /// Changes the largest size; evicts what has no room.
    pub(crate) fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
        self.evict(0);
    }

    /// How many entries were ever inserted; the newest has this number.
    #[inline]
    pub(crate) fn inserted(&self) -> u32 {
        self.inserted
    }

    /// How far an entry is from the newest, which is 0; none when it has been evicted.
    #[inline]
    pub(crate) fn age_of(&self, number: u32) -> Option<usize> {
        let age = usize::try_from(self.inserted.wrapping_sub(number)).ok()?;
        (number != 0 && age < self.entries.len()).then_some(age)
    }

    /// The entry of an age; the newest is 0.
    #[inline]
    pub(crate) fn get(&self, age: usize) -> Option<(Entry, EntryParts<'_>)> {
        let entry = *self.entries.get(self.entries.len().checked_sub(age + 1)?)?;
        let line = self.bytes.get(entry.line())?;
        if entry.id.is_pseudo() {
            let name = entry.id.as_str().as_bytes();
            return Some((entry, EntryParts { name, value: line, line: b"" }));
        }
        let (name, rest) = line.split_at_checked(entry.name_len)?;
        let value = rest.get(2..2 + entry.value_len)?;
        Some((entry, EntryParts { name, value, line }))
    }

    /// Adds an entry, for which others are evicted; one that is too large empties the table.
    pub(crate) fn insert(&mut self, id: KnownName, name: &[u8], value: &[u8], sound: bool) {
        let entry =
            Entry { start: self.bytes.len(), name_len: name.len(), value_len: value.len(), id, sound };
        self.evict(entry.size());
        if entry.size() > self.max_size {
            return;
        }
        let entry = Entry { start: self.bytes.len(), ..entry };
        if !id.is_pseudo() {
            self.bytes.extend_from_slice(name);
            self.bytes.extend_from_slice(b": ");
        }
        self.bytes.extend_from_slice(value);
        if !id.is_pseudo() {
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.size += entry.size();
        self.entries.push_back(entry);
        // 0 is no entry's number.
        self.inserted = self.inserted.wrapping_add(1).max(1);
    }

    /// Makes room for so much.
    fn evict(&mut self, room: usize) {
        while self.size + room > self.max_size {
            let Some(evicted) = self.entries.pop_front() else { break };
            self.size -= evicted.size();
        }
        self.drop_evicted();
    }

    /// Drops the lines of evicted entries once they outweigh the others.
    fn drop_evicted(&mut self) {
        let start = self.entries.front().map_or(self.bytes.len(), |entry| entry.start);
        if start <= self.max_size && start < self.bytes.len() {
            return;
        }
        self.bytes.drain(..start);
        for entry in &mut self.entries {
            entry.start -= start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(table: &DynamicTable) -> Vec<String> {
        (0..)
            .map_while(|age| table.get(age))
            .map(|(_, parts)| String::from_utf8_lossy(parts.name).into())
            .collect()
    }

    #[test]
    fn the_oldest_are_evicted_first() {
        let mut table = DynamicTable::new(3 * 34);
        for name in [b"a", b"b", b"c", b"d"] {
            table.insert(KnownName::Other, name, b"1", true);
        }
        assert_eq!(names(&table), ["d", "c", "b"]);
        assert_eq!((table.age_of(4), table.age_of(2), table.age_of(1)), (Some(0), Some(2), None));
        table.set_max_size(34);
        assert_eq!(names(&table), ["d"]);
        table.insert(KnownName::Path, b":path", b"/too-large", true);
        assert!(names(&table).is_empty());
        assert!(table.bytes.is_empty());
    }

    #[test]
    fn the_bytes_stay_in_proportion() {
        let mut table = DynamicTable::new(400);
        for number in 0..10_000u32 {
            table.insert(KnownName::Other, b"x-number", number.to_string().as_bytes(), true);
            assert!(table.bytes.len() <= 1200);
            let (_, parts) = table.get(0).unwrap();
            assert_eq!((parts.value, parts.name), (number.to_string().as_bytes(), &b"x-number"[..]));
            assert_eq!(parts.line, format!("x-number: {number}\r\n").as_bytes());
        }
    }
}
