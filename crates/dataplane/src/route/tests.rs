//! Tables of several levels. All expected values are what Envoy 1.40 did.

use std::time::{Instant, SystemTime};

use super::*;
use crate::format::AccessLogType;
use crate::model::bootstrap::StatsConfig;
use crate::model::format::FormatPart;
use crate::model::matcher::{HeaderMatch, HeaderMatcher, StringMatcher};
use crate::model::redirect::RedirectAction;
use crate::model::route::{
    Action as ActionModel, AppendAction, ClusterSpecifier, DirectResponseAction, HeaderMutations as Edits,
    HeaderValueOption, PathMatch, Route as RouteModel, RouteAction, RouteConfiguration, RouteMatch,
    RoutingPriority, VirtualCluster, VirtualHost as HostModel, WeightedCluster as WeightedModel,
};
use crate::stats::VirtualHostStat;
use crate::stream_info::{Address, ConnectionInfo, StreamInfo};

fn forward(cluster: ClusterSpecifier) -> RouteAction {
    RouteAction {
        cluster,
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
    }
}

fn to(cluster: &str) -> RouteAction {
    forward(ClusterSpecifier::Cluster { name: cluster.to_owned() })
}

fn route(name: &str, path: PathMatch, action: ActionModel) -> RouteModel {
    RouteModel {
        metadata: None,
        name: name.to_owned(),
        place: format!("test.yaml:1:1 {name}"),
        matching: RouteMatch::of_path(path),
        action,
        headers: Edits::default(),
        filter_config: Vec::new(),
        request_body_buffer_limit_bytes: None,
        stat_prefix: String::new(),
    }
}

fn prefix(value: &str) -> PathMatch {
    PathMatch::Prefix { value: value.to_owned(), case_sensitive: true }
}

fn to_c(name: &str, path: PathMatch) -> RouteModel {
    route(name, path, ActionModel::Route(Box::new(to("c"))))
}

fn host(domain: &str, routes: Vec<RouteModel>) -> HostModel {
    HostModel {
        metadata: None,
        name: domain.to_owned(),
        domains: vec![domain.to_owned()],
        routes,
        headers: Edits::default(),
        require_tls: RequireTls::None,
        filter_config: Vec::new(),
        virtual_clusters: Vec::new(),
        rate_limits: Vec::new(),
        matcher: None,
        include_request_attempt_count: false,
        include_attempt_count_in_response: false,
    }
}

fn config(virtual_hosts: Vec<HostModel>) -> RouteConfiguration {
    RouteConfiguration {
        name: "r".to_owned(),
        filter_config: Vec::new(),
        virtual_hosts,
        headers: Edits::default(),
        internal_only_headers: Vec::new(),
        most_specific_header_mutations_wins: false,
        ignore_port_in_host_matching: false,
        vhost_header: None,
        ignore_path_parameters_in_path_matching: false,
        max_direct_response_body_size_bytes: 4096,
    }
}

fn edits(value: &str) -> Edits {
    let option = HeaderValueOption {
        name: "x-l".to_owned(),
        value: vec![FormatPart::Literal { text: value.to_owned() }],
        append_action: AppendAction::AppendIfExistsOrAdd,
        keep_empty_value: false,
    };
    Edits {
        request_headers_to_add: vec![option.clone()],
        response_headers_to_add: vec![option],
        ..Edits::default()
    }
}

fn compile(config: &RouteConfiguration) -> RouteTable {
    RouteTable::compile(config, &|name| (name == "c").then_some(7)).expect("table")
}

fn request(host: &str, target: &str) -> HeaderBlock {
    let mut request = HeaderBlock::new();
    for (name, value) in [
        (KnownName::Scheme, "http"),
        (KnownName::Authority, host),
        (KnownName::Path, target),
        (KnownName::XForwardedProto, "http"),
    ] {
        assert!(request.set(name, value.as_bytes()), "{value}");
    }
    request
}

fn name_of(table: &RouteTable, request: &HeaderBlock) -> Option<String> {
    table.find(request, 0).map(|matched| matched.route.name.to_string())
}

/// Calls `f` with a context that has no heads of its own.
fn with_context<T>(f: impl FnOnce(&FormatContext<'_>) -> T) -> T {
    let (now, wall) = (Instant::now(), SystemTime::now());
    let address = || Address::Ip("127.0.0.1:1".parse().expect("address"));
    let connection = ConnectionInfo::new(1, address(), address(), now, wall);
    let stream = StreamInfo::new(now, wall);
    f(&FormatContext::new(&stream, &connection, AccessLogType::NotSet, now, || 0))
}

/// The values of `x-l` in a request and a response, joined.
fn levels(config: &RouteConfiguration, path: &str) -> (String, String) {
    let table = compile(config);
    let mut request = request("h", path);
    let matched = table.find(&request, 0).expect("route");
    let Action::Forward(action) = &matched.route.action else { panic!("forwards") };
    let weighted = action.cluster(&request, Circumstances::default()).unwrap().weighted;
    let (mut response, mut scratch) = (HeaderBlock::new(), MutationScratch::default());
    with_context(|context| {
        matched.finalize_request(&mut request, weighted, context, true, &mut scratch);
        matched.finalize_response(&mut response, weighted, context, &mut scratch);
    });
    let name = ferryman_codec::HeaderName::new(b"x-l").expect("name");
    let joined = |head: &HeaderBlock| {
        String::from_utf8(head.get_all(&name).collect::<Vec<_>>().concat()).expect("text")
    };
    (joined(&request), joined(&response))
}

#[test]
fn the_first_route_that_matches_wins() {
    let exact = |value: &str| PathMatch::Path { value: value.to_owned(), case_sensitive: true };
    let mut by_header = to_c("header", prefix("/a"));
    by_header.matching.headers.push(HeaderMatcher {
        name: "x-h".to_owned(),
        matching: HeaderMatch::String {
            matcher: StringMatcher::Exact { value: "1".to_owned(), ignore_case: false },
        },
        invert_match: false,
        treat_missing_header_as_empty: false,
    });
    let table = compile(&config(vec![host(
        "h",
        vec![
            by_header,
            to_c("regex", PathMatch::SafeRegex { regex: "/a/[0-9]+".to_owned() }),
            to_c("prefix", prefix("/a")),
            to_c("exact, too late", exact("/a/b")),
            to_c("exact", exact("/b")),
            to_c("rest", prefix("/")),
        ],
    )]));
    let mut with_header = request("h", "/a/7?q");
    with_header.append_name(&ferryman_codec::HeaderName::new(b"x-h").expect("name"), b"1");
    assert_eq!(name_of(&table, &with_header).as_deref(), Some("header"));
    for (target, expected) in [
        ("/a/7?q", "regex"),
        ("/a/b", "prefix"),
        ("/b?x", "exact"),
        ("/b/", "rest"),
        ("/", "rest"),
        ("/c", "rest"),
    ] {
        assert_eq!(name_of(&table, &request("h", target)).as_deref(), Some(expected), "{target}");
    }
}

#[test]
fn hosts_and_ports() {
    let mut with_ports = config(vec![
        host("p.com:8080", vec![to_c("port", prefix("/"))]),
        host("*.ex.com", vec![to_c("any", prefix("/"))]),
    ]);
    let table = compile(&with_ports);
    assert_eq!(name_of(&table, &request("p.com:8080", "/")).as_deref(), Some("port"));
    assert_eq!(name_of(&table, &request("b.ex.com:80", "/")), None);
    with_ports.ignore_port_in_host_matching = true;
    let table = compile(&with_ports);
    assert_eq!(name_of(&table, &request("p.com:8080", "/")), None);
    assert_eq!(name_of(&table, &request("b.ex.com:80", "/")).as_deref(), Some("any"));
    assert!(table.find_virtual_host(&request("b.ex.com", "/")).is_some_and(|host| &*host.name == "*.ex.com"));
}

#[test]
fn without_a_path_or_a_scheme_there_is_no_route() {
    let table = compile(&config(vec![host("*", vec![to_c("all", prefix("/"))])]));
    let mut connect = request("a:1", "/");
    connect.remove(KnownName::Path);
    assert_eq!(name_of(&table, &connect), None);
    let mut no_proto = request("h", "/");
    no_proto.set(KnownName::XForwardedProto, b"");
    assert_eq!(name_of(&table, &no_proto), None);
    assert!(table.find_virtual_host(&no_proto).is_some());
}

#[test]
fn require_tls() {
    let of = |require_tls| {
        let mut host = host("*", vec![to_c("t", prefix("/"))]);
        host.require_tls = require_tls;
        host.headers = edits("v");
        compile(&config(vec![host]))
    };
    let (all, external, none) = (of(RequireTls::All), of(RequireTls::ExternalOnly), of(RequireTls::None));
    let mut internal = request("tls:80", "/a?b");
    internal.set(KnownName::XEnvoyInternal, b"true");
    let mut https = request("tls", "/");
    https.set(KnownName::XForwardedProto, b"https");
    let mut upper = request("tls", "/");
    upper.set(KnownName::XForwardedProto, b"HTTPS");
    for (table, request, redirects) in [
        (&all, &request("tls", "/"), true),
        (&all, &https, false),
        (&all, &upper, true),
        (&all, &internal, true),
        (&external, &request("tls", "/"), true),
        (&external, &internal, false),
        (&none, &request("tls", "/"), false),
    ] {
        let matched = table.find(request, 0).expect("route");
        assert_eq!(matches!(&matched.route.action, Action::Redirect(_)), redirects, "{request:?}");
    }
    let matched = all.find(&internal, 0).expect("route");
    let Action::Redirect(redirect) = &matched.route.action else { panic!("redirects") };
    assert_eq!(redirect.response_code(), 301);
    assert_eq!(
        with_context(|context| matched.redirect_location(redirect, &mut internal.clone(), context, true)),
        b"https://tls:80/a?b"
    );
    let mut response = HeaderBlock::new();
    with_context(|context| {
        matched.finalize_response(&mut response, None, context, &mut MutationScratch::default())
    });
    assert!(response.is_empty(), "header edits are not for this redirect");
}

#[test]
fn the_order_of_header_edits() {
    let weighted = ClusterSpecifier::WeightedClusters {
        clusters: vec![WeightedModel {
            name: "c".to_owned(),
            cluster_header: None,
            weight: 1,
            headers: edits("w"),
            host_rewrite_literal: None,
            filter_config: Vec::new(),
        }],
        header_name: None,
        runtime_key_prefix: String::new(),
    };
    let mut route = route("wc", prefix("/"), ActionModel::Route(Box::new(forward(weighted))));
    route.headers = edits("r");
    let mut host = host("h", vec![route]);
    host.headers = edits("v");
    let mut config = config(vec![host]);
    config.headers = edits("g");
    assert_eq!(levels(&config, "/wc"), ("wrvg".to_owned(), "wrvg".to_owned()));
    config.most_specific_header_mutations_wins = true;
    assert_eq!(levels(&config, "/wc"), ("wgvr".to_owned(), "wgvr".to_owned()));
}

#[test]
fn rewrites_come_after_edits() {
    let mut action = to("c");
    action.prefix_rewrite = Some("/q".to_owned());
    action.host_rewrite = Some(model::route::HostRewrite::Header { name: "x-l".to_owned() });
    action.append_x_forwarded_host = true;
    let mut route = route("both", prefix("/pth"), ActionModel::Route(Box::new(action)));
    route.headers = edits("edited");
    let table = compile(&config(vec![host("h", vec![route])]));
    for (keep_original, original) in [(true, Some(&b"/pth/1?x"[..])), (false, None)] {
        let mut head = request("h", "/pth/1?x");
        let matched = table.find(&head, 0).expect("route");
        with_context(|context| {
            matched.finalize_request(
                &mut head,
                None,
                context,
                keep_original,
                &mut MutationScratch::default(),
            );
        });
        assert_eq!(head.get(KnownName::Path), Some(&b"/q/1?x"[..]));
        assert_eq!(head.get(KnownName::XEnvoyOriginalPath), original);
        assert_eq!(head.get(KnownName::Authority), Some(&b"edited"[..]));
        assert_eq!(head.get(KnownName::XForwardedHost), Some(&b"h"[..]));
        assert_eq!(head.contains(KnownName::XEnvoyOriginalHost), keep_original);
    }
}

#[test]
fn a_weighted_clusters_host_leaves_no_trace() {
    let weighted = |host_rewrite: Option<&str>| {
        let clusters = vec![WeightedModel {
            name: "c".to_owned(),
            cluster_header: None,
            weight: 1,
            headers: Edits::default(),
            host_rewrite_literal: Some("wlit".to_owned()),
            filter_config: Vec::new(),
        }];
        let mut action = forward(ClusterSpecifier::WeightedClusters {
            clusters,
            header_name: None,
            runtime_key_prefix: String::new(),
        });
        action.append_x_forwarded_host = true;
        action.host_rewrite =
            host_rewrite.map(|value| model::route::HostRewrite::Literal { value: value.to_owned() });
        route("w", prefix("/"), ActionModel::Route(Box::new(action)))
    };
    for (host_rewrite, expected, former) in [(None, "wlit", None), (Some("rlit"), "rlit", Some(&b"wlit"[..]))]
    {
        let table = compile(&config(vec![host("rw", vec![weighted(host_rewrite)])]));
        let mut head = request("rw", "/");
        let matched = table.find(&head, 0).expect("route");
        let Action::Forward(action) = &matched.route.action else { panic!("forwards") };
        let chosen = action.cluster(&head, Circumstances::default());
        with_context(|context| {
            matched.finalize_request(
                &mut head,
                chosen.unwrap().weighted,
                context,
                true,
                &mut MutationScratch::default(),
            );
        });
        assert_eq!(head.get(KnownName::Authority), Some(expected.as_bytes()));
        assert_eq!(head.get(KnownName::XForwardedHost), former);
        assert_eq!(head.get(KnownName::XEnvoyOriginalHost), former);
    }
}

#[test]
fn direct_responses_and_redirects() {
    let direct = |status| {
        ActionModel::DirectResponse(DirectResponseAction { status, body: b"hi".to_vec(), body_format: None })
    };
    let redirect = RedirectAction {
        https_redirect: false,
        scheme_redirect: None,
        host_redirect: None,
        port_redirect: None,
        path_redirect: None,
        prefix_rewrite: Some("/new".to_owned()),
        regex_rewrite: None,
        path_rewrite: None,
        response_code: 308,
        strip_query: false,
    };
    let table = compile(&config(vec![host(
        "h",
        vec![
            route("200", prefix("/200"), direct(200)),
            route("201", prefix("/201"), direct(201)),
            route("302", prefix("/302"), direct(302)),
            route("to", prefix("/old"), ActionModel::Redirect(Box::new(redirect))),
        ],
    )]));
    for (target, location) in
        [("/200", None), ("/201", Some("http://h/201")), ("/302?x", Some("http://h/302?x"))]
    {
        let head = request("h", target);
        let Action::DirectResponse(response) = &table.find(&head, 0).expect("route").route.action else {
            panic!("answers")
        };
        assert_eq!(response.location(&head).as_deref(), location.map(str::as_bytes));
        assert_eq!(&*response.body, b"hi");
    }
    let mut head = request("h", "/old/a?b");
    let matched = table.find(&head, 0).expect("route");
    let Action::Redirect(redirect) = &matched.route.action else { panic!("redirects") };
    assert_eq!(redirect.response_code(), 308);
    assert_eq!(
        with_context(|context| matched.redirect_location(redirect, &mut head, context, true)),
        b"http://h/new/a?b"
    );
    assert_eq!(head.get(KnownName::XEnvoyOriginalPath), Some(&b"/old/a?b"[..]));
}

#[test]
fn errors_name_the_place() {
    let broken = to_c("broken", PathMatch::SafeRegex { regex: "(".to_owned() });
    let error = RouteTable::compile(&config(vec![host("h", vec![broken])]), &|_| None).expect_err("broken");
    assert_eq!(error.place, "test.yaml:1:1 broken");
    let twice = config(vec![host("h", Vec::new()), host("H", Vec::new())]);
    let error = RouteTable::compile(&twice, &|_| None).expect_err("broken");
    assert_eq!(error.to_string(), "route configuration 'r': the domain 'h' is there twice");
}

fn path_begins(value: &str) -> HeaderMatcher {
    let matcher = StringMatcher::Prefix { value: value.to_owned(), ignore_case: false };
    HeaderMatcher {
        name: ":path".to_owned(),
        matching: HeaderMatch::String { matcher },
        invert_match: false,
        treat_missing_header_as_empty: false,
    }
}

#[test]
fn requests_are_counted_in_virtual_clusters_and_routes() {
    let mut with_prefix = to_c("a", prefix("/a"));
    with_prefix.stat_prefix = "p".to_owned();
    let mut counted = host("h", vec![with_prefix, to_c("b", prefix("/"))]);
    let cluster =
        |name: &str, path| VirtualCluster { name: name.to_owned(), headers: vec![path_begins(path)] };
    counted.virtual_clusters = vec![cluster("v1", "/a/1"), cluster("v2", "/a")];
    let table =
        RouteTable::compile(&config(vec![counted, host("*", vec![to_c("c", prefix("/"))])]), &|_| None);
    let table = table.unwrap();
    let stats = StatsConfig::default();
    let registry = Registry::new(&stats, 1);
    let scopes = table.open_stats(&registry);
    let worker = WorkerRouteStats::new(&scopes, 0);
    for (authority, path, name) in
        [("h", "/a/1", Some("v1")), ("h", "/a", Some("v2")), ("h", "/b", None), ("x", "/a", None)]
    {
        let request = request(authority, path);
        let (counted, found) = table.find(&request, 0).unwrap().counted_in(&request);
        worker.of(counted).for_each(|scope| scope.inc(VirtualHostStat::UpstreamRqTotal));
        assert_eq!(found, name, "{path}");
    }
    let totals = scopes.iter().map(|scope| (scope.prefix(), scope.value(VirtualHostStat::UpstreamRqTotal)));
    let expected = [
        ("vhost.h.route.p.", 2),
        ("vhost.h.vcluster.other.", 1),
        ("vhost.h.vcluster.v1.", 1),
        ("vhost.h.vcluster.v2.", 1),
    ];
    assert_eq!(totals.collect::<Vec<_>>(), expected);
}
