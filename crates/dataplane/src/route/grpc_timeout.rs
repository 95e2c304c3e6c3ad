//! What a gRPC client says about its patience, within the limits of the route.
//!
//! Owns: reading and writing `grpc-timeout`. Does not own: the timers, nor the other headers that speak of time (`timeout`).
//! Follows Envoy's `RouteAction.max_grpc_timeout` and `MaxStreamDuration.grpc_timeout_header_max`; the form of the header is
//! that of the gRPC protocol: at most eight digits and a unit.

use ferryman_codec::{HeaderBlock, KnownName};

use crate::decimal::Decimal;

use super::condition::is_grpc;

/// The limits of a route, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GrpcTimeout {
    /// 0: none.
    max: u64,
    /// Taken off what the client says, if something is left then.
    offset: u64,
}

impl GrpcTimeout {
    pub(super) fn new(max_ms: Option<u64>, offset_ms: u64) -> Option<Self> {
        max_ms.map(|max| GrpcTimeout { max, offset: offset_ms })
    }

    /// The response timeout of a gRPC request, which may lack the header; 0: none. `None`: it is no gRPC.
    pub(super) fn of_response(self, request: &HeaderBlock) -> Option<u64> {
        is_grpc(request).then(|| {
            let asked = self.less_offset(asked(request).unwrap_or(0));
            if asked == 0 { self.max } else { self.capped(asked) }
        })
    }

    /// How long a gRPC request that has the header may last.
    pub(super) fn of_stream(self, request: &HeaderBlock) -> Option<u64> {
        if !is_grpc(request) {
            return None;
        }
        asked(request).map(|asked| self.less_offset(self.capped(asked)))
    }

    fn capped(self, asked: u64) -> u64 {
        if self.max == 0 { asked } else { asked.min(self.max) }
    }

    fn less_offset(self, asked: u64) -> u64 {
        if asked > self.offset { asked - self.offset } else { asked }
    }
}

/// What the header says, in milliseconds, rounded up.
fn asked(request: &HeaderBlock) -> Option<u64> {
    let (unit, digits) = request.get(KnownName::GrpcTimeout)?.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(number * 3_600_000),
        b'M' => Some(number * 60_000),
        b'S' => Some(number * 1000),
        b'm' => Some(number),
        b'u' => Some(number.div_ceil(1000)),
        b'n' => Some(number.div_ceil(1_000_000)),
        _ => None,
    }
}

/// Tells the upstream how long it has.
pub(crate) fn write(request: &mut HeaderBlock, milliseconds: u64) {
    const MOST: u64 = 99_999_999;
    let (number, unit) = [(milliseconds, b'm'), (milliseconds / 1000, b'S'), (milliseconds / 60_000, b'M')]
        .into_iter()
        .find(|(number, _)| *number <= MOST)
        .unwrap_or(((milliseconds / 3_600_000).min(MOST), b'H'));
    let mut text = Decimal::new(number).as_bytes().to_vec();
    text.push(unit);
    request.set(KnownName::GrpcTimeout, &text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(timeout: Option<&str>) -> HeaderBlock {
        let mut request = HeaderBlock::new();
        assert!(request.set(KnownName::ContentType, b"application/grpc"));
        if let Some(timeout) = timeout {
            assert!(request.set(KnownName::GrpcTimeout, timeout.as_bytes()));
        }
        request
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn limits() {
        let limits = GrpcTimeout { max: 2000, offset: 500 };
        for (timeout, response, stream) in [
            (Some("1S"), 500, Some(500)),
            (Some("1M"), 2000, Some(1500)),
            (Some("400m"), 400, Some(400)),
            (Some("1n"), 1, Some(1)),
            (Some("1001u"), 2, Some(2)),
            (Some("123456789S"), 2000, None),
            (Some("1x"), 2000, None),
            (Some("S"), 2000, None),
            (None, 2000, None),
        ] {
            let request = request(timeout);
            assert_eq!(limits.of_response(&request), Some(response), "{timeout:?}");
            assert_eq!(limits.of_stream(&request), stream, "{timeout:?}");
        }
        assert_eq!(GrpcTimeout { max: 0, offset: 0 }.of_response(&request(Some("2H"))), Some(7_200_000));
        assert_eq!(limits.of_response(&HeaderBlock::new()), None);
    }

    #[test]
    fn the_unit_grows_with_the_number() {
        for (milliseconds, expected) in
            [(500, "500m"), (99_999_999, "99999999m"), (100_000_000, "100000S"), (u64::MAX, "99999999H")]
        {
            let mut request = request(None);
            write(&mut request, milliseconds);
            assert_eq!(request.get(KnownName::GrpcTimeout), Some(expected.as_bytes()));
        }
    }
}
