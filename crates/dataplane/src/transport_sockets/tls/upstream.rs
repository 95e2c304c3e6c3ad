//! TLS towards hosts: what is compiled of a cluster's `UpstreamTlsContext`.
//!
//! Owns: the configuration of `rustls`, the judgement of hosts' certificates, and the name that a host is asked for. Does
//! not own: connections (`socket`). Follows Envoy's `UpstreamTlsContext`: without a validation context any certificate
//! will do, and sessions are remembered by the cluster.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::certificates::{self, UNNAMED};
use super::key_log::KeyLogFile;
use super::loaded::LoadedContext;
use super::observed;
use super::parameters;
use super::reload::{self, Current, Reload};
use super::signatures::Signatures;
use super::subject_alt_names::SanMatcher;
use super::validation::{PeerSide, Validation};
use super::verifiers::refuse;
use super::x509::Certificate;
use crate::connection_pool::PoolProtocol;
use crate::model::tls::{UpstreamTls, WatchedDirectory};
use crate::stats::{
    CertificateStat, ClusterCertificateStats, ClusterSslFactoryStats, ClusterSslStats, LocalScope, Registry,
    Scope,
};
use crate::stream_info::{Address, UpstreamHost};

/// TLS of a cluster, compiled.
#[derive(Debug)]
pub struct UpstreamContext {
    parts: Current<Parts>,
    /// As it was compiled last; none: it stays as it is.
    watched: Option<Mutex<UpstreamTls>>,
    sni: String,
    uses_hostname: bool,
    cluster: String,
    stats: Scope<ClusterSslStats>,
    factory_stats: Scope<ClusterSslFactoryStats>,
    /// Until when our certificate is good, and those whom we trust.
    expirations: [Option<Scope<ClusterCertificateStats>>; 2],
}

/// What changes with the files of certificates.
#[derive(Debug)]
struct Parts {
    config: Arc<ClientConfig>,
    /// For HTTP where no protocols are configured: as Envoy, it says which it speaks. For each kind of pool.
    http1_config: Arc<ClientConfig>,
    http2_config: Arc<ClientConfig>,
    auto_config: Arc<ClientConfig>,
    certificate: Option<Arc<Certificate>>,
    expirations: [Option<i64>; 2],
    loaded: Arc<LoadedContext>,
}

impl UpstreamContext {
    /// Compiles it for the cluster with this name in statistics.
    ///
    /// # Errors
    /// What cannot be used of it.
    pub fn compile(model: &UpstreamTls, cluster: &str, registry: &Registry) -> Result<Arc<Self>, String> {
        let parts = Parts::compile(model)?;
        let expirations = [0, 1].map(|which| {
            let (name, _) = (UNNAMED.get(which)?, parts.expirations.get(which).copied().flatten()?);
            Some(registry.cluster_certificate(cluster, name))
        });
        let watches = !reload::directories(reload::watched(&model.common)).is_empty();
        let context = UpstreamContext {
            parts: Current::new(parts),
            watched: watches.then(|| Mutex::new(model.clone())),
            sni: model.sni.clone(),
            uses_hostname: model.auto_host_sni,
            cluster: cluster.to_owned(),
            stats: registry.cluster_ssl(cluster),
            factory_stats: registry.cluster_ssl_factory(cluster),
            expirations,
        };
        context.tell_expirations();
        Ok(Arc::new(context))
    }

    /// The part of `worker`.
    #[must_use]
    pub fn on_worker(self: &Arc<Self>, worker: usize) -> WorkerUpstreamTls {
        WorkerUpstreamTls { context: Arc::clone(self), stats: self.stats.local(worker) }
    }

    /// The name that a host is asked for; empty: none.
    #[must_use]
    pub fn server_name<'a>(&'a self, host: &'a UpstreamHost) -> &'a str {
        if self.uses_hostname && !host.hostname.is_empty() { &host.hostname } else { &self.sni }
    }

    /// Our side of a connection to a host, and our certificate. `protocol`: what is to be spoken on it; none: what its
    /// user wants.
    ///
    /// # Errors
    /// That of `rustls`.
    pub fn begin(&self, host: &UpstreamHost, protocol: Option<PoolProtocol>) -> Result<Begun, Error> {
        let parts = self.parts.get();
        let config = match protocol {
            None => &parts.config,
            Some(PoolProtocol::Http1) => &parts.http1_config,
            Some(PoolProtocol::Http2) => &parts.http2_config,
            Some(PoolProtocol::Auto) => &parts.auto_config,
        };
        let name = ServerName::try_from(self.server_name(host).to_owned());
        // An address is not told to the host: it stands for no name.
        let unnamed = || {
            ServerName::from(match &host.address {
                Address::Ip(address) => address.ip(),
                Address::Pipe(_) | Address::Internal(_) => IpAddr::from([127, 0, 0, 1]),
            })
        };
        let connection =
            UnbufferedClientConnection::new(Arc::clone(config), name.unwrap_or_else(|_| unnamed()))?;
        Ok((connection, parts.certificate.clone()))
    }

    fn tell_expirations(&self) {
        for (scope, seconds) in self.expirations.iter().zip(self.parts.get().expirations) {
            if let (Some(scope), Some(seconds)) = (scope, seconds) {
                let seconds = u64::try_from(seconds).unwrap_or(0);
                scope.set(CertificateStat::ExpirationUnixTimeSeconds, seconds);
            }
        }
    }

    /// Answers whether anything is new.
    fn try_reload(&self) -> Result<bool, String> {
        let Some(watched) = &self.watched else { return Ok(false) };
        let mut model = watched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = model.clone();
        reload::reread(&mut new.common)?;
        if new == *model {
            return Ok(false);
        }
        self.parts.set(Parts::compile(&new)?);
        self.tell_expirations();
        *model = new;
        Ok(true)
    }
}

/// A connection that has begun, and the certificate that the host may ask for.
pub type Begun = (UnbufferedClientConnection, Option<Arc<Certificate>>);

impl Reload for UpstreamContext {
    fn directories(&self) -> Vec<WatchedDirectory> {
        let Some(model) = &self.watched else { return Vec::new() };
        let model = model.lock().unwrap_or_else(PoisonError::into_inner);
        reload::directories(reload::watched(&model.common))
    }

    fn loaded(&self) -> Arc<LoadedContext> {
        Arc::clone(&self.parts.get().loaded)
    }

    fn reload(&self) {
        reload::count(self.try_reload(), &format!("cluster {}", self.cluster), &self.factory_stats);
    }
}

impl Parts {
    fn compile(model: &UpstreamTls) -> Result<Self, String> {
        let common = &model.common;
        let certificates = certificates::compile(&common.certificates)?;
        let validation = common.validation.as_ref().map(Validation::compile).transpose()?;
        let loaded = LoadedContext::default().with_own(&certificates);
        let loaded = match &validation {
            Some(validation) => validation.tell(loaded),
            None => loaded,
        };
        let own = certificates.last().map(|certificate| certificate.facts.not_after);
        let expirations = [own, validation.as_ref().and_then(Validation::expiration)];
        let provider = parameters::provider(&common.parameters);
        let verifier = HostVerifier {
            validation: validation
                .filter(|validation| !validation.asks_nothing() || model.auto_sni_san_validation),
            name_is_asked: model.auto_sni_san_validation,
            signatures: Signatures(provider.signature_verification_algorithms),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&parameters::versions(&common.parameters))
            .map_err(|error| format!("tls_params: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match certificates.first() {
            None => builder.with_no_client_auth(),
            Some(own) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own.certified_key())))
            }
        };
        config.resumption = match usize::try_from(model.max_session_keys).unwrap_or(0) {
            0 => Resumption::disabled(),
            most => Resumption::in_memory_sessions(most),
        };
        if let Some(path) = &common.key_log_path {
            config.key_log = KeyLogFile::open(path)?;
        }
        config.alpn_protocols =
            common.alpn_protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config.check_selected_alpn = false;
        let config = Arc::new(config);
        let speaking = |protocols: &[&[u8]]| {
            if !config.alpn_protocols.is_empty() {
                return Arc::clone(&config);
            }
            let mut config = (*config).clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(config)
        };
        Ok(Parts {
            http1_config: speaking(&[b"http/1.1"]),
            http2_config: speaking(&[b"h2"]),
            auto_config: speaking(&[b"h2", b"http/1.1"]),
            config,
            certificate: certificates.first().map(|own| Arc::clone(&own.facts)),
            expirations,
            loaded: Arc::new(loaded),
        })
    }
}

/// TLS of a cluster on one worker.
#[derive(Debug)]
pub struct WorkerUpstreamTls {
    /// What it was made from.
    pub context: Arc<UpstreamContext>,
    /// What this worker counts.
    pub stats: LocalScope<ClusterSslStats>,
}

/// Judges hosts.
struct HostVerifier {
    validation: Option<Validation>,
    /// Whether the certificate must be for the name that the host was asked for.
    name_is_asked: bool,
    signatures: Signatures,
}

impl fmt::Debug for HostVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostVerifier(validates: {})", self.validation.is_some())
    }
}

impl ServerCertVerifier for HostVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(validation) = &self.validation {
            let name = match server_name {
                ServerName::DnsName(name) if self.name_is_asked => Some(SanMatcher::dns(name.as_ref())),
                _ => None,
            };
            let judged = validation.judge(end_entity, intermediates, now, PeerSide::Server, name.as_ref());
            if judged.map_err(refuse)? {
                observed::note_validated();
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.check_tls12(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.check_tls13(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}
