//! `x-request-id`.
//!
//! Owns: its text and the place in it that tells why a request is traced. Does not own: whether a request gets a new
//! one (`request_headers`).
//! Follows: RFC 9562 section 5.4 (UUID version 4), Envoy's `envoy.request_id.uuid`.

/// The length of a UUID in text.
const LENGTH: usize = 36;

/// Where Envoy packs the trace reason: the version digit.
const TRACE_REASON_AT: usize = 14;
const NOT_TRACED: u8 = b'4';

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A random UUID as text, from 128 random bits.
#[must_use]
pub(super) fn generate(high: u64, low: u64) -> [u8; LENGTH] {
    let bits = (u128::from(high) << 64) | u128::from(low);
    let version = 0x4u128 << 76;
    let variant = 0x2u128 << 62;
    let bits = bits & !(0xfu128 << 76) & !(0x3u128 << 62) | version | variant;
    let mut text = [b'-'; LENGTH];
    let digits = text.iter_mut().enumerate().filter(|(at, _)| !matches!(at, 8 | 13 | 18 | 23));
    for ((_, digit), byte) in
        digits.zip(bits.to_be_bytes().into_iter().flat_map(|byte| [byte >> 4, byte & 15]))
    {
        *digit = HEX.get(usize::from(byte)).copied().unwrap_or(b'0');
    }
    text
}

/// An identifier that came from outside, told to be of a request that is not traced; `None`: it is already, or is none
/// of ours and stays as it is.
#[must_use]
pub(super) fn without_trace_reason(id: &[u8]) -> Option<[u8; LENGTH]> {
    let mut text: [u8; LENGTH] = id.try_into().ok()?;
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
    fn is_a_version_4_uuid() {
        assert_eq!(&generate(0, 0), b"00000000-0000-4000-8000-000000000000");
        assert_eq!(&generate(u64::MAX, u64::MAX), b"ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(
            &generate(0x0123_4567_89ab_cdef, 0x0123_4567_89ab_cdef),
            b"01234567-89ab-4def-8123-456789abcdef"
        );
    }

    #[test]
    fn trace_reason_is_cleared_in_uuids_only() {
        let cleared = without_trace_reason(b"7b674932-635d-aceb-b907-12674f8c7267");
        assert_eq!(cleared.as_ref(), Some(b"7b674932-635d-4ceb-b907-12674f8c7267"));
        assert_eq!(without_trace_reason(b"7b674932-635d-4ceb-b907-12674f8c7267"), None);
        assert_eq!(without_trace_reason(b"abc"), None);
    }
}
