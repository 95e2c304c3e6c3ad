//! Network filters: what is done with a connection's bytes.

pub mod http_connection_manager;
