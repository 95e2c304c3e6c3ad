//! Compressed bodies: gzip, brotli, zstd.
//!
//! Owns: one interface to the libraries, so that a filter needs to know none of them, and the bounds of what a compressed
//! body may cost. Does not own: which bodies are compressed (`filters::http::compressor`, `filters::http::decompressor`).
//! Follows: RFC 1952, RFC 7932, RFC 8878, RFC 9659; Envoy's pages "Compressor" and "Decompressor".
//!
//! What one body may cost: gzip keeps 32 KiB, brotli 16 MiB (its largest window), zstd 8 MiB (RFC 9659 section 3: a larger
//! window is refused). At no time may a body be more than `max_inflate_ratio` times as large as what has come of it, 100 times
//! in brotli and zstd; one that would be is corrupt.

use crate::model::compression as model;

mod brotli;
mod gzip;
mod zstd;

/// How much larger a body may become, where the configuration does not say it.
const MAX_INFLATE_RATIO: u64 = 100;

/// What a step is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// To take input.
    Run,
    /// To write all that was taken.
    Flush,
    /// To end the body.
    Finish,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// How much input was taken.
    pub taken: usize,
    /// How much output was written.
    pub written: usize,
    /// Whether a flush or the end is complete; else there is more to write.
    pub done: bool,
}

/// How a filter compresses.
#[derive(Debug)]
pub enum CompressorLibrary {
    /// gzip.
    Gzip(gzip::GzipCompressor),
    /// brotli.
    Brotli(brotli::BrotliCompressor),
    /// zstd.
    Zstd(zstd::ZstdCompressor),
}

impl CompressorLibrary {
    /// From the configuration.
    #[must_use]
    pub fn new(model: &model::CompressorLibrary) -> Self {
        match model {
            model::CompressorLibrary::Gzip(model) => {
                CompressorLibrary::Gzip(gzip::GzipCompressor::new(model))
            }
            model::CompressorLibrary::Brotli(model) => {
                CompressorLibrary::Brotli(brotli::BrotliCompressor::new(model))
            }
            model::CompressorLibrary::Zstd(model) => {
                CompressorLibrary::Zstd(zstd::ZstdCompressor::new(model))
            }
        }
    }

    /// Its `content-encoding`.
    #[must_use]
    pub fn encoding(&self) -> &'static str {
        match self {
            CompressorLibrary::Gzip(_) => "gzip",
            CompressorLibrary::Brotli(_) => "br",
            CompressorLibrary::Zstd(_) => "zstd",
        }
    }

    /// Its name in statistics.
    #[must_use]
    pub fn stat_name(&self) -> &'static str {
        match self {
            CompressorLibrary::Gzip(_) => "gzip",
            CompressorLibrary::Brotli(_) => "brotli",
            CompressorLibrary::Zstd(_) => "zstd",
        }
    }

    /// The most that is written in one step.
    #[must_use]
    pub fn chunk_size(&self) -> usize {
        match self {
            CompressorLibrary::Gzip(library) => library.chunk_size,
            CompressorLibrary::Brotli(library) => library.chunk_size,
            CompressorLibrary::Zstd(library) => library.chunk_size,
        }
    }

    /// For one body.
    #[must_use]
    pub fn start(&self) -> Compressor {
        match self {
            CompressorLibrary::Gzip(library) => Compressor::Gzip(library.start()),
            CompressorLibrary::Brotli(library) => Compressor::Brotli(library.start()),
            CompressorLibrary::Zstd(library) => Compressor::Zstd(library.start()),
        }
    }
}

/// Compresses one body.
#[derive(Debug)]
pub enum Compressor {
    /// gzip.
    Gzip(gzip::GzipEncoder),
    /// brotli.
    Brotli(Box<brotli::BrotliEncoder>),
    /// zstd.
    Zstd(zstd::ZstdEncoder),
}

impl Compressor {
    /// One step. With input and room something is taken or written.
    pub fn step(&mut self, operation: Operation, input: &[u8], output: &mut [u8]) -> Moved {
        match self {
            Compressor::Gzip(encoder) => encoder.step(operation, input, output),
            Compressor::Brotli(encoder) => encoder.step(operation, input, output),
            Compressor::Zstd(encoder) => encoder.step(operation, input, output),
        }
    }
}

/// Why a body cannot be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corrupt {
    /// It breaks a rule of its format.
    Data,
    /// Its checksum is wrong.
    Checksum,
    /// It needs a dictionary that is not there.
    Dictionary,
    /// There is no memory for it.
    Memory,
    /// Something follows its end that is not part of it.
    Behind,
    /// It becomes too large.
    Bomb,
}

/// How a filter decompresses.
#[derive(Debug)]
pub enum DecompressorLibrary {
    /// gzip.
    Gzip(gzip::GzipDecompressor),
    /// brotli.
    Brotli(brotli::BrotliDecompressor),
    /// zstd.
    Zstd(zstd::ZstdDecompressor),
}

impl DecompressorLibrary {
    /// From the configuration.
    ///
    /// # Errors
    /// A dictionary is none.
    pub fn compile(model: &model::DecompressorLibrary) -> Result<Self, String> {
        Ok(match model {
            model::DecompressorLibrary::Gzip(model) => {
                DecompressorLibrary::Gzip(gzip::GzipDecompressor::new(model))
            }
            model::DecompressorLibrary::Brotli(model) => {
                DecompressorLibrary::Brotli(brotli::BrotliDecompressor::new(model))
            }
            model::DecompressorLibrary::Zstd(model) => {
                DecompressorLibrary::Zstd(zstd::ZstdDecompressor::compile(model)?)
            }
        })
    }

    /// Its `content-encoding`.
    #[must_use]
    pub fn encoding(&self) -> &'static str {
        match self {
            DecompressorLibrary::Gzip(_) => "gzip",
            DecompressorLibrary::Brotli(_) => "br",
            DecompressorLibrary::Zstd(_) => "zstd",
        }
    }

    /// Its name in statistics.
    #[must_use]
    pub fn stat_name(&self) -> &'static str {
        match self {
            DecompressorLibrary::Gzip(_) => "gzip",
            DecompressorLibrary::Brotli(_) => "brotli",
            DecompressorLibrary::Zstd(_) => "zstd",
        }
    }

    /// For one body.
    #[must_use]
    pub fn start(&self) -> Decompressor {
        let (decoder, ratio, chunk_size) = match self {
            DecompressorLibrary::Gzip(library) => {
                (Decoder::Gzip(library.start()), library.max_inflate_ratio, library.chunk_size)
            }
            DecompressorLibrary::Brotli(library) => {
                (Decoder::Brotli(library.start()), MAX_INFLATE_RATIO, library.chunk_size)
            }
            DecompressorLibrary::Zstd(library) => {
                (Decoder::Zstd(library.start()), MAX_INFLATE_RATIO, library.chunk_size)
            }
        };
        Decompressor { decoder, ratio, chunk_size, piece: 0, allowed: 0 }
    }
}

#[derive(Debug)]
enum Decoder {
    Gzip(gzip::GzipDecoder),
    Brotli(Box<brotli::BrotliDecoder>),
    Zstd(zstd::ZstdDecoder),
}

/// Decompresses one body, within bounds.
#[derive(Debug)]
pub struct Decompressor {
    decoder: Decoder,
    ratio: u64,
    chunk_size: usize,
    /// How much of the piece that was begun is left.
    piece: usize,
    /// How much may still come of all that has come so far.
    allowed: u64,
}

impl Decompressor {
    /// Takes input; what is not taken is to come again, alone. `done`: nothing of it is left to write.
    ///
    /// # Errors
    /// Why the body cannot be read on. What `output` got before is said in the pair.
    pub fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Moved, (Corrupt, Moved)> {
        if self.piece == 0 {
            self.piece = input.len();
            let more = self.ratio.saturating_mul(u64::try_from(input.len()).unwrap_or(u64::MAX));
            self.allowed = self.allowed.saturating_add(more);
        }
        let mut moved = Moved::default();
        while !moved.done && moved.written < output.len() {
            let room = output.get_mut(moved.written..).unwrap_or_default();
            let most = room.len().min(self.chunk_size);
            let (rest, room) = (input.get(moved.taken..).unwrap_or_default(), room.get_mut(..most));
            let step = self.decode(rest, room.unwrap_or_default()).map_err(|corrupt| (corrupt, moved))?;
            moved.taken += step.taken;
            moved.written += step.written;
            moved.done = step.done;
            // As in Envoy, the chunk that goes beyond the limit is let through.
            match self.allowed.checked_sub(u64::try_from(step.written).unwrap_or(u64::MAX)) {
                Some(allowed) => self.allowed = allowed,
                None => return Err((Corrupt::Bomb, moved)),
            }
        }
        self.piece = self.piece.saturating_sub(moved.taken);
        Ok(moved)
    }

    fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<Moved, Corrupt> {
        match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.step(input, output),
            Decoder::Brotli(decoder) => decoder.step(input, output),
            Decoder::Zstd(decoder) => decoder.step(input, output),
        }
    }
}

/// The most that is written in one step, from the configuration.
fn chunk_size(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
#[path = "compression_tests.rs"]
mod tests;
