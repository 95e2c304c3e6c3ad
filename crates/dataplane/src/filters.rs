//! Filters of every layer, in the order in which a connection meets them.

pub mod http;
pub mod listener;
pub mod network;
