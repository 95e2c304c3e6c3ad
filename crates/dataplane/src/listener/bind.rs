//! Binding a listener's addresses: all of them, before any traffic flows.
//!
//! Owns: sockets, their options, and one clear line when an address cannot be had. Does not own: accepting (`listener`).
//! Follows Envoy's `Listener` fields `reuse_port`, `tcp_backlog_size`, `freebind`, `transparent`, `additional_addresses`,
//! and `Pipe`.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream};
use std::path::Path;

use socket2::{Domain, Protocol, Socket, Type};

use crate::model;
use crate::model::address::{SocketOption, SocketState, TcpKeepalive};
use crate::stream_info::Address;

use super::accepting::Accepting;
use crate::datagrams::{DatagramSocket, ask_for_destination};
use crate::transport_sockets::socket_options::{keepalive_options, set_option, set_socket_options};

/// How many connections the kernel keeps for us to accept, unless the configuration says otherwise; it cuts this down to
/// `net.core.somaxconn`.
const BACKLOG: i32 = 65_535;

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    text: String,
}

impl std::fmt::Display for BindError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for BindError {}

/// A socket that is bound and listens, for one worker.
#[derive(Debug)]
pub struct BoundSocket {
    socket: Bound,
    /// Where it is bound; a port 0 has become a real one.
    pub address: Address,
}

#[derive(Debug)]
enum Bound {
    Tcp(std::net::TcpListener),
    Unix(UnixListener),
    Udp(std::net::UdpSocket),
}

impl BoundSocket {
    /// Registers it with this thread's event loop.
    pub(super) fn into_accepting(self) -> io::Result<Accepting> {
        Ok(match self.socket {
            Bound::Tcp(listener) => {
                let is_any = matches!(&self.address, Address::Ip(address) if address.ip().is_unspecified());
                let listener = tokio::net::TcpListener::from_std(listener)?;
                Accepting::Tcp(listener, (!is_any).then_some(self.address))
            }
            Bound::Unix(listener) => {
                Accepting::Unix(tokio::net::UnixListener::from_std(listener)?, self.address)
            }
            Bound::Udp(_) => return Err(io::ErrorKind::Unsupported.into()),
        })
    }

    /// Registers a socket of datagrams with this thread's event loop.
    pub(super) fn into_datagrams(self) -> io::Result<DatagramSocket> {
        match self.socket {
            Bound::Udp(socket) => DatagramSocket::new(socket),
            Bound::Tcp(_) | Bound::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn duplicate(&self) -> io::Result<Self> {
        let socket = match &self.socket {
            Bound::Tcp(listener) => Bound::Tcp(listener.try_clone()?),
            Bound::Unix(listener) => Bound::Unix(listener.try_clone()?),
            Bound::Udp(socket) => Bound::Udp(socket.try_clone()?),
        };
        Ok(BoundSocket { socket, address: self.address.clone() })
    }

    /// The admin listener takes standard sockets; none: it is one of datagrams.
    #[must_use]
    pub fn into_admin(self) -> Option<crate::admin::Listener> {
        Some(match (self.socket, self.address) {
            (Bound::Tcp(listener), _) => crate::admin::Listener::Tcp(listener),
            (Bound::Unix(listener), Address::Pipe(path)) => crate::admin::Listener::Unix(listener, path),
            (Bound::Unix(listener), Address::Ip(_) | Address::Internal(_)) => {
                crate::admin::Listener::Unix(listener, "".into())
            }
            (Bound::Udp(_), _) => return None,
        })
    }
}

/// The sockets of a listener: for each worker one for each address.
///
/// # Errors
/// One line: which listener, which address, why. What was bound so far is closed.
pub fn bind(
    listener: &model::listener::Listener,
    workers: usize,
) -> Result<Vec<Vec<BoundSocket>>, BindError> {
    let mut sockets: Vec<Vec<BoundSocket>> = (0..workers).map(|_| Vec::new()).collect();
    if !listener.bind_to_port || listener.internal_buffer_bytes.is_some() {
        return Ok(sockets);
    }
    for (address, of_address) in listener.addresses.iter().zip(&listener.address_options) {
        let fail = |error: &io::Error| BindError {
            text: format!(
                "{}: listener '{}': cannot bind '{}'{}: {}",
                listener.place,
                listener.name,
                text_of(address),
                address
                    .network_namespace()
                    .map(|path| format!(" in the network namespace '{path}'"))
                    .unwrap_or_default(),
                reason(error)
            ),
        };
        let first = bind_one(address, of_address, listener, None).map_err(|error| fail(&error))?;
        let Address::Ip(bound) = first.address else {
            share(&mut sockets, first).map_err(|error| fail(&error))?;
            continue;
        };
        if !listener.reuse_port {
            share(&mut sockets, first).map_err(|error| fail(&error))?;
            continue;
        }
        let mut first = Some(first);
        for of_worker in &mut sockets {
            let socket = match first.take() {
                Some(socket) => socket,
                None => bind_one(address, of_address, listener, Some(bound.port()))
                    .map_err(|error| fail(&error))?,
            };
            of_worker.push(socket);
        }
    }
    Ok(sockets)
}

/// The socket of the admin listener.
///
/// # Errors
/// One line: which address, why.
pub fn bind_admin(
    address: &model::address::Address,
    socket_options: &[SocketOption],
) -> Result<BoundSocket, BindError> {
    let options = Options {
        is_udp: false,
        reuse_port: false,
        mptcp: false,
        freebind: false,
        transparent: false,
        backlog: BACKLOG,
        fast_open: None,
        socket_options,
        tcp_keepalive: None,
    };
    bind_address(address, &options, None).map_err(|error| BindError {
        text: format!("admin: cannot bind '{}': {}", text_of(address), reason(&error)),
    })
}

/// One socket for all workers: each waits on a duplicate, and the first to ask gets the connection.
fn share(sockets: &mut [Vec<BoundSocket>], socket: BoundSocket) -> io::Result<()> {
    if let Some((first, rest)) = sockets.split_first_mut() {
        for of_worker in rest {
            of_worker.push(socket.duplicate()?);
        }
        first.push(socket);
    }
    Ok(())
}

struct Options<'a> {
    is_udp: bool,
    reuse_port: bool,
    mptcp: bool,
    freebind: bool,
    transparent: bool,
    backlog: i32,
    fast_open: Option<u32>,
    socket_options: &'a [SocketOption],
    tcp_keepalive: Option<&'a TcpKeepalive>,
}

fn bind_one(
    address: &model::address::Address,
    of_address: &model::listener::AddressOptions,
    listener: &model::listener::Listener,
    port: Option<u16>,
) -> io::Result<BoundSocket> {
    let backlog = listener.tcp_backlog_size.map_or(BACKLOG, |size| i32::try_from(size).unwrap_or(i32::MAX));
    let options = Options {
        is_udp: listener.udp.is_some(),
        socket_options: &of_address.socket_options,
        tcp_keepalive: of_address.tcp_keepalive.as_ref(),
        reuse_port: listener.reuse_port,
        mptcp: listener.enable_mptcp,
        freebind: listener.freebind,
        transparent: listener.transparent,
        backlog,
        fast_open: listener.tcp_fast_open_queue_length,
    };
    bind_address(address, &options, port)
}

fn bind_address(
    address: &model::address::Address,
    options: &Options<'_>,
    port: Option<u16>,
) -> io::Result<BoundSocket> {
    match address {
        model::address::Address::Socket { ip, port: configured, ipv4_compat, network_namespace } => {
            let address = model::address::socket_address(ip, port.unwrap_or(*configured));
            let address =
                address.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not an IP address"))?;
            in_namespace(network_namespace.as_deref(), || match options.is_udp {
                true => bind_udp(address, *ipv4_compat, options),
                false => bind_tcp(address, *ipv4_compat, options),
            })
        }
        model::address::Address::Pipe { path, mode } => bind_unix(path, *mode),
        model::address::Address::Internal { .. } => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Does something in a network namespace, on a thread that ends with it. Sockets stay in the namespace that they were made
/// in.
fn in_namespace<T: Send>(path: Option<&str>, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let Some(path) = path else { return work() };
    let namespace = std::fs::File::open(path)?;
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            // SAFETY: the descriptor is open until the thread has ended, and no memory is passed.
            let entered = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
            if entered == 0 { work() } else { Err(io::Error::last_os_error()) }
        });
        inside.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
    })
}

/// What is set on a socket before it is bound, whatever it is for.
fn prepare(socket: &Socket, address: SocketAddr, ipv4_compat: bool, options: &Options<'_>) -> io::Result<()> {
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(!ipv4_compat)?;
    }
    if options.freebind {
        match address {
            SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
            SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
        }
    }
    if options.transparent {
        match address {
            SocketAddr::V4(_) => socket.set_ip_transparent_v4(true)?,
            SocketAddr::V6(_) => {
                set_option(socket, libc::SOL_IPV6, libc::IPV6_TRANSPARENT, &1_i32.to_ne_bytes())?
            }
        }
    }
    socket.set_nonblocking(true)
}

fn bind_tcp(address: SocketAddr, ipv4_compat: bool, options: &Options<'_>) -> io::Result<BoundSocket> {
    let protocol = if options.mptcp { Protocol::MPTCP } else { Protocol::TCP };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(protocol))?;
    socket.set_reuse_address(true)?;
    prepare(&socket, address, ipv4_compat, options)?;
    if let Some(queue) = options.fast_open {
        let queue = i32::try_from(queue).unwrap_or(i32::MAX);
        set_option(&socket, libc::SOL_TCP, libc::TCP_FASTOPEN, &queue.to_ne_bytes())?;
    }
    // Accepted connections inherit it: that saves each of them a system call.
    socket.set_tcp_nodelay(true)?;
    if let Some(keepalive) = options.tcp_keepalive {
        // Accepted connections inherit that too.
        socket.set_tcp_keepalive(&keepalive_options(keepalive))?;
    }
    let set = |state| set_socket_options(&socket, options.socket_options, state, address.is_ipv4());
    set(SocketState::Prebind)?;
    socket.bind(&address.into())?;
    set(SocketState::Bound)?;
    socket.listen(options.backlog)?;
    set(SocketState::Listening)?;
    let listener: std::net::TcpListener = socket.into();
    let bound = listener.local_addr()?;
    Ok(BoundSocket { socket: Bound::Tcp(listener), address: Address::Ip(bound) })
}

fn bind_udp(address: SocketAddr, ipv4_compat: bool, options: &Options<'_>) -> io::Result<BoundSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    prepare(&socket, address, ipv4_compat, options)?;
    if address.ip().is_unspecified() {
        ask_for_destination(&socket, address.is_ipv4())?;
    }
    let set = |state| set_socket_options(&socket, options.socket_options, state, address.is_ipv4());
    set(SocketState::Prebind)?;
    socket.bind(&address.into())?;
    set(SocketState::Bound)?;
    let socket: std::net::UdpSocket = socket.into();
    let bound = socket.local_addr()?;
    Ok(BoundSocket { socket: Bound::Udp(socket), address: Address::Ip(bound) })
}

/// A path that begins with `@` names an abstract socket.
fn bind_unix(path: &str, mode: u32) -> io::Result<BoundSocket> {
    let listener = if let Some(name) = path.strip_prefix('@') {
        UnixListener::bind_addr(&UnixAddress::from_abstract_name(name)?)?
    } else {
        remove_stale(Path::new(path))?;
        let listener = UnixListener::bind(path)?;
        if mode != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        }
        listener
    };
    listener.set_nonblocking(true)?;
    Ok(BoundSocket { socket: Bound::Unix(listener), address: Address::Pipe(path.into()) })
}

/// Removes a socket that nobody listens on any more. One that is in use stays, and binding fails.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

fn text_of(address: &model::address::Address) -> String {
    match address {
        model::address::Address::Socket { ip, port, .. } if ip.contains(':') => format!("[{ip}]:{port}"),
        model::address::Address::Socket { ip, port, .. } => format!("{ip}:{port}"),
        model::address::Address::Pipe { path, .. } => path.clone(),
        model::address::Address::Internal { listener, .. } => format!("envoy://{listener}/"),
    }
}

/// The system's words, without Rust's "(os error 98)".
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(ip: &str, port: u16) -> model::address::Address {
        model::address::Address::Socket {
            ip: ip.to_owned(),
            port,
            ipv4_compat: false,
            network_namespace: None,
        }
    }

    #[test]
    fn a_port_in_use_is_one_clear_line() {
        let taken = bind_admin(&socket("127.0.0.1", 0), &[]).expect("bound");
        let Address::Ip(address) = taken.address else { panic!("an IP address") };
        let error = bind_admin(&socket("127.0.0.1", address.port()), &[]).expect_err("in use");
        assert_eq!(error.to_string(), format!("admin: cannot bind '{address}': Address already in use"));
    }

    #[test]
    fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
        let path = std::env::temp_dir().join(format!("ferryman-bind-{}.sock", std::process::id()));
        let pipe = model::address::Address::Pipe { path: path.to_string_lossy().into_owned(), mode: 0o600 };
        let first = bind_admin(&pipe, &[]).expect("bound");
        assert!(bind_admin(&pipe, &[]).is_err());
        drop(first);
        assert!(bind_admin(&pipe, &[]).is_ok());
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        std::fs::remove_file(&path).expect("removed");
    }
}
