//! The floor of every proxy on a machine: `cargo run --release --example relay_floor -- 127.0.0.1:PORT 127.0.0.1:UPSTREAM`.
//!
//! Pairs each connection with one to the upstream and moves what comes: a `recv` and a `send` each way, one thread on
//! epoll, not a byte looked at. What it takes for a small request is the kernel's part; no proxy that makes these
//! four calls can take less. `make bench BENCH='--proxies ferryman,envoy,nginx,haproxy,floor'` puts it beside the proxies.
//! For small messages only: where the other side takes no more bytes, it waits for that side alone.
#![allow(clippy::print_stderr, missing_docs, reason = "a program that measures")]

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};

/// How many connections wait to be accepted.
const BACKLOG: i32 = 8192;

/// A kernel's list of sockets of which something is to be told.
struct Epoll(RawFd);

impl Epoll {
    fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        match unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) } {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(Epoll(fd)),
        }
    }

    fn add(&self, socket: &impl AsRawFd, edge: bool) -> io::Result<()> {
        let fd = socket.as_raw_fd();
        let kinds = libc::EPOLLIN | if edge { libc::EPOLLET } else { 0 };
        // The topmost bit is a kind too.
        let events = u32::from_ne_bytes(kinds.to_ne_bytes());
        let mut event = libc::epoll_event { events, u64: u64::try_from(fd).unwrap_or_default() };
        // SAFETY: `event` lives through the call; both descriptors are open.
        match unsafe { libc::epoll_ctl(self.0, libc::EPOLL_CTL_ADD, fd, &raw mut event) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    fn wait(&self, events: &mut [libc::epoll_event; 64]) -> usize {
        // SAFETY: `events` has room for the 64 that are asked for.
        let count = unsafe { libc::epoll_wait(self.0, events.as_mut_ptr(), 64, -1) };
        usize::try_from(count).unwrap_or(0)
    }
}

/// Both ends of a relayed connection, by the descriptor of each.
#[derive(Default)]
struct Pairs {
    sockets: HashMap<RawFd, TcpStream>,
    other: HashMap<RawFd, RawFd>,
}

impl Pairs {
    fn join(&mut self, epoll: &Epoll, downstream: TcpStream, upstream: SocketAddr) -> io::Result<()> {
        let upstream = TcpStream::connect(upstream)?;
        for socket in [&downstream, &upstream] {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            epoll.add(socket, true)?;
        }
        let (one, two) = (downstream.as_raw_fd(), upstream.as_raw_fd());
        self.other.extend([(one, two), (two, one)]);
        self.sockets.extend([(one, downstream), (two, upstream)]);
        Ok(())
    }

    /// Moves what has come on a socket; closes both ends when there is no more.
    fn relay(&mut self, from: RawFd, buffer: &mut [u8]) {
        let Some(&to) = self.other.get(&from) else { return };
        loop {
            let Some(mut source) = self.sockets.get(&from) else { return };
            match source.read(buffer) {
                Ok(count) if count > 0 => {
                    let Some(target) = self.sockets.get(&to) else { return };
                    if write_all(target, buffer.get(..count).unwrap_or_default()).is_err() {
                        return self.close(from, to);
                    }
                    if count < buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                _ => return self.close(from, to),
            }
        }
    }

    fn close(&mut self, one: RawFd, two: RawFd) {
        for fd in [one, two] {
            self.other.remove(&fd);
            self.sockets.remove(&fd);
        }
    }
}

fn write_all(mut target: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match target.write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut one = libc::pollfd { fd: target.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
                // SAFETY: `one` lives through the call.
                unsafe { libc::poll(&raw mut one, 1, 1000) };
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<SocketAddr>());
    let (Some(Ok(address)), Some(Ok(upstream))) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: relay_floor ADDRESS:PORT UPSTREAM:PORT");
        std::process::exit(2);
    };
    let listener = TcpListener::bind(address)?;
    // SAFETY: no pointers are passed; `listen` again only changes the backlog.
    unsafe { libc::listen(listener.as_raw_fd(), BACKLOG) };
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new()?;
    epoll.add(&listener, false)?;
    let mut pairs = Pairs::default();
    let mut buffer = vec![0; 16 * 1024];
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
    loop {
        for index in 0..epoll.wait(&mut events) {
            let Some(event) = events.get(index) else { break };
            let fd = RawFd::try_from(event.u64).unwrap_or(-1);
            if fd != listener.as_raw_fd() {
                pairs.relay(fd, &mut buffer);
                continue;
            }
            while let Ok((downstream, _)) = listener.accept() {
                pairs.join(&epoll, downstream, upstream)?;
            }
        }
    }
}
