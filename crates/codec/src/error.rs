//! What can be wrong with a message, and what Envoy answers to it.
//!
//! Owns: the kinds of error, their status and their `RESPONSE_CODE_DETAILS`. Does not own: the answer
//! that is sent (the data plane's local reply).
//! Follows: Envoy's page "Response code details".
//!
//! A request that is refused is answered with `status` and `details`; a response that is refused is
//! answered 502 by whoever asked for it, whatever `status` says here. After an error the connection
//! cannot be read on: nobody knows where the next message begins.

/// Why a message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Error {
    /// Which rule was broken.
    pub kind: ErrorKind,
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Error { kind }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.text())
    }
}

impl std::error::Error for Error {}

/// Every rule has one row: kind, status, details, text.
macro_rules! error_kinds {
    ($($kind:ident $status:literal $details:literal $text:literal,)*) => {
        /// Which rule a message broke.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $(#[doc = $text] $kind,)* }

        impl ErrorKind {
            /// Every kind.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$kind,)*];

            /// The status that a refused request is answered with.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(ErrorKind::$kind => $status,)* }
            }

            /// Envoy's `RESPONSE_CODE_DETAILS` for it.
            #[must_use]
            pub fn details(self) -> &'static str {
                match self { $(ErrorKind::$kind => $details,)* }
            }

            /// The rule in words, for logs.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(ErrorKind::$kind => $text,)* }
            }
        }
    };
}

error_kinds! {
    InvalidRequestLine 400 "http1.codec_error" "the request line is not: method, space, target, space, version",
    InvalidMethod 400 "http1.codec_error" "the method is none of the known ones",
    InvalidTarget 400 "http1.codec_error" "the request target has a byte that is not visible ASCII",
    InvalidTargetCharacter 400 "http1.invalid_characters" "the request target has a control character",
    UnknownTargetForm 400 "http1.codec_error" "the request target is in none of the four forms",
    InvalidUrl 400 "http1.invalid_url" "the request target names no host, or is a form that does not fit the method",
    InvalidScheme 400 "http1.invalid_scheme" "the request target's scheme is neither http nor https",
    FragmentInTarget 400 "path_normalization_failed" "the request target has a fragment",
    LowVersion 426 "low_version" "the version is not HTTP/1.1",
    InvalidVersion 400 "http1.codec_error" "the version is not HTTP, a slash, digit, dot, digit",
    MissingHost 400 "missing_host_header" "an HTTP/1.1 request has no host",
    DuplicateHost 400 "http1.codec_error" "there is more than one host field",
    InvalidHost 400 "http.invalid_authority" "the host is not a host with an optional port",
    TooManyEmptyLines 400 "http1.codec_error" "too many empty lines stand before the message",
    InvalidStatusLine 400 "http1.codec_error" "the status line is not: version, space, three digits, space, reason",
    InvalidStatus 400 "http1.codec_error" "the status is not three digits from 100 on",
    BareLf 400 "http1.codec_error" "a line ends with LF alone",
    BareCr 400 "http1.codec_error" "a CR stands without its LF",
    ObsoleteFolding 400 "http1.codec_error" "a field goes on in the next line",
    MissingColon 400 "http1.codec_error" "a field has no colon",
    EmptyName 400 "http1.codec_error" "a field's name is empty",
    SpaceBeforeColon 400 "http1.codec_error" "white space stands between a field's name and the colon",
    InvalidName 400 "http1.codec_error" "a field's name is not a token",
    InvalidValue 400 "http1.invalid_characters" "a field's value has a control character",
    UnderscoreInName 400 "http1.unexpected_underscore" "a field's name has an underscore",
    TooManyHeaders 431 "http1.too_many_headers" "there are more fields than allowed",
    HeadersTooLarge 431 "http1.headers_too_large" "the head is larger than allowed",
    InvalidContentLength 400 "http1.codec_error" "content-length is not a number of digits, at most 2^63-1",
    DuplicateContentLength 400 "http1.codec_error" "there is more than one content-length",
    ContentLengthWithTransferEncoding 400 "http1.content_length_and_chunked_not_allowed"
        "there are both content-length and transfer-encoding",
    InvalidTransferEncoding 501 "http1.invalid_transfer_encoding" "transfer-encoding is not exactly: chunked",
    TransferEncodingInHttp10 400 "http1.invalid_transfer_encoding" "an HTTP/1.0 message has transfer-encoding",
    UnexpectedSwitch 400 "http1.codec_error" "a 101 answers a request that asked for no other protocol",
    BodyNotAllowed 400 "http1.body_disallowed" "a CONNECT request has a body",
    ContentLengthNotAllowed 400 "http1.content_length_not_allowed" "a response that has no body has content-length",
    TransferEncodingNotAllowed 400 "http1.transfer_encoding_not_allowed"
        "a response that has no body has transfer-encoding",
    ConnectionHeaderRejected 400 "http1.connection_header_rejected" "connection names a field that it must not",
    InvalidChunkSize 400 "http1.codec_error" "a chunk's size is not 1 to 16 hexadecimal digits, at most 2^63-1",
    InvalidChunkExtension 400 "http1.codec_error" "a chunk's extension is malformed",
    ChunkExtensionTooLong 400 "http1.codec_error" "chunk extensions are longer than allowed",
    InvalidChunkEnd 400 "http1.codec_error" "a chunk's data is not followed by CR LF",
    ForbiddenTrailer 400 "http1.codec_error" "a trailer would change how the message is read",
    PrematureClose 400 "http1.codec_error" "the connection closed inside a message",
    ExtraneousData 400 "http1.codec_error" "bytes follow the end of the response",
    UnwritableHead 500 "http1.codec_error" "a head to be written has no method, host, status, or fitting target",
}

impl ErrorKind {
    /// Whether Envoy's connection manager raises this, not its codec: the answer has no body, no
    /// response flag `DPE`, and the request's fields are in the access log.
    #[must_use]
    pub fn is_raised_by_connection_manager(self) -> bool {
        matches!(self, ErrorKind::MissingHost | ErrorKind::FragmentInTarget)
    }
}
