//! What a stream leaves behind, and what a connection takes.

use ferryman_dataplane::filters::network::http_connection_manager::WorkerHttpConnectionManager;
use ferryman_dataplane::stats::{ClusterStat, HttpStat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::{Rig, connection_manager, read_all, read_until, run, write};

const REQUEST: &[u8] =
    b"POST /a?b=c HTTP/1.1\r\nhost: example\r\nuser-agent: test\r\ncontent-length: 5\r\n\r\nhello";

#[test]
fn gauges_return_to_zero_when_a_client_leaves_in_the_middle() {
    run(async {
        let rig = Rig::new(&connection_manager(), Vec::new()).await;
        let mut client = rig.connect().await;
        client.write_all(REQUEST).await.unwrap();
        let (mut upstream, _) = rig.upstream.accept().await.unwrap();
        read_until(&mut upstream, "hello").await;
        assert_eq!(active(&rig), (1, 1));
        drop(client);
        assert_eq!(read_all(&mut upstream).await, "");
        assert_eq!(active(&rig), (0, 0));
    });
}

fn active(rig: &Rig) -> (u64, u64) {
    let registry = &rig.worker.process.registry;
    let http = registry.http("ingress_http").value(HttpStat::DownstreamRqActive);
    (http, registry.cluster("service").value(ClusterStat::UpstreamRqActive))
}

/// Memory per idle connection is the target of the design's section 8: most of it is this future.
#[test]
fn a_connections_future_is_small() {
    run(async {
        let rig = Rig::new(&connection_manager(), Vec::new()).await;
        let size = future_size(&rig.manager, &rig).await;
        assert!(size <= 3 * 1024, "the future of a connection takes {size} bytes");
    });
}

async fn future_size(manager: &WorkerHttpConnectionManager, rig: &Rig) -> usize {
    use ferryman_dataplane::stream_info::{Address, ConnectionInfo};
    use ferryman_dataplane::transport_sockets::{RawBuffer, TransportSocket};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let address = Address::Ip(client.local_addr().unwrap());
    let start = std::time::Instant::now();
    let mut info = ConnectionInfo::new(1, address.clone(), address, start, std::time::SystemTime::now());
    let socket = TransportSocket::RawBuffer(RawBuffer::Tcp(client));
    let future = manager.serve(&rig.worker, socket, &mut info);
    size_of_val(&future)
}

#[test]
fn requests_that_come_together_are_answered_in_order() {
    run(async {
        let rig = Rig::new(&connection_manager(), Vec::new()).await;
        let mut client = rig.connect().await;
        write(
            &mut client,
            "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        )
        .await;
        let (mut upstream, _) = rig.upstream.accept().await.unwrap();
        for (path, answer) in [("GET /1 ", "one"), ("GET /2 ", "two")] {
            let request = read_until(&mut upstream, "\r\n\r\n").await;
            assert!(request.starts_with(path), "{request}");
            write(&mut upstream, &format!("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{answer}")).await;
        }
        let responses = read_all(&mut client).await;
        let (first, second) = responses.split_once("one").expect("the first response");
        assert!(first.starts_with("HTTP/1.1 200 OK\r\n") && second.ends_with("\r\n\r\ntwo"), "{responses}");
    });
}

#[test]
fn a_client_that_leaves_is_noticed_although_it_has_sent_more() {
    run(async {
        let rig = Rig::new(&connection_manager(), Vec::new()).await;
        let mut client = rig.connect().await;
        write(&mut client, "GET /1 HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let (mut upstream, _) = rig.upstream.accept().await.unwrap();
        read_until(&mut upstream, "\r\n\r\n").await;
        write(&mut client, "GET /2 HTTP/1.1\r\n").await;
        // The next request's bytes are read before the end comes.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        drop(client);
        assert_eq!(read_all(&mut upstream).await, "", "the exchange is given up");
        let service = rig.worker.process.registry.cluster("service");
        assert_eq!(service.value(ClusterStat::UpstreamRqTimeout), 0, "at once, not when time is up");
    });
}

#[test]
fn a_client_that_leaves_is_noticed_although_it_takes_nothing() {
    run(async {
        let rig = Rig::new(&connection_manager(), Vec::new()).await;
        let mut client = rig.connect().await;
        write(&mut client, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let (mut upstream, _) = rig.upstream.accept().await.unwrap();
        read_until(&mut upstream, "\r\n\r\n").await;
        write(&mut upstream, "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await;
        let mut in_vain = 0;
        while in_vain < 100 {
            in_vain = if upstream.try_write(&[b'x'; 65_536]).is_ok() { 0 } else { in_vain + 1 };
            tokio::task::yield_now().await;
        }
        client.shutdown().await.unwrap();
        upstream.read_to_end(&mut Vec::new()).await.expect_err("what was not read is thrown away");
        let service = rig.worker.process.registry.cluster("service");
        assert_eq!(service.value(ClusterStat::UpstreamRqTimeout), 0, "at once, not when time is up");
    });
}

#[test]
fn a_head_that_a_reset_breaks_off_is_a_stream() {
    run(async {
        for (part, resets) in [("", 0), ("GET /2 HTTP/1.1\r\nhos", 1)] {
            let rig = Rig::new(&connection_manager(), Vec::new()).await;
            let mut client = rig.connect().await;
            let first = "GET /1 HTTP/1.1\r\nhost: a\r\n\r\n";
            write(&mut client, &format!("{first}{part}")).await;
            let (mut upstream, _) = rig.upstream.accept().await.unwrap();
            read_until(&mut upstream, "\r\n\r\n").await;
            write(&mut upstream, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none").await;
            read_until(&mut client, "one").await;
            client.set_zero_linger().unwrap();
            drop(client);
            let http = rig.worker.process.registry.http("ingress_http");
            while http.value(HttpStat::DownstreamCxDestroyRemote) == 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(http.value(HttpStat::DownstreamRqTotal), 1 + resets);
            assert_eq!(http.value(HttpStat::DownstreamRqRxReset), resets);
            let length = u64::try_from(first.len() + part.len()).unwrap();
            assert_eq!(http.value(HttpStat::DownstreamCxRxBytesTotal), length);
        }
    });
}
