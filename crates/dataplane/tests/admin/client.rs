//! A client that shows what is on the wire.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Long enough for a busy machine; a test that waits for it fails.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(60));

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// An answer, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The head, with the status line.
    pub head: String,
    /// Without its chunks.
    pub body: String,
}

impl Answer {
    /// The value of a header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| *known == name).map(|(_, value)| value).next().unwrap_or_default()
    }
}

/// A connection.
pub struct Client {
    stream: Box<dyn Stream>,
    input: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(PATIENCE).unwrap();
        Self { stream: Box::new(stream), input: Vec::new() }
    }

    pub fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(PATIENCE).unwrap();
        Self { stream: Box::new(stream), input: Vec::new() }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Asks for a page and reads the answer.
    pub fn ask(&mut self, method: &str, target: &str) -> Answer {
        self.send(format!("{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n"));
        self.read(method != "HEAD")
    }

    fn more(&mut self) -> bool {
        let mut buffer = vec![0; 256 * 1024];
        let read = self.stream.read(&mut buffer).unwrap();
        self.input.extend_from_slice(&buffer[..read]);
        read > 0
    }

    /// Reads up to and with `end`.
    fn until(&mut self, end: &str) -> String {
        let mut seen = 0;
        loop {
            if let Some(at) = memchr::memmem::find(&self.input[seen..], end.as_bytes()) {
                let text: Vec<u8> = self.input.drain(..seen + at + end.len()).collect();
                return String::from_utf8(text).unwrap();
            }
            seen = self.input.len().saturating_sub(end.len());
            assert!(self.more(), "ended early: {:?}", String::from_utf8_lossy(&self.input));
        }
    }

    /// Reads an answer.
    pub fn read(&mut self, with_body: bool) -> Answer {
        let head = self.until("\r\n\r\n");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut body = Vec::new();
        if !with_body {
            return Answer { status, head, body: String::new() };
        }
        loop {
            let line = self.until("\r\n");
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            while self.input.len() < size + 2 {
                assert!(self.more(), "ended within a chunk");
            }
            body.extend(self.input.drain(..size));
            assert_eq!(self.input.drain(..2).collect::<Vec<_>>(), b"\r\n");
            if size == 0 {
                break;
            }
        }
        Answer { status, head, body: String::from_utf8(body).unwrap() }
    }

    /// Whether the connection ends now, with nothing before.
    pub fn is_ended(&mut self) -> bool {
        self.rest().is_empty()
    }

    /// All that comes until the end.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.input);
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest,
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the connection is kept");
                rest
            }
        }
    }
}
