//! Replays what the fuzz targets have found worth keeping (`fuzz/corpus/`), with the same invariants.

use std::path::Path;

use crate::invariants;

/// Runs every input of a corpus; there are at least 40.
fn replay(corpus: &str, invariant: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(corpus);
    let inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(inputs.len() >= 40, "{corpus} has {} inputs", inputs.len());
    for path in inputs {
        let input = std::fs::read(&path).unwrap();
        println!("{}", path.display());
        invariant(&input);
    }
}

#[test]
fn requests() {
    replay("requests", invariants::requests);
}

#[test]
fn responses() {
    replay("responses", invariants::responses);
}

#[test]
fn chunks() {
    replay("chunks", invariants::chunks);
}
