//! Options of sockets, as the configuration gives them.
//!
//! Owns: setting them, and what is left to the system. Does not own: when which socket is made (`listener::bind`,
//! `raw_buffer`). Follows Envoy's `config.core.v3.SocketOption` and `TcpKeepalive`.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::model::address::{SocketOption, SocketState, TcpKeepalive};

/// Sets those options that are meant for this state and family of addresses.
///
/// # Errors
/// The system does not take one.
pub fn set_socket_options(
    socket: &impl AsRawFd,
    options: &[SocketOption],
    state: SocketState,
    is_ipv4: bool,
) -> io::Result<()> {
    let meant =
        |option: &&SocketOption| option.state == state && if is_ipv4 { option.ipv4 } else { option.ipv6 };
    options
        .iter()
        .filter(meant)
        .try_for_each(|option| set_option(socket, option.level, option.name, &option.value))
}

/// Sets one option.
///
/// # Errors
/// The system does not take it.
pub fn set_option(socket: &impl AsRawFd, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    let length = libc::socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and the value is as long as is said.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What is not set is left to the system.
#[must_use]
pub fn keepalive_options(keepalive: &TcpKeepalive) -> socket2::TcpKeepalive {
    let mut options = socket2::TcpKeepalive::new();
    if let Some(probes) = keepalive.probes {
        options = options.with_retries(probes);
    }
    if let Some(seconds) = keepalive.time_s {
        options = options.with_time(Duration::from_secs(seconds.into()));
    }
    if let Some(seconds) = keepalive.interval_s {
        options = options.with_interval(Duration::from_secs(seconds.into()));
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_set_where_they_are_meant() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
        let option = |value: i32, ipv6: bool| SocketOption {
            level: libc::SOL_SOCKET,
            name: libc::SO_PRIORITY,
            value: value.to_ne_bytes().to_vec(),
            state: SocketState::Prebind,
            ipv4: !ipv6,
            ipv6,
        };
        let options = [option(3, false), option(5, true)];
        let set = |state| set_socket_options(&socket, &options, state, true);
        let value = || {
            let (mut value, mut length) = (0_i32, 4);
            let place = std::ptr::from_mut(&mut value).cast();
            // SAFETY: both point to variables of this function, and the length is that of the value.
            unsafe {
                libc::getsockopt(
                    socket.as_raw_fd(),
                    libc::SOL_SOCKET,
                    libc::SO_PRIORITY,
                    place,
                    &raw mut length,
                )
            };
            value
        };
        set(SocketState::Bound).expect("nothing to set");
        assert_eq!(value(), 0);
        set(SocketState::Prebind).expect("set");
        assert_eq!(value(), 3);
        assert!(set_option(&socket, libc::SOL_SOCKET, 12_345, &[1]).is_err());
    }
}
