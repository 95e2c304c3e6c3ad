//! Connections: what is kept, refused, cut off and counted.

use std::sync::Arc;

use ferryman_dataplane::stats::{HttpStat, ListenerHttpStat, ListenerStat};

use crate::client::Client;
use crate::fake_proxy::FakeProxy;
use crate::server::{Bound, Server};

fn start() -> (Arc<FakeProxy>, Server) {
    let proxy = FakeProxy::new();
    let server = Bound::tcp().serve(&proxy);
    (proxy, server)
}

const READY: &str = "GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[test]
fn requests_that_come_together_are_answered_in_order() {
    let (_, server) = start();
    let mut client = Client::connect(server.address);
    client.send(format!(
        "{READY}GET /listeners HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n{READY}"
    ));
    assert_eq!(client.read(true).body, "LIVE\n");
    let last = client.read(true);
    assert!(last.body.starts_with("main::127.0.0.1:30001\n"), "{}", last.body);
    assert_eq!(last.header("connection"), "close");
    assert!(client.is_ended());
}

#[test]
fn the_head_is_that_of_envoy() {
    let (_, server) = start();
    let mut client = Client::connect(server.address);
    let get = client.ask("GET", "/ready");
    let names: Vec<_> =
        get.head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    let expected =
        ["content-type", "cache-control", "x-content-type-options", "date", "server", "transfer-encoding"];
    assert_eq!(names, expected);
    assert_eq!(get.header("cache-control"), "no-cache, max-age=0");
    assert_eq!(get.header("server"), "envoy");
    let head = client.ask("HEAD", "/ready");
    assert_eq!(head.head.replace(head.header("date"), ""), get.head.replace(get.header("date"), ""));
    // Nothing came behind the head: the next answer is whole.
    assert_eq!(client.ask("GET", "/ready").body, "LIVE\n");
}

#[test]
fn a_body_may_come_in_pieces_and_after_100() {
    let (_, server) = start();
    let mut client = Client::connect(server.address);
    let head = "POST /config_dump HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n";
    client.send(head);
    assert_eq!(client.read(false).status, 100);
    client.send("3\r\nab");
    client.send("c\r\n2\r\nde\r\n0\r\n\r\n");
    assert_eq!(client.read(true).body, "POST /config_dump?\nabcde");
}

#[test]
fn what_is_malformed_is_refused_and_the_connection_ends() {
    let (proxy, server) = start();
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(100_000));
    let both = "POST /ready HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n";
    let large = format!(
        "POST /ready HTTP/1.1\r\nhost: a\r\ncontent-length: 2000000\r\n\r\n{}",
        "x".repeat(1_100_000)
    );
    let cases = [
        ("garbage\r\n\r\n", 400),
        ("GET /ready HTTP/1.1\r\n\r\n", 400),
        ("GET /ready HTTP/1.0\r\nhost: a\r\n\r\n", 426),
        (both, 400),
        (&long, 431),
        (&large, 413),
    ];
    for (request, status) in cases {
        let mut client = Client::connect(server.address);
        client.send(request);
        let answer = client.read(true);
        assert_eq!((answer.status, answer.header("connection")), (status, "close"), "{:.60}", request);
        assert!(client.is_ended());
    }
    let http = proxy.registry.http("admin");
    assert_eq!(http.value(HttpStat::DownstreamCxProtocolError), 5);
}

#[test]
fn half_a_request_is_not_waited_for_for_ever() {
    let proxy = FakeProxy::new();
    let bound = Bound::tcp();
    let parts =
        ["", "GET /ready HTTP/1.1\r\nho", "POST /ready HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx"];
    let clients = parts.map(|part| {
        let mut client = Client::connect(bound.address);
        client.send(part);
        client
    });
    let _server = bound.serve_with_fast_clock(&proxy);
    for (part, mut client) in parts.into_iter().zip(clients) {
        assert!(client.is_ended(), "{part}");
    }
    let http = proxy.registry.http("admin");
    assert_eq!(http.value(HttpStat::DownstreamCxIdleTimeout), 3);
    assert_eq!(http.value(HttpStat::DownstreamRqRxReset), 1);
}

#[test]
fn a_reader_that_does_not_read_is_cut_off() {
    let proxy = FakeProxy::new();
    let clusters: Vec<_> = (0..500).map(|at| proxy.registry.cluster(&format!("c{at}"))).collect();
    let path = std::env::temp_dir().join(format!("ferryman-admin-slow-{}.sock", std::process::id()));
    let bound = Bound::unix(&path);
    let mut client = Client::connect_unix(&path);
    std::fs::remove_file(&path).unwrap();
    client.send("GET /stats HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let server = bound.serve_with_fast_clock(&proxy);
    while proxy.registry.http("admin").value(HttpStat::DownstreamRqRxReset) == 0 {
        std::thread::yield_now();
    }
    // It is some two megabytes, of which the kernel took a part.
    let rest = client.rest();
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "{} bytes came, and the end", rest.len());
    drop((clusters, server));
}

#[test]
fn connections_are_bounded() {
    let (proxy, server) = start();
    let mut clients: Vec<_> = (0..256).map(|_| Client::connect(server.address)).collect();
    let mut one_more = Client::connect(server.address);
    assert!(one_more.is_ended());
    assert_eq!(clients[255].ask("GET", "/ready").status, 200);
    let listener = proxy.registry.listener("admin");
    assert_eq!(listener.value(ListenerStat::DownstreamCxOverflow), 1);
    assert_eq!(listener.value(ListenerStat::DownstreamCxActive), 256);
}

#[test]
fn admin_counts_itself() {
    let (proxy, server) = start();
    let mut client = Client::connect(server.address);
    client.ask("GET", "/ready");
    client.ask("GET", "/nothing");
    client.send("GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    client.read(true);
    assert!(client.is_ended());
    // Asked for on another connection, behind the end of the first.
    let text = Client::connect(server.address).ask("GET", "/stats?filter=[.]admin[.]&usedonly").body;
    for line in [
        "http.admin.downstream_cx_active: 1\n",
        "http.admin.downstream_cx_total: 2\n",
        "http.admin.downstream_rq_2xx: 2\n",
        "http.admin.downstream_rq_4xx: 1\n",
        "http.admin.downstream_rq_completed: 3\n",
        "http.admin.downstream_rq_total: 4\n",
        "listener.admin.downstream_cx_total: 2\n",
        "listener.admin.main_thread.downstream_cx_active: 1\n",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let requests = proxy.registry.listener_http("admin", "admin");
    assert_eq!(requests.value(ListenerHttpStat::DownstreamRq4xx), 1);
    let told = proxy.told();
    assert_eq!(told[0], "log GET /ready Some(200) 5");
    assert!(told[1].starts_with("log GET /nothing Some(404) "), "{told:?}");
}

#[test]
fn a_unix_socket_will_do() {
    let proxy = FakeProxy::new();
    let path = std::env::temp_dir().join(format!("ferryman-admin-{}.sock", std::process::id()));
    let server = Bound::unix(&path).serve(&proxy);
    let answer = Client::connect_unix(&path).ask("GET", "/ready");
    std::fs::remove_file(&path).unwrap();
    assert_eq!((answer.status, &*answer.body), (200, "LIVE\n"));
    drop(server);
}
