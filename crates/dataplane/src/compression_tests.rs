//! Round trips at any pieces, corrupt bodies, bombs.

use super::*;

fn libraries() -> [(CompressorLibrary, DecompressorLibrary); 3] {
    use model::{
        BrotliCompressor, BrotliDecompressor, BrotliMode, GzipCompressor, GzipDecompressor, GzipStrategy,
        ZstdCompressor, ZstdDecompressor, ZstdStrategy,
    };
    let gzip = GzipCompressor {
        memory_level: 5,
        compression_level: 6,
        strategy: GzipStrategy::Default,
        window_bits: 12,
        chunk_size: 4096,
    };
    let brotli = BrotliCompressor {
        quality: 3,
        encoder_mode: BrotliMode::Generic,
        window_bits: 18,
        input_block_bits: 24,
        chunk_size: 4096,
        disable_literal_context_modeling: false,
    };
    let zstd = ZstdCompressor {
        compression_level: 3,
        enable_checksum: true,
        strategy: ZstdStrategy::Default,
        dictionary: Vec::new(),
        chunk_size: 4096,
    };
    let gunzip = GzipDecompressor { window_bits: 15, chunk_size: 4096, max_inflate_ratio: 100 };
    let unbrotli = BrotliDecompressor { chunk_size: 4096 };
    let unzstd = ZstdDecompressor { dictionaries: Vec::new(), chunk_size: 4096 };
    [
        (model::CompressorLibrary::Gzip(gzip), model::DecompressorLibrary::Gzip(gunzip)),
        (model::CompressorLibrary::Brotli(brotli), model::DecompressorLibrary::Brotli(unbrotli)),
        (model::CompressorLibrary::Zstd(zstd), model::DecompressorLibrary::Zstd(unzstd)),
    ]
    .map(|(one, other)| (CompressorLibrary::new(&one), DecompressorLibrary::compile(&other).expect("good")))
}

fn compress(library: &CompressorLibrary, pieces: &[&[u8]], room: usize) -> Vec<u8> {
    let mut encoder = library.start();
    let (mut out, mut output) = (Vec::new(), vec![0; room]);
    let mut step = |operation, input: &mut &[u8]| {
        let moved = encoder.step(operation, input, &mut output);
        out.extend_from_slice(&output[..moved.written]);
        *input = &input[moved.taken..];
        moved.done
    };
    for mut piece in pieces.iter().copied() {
        while !piece.is_empty() {
            step(Operation::Run, &mut piece);
        }
        while !step(Operation::Flush, &mut &b""[..]) {}
    }
    while !step(Operation::Finish, &mut &b""[..]) {}
    out
}

fn decompress(
    library: &DecompressorLibrary,
    body: &[u8],
    piece: usize,
    room: usize,
) -> Result<Vec<u8>, Corrupt> {
    let mut decoder = library.start();
    let (mut out, mut output) = (Vec::new(), vec![0; room]);
    for mut piece in body.chunks(piece) {
        loop {
            let moved = decoder.step(piece, &mut output).map_err(|(corrupt, _)| corrupt)?;
            out.extend_from_slice(&output[..moved.written]);
            piece = &piece[moved.taken..];
            if moved.done {
                break;
            }
        }
    }
    Ok(out)
}

/// Text that can be compressed, but not too well.
fn text(length: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"etaoin shrdlu\n"[usize::try_from(state >> 24).expect("small") % 14]
    };
    (0..length).map(|_| byte()).collect()
}

#[test]
fn what_was_compressed_comes_back_in_any_pieces() {
    let body = text(70_000);
    for (compressor, decompressor) in libraries() {
        for (pieces, room) in [(1, 64), (7, 4096), (1000, 100), (70_000, 16_384)] {
            let pieces: Vec<_> = body.chunks(body.len().div_ceil(pieces)).collect();
            let compressed = compress(&compressor, &pieces, room);
            for (piece, room) in [(1, 4096), (13, 7), (compressed.len(), 1), (4096, 16_384)] {
                let found = decompress(&decompressor, &compressed, piece, room).expect("sound");
                assert!(found == body, "{} in pieces of {piece}", compressor.encoding());
            }
        }
    }
}

#[test]
fn an_empty_body_is_a_body() {
    for (compressor, decompressor) in libraries() {
        let compressed = compress(&compressor, &[], 4096);
        assert!(!compressed.is_empty());
        assert_eq!(decompress(&decompressor, &compressed, 1, 10), Ok(Vec::new()));
    }
}

#[test]
fn a_flush_brings_out_all_that_was_taken() {
    for (compressor, decompressor) in libraries() {
        let mut encoder = compressor.start();
        let mut output = vec![0; 4096];
        let first = encoder.step(Operation::Run, b"hello", &mut output).written;
        let second = encoder.step(Operation::Flush, b"", &mut output[first..]).written;
        let found = decompress(&decompressor, &output[..first + second], 1, 100);
        assert_eq!(found, Ok(b"hello".to_vec()), "{}", compressor.encoding());
    }
}

#[test]
fn a_bomb_is_found_within_a_chunk() {
    for (compressor, decompressor) in libraries() {
        let compressed = compress(&compressor, &[&vec![b'a'; 5_000_000]], 4096);
        let mut decoder = decompressor.start();
        let mut output = vec![0; 16_384];
        let (mut input, mut written) = (&compressed[..], 0);
        let limit = 100 * compressed.len();
        let corrupt = loop {
            match decoder.step(input, &mut output) {
                Ok(moved) => {
                    written += moved.written;
                    input = &input[moved.taken..];
                    assert!(!moved.done, "{}", compressor.encoding());
                }
                Err((corrupt, moved)) => {
                    written += moved.written;
                    break corrupt;
                }
            }
        };
        assert_eq!(corrupt, Corrupt::Bomb);
        assert!(written > limit && written <= limit + 4096, "{written} of {limit}");
    }
}

#[test]
fn what_is_corrupt_is_an_error_and_never_a_panic() {
    let body = text(3000);
    for (compressor, decompressor) in libraries() {
        let sound = compress(&compressor, &[&body], 4096);
        for index in 0..sound.len() {
            let mut broken = sound.clone();
            broken[index] ^= 0x55;
            // Whatever comes of it.
            let found = decompress(&decompressor, &broken, 100, 1000);
            assert!(found.is_err() || found.is_ok());
        }
        let none = b"this is nothing that was ever compressed";
        assert_eq!(decompress(&decompressor, none, 5, 100), Err(Corrupt::Data));
    }
}
