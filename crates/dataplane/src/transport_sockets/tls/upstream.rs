//! TLS towards hosts: what is compiled of a cluster's `UpstreamTlsContext`.
//!
//! Owns: the configuration of `rustls`, the judgement of hosts' certificates, and the name that a host is asked for. Does
//! not own: connections (`socket`). Follows Envoy's `UpstreamTlsContext`: without a validation context any certificate
//! will do, and sessions are remembered by the cluster.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::certificates::{self, OwnCertificate, UNNAMED};
use super::key_log::KeyLogFile;
use super::observed;
use super::parameters;
use super::subject_alt_names::SanMatcher;
use super::validation::{PeerSide, Validation};
use super::verifiers::refuse;
use crate::model::tls::UpstreamTls;
use crate::stats::{
    CertificateStat, ClusterCertificateStats, ClusterSslFactoryStats, ClusterSslStats, LocalScope, Registry,
    Scope,
};
use crate::stream_info::{Address, UpstreamHost};

/// TLS of a cluster, compiled.
#[derive(Debug)]
pub struct UpstreamContext {
    config: Arc<ClientConfig>,
    /// For HTTP where no protocols are configured: as Envoy, it says which it speaks.
    http_config: Arc<ClientConfig>,
    certificates: Vec<OwnCertificate>,
    sni: String,
    uses_hostname: bool,
    stats: Scope<ClusterSslStats>,
    /// What is listed for as long as the context is there.
    _listed: (Scope<ClusterSslFactoryStats>, Vec<Scope<ClusterCertificateStats>>),
}

impl UpstreamContext {
    /// Compiles it for the cluster with this name in statistics.
    ///
    /// # Errors
    /// What cannot be used of it.
    pub fn compile(model: &UpstreamTls, cluster: &str, registry: &Registry) -> Result<Arc<Self>, String> {
        let common = &model.common;
        let certificates = certificates::compile(&common.certificates)?;
        let validation = common.validation.as_ref().map(Validation::compile).transpose()?;
        let listed = list_certificates(&certificates, validation.as_ref(), cluster, registry);
        let provider = parameters::provider(&common.parameters);
        let verifier = HostVerifier {
            validation: validation
                .filter(|validation| !validation.asks_nothing() || model.auto_sni_san_validation),
            name_is_asked: model.auto_sni_san_validation,
            algorithms: provider.signature_verification_algorithms,
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
        let protocols = common.alpn_protocols.iter().filter(|protocol| protocol.as_str() != "h2");
        config.alpn_protocols = protocols.map(|protocol| protocol.as_bytes().to_vec()).collect();
        config.check_selected_alpn = false;
        let mut http_config = config.clone();
        if http_config.alpn_protocols.is_empty() {
            http_config.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        Ok(Arc::new(UpstreamContext {
            config: Arc::new(config),
            http_config: Arc::new(http_config),
            certificates,
            sni: model.sni.clone(),
            uses_hostname: model.auto_host_sni,
            stats: registry.cluster_ssl(cluster),
            _listed: listed,
        }))
    }

    /// The part of `worker`.
    #[must_use]
    pub fn on_worker(self: &Arc<Self>, worker: usize) -> WorkerUpstreamTls {
        WorkerUpstreamTls { context: Arc::clone(self), stats: self.stats.local(worker) }
    }

    /// Our certificate, if there is one.
    #[must_use]
    pub fn certificate(&self) -> Option<&OwnCertificate> {
        self.certificates.first()
    }

    /// The name that a host is asked for; empty: none.
    #[must_use]
    pub fn server_name<'a>(&'a self, host: &'a UpstreamHost) -> &'a str {
        if self.uses_hostname && !host.hostname.is_empty() { &host.hostname } else { &self.sni }
    }

    /// Our side of a connection to a host.
    ///
    /// # Errors
    /// That of `rustls`.
    pub fn begin(&self, host: &UpstreamHost, for_http: bool) -> Result<UnbufferedClientConnection, Error> {
        let config = if for_http { &self.http_config } else { &self.config };
        let name = ServerName::try_from(self.server_name(host).to_owned());
        // An address is not told to the host: it stands for no name.
        let unnamed = || {
            ServerName::from(match &host.address {
                Address::Ip(address) => address.ip(),
                Address::Pipe(_) | Address::Internal(_) => IpAddr::from([127, 0, 0, 1]),
            })
        };
        UnbufferedClientConnection::new(Arc::clone(config), name.unwrap_or_else(|_| unnamed()))
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

fn list_certificates(
    certificates: &[OwnCertificate],
    validation: Option<&Validation>,
    cluster: &str,
    registry: &Registry,
) -> (Scope<ClusterSslFactoryStats>, Vec<Scope<ClusterCertificateStats>>) {
    let own = certificates.last().map(|certificate| certificate.facts.not_after);
    let expirations = [own, validation.and_then(Validation::expiration)];
    let listed = UNNAMED.iter().zip(expirations).filter_map(|(name, expiration)| {
        registry.note_expiration(expiration?);
        let scope = registry.cluster_certificate(cluster, name);
        scope.set(CertificateStat::ExpirationUnixTimeSeconds, u64::try_from(expiration?).unwrap_or(0));
        Some(scope)
    });
    let listed = listed.collect();
    (registry.cluster_ssl_factory(cluster), listed)
}

/// Judges hosts.
struct HostVerifier {
    validation: Option<Validation>,
    /// Whether the certificate must be for the name that the host was asked for.
    name_is_asked: bool,
    algorithms: WebPkiSupportedAlgorithms,
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
        observed::note_signature(dss.scheme);
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        observed::note_signature(dss.scheme);
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
