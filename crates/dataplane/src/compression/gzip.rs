//! gzip (RFC 1952).
//!
//! Owns: the settings of zlib as Envoy has them. Does not own: the format (`zlib_rs`).
//! Follows Envoy's `extensions.compression.gzip`.

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateError, InflateFlush, Status, Strategy};

use super::{Corrupt, Moved, Operation, chunk_size};
use crate::model::compression as model;

/// What is added to the window bits for the format of gzip.
const GZIP: u8 = 16;

/// The settings.
#[derive(Debug)]
pub struct GzipCompressor {
    config: DeflateConfig,
    pub(super) chunk_size: usize,
}

impl GzipCompressor {
    pub(super) fn new(model: &model::GzipCompressor) -> Self {
        let config = DeflateConfig {
            level: model.compression_level,
            window_bits: i32::from(model.window_bits + GZIP),
            mem_level: i32::from(model.memory_level),
            strategy: match model.strategy {
                model::GzipStrategy::Default => Strategy::Default,
                model::GzipStrategy::Filtered => Strategy::Filtered,
                model::GzipStrategy::HuffmanOnly => Strategy::HuffmanOnly,
                model::GzipStrategy::Rle => Strategy::Rle,
                model::GzipStrategy::Fixed => Strategy::Fixed,
            },
            ..DeflateConfig::default()
        };
        GzipCompressor { config, chunk_size: chunk_size(model.chunk_size) }
    }

    pub(super) fn start(&self) -> GzipEncoder {
        GzipEncoder(Box::new(Deflate::new_with_config(self.config)))
    }
}

/// Compresses one body.
pub struct GzipEncoder(Box<Deflate>);

impl GzipEncoder {
    pub(super) fn step(&mut self, operation: Operation, input: &[u8], output: &mut [u8]) -> Moved {
        let (before_in, before_out) = (self.0.total_in(), self.0.total_out());
        let flush = match operation {
            Operation::Run => DeflateFlush::NoFlush,
            Operation::Flush => DeflateFlush::SyncFlush,
            Operation::Finish => DeflateFlush::Finish,
        };
        let status = self.0.compress(input, output, flush);
        let taken = usize::try_from(self.0.total_in() - before_in).unwrap_or(usize::MAX);
        let written = usize::try_from(self.0.total_out() - before_out).unwrap_or(usize::MAX);
        let done = match operation {
            Operation::Run => false,
            // All is written once there was room for more.
            Operation::Flush => written < output.len(),
            Operation::Finish => !matches!(status, Ok(Status::Ok | Status::BufError)),
        };
        Moved { taken, written, done }
    }
}

/// The settings.
#[derive(Debug)]
pub struct GzipDecompressor {
    window_bits: u8,
    pub(super) max_inflate_ratio: u64,
    pub(super) chunk_size: usize,
}

impl GzipDecompressor {
    pub(super) fn new(model: &model::GzipDecompressor) -> Self {
        GzipDecompressor {
            window_bits: model.window_bits,
            max_inflate_ratio: u64::from(model.max_inflate_ratio),
            chunk_size: chunk_size(model.chunk_size),
        }
    }

    pub(super) fn start(&self) -> GzipDecoder {
        GzipDecoder { inflate: Box::new(Inflate::new(true, self.window_bits + GZIP)), has_ended: false }
    }
}

/// Decompresses one body. As in Envoy, what follows its first member is dropped.
pub struct GzipDecoder {
    inflate: Box<Inflate>,
    has_ended: bool,
}

impl GzipDecoder {
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Moved, Corrupt> {
        if self.has_ended {
            return Ok(Moved { taken: input.len(), written: 0, done: true });
        }
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, output, InflateFlush::NoFlush);
        let mut taken = usize::try_from(self.inflate.total_in() - before_in).unwrap_or(usize::MAX);
        let written = usize::try_from(self.inflate.total_out() - before_out).unwrap_or(usize::MAX);
        match status {
            Ok(Status::StreamEnd) => {
                self.has_ended = true;
                taken = input.len();
            }
            Ok(Status::Ok | Status::BufError) => {}
            // What came before the mistake is good.
            Err(_) if written > 0 => {}
            Err(InflateError::MemError) => return Err(Corrupt::Memory),
            Err(_) => return Err(Corrupt::Data),
        }
        Ok(Moved { taken, written, done: self.has_ended || written < output.len() && taken == input.len() })
    }
}

macro_rules! opaque {
    ($($name:ident),*) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        })*
    };
}
pub(super) use opaque;

opaque!(GzipEncoder, GzipDecoder);
