//! Filters of every layer, in the order in which a connection meets them.

pub mod filter_state_values;
pub mod http;
pub mod listener;
pub mod network;
pub mod udp_listener;
