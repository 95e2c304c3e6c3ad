//! What routing and header handling cost: nanoseconds a call, for few and for many virtual hosts and routes.
//!
//! Run with `cargo run --profile fast -p ferryman-dataplane --example routing_cost`. Each figure is the least of several
//! rounds, so that other work on the machine does not count.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Instant, SystemTime};

use ferryman_codec::{HeaderBlock, Http1Settings, KnownName, RequestDecoder, RequestKind, ResponseDecoder};
use ferryman_dataplane::filters::network::http_connection_manager::{
    RequestHeaderPolicy, ResponseHeaderPolicy,
};
use ferryman_dataplane::format::{AccessLogType, FormatContext};
use ferryman_dataplane::header_mutation::MutationScratch;
use ferryman_dataplane::model::http_connection_manager::HttpConnectionManager;
use ferryman_dataplane::model::listener::{Listener, NetworkFilter};
use ferryman_dataplane::model::route::{
    Action as ActionModel, ClusterSpecifier, HeaderMutations, PathMatch, RequireTls, Route, RouteAction,
    RouteConfiguration, RouteMatch, RoutingPriority, VirtualHost,
};
use ferryman_dataplane::route::{Action, Circumstances, RouteTable};
use ferryman_dataplane::stream_info::{Address, ConnectionInfo, StreamInfo};

const ROUNDS: usize = 300;
const CALLS: usize = 2_000;

/// The least time that one call took, in nanoseconds.
fn cost(mut call: impl FnMut(usize)) -> f64 {
    let mut least = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for number in 0..CALLS {
            call(number);
        }
        least = least.min(start.elapsed().as_secs_f64() * 1e9 / CALLS as f64);
    }
    least
}

fn forward(path: PathMatch) -> Route {
    Route {
        metadata: None,
        name: String::new(),
        place: String::new(),
        matching: RouteMatch::of_path(path),
        action: ActionModel::Route(Box::new(RouteAction {
            cluster: ClusterSpecifier::Cluster { name: "c".to_owned() },
            cluster_not_found_response_code: 503,
            prefix_rewrite: None,
            regex_rewrite: None,
            path_rewrite: None,
            host_rewrite: None,
            append_x_forwarded_host: false,
            timeout_ms: Some(15_000),
            idle_timeout_ms: None,
            idle_timeout_set: false,
            flush_timeout_ms: None,
            flush_timeout_set: false,
            max_stream_duration_ms: None,
            max_stream_duration_set: false,
            max_grpc_timeout_ms: None,
            grpc_timeout_offset_ms: 0,
            grpc_timeout_header_max_ms: None,
            grpc_timeout_header_offset_ms: 0,
            priority: RoutingPriority::Default,
            upgrade_configs: Vec::new(),
            internal_redirect: None,
            rate_limits: Vec::new(),
            include_vh_rate_limits: false,
        })),
        headers: HeaderMutations::default(),
        filter_config: Vec::new(),
        request_body_buffer_limit_bytes: None,
        stat_prefix: String::new(),
    }
}

fn prefix(value: &str) -> PathMatch {
    PathMatch::Prefix { value: value.to_owned(), case_sensitive: true }
}

fn virtual_host(domain: String, routes: Vec<Route>) -> VirtualHost {
    VirtualHost {
        metadata: None,
        name: domain.clone(),
        domains: vec![domain],
        routes,
        headers: HeaderMutations::default(),
        require_tls: RequireTls::None,
        filter_config: Vec::new(),
        virtual_clusters: Vec::new(),
        rate_limits: Vec::new(),
        matcher: None,
        include_request_attempt_count: false,
        include_attempt_count_in_response: false,
    }
}

fn table(virtual_hosts: Vec<VirtualHost>) -> RouteTable {
    let config = RouteConfiguration {
        name: "r".to_owned(),
        filter_config: Vec::new(),
        virtual_hosts,
        headers: HeaderMutations::default(),
        internal_only_headers: Vec::new(),
        most_specific_header_mutations_wins: false,
        ignore_port_in_host_matching: false,
        vhost_header: None,
        ignore_path_parameters_in_path_matching: false,
        max_direct_response_body_size_bytes: 4096,
    };
    RouteTable::compile(&config, &|_| Some(0)).unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(1)
    })
}

fn request(host: &str, path: &str) -> HeaderBlock {
    let mut request = HeaderBlock::new();
    for (name, value) in [
        (KnownName::Method, "GET"),
        (KnownName::Scheme, "http"),
        (KnownName::Authority, host),
        (KnownName::Path, path),
        (KnownName::XForwardedProto, "http"),
    ] {
        request.set(name, value.as_bytes());
    }
    request
}

/// The cost of `find` over requests for each of the given hosts and paths in turn.
fn lookup(table: &RouteTable, targets: &[(String, String)]) -> f64 {
    let requests: Vec<_> = targets.iter().map(|(host, path)| request(host, path)).collect();
    assert!(requests.iter().all(|request| table.find(request, 0).is_some()));
    cost(|number| {
        black_box(table.find(black_box(&requests[number % requests.len()]), 0));
    })
}

/// Requests spread over what is there, at most 64 of them, so that they themselves stay in the cache.
fn spread(count: usize, target: impl Fn(usize) -> (String, String)) -> Vec<(String, String)> {
    (0..64).map(|index| target(index * count / 64)).collect()
}

fn lookups() {
    println!("{:<44}{:>8}{:>9}", "look-up of a route, ns", "10", "10,000");
    let line = |name: &str, cost: &dyn Fn(usize) -> f64| {
        println!("{name:<44}{:>8.0}{:>9.0}", cost(10), cost(10_000));
    };
    let path = |index: usize| format!("/api/v1/service-{index}/items");
    let in_host = |count: usize, of: &dyn Fn(String) -> PathMatch, path_of: &dyn Fn(usize) -> String| {
        let mut routes: Vec<_> = (0..count).map(|index| forward(of(path_of(index)))).collect();
        routes.push(forward(prefix("/")));
        let table = table(vec![virtual_host("*".to_owned(), routes)]);
        lookup(&table, &spread(count, |index| ("h".to_owned(), path_of(index) + "?q=1")))
    };
    line("exact domains", &|count| {
        let hosts =
            (0..count).map(|n| virtual_host(format!("service-{n}.example.com"), vec![forward(prefix("/"))]));
        lookup(
            &table(hosts.collect()),
            &spread(count, |n| (format!("service-{n}.example.com"), "/".to_owned())),
        )
    });
    line("suffix domains (*.x)", &|count| {
        let hosts =
            (0..count).map(|n| virtual_host(format!("*.service-{n}.com"), vec![forward(prefix("/"))]));
        lookup(&table(hosts.collect()), &spread(count, |n| (format!("a.service-{n}.com"), "/".to_owned())))
    });
    line("exact paths", &|count| {
        in_host(count, &|value| PathMatch::Path { value, case_sensitive: true }, &path)
    });
    line("prefixes", &|count| in_host(count, &|value| prefix(&value), &path));
    line("prefixes, case ignored", &|count| {
        in_host(count, &|value| PathMatch::Prefix { value, case_sensitive: false }, &path)
    });
    line("path-separated prefixes", &|count| {
        in_host(count, &|value| PathMatch::PathSeparatedPrefix { value, case_sensitive: true }, &path)
    });
    line("regular expressions with a beginning", &|count| {
        in_host(count, &|value| PathMatch::SafeRegex { regex: value + "(/[0-9]+)?" }, &path)
    });
    let one = table(vec![virtual_host("*".to_owned(), vec![forward(prefix("/"))])]);
    println!(
        "{:<44}{:>8.0}",
        "one route, one virtual host",
        lookup(&one, &[("h".to_owned(), "/".to_owned())])
    );
}

const CURL: &[u8] =
    b"GET /path HTTP/1.1\r\nHost: localhost:10000\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";
const BROWSER: &[u8] = b"GET /path?a=b HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n\
    sec-ch-ua: \"Chromium\";v=\"130\"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\n\
    Upgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n\
    Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nSec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nReferer: https://www.example.com/start\r\n\
    Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\nCookie: session=0123456789abcdef\r\n\r\n";

/// What `call` costs on a head fresh from the codec; the decoding is not counted.
fn cost_on_request(head: &[u8], mut call: impl FnMut(&mut HeaderBlock, usize)) -> f64 {
    let settings = Http1Settings::default();
    let mut block = HeaderBlock::new();
    let decode = |block: &mut HeaderBlock| {
        let decoded = RequestDecoder::new().decode(black_box(head), &settings, block);
        assert!(matches!(decoded, Ok(Some(_))));
    };
    let decoding = cost(|_| decode(&mut block));
    let both = cost(|number| {
        decode(&mut block);
        call(&mut block, number);
        black_box(&block);
    });
    both - decoding
}

fn loopback(port: u16) -> Address {
    Address::Ip((IpAddr::V4(Ipv4Addr::LOCALHOST), port).into())
}

fn request_cost(policy: &RequestHeaderPolicy, head: &[u8]) -> f64 {
    let connection = ConnectionInfo::new(1, loopback(10_000), loopback(1), Instant::now(), SystemTime::now());
    let facts = policy.connection(&connection, false);
    cost_on_request(head, |block, number| {
        let applied = policy.apply(block, &facts, None, || number as u64);
        assert!(black_box(applied).is_ok());
    })
}

/// What the tests lower `tests/model/minimal.yaml` to; only its listener is of interest here.
#[derive(serde::Deserialize)]
struct Minimal {
    listeners: Vec<Listener>,
}

/// A connection manager as Envoy configures it by default.
fn default_manager() -> Result<HttpConnectionManager, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/model/minimal.msgpack");
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let minimal: Minimal = rmp_serde::from_slice(&bytes).map_err(|error| format!("{path}: {error}"))?;
    let filters = minimal
        .listeners
        .into_iter()
        .flat_map(|listener| listener.filter_chains)
        .flat_map(|chain| chain.filters);
    let manager = filters.into_iter().find_map(|filter| match filter {
        NetworkFilter::HttpConnectionManager(manager) => Some(*manager),
        _ => None,
    });
    manager.ok_or_else(|| format!("{path} has no HTTP connection manager"))
}

fn heads() -> Result<(), String> {
    let default = default_manager()?;
    let edge = HttpConnectionManager {
        use_remote_address: true,
        normalize_path: Some(true),
        merge_slashes: true,
        ..default.clone()
    };
    println!("\n{:<44}{:>8}{:>9}", "header handling of a request, ns", "curl", "browser");
    for (name, manager) in
        [("default configuration", &default), ("edge: remote address, paths normalized", &edge)]
    {
        let policy = RequestHeaderPolicy::compile(manager, IpAddr::V4(Ipv4Addr::LOCALHOST))?;
        println!("{name:<44}{:>8.0}{:>9.0}", request_cost(&policy, CURL), request_cost(&policy, BROWSER));
    }
    let policy = ResponseHeaderPolicy::compile(&default);
    println!("{:<44}{:>8.0}", "header handling of a response", response_cost(&policy));
    let table =
        RouteTable::compile(&default.route_config, &|_| Some(0)).map_err(|error| error.to_string())?;
    println!("{:<44}{:>8.0}", "all of a request: headers, route, timeouts", forward_cost(&default, &table)?);
    Ok(())
}

const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\nserver: up\r\n\r\n";

fn response_cost(policy: &ResponseHeaderPolicy) -> f64 {
    let settings = Http1Settings::default();
    let mut block = HeaderBlock::new();
    let request = request("h", "/");
    let decode = |block: &mut HeaderBlock| {
        let decoded =
            ResponseDecoder::new().decode(black_box(RESPONSE), &settings, RequestKind::Other, block);
        assert!(matches!(decoded, Ok(Some(_))));
    };
    let decoding = cost(|_| decode(&mut block));
    let both = cost(|_| {
        decode(&mut block);
        policy.apply(&mut block, Some(&request), b"Mon, 23 Nov 2026 08:29:33 GMT");
        black_box(&block);
    });
    both - decoding
}

/// What the router does to a request on a route without edits.
fn forward_cost(manager: &HttpConnectionManager, table: &RouteTable) -> Result<f64, String> {
    let (now, wall) = (Instant::now(), SystemTime::now());
    let connection = ConnectionInfo::new(1, loopback(10_000), loopback(1), now, wall);
    let stream = StreamInfo::new(now, wall);
    let context = FormatContext::new(&stream, &connection, AccessLogType::NotSet, now, || 0);
    let policy = RequestHeaderPolicy::compile(manager, IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let facts = policy.connection(&connection, false);
    let mut scratch = MutationScratch::default();
    let all = cost_on_request(CURL, |block, number| {
        let applied = policy.apply(block, &facts, None, || number as u64);
        assert!(black_box(applied).is_ok());
        let Some(matched) = table.find(block, 0) else { return };
        let Action::Forward(action) = &matched.route.action else { return };
        black_box(action.set_timeouts(block, false, false));
        let weighted = action.cluster(block, Circumstances::default()).and_then(|choice| choice.weighted);
        matched.finalize_request(block, weighted, &context, true, &mut scratch);
    });
    Ok(all)
}

fn main() {
    lookups();
    if let Err(error) = heads() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
