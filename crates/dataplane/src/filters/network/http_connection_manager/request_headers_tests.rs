//! All expected values are what Envoy 1.40 sent upstream. `192.0.2.2` stands for the proxy's own address.

use std::time::{Instant, SystemTime};

use super::*;
use crate::model::http_connection_manager::*;
use crate::model::route::RouteConfiguration;
use crate::stream_info::ConnectionInfo;

fn no_routes() -> RouteConfiguration {
    RouteConfiguration {
        filter_config: Vec::new(),
        name: String::new(),
        virtual_hosts: Vec::new(),
        headers: Default::default(),
        internal_only_headers: vec!["X-Secret".to_owned()],
        most_specific_header_mutations_wins: false,
        ignore_port_in_host_matching: false,
        vhost_header: None,
        ignore_path_parameters_in_path_matching: false,
        max_direct_response_body_size_bytes: 4096,
    }
}

#[allow(clippy::too_many_lines, reason = "every field of the model")]
fn config() -> HttpConnectionManager {
    HttpConnectionManager {
        place: String::new(),
        stat_prefix: "test".to_owned(),
        codec_type: CodecType::Auto,
        http2_protocol_options: Http2ProtocolOptions::default(),
        route_config: no_routes(),
        scoped_routes: None,
        http_filters: Vec::new(),
        server_name: "envoy".to_owned(),
        server_header_transformation: ServerHeaderTransformation::Overwrite,
        via: None,
        use_remote_address: false,
        xff_num_trusted_hops: 0,
        skip_xff_append: false,
        internal_cidr_ranges: Vec::new(),
        internal_unix_sockets: false,
        generate_request_id: false,
        preserve_external_request_id: false,
        always_set_request_id_in_response: false,
        proxy_100_continue: false,
        normalize_path: Some(false),
        merge_slashes: false,
        path_with_escaped_slashes_action: Some(EscapedSlashesAction::Keep),
        strip_any_host_port: false,
        strip_matching_host_port: false,
        strip_trailing_host_dot: false,
        scheme_to_overwrite: None,
        stream_error_on_invalid_http_message: false,
        max_request_headers_bytes: 61_440,
        max_headers_count: 100,
        headers_with_underscores_action: HeadersWithUnderscoresAction::Allow,
        max_requests_per_connection: None,
        idle_timeout_ms: None,
        max_connection_duration_ms: None,
        max_stream_duration_ms: None,
        stream_idle_timeout_ms: None,
        stream_flush_timeout_ms: None,
        request_timeout_ms: None,
        request_headers_timeout_ms: None,
        drain_timeout_ms: 5000,
        delayed_close_timeout_ms: None,
        accept_http_10: false,
        default_host_for_http_10: None,
        enable_trailers: false,
        access_log: Vec::new(),
        access_log_events: crate::model::access_log::AccessLogEvents::default(),
        add_proxy_protocol_connection_state: false,
        append_x_forwarded_port: false,
        append_local_overload: false,
        local_reply_config: crate::model::local_reply::LocalReplyConfig::default(),
        upgrade_configs: Vec::new(),
        ignored_upgrades: Vec::new(),
        allow_custom_methods: false,
        allow_absolute_url: true,
        original_ip_detection: Vec::new(),
        pack_trace_reason: true,
        client_certificate: crate::model::http_connection_manager::ClientCertificateDetails::default(),
        scheme_matches_upstream: false,
        max_connection_duration_jitter_percent: 0.0,
        drain_timeout_jitter_percent: 0.0,
        user_agent: None,
        forward_proto_config: None,
        early_header_mutations: Vec::new(),
        http1_safe_max_connection_duration: false,
        record_route_resolution_stats: false,
        proxy_status_config: None,
        header_key_format: crate::model::http_connection_manager::HeaderKeyFormat::LowerCase,
    }
}

fn edge() -> HttpConnectionManager {
    HttpConnectionManager { use_remote_address: true, ..config() }
}

fn with_internal(config: HttpConnectionManager, range: &str) -> HttpConnectionManager {
    let range = crate::model::address::CidrRange { address_prefix: range.to_owned(), prefix_len: 8 };
    HttpConnectionManager { internal_cidr_ranges: vec![range], ..config }
}

fn head(fields: &[&str]) -> HeaderBlock {
    let mut request = HeaderBlock::new();
    request.set(KnownName::Method, b"GET");
    request.set(KnownName::Path, b"/");
    request.set(KnownName::Authority, b"h");
    for field in fields {
        let (name, value) = field.split_once(": ").unwrap_or((field.trim_end_matches(':'), ""));
        assert!(request.append_name(&HeaderName::new(name.as_bytes()).expect("name"), value.as_bytes()));
    }
    request
}

fn apply(
    config: &HttpConnectionManager,
    remote: &str,
    mut request: HeaderBlock,
) -> Result<(RequestFacts, HeaderBlock), Refusal> {
    let policy = RequestHeaderPolicy::compile(config, "192.0.2.2".parse().expect("ip")).expect("policy");
    let address = |text: &str| Address::Ip(text.parse().expect("address"));
    let connection = ConnectionInfo::new(
        1,
        address("127.0.0.1:40201"),
        address(remote),
        Instant::now(),
        SystemTime::now(),
    );
    let facts = policy.apply(&mut request, &policy.connection(&connection, false), None, || 0)?;
    Ok((facts, request))
}

/// The fields that go on, and the facts.
fn left(config: &HttpConnectionManager, fields: &[&str]) -> (Vec<String>, RequestFacts) {
    let (facts, request) = apply(config, "127.0.0.1:5", head(fields)).expect("passed on");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (request.iter().map(|(name, value)| text(name) + ": " + &text(value)).collect(), facts)
}

const XE: &[&str] = &[
    "x-envoy-retry-on: 5xx",
    "x-envoy-internal: true",
    "x-envoy-external-address: 1.1.1.1",
    "x-envoy-upstream-rq-timeout-ms: 5000",
    "x-envoy-force-trace: 1",
    "x-envoy-downstream-service-cluster: c",
    "x-envoy-foo: bar",
    "x-envoy-original-path: /zz",
    "x-envoy-ip-tags: a",
    "x-envoy-decorator-operation: q",
    "x-envoy-attempt-count: 9",
    "x-envoy-original-host: oh",
    "x-envoy-is-timeout-retry: 1",
    "x-envoy-original-dst-host: 1.2.3.4:5",
    "x-envoy-expected-rq-timeout-ms: 3",
    "x-secret: s",
    "x-forwarded-client-cert: c",
];

#[test]
fn envoy_headers_from_outside() {
    let (fields, facts) = left(&config(), XE);
    assert_eq!(
        fields,
        [
            "x-envoy-external-address: 1.1.1.1",
            "x-envoy-downstream-service-cluster: c",
            "x-envoy-foo: bar",
            "x-envoy-original-path: /zz",
            "x-envoy-decorator-operation: q",
            "x-envoy-attempt-count: 9",
            "x-envoy-original-host: oh",
            "x-envoy-is-timeout-retry: 1",
            "x-envoy-original-dst-host: 1.2.3.4:5",
            "x-forwarded-proto: http",
        ]
    );
    assert!(!facts.internal);
}

#[test]
fn envoy_headers_at_the_edge() {
    let (fields, _) = left(&edge(), XE);
    assert_eq!(
        fields,
        [
            "x-envoy-external-address: 127.0.0.1",
            "x-envoy-foo: bar",
            "x-envoy-attempt-count: 9",
            "x-envoy-is-timeout-retry: 1",
            "x-envoy-original-dst-host: 1.2.3.4:5",
            "x-forwarded-for: 192.0.2.2",
            "x-forwarded-proto: http",
        ]
    );
}

#[test]
fn envoy_headers_from_inside() {
    let (fields, facts) = left(&with_internal(edge(), "127.0.0.0"), XE);
    let kept =
        XE.iter().filter(|field| !field.starts_with("x-envoy-internal") && !field.contains("client-cert"));
    let added = ["x-forwarded-for: 192.0.2.2", "x-forwarded-proto: http", "x-envoy-internal: true"];
    assert_eq!(fields, kept.chain(&added).map(ToString::to_string).collect::<Vec<_>>());
    assert!(facts.internal);
}

#[test]
fn forwarded_for_read() {
    let config = with_internal(config(), "10.0.0.0");
    for (list, client, internal) in [
        (&["x-forwarded-for: 10.1.2.3"][..], Some("10.1.2.3:0"), true),
        (&["x-forwarded-for: 11.1.2.3"], Some("11.1.2.3:0"), false),
        (&["x-forwarded-for: 10.1.2.3, 10.1.1.1"], Some("10.1.1.1:0"), false),
        (&["x-forwarded-for: 10.1.2.3", "x-forwarded-for: 10.1.1.1"], Some("10.1.1.1:0"), false),
        (&["x-forwarded-for: junk"], None, false),
        (&[], None, false),
    ] {
        let (fields, facts) = left(&config, list);
        let client = client.map(|client| Address::Ip(client.parse().expect("address")));
        assert_eq!((facts.remote_address, facts.internal), (client, internal), "{list:?}");
        assert_eq!(fields.contains(&"x-envoy-internal: true".to_owned()), internal);
        assert!(fields.iter().filter(|field| field.starts_with("x-forwarded-for")).count() <= 1);
    }
}

#[test]
fn forwarded_for_written() {
    let skip = HttpConnectionManager { skip_xff_append: true, ..edge() };
    for (config, sent, forwarded_for) in [
        (edge(), &["x-forwarded-for: 1.2.3.4", "x-forwarded-proto: https"][..], "1.2.3.4,192.0.2.2"),
        (with_internal(edge(), "10.0.0.0"), &["x-forwarded-for: 10.1.2.3"], "10.1.2.3,192.0.2.2"),
        (skip, &["x-forwarded-for: 1.1.1.1"], "1.1.1.1"),
    ] {
        let expected = [
            &format!("x-forwarded-for: {forwarded_for}"),
            "x-forwarded-proto: http",
            "x-envoy-external-address: 127.0.0.1",
        ];
        assert_eq!(left(&config, sent).0, expected, "{sent:?}");
    }
}

#[test]
fn trusted_hops() {
    let hops = HttpConnectionManager { xff_num_trusted_hops: 1, append_x_forwarded_port: true, ..edge() };
    for (sent, [forwarded_for, proto, port, external]) in [
        (&[][..], ["192.0.2.2", "http", "40201", "127.0.0.1"]),
        (
            &["x-forwarded-for: 1.1.1.1", "x-forwarded-proto: https", "x-forwarded-port: 99"],
            ["1.1.1.1,192.0.2.2", "https", "99", "1.1.1.1"],
        ),
        (&["x-forwarded-for: 2.2.2.2, 1.1.1.1"], ["2.2.2.2, 1.1.1.1,192.0.2.2", "http", "40201", "1.1.1.1"]),
    ] {
        let expected = [
            format!("x-forwarded-for: {forwarded_for}"),
            format!("x-forwarded-proto: {proto}"),
            format!("x-forwarded-port: {port}"),
            format!("x-envoy-external-address: {external}"),
        ];
        assert_eq!(left(&hops, sent).0, expected, "{sent:?}");
    }
    let trusting = HttpConnectionManager { use_remote_address: false, ..hops };
    for (sent, added) in [
        (["x-forwarded-for: 1.1.1.1", "x-forwarded-proto: https"], "x-forwarded-port: 40201"),
        (["x-forwarded-for: 2.2.2.2, 1.1.1.1", "x-forwarded-port: 5"], "x-forwarded-proto: http"),
    ] {
        assert_eq!(left(&trusting, &sent).0, [sent[0], sent[1], added]);
    }
}

#[test]
fn a_remote_that_is_not_loopback_is_written_itself() {
    let (_, request) = apply(&edge(), "9.8.7.6:5", head(&[])).expect("passed on");
    assert_eq!(request.get(KnownName::XForwardedFor), Some(&b"9.8.7.6"[..]));
    assert_eq!(request.get(KnownName::XEnvoyExternalAddress), Some(&b"9.8.7.6"[..]));
}

#[test]
fn schemes() {
    let overwrite = HttpConnectionManager { scheme_to_overwrite: Some("https".to_owned()), ..config() };
    for (config, sent, proto, scheme) in [
        (&config(), &[][..], "http", "http"),
        (&config(), &["x-forwarded-proto: foo"], "foo", "http"),
        (&config(), &["x-forwarded-proto: https"], "https", "https"),
        (&config(), &["x-forwarded-proto: HTTPS"], "HTTPS", "https"),
        (&config(), &["x-forwarded-proto: https", "x-forwarded-proto: http"], "https,http", "http"),
        (&config(), &["x-forwarded-proto:"], "", "http"),
        (&overwrite, &["x-forwarded-proto: http"], "https", "https"),
        (&overwrite, &[], "https", "https"),
    ] {
        let (_, request) = apply(config, "127.0.0.1:5", head(sent)).expect("passed on");
        assert_eq!(request.get(KnownName::XForwardedProto), Some(proto.as_bytes()), "{sent:?}");
        assert_eq!(request.get(KnownName::Scheme), Some(scheme.as_bytes()), "{sent:?}");
    }
}

#[test]
fn request_ids() {
    const NEW: &str = "00000000-0000-4000-8000-000000000000";
    let inside = HttpConnectionManager { generate_request_id: true, ..config() };
    let outside = HttpConnectionManager { use_remote_address: true, ..inside.clone() };
    let preserving = HttpConnectionManager { preserve_external_request_id: true, ..outside.clone() };
    for (config, sent, expected) in [
        (&inside, &[][..], Some(NEW)),
        (&inside, &["x-request-id: abc"], Some("abc")),
        (&inside, &["x-request-id:"], Some(NEW)),
        (&outside, &["x-request-id: abc"], Some(NEW)),
        (&preserving, &["x-request-id: abc"], Some("abc")),
        (&preserving, &[], Some(NEW)),
        (
            &preserving,
            &["x-request-id: 7b674932-635d-aceb-b907-12674f8c7267"],
            Some("7b674932-635d-4ceb-b907-12674f8c7267"),
        ),
        (&config(), &[], None),
    ] {
        let (_, request) = apply(config, "127.0.0.1:5", head(sent)).expect("passed on");
        assert_eq!(request.get(KnownName::XRequestId), expected.map(str::as_bytes), "{sent:?}");
    }
}

#[test]
fn via_and_referer() {
    let via = HttpConnectionManager { via: Some("me".to_owned()), ..config() };
    assert_eq!(left(&via, &["via: a", "referer: http://a/#f"]).0, ["via: a, me", "x-forwarded-proto: http"]);
    assert_eq!(left(&config(), &["referer: http://a/"]).0, ["referer: http://a/", "x-forwarded-proto: http"]);
}

#[test]
fn refusals() {
    let path = |path: &str| {
        let mut request = head(&[]);
        request.set(KnownName::Path, path.as_bytes());
        request
    };
    let redirect = HttpConnectionManager {
        path_with_escaped_slashes_action: Some(EscapedSlashesAction::UnescapeAndRedirect),
        ..config()
    };
    let mut grpc = path("/a%2fb");
    grpc.set(KnownName::ContentType, b"application/grpc+proto");
    for (config, request, refusal, status, details) in [
        (&config(), path("*"), Refusal::AbsolutePath, 404, "absolute_path_rejected"),
        (&redirect, path("/a%2fb"), Refusal::PathRedirect, 307, "path_normalization_failed"),
        (&redirect, grpc, Refusal::PathNormalization, 400, "path_normalization_failed"),
    ] {
        let found = apply(config, "127.0.0.1:5", request).expect_err("refused");
        assert_eq!((found, found.status(), found.details()), (refusal, status, details));
    }
}

#[test]
fn unix_sockets_have_no_address() {
    let policy = RequestHeaderPolicy::compile(
        &HttpConnectionManager { append_x_forwarded_port: true, internal_unix_sockets: true, ..edge() },
        "192.0.2.2".parse().expect("ip"),
    )
    .expect("policy");
    let pipe = || Address::Pipe("/tmp/socket".into());
    let connection = ConnectionInfo::new(1, pipe(), pipe(), Instant::now(), SystemTime::now());
    let mut request = head(&[]);
    let facts =
        policy.apply(&mut request, &policy.connection(&connection, true), None, || 0).expect("passed on");
    assert_eq!((facts.remote_address, facts.internal), (None, true));
    assert_eq!(request, {
        let mut expected = head(&["x-forwarded-proto: https", "x-envoy-internal: true"]);
        expected.set(KnownName::Scheme, b"https");
        expected
    });
}
