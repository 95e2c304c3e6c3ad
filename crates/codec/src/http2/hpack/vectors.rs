//! The public HPACK vectors: every header block decodes as expected, and comes back from our encoder.
//!
//! Owns: the reading of `tests/data/hpack_vectors`: each line has the size of the table (`-`: unchanged), a header block
//! in hexadecimal, and the FNV-1a hash of its fields, each as `name: value` and a line feed. Does not own: the blocks.
//! `FERRYMAN_HPACK_VECTORS` names another folder, for the whole collection.
//! Follows: https://github.com/http2jp/hpack-test-case

use std::path::PathBuf;

use super::decoder::Decoder;
use super::encoder::Encoder;
use crate::header_block::KnownName;

fn hash(fields: &[(Vec<u8>, Vec<u8>)]) -> u64 {
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    fields.iter().fold(0xcbf2_9ce4_8422_2325, |hash, (name, value)| {
        [name, &b": "[..], value, b"\n"].concat().iter().fold(hash, add)
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fields = Vec::new();
    decoder.decode(block, |field| fields.push((field.name.to_vec(), field.value.to_vec()))).unwrap();
    fields
}

fn replay(name: &str, text: &str) -> usize {
    let (mut theirs, mut ours) = (Decoder::new(4096), Decoder::new(4096));
    let mut encoder = Encoder::new(4096);
    let mut blocks = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let (size, wire, expected) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        if let Ok(size) = size.parse() {
            theirs.set_limit(size);
        }
        let fields = decode(&mut theirs, &bytes(wire));
        assert_eq!(format!("{:016x}", hash(&fields)), expected, "{name}: {fields:?}");
        let mut out = Vec::new();
        encoder.begin(&mut out);
        for (name, value) in &fields {
            encoder.field(KnownName::of(name), name, value, false, &mut out);
        }
        assert_eq!(decode(&mut ours, &out), fields, "{name}");
        blocks += 1;
    }
    blocks
}

#[test]
fn all_blocks_decode_as_expected_and_come_back() {
    let ours = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/hpack_vectors");
    let folder = std::env::var_os("FERRYMAN_HPACK_VECTORS").map_or(ours, PathBuf::from);
    let mut blocks = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        blocks += replay(&path.display().to_string(), &std::fs::read_to_string(&path).unwrap());
    }
    println!("{blocks} blocks");
    assert!(blocks > 400, "{blocks}");
}
