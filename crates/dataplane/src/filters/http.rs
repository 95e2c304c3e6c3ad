//! HTTP filters: what is done with a request on its way to the upstream, and with its response on the way back.
//!
//! Owns: what a filter is, the chain of them, and the walk along it. Does not own: the streams they work on
//! (`http_stream`), nor the last filter, which forwards (`router`).
//! Follows Envoy's page "HTTP filters".
//!
//! A filter is called without waiting: it answers at once. Only an answer `Wait` allocates, and only where one is given.
//! A filter is not called for a phase that it has nothing to do in, nor on routes that disable it.
//!
//! Adding a filter is a file here, a line in `compile_filter` and a file in `ferryman/config/filters/http/`.

use std::fmt::Debug;
use std::pin::Pin;

use ferryman_codec::HeaderBlock;

use crate::local_reply::LocalReply;
use crate::model::http_connection_manager::{HttpFilter as HttpFilterModel, HttpFilterConfig, Router};
use crate::stream_info::{ConnectionInfo, StreamInfo};

pub mod router;

/// When a filter is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The request's head is there; the first filter of the list comes first.
    RequestHeaders,
    /// More of the body is there, for a filter that stopped the request.
    RequestData,
    /// The response's head is there, from the upstream or a local reply; the last filter comes first.
    ResponseHeaders,
}

/// A filter's answer.
pub enum Answer {
    /// On to the next filter.
    Continue,
    /// To a request's head or body: nothing goes on yet. More of the body is read, up to the buffer limit, and
    /// `on_request_data` is called with all of it that is there. A body that has ended is not waited for, and a response
    /// is not stopped: there this means `Continue`.
    StopIteration,
    /// The client is answered by this proxy; filters further on do not see the request.
    Respond(LocalReply<'static>),
    /// The filter is called again, by `resume`, when this is done. Until then nothing moves.
    Wait(Pin<Box<dyn Future<Output = ()>>>),
}

/// What a filter sees of a stream. Whatever it changes goes on.
#[derive(Debug)]
pub struct FilterContext<'a> {
    /// The request's head.
    pub request: &'a mut HeaderBlock,
    /// What is held of the request's body; empty before a filter answers `StopIteration`.
    pub body: &'a mut Vec<u8>,
    /// Whether `body` is all of the body.
    pub end_stream: bool,
    /// The response's head; empty before there is one.
    pub response: &'a mut HeaderBlock,
    /// What is known of the stream.
    pub info: &'a mut StreamInfo,
    /// What is known of the connection.
    pub connection: &'a ConnectionInfo,
}

/// A compiled filter, shared by all workers.
pub trait HttpFilter: Debug + Send + Sync {
    /// Whether it has anything to do in a phase.
    fn takes_part_in(&self, phase: Phase) -> bool;

    /// The filter for one stream.
    fn on_stream(&self) -> Box<dyn StreamFilter>;
}

/// A filter on one stream. It may keep what it likes between calls.
pub trait StreamFilter {
    /// Called once the request's head is there.
    fn on_request_headers(&mut self, _context: &mut FilterContext<'_>) -> Answer {
        Answer::Continue
    }

    /// Called when more of a stopped request's body is there.
    fn on_request_data(&mut self, _context: &mut FilterContext<'_>) -> Answer {
        Answer::Continue
    }

    /// Called once the response's head is there. An answer `Respond` takes the response's place.
    fn on_response_headers(&mut self, _context: &mut FilterContext<'_>) -> Answer {
        Answer::Continue
    }

    /// Called when what it waited for is done.
    fn resume(&mut self, _phase: Phase, _context: &mut FilterContext<'_>) -> Answer {
        Answer::Continue
    }

    /// Called when the stream is over, after all else. `info` says how it went.
    fn on_stream_complete(&mut self, _info: &StreamInfo) {}
}

impl Debug for dyn StreamFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StreamFilter")
    }
}

/// One filter of the list.
#[derive(Debug)]
pub struct NamedFilter {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// Whether it is off but on routes that turn it on.
    pub disabled: bool,
    /// The filter.
    pub filter: Box<dyn HttpFilter>,
}

/// The HTTP filters of one connection manager.
#[derive(Debug)]
pub struct HttpFilters {
    filters: Vec<NamedFilter>,
    /// The settings of the router, which ends the list.
    pub router: Router,
}

/// Which filters of a list are on for a route: bit n stands for filter n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActiveFilters(u64);

impl ActiveFilters {
    /// Whether there are none: the request goes straight to the router.
    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl HttpFilters {
    /// Compiles the list. The router comes last, and nowhere else.
    ///
    /// # Errors
    /// What is wrong with a filter, or with the list.
    pub fn compile(models: &[HttpFilterModel]) -> Result<Self, String> {
        let Some((last, before)) = models.split_last() else {
            return Err("http_filters is empty; it must end with the router".to_owned());
        };
        let HttpFilterConfig::Router(router) = &last.config;
        let filters = before.iter().map(compile_filter).collect::<Result<_, _>>()?;
        HttpFilters::new(filters, router.clone())
    }

    /// A list of filters that are compiled already.
    ///
    /// # Errors
    /// There are more than 64 filters.
    pub fn new(filters: Vec<NamedFilter>, router: Router) -> Result<Self, String> {
        if filters.len() > 64 {
            return Err(format!("there are {} HTTP filters; at most 64 are supported", filters.len()));
        }
        Ok(HttpFilters { filters, router })
    }

    /// Which filters are on where `overrides` (the least specific first) say which are disabled and which are not.
    #[must_use]
    pub fn active<'a>(&self, overrides: impl Iterator<Item = (&'a str, bool)> + Clone) -> ActiveFilters {
        let bits = self.filters.iter().enumerate().filter(|(_, filter)| {
            let said = overrides.clone().filter(|(name, _)| *name == &*filter.name).last();
            !said.map_or(filter.disabled, |(_, disabled)| disabled)
        });
        ActiveFilters(bits.fold(0, |mask, (index, _)| mask | 1 << index))
    }

    /// Makes the filters of one stream, in the order of the list.
    pub fn begin(&self, active: ActiveFilters, stream: &mut Vec<ActiveFilter>) {
        stream.clear();
        for (index, named) in self.filters.iter().enumerate() {
            if active.0 & (1 << index) != 0 {
                stream.push(ActiveFilter {
                    filter: named.filter.on_stream(),
                    request_headers: named.filter.takes_part_in(Phase::RequestHeaders),
                    response_headers: named.filter.takes_part_in(Phase::ResponseHeaders),
                });
            }
        }
    }
}

/// A filter of one stream, and when it is called.
#[derive(Debug)]
pub struct ActiveFilter {
    filter: Box<dyn StreamFilter>,
    request_headers: bool,
    response_headers: bool,
}

impl ActiveFilter {
    /// Calls it for a phase, if it takes part; `resumed` after an answer `Wait`.
    pub fn call(&mut self, phase: Phase, resumed: bool, context: &mut FilterContext<'_>) -> Answer {
        match phase {
            Phase::RequestHeaders if !self.request_headers => Answer::Continue,
            Phase::ResponseHeaders if !self.response_headers => Answer::Continue,
            _ if resumed => self.filter.resume(phase, context),
            Phase::RequestHeaders => self.filter.on_request_headers(context),
            Phase::RequestData => self.filter.on_request_data(context),
            Phase::ResponseHeaders => self.filter.on_response_headers(context),
        }
    }

    /// Tells it that the stream is over.
    pub fn complete(&mut self, info: &StreamInfo) {
        self.filter.on_stream_complete(info);
    }
}

/// The one list of HTTP filters that stand before the router.
fn compile_filter(model: &HttpFilterModel) -> Result<NamedFilter, String> {
    match &model.config {
        HttpFilterConfig::Router(_) => {
            Err(format!("http_filters: the router '{}' must come last", model.name))
        }
    }
}
