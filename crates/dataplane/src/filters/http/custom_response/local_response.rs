//! Responses of the proxy's own in the place of others.
//!
//! Owns: what such a response is made of. Does not own: which responses it takes the place of (`custom_response`), nor how it
//! is sent (`local_reply`).
//! Follows Envoy's `LocalResponsePolicy`.

use std::sync::Arc;

use crate::access_loggers::Line;
use crate::format::{AccessLogType, FormatContext};
use crate::header_mutation::HeaderMutations;
use crate::local_reply::LocalReply;
use crate::model::http_filters::custom_response as model;
use crate::random::thread_random;

use super::super::FilterContext;

pub(super) struct LocalResponsePolicy {
    status: Option<u16>,
    body: Box<[u8]>,
    format: Option<Line>,
    edits: Arc<HeaderMutations>,
    /// None: they stay as they are.
    details: Option<String>,
}

impl std::fmt::Debug for LocalResponsePolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalResponsePolicy").field("status", &self.status).finish_non_exhaustive()
    }
}

impl LocalResponsePolicy {
    pub(super) fn compile(model: &model::LocalResponsePolicy) -> Result<Self, String> {
        Ok(LocalResponsePolicy {
            status: model.status_code,
            body: model.body.as_slice().into(),
            format: model.body_format.as_ref().map(Line::compile).transpose()?,
            edits: Arc::new(HeaderMutations::of_filter(&[], &model.response_headers_to_add)?),
            details: (!model.keeps_details).then(|| model.details.clone()),
        })
    }

    fn body(&self, context: &FilterContext<'_>) -> Vec<u8> {
        let Some(line) = &self.format else { return self.body.to_vec() };
        let occasion = AccessLogType::NotSet;
        let mut format =
            FormatContext::new(context.info, context.connection, occasion, context.now, thread_random);
        format.request_headers = Some(context.request);
        format.response_headers = Some(context.response);
        format.local_reply_body = &self.body;
        let mut body = Vec::new();
        line.write(&format, &mut body);
        body
    }

    pub(super) fn reply(&self, context: &FilterContext<'_>) -> LocalReply<'static> {
        let details = match &self.details {
            Some(details) => details.clone().into(),
            None => context.info.response_code_details.clone(),
        };
        LocalReply {
            // Envoy's word for a response without a status.
            status: self.status.or(context.info.response_code).unwrap_or(500),
            body: self.body(context).into(),
            details,
            edits: Some(Arc::clone(&self.edits)),
            ..LocalReply::default()
        }
    }
}
