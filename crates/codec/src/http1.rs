//! HTTP/1.1 on the wire.
//!
//! Owns: its settings; decoding and encoding are in the modules below. Does not own: connections,
//! time-outs, or which request a response belongs to (the data plane).
//! Follows: RFC 9112; Envoy's `Http1ProtocolOptions` for the settings.

use crate::header_block::NameCase;

pub mod body;
pub(crate) mod chars;
pub(crate) mod chunk_line;
pub mod encode;
pub(crate) mod field_line;
pub(crate) mod lines;
pub(crate) mod number;
pub mod reason;
pub mod request;
pub mod response;
pub(crate) mod target;
pub(crate) mod words;

/// What a field whose name has an underscore meets with (`headers_with_underscores_action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum UnderscoresAction {
    /// It passes.
    #[default]
    Allow,
    /// The message is refused.
    Reject,
    /// The field is left out.
    Drop,
}

/// Limits and choices for one listener or cluster. The default is Envoy's for a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http1Settings {
    /// Largest head, and largest trailers, in bytes as received. Default 60 KiB.
    pub max_head_bytes: usize,
    /// Most fields in a head, and in trailers. Default 100.
    pub max_headers_count: usize,
    /// Whether `GET http://host/path` is taken apart. Default true; else it is passed on as a path.
    pub allow_absolute_url: bool,
    /// Whether HTTP/1.0 requests are served. Default false: they are answered 426.
    pub accept_http_10: bool,
    /// Whether trailers are kept. Default false: they are checked and dropped.
    pub enable_trailers: bool,
    /// What underscores in names meet with. Default `Allow`.
    pub underscores: UnderscoresAction,
    /// Whether a method may be any token. Default false: it must be one that Envoy knows.
    pub allow_custom_methods: bool,
    /// How the names of fields are written. Default in lower case.
    pub name_case: NameCase,
    /// Whether messages that are read keep the spelling of their names, wherever they are written; the value is how names
    /// are written then that were added. Default none: they do not.
    pub preserve_case: Option<NameCase>,
    /// Whether a response that is read keeps its reason phrase, wherever it is written. Default false.
    pub keep_reason_phrase: bool,
    /// Whether requests are written with a whole URL. Default false.
    pub send_fully_qualified_url: bool,
}

impl Default for Http1Settings {
    fn default() -> Self {
        Http1Settings {
            max_head_bytes: 60 * 1024,
            max_headers_count: 100,
            allow_absolute_url: true,
            accept_http_10: false,
            enable_trailers: false,
            underscores: UnderscoresAction::Allow,
            allow_custom_methods: false,
            name_case: NameCase::Lower,
            preserve_case: None,
            keep_reason_phrase: false,
            send_fully_qualified_url: false,
        }
    }
}
