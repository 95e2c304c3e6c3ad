//! Replays what the fuzz targets begin with (`fuzz/corpus/`), with the same invariants.

use std::path::Path;

use crate::invariants;

fn replay(corpus: &str, invariant: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(corpus);
    let inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(inputs.len() >= 20, "{corpus} has {} inputs", inputs.len());
    for path in inputs {
        println!("{}", path.display());
        invariant(&std::fs::read(&path).unwrap());
    }
}

#[test]
fn http2_frames() {
    replay("http2_frames", |input| invariants::frames(input, &[7, 1000]));
}

#[test]
fn http2_header_blocks() {
    replay("http2_header_blocks", invariants::header_block);
}
