//! The HTTP connection manager (Envoy: `envoy.filters.network.http_connection_manager`).

pub mod connection_facts;
mod connection_header;
mod forwarded;
mod host_normalization;
mod path_normalization;
mod referer;
mod request_headers;
mod request_id;
mod response_headers;

pub use connection_facts::ConnectionFacts;
pub(crate) use host_normalization::port_start;
pub use request_headers::{Refusal, RequestFacts, RequestHeaderPolicy};
pub use response_headers::ResponseHeaderPolicy;
