//! Why a TLS connection failed, in Envoy's words.
//!
//! Owns: the texts of `%DOWNSTREAM_TRANSPORT_FAILURE_REASON%` and `%UPSTREAM_TRANSPORT_FAILURE_REASON%`, which are those
//! of BoringSSL. Does not own: where they are printed. Follows Envoy's page "Access logging" and BoringSSL's `ssl.h`.

use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved};

/// BoringSSL's number of its SSL library, shifted.
const LIBRARY: u32 = 16 << 24;

/// The text for what `rustls` says; `before` is what the peer's first bytes were, where that counts.
#[must_use]
pub fn reason(error: &Error, first_bytes: &[u8], told: Option<&str>) -> String {
    let (number, name) = match error {
        Error::AlertReceived(alert) => alert_reason(*alert),
        Error::InvalidMessage(_) if is_http(first_bytes) => (156, "HTTP_REQUEST"),
        Error::InvalidMessage(
            InvalidMessage::UnknownProtocolVersion | InvalidMessage::InvalidContentType,
        ) => (247, "WRONG_VERSION_NUMBER"),
        Error::InvalidMessage(_) => (131, "CLIENTHELLO_PARSE_FAILED"),
        Error::PeerIncompatible(
            PeerIncompatible::NoCipherSuitesInCommon | PeerIncompatible::NoKxGroupsInCommon,
        ) => (184, "NO_SHARED_CIPHER"),
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => (240, "UNSUPPORTED_PROTOCOL"),
        Error::PeerIncompatible(_) => (118, "BAD_SSL_FILETYPE"),
        Error::NoCertificatesPresented => {
            let text = "peer did not provide required client certificate";
            return with_details(192, "PEER_DID_NOT_RETURN_A_CERTIFICATE", text);
        }
        Error::InvalidCertificate(_) => {
            return with_details(125, "CERTIFICATE_VERIFY_FAILED", told.unwrap_or("verify cert failed"));
        }
        Error::DecryptError => (139, "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"),
        Error::PeerSentOversizedRecord => (136, "DATA_LENGTH_TOO_LONG"),
        Error::NoApplicationProtocol => (307, "NO_APPLICATION_PROTOCOL"),
        Error::PeerMisbehaved(PeerMisbehaved::InvalidCertCompression) => (131, "CLIENTHELLO_PARSE_FAILED"),
        Error::PeerMisbehaved(_) | Error::InappropriateMessage { .. } => (223, "UNEXPECTED_MESSAGE"),
        Error::InappropriateHandshakeMessage { .. } => (223, "UNEXPECTED_MESSAGE"),
        _ => (66, "INTERNAL_ERROR"),
    };
    format!("TLS_error:|{}:SSL routines:OPENSSL_internal:{name}:TLS_error_end", LIBRARY + number)
}

/// The text of the TLS inspector for what begins no TLS connection, or a broken one.
#[must_use]
pub fn inspected(bytes: &[u8]) -> String {
    let (number, name) = match bytes {
        _ if is_http(bytes) => (156, "HTTP_REQUEST"),
        [22, 3, _, _, _, 1, ..] => (131, "CLIENTHELLO_PARSE_FAILED"),
        [22, 3, ..] => (223, "UNEXPECTED_MESSAGE"),
        _ => (247, "WRONG_VERSION_NUMBER"),
    };
    format!("TLS_error|error:{:x}:SSL routines:OPENSSL_internal:{name}:TLS_error_end", LIBRARY + number)
}

fn with_details(number: u32, name: &str, details: &str) -> String {
    format!("TLS_error:|{}:SSL routines:OPENSSL_internal:{name}:{details}:TLS_error_end", LIBRARY + number)
}

/// Whether a request in the clear begins so.
#[must_use]
pub fn is_http(bytes: &[u8]) -> bool {
    [&b"GET "[..], b"POST ", b"HEAD ", b"PUT "].iter().any(|method| bytes.starts_with(method))
}

/// Its number is that of the alert and a thousand.
fn alert_reason(alert: AlertDescription) -> (u32, &'static str) {
    let name = match u8::from(alert) {
        10 => "SSLV3_ALERT_UNEXPECTED_MESSAGE",
        20 => "SSLV3_ALERT_BAD_RECORD_MAC",
        21 => "TLSV1_ALERT_DECRYPTION_FAILED",
        22 => "TLSV1_ALERT_RECORD_OVERFLOW",
        30 => "SSLV3_ALERT_DECOMPRESSION_FAILURE",
        40 => "SSLV3_ALERT_HANDSHAKE_FAILURE",
        41 => "SSLV3_ALERT_NO_CERTIFICATE",
        42 => "SSLV3_ALERT_BAD_CERTIFICATE",
        43 => "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        44 => "SSLV3_ALERT_CERTIFICATE_REVOKED",
        45 => "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        46 => "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        47 => "SSLV3_ALERT_ILLEGAL_PARAMETER",
        48 => "TLSV1_ALERT_UNKNOWN_CA",
        49 => "TLSV1_ALERT_ACCESS_DENIED",
        50 => "TLSV1_ALERT_DECODE_ERROR",
        51 => "TLSV1_ALERT_DECRYPT_ERROR",
        60 => "TLSV1_ALERT_EXPORT_RESTRICTION",
        70 => "TLSV1_ALERT_PROTOCOL_VERSION",
        71 => "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        80 => "TLSV1_ALERT_INTERNAL_ERROR",
        86 => "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
        90 => "TLSV1_ALERT_USER_CANCELLED",
        100 => "TLSV1_ALERT_NO_RENEGOTIATION",
        110 => "TLSV1_ALERT_UNSUPPORTED_EXTENSION",
        111 => "TLSV1_ALERT_CERTIFICATE_UNOBTAINABLE",
        112 => "TLSV1_ALERT_UNRECOGNIZED_NAME",
        113 => "TLSV1_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE",
        114 => "TLSV1_ALERT_BAD_CERTIFICATE_HASH_VALUE",
        115 => "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY",
        116 => "TLSV1_ALERT_CERTIFICATE_REQUIRED",
        120 => "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
        _ => "UNKNOWN_ALERT_TYPE",
    };
    (1000 + u32::from(u8::from(alert)), name)
}
