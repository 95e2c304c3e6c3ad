//! Looking for a route allocates nothing, also where regular expressions, headers, query parameters and the keys of scopes
//! decide.
//!
//! Alone in its program: what other tests allocate would be counted too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "these are tests")]

use std::alloc::System;

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};
use ferryman_dataplane::model::http_connection_manager::HttpConnectionManager;
use ferryman_dataplane::model::listener::{Listener, NetworkFilter};
use ferryman_dataplane::route::RouteTables;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What the tests lower a configuration to; only its first listener is of interest here.
#[derive(serde::Deserialize)]
struct Golden {
    listeners: Vec<Listener>,
}

fn tables(golden: &str) -> RouteTables {
    let path = format!("{}/../../tests/model/{golden}.msgpack", env!("CARGO_MANIFEST_DIR"));
    let golden: Golden = rmp_serde::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let chains = golden.listeners.into_iter().flat_map(|listener| listener.filter_chains);
    let manager: HttpConnectionManager = chains
        .flat_map(|chain| chain.filters)
        .find_map(|filter| match filter {
            NetworkFilter::HttpConnectionManager(manager) => Some(*manager),
            _ => None,
        })
        .unwrap();
    RouteTables::compile(&manager, &|_| Some(0)).unwrap()
}

fn request(path: &str, fields: &[(&str, &str)]) -> HeaderBlock {
    let mut request = HeaderBlock::new();
    request.set(KnownName::Method, b"GET");
    request.set(KnownName::Authority, b"www.example.com");
    request.set(KnownName::Path, path.as_bytes());
    request.set(KnownName::XForwardedProto, b"http");
    for (name, value) in fields {
        assert!(request.append_name(&HeaderName::new(name.as_bytes()).unwrap(), value.as_bytes()));
    }
    request
}

/// All of the process is measured, the harness of the test with it: the count is that of the best of several tries.
fn least_allocations(tables: &RouteTables, request: &HeaderBlock) -> usize {
    let find = || tables.of(request).and_then(|table| table.find(request, 0)).is_some();
    assert!(find(), "the request has a route");
    let tries = (0..20).map(|_| {
        let region = Region::new(ALLOCATOR);
        assert!((0..100).all(|_| find()));
        region.change().allocations
    });
    tries.min().unwrap()
}

fn main() {
    let by_match = tables("route_match");
    let every_header = [
        ("x-present", "1"),
        ("x-number", "3"),
        ("x-exact", "A"),
        ("x-prefix", "bb"),
        ("x-suffix", "cc"),
        ("x-contains", "ddd"),
        ("x-regex", "eee"),
    ];
    let by_scope = tables("scoped_routes");
    let key = [("x-one", "z,a"), ("x-two", "j=c;k=b")];
    for (tables, request) in [
        (&by_match, request("/v12/a?b", &[])),
        (&by_match, request("/PART/../x?there&value=1", &every_header)),
        (&by_match, request("/API/a", &[])),
        (&by_scope, request("/", &key)),
    ] {
        assert_eq!(least_allocations(tables, &request), 0, "{request:?}");
    }
}
