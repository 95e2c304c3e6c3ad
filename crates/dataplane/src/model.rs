//! The only configuration the data plane knows: complete, without "absent means".
//!
//! Owns the shape of what crosses from Python; `ferryman/config/model/` is its twin and says what each field
//! means. The golden files in `tests/model/` are read by both, and written back byte for byte by `tests/model.rs`.
//! Durations are milliseconds, sizes are bytes, `None` is "off" or "no limit". Does not know protobuf; whoever
//! uses a piece compiles it (regexes, formats, lookups).

pub mod access_log;
pub mod address;
pub mod bootstrap;
pub mod cluster;
pub mod compression;
pub mod filter_state;
pub mod format;
pub mod http_connection_manager;
pub mod http_filters;
pub mod listener;
pub mod listener_filter;
pub mod local_reply;
pub mod match_tree;
pub mod matcher;
pub mod metadata;
pub mod network_filter;
pub mod rate_limit;
pub mod redirect;
pub mod route;
pub mod runtime;
pub mod tls;
pub mod udp;
pub mod upstream_connection;

/// Reads one piece of the model from msgpack.
///
/// # Errors
/// The bytes are no such piece: Python and the data plane are not of the same version.
pub fn decode<'b, T: serde::Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, String> {
    rmp_serde::from_slice(bytes).map_err(|error| format!("the model does not fit this data plane: {error}"))
}

/// msgpack byte strings as `Vec<u8>` without another dependency.
mod bytes {
    use serde::de::{Deserializer, Visitor};
    use serde::ser::Serializer;

    pub fn serialize<S: Serializer>(value: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, value: &[u8]) -> Result<Vec<u8>, E> {
                Ok(value.to_vec())
            }
            fn visit_str<E>(self, value: &str) -> Result<Vec<u8>, E> {
                Ok(value.as_bytes().to_vec())
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
