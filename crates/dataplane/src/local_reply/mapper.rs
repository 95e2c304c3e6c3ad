//! What the configuration makes of local replies (`local_reply_config`).
//!
//! Owns: the mappers, of which the first that matches counts, and the formats of bodies. Does not own: the replies as they
//! are before (`local_reply`), sending (`http_stream`).
//! Follows Envoy's page "Local reply modification".
//!
//! A mapper is chosen, and its headers are filled, by the reply as it was; the body's format sees the new status.

use std::borrow::Cow;

use ferryman_codec::HeaderBlock;

use crate::access_loggers::LogFilter;
use crate::format::{AccessLogType, FormatContext};
use crate::header_mutation::{HeaderMutations, MutationScratch};
use crate::model::local_reply as model;
use crate::random::thread_random;
use crate::stream_info::{ConnectionInfo, StreamInfo};

use super::{BodyFormat, LocalReply, set_status};

/// The configuration's word on local replies, compiled.
#[derive(Debug)]
pub struct LocalReplyPolicy {
    mappers: Vec<Mapper>,
    format: Option<BodyFormat>,
}

struct Mapper {
    filter: LogFilter,
    status: Option<u16>,
    body: Option<Box<[u8]>>,
    format: Option<BodyFormat>,
    headers: HeaderMutations,
}

impl std::fmt::Debug for Mapper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mapper").field("status", &self.status).finish_non_exhaustive()
    }
}

/// The stream that is answered.
#[derive(Debug)]
pub struct Answered<'a> {
    /// The request's head.
    pub request: &'a HeaderBlock,
    /// The answer's head.
    pub response: &'a mut HeaderBlock,
    /// What is known of the stream; it gets the new status.
    pub info: &'a mut StreamInfo,
    /// What is known of the connection.
    pub connection: &'a ConnectionInfo,
    /// The time.
    pub now: std::time::Instant,
}

impl LocalReplyPolicy {
    /// Compiles the configuration; `None`: it changes nothing.
    ///
    /// # Errors
    /// What is wrong with a filter, a header or a format.
    pub fn compile(model: &model::LocalReplyConfig) -> Result<Option<Self>, String> {
        if model.mappers.is_empty() && model.body_format.is_none() {
            return Ok(None);
        }
        let format =
            |format: &Option<model::BodyFormat>| format.as_ref().map(BodyFormat::compile).transpose();
        let mapper = |mapper: &model::LocalReplyMapper| {
            Ok(Mapper {
                filter: LogFilter::compile(&mapper.filter)?,
                status: mapper.status_code,
                body: mapper.has_body.then(|| mapper.body.as_slice().into()),
                format: format(&mapper.body_format)?,
                headers: HeaderMutations::of_response(&mapper.headers_to_add)?,
            })
        };
        let in_config = |text: String| format!("local_reply_config: {text}");
        Ok(Some(LocalReplyPolicy {
            mappers: model.mappers.iter().map(mapper).collect::<Result<_, String>>().map_err(in_config)?,
            format: format(&model.body_format).map_err(in_config)?,
        }))
    }

    /// Changes a reply whose head is written, but for what describes its body.
    pub fn apply(
        &self,
        reply: &mut LocalReply<'_>,
        stream: &mut Answered<'_>,
        scratch: &mut MutationScratch,
    ) {
        let mapper = self.mappers.iter().find(|mapper| {
            let mut context = stream.context(&reply.body);
            context.response_headers = Some(stream.response);
            mapper.filter.matches(&context)
        });
        if let Some(mapper) = mapper {
            let mut context = FormatContext::new(
                stream.info,
                stream.connection,
                AccessLogType::NotSet,
                stream.now,
                thread_random,
            );
            context.request_headers = Some(stream.request);
            mapper.headers.apply_to_response(stream.response, &context, scratch);
            if let Some(status) = mapper.status {
                reply.status = status;
                set_status(stream.response, status);
                stream.info.response_code = Some(status);
            }
            if let Some(body) = &mapper.body {
                reply.body = Cow::Owned(body.to_vec());
            }
        }
        if let Some(format) = mapper.and_then(|mapper| mapper.format.as_ref()).or(self.format.as_ref()) {
            let mut context = stream.context(&reply.body);
            context.response_headers = Some(stream.response);
            let body = format.body(&context);
            reply.body = Cow::Owned(body);
            reply.content_type = Some(format.content_type.clone());
        }
    }
}

impl Answered<'_> {
    fn context<'s>(&'s self, body: &'s [u8]) -> FormatContext<'s> {
        let occasion = AccessLogType::NotSet;
        let mut context = FormatContext::new(self.info, self.connection, occasion, self.now, thread_random);
        context.request_headers = Some(self.request);
        context.local_reply_body = body;
        context
    }
}
