//! Command operators, one by one, against what Envoy 1.40.0 printed for the same stream.

#![allow(clippy::expect_used)] // a helper of tests may end the test

#[path = "streams/exchange.rs"]
mod exchange;

use exchange::{Exchange, head, split};
use ferryman_codec::KnownName;
use ferryman_dataplane::format::check_operator;
use ferryman_dataplane::model::format::JsonValue;

fn check(exchange: &Exchange, table: &[(&str, &str)]) {
    for (format, expected) in table {
        assert_eq!(exchange.text(format), *expected, "{format}");
    }
}

#[test]
fn an_http_exchange() {
    check(
        &Exchange::via_upstream(),
        &[
            ("%ACCESS_LOG_TYPE%", "DownstreamEnd"),
            ("%BYTES_RECEIVED% %BYTES_SENT%", "0 5"),
            ("%BYTES_RETRANSMITTED% %PACKETS_RETRANSMITTED%", "0 0"),
            ("%CONNECTION_ID% %UPSTREAM_CONNECTION_ID% %UPSTREAM_CONNECTION_IDS_ATTEMPTED%", "2 3 3"),
            ("%CONNECTION_TERMINATION_DETAILS%|%CUSTOM_FLAGS%|%LOCAL_REPLY_BODY%", "-||"),
            ("%DOWNSTREAM_DETECTED_CLOSE_TYPE% %UPSTREAM_DETECTED_CLOSE_TYPE%", "Normal Normal"),
            (
                "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%",
                "127.0.0.1:33827 127.0.0.1",
            ),
            ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_PORT%", "127.0.0.1:57966 57966"),
            ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT(8)%", "127.0.0.0/8"),
            ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT(33)%", "127.0.0.1/32"),
            ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT(0)%", "0.0.0.0/0"),
            ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT(a)%", "127.0.0.1"),
            ("%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(24)%", "127.0.0.0/24"),
            ("<%DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID%%UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID%>", "<>"),
            ("%DOWNSTREAM_LOCAL_CLOSE_REASON% %DOWNSTREAM_TRANSPORT_FAILURE_REASON%", "- -"),
            ("%DOWNSTREAM_HEADER_BYTES_RECEIVED% %DOWNSTREAM_WIRE_BYTES_RECEIVED%", "87 125"),
            ("%DOWNSTREAM_HEADER_BYTES_SENT% %DOWNSTREAM_WIRE_BYTES_SENT%", "149 173"),
            ("%DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_CERT_V_START(x)% %TLS_JA4_FINGERPRINT%", "- - -"),
            ("%FILTER_CHAIN_NAME% %LISTENER_NAME% %ROUTE_NAME% %VIRTUAL_CLUSTER_NAME%", "fc lis myroute -"),
            ("%PROTOCOL% %UPSTREAM_PROTOCOL%", "HTTP/1.1 HTTP/1.1"),
            (
                "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%",
                "200 via_upstream - -",
            ),
            ("%ROUTE_RESOLUTION_COUNT% %UPSTREAM_REQUEST_ATTEMPT_COUNT%", "1 1"),
            ("%START_TIME% %EMIT_TIME%", "2026-11-23T08:30:42.575Z 2026-11-23T08:30:42.578Z"),
            ("%STREAM_ID%", "de8a8c2b-0b12-4495-9924-f70bc0a4e047"),
            ("%UNIQUE_ID%", "01234567-89ab-4def-8123-456789abcdef"),
            ("%UPSTREAM_CLUSTER% %UPSTREAM_CLUSTER_RAW%", "up_alt up"),
            ("%UPSTREAM_HOST% %UPSTREAM_HOSTS_ATTEMPTED%", "127.0.0.1:47395 127.0.0.1:47395"),
            ("%UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAMES_ATTEMPTED%", "up.example up.example"),
            ("%UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_REMOTE_PORT%", "127.0.0.1:55268 47395"),
            ("%TRACE_ID% %SPAN_ID% %REQUESTED_SERVER_NAME% %UPSTREAM_SERVER_NAME%", "- - - -"),
            ("%ENVIRONMENT(FERRYMAN_NO_SUCH_VARIABLE)%", "-"),
        ],
    );
}

#[test]
fn heads_paths_and_durations() {
    let mut exchange = Exchange::via_upstream();
    check(
        &exchange,
        &[
            ("%REQ(X-A)% %REQ(X-B?X-A)% %REQ(X-A?X-B)% %REQ(?X-A)% %REQ(X-B)%", "1 1 1 1 -"),
            ("<%REQ(x-empty)%%REQ(x-empty?x-a)%>", "<>"),
            ("%REQ(USER-AGENT)%|%REQ(USER-AGENT):4%|%REQ(X-A):0%", "ua/1 \"q\"\\\u{e9}\tz|ua/1|"),
            ("%REQ(:METHOD)% %REQ(:PATH)% %REQ(HOST)%", "GET /a/b?x=1&y=%20z h.example:80"),
            ("%REQUEST_HEADER(x-a)% %STREAM_INFO_REQ(x-a)%", "1 1"),
            ("%RESP(:STATUS)% %RESP(server)% %RESP(server):2% %TRAILER(x)%", "200 envoy en -"),
            ("%QUERY_PARAM(x)%|%QUERY_PARAM(y)%|%QUERY_PARAM(z)%|%QUERY_PARAM(y):1%", "1| z|-| "),
            ("%QUERY_PARAMS% %QUERY_PARAMS:3%", "x=1&y=%20z x=1"),
            ("%PATH% %PATH(NQ)% %PATH(NQ:ORIG)% %PATH(WQ):3%", "/a/b?x=1&y=%20z /a/b - /a/"),
            ("%DURATION% %DURATION()% %REQUEST_DURATION% %RESPONSE_DURATION%", "2 2 0 0"),
            ("%RESPONSE_TX_DURATION% %REQUEST_TX_DURATION% %ROUNDTRIP_DURATION%", "1 0 -"),
            ("%COMMON_DURATION(DS_RX_BEG:US_CX_BEG:us)%", "610"),
            ("%COMMON_DURATION(US_TX_BEG:US_RX_BEG:ns)%", "304000"),
            ("%COMMON_DURATION(US_RX_BODY_BEG:DS_TX_END)%", "1"),
            ("%COMMON_DURATION(DS_TX_END:DS_RX_BEG:us)% %COMMON_DURATION(a:b:ms)%", "- -"),
            (
                "%COALESCE({\"operators\":[{\"command\":\"REQ\",\"param\":\"x-b\"},\"PROTOCOL\"]})%",
                "HTTP/1.1",
            ),
            (
                "%COALESCE({\"operators\":[{\"command\":\"REQ\",\"param\":\"user-agent\",\"max_length\":4}]})%",
                "ua/1",
            ),
            ("%COALESCE({\"operators\":[\"REQUESTED_SERVER_NAME\"]})%", "-"),
            ("<%COALESCE({\"operators\":[\"CUSTOM_FLAGS\",\"PROTOCOL\"]})%>", "<>"),
        ],
    );
    let request = exchange.request.as_mut().expect("request");
    assert!(request.set(KnownName::Path, b"/new?q"));
    assert!(request.set(KnownName::XEnvoyOriginalPath, b"/rewrite?q"));
    check(
        &exchange,
        &[("%PATH% %PATH(NQ:ORIG)% %PATH(NQ:PATH)% %REQ(:PATH)%", "/rewrite?q /rewrite /new /new?q")],
    );
}

#[test]
fn query_parameters() {
    let exchange = Exchange::with_path("/p?a%3D=%41&b+c=d+e&=e&f&&g=%zz&g2=%7&h=1=2&i=%C3%A9&h=3");
    check(
        &exchange,
        &[
            ("%QUERY_PARAM(a)% %QUERY_PARAM(a=)% %QUERY_PARAM(b c)% %QUERY_PARAM(b+c)%", "- A - d+e"),
            ("<%QUERY_PARAM(f)%> %QUERY_PARAM(g)% %QUERY_PARAM(g2)%", "<> %zz %7"),
            ("%QUERY_PARAM(h)% %QUERY_PARAM(i)%", "1=2 \u{e9}"),
            ("%QUERY_PARAMS(DECODED)%", "a==A&b+c=d+e&=e&f&&g=zz&g2=7&h=1=2&i=%C3%A9&h=3"),
        ],
    );
    check(&Exchange::with_path("/q?"), &[("<%QUERY_PARAMS%> %PATH(NQ)%", "<> /q")]);
    check(&Exchange::with_path("/q"), &[("%QUERY_PARAMS% %QUERY_PARAM(a)%", "- -")]);
    check(
        &Exchange::with_path("/?x=%&y=%4&z=%4g&w=%g4&v=%%41&t=%20%22%5e%60&u=%4"),
        &[("%QUERY_PARAMS(DECODED)%", "x=&y=4&z=4g&w=g4&v=A&t=%20%22%5e`&u=%4")],
    );
}

#[test]
fn a_tcp_session_over_a_unix_domain_socket() {
    check(
        &Exchange::tcp_refused(),
        &[
            ("%ACCESS_LOG_TYPE% %DURATION%", "TcpConnectionEnd 301"),
            ("%REQ(X-A)% %RESP(x)% %PATH% %PROTOCOL% %GRPC_STATUS%", "- - - - -"),
            ("%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %REQUEST_HEADERS_BYTES%", "0 - 0"),
            (
                "%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%",
                "UF,URX UpstreamConnectionFailure,UpstreamRetryLimitExceeded",
            ),
            ("%STREAM_ID%", "36c95260-4577-4e2b-9d6e-c8695b921fa9"),
            ("%DOWNSTREAM_LOCAL_ADDRESS% <%DOWNSTREAM_LOCAL_PORT%>", "/run/l.sock <>"),
            (
                "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% <%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)%>",
                "/run/l.sock <>",
            ),
            ("%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_LOCAL_PORT%", "127.0.0.1:1 - -"),
            ("%UPSTREAM_HOSTS_ATTEMPTED%", "127.0.0.1:2,127.0.0.1:3,127.0.0.1:1"),
            (
                "%UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT% %UPSTREAM_HOST_NAME%",
                "nn,m,127.0.0.1 127.0.0.1:1",
            ),
            ("%UPSTREAM_CONNECTION_ID% %UPSTREAM_CONNECTION_IDS_ATTEMPTED%", "0 -"),
            ("%UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_CLUSTER%", "3 -"),
            ("%UPSTREAM_TRANSPORT_FAILURE_REASON%", "delayed_connect_error:_Connection_refused"),
            ("%FILTER_CHAIN_NAME% %LISTENER_NAME% %ROUTE_NAME%", "- - -"),
        ],
    );
}

#[test]
fn grpc_status() {
    let styles = "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%";
    let grpc = |content_type, status: &str| {
        let mut exchange = Exchange::via_upstream();
        exchange.request = Some(head(&[(":path", "/s/m"), ("content-type", content_type)]));
        exchange.response = Some(head(&[(":status", "200"), ("grpc-status", status)]));
        exchange
    };
    for (status, expected) in [
        ("0", "OK OK 0 0"),
        ("1", "Canceled CANCELLED 1 1"),
        ("16", "Unauthenticated UNAUTHENTICATED 16 16"),
        ("17", "17 17 17 17"),
        ("-1", "-1 -1 -1 -1"),
        ("abc", "-1 -1 -1 -1"),
        ("99999999999999999999", "-1 -1 -1 -1"),
        ("+1", "Canceled CANCELLED 1 1"),
        ("01", "Canceled CANCELLED 1 1"),
        ("", "Unknown UNKNOWN 2 2"),
    ] {
        check(&grpc("application/grpc", status), &[(styles, expected)]);
    }
    for (content_type, expected) in [
        ("application/grpc+proto", "NotFound"),
        ("application/grpc-web", "-"),
        ("application/grpc;x", "-"),
        ("application/GRPC", "-"),
    ] {
        check(&grpc(content_type, "5"), &[("%GRPC_STATUS%", expected)]);
    }
    let mut exchange = grpc("application/grpc", "5");
    exchange.trailers = Some(head(&[("grpc-status", "3"), ("x-t", "tv")]));
    check(&exchange, &[("%GRPC_STATUS% %TRAILER(x-t)% %RESPONSE_TRAILERS_BYTES%", "InvalidArgument tv 17")]);
    (exchange.trailers, exchange.response) = (None, None);
    for (code, expected) in [
        (400, "Internal"),
        (401, "Unauthenticated"),
        (403, "PermissionDenied"),
        (404, "Unimplemented"),
        (429, "Unavailable"),
        (500, "Unknown"),
        (503, "Unavailable"),
    ] {
        exchange.stream.response_code = Some(code);
        check(&exchange, &[("%GRPC_STATUS%", expected)]);
    }
}

#[test]
fn what_is_refused() {
    for (name, argument, says) in [
        ("CEL", Some("request.path"), "not supported yet"),
        ("UPSTREAM_FILTER_STATE", Some("a:NOPE"), "only support PLAIN/TYPED/FIELD"),
        ("UPSTREAM_FILTER_STATE", None, "requires parameters"),
        ("METADATA", Some("NOPE:a"), "NOPE is not supported type of metadata"),
        ("DYNAMIC_METADATA", None, "requires parameters"),
        ("FILTER_STATE", Some("a:NOPE"), "only support PLAIN/TYPED/FIELD"),
        ("FILTER_STATE", Some("a:FIELD"), "with the field name"),
        ("NOPE", None, "NOPE is not a command operator"),
        ("REQ", None, "REQ requires parameters"),
        ("REQ", Some(""), "REQ requires parameters"),
        ("REQ", Some("a?b?c"), "more than 1 alternative header"),
        ("REQ", Some(" x-a "), "is not a header name"),
        ("ENVIRONMENT", Some(""), "requires parameters"),
        ("PROTOCOL", Some("a"), "does not take any parameters"),
        ("COMMON_DURATION", Some("A:B:s"), "precision: s"),
        ("COMMON_DURATION", Some("A:B:us:x"), "invalid common duration"),
        ("PATH", Some("X"), "only 'WQ'/'NQ'"),
        ("PATH", Some("NQ:X"), "only 'ORIG'/'PATH'/'ORIG_OR_PATH'"),
        ("QUERY_PARAMS", Some("RAW"), "only 'ORIG'/'DECODED'"),
        ("GRPC_STATUS", Some("X"), "CAMEL_STRING"),
        ("GRPC_STATUS_NUMBER", Some("X"), "does not take any parameters"),
        ("START_TIME", Some("%-d"), "%-d"),
        ("COALESCE", Some("x"), "COALESCE takes"),
        ("COALESCE", Some("{}"), "operators"),
        ("COALESCE", Some("{\"operators\":[]}"), "must not be empty"),
        ("COALESCE", Some("{\"operators\":[\"NOPE\"]}"), "index 0: NOPE is not"),
    ] {
        let error = check_operator(name, argument, None).expect_err(name);
        assert!(error.contains(says), "{name}: {error}");
    }
}

fn object(fields: &[(&str, JsonValue)]) -> JsonValue {
    JsonValue::Object {
        fields: fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    }
}

fn format(text: &str) -> JsonValue {
    JsonValue::Format { format: split(text) }
}

/// The formats and lines of Envoy 1.40.0.
#[test]
fn json_lines() {
    let exchange = Exchange::via_upstream();
    let root = object(&[
        ("z", format("%PROTOCOL%")),
        ("a", format("%DURATION%")),
        (
            "m",
            object(&[
                ("y", format("%RESPONSE_CODE%")),
                (
                    "b",
                    JsonValue::Array {
                        elements: vec![
                            format("%REQ(x-a)%"),
                            JsonValue::Number { value: 1.0 },
                            JsonValue::Bool { value: true },
                            JsonValue::Null {},
                            format("a\"b\\c\u{1}\u{7f}\u{e9}</>"),
                            format("%REQ(nope)%"),
                            object(&[]),
                            JsonValue::Array { elements: vec![] },
                        ],
                    },
                ),
            ]),
        ),
        ("mix", format("%PROTOCOL% x %DURATION%")),
        ("mix2", format("%REQ(nope)%%REQ(x-a)%")),
        ("e", format("")),
        ("ua", format("%REQ(user-agent)%")),
        ("k\"e\ny", format("1")),
        ("empty", format("%REQ(x-empty)%")),
        ("flags", format("%RESPONSE_FLAGS%")),
        ("env", format("%ENVIRONMENT(FERRYMAN_NO_SUCH_VARIABLE)%")),
        ("whole", format("%COALESCE({\"operators\":[\"RESPONSE_CODE\"]}):1%")),
    ]);
    assert_eq!(
        exchange.json(&root, false),
        "{\"a\":2,\"e\":\"\",\"empty\":\"\",\"env\":\"-\",\"flags\":\"-\",\"k\\\"e\\ny\":\"1\",\
         \"m\":{\"b\":[\"1\",1,true,null,\"a\\\"b\\\\c\\u0001\u{7f}\u{e9}</>\",null,{},[]],\"y\":200},\
         \"mix\":\"HTTP/1.1 x 2\",\"mix2\":\"-1\",\"ua\":\"ua/1 \\\"q\\\"\\\\\u{e9}\\tz\",\"whole\":200,\"z\":\"HTTP/1.1\"}"
    );
}

#[test]
fn json_lines_without_empty_values() {
    let exchange = Exchange::via_upstream();
    let sparse = object(&[
        ("a", object(&[("b", format("%REQ(nope)%")), ("q", object(&[("w", format("%REQ(nope)%"))]))])),
        ("ar", JsonValue::Array { elements: vec![] }),
        ("c", JsonValue::Array { elements: vec![format("%REQ(nope)%")] }),
        ("cid", format("%UPSTREAM_CONNECTION_ID%")),
        ("cu", format("%CUSTOM_FLAGS%")),
        ("d", format("%REQ(nope)%")),
        ("e", format("%REQ(nope)%-")),
        ("f", format("%REQ(nope)%%REQ(nope)%")),
        ("n", JsonValue::Null {}),
        ("o", object(&[])),
        ("x", format("%REQ(x-empty)%")),
    ]);
    assert_eq!(
        exchange.json(&sparse, true),
        "{\"ar\":[],\"c\":[],\"cid\":3,\"cu\":\"\",\"e\":\"-\",\"f\":\"\",\"x\":\"\"}"
    );
    let ports =
        object(&[("p", format("%DOWNSTREAM_LOCAL_PORT%")), ("u", format("%UPSTREAM_HOSTS_ATTEMPTED%"))]);
    let tcp = Exchange::tcp_refused();
    assert_eq!(tcp.json(&ports, false), "{\"p\":null,\"u\":\"127.0.0.1:2,127.0.0.1:3,127.0.0.1:1\"}");
    assert_eq!(tcp.json(&object(&[("p", format("%DOWNSTREAM_LOCAL_PORT%"))]), true), "{}");
}

#[test]
fn lengths_are_refused_where_envoy_refuses_them() {
    for (name, argument, taken) in [
        ("REQ", Some("a"), true),
        ("PATH", None, true),
        ("HOSTNAME", None, false),
        ("DURATION", None, false),
        ("START_TIME", None, false),
        ("UPSTREAM_HOST", None, false),
        ("RESPONSE_CODE_DETAILS", None, false),
        ("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", None, false),
        ("GRPC_STATUS", None, false),
        ("ENVIRONMENT", Some("HOME"), true),
        ("QUERY_PARAM", Some("a"), true),
    ] {
        assert_eq!(check_operator(name, argument, Some(3)).is_ok(), taken, "{name}");
    }
}
