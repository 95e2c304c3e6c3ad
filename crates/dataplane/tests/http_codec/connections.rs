//! Connected sockets, and the calls of readers and writers as futures.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Waker};

use ferryman_codec::{
    BodyFraming, HeaderBlock, Http1Settings, KnownName, RequestHead, RequestKind, ResponseHead,
};
use ferryman_dataplane::buffer::BlockPool;
use ferryman_dataplane::http_codec::{Disturbance, Http1Reader, Http1Writer, ReadError};
use ferryman_dataplane::transport_sockets::{RawBuffer, TransportSocket};
use socket2::{Domain, Socket, Type};
use tokio::net::UnixStream;

/// One side of a connection, with everything that a worker has for it.
pub struct Side {
    pub socket: TransportSocket,
    pub reader: Http1Reader,
    pub writer: Http1Writer,
    pub pool: BlockPool,
    pub settings: Http1Settings,
    pub block: HeaderBlock,
}

pub const LIMIT: usize = 1024 * 1024;

impl Side {
    pub fn new(stream: UnixStream, limit: usize) -> Side {
        Side {
            socket: TransportSocket::RawBuffer(RawBuffer::Unix(stream)),
            reader: Http1Reader::new(limit),
            writer: Http1Writer::new(),
            pool: BlockPool::new(),
            settings: Http1Settings { enable_trailers: true, ..Http1Settings::default() },
            block: HeaderBlock::new(),
        }
    }

    /// A side and the stream at the other end.
    pub fn pair() -> (Side, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Side::new(ours, LIMIT), theirs)
    }

    /// A side each of whose writes is one packet at the other end.
    pub fn packets() -> (Side, Socket) {
        let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let ours = std::os::unix::net::UnixStream::from(OwnedFd::from(ours));
        (Side::new(UnixStream::from_std(ours).unwrap(), LIMIT), theirs)
    }

    pub async fn request_head(&mut self) -> Result<RequestHead, ReadError> {
        poll_fn(|cx| {
            let Side { reader, socket, pool, settings, block, .. } = self;
            reader.poll_request_head(socket, cx, pool, settings, block)
        })
        .await
    }

    pub async fn response_head(&mut self, kind: RequestKind) -> Result<ResponseHead, ReadError> {
        poll_fn(|cx| {
            let Side { reader, socket, pool, settings, block, .. } = self;
            reader.poll_response_head(socket, cx, pool, settings, kind, block)
        })
        .await
    }

    pub async fn data(&mut self) -> Result<(), ReadError> {
        poll_fn(|cx| self.reader.poll_data(&mut self.socket, cx, &self.pool)).await
    }

    /// The rest of the body.
    pub async fn body(&mut self) -> Result<Vec<u8>, ReadError> {
        let mut body = Vec::new();
        while !self.reader.is_ended() {
            self.data().await?;
            let count = self.reader.data().len();
            body.extend_from_slice(self.reader.data());
            self.reader.consume(count, &self.pool);
        }
        Ok(body)
    }

    pub async fn disturbed(&mut self) -> Disturbance {
        poll_fn(|cx| self.reader.poll_disturbed(&mut self.socket, cx, &self.pool)).await
    }

    /// Whether nothing has come, as far as is known without waiting.
    pub fn is_silent(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.reader.poll_disturbed(&mut self.socket, &mut cx, &self.pool).is_pending()
    }

    pub async fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.writer.poll_write(&mut self.socket, cx, data)).await
    }

    pub async fn write_all(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let taken = self.write(data).await?;
            data = data.get(taken..).unwrap();
        }
        Ok(())
    }

    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.writer.poll_flush(&mut self.socket, cx)).await
    }
}

/// The packets that wait, each the work of one system call.
pub fn received(peer: &Socket) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut packet = vec![0; LIMIT];
    while let Ok(length) = io::Read::read(&mut &*peer, &mut packet) {
        packets.push(packet.get(..length).unwrap().to_vec());
    }
    packets
}

pub fn request() -> HeaderBlock {
    let mut block = HeaderBlock::new();
    for (name, value) in [(KnownName::Method, "POST"), (KnownName::Path, "/p"), (KnownName::Authority, "h")] {
        assert!(block.set(name, value.as_bytes()));
    }
    block
}

pub fn response(status: &str) -> HeaderBlock {
    let mut block = HeaderBlock::new();
    assert!(block.set(KnownName::Status, status.as_bytes()));
    block
}

/// A body in which no two places look alike.
pub fn body(length: usize) -> Vec<u8> {
    (0u32..).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).take(length).collect()
}

pub const FRAMINGS: [fn(usize) -> BodyFraming; 3] = [
    |length| BodyFraming::Length(u64::try_from(length).unwrap()),
    |_| BodyFraming::Chunked,
    |_| BodyFraming::UntilClose,
];
