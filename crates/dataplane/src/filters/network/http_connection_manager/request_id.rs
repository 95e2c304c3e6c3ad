//! `x-request-id`.
//!
//! Owns: the place in it that tells why a request is traced. Does not own: whether a request gets a new one
//! (`request_headers`), nor its text (`uuid`).
//! Follows: Envoy's `envoy.request_id.uuid`.

use crate::uuid;

/// Where Envoy packs the trace reason: the version digit.
const TRACE_REASON_AT: usize = 14;
const NOT_TRACED: u8 = b'4';

/// An identifier that came from outside, told to be of a request that is not traced; `None`: it is already, or is none
/// of ours and stays as it is.
#[must_use]
pub(super) fn without_trace_reason(id: &[u8]) -> Option<[u8; uuid::LENGTH]> {
    let mut text: [u8; uuid::LENGTH] = id.try_into().ok()?;
    let reason = text.get_mut(TRACE_REASON_AT)?;
    if *reason == NOT_TRACED {
        return None;
    }
    *reason = NOT_TRACED;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_reason_is_cleared_in_uuids_only() {
        let cleared = without_trace_reason(b"7b674932-635d-aceb-b907-12674f8c7267");
        assert_eq!(cleared.as_ref(), Some(b"7b674932-635d-4ceb-b907-12674f8c7267"));
        assert_eq!(without_trace_reason(b"7b674932-635d-4ceb-b907-12674f8c7267"), None);
        assert_eq!(without_trace_reason(b"abc"), None);
    }
}
