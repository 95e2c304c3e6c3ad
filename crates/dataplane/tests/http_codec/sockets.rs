//! Connecting, addresses, options, and the two ways to end.

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};

use ferryman_dataplane::model::address::TcpKeepalive;
use ferryman_dataplane::stream_info::Address;
use ferryman_dataplane::transport_sockets::SourceAddresses;
use ferryman_dataplane::transport_sockets::{RawBuffer, TransportSocket};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, ReadBuf};
use tokio::net::{TcpListener, UnixListener};

async fn write(socket: &mut TransportSocket, bytes: &[u8]) -> usize {
    let (first, second) = bytes.split_at(1);
    poll_fn(|cx| socket.poll_write(cx, &[IoSlice::new(first), IoSlice::new(second)])).await.unwrap()
}

async fn read(socket: &mut TransportSocket) -> std::io::Result<Vec<u8>> {
    let mut memory = [0; 100];
    let mut into = ReadBuf::new(&mut memory);
    poll_fn(|cx| socket.poll_read(cx, &mut into)).await?;
    Ok(into.filled().to_vec())
}

#[tokio::test]
async fn tcp_connects_with_its_options() {
    for ip in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(ip).await.unwrap();
        let address = Address::Ip(listener.local_addr().unwrap());
        let keepalive = TcpKeepalive { probes: Some(3), time_s: Some(77), interval_s: Some(5) };
        let raw = RawBuffer::connect(&address, Some(&keepalive), &SourceAddresses::default()).await.unwrap();
        let RawBuffer::Tcp(stream) = &raw else { panic!() };
        let options = SockRef::from(stream);
        assert!(options.keepalive().unwrap() && options.tcp_nodelay().unwrap());
        assert_eq!(options.tcp_keepalive_retries().unwrap(), 3);
        assert_eq!(options.tcp_keepalive_time().unwrap().as_secs(), 77);
        assert_eq!(options.tcp_keepalive_interval().unwrap().as_secs(), 5);
        let ours = TransportSocket::RawBuffer(raw);
        let (theirs, from) = listener.accept().await.unwrap();
        assert!(!SockRef::from(&theirs).keepalive().unwrap());
        assert_eq!(ours.local_address().unwrap(), Address::Ip(from));
        assert_eq!(ours.remote_address().unwrap(), address);
        let theirs = TransportSocket::RawBuffer(RawBuffer::Tcp(theirs));
        theirs.set_nodelay().unwrap();
        assert_eq!(theirs.remote_address().unwrap(), Address::Ip(from));
    }
}

#[tokio::test]
async fn keepalive_is_off_unless_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Ip(listener.local_addr().unwrap());
    let unset = TcpKeepalive { probes: None, time_s: None, interval_s: None };
    for (keepalive, on) in [(None, false), (Some(&unset), true)] {
        let Ok(RawBuffer::Tcp(stream)) =
            RawBuffer::connect(&address, keepalive, &SourceAddresses::default()).await
        else {
            panic!()
        };
        assert_eq!(SockRef::from(&stream).keepalive().unwrap(), on);
    }
}

#[tokio::test]
async fn a_pipe_may_be_a_path_or_an_abstract_name() {
    let directory = std::env::temp_dir().join(format!("ferryman-sockets-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("pipe").to_str().unwrap().to_owned();
    let name = format!("@ferryman-sockets-{}", std::process::id());
    for (bind, address) in [(path.clone(), path), (name.replace('@', "\0"), name)] {
        let listener = UnixListener::bind(bind).unwrap();
        let address = Address::Pipe(address.into());
        let mut ours = TransportSocket::RawBuffer(
            RawBuffer::connect(&address, None, &SourceAddresses::default()).await.unwrap(),
        );
        let (mut theirs, _) = listener.accept().await.unwrap();
        assert_eq!(ours.remote_address().unwrap(), address);
        assert_eq!(ours.local_address().unwrap(), Address::Pipe("".into()));
        ours.set_nodelay().unwrap();
        ours.reset_on_close().unwrap();
        assert_eq!(write(&mut ours, b"bytes").await, 5);
        drop(ours);
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"bytes");
    }
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn a_connection_that_is_refused_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Ip(listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(
        RawBuffer::connect(&address, None, &SourceAddresses::default()).await.unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    let nowhere = Address::Pipe("@ferryman-sockets-nobody-listens".into());
    assert_eq!(
        RawBuffer::connect(&nowhere, None, &SourceAddresses::default()).await.unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}

#[tokio::test]
async fn one_side_may_end_and_the_other_go_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Ip(listener.local_addr().unwrap());
    let mut ours = TransportSocket::RawBuffer(
        RawBuffer::connect(&address, None, &SourceAddresses::default()).await.unwrap(),
    );
    let mut theirs = TransportSocket::RawBuffer(RawBuffer::Tcp(listener.accept().await.unwrap().0));
    poll_fn(|cx| ours.poll_shutdown(cx)).await.unwrap();
    poll_fn(|cx| theirs.poll_read_ready(cx)).await.unwrap();
    assert_eq!(read(&mut theirs).await.unwrap(), b"", "the end");
    assert_eq!(write(&mut theirs, b"still here").await, 10);
    assert_eq!(read(&mut ours).await.unwrap(), b"still here");
    theirs.reset_on_close().unwrap();
    drop(theirs);
    assert_eq!(read(&mut ours).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}
