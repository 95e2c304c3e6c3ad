//! The HTTP/1.1 codec, tested through its public face.

mod every_split;
mod reading;
