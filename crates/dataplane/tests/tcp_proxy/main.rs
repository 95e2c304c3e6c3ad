//! TCP proxy sessions over loopback. Flags, close reasons, counts: judged by Envoy 1.40 playing the same.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)] // a test may end at the first surprise

#[path = "../streams/exchange.rs"]
#[allow(dead_code)] // other tests use it
mod exchange;
#[path = "../streams/log_folder.rs"]
#[allow(dead_code)] // other tests use the rest
mod log_folder;
mod rig;

use std::io;
use std::time::{Duration, Instant};

use ferryman_dataplane::model::listener::TcpCluster;
use ferryman_dataplane::stats::{ClusterStat, TcpStat};
use rig::{Hosts, Rig, host, hosts, refusing, run, silent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn receive(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.expect("bytes");
    bytes
}

async fn receive_all(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.map(|_| bytes)
}

fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("linger");
}

#[test]
fn bytes_go_both_ways_and_are_counted() {
    run(async {
        let (listener, address) = host().await;
        let rig = Rig::new(&[hosts("up", [address])], |_| {});
        let (mut client, served) = rig.connect().await;
        // Sent before there is a host to send it to.
        client.write_all(b"ping!").await.unwrap();
        let (mut upstream, _) = listener.accept().await.unwrap();
        assert_eq!(receive(&mut upstream, 5).await, b"ping!");
        upstream.write_all(b"pong").await.unwrap();
        assert_eq!(receive(&mut client, 4).await, b"pong");
        drop(client);
        assert_eq!(receive_all(&mut upstream).await.unwrap(), b"");
        drop(upstream);
        served.await.unwrap();
        assert_eq!(rig.tcp(TcpStat::DownstreamCxTotal), 1);
        assert_eq!(rig.tcp(TcpStat::DownstreamCxRxBytesTotal), 5);
        assert_eq!(rig.tcp(TcpStat::DownstreamCxTxBytesTotal), 4);
        let up = rig.cluster("up");
        assert_eq!(up.value(ClusterStat::UpstreamCxTxBytesTotal), 5);
        assert_eq!(up.value(ClusterStat::UpstreamCxRxBytesTotal), 4);
        assert_eq!((up.value(ClusterStat::UpstreamCxTotal), up.value(ClusterStat::UpstreamCxActive)), (1, 0));
        assert_eq!(rig.ended("up"), (1, 0));
        assert_eq!(
            rig.log(),
            [format!("received=5 sent=4 cluster=up host={address} attempts=1 wire=5 type=TcpConnectionEnd")]
        );
    });
}

#[test]
fn who_ends_first_still_gets_the_rest() {
    run(async {
        let (listener, address) = host().await;
        let rig = Rig::new(&[hosts("up", [address])], |_| {});
        let (mut client, served) = rig.connect().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let (mut upstream, _) = listener.accept().await.unwrap();
        assert_eq!(receive_all(&mut upstream).await.unwrap(), b"question");
        upstream.write_all(b"answer").await.unwrap();
        drop(upstream);
        assert_eq!(receive_all(&mut client).await.unwrap(), b"answer");
        served.await.unwrap();
        assert_eq!(rig.ended("up"), (1, 0));

        let (mut client, served) = rig.connect().await;
        let (mut upstream, _) = listener.accept().await.unwrap();
        upstream.write_all(b"hello").await.unwrap();
        upstream.shutdown().await.unwrap();
        assert_eq!(receive_all(&mut client).await.unwrap(), b"hello");
        client.write_all(b"more").await.unwrap();
        drop(client);
        assert_eq!(receive_all(&mut upstream).await.unwrap(), b"more");
        served.await.unwrap();
        assert_eq!(rig.ended("up"), (1, 1));
    });
}

#[test]
fn a_host_that_refuses_is_tried_as_often_as_allowed() {
    run(async {
        let (_bound, address) = refusing();
        let rig = Rig::new(&[hosts("refused", [address])], |model| model.max_connect_attempts = 2);
        let (mut client, served) = rig.connect().await;
        assert_eq!(receive_all(&mut client).await.unwrap(), b"");
        served.await.unwrap();
        let stats = rig.cluster("refused");
        assert_eq!(stats.value(ClusterStat::UpstreamCxConnectFail), 2);
        assert_eq!(stats.value(ClusterStat::UpstreamCxConnectAttemptsExceeded), 1);
        let failure = "delayed_connect_error:_Connection_refused";
        assert_eq!(
            rig.log(),
            [format!(
                "flags=UF,URX received=0 sent=0 cluster=refused host={address} attempts=2 failure={failure} \
                 closed=tcp_initializion_failure:0 wire=0 type=TcpConnectionEnd"
            )]
        );
    });
}

#[test]
fn another_cluster_may_answer_after_a_failure() {
    run(async {
        let (_bound, refusing) = refusing();
        let (listener, address) = host().await;
        let clusters = [hosts("refused", [refusing]), hosts("up", [address])];
        let rig = Rig::new(&clusters, |model| {
            model.max_connect_attempts = 10_000;
            let cluster = |name: &str, weight| TcpCluster { name: name.to_owned(), weight };
            model.clusters = vec![cluster("refused", 9), cluster("up", 1)];
        });
        for _ in 0..20 {
            let (mut client, served) = rig.connect().await;
            client.write_all(b"x").await.unwrap();
            client.shutdown().await.unwrap();
            let (mut upstream, _) = listener.accept().await.unwrap();
            assert_eq!(receive_all(&mut upstream).await.unwrap(), b"x");
            drop(upstream);
            served.await.unwrap();
        }
        let failed = rig.cluster("refused").value(ClusterStat::UpstreamCxConnectFail);
        assert!(failed > 20, "one in ten picks the other cluster: {failed}");
        assert_eq!(rig.cluster("up").value(ClusterStat::UpstreamCxTotal), 20);
        let lines = rig.log();
        // What went wrong before stays told, though it went well in the end.
        let retried = lines.iter().find(|line| !line.contains("attempts=1 ")).expect("a second attempt");
        assert!(retried.starts_with("flags=UF received=1 sent=0 cluster=up"), "{retried}");
    });
}

#[test]
fn without_a_host_the_connection_is_closed() {
    run(async {
        let (_listener, address) = host().await;
        let full = Hosts { max_connections: 0, ..hosts("full", [address]) };
        for (cluster, name, line) in [
            (
                hosts("empty", []),
                "empty",
                "flags=UH received=0 sent=0 cluster=empty attempts=0 closed=tcp_initializion_failure:1",
            ),
            (
                full,
                "full",
                "flags=UO received=0 sent=0 cluster=full attempts=0 closed=tcp_initializion_failure:2",
            ),
            (
                hosts("up", [address]),
                "nowhere",
                "flags=NC received=0 sent=0 attempts=0 closed=tcp_initializion_failure:3",
            ),
        ] {
            let rig = Rig::new(&[cluster], |model| model.clusters[0].name = name.to_owned());
            let (mut client, served) = rig.connect().await;
            assert_eq!(receive_all(&mut client).await.unwrap(), b"");
            served.await.unwrap();
            assert_eq!(rig.tcp(TcpStat::DownstreamCxNoRoute), u64::from(name == "nowhere"));
            if name == "full" {
                assert_eq!(rig.cluster("full").value(ClusterStat::UpstreamCxOverflow), 1);
            }
            assert_eq!(rig.log(), [format!("{line} wire=0 type=TcpConnectionEnd")]);
        }
    });
}

#[test]
fn time_limits_end_both_connections() {
    run(async {
        let (listener, address) = host().await;
        for (name, flags) in
            [("tcp_session_idle_timeout", ""), ("max_connection_duration_reached", "flags=DT ")]
        {
            let is_idle = flags.is_empty();
            let rig = Rig::new(&[hosts("up", [address])], |model| match is_idle {
                true => model.idle_timeout_ms = Some(50),
                false => model.max_downstream_connection_duration_ms = Some(50),
            });
            let (mut client, served) = rig.connect().await;
            let (mut upstream, _) = listener.accept().await.unwrap();
            client.write_all(b"ping").await.unwrap();
            assert_eq!(receive(&mut upstream, 4).await, b"ping");
            assert_eq!(receive_all(&mut client).await.unwrap(), b"");
            assert_eq!(receive_all(&mut upstream).await.unwrap(), b"");
            served.await.unwrap();
            assert_eq!(rig.tcp(TcpStat::IdleTimeout), u64::from(is_idle));
            assert_eq!(rig.tcp(TcpStat::MaxDownstreamConnectionDuration), u64::from(!is_idle));
            assert_eq!(rig.ended("up"), (0, 1));
            assert_eq!(
                rig.log(),
                [format!(
                    "{flags}received=4 sent=0 cluster=up host={address} attempts=1 closed={name} \
                     upstream_closed={name} wire=4 type=TcpConnectionEnd"
                )]
            );
        }
    });
}

#[test]
fn a_busy_session_is_not_idle() {
    run(async {
        let timeout = Duration::from_millis(200);
        let (listener, address) = host().await;
        let rig = Rig::new(&[hosts("up", [address])], |model| model.idle_timeout_ms = Some(200));
        let (mut client, served) = rig.connect().await;
        let (mut upstream, _) = listener.accept().await.unwrap();
        let mut beats = tokio::time::interval(Duration::from_millis(20));
        let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
        for _ in 0..30 {
            beats.tick().await;
            let sent = client.write_all(b"x").await.is_ok() && upstream.read_u8().await.is_ok();
            longest = longest.max(last.elapsed());
            last = Instant::now();
            // On a machine that stands still for so long it was idle indeed.
            assert!(sent || longest >= timeout, "ended after a pause of {longest:?}");
        }
        assert!(rig.tcp(TcpStat::IdleTimeout) == 0 || longest >= timeout);
        drop((client, upstream));
        served.await.unwrap();
    });
}

#[test]
fn the_idle_timeout_counts_while_connecting() {
    run(async {
        let (_sockets, address) = silent();
        let rig = Rig::new(&[hosts("silent", [address])], |model| model.idle_timeout_ms = Some(50));
        let (mut client, served) = rig.connect().await;
        assert_eq!(receive_all(&mut client).await.unwrap(), b"");
        served.await.unwrap();
        let stats = rig.cluster("silent");
        assert_eq!(stats.value(ClusterStat::UpstreamRqCancelled), 1);
        assert_eq!(rig.ended("silent"), (0, 1));
        assert_eq!(
            rig.log(),
            [
                "received=0 sent=0 cluster=silent attempts=1 closed=tcp_session_idle_timeout wire=0 type=TcpConnectionEnd"
            ]
        );
    });
}

#[test]
fn resets_are_passed_on() {
    run(async {
        let (listener, address) = host().await;
        let rig = Rig::new(&[hosts("up", [address])], |_| {});
        let (mut client, served) = rig.connect().await;
        let (mut upstream, _) = listener.accept().await.unwrap();
        client.write_all(b"x").await.unwrap();
        receive(&mut upstream, 1).await;
        reset(upstream);
        let error = receive_all(&mut client).await.expect_err("a reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        served.await.unwrap();
        assert_eq!(rig.ended("up"), (1, 0));

        let (mut client, served) = rig.connect().await;
        let (mut upstream, _) = listener.accept().await.unwrap();
        client.write_all(b"x").await.unwrap();
        receive(&mut upstream, 1).await;
        reset(client);
        let error = receive_all(&mut upstream).await.expect_err("a reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        served.await.unwrap();
        assert_eq!(rig.ended("up"), (1, 1));
        let common = format!("received=1 sent=0 cluster=up host={address} attempts=1");
        assert_eq!(
            rig.log(),
            [
                format!(
                    "flags=UR {common} close=LocalReset upstream_close=RemoteReset wire=1 type=TcpConnectionEnd"
                ),
                format!("{common} close=RemoteReset wire=1 type=TcpConnectionEnd"),
            ]
        );
    });
}

#[test]
fn a_session_that_is_cut_short_is_logged() {
    run(async {
        let (listener, address) = host().await;
        let rig = Rig::new(&[hosts("up", [address])], |_| {});
        let (mut client, served) = rig.connect().await;
        client.write_all(b"ping").await.unwrap();
        let (mut upstream, _) = listener.accept().await.unwrap();
        assert_eq!(receive(&mut upstream, 4).await, b"ping");
        served.abort();
        assert!(served.await.expect_err("aborted").is_cancelled());
        assert_eq!(rig.ended("up"), (0, 1));
        assert_eq!(
            rig.log(),
            [format!("received=4 sent=0 cluster=up host={address} attempts=1 wire=4 type=TcpConnectionEnd")]
        );
    });
}

#[test]
fn nothing_is_left_buffered_in_the_statistics_when_time_is_up() {
    nothing_is_left_buffered(Some(100));
}

#[test]
fn nothing_is_left_buffered_in_the_statistics_when_a_session_is_cut_short() {
    nothing_is_left_buffered(None);
}

fn nothing_is_left_buffered(idle_timeout_ms: Option<u64>) {
    run(async move {
        let (listener, address) = host().await;
        let rig = Rig::new(&[hosts("up", [address])], |model| model.idle_timeout_ms = idle_timeout_ms);
        let (client, served) = rig.connect().await;
        let (_upstream, _) = listener.accept().await.unwrap();
        let up = rig.cluster("up");
        // The host reads nothing: what it does not take waits here until the end.
        let mut most = 0;
        while !served.is_finished() {
            if client.try_write(&[0; 65_536]).is_err() {
                tokio::time::timeout(Duration::from_millis(5), client.writable()).await.ok();
            }
            most = most.max(up.value(ClusterStat::UpstreamCxTxBytesBuffered));
            if most > 0 && idle_timeout_ms.is_none() {
                served.abort();
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(served.await.is_ok(), idle_timeout_ms.is_some());
        assert!(most > 0);
        assert_eq!(up.value(ClusterStat::UpstreamCxTxBytesBuffered), 0);
        assert!(rig.tcp(TcpStat::DownstreamFlowControlPausedReadingTotal) > 0);
    });
}
