//! The memory of a stream, which outlives it.
//!
//! Owns: what is kept from one stream to the next. Does not own: what it means (the rest of `http_stream`).
//! Follows Envoy's page "Life of a Request".

use std::time::{Instant, SystemTime};

use ferryman_codec::HeaderBlock;

use crate::filters::http::ActiveFilter;
use crate::header_mutation::MutationScratch;
use crate::route::RedirectHistory;
use crate::stream_info::StreamInfo;

use super::BodyPipeline;

/// How much memory of a head is kept from one stream to the next.
const KEPT_HEAD_BYTES: usize = 16 * 1024;

/// The memory of one stream; a worker keeps it from stream to stream.
#[derive(Debug)]
pub struct StreamState {
    /// The request's head, as the filters left it.
    pub request: HeaderBlock,
    /// The response's head, as it went downstream.
    pub response: HeaderBlock,
    /// What followed the response's body.
    pub response_trailers: HeaderBlock,
    /// What is known of the stream.
    pub info: StreamInfo,
    /// Memory to write the request in; the upstream connection has it while it is used.
    pub request_memory: Vec<u8>,
    /// Memory to write the response in; the downstream connection has it during the stream.
    pub response_memory: Vec<u8>,
    /// What filters hold of the request's body; it goes upstream before the rest.
    pub held_body: Vec<u8>,
    /// The filters that the request's body goes through.
    pub request_body: BodyPipeline,
    /// The filters that the response's body goes through.
    pub response_body: BodyPipeline,
    /// The HTTP filters of the stream.
    pub filters: Vec<ActiveFilter>,
    /// What the request went through before, where it was redirected inside.
    pub(super) redirects: Option<Box<RedirectHistory>>,
    pub(super) scratch: MutationScratch,
}

impl StreamState {
    /// A stream that begins at `start`.
    #[must_use]
    pub fn new(start: Instant, start_time: SystemTime) -> Self {
        StreamState {
            request: HeaderBlock::new(),
            response: HeaderBlock::new(),
            response_trailers: HeaderBlock::new(),
            info: StreamInfo::new(start, start_time),
            request_memory: Vec::new(),
            response_memory: Vec::new(),
            held_body: Vec::new(),
            request_body: BodyPipeline::default(),
            response_body: BodyPipeline::default(),
            filters: Vec::new(),
            redirects: None,
            scratch: MutationScratch::default(),
        }
    }

    /// Forgets the stream; memory is kept, but not what few streams need.
    pub fn clear(&mut self) {
        for head in [&mut self.request, &mut self.response, &mut self.response_trailers] {
            head.clear();
            head.shrink_to(KEPT_HEAD_BYTES);
        }
        self.filters.clear();
        self.request_body.clear();
        self.response_body.clear();
        // A held body may be as large as the limit; that is not kept for requests that need none.
        self.held_body = Vec::new();
        self.redirects = None;
    }
}
