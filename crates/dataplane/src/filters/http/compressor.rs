//! Compresses the bodies of responses, and of requests (Envoy: `envoy.filters.http.compressor`).
//!
//! Owns: which bodies are compressed, what is said of it in the head, and what is counted. Does not own: the formats
//! (`compression`), the way of a body through its filters (`http_stream/body_pipeline.rs`).
//! Follows Envoy's page "Compressor"; RFC 9110 sections 8.4 and 12.5.
//!
//! Of several compressors on a stream only one compresses: each notes in the filter state of the stream what it offers, and
//! all choose by the same rule.

use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

use crate::compression::{Compressor as Encoder, CompressorLibrary, Operation};
use crate::model::http_filters::compressor as model;
use crate::stats::{
    CompressorDirectionStat, CompressorDirectionStats, CompressorStat, CompressorStats, Scope,
};
use crate::stream_info::FilterStateObject;
use crate::stream_info::filter_state::SharedWithUpstream;

use super::body::{BodyAnswer, BodyInput, BodyOutput, Direction};
use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

mod accept_encoding;
mod direction;

use accept_encoding::{Choice, Offer, choose};
use direction::{CompressorDirection, has_value};

/// Where the compressors of a stream find each other.
const OFFERS: &str = "envoy.filters.http.compressor.offers";

/// The filter.
#[derive(Debug)]
pub struct Compressor {
    library: CompressorLibrary,
    choose_first: bool,
    request: CompressorDirection,
    response: Arc<CompressorDirection>,
    disable_on_etag_header: bool,
    weaken_etag_on_compress: bool,
    remove_accept_encoding_header: bool,
    uncompressible_response_codes: Vec<u16>,
    /// The name of the header that says what was decided; none: nothing is said.
    status_header: Option<HeaderName>,
    stats: Scope<CompressorStats>,
}

/// What a route says to it.
#[derive(Debug)]
pub struct CompressorPerRoute {
    response_enabled: Option<bool>,
    remove_accept_encoding_header: Option<bool>,
    library: Option<CompressorLibrary>,
}

impl CompressorPerRoute {
    pub(super) fn new(model: &model::CompressorPerRoute) -> Self {
        CompressorPerRoute {
            response_enabled: model.response_enabled,
            remove_accept_encoding_header: model.remove_accept_encoding_header,
            library: model.library.as_ref().map(CompressorLibrary::new),
        }
    }
}

/// What one stream keeps.
#[derive(Debug, Default)]
pub struct CompressorState {
    /// What the client wants; none: it does not say.
    accept_encoding: Option<Vec<u8>>,
    /// Boxed, as the other one is: most streams need neither.
    request: Option<Box<Encoder>>,
    response: Option<Box<Encoder>>,
}

/// What the compressors of a stream offer, in the order of the filters.
#[derive(Debug, Default)]
struct Offers(RefCell<Vec<(Offer, Arc<CompressorDirection>)>>);

impl FilterStateObject for Offers {
    fn serialize(&self) -> Option<Cow<'_, [u8]>> {
        None
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Compressor {
    fn library<'a>(&'a self, context: &FilterContext<'a>) -> &'a CompressorLibrary {
        let of_route = context.route_config::<CompressorPerRoute>();
        of_route.and_then(|route| route.library.as_ref()).unwrap_or(&self.library)
    }

    fn compresses_responses(&self, context: &FilterContext<'_>) -> bool {
        let of_route = context.route_config::<CompressorPerRoute>();
        of_route.and_then(|route| route.response_enabled).unwrap_or_else(|| self.response.enabled.is_on())
    }

    /// Notes what this filter offers to the stream.
    fn offer(&self, context: &mut FilterContext<'_>) {
        let encoding = self.library(context).encoding();
        let offer = (Offer { encoding, choose_first: self.choose_first }, Arc::clone(&self.response));
        let filter_state = &mut context.info.filter_state;
        if let Some(offers) = filter_state.get::<Offers>(OFFERS) {
            return offers.0.borrow_mut().push(offer);
        }
        let offers = Rc::new(Offers(RefCell::new(vec![offer])));
        // Where there is no room for it, nothing is compressed.
        let _noted: bool = filter_state.set(OFFERS, offers, SharedWithUpstream::None);
    }

    fn compress_request(&self, state: &mut CompressorState, context: &mut FilterContext<'_>) {
        let worker = context.worker.index;
        let request = &*context.request;
        let is_tunnel = request.contains(KnownName::Upgrade)
            || request.get(KnownName::Method).is_some_and(|method| method == b"CONNECT");
        let compresses = context.request_has_body()
            && !is_tunnel
            && self.request.enabled.is_on()
            && self.request.is_long_enough(request, worker)
            && self.request.takes_type(request)
            && !request.contains(KnownName::ContentEncoding);
        if !compresses {
            return self.request.stats.inc_on(worker, CompressorDirectionStat::NotCompressed);
        }
        let library = self.library(context);
        mark(context.request, library);
        self.request.stats.inc_on(worker, CompressorDirectionStat::Compressed);
        state.request = Some(Box::new(library.start()));
        context.wishes.transform_body = true;
    }

    /// Whether the client wants this filter's encoding, all others considered; counts why or why not.
    fn is_wanted(&self, state: &CompressorState, context: &FilterContext<'_>) -> bool {
        let worker = context.worker.index;
        let Some(accept_encoding) = &state.accept_encoding else {
            self.stats.inc_on(worker, CompressorStat::NoAcceptHeader);
            return false;
        };
        let mut offers = Vec::new();
        if let Some(noted) = context.info.filter_state.get::<Offers>(OFFERS) {
            let noted = noted.0.borrow();
            let taking = noted.iter().filter(|(_, direction)| direction.takes_type(context.response));
            offers.extend(taking.map(|(offer, _)| *offer));
        }
        let own = self.library(context).encoding();
        let (stat, wanted) = match choose(accept_encoding, &offers) {
            Choice::Named(encoding) if encoding == own => (CompressorStat::HeaderCompressorUsed, true),
            Choice::Named(_) => (CompressorStat::HeaderCompressorOvershadowed, false),
            Choice::Any(encoding) => (CompressorStat::HeaderWildcard, encoding == own),
            Choice::Identity => (CompressorStat::HeaderIdentity, false),
            Choice::NotValid => (CompressorStat::HeaderNotValid, false),
        };
        self.stats.inc_on(worker, stat);
        wanted
    }

    /// Whether the etag is no reason against compressing.
    fn takes_etag(&self, response: &HeaderBlock) -> bool {
        !self.disable_on_etag_header || self.weaken_etag_on_compress || !response.contains(KnownName::Etag)
    }

    fn takes_code(&self, context: &FilterContext<'_>) -> bool {
        !context.info.response_code.is_some_and(|code| self.uncompressible_response_codes.contains(&code))
    }

    fn compress_response(&self, state: &mut CompressorState, context: &mut FilterContext<'_>) {
        let worker = context.worker.index;
        let (wanted, compressible) = if self.status_header.is_some() {
            self.judge_and_tell(state, context)
        } else {
            self.judge(state, context)
        };
        if !wanted || !compressible {
            self.response.stats.inc_on(worker, CompressorDirectionStat::NotCompressed);
        } else {
            self.tell_compressed(context);
            let library = self.library(context);
            let response = &mut *context.response;
            self.sanitize_etag(response);
            mark(response, library);
            self.response.stats.inc_on(worker, CompressorDirectionStat::Compressed);
            state.response = Some(Box::new(library.start()));
            context.wishes.transform_body = true;
        }
        if compressible {
            insert_vary(context.response);
        }
    }

    /// Whether the client wants the response compressed, and whether it can be. As in Envoy, all that is in the way is
    /// counted.
    fn judge(&self, state: &CompressorState, context: &FilterContext<'_>) -> (bool, bool) {
        let worker = context.worker.index;
        let response = &*context.response;
        let is_long = self.compresses_responses(context) && self.response.is_long_enough(response, worker);
        let mut compressible = is_long && self.response.takes_type(response) && can_be_transformed(context);
        if compressible && !self.takes_etag(response) {
            self.stats.inc_on(worker, CompressorStat::NotCompressedEtag);
            compressible = false;
        }
        compressible =
            compressible && !response.contains(KnownName::ContentEncoding) && self.takes_code(context);
        let wanted = !context.response_end_stream && is_long && self.is_wanted(state, context);
        (wanted, compressible)
    }

    /// The same where the response says what was in the way: of several reasons the first one.
    fn judge_and_tell(&self, state: &CompressorState, context: &mut FilterContext<'_>) -> (bool, bool) {
        let worker = context.worker.index;
        if !self.compresses_responses(context)
            || !can_be_transformed(context)
            || context.response.contains(KnownName::ContentEncoding)
        {
            return (false, false);
        }
        let is_long = self.response.is_long_enough(context.response, worker);
        let takes_type = self.response.takes_type(context.response);
        let (takes_etag, takes_code) = (self.takes_etag(context.response), self.takes_code(context));
        if context.response_end_stream {
            return (false, is_long && takes_type && takes_etag && takes_code);
        }
        let reason = if !is_long {
            // As in Envoy, it counts twice.
            self.response.stats.inc_on(worker, CompressorDirectionStat::ContentLengthTooSmall);
            "ContentLengthTooSmall"
        } else if !takes_type {
            "ContentTypeNotAllowed"
        } else if !takes_etag {
            self.stats.inc_on(worker, CompressorStat::NotCompressedEtag);
            "EtagNotAllowed"
        } else if !takes_code {
            "StatusCodeNotAllowed"
        } else {
            return (self.is_wanted(state, context), true);
        };
        self.tell(context, &[reason.as_bytes()]);
        (false, false)
    }

    fn tell_compressed(&self, context: &mut FilterContext<'_>) {
        if self.status_header.is_some() {
            let length = context.response.get(KnownName::ContentLength).unwrap_or_default().to_vec();
            self.tell(context, &[b"Compressed;OriginalLength=", &length]);
        }
    }

    /// Says in the response what was decided.
    fn tell(&self, context: &mut FilterContext<'_>, text: &[&[u8]]) {
        let Some(name) = &self.status_header else { return };
        let encoding = self.library(context).encoding();
        let value = [encoding.as_bytes(), b";", &text.concat()].concat();
        context.response.append_name(name, &value);
    }

    /// A strong etag is that of other bytes.
    fn sanitize_etag(&self, response: &mut HeaderBlock) {
        let Some(etag) = response.get(KnownName::Etag) else { return };
        if matches!(etag, [b'W' | b'w', b'/', ..]) {
            return;
        }
        let weak = self.weaken_etag_on_compress.then(|| [b"W/", etag].concat());
        match weak {
            Some(weak) => {
                response.set(KnownName::Etag, &weak);
            }
            None => {
                response.remove(KnownName::Etag);
            }
        }
    }
}

/// Whether the response is a message of HTTP that may be changed on its way (RFC 9111 section 5.2.2.6).
fn can_be_transformed(context: &FilterContext<'_>) -> bool {
    let is_tunnel = context.response.contains(KnownName::Upgrade)
        || context.request.get(KnownName::Method).is_some_and(|method| method == b"CONNECT");
    !is_tunnel && !has_value(context.response, KnownName::CacheControl, b"no-transform")
}

/// Says in the head that the body is compressed.
fn mark(head: &mut HeaderBlock, library: &CompressorLibrary) {
    head.remove(KnownName::ContentLength);
    head.set(KnownName::ContentEncoding, library.encoding().as_bytes());
}

/// Tells caches that the response depends on what the client takes. As in Envoy, the case counts.
fn insert_vary(response: &mut HeaderBlock) {
    const NAME: &[u8] = b"Accept-Encoding";
    let has_it = response
        .get_all_known(KnownName::Vary)
        .flat_map(|field| field.split(|&byte| byte == b','))
        .any(|value| value.trim_ascii() == NAME);
    if has_it {
        return;
    }
    let mut vary = response.get_all_known(KnownName::Vary).collect::<Vec<_>>().join(&b","[..]);
    if !vary.is_empty() {
        vary.extend_from_slice(b", ");
    }
    vary.extend_from_slice(NAME);
    response.set(KnownName::Vary, &vary);
}

impl BuiltInFilter for Compressor {
    type Model = model::Compressor;
    type State = CompressorState;

    fn compile(model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        let library = CompressorLibrary::new(&model.library);
        let scope = context.stats_scope("compressor");
        let prefix = format!("{scope}{}.{}.", model.library_name, library.stat_name());
        let status_header =
            model.status_header_enabled.then(|| HeaderName::new(b"x-envoy-compression-status"));
        Ok(Compressor {
            choose_first: model.choose_first,
            request: CompressorDirection::compile(&model.request, context, &prefix)?,
            response: Arc::new(CompressorDirection::compile(&model.response, context, &prefix)?),
            disable_on_etag_header: model.disable_on_etag_header,
            weaken_etag_on_compress: model.weaken_etag_on_compress,
            remove_accept_encoding_header: model.remove_accept_encoding_header,
            uncompressible_response_codes: model.uncompressible_response_codes.clone(),
            status_header: status_header.and_then(Result::ok),
            stats: context.process.registry.filter(&prefix),
            library,
        })
    }

    fn takes_part_in(&self, phase: Phase, _route: RouteConfigs<'_>) -> bool {
        matches!(phase, Phase::RequestHeaders | Phase::ResponseHeaders)
    }

    fn on_request_headers(&self, state: &mut CompressorState, context: &mut FilterContext<'_>) -> Answer {
        state.accept_encoding = context.request.get(KnownName::AcceptEncoding).map(<[u8]>::to_vec);
        if state.accept_encoding.is_some() {
            self.offer(context);
            let of_route = context.route_config::<CompressorPerRoute>();
            let removes = of_route
                .and_then(|route| route.remove_accept_encoding_header)
                .unwrap_or(self.remove_accept_encoding_header);
            if removes && self.compresses_responses(context) {
                context.request.remove(KnownName::AcceptEncoding);
            }
        }
        self.compress_request(state, context);
        Answer::Continue
    }

    fn on_response_headers(&self, state: &mut CompressorState, context: &mut FilterContext<'_>) -> Answer {
        self.compress_response(state, context);
        Answer::Continue
    }

    fn transform_body(
        &self,
        state: &mut CompressorState,
        direction: Direction,
        input: BodyInput<'_>,
        output: &mut BodyOutput,
        context: &mut FilterContext<'_>,
    ) -> BodyAnswer {
        let (encoder, stats) = match direction {
            Direction::Request => (&mut state.request, &self.request.stats),
            Direction::Response => (&mut state.response, &self.response.stats),
        };
        let Some(encoder) = encoder else { return super::body::pass_on(input, output) };
        compress(encoder, input, (output, self.library.chunk_size()), stats, context.worker.index)
    }
}

/// `room`: where to, and how much at once.
fn compress(
    encoder: &mut Encoder,
    input: BodyInput<'_>,
    room: (&mut BodyOutput, usize),
    stats: &Scope<CompressorDirectionStats>,
    worker: usize,
) -> BodyAnswer {
    let (operation, data) = match &input {
        BodyInput::Data(data) => (Operation::Run, *data),
        BodyInput::Pause => (Operation::Flush, &b""[..]),
        BodyInput::End(_) => (Operation::Finish, &b""[..]),
    };
    let (output, most) = room;
    let room = output.room();
    let most = most.min(room.len());
    let moved = encoder.step(operation, data, room.get_mut(..most).unwrap_or_default());
    output.wrote(moved.written);
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    stats.add_on(worker, CompressorDirectionStat::TotalUncompressedBytes, count(moved.taken));
    stats.add_on(worker, CompressorDirectionStat::TotalCompressedBytes, count(moved.written));
    match operation {
        Operation::Run => BodyAnswer::Took(moved.taken),
        _ if moved.done => BodyAnswer::Done,
        _ => BodyAnswer::Full,
    }
}
