//! Calls over loopback, to hosts that say byte by byte what a test wants.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

use super::*;
use crate::cluster::Cluster;
use crate::cluster::tests::{model, registry};
use crate::model::cluster::{Cluster as Model, UpstreamProtocol};

const PREFACE: usize = 24;
const LONG: Duration = Duration::from_secs(60);
/// `:status: 200`.
const OK: &[u8] = &[0x88];

struct World {
    listener: TcpListener,
    cluster: Rc<WorkerCluster>,
    client: Client,
}

impl World {
    async fn new(protocol: UpstreamProtocol, change: impl FnOnce(&mut Model)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut model = model("c", &[&listener.local_addr().unwrap().to_string()]);
        model.http_protocol = protocol;
        change(&mut model);
        let compiled = Arc::new(Cluster::compile(&model, &registry(1), 1).unwrap());
        let cluster = Rc::new(WorkerCluster::new(&compiled, 0, 1));
        let client = Client::new(&cluster, RoutingPriority::Default);
        World { listener, cluster, client }
    }

    async fn host(&self) -> Host {
        Host { socket: self.listener.accept().await.unwrap().0 }
    }

    fn assert_counts<const N: usize>(&self, expected: [(ClusterStat, u64); N]) {
        let counted = expected.map(|(stat, _)| (stat, self.cluster.cluster.stats.value(stat)));
        assert_eq!(counted, expected);
    }
}

/// A host's side of a connection.
struct Host {
    socket: TcpStream,
}

impl Host {
    /// Reads a request of HTTP/1.1 until this is in it.
    async fn read_until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains(end) {
            assert!(self.socket.read_buf(&mut text).await.unwrap() > 0, "{}", String::from_utf8_lossy(&text));
        }
        String::from_utf8(text).unwrap()
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// Begins HTTP/2; `settings`: those that are said.
    async fn begin_http2(&mut self, settings: &[u8]) {
        let mut preface = [0; PREFACE];
        self.socket.read_exact(&mut preface).await.unwrap();
        self.say(&frame(4, 0, 0, settings)).await;
    }

    /// The next frame of this type: its flags, stream and payload. Those before it are passed over.
    async fn frame(&mut self, wanted: u8) -> (u8, u32, Vec<u8>) {
        loop {
            let mut header = [0; 9];
            self.socket.read_exact(&mut header).await.unwrap();
            let [a, b, c, kind, flags, d, e, f, g] = header;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.socket.read_exact(&mut payload).await.unwrap();
            if kind == wanted {
                return (flags, u32::from_be_bytes([d, e, f, g]), payload);
            }
        }
    }

    async fn ended(&mut self) {
        let mut rest = Vec::new();
        let _closed_or_reset = self.socket.read_to_end(&mut rest).await;
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[a, b, c, kind, flags, 0, 0, 0, stream], payload].concat()
}

fn field(name: &str, value: &str) -> Vec<u8> {
    let part = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], part(name), part(value)].concat()
}

fn message(text: &[u8]) -> Vec<u8> {
    [&crate::grpc::prefix(text.len()).unwrap(), text].concat()
}

fn head(method: &str) -> HeaderBlock {
    let mut head = HeaderBlock::new();
    let fields = [KnownName::Method, KnownName::Scheme, KnownName::Authority, KnownName::Path];
    for (name, value) in fields.into_iter().zip([method, "http", "c.test", "/a"]) {
        assert!(head.set(name, value.as_bytes()));
    }
    head
}

fn within(time: Duration) -> CallLimits {
    CallLimits { deadline: Some(Instant::now() + time), most_bytes: 1000 }
}

fn run(test: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(test);
}

#[test]
fn a_call_over_http1_and_the_next_on_the_same_connection() {
    run(async {
        let world = World::new(UpstreamProtocol::Http1, |_| ()).await;
        let calls = async {
            for body in [&b""[..], b"hello"] {
                let method = if body.is_empty() { "GET" } else { "POST" };
                let response = world.client.call(&head(method), body, within(LONG)).await.unwrap();
                assert_eq!((response.status, &*response.body), (200, &b"fine"[..]));
                assert_eq!(response.fields.get_bytes(b"x-a"), Some(&b"1"[..]));
            }
        };
        let serves = async {
            let mut host = world.host().await;
            for end in ["\r\n\r\n", "hello"] {
                assert!(host.read_until(end).await.contains("host: c.test\r\n"));
                host.say(b"HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 4\r\n\r\nfine").await;
            }
            host
        };
        let _host = tokio::join!(calls, serves);
        world.assert_counts([
            (ClusterStat::UpstreamCxTotal, 1),
            (ClusterStat::UpstreamRqTotal, 2),
            (ClusterStat::UpstreamRqActive, 0),
            (ClusterStat::UpstreamRqPendingTotal, 1),
        ]);
    });
}

#[test]
fn what_ends_a_call_before_its_time_over_http1() {
    run(async {
        for (answer, kind) in [
            ("", ErrorKind::UpstreamTermination),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n", ErrorKind::ResponseTooLarge),
        ] {
            let world = World::new(UpstreamProtocol::Http1, |_| ()).await;
            let serves = async {
                let mut host = world.host().await;
                host.read_until("\r\n\r\n").await;
                host.say(answer.as_bytes()).await;
                host.say(&[b'x'; 2000][..if answer.is_empty() { 0 } else { 2000 }]).await;
                if kind == ErrorKind::ResponseTooLarge {
                    host.ended().await;
                }
            };
            let head = head("GET");
            let (end, ()) = tokio::join!(world.client.call(&head, b"", within(LONG)), serves);
            assert_eq!(end.unwrap_err().kind, kind);
            world.assert_counts([(ClusterStat::UpstreamRqActive, 0), (ClusterStat::UpstreamCxActive, 0)]);
        }
    });
}

#[test]
fn nobody_waits_where_there_is_no_host_or_no_room() {
    run(async {
        let world = World::new(UpstreamProtocol::Http1, |model| model.localities.clear()).await;
        let end = world.client.call(&head("GET"), b"", within(LONG)).await.unwrap_err();
        assert_eq!(end.kind, ErrorKind::NoHealthyUpstream);
        let full = |model: &mut Model| model.circuit_breakers_default.max_requests = 0;
        let world = World::new(UpstreamProtocol::Http2, full).await;
        let end = world.client.call_grpc(b"/a.B/C", b"", within(LONG)).await.unwrap_err();
        assert_eq!(end.code, 14, "{}", end.message);
        world.assert_counts([(ClusterStat::UpstreamRqActiveOverflow, 1), (ClusterStat::UpstreamRqActive, 0)]);
    });
}

#[test]
fn a_deadline_ends_what_the_host_leaves_open() {
    run(async {
        for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
            let world = World::new(protocol, |_| ()).await;
            let serves = async {
                let mut host = world.host().await;
                if protocol == UpstreamProtocol::Http1 {
                    return host.ended().await;
                }
                host.begin_http2(&[]).await;
                host.frame(3).await;
            };
            let call = world.client.call_grpc(b"/a.B/C", b"hi", within(Duration::from_millis(50)));
            let (end, ()) = tokio::join!(call, serves);
            assert_eq!(end.unwrap_err().code, grpc_deadline());
            world.assert_counts([(ClusterStat::UpstreamRqTimeout, 1), (ClusterStat::UpstreamRqActive, 0)]);
        }
    });
}

fn grpc_deadline() -> u64 {
    crate::format::grpc_status::DEADLINE_EXCEEDED
}

#[test]
fn a_grpc_call_that_streams_both_ways() {
    run(async {
        let world = World::new(UpstreamProtocol::Http2, |_| ()).await;
        let calls = async {
            let mut call =
                world.client.open_grpc(b"/a.B/C", &HeaderBlock::new(), within(LONG)).await.unwrap();
            for text in [&b"one"[..], b"", b"three"] {
                call.send(text).await.unwrap();
                assert_eq!(call.receive().await.unwrap().as_deref(), Some(text));
            }
            call.half_close();
            assert_eq!(call.receive().await, Err(GrpcStatus { code: 7, message: "no way".to_owned() }));
            assert_eq!(call.initial_metadata().get_bytes(b"x-m"), Some(&b"1"[..]));
        };
        let serves = async {
            let mut host = world.host().await;
            host.begin_http2(&[]).await;
            host.frame(1).await;
            host.say(&frame(1, 4, 1, &[OK, &field("x-m", "1")].concat())).await;
            let mut left = [message(b"one"), message(b""), message(b"three")].concat();
            while !left.is_empty() {
                let (_, _, data) = host.frame(0).await;
                assert!(left.starts_with(&data), "{data:?}");
                left.drain(..data.len());
                host.say(&frame(0, 0, 1, &data)).await;
            }
            let end = [field("grpc-status", "7"), field("grpc-message", "no%20way")].concat();
            host.say(&frame(1, 5, 1, &end)).await;
            host
        };
        let _host = tokio::join!(calls, serves);
        world.assert_counts([(ClusterStat::UpstreamRqActive, 0), (ClusterStat::UpstreamCxActive, 1)]);
    });
}

#[test]
fn how_hosts_end_grpc_calls() {
    let ok = |rest: &[u8]| [OK, rest].concat();
    let only = ok(&field("grpc-status", "5"));
    let done = [field("grpc-status", "0")].concat();
    for (says, code) in [
        (frame(1, 5, 1, &only), 5),
        (frame(1, 5, 1, OK), 2),
        (frame(1, 5, 1, &[0x8d]), 12),
        (frame(3, 0, 1, &[0, 0, 0, 2]), 14),
        (frame(3, 0, 1, &[0, 0, 0, 7]), 14),
        (frame(7, 0, 0, &[0; 8]), 14),
        ([frame(1, 4, 1, OK), frame(0, 0, 1, &[0, 0, 0, 4, 0, 0])].concat(), 8),
        ([frame(1, 4, 1, OK), frame(0, 0, 1, &[1, 0, 0, 0, 0])].concat(), 13),
        ([frame(1, 4, 1, OK), frame(0, 0, 1, &[0, 0]), frame(1, 5, 1, &done)].concat(), 13),
        ([frame(1, 4, 1, OK), frame(1, 5, 1, &done)].concat(), 13),
    ] {
        run(async {
            let world = World::new(UpstreamProtocol::Http2, |_| ()).await;
            let serves = async {
                let mut host = world.host().await;
                host.begin_http2(&[]).await;
                host.frame(1).await;
                host.say(&says).await;
                host
            };
            let (end, _host) = tokio::join!(world.client.call_grpc(b"/a.B/C", b"hi", within(LONG)), serves);
            assert_eq!(end.unwrap_err().code, code, "{says:?}");
            world.assert_counts([(ClusterStat::UpstreamRqActive, 0)]);
        });
    }
}

#[test]
fn what_the_host_does_not_take_is_not_sent_and_a_dropped_stream_is_reset() {
    run(async {
        let world = World::new(UpstreamProtocol::Http2, |_| ()).await;
        let mut stream = None;
        let opens = async {
            let opened = world.client.open(&head("POST"), BodyFraming::Chunked, within(LONG)).await.unwrap();
            stream = Some(opened);
        };
        let serves = async {
            let mut host = world.host().await;
            // SETTINGS_INITIAL_WINDOW_SIZE of ten bytes.
            host.begin_http2(&[0, 4, 0, 0, 0, 10]).await;
            host.frame(1).await;
            host
        };
        let ((), mut host) = tokio::join!(opens, serves);
        let mut stream = stream.unwrap();
        let sends = stream.send(&[b'x'; 25]);
        let takes = async {
            let mut taken = host.frame(0).await.2.len();
            while taken < 25 {
                assert!(taken <= 10 || taken == 20, "{taken}");
                host.say(&frame(8, 0, 1, &[0, 0, 0, 10])).await;
                taken += host.frame(0).await.2.len();
            }
        };
        let (sent, ()) = tokio::join!(sends, takes);
        sent.unwrap();
        drop(stream);
        assert_eq!(host.frame(3).await.1, 1);
        world.assert_counts([(ClusterStat::UpstreamRqActive, 0), (ClusterStat::UpstreamRqTxReset, 1)]);
    });
}
