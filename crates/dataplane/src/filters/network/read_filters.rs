//! Network filters that stand before the last one of a chain. This is the one list of them.
//!
//! Owns: their order, when each is asked (a new connection, its bytes), and what their answer does to the connection.
//! Does not own: what each decides. Follows Envoy's page "Network (L3/L4) filters".
//!
//! None of the built ones looks into bytes or changes its mind, so what each would say of bytes is settled when the
//! connection begins; the socket is watched only where a filter waits for them.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::connection_limit::{ConnectionLimit, Permit, WorkerConnectionLimit};
use super::local_ratelimit::{LocalRateLimit, WorkerLocalRateLimit};
use super::rbac::{PendingRbac, Rbac, WorkerRbac};
use super::set_filter_state::SetFilterState;
use crate::listener::CompileContext;
use crate::model::listener::NetworkFilter as Model;
use crate::stream_info::{ConnectionInfo, FilterClose, FilterCloseNote, ResponseFlag};
use crate::transport_sockets::{FilteredSocket, OnData, ReadVerdict, TransportSocket};

#[derive(Debug)]
enum ReadFilter {
    ConnectionLimit(Arc<ConnectionLimit>),
    LocalRateLimit(Arc<LocalRateLimit>),
    Rbac(Arc<Rbac>),
    SetFilterState(Arc<SetFilterState>),
}

/// The filters before the last one of a chain, compiled.
#[derive(Debug, Default)]
pub struct ReadFilters(Vec<ReadFilter>);

#[derive(Debug)]
enum WorkerReadFilter {
    ConnectionLimit(WorkerConnectionLimit),
    LocalRateLimit(WorkerLocalRateLimit),
    Rbac(Rc<WorkerRbac>),
    SetFilterState(Arc<SetFilterState>),
}

/// The filters before the last one of a chain, on one worker.
#[derive(Debug)]
pub struct WorkerReadFilters(Vec<WorkerReadFilter>);

/// Why a connection is closed before it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// `%DOWNSTREAM_LOCAL_CLOSE_REASON%`
    pub reason: &'static str,
    /// The response flag that tells of it.
    pub flag: Option<ResponseFlag>,
    /// How long the connection is left waiting.
    pub delay: Option<Duration>,
}

/// What filters hold for as long as a connection is open.
#[derive(Debug, Default)]
pub struct Held {
    permits: Vec<Permit>,
    pending: Vec<PendingRbac>,
}

impl ReadFilters {
    /// Compiles the filters.
    ///
    /// # Errors
    /// What is wrong with one of them, or that it ends a chain and stands before its end.
    pub fn compile(models: &[Model], context: &CompileContext<'_>) -> Result<Self, String> {
        let compile = |model: &Model| {
            Ok(match model {
                Model::ConnectionLimit(model) => {
                    ReadFilter::ConnectionLimit(Arc::new(ConnectionLimit::compile(model, context)))
                }
                Model::LocalRatelimit(model) => {
                    ReadFilter::LocalRateLimit(Arc::new(LocalRateLimit::compile(model, context)?))
                }
                Model::Rbac(model) => ReadFilter::Rbac(Arc::new(Rbac::compile(model, context)?)),
                Model::SetFilterState(model) => {
                    ReadFilter::SetFilterState(Arc::new(SetFilterState::compile(model)?))
                }
                Model::DirectResponse(_) | Model::Echo(_) => {
                    return Err("a filter that ends a chain stands before its end".to_owned());
                }
                Model::TcpProxy(_) | Model::HttpConnectionManager(_) => {
                    return Err("a proxy filter stands before the end of its chain".to_owned());
                }
            })
        };
        models.iter().map(compile).collect::<Result<_, String>>().map(ReadFilters)
    }

    /// The filters for one worker.
    #[must_use]
    pub fn on_worker(&self, worker: usize) -> WorkerReadFilters {
        let filters = self.0.iter().map(|filter| match filter {
            ReadFilter::ConnectionLimit(filter) => {
                WorkerReadFilter::ConnectionLimit(WorkerConnectionLimit::new(filter, worker))
            }
            ReadFilter::LocalRateLimit(filter) => {
                WorkerReadFilter::LocalRateLimit(WorkerLocalRateLimit::new(filter, worker))
            }
            ReadFilter::Rbac(filter) => WorkerReadFilter::Rbac(Rc::new(WorkerRbac::new(filter, worker))),
            ReadFilter::SetFilterState(filter) => WorkerReadFilter::SetFilterState(Arc::clone(filter)),
        });
        WorkerReadFilters(filters.collect())
    }
}

impl WorkerReadFilters {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Asks the filters about a new connection, in their order, until one refuses it.
    ///
    /// # Errors
    /// The connection is to be closed.
    pub fn on_new_connection(&self, info: &mut ConnectionInfo) -> Result<Held, Refusal> {
        let mut held = Held::default();
        for filter in &self.0 {
            match filter {
                WorkerReadFilter::ConnectionLimit(filter) => held.permits.extend(filter.admit()?),
                WorkerReadFilter::LocalRateLimit(filter) => filter.admit()?,
                WorkerReadFilter::Rbac(filter) => held.pending.push(PendingRbac::new(filter, info)),
                WorkerReadFilter::SetFilterState(filter) => filter.on_new_connection(info),
            }
        }
        Ok(held)
    }
}

impl Held {
    /// The socket as the last filter gets it: watched where a filter waits for bytes.
    pub fn watch(&mut self, socket: TransportSocket, info: &mut ConnectionInfo) -> TransportSocket {
        if self.pending.is_empty() {
            return socket;
        }
        let note = Rc::new(FilterCloseNote::default());
        info.filter_close = Some(Rc::clone(&note));
        let watch =
            Rc::new(Watch { filters: std::mem::take(&mut self.pending), note, stopped_at: Cell::new(0) });
        TransportSocket::Filtered(Box::new(FilteredSocket::new(socket, watch)))
    }
}

/// Filters that wait for bytes.
#[derive(Debug)]
struct Watch {
    filters: Vec<PendingRbac>,
    note: Rc<FilterCloseNote>,
    /// Bytes that did not pass.
    stopped_at: Cell<u64>,
}

impl OnData for Watch {
    fn on_data(&self, count: usize) -> ReadVerdict {
        for filter in &self.filters {
            let denial = self.note.tell(|told| filter.on_data(told));
            let Some(denial) = denial else { continue };
            self.stopped_at.set(u64::try_from(count).unwrap_or(u64::MAX));
            self.note.leave(FilterClose {
                termination_details: denial.details,
                reason: "rbac_deny_close",
                bytes: self.stopped_at.get(),
            });
            return denial.delay.map_or(ReadVerdict::Close, ReadVerdict::CloseAfter);
        }
        ReadVerdict::Continue
    }
}
