//! `envoy.filters.listener.tls_inspector`: what a TLS client asks for, without decrypting anything.
//!
//! Owns: the connection's server name, protocols and transport protocol by its first bytes, and the statistics. Does not
//! own: the form of those bytes (`tls::client_hello`). Follows Envoy's page "TLS Inspector".

use std::sync::Arc;

use super::Verdict;
use crate::listener::CompileContext;
use crate::model::listener_filter::TlsInspector as Model;
use crate::stats::{LocalScope, Scope, TlsInspectorHistogram, TlsInspectorStat, TlsInspectorStats};
use crate::stream_info::ConnectionInfo;
use crate::transport_sockets::tls::client_hello::{self, ClientHello, Found};
use crate::transport_sockets::tls::failure;
use crate::transport_sockets::tls::fingerprint::{self, Fingerprints};

/// The filter, compiled.
#[derive(Debug)]
pub struct TlsInspector {
    most: usize,
    closes_on_errors: bool,
    tells_ja3: bool,
    tells_ja4: bool,
    stats: Scope<TlsInspectorStats>,
}

impl TlsInspector {
    /// Compiles the filter.
    #[must_use]
    pub fn compile(model: &Model, context: &CompileContext<'_>) -> Self {
        TlsInspector {
            most: usize::try_from(model.max_client_hello_bytes).unwrap_or(usize::MAX),
            closes_on_errors: model.close_connection_on_client_hello_parsing_errors,
            tells_ja3: model.ja3_fingerprinting,
            tells_ja4: model.ja4_fingerprinting,
            stats: context.registry.tls_inspector(),
        }
    }

    fn fingerprints(&self, hello: &ClientHello) -> Option<Box<Fingerprints>> {
        let ja3 = self.tells_ja3.then(|| fingerprint::ja3(hello));
        let ja4 = self.tells_ja4.then(|| fingerprint::ja4(hello));
        (ja3.is_some() || ja4.is_some())
            .then(|| Box::new(Fingerprints { ja3: ja3.unwrap_or_default(), ja4: ja4.unwrap_or_default() }))
    }
}

/// The filter on one worker.
#[derive(Debug)]
pub struct WorkerTlsInspector {
    filter: Arc<TlsInspector>,
    stats: LocalScope<TlsInspectorStats>,
}

impl WorkerTlsInspector {
    /// The filter's part on `worker`.
    #[must_use]
    pub fn new(filter: &Arc<TlsInspector>, worker: usize) -> Self {
        WorkerTlsInspector { filter: Arc::clone(filter), stats: filter.stats.local(worker) }
    }

    /// Looks at the first bytes. They stay in the socket.
    #[must_use]
    pub fn judge(&self, bytes: &[u8], info: &mut ConnectionInfo) -> Verdict {
        match client_hello::find(bytes) {
            Found::Begin(_) if bytes.len() >= self.filter.most => {
                self.count(TlsInspectorStat::ClientHelloTooLarge, bytes.len());
                Verdict::Close
            }
            Found::Begin(needed) => Verdict::More(needed.min(self.filter.most)),
            Found::ClientHello(hello, length) => {
                self.count(TlsInspectorStat::TlsFound, length);
                self.stats.inc(match hello.server_name.as_str() {
                    "" => TlsInspectorStat::SniNotFound,
                    _ => TlsInspectorStat::SniFound,
                });
                self.stats.inc(match hello.application_protocols.as_slice() {
                    [] => TlsInspectorStat::AlpnNotFound,
                    _ => TlsInspectorStat::AlpnFound,
                });
                info.fingerprints = self.filter.fingerprints(&hello);
                info.detected_transport_protocol = "tls";
                info.requested_server_name = hello.server_name;
                let protocols = hello.application_protocols.iter();
                info.requested_application_protocols =
                    protocols.map(|protocol| String::from_utf8_lossy(protocol).into_owned()).collect();
                Verdict::Continue { taken: 0 }
            }
            Found::Other | Found::Malformed => {
                self.count(TlsInspectorStat::TlsNotFound, bytes.len());
                info.transport_failure_reason = failure::inspected(bytes).into();
                if self.filter.closes_on_errors {
                    return Verdict::Close;
                }
                Verdict::Continue { taken: 0 }
            }
        }
    }

    fn count(&self, stat: TlsInspectorStat, length: usize) {
        self.stats.inc(stat);
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        self.stats.record(TlsInspectorHistogram::BytesProcessed, length);
    }
}
