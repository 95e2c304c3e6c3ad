//! The Huffman code for strings.
//!
//! Owns: the code, its decoding and encoding. Does not own: which strings are coded.
//! Follows: RFC 7541 section 5.2 and appendix B. The code is canonical: its words follow from their lengths, so the
//! tables are made from the lengths when this is compiled.
//!
//! Ten bits are looked at at a time: nearly all that is sent in headers has words of five to eight bits, so that a
//! character costs one look-up. Longer words are found by their length.

/// How many bits the fast table looks at.
const FAST_BITS: u32 = 10;
const MAX_BITS: usize = 30;
const END_OF_STRING: usize = 256;

/// The length of each character's word in bits; the last is the end of the string, which is never sent.
#[rustfmt::skip]
static LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// All tables that follow from the lengths.
struct Tables {
    /// The word of each character.
    words: [u32; 257],
    /// For the next ten bits: the character, and its length above it; 0 where the word is longer.
    fast: [u16; 1 << FAST_BITS],
    /// The characters in the order of their words.
    sorted: [u16; 257],
    /// For each length: its first word, the word behind its last, and where its characters begin in `sorted`.
    first: [u32; MAX_BITS + 1],
    end: [u32; MAX_BITS + 1],
    place: [u16; MAX_BITS + 1],
}

static TABLES: Tables = tables();

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "evaluated at compile time")]
const fn tables() -> Tables {
    let mut tables = Tables {
        words: [0; 257],
        fast: [0; 1 << FAST_BITS],
        sorted: [0; 257],
        first: [0; MAX_BITS + 1],
        end: [0; MAX_BITS + 1],
        place: [0; MAX_BITS + 1],
    };
    let (mut word, mut place, mut length) = (0u32, 0usize, 1usize);
    while length <= MAX_BITS {
        word <<= 1;
        tables.first[length] = word;
        tables.place[length] = place as u16;
        let mut symbol = 0;
        while symbol <= END_OF_STRING {
            if LENGTHS[symbol] as usize == length {
                tables.words[symbol] = word;
                tables.sorted[place] = symbol as u16;
                if length as u32 <= FAST_BITS {
                    let spare = FAST_BITS - length as u32;
                    let mut low = 0;
                    while low < 1 << spare {
                        tables.fast[((word << spare) + low) as usize] = symbol as u16 | (length as u16) << 8;
                        low += 1;
                    }
                }
                word += 1;
                place += 1;
            }
            symbol += 1;
        }
        tables.end[length] = word;
        length += 1;
    }
    tables
}

/// The bits that have been read and not yet decoded, the next one highest.
struct Bits<'a> {
    word: u64,
    count: u32,
    rest: &'a [u8],
}

impl Bits<'_> {
    /// Sees to it that the longest word is there, unless the input ends before.
    #[inline(always)]
    fn fill(&mut self) {
        if let Some((four, rest)) = self.rest.split_first_chunk::<4>() {
            self.word |= u64::from(u32::from_be_bytes(*four)) << (32 - self.count);
            self.count += 32;
            self.rest = rest;
            return;
        }
        while let Some((&byte, rest)) = self.rest.split_first() {
            self.word |= u64::from(byte) << (56 - self.count);
            self.count += 8;
            self.rest = rest;
        }
    }

    #[inline(always)]
    fn drop(&mut self, count: u32) {
        self.word <<= count;
        self.count -= count;
    }

    /// Whether what is left is an end as it must be: less than a byte, all ones.
    fn is_padding(&self) -> bool {
        self.count < 8 && self.rest.is_empty() && self.word.leading_ones() >= self.count
    }
}

/// Appends what the bytes stand for; answers false, with anything appended, when they are no coded string.
pub(crate) fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    // The shortest words have five bits.
    out.reserve(input.len() * 8 / 5);
    let mut bits = Bits { word: 0, count: 0, rest: input };
    loop {
        if bits.count < 32 {
            bits.fill();
        }
        let next = usize::try_from(bits.word >> (64 - FAST_BITS)).unwrap_or(0);
        let found = TABLES.fast.get(next).copied().unwrap_or(0);
        let [length, symbol] = found.to_be_bytes();
        let length = u32::from(length);
        if length != 0 && length <= bits.count {
            out.push(symbol);
            bits.drop(length);
            continue;
        }
        match (length, long_word(bits.word)) {
            (0, Some((symbol, length))) if length <= bits.count => {
                out.push(symbol);
                bits.drop(length);
            }
            _ => return bits.is_padding(),
        }
    }
}

/// The character whose word, longer than the fast table sees, the bits begin with, and its length; none for the end of
/// the string.
#[cold]
fn long_word(bits: u64) -> Option<(u8, u32)> {
    for length in 11..=30u32 {
        let index = usize::try_from(length).ok()?;
        let word = u32::try_from(bits >> (64 - length)).ok()?;
        if word < *TABLES.end.get(index)? {
            let nth = word.checked_sub(*TABLES.first.get(index)?)?;
            let place = usize::from(*TABLES.place.get(index)?) + usize::try_from(nth).ok()?;
            return Some((u8::try_from(*TABLES.sorted.get(place)?).ok()?, length));
        }
    }
    None
}

/// How many bytes the string has when it is coded.
#[inline]
pub(crate) fn encoded_len(bytes: &[u8]) -> usize {
    let bits: usize = bytes.iter().map(|&byte| usize::from(length_of(byte))).sum();
    bits.div_ceil(8)
}

#[inline(always)]
fn length_of(byte: u8) -> u8 {
    LENGTHS.get(usize::from(byte)).copied().unwrap_or(0)
}

/// Appends the coded string.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let (mut word, mut count) = (0u64, 0u32);
    for &byte in bytes {
        let length = u32::from(length_of(byte));
        word = word << length | u64::from(TABLES.words.get(usize::from(byte)).copied().unwrap_or(0));
        count += length;
        if count >= 32 {
            count -= 32;
            let four = u32::try_from(word >> count & 0xffff_ffff).unwrap_or(0);
            out.extend_from_slice(&four.to_be_bytes());
        }
    }
    // The end is filled with ones, as the end of the string begins with.
    let padded = count.div_ceil(8) * 8;
    let word = word << (padded - count) | ((1 << (padded - count)) - 1);
    let bytes = word.to_be_bytes();
    let length = usize::try_from(padded / 8).unwrap_or(0);
    out.extend_from_slice(bytes.get(8 - length..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(input: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(input, &mut out).then_some(out)
    }

    /// RFC 7541 appendix C.4 and C.6.
    #[test]
    fn the_examples_of_the_rfc() {
        for (text, coded) in [
            ("www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
            ("no-cache", "a8eb10649cbf"),
            ("custom-value", "25a849e95bb8e8b4bf"),
            ("302", "6402"),
            ("Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
        ] {
            let bytes: Vec<u8> = (0..coded.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&coded[at..at + 2], 16).unwrap())
                .collect();
            let mut ours = Vec::new();
            encode(text.as_bytes(), &mut ours);
            assert_eq!(ours, bytes, "{text}");
            assert_eq!(encoded_len(text.as_bytes()), bytes.len());
            assert_eq!(decoded(&bytes).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn every_pair_of_characters_comes_back() {
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                let text = [first, second, first];
                let mut coded = Vec::new();
                encode(&text, &mut coded);
                assert_eq!(coded.len(), encoded_len(&text));
                assert_eq!(decoded(&coded).unwrap(), text);
            }
        }
    }

    #[test]
    fn bad_ends_are_refused() {
        // Padding of zeros, of eight bits, inside a word; the end of the string itself.
        for bad in [&[0b0000_0000][..], &[0xff], &[0x1f, 0xff], &[0x18], &[0xff, 0xff, 0xff, 0xff], &[0xfe]] {
            assert_eq!(decoded(bad), None, "{bad:?}");
        }
        assert_eq!(decoded(&[]).unwrap(), b"");
        assert_eq!(decoded(&[0x1f]).unwrap(), b"a");
    }
}
