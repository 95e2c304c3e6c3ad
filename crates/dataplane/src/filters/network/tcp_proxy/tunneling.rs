//! Sessions that go to their hosts as the payload of an HTTP request.
//!
//! Owns: the request that opens such a tunnel, and what of the answer is kept for others. Does not own: the connection and
//! its bytes (`tunnel`), the attempts (`session::tunnel_attempt`).
//! Follows Envoy's page "Tunneling TCP over HTTP" and `TcpProxy.TunnelingConfig`; RFC 9110 section 9.3.6.

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

use crate::format::{FormatContext, Formatter, Unset};
use crate::header_mutation::{HeaderMutations, MutationScratch};
use crate::header_name;
use crate::model;
use crate::stats::{Scope, TcpTunnelingStats};
use crate::uuid;

/// The text of an identifier.
pub(super) type RequestId = [u8; uuid::LENGTH];

/// As configured.
#[derive(Debug)]
pub(super) struct Tunneling {
    hostname: Formatter,
    /// None: CONNECT, else POST.
    post_path: Option<Box<[u8]>>,
    headers: HeaderMutations,
    /// Whether the head of the answer is kept.
    pub(super) keeps_headers: bool,
    /// Whether its trailers are.
    pub(super) keeps_trailers: bool,
    request_id: Option<AskedRequestId>,
    _stats: Scope<TcpTunnelingStats>,
}

#[derive(Debug)]
struct AskedRequestId {
    header: HeaderName,
    metadata_key: Box<str>,
}

impl Tunneling {
    /// # Errors
    /// A header or a format that cannot be.
    pub(super) fn compile(
        model: &model::listener::Tunneling,
        stats: Scope<TcpTunnelingStats>,
    ) -> Result<Self, String> {
        let request_id = |id: &model::listener::TunnelRequestId| {
            let header = header_name::parse_editable(&id.header)?;
            Ok::<_, String>(AskedRequestId { header, metadata_key: id.metadata_key.as_str().into() })
        };
        Ok(Tunneling {
            hostname: Formatter::compile(&model.hostname, Unset::Dash)?,
            post_path: model.post_path.as_deref().map(|path| path.as_bytes().into()),
            headers: HeaderMutations::of_own_request(&model.headers_to_add)?,
            keeps_headers: model.propagate_response_headers,
            keeps_trailers: model.propagate_response_trailers,
            request_id: model.request_id.as_ref().map(request_id).transpose()?,
            _stats: stats,
        })
    }

    /// An identifier for the next request, and the key under which it is metadata of the connection.
    pub(super) fn request_id(&self, random: impl Fn() -> u64) -> Option<(&str, RequestId)> {
        let asked = self.request_id.as_ref()?;
        Some((&asked.metadata_key, uuid::random(random(), random())))
    }

    /// The request of a session. `is_tls`: towards the host.
    pub(super) fn request(
        &self,
        context: &FormatContext<'_>,
        is_tls: bool,
        id: Option<&RequestId>,
    ) -> HeaderBlock {
        let mut head = HeaderBlock::new();
        let mut host = Vec::new();
        self.hostname.write(context, &mut host);
        head.set(KnownName::Method, if self.post_path.is_some() { b"POST" } else { b"CONNECT" });
        head.set(KnownName::Authority, &host);
        if let Some(path) = &self.post_path {
            head.set(KnownName::Path, path);
            head.set(KnownName::Scheme, if is_tls { b"https" } else { b"http" });
        }
        if let (Some(asked), Some(id)) = (&self.request_id, id) {
            head.set_name(&asked.header, id);
        }
        self.headers.apply_to_request(&mut head, context, &mut MutationScratch::default());
        head
    }
}
