//! Which filter chain a connection gets, and which sets of chains are refused.

use super::*;
use crate::model::listener::FilterChainMatch;

/// A chain from words: `port 80`, `to RANGE`, `protocol NAME`, `direct RANGE`, `local`, `external`, `from RANGE`,
/// `source-port N`.
fn chain(name: &str, words: &str) -> FilterChain {
    let mut matching = FilterChainMatch {
        destination_port: None,
        prefix_ranges: Vec::new(),
        direct_source_prefix_ranges: Vec::new(),
        source_type: SourceType::Any,
        source_prefix_ranges: Vec::new(),
        source_ports: Vec::new(),
        transport_protocol: String::new(),
        server_names: Vec::new(),
        application_protocols: Vec::new(),
    };
    let mut words = words.split_whitespace();
    while let Some(word) = words.next() {
        let mut value = || words.next().expect("a value");
        match word {
            "port" => matching.destination_port = Some(value().parse().expect("a port")),
            "to" => matching.prefix_ranges.push(range(value())),
            "protocol" => matching.transport_protocol = value().to_owned(),
            "name" => matching.server_names.push(value().to_owned()),
            "alpn" => matching.application_protocols.push(value().to_owned()),
            "direct" => matching.direct_source_prefix_ranges.push(range(value())),
            "local" => matching.source_type = SourceType::SameIpOrLoopback,
            "external" => matching.source_type = SourceType::External,
            "from" => matching.source_prefix_ranges.push(range(value())),
            "source-port" => matching.source_ports.push(value().parse().expect("a port")),
            other => panic!("{other}?"),
        }
    }
    FilterChain {
        metadata: None,
        name: name.to_owned(),
        matching,
        filters: Vec::new(),
        transport_socket_connect_timeout_ms: None,
        tls: None,
    }
}

fn range(text: &str) -> CidrRange {
    let (address, length) = text.split_once('/').expect("a length");
    CidrRange { address_prefix: address.to_owned(), prefix_len: length.parse().expect("a number") }
}

fn compile(chains: &[(&str, &str)]) -> (Vec<FilterChain>, Result<FilterChainMatcher, String>) {
    let chains: Vec<_> = chains.iter().map(|(name, words)| chain(name, words)).collect();
    let matcher = FilterChainMatcher::compile(&chains);
    (chains, matcher)
}

/// The name of the chain that each connection takes, `-` where it takes none. The direct source is 127.0.0.1, as it is
/// behind a proxy that speaks PROXY protocol.
fn check(chains: &[(&str, &str)], connections: &[(&str, &str, &str)]) {
    let (chains, matcher) = compile(chains);
    let matcher = matcher.expect("chains");
    let address = |text: &str| match text.strip_prefix("unix:") {
        Some(path) => Address::Pipe(path.into()),
        None => Address::Ip(text.parse().expect("an address")),
    };
    for (remote, local, expected) in connections {
        let (remote_address, local_address) = (address(remote), address(local));
        let direct = match &remote_address {
            Address::Ip(_) => address("127.0.0.1:1"),
            pipe => pipe.clone(),
        };
        let facts = ConnectionFacts {
            local: &local_address,
            remote: &remote_address,
            direct_remote: &direct,
            transport_protocol: "raw_buffer",
            server_name: "",
            application_protocols: &[],
            filter_state: &FilterState::default(),
        };
        let found = match matcher.find(&facts) {
            Found::Chain(place) => chains[place].name.as_str(),
            Found::Default => "-",
            Found::Nowhere => "?",
        };
        assert_eq!(found, *expected, "{remote} to {local}");
    }
}

#[test]
fn names_and_protocols_that_no_client_tells() {
    check(&[("named", "name a.com"), ("any", "alpn h2")], &[("9.9.9.9:7", "10.0.0.1:80", "-")]);
    check(&[("named", "name a.com"), ("any", "")], &[("9.9.9.9:7", "10.0.0.1:80", "any")]);
}

#[test]
fn names_and_protocols() {
    let chains = [("both", "name *.a.com alpn h2"), ("named", "name *.a.com"), ("h2", "alpn h2 alpn h3")];
    let (chains, matcher) = compile(&chains);
    let matcher = matcher.expect("chains");
    let address = Address::Ip("127.0.0.1:1".parse().expect("an address"));
    let find = |server_name, application_protocols: &[&str]| {
        let facts = ConnectionFacts {
            local: &address,
            remote: &address,
            direct_remote: &address,
            transport_protocol: "tls",
            server_name,
            application_protocols,
            filter_state: &FilterState::default(),
        };
        match matcher.find(&facts) {
            Found::Chain(place) => Some(chains[place].name.clone()),
            Found::Default | Found::Nowhere => None,
        }
    };
    assert_eq!(find("x.a.com", &["http/1.1", "h2"]).as_deref(), Some("both"));
    assert_eq!(find("x.a.com", &["http/1.1"]).as_deref(), Some("named"));
    assert_eq!(find("a.com", &["h3"]).as_deref(), Some("h2"));
    assert_eq!(find("", &[]), None);
}

/// Judged by Envoy 1.40, as is what follows.
#[test]
fn destination_port() {
    check(
        &[("p80", "port 80 source-port 7"), ("any", ""), ("p90", "port 90")],
        &[
            ("9.9.9.9:7", "10.0.0.1:80", "p80"),
            ("9.9.9.9:8", "10.0.0.1:80", "-"),
            ("9.9.9.9:8", "10.0.0.1:81", "any"),
            ("9.9.9.9:8", "10.0.0.1:90", "p90"),
        ],
    );
}

#[test]
fn destination_address() {
    check(
        &[
            ("wide", "to 10.0.0.0/8"),
            ("narrow", "to 10.1.0.0/16 from 1.0.0.0/8"),
            ("exact", "to 10.1.2.3/32"),
            ("six", "to fd00::/8 to 10.255.0.0/16"),
            ("rest", ""),
        ],
        &[
            ("1.1.1.1:5", "10.9.9.9:1", "wide"),
            ("1.1.1.1:5", "10.1.9.9:1", "narrow"),
            ("2.1.1.1:5", "10.1.9.9:1", "-"),
            ("2.1.1.1:5", "10.1.2.3:1", "exact"),
            ("[fd00::1]:5", "[fd12::1]:1", "six"),
            ("[fd00::1]:5", "[fe12::1]:1", "rest"),
            ("1.1.1.1:5", "11.0.0.1:1", "rest"),
            ("1.1.1.1:5", "10.255.0.1:1", "six"),
        ],
    );
}

#[test]
fn transport_protocol() {
    check(
        &[("raw", "protocol raw_buffer source-port 7"), ("none", ""), ("tls", "protocol tls")],
        &[("1.1.1.1:7", "10.0.0.1:1", "raw"), ("1.1.1.1:8", "10.0.0.1:1", "-")],
    );
    check(
        &[("proto", "protocol raw_buffer"), ("source", "from 20.0.0.0/8 source-port 5")],
        &[("20.2.0.0:5", "10.0.0.1:1", "proto")],
    );
}

#[test]
fn source_type() {
    check(
        &[("local", "local"), ("external", "external"), ("any", "")],
        &[
            ("127.0.0.1:5", "10.0.0.1:1", "local"),
            ("127.0.0.2:5", "10.0.0.1:1", "external"),
            ("10.0.0.1:5", "10.0.0.1:1", "local"),
            ("10.0.0.2:5", "10.0.0.1:1", "external"),
            ("[::1]:5", "[fd00::1]:1", "local"),
            ("[fd00::1]:5", "[fd00::1]:1", "local"),
            ("[::ffff:127.0.0.1]:5", "[fd00::1]:1", "external"),
        ],
    );
    check(
        &[("local", "local source-port 9"), ("any", "")],
        &[
            ("127.0.0.1:5", "10.0.0.1:1", "-"),
            ("127.0.0.1:9", "10.0.0.1:1", "local"),
            ("2.2.2.2:5", "10.0.0.1:1", "any"),
        ],
    );
}

#[test]
fn sources() {
    check(
        &[
            ("wide", "from 20.0.0.0/8"),
            ("narrow", "from 20.1.0.0/16 source-port 1 source-port 2"),
            ("rest", "source-port 3"),
        ],
        &[
            ("20.2.0.0:1", "10.0.0.1:1", "wide"),
            ("20.1.0.0:1", "10.0.0.1:1", "narrow"),
            ("20.1.0.0:2", "10.0.0.1:1", "narrow"),
            ("20.1.0.0:3", "10.0.0.1:1", "-"),
            ("30.1.0.0:3", "10.0.0.1:1", "rest"),
            ("30.1.0.0:4", "10.0.0.1:1", "-"),
        ],
    );
    check(
        &[("direct", "direct 127.0.0.0/8 source-port 1"), ("other", "direct 128.0.0.0/1"), ("none", "")],
        &[("20.2.0.0:1", "10.0.0.1:1", "direct"), ("200.2.0.0:2", "10.0.0.1:1", "-")],
    );
    check(
        &[("mapped", "from ::ffff:1.2.3.4/128"), ("four", "from 1.2.3.4/32")],
        &[("[::ffff:1.2.3.4]:1", "[::1]:1", "mapped"), ("1.2.3.4:1", "10.0.0.1:1", "four")],
    );
    check(
        &[("zero", "from 0.0.0.0/0"), ("none", "source-port 4")],
        &[
            ("9.9.9.9:4", "10.0.0.1:1", "none"),
            ("9.9.9.9:5", "10.0.0.1:1", "-"),
            ("[fd00::1]:4", "[::1]:1", "none"),
        ],
    );
}

#[test]
fn unix_domain_sockets() {
    check(&[("all", "")], &[("unix:", "unix:/listener", "all")]);
    check(
        &[("port", "port 80"), ("ports", "source-port 1"), ("external", "external")],
        &[("unix:", "unix:/listener", "-")],
    );
    check(&[("local", "local to 0.0.0.0/0"), ("port", "port 80")], &[("unix:", "unix:/listener", "local")]);
}

#[test]
fn refused() {
    let overlap = |place: &str| {
        Some(format!("filter chain {place}: its matching rules overlap with those of a chain before it"))
    };
    for (chains, error) in [
        (&[("a", "source-port 1 source-port 2"), ("b", "source-port 2 source-port 3")][..], overlap("'b'")),
        (&[("a", ""), ("", "")], overlap("2")),
        (&[("a", "from 20.1.1.1/8"), ("b", "from 20.0.0.0/8")], overlap("'b'")),
        (&[("a", "from 20.1.1.1/8"), ("b", "from 20.0.0.0/9")], None),
        (&[("a", "from 0.0.0.0/0"), ("b", "")], None),
        (&[("a", "to nowhere/8")], Some("filter chain 'a': 'nowhere' is not an IP address".to_owned())),
    ] {
        assert_eq!(compile(chains).1.err(), error, "{chains:?}");
    }
}
