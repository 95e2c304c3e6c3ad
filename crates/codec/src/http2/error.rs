//! What can go wrong on an HTTP/2 connection.
//!
//! Owns: the error codes of the wire, and each rule with its code and its `RESPONSE_CODE_DETAILS`. Does not own: whether
//! a broken rule ends a stream or the connection (where the rule is checked), nor the counters (`counts.rs`).
//! Follows: RFC 9113 section 7; Envoy's page "Response code details".

/// Every code has one row: name, number, and what it is called in the RFC.
macro_rules! error_codes {
    ($($code:ident $number:literal $name:literal,)*) => {
        /// Why a stream or a connection ends (RFC 9113 section 7).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = $name] $code,)*
            /// A number that the RFC does not know.
            Unknown(u32),
        }

        impl ErrorCode {
            /// The code of a number.
            #[must_use]
            pub fn of(number: u32) -> ErrorCode {
                match number { $($number => ErrorCode::$code,)* other => ErrorCode::Unknown(other) }
            }

            /// Its number on the wire.
            #[must_use]
            pub fn number(self) -> u32 {
                match self { $(ErrorCode::$code => $number,)* ErrorCode::Unknown(number) => number }
            }

            /// What the RFC calls it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(ErrorCode::$code => $name,)* ErrorCode::Unknown(_) => "unknown" }
            }
        }
    };
}

error_codes! {
    NoError 0 "NO_ERROR",
    ProtocolError 1 "PROTOCOL_ERROR",
    InternalError 2 "INTERNAL_ERROR",
    FlowControlError 3 "FLOW_CONTROL_ERROR",
    SettingsTimeout 4 "SETTINGS_TIMEOUT",
    StreamClosed 5 "STREAM_CLOSED",
    FrameSizeError 6 "FRAME_SIZE_ERROR",
    RefusedStream 7 "REFUSED_STREAM",
    Cancel 8 "CANCEL",
    CompressionError 9 "COMPRESSION_ERROR",
    ConnectError 10 "CONNECT_ERROR",
    EnhanceYourCalm 11 "ENHANCE_YOUR_CALM",
    InadequateSecurity 12 "INADEQUATE_SECURITY",
    Http11Required 13 "HTTP_1_1_REQUIRED",
}

/// Every rule has one row: kind, code, details, text.
macro_rules! error_kinds {
    ($($kind:ident $code:ident $details:literal $text:literal,)*) => {
        /// Which rule was broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Http2ErrorKind { $(#[doc = $text] $kind,)* }

        impl Http2ErrorKind {
            /// Every kind.
            pub const ALL: &'static [Http2ErrorKind] = &[$(Http2ErrorKind::$kind,)*];

            /// The code that the peer is told.
            #[must_use]
            pub fn code(self) -> ErrorCode {
                match self { $(Http2ErrorKind::$kind => ErrorCode::$code,)* }
            }

            /// Envoy's `RESPONSE_CODE_DETAILS` for it.
            #[must_use]
            pub fn details(self) -> &'static str {
                match self { $(Http2ErrorKind::$kind => $details,)* }
            }

            /// The rule in words, for logs.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Http2ErrorKind::$kind => $text,)* }
            }
        }
    };
}

error_kinds! {
    InvalidPreface ProtocolError "http2.protocol_error" "the connection does not begin with the preface and SETTINGS",
    FrameSize FrameSizeError "http2.protocol_error" "a frame's size is larger than allowed, or not what its type needs",
    InvalidStreamId ProtocolError "http2.protocol_error" "a frame is on a stream where its type must not be",
    IdleStream ProtocolError "http2.protocol_error" "a frame is on a stream that was never opened",
    ClosedStream StreamClosed "http2.protocol_error" "a frame is on a stream that has ended",
    Interleaved ProtocolError "http2.protocol_error" "a header block is interrupted, or goes on without having begun",
    InvalidPadding ProtocolError "http2.protocol_error" "there is more padding than payload",
    SelfDependency ProtocolError "http2.protocol_error" "a stream depends on itself",
    InvalidSetting ProtocolError "http2.protocol_error" "a setting has a value that it must not have",
    InvalidWindowSetting FlowControlError "http2.protocol_error" "the initial window is larger than 2^31-1",
    ZeroIncrement ProtocolError "http2.protocol_error" "a window is opened by nothing",
    WindowOverflow FlowControlError "http2.protocol_error" "a window is opened beyond 2^31-1",
    WindowExceeded FlowControlError "http2.protocol_error" "more data was sent than the window allows",
    Push ProtocolError "http2.protocol_error" "a promise was pushed, which nobody may here",
    Compression CompressionError "http2.protocol_error" "a header block cannot be decoded",
    Refused RefusedStream "http2.stream_refused" "there are more concurrent streams than allowed, or the connection drains",
    InvalidName ProtocolError "http2.invalid.header.field" "a field's name is not a token in lower case",
    InvalidValue ProtocolError "http2.invalid.header.field" "a field\'s value has a control character",
    ConnectionField ProtocolError "http2.invalid.header.field" "a field belongs to HTTP/1 connections",
    InvalidTe ProtocolError "http2.invalid.header.field" "te is not exactly: trailers",
    InvalidPseudoHeader ProtocolError "http2.invalid.header.field" "a pseudo-header is unknown, late or repeated, or belongs to another message",
    MisplacedPseudoHeader ProtocolError "http2.violation.of.messaging.rule" "a pseudo-header does not go with the method",
    MissingPseudoHeader ProtocolError "http2.violation.of.messaging.rule" "a pseudo-header is missing",
    InvalidMethod ProtocolError "http2.invalid.header.field" "the method is not a token",
    InvalidScheme ProtocolError "http2.invalid.header.field" "the scheme is not a scheme",
    InvalidPath ProtocolError "http2.invalid.header.field" "the path is empty or not visible ASCII",
    RelativePath ProtocolError "http2.violation.of.messaging.rule" "the path does not begin with a slash",
    InvalidAuthority ProtocolError "http2.invalid.header.field" "the authority is empty, or not a host with an optional port",
    DuplicateHost ProtocolError "http2.invalid.header.field" "there is more than one host field",
    InvalidStatus ProtocolError "http2.invalid.header.field" "the status is not three digits from 100 on, or is 101",
    InvalidContentLength ProtocolError "http2.invalid.header.field" "content-length is not one number, or has no place here",
    LengthMismatch ProtocolError "http2.remote_reset" "the data is not as long as content-length says",
    BodyNotAllowed ProtocolError "http2.violation.of.messaging.rule" "a response that has no body has data",
    DataBeforeHead ProtocolError "http2.violation.of.messaging.rule" "data comes before the head",
    UnendedTrailers ProtocolError "http2.violation.of.messaging.rule" "trailers do not end the stream",
    EndedInformational ProtocolError "http2.violation.of.messaging.rule" "an informational response ends the stream",
    DisguisedFraming ProtocolError "http2.unexpected_underscore" "a framing field's name is spelled with an underscore",
    UnderscoreInName InternalError "http2.unexpected_underscore" "a field's name has an underscore",
    TooManyHeaders InternalError "http2.too_many_headers" "there are more fields than allowed",
    HeadersTooLarge InternalError "http2.header_list_size_too_large" "the fields are larger than allowed",
    TooManyHeaderFrames EnhanceYourCalm "http2.too_many_headers" "a header block, or a stream, has more frames than allowed",
    EmptyFramesFlood EnhanceYourCalm "http2.inbound_empty_frames_flood" "too many frames in a row are empty",
    PriorityFlood EnhanceYourCalm "http2.inbound_priority_frames_flood" "there are too many PRIORITY frames",
    WindowUpdateFlood EnhanceYourCalm "http2.inbound_window_update_frames_flood" "there are too many WINDOW_UPDATE frames",
    ResetFlood EnhanceYourCalm "http2.inbound_reset_flood" "too many streams are reset, or made to be reset",
    PingFlood EnhanceYourCalm "http2.inbound_ping_frames_flood" "there are too many PING frames",
    SettingsFlood EnhanceYourCalm "http2.inbound_settings_frames_flood" "there are too many SETTINGS frames",
    UselessFlood EnhanceYourCalm "http2.inbound_useless_frames_flood" "too many frames do nothing",
    KeepaliveTimeout NoError "downstream_local_disconnect(http2_ping_timeout)" "a PING was not answered in time",
    OutboundControlFlood EnhanceYourCalm "http2.outbound_control_frames_flood" "too many control frames wait to be sent",
    OutboundFlood EnhanceYourCalm "http2.outbound_frames_flood" "too many frames wait to be sent",
}

impl Http2ErrorKind {
    /// Whether the peer uses the connection against us, rather than being mistaken.
    #[must_use]
    pub fn is_flood(self) -> bool {
        use Http2ErrorKind::*;
        matches!(
            self,
            TooManyHeaderFrames
                | EmptyFramesFlood
                | PriorityFlood
                | WindowUpdateFlood
                | ResetFlood
                | PingFlood
                | SettingsFlood
                | UselessFlood
                | OutboundControlFlood
                | OutboundFlood
        )
    }
}

impl Http2ErrorKind {
    /// Whether a message was malformed (RFC 9113 section 8.1.1): it ends its stream, or, if the settings say so, the
    /// connection.
    #[must_use]
    pub fn is_malformed_message(self) -> bool {
        self.details() == "http2.invalid.header.field"
            || self.details() == "http2.violation.of.messaging.rule"
            || self == Http2ErrorKind::LengthMismatch
    }
}

/// Why a connection ends. GOAWAY waits to be sent, unless the peer does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Http2Error {
    /// Which rule was broken.
    pub kind: Http2ErrorKind,
}

impl From<Http2ErrorKind> for Http2Error {
    fn from(kind: Http2ErrorKind) -> Self {
        Http2Error { kind }
    }
}

impl std::fmt::Display for Http2Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.text())
    }
}

impl std::error::Error for Http2Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back() {
        for number in 0..20 {
            assert_eq!(ErrorCode::of(number).number(), number);
        }
    }
}
