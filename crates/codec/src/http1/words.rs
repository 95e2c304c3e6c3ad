//! Eight bytes at a time: how far text reaches, and letters in lower case.
//!
//! Owns: the arithmetic on words. Does not own: what is allowed where (`chars.rs`).
//! Follows: nothing; each function says which bytes it stops at, and is tested against that for every byte.
//!
//! In a mask the highest bit of a byte stands for the byte. A borrow may mark bytes above one that is marked
//! rightly, never below: the first marked byte is always right.

const HIGHS: u64 = repeat(0x80);

const fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Marks the first control character (below space, or DEL).
#[inline]
fn controls(word: u64) -> u64 {
    let below_space = word.wrapping_sub(repeat(b' ')) & !word;
    let from_del = word ^ repeat(0x7f);
    (below_space | (from_del.wrapping_sub(repeat(1)) & !from_del)) & HIGHS
}

/// Marks the bytes that are neither letters nor hyphens.
#[inline]
fn not_letters(word: u64) -> u64 {
    let lower = (word | repeat(0x20)) & !HIGHS;
    let from_hyphen = (word ^ repeat(b'-')) & !HIGHS;
    let letter = (lower + repeat(0x80 - b'a')) & !(lower + repeat(0x80 - b'z' - 1));
    let not_hyphen = from_hyphen + repeat(0x7f);
    (!letter & not_hyphen | word) & HIGHS
}

/// The number of bytes before the first that the mask marks.
#[inline]
fn length_until(bytes: &[u8], mask: impl Fn(u64) -> u64) -> usize {
    let mut length = 0;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let marked = mask(u64::from_le_bytes(word.try_into().unwrap_or_default()));
        if marked != 0 {
            return length + usize::try_from(marked.trailing_zeros() / 8).unwrap_or(0);
        }
        length += 8;
    }
    let is_marked = |&byte: &u8| mask(u64::from_le_bytes([byte; 8])) != 0;
    length + words.remainder().iter().position(is_marked).unwrap_or(words.remainder().len())
}

/// The number of bytes before the first control character, tab included.
#[inline]
pub(crate) fn text_length(bytes: &[u8]) -> usize {
    length_until(bytes, controls)
}

/// The number of letters and hyphens that the bytes begin with.
#[inline]
pub(crate) fn letters_length(bytes: &[u8]) -> usize {
    length_until(bytes, not_letters)
}

/// Makes letters lower case, as `make_ascii_lowercase` does, which is slower for a few bytes.
#[inline]
pub(crate) fn make_lower(bytes: &mut [u8]) {
    let Some(last) = bytes.len().checked_sub(8) else { return bytes.make_ascii_lowercase() };
    let mut start = 0;
    while let Some(word) = bytes.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
        *word = lower(u64::from_le_bytes(*word)).to_le_bytes();
        if start == last {
            return;
        }
        // The last word may begin inside the one before it: what is lower case stays so.
        start = last.min(start + 8);
    }
}

#[inline]
fn lower(word: u64) -> u64 {
    let low = word & !HIGHS;
    let from_a = low + repeat(0x80 - b'A');
    let beyond_z = low + repeat(0x80 - b'Z' - 1);
    word | ((from_a & !beyond_z & !word & HIGHS) >> 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte at every place of a run, with every other byte before it that the run goes on over.
    #[test]
    fn a_run_ends_where_it_should() {
        let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'-';
        let is_text = |byte: u8| byte >= b' ' && byte != 0x7f;
        for length in 0..20 {
            for place in 0..length {
                for byte in 0..=255u8 {
                    for filler in [b'a', b'Z', b'-', b'~', 0x80, 0xff] {
                        let mut bytes = vec![filler; length];
                        bytes[place] = byte;
                        let expected = |goes_on: fn(u8) -> bool| {
                            bytes.iter().position(|&byte| !goes_on(byte)).unwrap_or(length)
                        };
                        assert_eq!(text_length(&bytes), expected(is_text), "{bytes:?}");
                        assert_eq!(letters_length(&bytes), expected(is_letter), "{bytes:?}");
                        let (mut ours, mut theirs) = (bytes.clone(), bytes);
                        make_lower(&mut ours);
                        theirs.make_ascii_lowercase();
                        assert_eq!(ours, theirs);
                    }
                }
            }
        }
    }

    /// What follows the end of a run does not move it.
    #[test]
    fn what_follows_makes_no_difference() {
        for end in 0..=255u8 {
            for after in 0..=255u8 {
                let bytes = [b'a', b'b', end, after, after, b'x', b'y', after];
                let text = bytes.iter().position(|&byte| byte < b' ' || byte == 0x7f).unwrap_or(8);
                let letters = bytes.iter().position(|byte| !byte.is_ascii_alphabetic() && *byte != b'-');
                assert_eq!(text_length(&bytes), text, "{bytes:?}");
                assert_eq!(letters_length(&bytes), letters.unwrap_or(8), "{bytes:?}");
            }
        }
    }
}
