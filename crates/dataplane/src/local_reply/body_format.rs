//! Formats of bodies: a text or an object that is made for each reply.
//!
//! Owns: making the body, and its type. Does not own: when one is made (`mapper`, `http_stream`), the format itself
//! (`access_loggers`). Follows Envoy's `SubstitutionFormatString`.

use crate::access_loggers::Line;
use crate::format::FormatContext;
use crate::model::local_reply as model;

/// A compiled format.
pub struct BodyFormat {
    line: Line,
    /// The type of the body; empty: it has none of its own.
    pub content_type: Box<[u8]>,
}

impl std::fmt::Debug for BodyFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyFormat").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

impl BodyFormat {
    /// Compiles a format.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn compile(model: &model::BodyFormat) -> Result<Self, String> {
        Ok(BodyFormat {
            line: Line::compile(&model.format)?,
            content_type: model.content_type.as_bytes().into(),
        })
    }

    /// The body.
    #[must_use]
    pub fn body(&self, context: &FormatContext<'_>) -> Vec<u8> {
        let mut body = Vec::new();
        self.line.write(context, &mut body);
        body
    }
}
