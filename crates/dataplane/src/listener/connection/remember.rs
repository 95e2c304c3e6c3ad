//! What a connection leaves behind that no filter has served.
//!
//! Owns: gathering the facts of it. Does not own: why it is refused (`filters::network::read_filters`, `filter_chain`),
//! keeping them (`explain`).

use std::time::UNIX_EPOCH;

use crate::explain::{FailedStream, StreamKind, cut, name_of};
use crate::listener::Listener;
use crate::stream_info::{Cause, ConnectionInfo};
use crate::worker::Worker;

#[cold]
pub(super) fn remember(worker: &Worker, listener: &Listener, info: &ConnectionInfo, cause: Cause) {
    let milliseconds = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let failed = FailedStream {
        kind: StreamKind::Connection,
        connection_id: info.id,
        started_ms: milliseconds(info.start_time.duration_since(UNIX_EPOCH).unwrap_or_default()),
        duration_ms: milliseconds(info.start.elapsed()),
        downstream: info.remote_address.to_string().into(),
        authority: info.local_address.to_string().into(),
        details: cut(info.local_close_reason.as_bytes()),
        cause: name_of(cause),
        listener: (&*info.listener_name).into(),
        filter_chain: (&*info.filter_chain_name).into(),
        network_filter_place: (&*listener.model.place).into(),
        ..FailedStream::default()
    };
    worker.process.failed_streams.remember(worker.index, &failed);
}
