//! brotli (RFC 7932).
//!
//! Owns: the settings as Envoy has them. Does not own: the format (the crate `brotli`).
//! Follows Envoy's `extensions.compression.brotli`. Windows larger than the RFC's are refused.

use brotli::enc::StandardAlloc;
use brotli::enc::backward_references::BrotliEncoderMode;
use brotli::enc::encode::{BrotliEncoderOperation, BrotliEncoderStateStruct};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

use super::gzip::opaque;
use super::{Corrupt, Moved, Operation, chunk_size};
use crate::model::compression as model;

/// The settings.
#[derive(Debug)]
pub struct BrotliCompressor {
    quality: i32,
    mode: BrotliEncoderMode,
    window_bits: i32,
    input_block_bits: i32,
    disable_literal_context_modeling: bool,
    pub(super) chunk_size: usize,
}

impl BrotliCompressor {
    pub(super) fn new(model: &model::BrotliCompressor) -> Self {
        BrotliCompressor {
            quality: model.quality,
            mode: match model.encoder_mode {
                model::BrotliMode::Generic => BrotliEncoderMode::BROTLI_MODE_GENERIC,
                model::BrotliMode::Text => BrotliEncoderMode::BROTLI_MODE_TEXT,
                model::BrotliMode::Font => BrotliEncoderMode::BROTLI_MODE_FONT,
            },
            window_bits: model.window_bits,
            input_block_bits: model.input_block_bits,
            disable_literal_context_modeling: model.disable_literal_context_modeling,
            chunk_size: chunk_size(model.chunk_size),
        }
    }

    pub(super) fn start(&self) -> Box<BrotliEncoder> {
        let mut state = BrotliEncoderStateStruct::new(StandardAlloc::default());
        let parameters = &mut state.params;
        parameters.quality = self.quality;
        parameters.mode = self.mode;
        parameters.lgwin = self.window_bits;
        parameters.lgblock = self.input_block_bits;
        parameters.disable_literal_context_modeling = i32::from(self.disable_literal_context_modeling);
        Box::new(BrotliEncoder(state))
    }
}

/// Compresses one body.
pub struct BrotliEncoder(BrotliEncoderStateStruct<StandardAlloc>);

impl BrotliEncoder {
    pub(super) fn step(&mut self, operation: Operation, input: &[u8], output: &mut [u8]) -> Moved {
        let operation_of_library = match operation {
            Operation::Run => BrotliEncoderOperation::BROTLI_OPERATION_PROCESS,
            Operation::Flush => BrotliEncoderOperation::BROTLI_OPERATION_FLUSH,
            Operation::Finish => BrotliEncoderOperation::BROTLI_OPERATION_FINISH,
        };
        let (mut input_left, mut taken) = (input.len(), 0);
        let (mut output_left, mut written) = (output.len(), 0);
        let went_well = self.0.compress_stream(
            operation_of_library,
            &mut input_left,
            input,
            &mut taken,
            &mut output_left,
            output,
            &mut written,
            &mut None,
            &mut |_, _, _, _| (),
        );
        let done = match operation {
            Operation::Run => false,
            Operation::Flush => !self.0.has_more_output(),
            Operation::Finish => self.0.is_finished(),
        };
        Moved { taken, written, done: done || !went_well }
    }
}

impl Drop for BrotliEncoder {
    fn drop(&mut self) {
        brotli::enc::encode::BrotliEncoderDestroyInstance(&mut self.0);
    }
}

/// The settings.
#[derive(Debug)]
pub struct BrotliDecompressor {
    pub(super) chunk_size: usize,
}

impl BrotliDecompressor {
    pub(super) fn new(model: &model::BrotliDecompressor) -> Self {
        BrotliDecompressor { chunk_size: chunk_size(model.chunk_size) }
    }

    pub(super) fn start(&self) -> Box<BrotliDecoder> {
        // As the RFC says: no windows of more than 24 bits.
        let state = BrotliState::new_strict(
            StandardAlloc::default(),
            StandardAlloc::default(),
            StandardAlloc::default(),
        );
        Box::new(BrotliDecoder { state, has_ended: false })
    }
}

/// Decompresses one body.
pub struct BrotliDecoder {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    has_ended: bool,
}

impl BrotliDecoder {
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Moved, Corrupt> {
        if self.has_ended {
            let is_over = input.is_empty();
            return if is_over { Ok(Moved { done: true, ..Moved::default() }) } else { Err(Corrupt::Behind) };
        }
        let (mut input_left, mut taken) = (input.len(), 0);
        let (mut output_left, mut written, mut total) = (output.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut input_left,
            &mut taken,
            input,
            &mut output_left,
            &mut written,
            output,
            &mut total,
            &mut self.state,
        );
        let done = match result {
            BrotliResult::ResultSuccess => {
                self.has_ended = true;
                taken == input.len()
            }
            BrotliResult::NeedsMoreInput => true,
            BrotliResult::NeedsMoreOutput => false,
            BrotliResult::ResultFailure => return Err(Corrupt::Data),
        };
        Ok(Moved { taken, written, done })
    }
}

opaque!(BrotliEncoder, BrotliDecoder);
