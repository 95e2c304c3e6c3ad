//! What the HTTP connection manager does to the head of every request, before the HTTP filters see it.
//!
//! Owns: the order of it all, the `x-forwarded-*`, `x-envoy-*`, `x-request-id`, `via` and scheme headers. Does not own:
//! what needs a file of its own (paths, hosts, hop-by-hop fields), headers that the router or a route sets.
//! Follows Envoy's page "HTTP header manipulation".
//!
//! A request as browsers or curl send it costs a few hundred nanoseconds and no allocation.

use std::net::IpAddr;

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

use crate::header_name;
use crate::model::http_connection_manager::{
    ClientCertificateDetails, ForwardClientCert, HttpConnectionManager, UserAgent,
};
use crate::repeated_headers::Side;
use crate::stats::HttpStat;
use crate::stream_info::Address;
use crate::uuid;

use super::connection_facts::{self, ConnectionFacts, ForwardProto};
use super::connection_header;
use super::forwarded::{self, InternalAddresses};
use super::host_normalization::HostNormalization;
use super::original_ip::OriginalIpDetection;
use super::path_normalization::{Outcome, PathNormalization};
use super::{referer, request_id};

/// Never passed on from a request that is not internal.
const INTERNAL_ONLY: &[KnownName] = &[
    KnownName::XEnvoyRetriableStatusCodes,
    KnownName::XEnvoyRetriableHeaderNames,
    KnownName::XEnvoyRetryOn,
    KnownName::XEnvoyRetryGrpcOn,
    KnownName::XEnvoyMaxRetries,
    KnownName::XEnvoyUpstreamAltStatName,
    KnownName::XEnvoyUpstreamRqTimeoutMs,
    KnownName::XEnvoyUpstreamRqPerTryTimeoutMs,
    KnownName::XEnvoyUpstreamRqTimeoutAltResponse,
    KnownName::XEnvoyExpectedRqTimeoutMs,
    KnownName::XEnvoyForceTrace,
    KnownName::XEnvoyIpTags,
    KnownName::XEnvoyOriginalUrl,
    KnownName::XEnvoyHedgeOnPerTryTimeout,
];

/// Nor these from a client outside, when this proxy is the edge.
const NOT_FROM_EDGE: &[KnownName] = &[
    KnownName::XEnvoyDecoratorOperation,
    KnownName::XEnvoyDownstreamServiceCluster,
    KnownName::XEnvoyDownstreamServiceNode,
    KnownName::XEnvoyOriginalPath,
    KnownName::XEnvoyOriginalHost,
];

/// Why a request is answered without being looked at further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The path does not begin with a slash (stat `downstream_rq_non_relative_path`).
    AbsolutePath,
    /// The path is refused by its normalization (stat `downstream_rq_failed_path_normalization`).
    PathNormalization,
    /// The client is sent to the normalized path, which is in the request (stat
    /// `downstream_rq_redirected_with_normalized_path`). The answer's `location` is that path.
    PathRedirect,
    /// The head does not tell who the client is (stat `downstream_rq_rejected_via_ip_detection`); the status to answer
    /// with.
    IpDetection(u16),
}

impl Refusal {
    /// What is counted of it.
    #[must_use]
    pub fn stat(&self) -> HttpStat {
        match self {
            Refusal::AbsolutePath => HttpStat::DownstreamRqNonRelativePath,
            Refusal::PathNormalization => HttpStat::DownstreamRqFailedPathNormalization,
            Refusal::PathRedirect => HttpStat::DownstreamRqRedirectedWithNormalizedPath,
            Refusal::IpDetection(_) => HttpStat::DownstreamRqRejectedViaIpDetection,
        }
    }

    /// The status to answer with.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Refusal::PathNormalization => 400,
            Refusal::AbsolutePath => 404,
            Refusal::PathRedirect => 307,
            Refusal::IpDetection(status) => status,
        }
    }

    /// Envoy's `RESPONSE_CODE_DETAILS` for it.
    #[must_use]
    pub fn details(self) -> &'static str {
        match self {
            Refusal::AbsolutePath => "absolute_path_rejected",
            Refusal::PathNormalization | Refusal::PathRedirect => "path_normalization_failed",
            Refusal::IpDetection(_) => "rejecting_because_detection_failed",
        }
    }
}

/// What was found out about a request that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts {
    /// The client as `x-forwarded-for` tells it; `None`: the connection's remote address.
    pub remote_address: Option<Address>,
    /// Whether it comes from an internal address (`x-envoy-internal`).
    pub internal: bool,
    /// Whether it asks for another protocol; `connection` and `upgrade` are still in it. It is answered 403
    /// `upgrade_failed` where no upgrade is configured.
    pub upgrade: bool,
    /// The port that was taken off the host.
    pub stripped_port: Option<u64>,
}

/// The HTTP connection manager's own settings for request heads, compiled.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // Envoy's own switches
pub struct RequestHeaderPolicy {
    pub(super) internal_addresses: InternalAddresses,
    pub(super) local_address: IpAddr,
    path: PathNormalization,
    host: HostNormalization,
    use_remote_address: bool,
    trusted_hops: u32,
    append_forwarded_for: bool,
    append_forwarded_port: bool,
    scheme: Option<Box<[u8]>>,
    via: Option<Box<[u8]>>,
    generate_request_id: bool,
    preserve_external_request_id: bool,
    pack_trace_reason: bool,
    pub(super) client_certificate: ClientCertificateDetails,
    pub(super) forward_proto: ForwardProto,
    user_agent: Option<UserAgent>,
    detection: OriginalIpDetection,
    internal_only_headers: Vec<HeaderName>,
}

/// An edit of a request's head before it is looked at.
pub type EarlyMutation<'a> = &'a mut dyn FnMut(&mut HeaderBlock);

impl RequestHeaderPolicy {
    /// `local_address` stands in `x-forwarded-for` in the place of a loopback address.
    ///
    /// # Errors
    /// What the model has that cannot be: an address range or a header name that is none.
    pub fn compile(config: &HttpConnectionManager, local_address: IpAddr) -> Result<Self, String> {
        Ok(RequestHeaderPolicy {
            internal_addresses: InternalAddresses::compile(
                &config.internal_cidr_ranges,
                config.internal_unix_sockets,
            )?,
            local_address,
            path: PathNormalization::compile(config),
            host: HostNormalization::compile(config),
            use_remote_address: config.use_remote_address,
            trusted_hops: config.xff_num_trusted_hops,
            append_forwarded_for: config.use_remote_address && !config.skip_xff_append,
            append_forwarded_port: config.append_x_forwarded_port,
            scheme: config.scheme_to_overwrite.as_ref().map(|scheme| scheme.as_bytes().into()),
            via: config.via.as_ref().filter(|via| !via.is_empty()).map(|via| via.as_bytes().into()),
            generate_request_id: config.generate_request_id,
            preserve_external_request_id: config.preserve_external_request_id,
            pack_trace_reason: config.pack_trace_reason,
            client_certificate: config.client_certificate.clone(),
            forward_proto: ForwardProto::compile(config.forward_proto_config.as_ref()),
            user_agent: config.user_agent.clone(),
            detection: OriginalIpDetection::compile(&config.original_ip_detection)?,
            internal_only_headers: config
                .route_config
                .internal_only_headers
                .iter()
                .map(|name| header_name::parse(name))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Brings the head into the form that HTTP filters and routes see. `early` edits it once its path and host have their
    /// form, and nothing else has. `random` is asked twice when the request gets a new identifier.
    ///
    /// # Errors
    /// Why the request is not to go on.
    #[inline]
    pub fn apply(
        &self,
        request: &mut HeaderBlock,
        connection: &ConnectionFacts,
        early: Option<EarlyMutation<'_>>,
        random: impl FnMut() -> u64,
    ) -> Result<RequestFacts, Refusal> {
        Side::Request.join_repeated(request);
        let upgrade = connection_header::sanitize(request);
        self.normalize_path(request)?;
        let stripped_port = self.host.apply(request, connection.local_port);
        if let Some(mutate) = early {
            mutate(request);
            connection_header::sanitize(request);
        }
        sanitize_referer(request);
        let (remote_address, internal) = self.set_origin(request, connection)?;
        let edge = !internal && self.use_remote_address;
        self.set_internal(request, internal, edge);
        self.set_user_agent(request);
        if let Some(via) = &self.via {
            request.append_value(KnownName::Via, via, b", ");
        }
        if edge {
            set_external_address(request, remote_address.as_ref(), connection);
        }
        self.set_request_id(request, edge, random);
        match &connection.client_certificate {
            Some(certificate) => certificate.apply(request),
            None if self.client_certificate.mode != ForwardClientCert::AlwaysForwardOnly => {
                request.remove(KnownName::XForwardedClientCert);
            }
            None => {}
        }
        Ok(RequestFacts { remote_address, internal, upgrade, stripped_port })
    }

    fn normalize_path(&self, request: &mut HeaderBlock) -> Result<(), Refusal> {
        if request.get(KnownName::Path).is_some_and(|path| path.first() != Some(&b'/')) {
            return Err(Refusal::AbsolutePath);
        }
        match self.path.apply(request) {
            Outcome::Continue => Ok(()),
            Outcome::Reject => Err(Refusal::PathNormalization),
            Outcome::Redirect if is_grpc(request) => Err(Refusal::PathNormalization),
            Outcome::Redirect => Err(Refusal::PathRedirect),
        }
    }

    /// The same for a request that goes on at another place: what was found out about its client holds.
    ///
    /// # Errors
    /// Why the request is not to go on.
    pub fn apply_again(
        &self,
        request: &mut HeaderBlock,
        connection: &ConnectionFacts,
    ) -> Result<(), Refusal> {
        self.normalize_path(request)?;
        self.host.apply(request, connection.local_port);
        Ok(())
    }

    /// `x-forwarded-for`, `-proto`, `-port` and the scheme. Answers the client's address, when `x-forwarded-for` names it,
    /// and whether the request is internal.
    fn set_origin(
        &self,
        request: &mut HeaderBlock,
        connection: &ConnectionFacts,
    ) -> Result<(Option<Address>, bool), Refusal> {
        let origin = if self.use_remote_address {
            let no_proxy_before = !request.contains(KnownName::XForwardedFor);
            // With n trusted hops, the last n - 1 addresses are those of trusted proxies.
            let client = self.trusted_hops.checked_sub(1).and_then(|hops| forwarded_client(request, hops));
            if self.append_forwarded_for {
                if let Some(address) = &connection.forwarded_for {
                    request.append_value(KnownName::XForwardedFor, address, b",");
                }
            }
            if self.trusted_hops == 0 {
                request.set(KnownName::XForwardedProto, connection.forwarded_scheme());
                self.set_forwarded_port(request, connection, true);
            }
            let is_internal =
                client.map_or(connection.is_internal, |c| self.internal_addresses.contains_ip(c.address));
            (client.map(|client| client.address), no_proxy_before && is_internal)
        } else if !self.detection.is_empty() {
            let found = self.detection.detect(request, connection).map_err(Refusal::IpDetection)?;
            let is_internal = |ip| found.is_trusted && self.internal_addresses.contains_ip(ip);
            (found.address, found.address.is_some_and(is_internal))
        } else {
            let client = forwarded_client(request, self.trusted_hops);
            let internal =
                client.is_some_and(|c| c.is_single && self.internal_addresses.contains_ip(c.address));
            (client.map(|client| client.address), internal)
        };
        if !request.contains(KnownName::XForwardedProto) {
            request.append(KnownName::XForwardedProto, connection.forwarded_scheme());
        }
        self.set_forwarded_port(request, connection, false);
        self.set_scheme(request, connection);
        // Envoy knows no port of an address that a header names, and prints 0.
        Ok((origin.0.map(|ip| Address::Ip((ip, 0).into())), origin.1))
    }

    #[inline]
    fn set_forwarded_port(&self, request: &mut HeaderBlock, connection: &ConnectionFacts, overwrite: bool) {
        let wanted = self.append_forwarded_port && connection.local_port.is_some();
        if wanted && (overwrite || !request.contains(KnownName::XForwardedPort)) {
            request.set(KnownName::XForwardedPort, connection.local_port_text.as_bytes());
        }
    }

    fn set_scheme(&self, request: &mut HeaderBlock, connection: &ConnectionFacts) {
        if let Some(scheme) = &self.scheme {
            request.set(KnownName::Scheme, scheme);
            request.set(KnownName::XForwardedProto, scheme);
        } else if !request.contains(KnownName::Scheme) {
            let scheme = match request.get(KnownName::XForwardedProto) {
                Some(proto) if proto.eq_ignore_ascii_case(b"http") => &b"http"[..],
                Some(proto) if proto.eq_ignore_ascii_case(b"https") => b"https",
                _ => connection.scheme(),
            };
            request.set(KnownName::Scheme, scheme);
        }
    }

    /// `x-envoy-internal`, and what only internal requests may carry.
    #[inline]
    fn set_internal(&self, request: &mut HeaderBlock, internal: bool, edge: bool) {
        request.remove(KnownName::XEnvoyInternal);
        if internal {
            request.append(KnownName::XEnvoyInternal, b"true");
            return;
        }
        if edge {
            for &name in NOT_FROM_EDGE {
                request.remove(name);
            }
        }
        for &name in INTERNAL_ONLY {
            request.remove(name);
        }
        for name in &self.internal_only_headers {
            request.remove_name(name);
        }
    }

    /// Tells the upstream who this process is (`add_user_agent`).
    #[inline]
    fn set_user_agent(&self, request: &mut HeaderBlock) {
        let Some(UserAgent { service_cluster, service_node }) = &self.user_agent else { return };
        request.set(KnownName::XEnvoyDownstreamServiceCluster, service_cluster.as_bytes());
        if request.get(KnownName::UserAgent).is_none_or(<[u8]>::is_empty) {
            request.set(KnownName::UserAgent, service_cluster.as_bytes());
        }
        if !service_node.is_empty() {
            request.set(KnownName::XEnvoyDownstreamServiceNode, service_node.as_bytes());
        }
    }

    #[inline]
    fn set_request_id(&self, request: &mut HeaderBlock, edge: bool, mut random: impl FnMut() -> u64) {
        if !self.generate_request_id {
            return;
        }
        let id = request.get(KnownName::XRequestId).filter(|id| !id.is_empty());
        let new_id = match id {
            Some(_) if !edge => return,
            Some(_) if self.preserve_external_request_id && !self.pack_trace_reason => return,
            Some(id) if self.preserve_external_request_id => {
                let Some(id) = request_id::without_trace_reason(id) else { return };
                id
            }
            _ => uuid::random(random(), random()),
        };
        request.set(KnownName::XRequestId, &new_id);
    }
}

#[inline]
fn forwarded_client(request: &HeaderBlock, trusted_hops: u32) -> Option<forwarded::ForwardedClient> {
    forwarded::client(request.get(KnownName::XForwardedFor)?, trusted_hops)
}

/// `x-envoy-external-address`: the client as the edge sees it.
fn set_external_address(request: &mut HeaderBlock, client: Option<&Address>, connection: &ConnectionFacts) {
    match client {
        Some(Address::Ip(address)) => {
            request.set(KnownName::XEnvoyExternalAddress, &connection_facts::text(address.ip()));
        }
        _ => {
            if let Some(address) = &connection.remote_ip {
                request.set(KnownName::XEnvoyExternalAddress, address);
            }
        }
    }
}

#[inline]
fn sanitize_referer(request: &mut HeaderBlock) {
    if request.get(KnownName::Referer).is_some_and(|referer| !referer::is_valid(referer)) {
        request.remove(KnownName::Referer);
    }
}

fn is_grpc(request: &HeaderBlock) -> bool {
    request
        .get(KnownName::ContentType)
        .and_then(|value| value.strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

#[cfg(test)]
#[path = "request_headers_tests.rs"]
mod tests;
