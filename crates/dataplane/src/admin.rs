//! The admin listener: a small HTTP/1.1 server on the control thread, and its pages.
//!
//! Owns the pages that Envoy's page "Administration interface" lists, as far as they mean something here. Answers what
//! it can from Rust, so that `/ready`, `/stats` and `/clusters` work while Python is busy; sends the rest there.
//! Does not own what it shows: statistics are in `stats`, everything else comes through `ProxyState`.

mod connection;
mod counters;
mod pages;
mod parameters;
mod pretty_json;
mod proxy_state;
mod python_pages;
mod request;
mod response;
mod same_origin;
mod serve;

pub use proxy_state::{
    AdminAccess, ClusterStatus, DrainRequest, EdsHealthStatus, EndpointStatus, HealthFlag, ListenerStatus,
    ProxyState, ServerState,
};
pub use python_pages::{NoReply, PythonPage, PythonPages, PythonReply, PythonRequest};
pub use serve::{Listener, serve};
