//! Pages: what they answer beyond the text that `golden` compares.

use std::sync::Arc;

use ferryman_dataplane::stats::{ClusterHistogram, ClusterStat, ResponseClass};

use crate::client::{Answer, Client};
use crate::fake_proxy::FakeProxy;
use crate::server::{Bound, Server};

fn start() -> (Arc<FakeProxy>, Server, Client) {
    let proxy = FakeProxy::new();
    let server = Bound::tcp().serve(&proxy);
    let client = Client::connect(server.address);
    (proxy, server, client)
}

/// What the proxy was told to do, without its access log.
fn commands(proxy: &FakeProxy) -> Vec<String> {
    proxy.told().into_iter().filter(|told| !told.starts_with("log ")).collect()
}

#[test]
fn server_info_has_state_and_uptime() {
    let (_proxy, _server, mut client) = start();
    let body = client.ask("GET", "/server_info").body;
    assert_eq!(body, r#"{"state": "LIVE", "uptime_current_epoch": "61s"}"#);
    client.ask("POST", "/healthcheck/fail");
    assert!(client.ask("GET", "/server_info").body.contains("DRAINING"));
    assert_eq!(
        client.ask("GET", "/stats?filter=server.(live|state|uptime)").body,
        "server.live: 0\nserver.state: 1\nserver.uptime: 61\n"
    );
}

#[test]
fn commands_need_a_post() {
    let (proxy, _server, mut client) = start();
    let paths = [
        "/quitquitquit",
        "/drain_listeners",
        "/reopen_logs",
        "/healthcheck/fail",
        "/reset_counters",
        "/logging",
    ];
    for path in paths {
        for method in ["GET", "PUT", "HEAD"] {
            let answer = client.ask(method, path);
            assert_eq!(answer.status, 405, "{method} {path}");
        }
    }
    assert_eq!(commands(&proxy), [""; 0]);
    assert_eq!(client.ask("GET", "/ready").body, "LIVE\n");
    for (path, expected) in [
        ("/drain_listeners", "DrainRequest { graceful: false, inbound_only: false, skip_exit: false }"),
        (
            "/drain_listeners?graceful&inboundonly",
            "DrainRequest { graceful: true, inbound_only: true, skip_exit: false }",
        ),
        (
            "/drain_listeners?skip_exit=1",
            "DrainRequest { graceful: false, inbound_only: false, skip_exit: true }",
        ),
        ("/reopen_logs", "reopen_logs"),
        ("/quitquitquit", "shutdown"),
    ] {
        let answer = client.ask("POST", path);
        assert_eq!((answer.status, &*answer.body), (200, "OK\n"), "{path}");
        assert_eq!(commands(&proxy), [expected], "{path}");
    }
}

#[test]
fn a_form_is_as_good_as_a_query() {
    let (proxy, _server, mut client) = start();
    let form = "graceful=on&skip_exit=";
    client.send(format!(
        "POST /drain_listeners HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    ));
    assert_eq!(client.read(true).status, 200);
    assert_eq!(commands(&proxy), ["DrainRequest { graceful: true, inbound_only: false, skip_exit: true }"]);
}

#[test]
fn help_lists_every_page_and_so_does_an_unknown_path() {
    let (_proxy, _server, mut client) = start();
    let help = client.ask("GET", "/help").body;
    let paths: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  /"))
        .filter_map(|line| line.split([':', ' ']).next())
        .collect();
    assert!(paths.is_sorted(), "{paths:?}");
    for path in [
        "",
        "clusters",
        "config_dump",
        "drain_listeners",
        "ready",
        "stats",
        "stats/prometheus",
        "python/post",
    ] {
        assert!(paths.contains(&path), "{path} in {paths:?}");
    }
    assert!(
        help.contains("  /config_dump: dump current Envoy configs\n      resource: The resource to dump\n")
    );
    assert!(help.contains("  /python/post (POST): change something\n"));
    let unknown = client.ask("GET", "/statz");
    assert_eq!((unknown.status, unknown.body), (404, format!("invalid path. {help}")));
}

#[test]
fn the_home_page_has_a_form_for_each_page() {
    let (_proxy, _server, mut client) = start();
    let Answer { head, body, .. } = client.ask("GET", "/");
    assert!(head.contains("content-type: text/html; charset=UTF-8\r\n"));
    for part in [
        r#"<form action="stats" method="get"><button>/stats</button>"#,
        r#"<form action="quitquitquit" method="post"><button>/quitquitquit</button>"#,
        r#"<select name="histogram_buckets"><option><option>cumulative"#,
        r#"<input type="checkbox" name="usedonly">"#,
        r#"<a href="config_dump"#,
    ] {
        let found =
            body.contains(part) || part.contains("config_dump") && body.contains("/config_dump</button>");
        assert!(found, "{part} in\n{body}");
    }
}

#[test]
fn pages_of_python_are_answered_by_python() {
    let (_proxy, _server, mut client) = start();
    let dump = client.ask("GET", "/config_dump?resource=a%20b");
    assert_eq!((dump.status, &*dump.body), (200, "GET /config_dump?resource=a%20b\n"));
    assert_eq!(dump.header("content-type"), "application/json");
    assert_eq!(client.ask("GET", "/python/post").status, 405);
    assert_eq!(client.ask("POST", "/python/post").status, 200);
}

#[test]
fn a_stuck_python_costs_only_its_own_pages() {
    let (proxy, server, mut client) = start();
    let mut waiting: Vec<_> = (0..16).map(|_| Client::connect(server.address)).collect();
    for client in &mut waiting {
        client.send("GET /python/stuck HTTP/1.1\r\nhost: localhost\r\n\r\n");
    }
    let busy = loop {
        // The sixteen come on connections of their own; until all are in, this one may be among them.
        let total = "http.admin.downstream_rq_active: 17\n";
        if client.ask("GET", "/stats?filter=admin.downstream_rq_active").body == total {
            break client.ask("GET", "/config_dump");
        }
    };
    assert_eq!(busy.status, 503);
    assert!(busy.body.contains("too many requests wait"), "{}", busy.body);
    assert_eq!(client.ask("GET", "/ready").body, "LIVE\n");
    assert_eq!(client.ask("GET", "/clusters").status, 200);
    assert_eq!(client.ask("GET", "/memory").status, 200);
    drop(proxy);
}

#[test]
fn python_has_five_seconds() {
    let proxy = FakeProxy::new();
    let bound = Bound::tcp();
    let mut client = Client::connect(bound.address);
    client.send("GET /python/stuck HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let _server = bound.serve_with_fast_clock(&proxy);
    let late = client.read(true);
    assert_eq!(late.status, 504);
    assert!(late.body.contains("did not within 5 s"), "{}", late.body);
}

#[test]
fn explain_tells_the_facts_without_python() {
    let (proxy, _server, mut client) = start();
    let text = client.ask("GET", "/explain?request_id=7f3a");
    assert_eq!(text.status, 200);
    assert!(text.body.starts_with("request 7f3a from"), "{}", text.body);
    // Nothing from outside begins a line of its own.
    assert!(text.body.contains("  request       /a\\nb\n"), "{}", text.body);
    assert!(text.body.contains("  cause         RouteNotFound\n"), "{}", text.body);
    let json = client.ask("GET", "/explain?connection_id=12&format=json").body;
    let told: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(told["request"]["status"], 404);
    assert_eq!(client.ask("GET", "/explain?request_id=other").status, 404);
    assert_eq!(client.ask("GET", "/explain?connection_id=x").status, 400);
    drop(proxy);
}

#[test]
fn only_allowed_paths_are_answered() {
    let (proxy, _server, mut client) = start();
    *proxy.allowed.lock().unwrap() = vec!["/ready".to_owned()];
    assert_eq!(client.ask("GET", "/ready").status, 200);
    let refused = client.ask("GET", "/stats");
    assert_eq!((refused.status, &*refused.body), (403, "request to path /stats not allowed"));
    assert_eq!(client.ask("GET", "/nothing").status, 403);
}

#[test]
fn pages_of_strangers_are_kept_out() {
    let (proxy, _server, mut client) = start();
    for (host, origin) in [("evil.example", ""), ("127.0.0.1", "origin: http://evil.example\r\n")] {
        client.send(format!(
            "POST /quitquitquit HTTP/1.1\r\nhost: {host}\r\n{origin}content-length: 0\r\n\r\n"
        ));
        let refused = client.read(true);
        assert_eq!(refused.status, 403, "{host} {origin}");
        assert!(refused.body.contains("evil.example not allowed"), "{}", refused.body);
    }
    assert_eq!(commands(&proxy), [""; 0]);
}

#[test]
fn what_was_counted_is_shown_until_it_is_reset() {
    let (proxy, _server, mut client) = start();
    let cluster = proxy.registry.cluster("alt:x");
    let local = cluster.local(0);
    local.add(ClusterStat::UpstreamRqTotal, 3);
    local.inc(ClusterStat::UpstreamRqActive);
    local.response_code(ResponseClass::All, 503);
    local.record(ClusterHistogram::UpstreamRqTime, 7);
    let used = "/stats?usedonly&filter=^cluster[.]alt_x[.]upstream_rq";
    let counted = "cluster.alt_x.upstream_rq_503: 1\ncluster.alt_x.upstream_rq_5xx: 1\n\
                   cluster.alt_x.upstream_rq_active: 1\ncluster.alt_x.upstream_rq_completed: 1\n\
                   cluster.alt_x.upstream_rq_total: 3\n";
    assert_eq!(client.ask("GET", used).body, counted);
    proxy.registry.merge_histograms();
    let time = client.ask("GET", "/stats?filter=alt_x.*rq_time&type=Histograms&usedonly").body;
    assert!(time.starts_with("cluster.alt_x.upstream_rq_time: P0(7.05,7.05) P25(7.05,7.05) "), "{time}");
    client.ask("POST", "/reset_counters");
    let zero = counted.replace(": 3", ": 0").replace("_503: 1", "_503: 0").replace("xx: 1", "xx: 0");
    assert_eq!(client.ask("GET", used).body, zero.replace("completed: 1", "completed: 0") + time.as_str());
    let inverted =
        client.ask("GET", "/stats?usedonly&type=Gauges&filter=[.](admin|server|manager)&invert_filter").body;
    assert!(inverted.contains("cluster.alt_x.upstream_rq_active: 1\n"), "{inverted}");
    assert!(!inverted.contains("upstream_rq_total"), "{inverted}");
}
