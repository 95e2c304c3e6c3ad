//! Headers that speak to the router and must have a value that it understands.
//!
//! Owns: which values those are. Does not own: what the router does with them (`route/timeout.rs`), the answer to others
//! (`local_reply`).
//! Follows Envoy's `Router.strict_check_headers`.

use ferryman_codec::{HeaderBlock, KnownName};

use crate::decimal;
use crate::error::{Error, ErrorKind};
use crate::model::http_filters::StrictCheckHeader;

const RETRY_ON: &[&[u8]] = &[
    b"5xx",
    b"gateway-error",
    b"connect-failure",
    b"envoy-ratelimited",
    b"retriable-4xx",
    b"refused-stream",
    b"retriable-status-codes",
    b"retriable-headers",
    b"reset",
    b"reset-before-request",
    b"http3-post-connect-failure",
];
const RETRY_GRPC_ON: &[&[u8]] =
    &[b"cancelled", b"deadline-exceeded", b"resource-exhausted", b"unavailable", b"internal"];

/// Checks the headers that are listed, in the order of the list.
///
/// # Errors
/// The first one whose value cannot be.
#[inline]
pub(super) fn check(headers: &[StrictCheckHeader], request: &HeaderBlock) -> Result<(), Error> {
    headers.iter().try_for_each(|&header| check_one(header, request))
}

fn check_one(header: StrictCheckHeader, request: &HeaderBlock) -> Result<(), Error> {
    let (name, details) = describe(header);
    let Some(value) = request.get(name) else { return Ok(()) };
    let is_good = match header {
        StrictCheckHeader::RetryOn => are_words(value, RETRY_ON),
        StrictCheckHeader::RetryGrpcOn => are_words(value, RETRY_GRPC_ON),
        _ => decimal::parse(value).is_some(),
    };
    if is_good {
        return Ok(());
    }
    let value = String::from_utf8_lossy(value);
    Err(Error {
        kind: ErrorKind::InvalidEnvoyHeader(details),
        cause: format!("'{}' with value '{value}'", name.as_str()).into(),
    })
}

fn describe(header: StrictCheckHeader) -> (KnownName, &'static str) {
    match header {
        StrictCheckHeader::UpstreamRqTimeoutMs => (
            KnownName::XEnvoyUpstreamRqTimeoutMs,
            "request_headers_failed_strict_check{x-envoy-upstream-rq-timeout-ms}",
        ),
        StrictCheckHeader::UpstreamRqPerTryTimeoutMs => (
            KnownName::XEnvoyUpstreamRqPerTryTimeoutMs,
            "request_headers_failed_strict_check{x-envoy-upstream-rq-per-try-timeout-ms}",
        ),
        StrictCheckHeader::MaxRetries => {
            (KnownName::XEnvoyMaxRetries, "request_headers_failed_strict_check{x-envoy-max-retries}")
        }
        StrictCheckHeader::RetryGrpcOn => {
            (KnownName::XEnvoyRetryGrpcOn, "request_headers_failed_strict_check{x-envoy-retry-grpc-on}")
        }
        StrictCheckHeader::RetryOn => {
            (KnownName::XEnvoyRetryOn, "request_headers_failed_strict_check{x-envoy-retry-on}")
        }
    }
}

/// Empty words are let through, as Envoy does.
fn are_words(value: &[u8], words: &[&[u8]]) -> bool {
    let mut found = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    found.all(|word| word.is_empty() || words.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judged by Envoy 1.40.
    #[test]
    fn values_that_pass_and_values_that_do_not() {
        use StrictCheckHeader::{MaxRetries, RetryGrpcOn, RetryOn, UpstreamRqTimeoutMs};
        for (header, value, passes) in [
            (UpstreamRqTimeoutMs, "1000", true),
            (UpstreamRqTimeoutMs, "-1", false),
            (MaxRetries, "4294967296", true),
            (MaxRetries, "", false),
            (RetryOn, "5xx,,reset , gateway-error", true),
            (RetryOn, "", true),
            (RetryOn, "5xx,foo", false),
            (RetryGrpcOn, "cancelled", true),
            (RetryGrpcOn, "5xx", false),
        ] {
            let mut request = HeaderBlock::new();
            request.append(describe(header).0, value.as_bytes());
            assert_eq!(check(&[header], &request).is_ok(), passes, "{header:?} {value}");
            assert!(check(&[], &request).is_ok());
        }
        assert!(check(&[MaxRetries], &HeaderBlock::new()).is_ok());
    }
}
