//! The golden files of `tests/model/`: what Python lowers to is read and written back byte for byte.
//!
//! A field that one side has and the other lacks, another order, name or type: each changes the bytes.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)] // a test may stop at the first surprise

use std::fs;
use std::path::PathBuf;

use ferryman_dataplane::model::bootstrap::Bootstrap;
use ferryman_dataplane::model::cluster::Cluster;
use ferryman_dataplane::model::listener::Listener;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    bootstrap: Bootstrap,
    clusters: Vec<Cluster>,
    listeners: Vec<Listener>,
}

fn golden_files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/model");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "msgpack"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_golden_file_is_read_and_written_back() {
    let files = golden_files();
    assert!(files.len() >= 10, "golden files are missing: {files:?}");
    for path in files {
        let bytes = fs::read(&path).unwrap();
        let golden: Golden =
            rmp_serde::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let written = rmp_serde::to_vec_named(&golden).unwrap();
        assert_eq!(written.len(), bytes.len(), "{}: a field is lost or new", path.display());
        assert!(written == bytes, "{}: same fields, but another order or type", path.display());
    }
}

#[test]
fn an_unknown_field_is_refused() {
    #[derive(Serialize)]
    struct Wrong {
        region: &'static str,
        zone: &'static str,
        sub_zone: &'static str,
        priority: u32,
        endpoints: Vec<u8>,
        surprise: bool,
    }
    let wrong = Wrong { region: "", zone: "", sub_zone: "", priority: 0, endpoints: vec![], surprise: true };
    let bytes = rmp_serde::to_vec_named(&wrong).unwrap();
    let error =
        rmp_serde::from_slice::<ferryman_dataplane::model::cluster::LocalityEndpoints>(&bytes).unwrap_err();
    assert!(error.to_string().contains("surprise"), "{error}");
}
