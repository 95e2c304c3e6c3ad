//! The header `proxy-status`: which error it was that the proxy answered itself.
//!
//! Owns: the error types of RFC 9209, which of Envoy's response flags means which, and the status that goes with each. Does
//! not own: the flags (`stream_info`), what else a local reply says (`local_reply`).
//! Follows: RFC 9209; Envoy's `ProxyStatusConfig`.

use ferryman_codec::{HeaderBlock, KnownName};

use crate::local_reply::set_status;
use crate::model::http_connection_manager::ProxyStatusConfig;
use crate::stream_info::{ConnectionInfo, ResponseFlag, ResponseFlags, StreamInfo};

/// The flags that mean an error, the most telling first: its type, and the status that Envoy recommends for it.
const ERRORS: &[(ResponseFlag, &str, Option<u16>)] = &[
    (ResponseFlag::FailedLocalHealthCheck, "destination_unavailable", Some(503)),
    (ResponseFlag::NoHealthyUpstream, "destination_unavailable", Some(503)),
    (ResponseFlag::UpstreamRequestTimeout, "http_response_timeout", Some(504)),
    (ResponseFlag::LocalReset, "connection_timeout", Some(504)),
    (ResponseFlag::UpstreamRemoteReset, "connection_terminated", Some(502)),
    (ResponseFlag::UpstreamConnectionFailure, "connection_refused", Some(502)),
    (ResponseFlag::UpstreamConnectionTermination, "connection_terminated", Some(502)),
    (ResponseFlag::UpstreamOverflow, "connection_limit_reached", Some(503)),
    (ResponseFlag::NoRouteFound, "destination_not_found", Some(500)),
    (ResponseFlag::RateLimited, "connection_limit_reached", Some(503)),
    (ResponseFlag::RateLimitServiceError, "connection_limit_reached", Some(503)),
    (ResponseFlag::UpstreamRetryLimitExceeded, "destination_unavailable", Some(503)),
    (ResponseFlag::StreamIdleTimeout, "http_response_timeout", Some(504)),
    (ResponseFlag::FaultInjected, "http_request_error", None),
    (ResponseFlag::InvalidEnvoyRequestHeaders, "http_request_error", None),
    (ResponseFlag::UpstreamMaxStreamDurationReached, "http_response_timeout", Some(504)),
    (ResponseFlag::NoFilterConfigFound, "proxy_configuration_error", Some(500)),
    (ResponseFlag::UpstreamProtocolError, "http_protocol_error", Some(502)),
    (ResponseFlag::NoClusterFound, "destination_unavailable", Some(503)),
    (ResponseFlag::DnsResolutionFailed, "dns_error", Some(502)),
];

/// `proxy_status_config`.
#[derive(Debug)]
pub struct ProxyStatus(ProxyStatusConfig);

impl ProxyStatus {
    /// Takes what it needs from the model; nothing in it can be wrong.
    #[must_use]
    pub fn compile(model: &ProxyStatusConfig) -> Self {
        ProxyStatus(model.clone())
    }

    /// Says in a response what went wrong, and gives it the status for that where that is configured.
    #[cold]
    pub fn apply(&self, response: &mut HeaderBlock, info: &mut StreamInfo, connection: &ConnectionInfo) {
        if info.response_flags.contains(ResponseFlag::DownstreamProtocolError) {
            // As in Envoy, whose codec answers these in the connection manager's place.
            return;
        }
        let Some((_, error, status)) = ERRORS.iter().find(|(flag, ..)| info.response_flags.contains(*flag))
        else {
            return;
        };
        let text = self.text(error, info, connection);
        response.append_value(KnownName::ProxyStatus, &text, b", ");
        if let Some(status) = status.filter(|_| self.0.set_recommended_response_code) {
            set_status(response, status);
            info.response_code = Some(status);
        }
    }

    fn text(&self, error: &str, info: &StreamInfo, connection: &ConnectionInfo) -> Vec<u8> {
        let mut text = format!("{}; error={error}", self.0.proxy_name).into_bytes();
        if self.0.remove_details || info.response_code_details.is_empty() {
            return text;
        }
        text.extend_from_slice(b"; details=\"");
        escape(&info.response_code_details, &mut text);
        let of_connection = [&info.connection_termination_details, &connection.termination_details];
        let termination = of_connection.into_iter().find(|details| !details.is_empty());
        if let Some(details) = termination.filter(|_| !self.0.remove_connection_termination_details) {
            text.extend_from_slice(b"; ");
            escape(details, &mut text);
        }
        if !self.0.remove_response_flags {
            text.extend_from_slice(b"; ");
            write_flags(info.response_flags, &mut text);
        }
        text.push(b'"');
        text
    }
}

fn write_flags(flags: ResponseFlags, out: &mut Vec<u8>) {
    for (index, flag) in flags.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(flag.short().as_bytes());
    }
}

/// Within a quoted string (RFC 9651 section 3.3.3).
fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::*;
    use crate::stream_info::Address;

    fn told(config: ProxyStatusConfig, flags: &[ResponseFlag], details: &'static str) -> (String, u16) {
        let now = Instant::now();
        let address = || Address::Pipe("".into());
        let mut connection = ConnectionInfo::new(1, address(), address(), now, SystemTime::UNIX_EPOCH);
        connection.termination_details = "over".into();
        let mut info = StreamInfo::new(now, SystemTime::UNIX_EPOCH);
        info.response_code = Some(418);
        info.response_code_details = details.into();
        info.response_flags = flags.iter().copied().collect();
        let mut response = HeaderBlock::new();
        ProxyStatus::compile(&config).apply(&mut response, &mut info, &connection);
        let text = response.get(KnownName::ProxyStatus).unwrap_or_default();
        (String::from_utf8_lossy(text).into_owned(), info.response_code.unwrap_or_default())
    }

    fn config() -> ProxyStatusConfig {
        ProxyStatusConfig {
            proxy_name: "me".to_owned(),
            remove_details: false,
            remove_connection_termination_details: false,
            remove_response_flags: false,
            set_recommended_response_code: true,
        }
    }

    #[test]
    fn what_is_told_can_be_chosen() {
        use ResponseFlag::{DelayInjected, NoRouteFound, UpstreamProtocolError};
        let flags = [DelayInjected, UpstreamProtocolError, NoRouteFound];
        let all = "me; error=destination_not_found; details=\"a\\\"\\\\b; over; DI,UPE,NR\"";
        assert_eq!(told(config(), &flags, "a\"\\b"), (all.to_owned(), 500));
        let some = ProxyStatusConfig {
            remove_connection_termination_details: true,
            remove_response_flags: true,
            set_recommended_response_code: false,
            ..config()
        };
        let fewer = "me; error=destination_not_found; details=\"a\"";
        assert_eq!(told(some, &flags, "a"), (fewer.to_owned(), 418));
        let none = ProxyStatusConfig { remove_details: true, ..config() };
        assert_eq!(told(none, &flags, "a").0, "me; error=destination_not_found");
        assert_eq!(told(config(), &flags, "").0, "me; error=destination_not_found");
    }

    #[test]
    fn what_is_no_error_is_not_told() {
        assert_eq!(told(config(), &[ResponseFlag::DelayInjected], "a"), (String::new(), 418));
        assert_eq!(told(config(), &[], "a"), (String::new(), 418));
        let of_codec = [ResponseFlag::NoRouteFound, ResponseFlag::DownstreamProtocolError];
        assert_eq!(told(config(), &of_codec, "a"), (String::new(), 418));
    }
}
