//! TLS on either side.
//!
//! Owns: the list of its parts. `socket` moves the bytes, `session` is `rustls` without sockets, `downstream` is compiled of
//! a filter chain, `upstream` of a cluster; `certificates`, `validation`, `parameters` and `session_tickets` are what the configuration says.
//! Follows Envoy's pages "TLS" and `extensions.transport_sockets.tls.v3`.

pub mod certificates;
pub mod client_hello;
pub mod connection;
mod der;
pub mod downstream;
pub mod failure;
pub mod fingerprint;
mod handshake;
mod key_log;
pub mod loaded;
mod md5;
mod observed;
mod parameters;
pub mod peer;
pub mod reload;
mod session;
mod session_id;
mod session_tickets;
mod signatures;
mod socket;
pub mod subject_alt_names;
pub mod upstream;
pub mod validation;
mod verifiers;
pub mod x509;

pub use connection::TlsConnection;
pub use socket::TlsSocket;
