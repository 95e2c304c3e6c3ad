//! Where our connections come from.
//!
//! Owns: the choice of the source address for a destination, and binding to it. Does not own: connecting (`raw_buffer`).
//! Follows Envoy's `config.core.v3.BindConfig`: the first source address of the destination's family.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use socket2::SockRef;

use super::socket_options::set_socket_options;
use crate::model::address::{SocketOption, SocketState, socket_address};
use crate::model::upstream_connection::UpstreamBind;

/// The source addresses of a cluster, and the options of its sockets.
#[derive(Debug, Default)]
pub struct SourceAddresses {
    sources: Vec<(SocketAddr, Vec<SocketOption>)>,
    freebind: bool,
    socket_options: Vec<SocketOption>,
}

impl SourceAddresses {
    /// Compiles them; none: the system chooses.
    ///
    /// # Errors
    /// An address that is none.
    pub fn compile(model: Option<&UpstreamBind>) -> Result<Self, String> {
        let Some(model) = model else { return Ok(SourceAddresses::default()) };
        let source = |source: &crate::model::upstream_connection::SourceAddress| {
            let address = socket_address(&source.ip, source.port)
                .ok_or_else(|| format!("'{}' is not an IP address", source.ip))?;
            Ok((address, source.socket_options.clone()))
        };
        Ok(SourceAddresses {
            sources: model.sources.iter().map(source).collect::<Result<_, String>>()?,
            freebind: model.freebind,
            socket_options: model.socket_options.clone(),
        })
    }

    /// Makes a new socket that will connect to `destination` come from where it should.
    ///
    /// # Errors
    /// The system does not take an option or the address.
    pub fn bind(&self, socket: &(impl AsFd + AsRawFd), destination: SocketAddr) -> io::Result<()> {
        let is_ipv4 = destination.is_ipv4();
        let source = self.sources.iter().find(|(source, _)| source.is_ipv4() == is_ipv4);
        let own = source.map(|(_, options)| options.as_slice()).unwrap_or_default();
        let set = |state| {
            set_socket_options(socket, &self.socket_options, state, is_ipv4)?;
            set_socket_options(socket, own, state, is_ipv4)
        };
        if self.freebind && source.is_some() {
            let socket = SockRef::from(socket);
            if is_ipv4 { socket.set_freebind_v4(true) } else { socket.set_freebind_v6(true) }?;
        }
        set(SocketState::Prebind)?;
        if let Some((source, _)) = source {
            SockRef::from(socket).bind(&(*source).into())?;
        }
        set(SocketState::Bound)
    }
}
