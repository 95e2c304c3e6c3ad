//! Listener filters: what is read of a connection, and decided, before its filter chain is chosen. This is the one list
//! of them.
//!
//! Owns: their order, the bytes that they look at, and the time that they may take. Does not own: what each filter looks
//! for, nor what becomes of the connection (`listener`). Follows Envoy's page "Listener filters".
//!
//! Bytes stay in the socket until a filter takes them, so the filters that follow, and the connection, see the rest.
//! A filter that needs none answers at once, without a task.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::listener::CompileContext;
use crate::model::listener_filter::{ConnectionPredicate, ListenerFilter as Model, ListenerFilterConfig};
use crate::stream_info::ConnectionInfo;
use crate::transport_sockets::TransportSocket;

pub mod http_inspector;
pub mod local_ratelimit;
pub mod original_dst;
pub mod proxy_protocol;
pub mod tls_inspector;

use http_inspector::{HttpInspector, WorkerHttpInspector};
use local_ratelimit::{LocalRateLimit, WorkerLocalRateLimit};
use proxy_protocol::{ProxyProtocol, WorkerProxyProtocol};
use tls_inspector::{TlsInspector, WorkerTlsInspector};

/// How many bytes are looked at before a filter has asked for more.
const FIRST_LOOK: usize = 256;

/// A compiled listener filter, shared by all workers.
#[derive(Debug)]
enum ListenerFilter {
    ProxyProtocol(Arc<ProxyProtocol>),
    OriginalDst,
    LocalRateLimit(Arc<LocalRateLimit>),
    TlsInspector(Arc<TlsInspector>),
    HttpInspector(Arc<HttpInspector>),
}

/// The filters of a listener, compiled.
#[derive(Debug)]
pub struct ListenerFilters {
    filters: Vec<(Option<ConnectionPredicate>, ListenerFilter)>,
    timeout: Option<Duration>,
    continue_on_timeout: bool,
}

#[derive(Debug)]
enum WorkerFilter {
    ProxyProtocol(WorkerProxyProtocol),
    OriginalDst,
    LocalRateLimit(WorkerLocalRateLimit),
    TlsInspector(WorkerTlsInspector),
    HttpInspector(WorkerHttpInspector),
}

/// The filters of a listener on one worker.
#[derive(Debug)]
pub struct WorkerListenerFilters {
    filters: Vec<(Option<ConnectionPredicate>, WorkerFilter)>,
    timeout: Option<Duration>,
    continue_on_timeout: bool,
}

/// What a filter says of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The next filter's turn; so many bytes are taken out of the connection.
    Continue {
        /// How many.
        taken: usize,
    },
    /// More bytes are needed, up to this many in all.
    More(usize),
    /// The connection is closed.
    Close,
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All filters have let it pass.
    Passed,
    /// It is closed.
    Closed,
    /// This filter waits for bytes.
    Waiting(usize),
}

/// A connection has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// All filters have let it pass.
    InTime,
    /// Time is up, and it goes on all the same.
    TimedOut,
}

/// Why a connection has not passed.
#[derive(Debug)]
pub enum Failure {
    /// A filter has closed it.
    Closed,
    /// Time is up, and that is an end.
    TimedOut,
    /// The client has ended it before a filter had what it needs.
    RemoteClose,
    /// The socket broke.
    Error(io::Error),
}

impl ListenerFilters {
    /// Compiles the filters of a listener.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn compile(
        models: &[Model],
        timeout_ms: Option<u64>,
        continue_on_timeout: bool,
        context: &CompileContext<'_>,
    ) -> Result<Self, String> {
        let compile = |model: &Model| {
            let filter = match &model.config {
                ListenerFilterConfig::ProxyProtocol(model) => {
                    ListenerFilter::ProxyProtocol(Arc::new(ProxyProtocol::compile(model, context)))
                }
                ListenerFilterConfig::OriginalDst(_) => ListenerFilter::OriginalDst,
                ListenerFilterConfig::LocalRatelimit(model) => {
                    ListenerFilter::LocalRateLimit(Arc::new(LocalRateLimit::compile(model, context)?))
                }
                ListenerFilterConfig::TlsInspector(model) => {
                    ListenerFilter::TlsInspector(Arc::new(TlsInspector::compile(model, context)))
                }
                ListenerFilterConfig::HttpInspector(_) => {
                    ListenerFilter::HttpInspector(Arc::new(HttpInspector::compile(context)))
                }
            };
            Ok((model.disabled.clone(), filter))
        };
        Ok(ListenerFilters {
            filters: models.iter().map(compile).collect::<Result<_, String>>()?,
            timeout: timeout_ms.map(Duration::from_millis),
            continue_on_timeout,
        })
    }

    /// The filters for one worker.
    #[must_use]
    pub fn on_worker(&self, worker: usize) -> WorkerListenerFilters {
        let filters = self.filters.iter().map(|(disabled, filter)| {
            let filter = match filter {
                ListenerFilter::ProxyProtocol(filter) => {
                    WorkerFilter::ProxyProtocol(WorkerProxyProtocol::new(filter, worker))
                }
                ListenerFilter::OriginalDst => WorkerFilter::OriginalDst,
                ListenerFilter::LocalRateLimit(filter) => {
                    WorkerFilter::LocalRateLimit(WorkerLocalRateLimit::new(filter, worker))
                }
                ListenerFilter::TlsInspector(filter) => {
                    WorkerFilter::TlsInspector(WorkerTlsInspector::new(filter, worker))
                }
                ListenerFilter::HttpInspector(filter) => {
                    WorkerFilter::HttpInspector(WorkerHttpInspector::new(filter, worker))
                }
            };
            (disabled.clone(), filter)
        });
        WorkerListenerFilters {
            filters: filters.collect(),
            timeout: self.timeout,
            continue_on_timeout: self.continue_on_timeout,
        }
    }
}

impl WorkerFilter {
    fn judge(&self, bytes: &[u8], socket: &TransportSocket, info: &mut ConnectionInfo) -> Verdict {
        match self {
            WorkerFilter::ProxyProtocol(filter) => filter.judge(bytes, info),
            WorkerFilter::OriginalDst => original_dst::judge(socket, info),
            WorkerFilter::LocalRateLimit(filter) => filter.judge(),
            WorkerFilter::TlsInspector(filter) => filter.judge(bytes, info),
            WorkerFilter::HttpInspector(filter) => filter.judge(bytes, info),
        }
    }
}

impl WorkerListenerFilters {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// As far as it goes without a byte of the connection.
    #[must_use]
    pub fn accept(&self, socket: &TransportSocket, info: &mut ConnectionInfo) -> Progress {
        for (place, (disabled, filter)) in self.filters.iter().enumerate() {
            if !is_disabled(disabled.as_ref(), info) {
                match filter.judge(&[], socket, info) {
                    Verdict::Continue { .. } => {}
                    Verdict::Close => return Progress::Closed,
                    Verdict::More(_) => return Progress::Waiting(place),
                }
            }
        }
        Progress::Passed
    }

    /// Lets the filters from `first` on see the connection's bytes, for as long as they may take.
    ///
    /// # Errors
    /// The connection is to be closed.
    pub async fn read(
        &self,
        first: usize,
        socket: &mut TransportSocket,
        info: &mut ConnectionInfo,
    ) -> Result<Passed, Failure> {
        let Some(timeout) = self.timeout else { return self.walk(first, socket, info).await };
        if let Ok(passed) = tokio::time::timeout(timeout, self.walk(first, socket, info)).await {
            return passed;
        }
        if !self.continue_on_timeout {
            return Err(Failure::TimedOut);
        }
        // What was looked at in vain would otherwise wait for the next byte.
        socket.register_again().map_err(Failure::Error)?;
        Ok(Passed::TimedOut)
    }

    async fn walk(
        &self,
        first: usize,
        socket: &mut TransportSocket,
        info: &mut ConnectionInfo,
    ) -> Result<Passed, Failure> {
        let mut seen = Vec::new();
        for (disabled, filter) in self.filters.iter().skip(first) {
            if is_disabled(disabled.as_ref(), info) {
                continue;
            }
            seen.clear();
            let mut most = FIRST_LOOK;
            loop {
                match filter.judge(&seen, socket, info) {
                    Verdict::Close => return Err(Failure::Closed),
                    Verdict::Continue { taken } => {
                        socket.discard(taken).map_err(Failure::Error)?;
                        break;
                    }
                    Verdict::More(needed) => most = most.max(needed),
                }
                if !socket.peek_more(&mut seen, most).await.map_err(Failure::Error)? {
                    return Err(Failure::RemoteClose);
                }
            }
        }
        Ok(Passed::InTime)
    }
}

/// Whether the filter is switched off for the connection.
fn is_disabled(disabled: Option<&ConnectionPredicate>, info: &ConnectionInfo) -> bool {
    disabled.is_some_and(|predicate| is_met(predicate, info))
}

fn is_met(predicate: &ConnectionPredicate, info: &ConnectionInfo) -> bool {
    match predicate {
        ConnectionPredicate::Any => true,
        ConnectionPredicate::Not { rule } => !is_met(rule, info),
        ConnectionPredicate::And { rules } => rules.iter().all(|rule| is_met(rule, info)),
        ConnectionPredicate::Or { rules } => rules.iter().any(|rule| is_met(rule, info)),
        ConnectionPredicate::DestinationPort { start, end } => {
            info.local_address.port().is_some_and(|port| (*start..*end).contains(&i32::from(port)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Instant, SystemTime};

    #[test]
    fn predicates() {
        let local = "127.0.0.1:80".parse::<std::net::SocketAddr>().expect("address").into();
        let remote = "127.0.0.1:9".parse::<std::net::SocketAddr>().expect("address").into();
        let info = ConnectionInfo::new(1, local, remote, Instant::now(), SystemTime::now());
        let port = |start, end| ConnectionPredicate::DestinationPort { start, end };
        assert!(is_met(&port(80, 81), &info) && !is_met(&port(79, 80), &info));
        let either = ConnectionPredicate::Or { rules: vec![port(1, 2), port(80, 90)] };
        let both = ConnectionPredicate::And { rules: vec![port(1, 2), ConnectionPredicate::Any] };
        assert!(is_met(&either, &info) && !is_met(&both, &info));
        assert!(is_met(&ConnectionPredicate::Not { rule: Box::new(both) }, &info));
        assert!(is_disabled(Some(&either), &info) && !is_disabled(None, &info));
    }
}
