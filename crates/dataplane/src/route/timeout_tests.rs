//! All expected values are what Envoy 1.40 sent upstream.

use super::*;
use crate::model::route::{ClusterSpecifier, RouteAction, RoutingPriority};

fn action(timeout_ms: Option<u64>, max_stream_duration_ms: Option<u64>) -> ForwardAction {
    let model = RouteAction {
        cluster: ClusterSpecifier::Cluster { name: "c".to_owned() },
        cluster_not_found_response_code: 503,
        prefix_rewrite: None,
        regex_rewrite: None,
        path_rewrite: None,
        host_rewrite: None,
        append_x_forwarded_host: false,
        timeout_ms,
        idle_timeout_ms: None,
        idle_timeout_set: false,
        flush_timeout_ms: None,
        flush_timeout_set: false,
        max_stream_duration_ms,
        max_stream_duration_set: max_stream_duration_ms.is_some(),
        max_grpc_timeout_ms: None,
        grpc_timeout_offset_ms: 0,
        grpc_timeout_header_max_ms: None,
        grpc_timeout_header_offset_ms: 0,
        priority: RoutingPriority::Default,
        upgrade_configs: Vec::new(),
        internal_redirect: None,
        rate_limits: Vec::new(),
        include_vh_rate_limits: false,
    };
    match super::super::action::Action::compile(&crate::model::route::Action::Route(Box::new(model)), &|_| {
        None
    }) {
        Ok(super::super::action::Action::Forward(action)) => *action,
        other => panic!("{other:?}"),
    }
}

fn head(fields: &[&str]) -> HeaderBlock {
    let mut request = HeaderBlock::new();
    for field in fields {
        let (name, value) = field.split_once(": ").expect("field");
        let name = ferryman_codec::HeaderName::new(name.as_bytes()).expect("name");
        assert!(request.append_name(&name, value.as_bytes()));
    }
    request
}

const TIMEOUT: &str = "x-envoy-upstream-rq-timeout-ms";
const PER_TRY: &str = "x-envoy-upstream-rq-per-try-timeout-ms";

#[test]
fn what_the_upstream_is_told() {
    let of = |name: &str, value: &str| format!("{name}: {value}");
    let cases: &[(&[String], [Option<u64>; 4])] = &[
        (&[], [Some(15000), Some(5000), None, None]),
        (&[of(TIMEOUT, "77")], [Some(77); 4]),
        (&[of(TIMEOUT, "0")], [None; 4]),
        (&[of(TIMEOUT, "bad")], [Some(15000), Some(5000), None, None]),
        (&[of(TIMEOUT, "+5")], [Some(5); 4]),
        (&[of(TIMEOUT, "-5")], [Some(15000), Some(5000), None, None]),
        (&[of(TIMEOUT, "99999999999999999999")], [Some(15000), Some(5000), None, None]),
        (&[of(PER_TRY, "50")], [Some(50); 4]),
        (&[of(PER_TRY, "99999")], [Some(15000), Some(5000), Some(99999), Some(99999)]),
        (&[of(TIMEOUT, "77"), of(PER_TRY, "50")], [Some(50); 4]),
        (&[of(TIMEOUT, "20"), of(PER_TRY, "50")], [Some(20); 4]),
        (&[of("x-envoy-expected-rq-timeout-ms", "4")], [Some(15000), Some(5000), Some(4), Some(4)]),
        (
            &[of("x-envoy-hedge-on-per-try-timeout", "true"), of(PER_TRY, "50")],
            [Some(15000), Some(5000), None, None],
        ),
    ];
    let routes = [
        action(Some(15000), None),
        action(Some(5000), None),
        action(None, None),
        action(Some(15000), Some(3000)),
    ];
    for (fields, expected) in cases {
        for (route, expected) in routes.iter().zip(expected) {
            let mut request = head(&fields.iter().map(String::as_str).collect::<Vec<_>>());
            route.set_timeouts(&mut request, false, false);
            let told = request.get(KnownName::XEnvoyExpectedRqTimeoutMs).and_then(decimal::parse);
            assert_eq!(told, *expected, "{fields:?} {:?}", route.timeout());
        }
    }
}

#[test]
fn what_is_kept_to() {
    let milliseconds = |value| Some(Duration::from_millis(value));
    let route = action(Some(15000), None);
    let timeouts = |fields: &[&str]| route.set_timeouts(&mut head(fields), false, false);
    let unasked = Timeouts { response: milliseconds(15000), ..Timeouts::default() };
    assert_eq!(timeouts(&[]), unasked);
    assert_eq!(timeouts(&["x-envoy-upstream-rq-timeout-ms: 0"]), Timeouts { response: None, ..unasked });
    assert_eq!(
        timeouts(&["x-envoy-upstream-rq-per-try-timeout-ms: 50"]),
        Timeouts { per_try: milliseconds(50), ..unasked }
    );
    assert_eq!(timeouts(&["x-envoy-upstream-rq-per-try-timeout-ms: 15000"]), unasked);
    assert_eq!(
        timeouts(&["x-envoy-upstream-stream-duration-ms: 9"]),
        Timeouts { max_stream_duration: milliseconds(9), ..unasked }
    );
    assert_eq!(
        timeouts(&["x-envoy-upstream-rq-timeout-alt-response: 0"]),
        Timeouts { answers_no_content: true, ..unasked }
    );
}

#[test]
fn what_is_taken_off() {
    let route = action(Some(15000), None);
    let mut request = head(&[
        "x-envoy-upstream-rq-timeout-alt-response: 1",
        "x-envoy-max-retries: 2",
        "x-envoy-retry-on: 5xx",
        "x-envoy-retry-grpc-on: a",
        "x-envoy-retriable-status-codes: 1",
        "x-envoy-retriable-header-names: a",
        "x-envoy-upstream-alt-stat-name: a",
        "x-envoy-attempt-count: 4",
        "x-envoy-is-timeout-retry: a",
    ]);
    route.set_timeouts(&mut request, false, false);
    assert_eq!(
        request,
        head(&[
            "x-envoy-attempt-count: 4",
            "x-envoy-is-timeout-retry: a",
            "x-envoy-expected-rq-timeout-ms: 15000"
        ])
    );
    let mut request = head(&["x-envoy-upstream-rq-timeout-ms: 77", "x-envoy-expected-rq-timeout-ms: 4"]);
    let timeouts = route.set_timeouts(&mut request, true, false);
    assert_eq!(timeouts.response, Some(Duration::from_millis(77)));
    assert_eq!(request, head(&["x-envoy-expected-rq-timeout-ms: 4"]));
}

/// Judged by Envoy 1.40.
#[test]
fn what_a_proxy_before_has_allowed_for() {
    let route = action(Some(15000), None);
    for (fields, response, left) in [
        (&[][..], 15000, &["x-envoy-expected-rq-timeout-ms: 15000"][..]),
        (&["x-envoy-upstream-rq-timeout-ms: 77"], 77, &["x-envoy-expected-rq-timeout-ms: 77"]),
        (
            &["x-envoy-expected-rq-timeout-ms: 500", "x-envoy-upstream-rq-timeout-ms: 77"],
            500,
            &["x-envoy-upstream-rq-timeout-ms: 77", "x-envoy-expected-rq-timeout-ms: 500"],
        ),
        (&["x-envoy-expected-rq-timeout-ms: a"], 15000, &["x-envoy-expected-rq-timeout-ms: 15000"]),
        (&["x-envoy-expected-rq-timeout-ms: 0"], 0, &["x-envoy-expected-rq-timeout-ms: 0"]),
    ] {
        let mut request = head(fields);
        let timeouts = route.set_timeouts(&mut request, false, true);
        let response = (response > 0).then(|| Duration::from_millis(response));
        assert_eq!(timeouts.response, response, "{fields:?}");
        let names = |block: &HeaderBlock| {
            let mut fields: Vec<_> = block.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
            fields.sort();
            fields
        };
        assert_eq!(names(&request), names(&head(left)), "{fields:?}");
    }
}
