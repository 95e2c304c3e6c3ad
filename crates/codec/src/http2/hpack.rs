//! Header compression.
//!
//! Owns: both tables, the string code, and the two directions. Does not own: what a header block must hold
//! (`http2/head.rs`), nor the frames it comes in.
//! Follows: RFC 7541.

pub(crate) mod decoder;
mod dynamic_table;
pub(crate) mod encoder;
mod huffman;
mod integer;
pub(crate) mod static_table;
#[cfg(test)]
mod vectors;
