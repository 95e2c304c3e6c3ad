//! zstd (RFC 8878, RFC 9659).
//!
//! Owns: the settings as Envoy has them, the choice of a dictionary, and the largest window. Does not own: the format
//! (`zstd_safe`).
//! Follows Envoy's `extensions.compression.zstd`.

use std::sync::Arc;

use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, Strategy, get_error_name};

use super::gzip::opaque;
use super::{Corrupt, Moved, Operation, chunk_size};
use crate::model::compression as model;

/// The largest window that a content coding may ask for: 8 MiB (RFC 9659 section 3).
const MOST_WINDOW_BITS: u32 = 23;
/// How much of a frame says which dictionary it needs, at most (RFC 8878 section 3.1.1.1).
const FRAME_HEADER_BYTES: usize = 18;

/// The settings.
#[derive(Debug)]
pub struct ZstdCompressor {
    compression_level: i32,
    enable_checksum: bool,
    strategy: Option<Strategy>,
    dictionary: Box<[u8]>,
    pub(super) chunk_size: usize,
}

impl ZstdCompressor {
    pub(super) fn new(model: &model::ZstdCompressor) -> Self {
        ZstdCompressor {
            compression_level: model.compression_level,
            enable_checksum: model.enable_checksum,
            strategy: match model.strategy {
                model::ZstdStrategy::Default => None,
                model::ZstdStrategy::Fast => Some(Strategy::ZSTD_fast),
                model::ZstdStrategy::Dfast => Some(Strategy::ZSTD_dfast),
                model::ZstdStrategy::Greedy => Some(Strategy::ZSTD_greedy),
                model::ZstdStrategy::Lazy => Some(Strategy::ZSTD_lazy),
                model::ZstdStrategy::Lazy2 => Some(Strategy::ZSTD_lazy2),
                model::ZstdStrategy::Btlazy2 => Some(Strategy::ZSTD_btlazy2),
                model::ZstdStrategy::Btopt => Some(Strategy::ZSTD_btopt),
                model::ZstdStrategy::Btultra => Some(Strategy::ZSTD_btultra),
                model::ZstdStrategy::Btultra2 => Some(Strategy::ZSTD_btultra2),
            },
            dictionary: model.dictionary.as_slice().into(),
            chunk_size: chunk_size(model.chunk_size),
        }
    }

    pub(super) fn start(&self) -> ZstdEncoder {
        let Some(mut context) = CCtx::try_create() else { return ZstdEncoder(None) };
        let parameters = [
            Some(CParameter::CompressionLevel(self.compression_level)),
            Some(CParameter::ChecksumFlag(self.enable_checksum)),
            self.strategy.map(CParameter::Strategy),
        ];
        for parameter in parameters.into_iter().flatten() {
            // The rules of the fields keep them in the library's range.
            let _taken: bool = context.set_parameter(parameter).is_ok();
        }
        if !self.dictionary.is_empty() && context.load_dictionary(&self.dictionary).is_err() {
            return ZstdEncoder(None);
        }
        ZstdEncoder(Some(context))
    }
}

/// Compresses one body. None: there is no memory for it; what comes out is then no frame.
pub struct ZstdEncoder(Option<CCtx<'static>>);

impl ZstdEncoder {
    pub(super) fn step(&mut self, operation: Operation, input: &[u8], output: &mut [u8]) -> Moved {
        let broken = Moved { taken: input.len(), written: 0, done: true };
        let Some(context) = &mut self.0 else { return broken };
        let directive = match operation {
            Operation::Run => ZSTD_EndDirective::ZSTD_e_continue,
            Operation::Flush => ZSTD_EndDirective::ZSTD_e_flush,
            Operation::Finish => ZSTD_EndDirective::ZSTD_e_end,
        };
        let mut input = InBuffer::around(input);
        let mut output = OutBuffer::around(output);
        match context.compress_stream2(&mut output, &mut input, directive) {
            Ok(left) => Moved {
                taken: input.pos(),
                written: output.pos(),
                done: operation != Operation::Run && left == 0,
            },
            Err(_) => broken,
        }
    }
}

/// The settings.
#[derive(Debug)]
pub struct ZstdDecompressor {
    /// By their ids.
    dictionaries: Arc<[(u32, Box<[u8]>)]>,
    pub(super) chunk_size: usize,
}

impl ZstdDecompressor {
    pub(super) fn compile(model: &model::ZstdDecompressor) -> Result<Self, String> {
        let with_id =
            |model::Dictionary(dictionary): &model::Dictionary| match zstd_safe::get_dict_id_from_dict(
                dictionary,
            ) {
                Some(id) => Ok((id.get(), dictionary.as_slice().into())),
                None => Err("a zstd dictionary has no id, so it can be found by no frame".to_owned()),
            };
        Ok(ZstdDecompressor {
            dictionaries: model.dictionaries.iter().map(with_id).collect::<Result<_, _>>()?,
            chunk_size: chunk_size(model.chunk_size),
        })
    }

    pub(super) fn start(&self) -> ZstdDecoder {
        let mut context = DCtx::try_create();
        if let Some(context) = &mut context {
            // It is in the library's range.
            let _taken: bool = context.set_parameter(DParameter::WindowLogMax(MOST_WINDOW_BITS)).is_ok();
        }
        ZstdDecoder {
            context,
            dictionaries: Arc::clone(&self.dictionaries),
            header: Vec::new(),
            is_begun: self.dictionaries.is_empty(),
        }
    }
}

/// Decompresses one body.
pub struct ZstdDecoder {
    context: Option<DCtx<'static>>,
    dictionaries: Arc<[(u32, Box<[u8]>)]>,
    /// What has come of the first frame's header, and is not decoded yet; only where there are dictionaries.
    header: Vec<u8>,
    is_begun: bool,
}

impl ZstdDecoder {
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Moved, Corrupt> {
        if self.is_begun && self.header.is_empty() {
            return self.decode(input, output);
        }
        let taken = FRAME_HEADER_BYTES.saturating_sub(self.header.len()).min(input.len());
        self.header.extend_from_slice(input.get(..taken).unwrap_or_default());
        if !self.is_begun {
            let id = zstd_safe::get_dict_id_from_frame(&self.header);
            if id.is_none() && self.header.len() < FRAME_HEADER_BYTES && !input.is_empty() {
                return Ok(Moved { taken, written: 0, done: true });
            }
            self.is_begun = true;
            if let Some(id) = id {
                self.use_dictionary(id.get())?;
            }
        }
        let mut header = std::mem::take(&mut self.header);
        let moved = self.decode(&header, output)?;
        header.drain(..moved.taken);
        let done = moved.done && taken == input.len();
        self.header = header;
        Ok(Moved { taken, done, ..moved })
    }

    fn use_dictionary(&mut self, id: u32) -> Result<(), Corrupt> {
        let dictionary = self.dictionaries.iter().find(|(known, _)| *known == id);
        let (Some((_, dictionary)), Some(context)) = (dictionary, &mut self.context) else {
            return Err(Corrupt::Dictionary);
        };
        context.load_dictionary(dictionary).map(drop).map_err(|_| Corrupt::Dictionary)
    }

    fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<Moved, Corrupt> {
        let context = self.context.as_mut().ok_or(Corrupt::Memory)?;
        let (available, room) = (input.len(), output.len());
        let mut input = InBuffer::around(input);
        let mut output = OutBuffer::around(output);
        match context.decompress_stream(&mut output, &mut input) {
            Ok(_) => {
                let (taken, written) = (input.pos(), output.pos());
                Ok(Moved { taken, written, done: written < room && taken == available })
            }
            // What came before the mistake is good.
            Err(_) if output.pos() > 0 => {
                Ok(Moved { taken: input.pos(), written: output.pos(), done: false })
            }
            Err(code) => Err(match get_error_name(code) {
                "Dictionary mismatch" | "Dictionary is corrupted" => Corrupt::Dictionary,
                "Restored data doesn't match checksum" => Corrupt::Checksum,
                "Allocation error : not enough memory" => Corrupt::Memory,
                _ => Corrupt::Data,
            }),
        }
    }
}

opaque!(ZstdEncoder, ZstdDecoder);
