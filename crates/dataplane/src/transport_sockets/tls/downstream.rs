//! TLS towards clients: what is compiled of a filter chain's `DownstreamTlsContext`.
//!
//! Owns: the configuration of `rustls`, and what it is bound to. Does not own: connections (`socket`).
//! Follows Envoy's `DownstreamTlsContext`. A client that offers only protocols that we do not speak gets none, as in
//! Envoy, and is not refused.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};

use super::certificates::{self, Choice, UNNAMED};
use super::client_hello::ClientHello;
use super::key_log::KeyLogFile;
use super::parameters;
use super::session_tickets::SessionTickets;
use super::validation::Validation;
use super::verifiers::ClientVerifier;
use crate::model::tls::DownstreamTls;
use crate::stats::{
    CertificateStat, CertificateStats, LocalScope, Registry, Scope, SslSocketFactoryStats, SslStats,
};

/// How many sessions are remembered by a filter chain; Envoy's default.
const SESSIONS: usize = 20_480;

/// TLS of a filter chain, compiled.
#[derive(Debug)]
pub struct DownstreamContext {
    /// First those for clients that offer one of our protocols, then those for others; of each, first that for TLS 1.2.
    configs: [[Arc<ServerConfig>; 2]; 2],
    protocols: Vec<Vec<u8>>,
    choice: Arc<Choice>,
    requires_name: bool,
    connect_timeout: Option<Duration>,
    stats: Scope<SslStats>,
    /// What is listed for as long as the context is there.
    _listed: (Scope<SslSocketFactoryStats>, Vec<Scope<CertificateStats>>),
}

/// Which filter chain it is of.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The prefix of the listener's statistics.
    pub listener: &'a str,
    /// The filter chain's name and number.
    pub chain: (&'a str, usize),
}

impl DownstreamContext {
    /// Compiles it.
    ///
    /// # Errors
    /// What cannot be used of it.
    pub fn compile(
        model: &DownstreamTls,
        connect_timeout_ms: Option<u64>,
        place: Place<'_>,
        registry: &Registry,
    ) -> Result<Arc<Self>, String> {
        let common = &model.common;
        let choice = Arc::new(Choice::new(
            certificates::compile(&common.certificates)?,
            model.full_scan_certs_on_sni_mismatch,
        ));
        let validation = common.validation.as_ref().map(Validation::compile).transpose()?.map(Arc::new);
        let provider = parameters::provider(&common.parameters);
        let algorithms = provider.signature_verification_algorithms;
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&parameters::versions(&common.parameters))
            .map_err(|error| format!("tls_params: {error}"))?;
        let verifier = ClientVerifier::new(
            validation.clone(),
            model.require_client_certificate,
            model.offer_client_ca_names,
            algorithms,
        );
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::<Choice>::clone(&choice));
        resume(&mut config, model, place)?;
        if let Some(path) = &common.key_log_path {
            config.key_log = KeyLogFile::open(path)?;
        }
        let protocols: Vec<Vec<u8>> =
            common.alpn_protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let variant = |alpn: &[Vec<u8>], ignores_order| {
            let mut config = config.clone();
            config.alpn_protocols = alpn.to_vec();
            config.ignore_client_order = ignores_order;
            Arc::new(config)
        };
        // As in BoringSSL, the cipher suites of TLS 1.3 are the client's choice.
        let pair = |alpn: &[Vec<u8>]| [variant(alpn, !model.prefer_client_ciphers), variant(alpn, false)];
        let stats = registry.listener_ssl(place.listener);
        let listed = list_certificates(&choice, validation.as_deref(), place.listener, registry);
        Ok(Arc::new(DownstreamContext {
            configs: [pair(&protocols), pair(&[])],
            protocols,
            choice,
            requires_name: model.require_sni,
            connect_timeout: connect_timeout_ms.map(Duration::from_millis),
            stats,
            _listed: listed,
        }))
    }

    /// The part of `worker`.
    #[must_use]
    pub fn on_worker(self: &Arc<Self>, worker: usize) -> WorkerDownstreamTls {
        WorkerDownstreamTls { context: Arc::clone(self), stats: self.stats.local(worker) }
    }

    /// How long a handshake may take.
    #[must_use]
    pub fn connect_timeout(&self) -> Option<Duration> {
        self.connect_timeout
    }

    /// The certificates.
    #[must_use]
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// The configuration for a client; `None`: it is refused.
    #[must_use]
    pub fn config_for(&self, hello: Option<&ClientHello>) -> Option<Arc<ServerConfig>> {
        let [[for_older, for_newer], others] = &self.configs;
        let Some(hello) = hello else { return Some(Arc::clone(for_older)) };
        if self.requires_name && hello.server_name.is_empty() {
            return None;
        }
        let theirs = &hello.application_protocols;
        let has_common = theirs.is_empty() || theirs.iter().any(|protocol| self.protocols.contains(protocol));
        let [for_older, for_newer] = if has_common { [for_older, for_newer] } else { others.each_ref() };
        Some(Arc::clone(if hello.speaks_tls13 { for_newer } else { for_older }))
    }
}

fn list_certificates(
    choice: &Choice,
    validation: Option<&Validation>,
    listener: &str,
    registry: &Registry,
) -> (Scope<SslSocketFactoryStats>, Vec<Scope<CertificateStats>>) {
    let expirations = [choice.expiration(), validation.and_then(Validation::expiration)];
    let listed = UNNAMED.iter().zip(expirations).filter_map(|(name, expiration)| {
        registry.note_expiration(expiration?);
        let scope = registry.listener_certificate(listener, name);
        scope.set(CertificateStat::ExpirationUnixTimeSeconds, u64::try_from(expiration?).unwrap_or(0));
        Some(scope)
    });
    (registry.listener_ssl_factory(listener), listed.collect())
}

/// TLS of a filter chain on one worker.
#[derive(Debug)]
pub struct WorkerDownstreamTls {
    /// What it was made from.
    pub context: Arc<DownstreamContext>,
    /// What this worker counts.
    pub stats: LocalScope<SslStats>,
}

/// A session of one filter chain and configuration is none for any other.
fn resume(config: &mut ServerConfig, model: &DownstreamTls, place: Place<'_>) -> Result<(), String> {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    if model.stateless_resumption {
        let model_bytes = rmp_serde::to_vec(model).map_err(|error| error.to_string())?;
        let text = format!("{}|{}|{}|", place.listener, place.chain.0, place.chain.1);
        let bound_to = digest(&SHA256, &[text.as_bytes(), &model_bytes].concat());
        let secrets: Vec<&[u8]> = model.session_ticket_keys.iter().map(|key| key.0.as_slice()).collect();
        config.ticketer = SessionTickets::new(&secrets, bound_to.as_ref(), model.session_timeout_s)?;
        config.send_tls13_tickets = 2;
    } else if model.stateful_resumption {
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        config.send_tls13_tickets = 2;
    }
    Ok(())
}
