//! Decompresses the bodies of requests and responses (Envoy: `envoy.filters.http.decompressor`).
//!
//! Owns: which bodies are decompressed, what heads and trailers say of it, and what is counted. Does not own: the formats
//! and their bounds (`compression`), the way of a body through its filters (`http_stream/body_pipeline.rs`).
//! Follows Envoy's page "Decompressor"; RFC 9110 section 8.4.
//!
//! As in Envoy, a body that is corrupt or becomes too large ends where that was found: the message goes on without the rest.

use std::sync::{Arc, OnceLock};

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

use crate::compression::{Corrupt, Decompressor as Decoder, DecompressorLibrary};
use crate::decimal::Decimal;
use crate::model::http_filters::decompressor as model;
use crate::runtime::RuntimeFeatureFlag;
use crate::stats::{
    BrotliDecompressorStat, BrotliDecompressorStats, DecompressorStat, DecompressorStats, Registry, Scope,
    ZlibDecompressorStat, ZlibDecompressorStats, ZstdDecompressorStat, ZstdDecompressorStats,
};

use super::body::{BodyAnswer, BodyInput, BodyOutput, Direction, pass_on};
use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

/// The filter.
#[derive(Debug)]
pub struct Decompressor {
    library: DecompressorLibrary,
    library_stats: LibraryStats,
    request: DecompressorDirection,
    response: DecompressorDirection,
    advertise_accept_encoding: bool,
    compressed_bytes: HeaderName,
    uncompressed_bytes: HeaderName,
}

#[derive(Debug)]
struct DecompressorDirection {
    enabled: RuntimeFeatureFlag,
    ignore_no_transform_header: bool,
    stats: Scope<DecompressorStats>,
}

/// What is counted of corrupt bodies. As in Envoy, it is listed from the first body on that is decompressed.
#[derive(Debug)]
struct LibraryStats {
    registry: Arc<Registry>,
    prefix: String,
    scope: OnceLock<LibraryScope>,
}

#[derive(Debug)]
enum LibraryScope {
    Gzip(Scope<ZlibDecompressorStats>),
    Brotli(Scope<BrotliDecompressorStats>),
    Zstd(Scope<ZstdDecompressorStats>),
}

impl LibraryStats {
    fn of(&self, library: &DecompressorLibrary) -> &LibraryScope {
        self.scope.get_or_init(|| match library {
            DecompressorLibrary::Gzip(_) => LibraryScope::Gzip(self.registry.filter(&self.prefix)),
            DecompressorLibrary::Brotli(_) => LibraryScope::Brotli(self.registry.filter(&self.prefix)),
            DecompressorLibrary::Zstd(_) => LibraryScope::Zstd(self.registry.filter(&self.prefix)),
        })
    }

    fn count(&self, library: &DecompressorLibrary, corrupt: Corrupt, worker: usize) {
        match self.of(library) {
            LibraryScope::Gzip(scope) => scope.inc_on(
                worker,
                match corrupt {
                    Corrupt::Memory => ZlibDecompressorStat::ZlibMemError,
                    _ => ZlibDecompressorStat::ZlibDataError,
                },
            ),
            LibraryScope::Brotli(scope) => {
                // As in Envoy, which counts an error twice unless it has a name.
                let (stat, errors) = match corrupt {
                    Corrupt::Behind => (Some(BrotliDecompressorStat::BrotliRedundantInput), 1),
                    Corrupt::Bomb => (Some(BrotliDecompressorStat::BrotliOutputOverflow), 1),
                    _ => (None, 2),
                };
                stat.into_iter().for_each(|stat| scope.inc_on(worker, stat));
                scope.add_on(worker, BrotliDecompressorStat::BrotliError, errors);
            }
            LibraryScope::Zstd(scope) => scope.inc_on(
                worker,
                match corrupt {
                    Corrupt::Dictionary => ZstdDecompressorStat::ZstdDictionaryError,
                    Corrupt::Checksum => ZstdDecompressorStat::ZstdChecksumWrongError,
                    Corrupt::Memory => ZstdDecompressorStat::ZstdMemoryError,
                    _ => ZstdDecompressorStat::ZstdGenericError,
                },
            ),
        }
    }
}

/// What one stream keeps.
#[derive(Debug, Default)]
pub struct DecompressorState {
    /// Boxed, as the other one is: most streams need neither.
    request: Option<Box<Body>>,
    response: Option<Box<Body>>,
}

/// A body that is decompressed.
#[derive(Debug)]
struct Body {
    /// None: the rest of the body is dropped.
    decoder: Option<Decoder>,
    compressed_bytes: u64,
    uncompressed_bytes: u64,
}

impl Decompressor {
    /// Whether the body behind this head is to be decompressed; if so, the head says what it will be.
    fn begin(
        &self,
        direction: &DecompressorDirection,
        head: &mut HeaderBlock,
        worker: usize,
    ) -> Option<Box<Body>> {
        let may = direction.enabled.is_on()
            && (direction.ignore_no_transform_header || !says_no_transform(head))
            && take_encoding(head, self.library.encoding());
        if !may {
            direction.stats.inc_on(worker, DecompressorStat::NotDecompressed);
            return None;
        }
        direction.stats.inc_on(worker, DecompressorStat::Decompressed);
        self.library_stats.of(&self.library);
        head.remove(KnownName::ContentLength);
        let decoder = Some(self.library.start());
        Some(Box::new(Body { decoder, compressed_bytes: 0, uncompressed_bytes: 0 }))
    }

    /// Takes a piece, or with none what is left of the last one. Answers what was taken, and whether there is more to
    /// write.
    fn decompress(
        &self,
        body: &mut Body,
        stats: &Scope<DecompressorStats>,
        data: &[u8],
        output: &mut BodyOutput,
        worker: usize,
    ) -> (usize, bool) {
        let stepped = match &mut body.decoder {
            Some(decoder) => decoder.step(data, output.room()),
            None => Ok(crate::compression::Moved { taken: data.len(), written: 0, done: true }),
        };
        let (taken, written, done) = match stepped {
            Ok(moved) => (moved.taken, moved.written, moved.done),
            Err((corrupt, moved)) => {
                self.library_stats.count(&self.library, corrupt, worker);
                body.decoder = None;
                (data.len(), moved.written, true)
            }
        };
        output.wrote(written);
        let (taken_bytes, written_bytes) =
            (u64::try_from(taken).unwrap_or(u64::MAX), u64::try_from(written).unwrap_or(u64::MAX));
        body.compressed_bytes += taken_bytes;
        body.uncompressed_bytes += written_bytes;
        stats.add_on(worker, DecompressorStat::TotalCompressedBytes, taken_bytes);
        stats.add_on(worker, DecompressorStat::TotalUncompressedBytes, written_bytes);
        (taken, !done)
    }
}

fn says_no_transform(head: &HeaderBlock) -> bool {
    let mut values =
        head.get_all_known(KnownName::CacheControl).flat_map(|field| field.split(|&byte| byte == b','));
    values.any(|value| value.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}

/// Takes an encoding off the head. As in Envoy, it must be the first one that the head names.
fn take_encoding(head: &mut HeaderBlock, encoding: &str) -> bool {
    let Some(named) = head.get(KnownName::ContentEncoding) else { return false };
    let mut parts = named.splitn(2, |&byte| byte == b',');
    if !parts.next().is_some_and(|first| first.trim_ascii().eq_ignore_ascii_case(encoding.as_bytes())) {
        return false;
    }
    match parts.next().map(|rest| rest.trim_ascii().to_vec()) {
        Some(rest) => head.set(KnownName::ContentEncoding, &rest),
        None => head.remove(KnownName::ContentEncoding) > 0,
    }
}

/// Adds an encoding to what the upstream is told that we take: with full weight, so its own weight goes.
fn advertise(request: &mut HeaderBlock, encoding: &str) {
    let named = request.get(KnownName::AcceptEncoding).unwrap_or_default();
    let mut accepted = Vec::with_capacity(named.len() + 1 + encoding.len());
    for wish in named.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|wish| !wish.is_empty()) {
        let name = wish.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        if name != encoding.as_bytes() {
            accepted.extend_from_slice(wish);
            accepted.push(b',');
        }
    }
    accepted.extend_from_slice(encoding.as_bytes());
    request.set(KnownName::AcceptEncoding, &accepted);
}

impl BuiltInFilter for Decompressor {
    type Model = model::Decompressor;
    type State = DecompressorState;

    fn compile(model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        let library = DecompressorLibrary::compile(&model.library)?;
        let registry = &context.process.registry;
        let scope = context.stats_scope("decompressor");
        let prefix = format!("{scope}{}.{}.", model.library_name, library.stat_name());
        let direction = |model: &model::DecompressorDirection, name: &str| DecompressorDirection {
            enabled: RuntimeFeatureFlag::from(&model.enabled),
            ignore_no_transform_header: model.ignore_no_transform_header,
            stats: registry.filter(&format!("{prefix}{name}.")),
        };
        let trailer = |what: &str| {
            let name = format!("x-envoy-decompressor-{}-{what}", model.library_name).to_ascii_lowercase();
            HeaderName::new(name.as_bytes()).map_err(|_| {
                format!("the library's name '{}' cannot stand in the name of a trailer", model.library_name)
            })
        };
        Ok(Decompressor {
            request: direction(&model.request, "request"),
            response: direction(&model.response, "response"),
            advertise_accept_encoding: model.advertise_accept_encoding,
            compressed_bytes: trailer("compressed-bytes")?,
            uncompressed_bytes: trailer("uncompressed-bytes")?,
            library_stats: LibraryStats {
                registry: Arc::clone(registry),
                prefix: format!("{prefix}decompressor_library."),
                scope: OnceLock::new(),
            },
            library,
        })
    }

    fn takes_part_in(&self, phase: Phase, _route: RouteConfigs<'_>) -> bool {
        matches!(phase, Phase::RequestHeaders | Phase::ResponseHeaders)
    }

    fn on_request_headers(&self, state: &mut DecompressorState, context: &mut FilterContext<'_>) -> Answer {
        if self.advertise_accept_encoding && self.response.enabled.is_on() {
            advertise(context.request, self.library.encoding());
        }
        if context.request_has_body() {
            state.request = self.begin(&self.request, context.request, context.worker.index);
            context.wishes.transform_body = state.request.is_some();
        }
        Answer::Continue
    }

    fn on_response_headers(&self, state: &mut DecompressorState, context: &mut FilterContext<'_>) -> Answer {
        if !context.response_end_stream {
            state.response = self.begin(&self.response, context.response, context.worker.index);
            context.wishes.transform_body = state.response.is_some();
        }
        Answer::Continue
    }

    fn transform_body(
        &self,
        state: &mut DecompressorState,
        direction: Direction,
        input: BodyInput<'_>,
        output: &mut BodyOutput,
        context: &mut FilterContext<'_>,
    ) -> BodyAnswer {
        let worker = context.worker.index;
        let (body, stats) = match direction {
            Direction::Request => (&mut state.request, &self.request.stats),
            Direction::Response => (&mut state.response, &self.response.stats),
        };
        let Some(body) = body else { return pass_on(input, output) };
        match input {
            BodyInput::Data(data) => BodyAnswer::Took(self.decompress(body, stats, data, output, worker).0),
            BodyInput::Pause => BodyAnswer::Done,
            BodyInput::End(trailers) => {
                if self.decompress(body, stats, b"", output, worker).1 {
                    return BodyAnswer::Full;
                }
                for (name, bytes) in [
                    (&self.compressed_bytes, body.compressed_bytes),
                    (&self.uncompressed_bytes, body.uncompressed_bytes),
                ] {
                    trailers.append_name(name, Decimal::new(bytes).as_bytes());
                }
                BodyAnswer::Done
            }
        }
    }
}
