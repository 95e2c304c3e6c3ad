//! TLS towards clients: what is compiled of a filter chain's `DownstreamTlsContext`.
//!
//! Owns: the configuration of `rustls`, and what it is bound to. Does not own: connections (`socket`).
//! Follows Envoy's `DownstreamTlsContext`. A client that offers only protocols that we do not speak gets none, as in
//! Envoy, and is not refused.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};

use super::certificates::{self, Choice, UNNAMED};
use super::client_hello::ClientHello;
use super::key_log::KeyLogFile;
use super::loaded::LoadedContext;
use super::parameters;
use super::reload::{self, Current, Reload};
use super::session_tickets::{self, SessionTickets};
use super::validation::Validation;
use super::verifiers::ClientVerifier;
use crate::model::tls::{DownstreamTls, WatchedDirectory, WatchedFiles};
use crate::stats::{
    CertificateStat, CertificateStats, LocalScope, Registry, Scope, SslSocketFactoryStats, SslStats,
};

/// How many sessions are remembered by a filter chain; Envoy's default.
const SESSIONS: usize = 20_480;

/// TLS of a filter chain, compiled.
#[derive(Debug)]
pub struct DownstreamContext {
    parts: Current<Parts>,
    /// As it was compiled last; none: it stays as it is.
    watched: Option<Mutex<DownstreamTls>>,
    place: String,
    protocols: Vec<Vec<u8>>,
    requires_name: bool,
    connect_timeout: Option<Duration>,
    stats: Scope<SslStats>,
    factory_stats: Scope<SslSocketFactoryStats>,
    /// Until when our certificates are good, and those whom we trust.
    expirations: [Option<Scope<CertificateStats>>; 2],
}

/// What changes with the files of certificates.
#[derive(Debug)]
struct Parts {
    /// First those for clients that offer one of our protocols, then those for others; of each, first that for TLS 1.2.
    configs: [[Arc<ServerConfig>; 2]; 2],
    expirations: [Option<i64>; 2],
    loaded: Arc<LoadedContext>,
}

/// Which filter chain it is of.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The prefix of the listener's statistics.
    pub listener: &'a str,
    /// The listener's name: several may count together.
    pub listener_name: &'a str,
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
        let Place { listener, listener_name, chain: (name, number) } = place;
        let place = format!("{listener}|{listener_name}|{name}|{number}|");
        let parts = Parts::compile(model, &place)?;
        let stats = registry.listener_ssl(listener);
        let expirations = [0, 1].map(|which| {
            let (name, _) = (UNNAMED.get(which)?, parts.expirations.get(which).copied().flatten()?);
            Some(registry.listener_certificate(listener, name))
        });
        let watches = !reload::directories(watched(model)).is_empty();
        let context = DownstreamContext {
            watched: watches.then(|| Mutex::new(model.clone())),
            place,
            protocols: protocols(model),
            requires_name: model.require_sni,
            connect_timeout: connect_timeout_ms.map(Duration::from_millis),
            stats,
            factory_stats: registry.listener_ssl_factory(listener),
            expirations,
            parts: Current::new(parts),
        };
        context.tell_expirations();
        Ok(Arc::new(context))
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

    /// The configuration for a client; `None`: it is refused.
    #[must_use]
    pub fn config_for(&self, hello: Option<&ClientHello>) -> Option<Arc<ServerConfig>> {
        let parts = self.parts.get();
        let [[for_older, for_newer], others] = &parts.configs;
        let Some(hello) = hello else { return Some(Arc::clone(for_older)) };
        if self.requires_name && hello.server_name.is_empty() {
            return None;
        }
        let theirs = &hello.application_protocols;
        let has_common = theirs.is_empty() || theirs.iter().any(|protocol| self.protocols.contains(protocol));
        let [for_older, for_newer] = if has_common { [for_older, for_newer] } else { others.each_ref() };
        Some(Arc::clone(if hello.speaks_tls13 { for_newer } else { for_older }))
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
        for (place, path) in new.session_ticket_keys_watched.iter().flat_map(|watched| &watched.files) {
            let key = place.parse().ok().and_then(|place: usize| new.session_ticket_keys.get_mut(place));
            if let Some(key) = key {
                *key = session_tickets::checked(reload::read(path)?)?;
            }
        }
        if new == *model {
            return Ok(false);
        }
        self.parts.set(Parts::compile(&new, &self.place)?);
        self.tell_expirations();
        *model = new;
        Ok(true)
    }
}

impl Reload for DownstreamContext {
    fn directories(&self) -> Vec<WatchedDirectory> {
        let Some(model) = &self.watched else { return Vec::new() };
        reload::directories(watched(&model.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn loaded(&self) -> Arc<LoadedContext> {
        Arc::clone(&self.parts.get().loaded)
    }

    fn reload(&self) {
        let whose = format!("listener {}", self.place.split('|').next().unwrap_or_default());
        reload::count(self.try_reload(), &whose, &self.factory_stats);
    }
}

fn watched(model: &DownstreamTls) -> impl Iterator<Item = &WatchedFiles> {
    reload::watched(&model.common).chain(&model.session_ticket_keys_watched)
}

fn protocols(model: &DownstreamTls) -> Vec<Vec<u8>> {
    model.common.alpn_protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect()
}

impl Parts {
    fn compile(model: &DownstreamTls, place: &str) -> Result<Self, String> {
        let common = &model.common;
        let choice = Arc::new(Choice::new(
            certificates::compile(&common.certificates)?,
            model.full_scan_certs_on_sni_mismatch,
        ));
        let validation = common.validation.as_ref().map(Validation::compile).transpose()?.map(Arc::new);
        let loaded = LoadedContext::default().with_own(choice.certificates());
        let loaded = match validation.as_deref() {
            Some(validation) => validation.tell(loaded),
            None => loaded,
        };
        let expirations = [choice.expiration(), validation.as_deref().and_then(Validation::expiration)];
        let provider = parameters::provider(&common.parameters);
        let algorithms = provider.signature_verification_algorithms;
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&parameters::versions(&common.parameters))
            .map_err(|error| format!("tls_params: {error}"))?;
        let verifier = ClientVerifier::new(
            validation,
            model.require_client_certificate,
            model.offer_client_ca_names,
            algorithms,
        );
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(choice);
        resume(&mut config, model, place)?;
        if let Some(path) = &common.key_log_path {
            config.key_log = KeyLogFile::open(path)?;
        }
        let variant = |alpn: &[Vec<u8>], ignores_order| {
            let mut config = config.clone();
            config.alpn_protocols = alpn.to_vec();
            config.ignore_client_order = ignores_order;
            Arc::new(config)
        };
        // As in BoringSSL, the cipher suites of TLS 1.3 are the client's choice.
        let pair = |alpn: &[Vec<u8>]| [variant(alpn, !model.prefer_client_ciphers), variant(alpn, false)];
        Ok(Parts { configs: [pair(&protocols(model)), pair(&[])], expirations, loaded: Arc::new(loaded) })
    }
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
fn resume(config: &mut ServerConfig, model: &DownstreamTls, place: &str) -> Result<(), String> {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    if model.stateless_resumption {
        // Not to the keys: what an older one has encrypted is still to be decrypted.
        let mut bound = model.clone();
        bound.session_ticket_keys.clear();
        let model_bytes = rmp_serde::to_vec(&bound).map_err(|error| error.to_string())?;
        let bound_to = digest(&SHA256, &[place.as_bytes(), &model_bytes].concat());
        let secrets: Vec<&[u8]> = model.session_ticket_keys.iter().map(|key| key.0.as_slice()).collect();
        config.ticketer = SessionTickets::new(&secrets, bound_to.as_ref(), model.session_timeout_s)?;
        config.send_tls13_tickets = 2;
    } else if model.stateful_resumption {
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        config.send_tls13_tickets = 2;
    }
    Ok(())
}
