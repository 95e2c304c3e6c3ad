//! `envoy.filters.network.direct_response`: a text for everyone who connects, and that is all.
//!
//! Owns: writing it. Does not own: the connection (`listener`). Follows Envoy's page "Direct response".

use std::future::poll_fn;
use std::io::IoSlice;
use std::rc::Rc;
use std::sync::Arc;

use super::ServeConnection;
use crate::model::network_filter::DirectResponse as Model;
use crate::stream_info::{ConnectionInfo, ResponseFlag};
use crate::transport_sockets::TransportSocket;
use crate::worker::Worker;

/// The filter.
#[derive(Debug)]
pub struct DirectResponse(Arc<[u8]>);

impl DirectResponse {
    /// Compiles the filter.
    #[must_use]
    pub fn compile(model: &Model) -> Self {
        DirectResponse(model.response.as_slice().into())
    }

    /// The filter for one worker.
    #[must_use]
    pub fn on_worker(&self) -> Self {
        DirectResponse(Arc::clone(&self.0))
    }
}

impl ServeConnection for DirectResponse {
    async fn serve(&self, _worker: &Rc<Worker>, mut socket: TransportSocket, info: &mut ConnectionInfo) {
        let mut rest = &*self.0;
        while !rest.is_empty() {
            let written = poll_fn(|cx| socket.poll_write(cx, &[IoSlice::new(rest)])).await;
            // A client that is gone gets no more.
            let Ok(count @ 1..) = written else { break };
            rest = rest.get(count..).unwrap_or_default();
        }
        if let Some(stream) = &mut info.stream {
            stream.response_code_details = "direct_response".into();
            stream.bytes_sent = u64::try_from(self.0.len()).unwrap_or(u64::MAX);
        }
    }

    fn refuse(&self, _worker: &Rc<Worker>, _info: &mut ConnectionInfo, _flag: Option<ResponseFlag>) {}
}
