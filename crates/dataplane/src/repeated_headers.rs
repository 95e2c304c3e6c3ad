//! Header fields that come more than once.
//!
//! Owns: which names are kept as one field with their values joined by a comma, and the joining. Does not own: what
//! the values mean.
//! Follows Envoy: the names that it keeps as "inline" headers; every other repeated field goes on as it came.

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

/// Which head the fields are in: the two have different lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A request's head.
    Request,
    /// A response's head.
    Response,
}

const fn mask(names: &[KnownName]) -> u128 {
    let mut mask = 0;
    let mut rest = names;
    while let [name, tail @ ..] = rest {
        mask |= bit(*name);
        rest = tail;
    }
    mask
}

const fn bit(name: KnownName) -> u128 {
    1 << (name as u8)
}

const REQUEST: u128 = {
    use KnownName::*;
    mask(&[
        Te,
        Via,
        Accept,
        Expect,
        Origin,
        Referer,
        Upgrade,
        Connection,
        KeepAlive,
        UserAgent,
        ContentType,
        ProxyStatus,
        XRequestId,
        GrpcTimeout,
        CacheControl,
        Authorization,
        IfNoneMatch,
        AcceptEncoding,
        XForwardedFor,
        XEnvoyIpTags,
        ProxyConnection,
        ContentEncoding,
        XForwardedHost,
        XForwardedPort,
        XEnvoyInternal,
        XEnvoyRetryOn,
        TransferEncoding,
        IfModifiedSince,
        XForwardedProto,
        XClientTraceId,
        XEnvoyMaxRetries,
        XEnvoyForceTrace,
        GrpcAcceptEncoding,
        XEnvoyOriginalUrl,
        XEnvoyOriginalPath,
        XEnvoyOriginalHost,
        XEnvoyAttemptCount,
        XEnvoyRetryGrpcOn,
        XForwardedClientCert,
        XEnvoyExternalAddress,
        XEnvoyIsTimeoutRetry,
        XEnvoyDecoratorOperation,
        AccessControlRequestMethod,
        AccessControlRequestHeaders,
        XEnvoyExpectedRqTimeoutMs,
        XEnvoyUpstreamRqTimeoutMs,
        XEnvoyUpstreamAltStatName,
        XEnvoyRetriableStatusCodes,
        XEnvoyRetriableHeaderNames,
        XEnvoyDownstreamServiceNode,
        XEnvoyHedgeOnPerTryTimeout,
        XEnvoyDownstreamServiceCluster,
        XEnvoyUpstreamStreamDurationMs,
        XEnvoyUpstreamRqPerTryTimeoutMs,
        XEnvoyUpstreamRqTimeoutAltResponse,
    ])
};

const RESPONSE: u128 = {
    use KnownName::*;
    mask(&[
        Age,
        Via,
        Date,
        Etag,
        Vary,
        Server,
        Location,
        Upgrade,
        Connection,
        KeepAlive,
        GrpcStatus,
        ContentType,
        ProxyStatus,
        XRequestId,
        GrpcMessage,
        CacheControl,
        LastModified,
        ContentEncoding,
        ProxyConnection,
        TransferEncoding,
        XEnvoyDegraded,
        XEnvoyRatelimited,
        XEnvoyAttemptCount,
        XEnvoyUpstreamCanary,
        AccessControlAllowOrigin,
        XEnvoyDecoratorOperation,
        XEnvoyUpstreamServiceTime,
        XEnvoyImmediateHealthCheckFail,
        XEnvoyUpstreamHealthcheckedCluster,
    ])
};

impl Side {
    fn mask(self) -> u128 {
        match self {
            Side::Request => REQUEST,
            Side::Response => RESPONSE,
        }
    }

    /// Whether a head on this side has at most one field of the name.
    #[must_use]
    pub fn joins(self, name: KnownName) -> bool {
        self.mask() & bit(name) != 0
    }

    /// Joins the repeated fields of the head. Allocates only when there are any.
    #[inline]
    pub fn join_repeated(self, head: &mut HeaderBlock) {
        let (mut seen, mut repeated) = (0u128, 0u128);
        for (name, _, _) in head.iter_known() {
            repeated |= seen & bit(name);
            seen |= bit(name);
        }
        repeated &= self.mask();
        if repeated != 0 {
            join_all(head, repeated);
        }
    }

    /// Adds a field at the end, or joins the value to the field that is there, as the name asks.
    pub fn append(self, head: &mut HeaderBlock, name: &HeaderName, value: &[u8]) -> bool {
        if self.joins(name.known()) && head.contains(name.known()) {
            return head.append_value(name.known(), value, b",");
        }
        head.append_name(name, value)
    }
}

#[cold]
fn join_all(head: &mut HeaderBlock, mut repeated: u128) {
    for &name in KnownName::ALL {
        if repeated & bit(name) == 0 {
            continue;
        }
        repeated &= !bit(name);
        let joined = head.get_all_known(name).collect::<Vec<_>>().join(&b","[..]);
        // The parts were valid values, so their list is one.
        head.set(name, &joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> HeaderBlock {
        let mut head = HeaderBlock::new();
        for (name, value) in fields {
            assert!(head.append_name(&HeaderName::new(name.as_bytes()).expect("name"), value.as_bytes()));
        }
        head
    }

    #[test]
    fn only_the_listed_names_are_joined() {
        let fields = [
            ("accept", "1"),
            ("cookie", "1"),
            ("x-foo", "1"),
            ("accept", "2"),
            ("cookie", "2"),
            ("x-foo", "2"),
        ];
        let mut request = head(&fields);
        Side::Request.join_repeated(&mut request);
        assert_eq!(
            request,
            head(&[("accept", "1,2"), ("cookie", "1"), ("x-foo", "1"), ("cookie", "2"), ("x-foo", "2")])
        );
        let mut response = head(&fields);
        Side::Response.join_repeated(&mut response);
        assert_eq!(response, head(&fields));
    }

    #[test]
    fn append_joins_or_adds() {
        let mut request = head(&[("user-agent", "u"), ("cookie", "a")]);
        for name in ["user-agent", "cookie", "accept"] {
            Side::Request.append(&mut request, &HeaderName::new(name.as_bytes()).expect("name"), b"z");
        }
        assert_eq!(
            request,
            head(&[("user-agent", "u,z"), ("cookie", "a"), ("cookie", "z"), ("accept", "z")])
        );
    }
}
