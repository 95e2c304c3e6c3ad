//! The lines of a UDP proxy in access logs.
//!
//! Owns: what is told of a session and of the proxy. Does not own: when (`session`, `udp_proxy`), the formats (`format`).
//! Follows Envoy's page "UDP proxy", section "Access logs", and its metadata `udp.proxy.session` and `udp.proxy.proxy`.

use std::rc::Rc;
use std::time::Instant;

use super::WorkerUdpProxy;
use super::session::Session;
use crate::format::{AccessLogType, FormatContext};
use crate::model::metadata::{Struct, Value};
use crate::random::thread_random;
use crate::stats::UdpStat;
use crate::stream_info::{Address, ConnectionInfo, ResponseFlag, StreamInfo, TimePoint, UpstreamAttempt};
use crate::uuid;

const SESSION: &str = "udp.proxy.session";
const PROXY: &str = "udp.proxy.proxy";

impl Session {
    /// Writes a line about the session.
    pub(super) fn log(&self, proxy: &WorkerUdpProxy, occasion: AccessLogType, flag: Option<ResponseFlag>) {
        if proxy.proxy.access_log.is_empty() {
            return;
        }
        let Some(worker) = proxy.worker.upgrade() else { return };
        let now = Instant::now();
        let local = Address::of_connection(self.local_address());
        let remote = Address::of_connection(self.key.client);
        let info = ConnectionInfo::new(self.id, local, remote, self.start, self.start_time);
        let mut stream = StreamInfo::new(self.start, self.start_time);
        if occasion == AccessLogType::UdpSessionEnd {
            stream.mark(TimePoint::RequestComplete, now);
        }
        flag.into_iter().for_each(|flag| stream.set_flag(flag));
        let id = uuid::random(self.stream_id.0, self.stream_id.1);
        stream.stream_id.push_str(&String::from_utf8_lossy(&id));
        // As in Envoy, a session that there was no room for has not come to a host.
        if flag != Some(ResponseFlag::UpstreamOverflow) {
            let host = Rc::clone(&self.host.info);
            stream.upstream.attempts.push(UpstreamAttempt { host: Rc::clone(&host), connection_id: None });
            stream.upstream.host = Some(host);
            stream.upstream.remote_address = Some(self.host.info.address.clone());
            stream.upstream.local_address = self.upstream_local_address().map(Address::Ip);
        }
        let counts = self.counts();
        (stream.bytes_received, stream.bytes_sent) = (counts.bytes_received, counts.bytes_sent);
        let numbers = [
            ("bytes_received", counts.bytes_received),
            ("bytes_sent", counts.bytes_sent),
            ("datagrams_received", counts.datagrams_received),
            ("datagrams_sent", counts.datagrams_sent),
            ("errors_sent", counts.errors_sent),
        ];
        let mut told = numbers_of(numbers);
        told.0.insert("cluster_name".to_owned(), Value::text(&self.cluster.info.name));
        set(&mut stream, SESSION, told);
        let context = FormatContext::new(&stream, &info, occasion, now, thread_random);
        proxy.proxy.access_log.log(&worker.logs, &context);
    }
}

impl WorkerUdpProxy {
    /// Writes the line about the proxy, at its end.
    pub(super) fn log_end(&self) {
        if self.proxy.proxy_access_log.is_empty() {
            return;
        }
        let Some(worker) = self.worker.upgrade() else { return };
        let now = Instant::now();
        let nobody = || Address::Pipe("".into());
        let info = ConnectionInfo::new(0, nobody(), nobody(), self.start, self.start_time);
        let mut stream = StreamInfo::new(self.start, self.start_time);
        stream.mark(TimePoint::RequestComplete, now);
        let bytes = self.bytes.get();
        (stream.bytes_received, stream.bytes_sent) = (bytes.received, bytes.sent);
        // As in Envoy, these are those of all workers.
        let total = |stat| self.proxy.stats.value(stat);
        let numbers = [
            ("bytes_received", total(UdpStat::DownstreamSessRxBytes)),
            ("bytes_sent", total(UdpStat::DownstreamSessTxBytes)),
            ("datagrams_received", total(UdpStat::DownstreamSessRxDatagrams)),
            ("datagrams_sent", total(UdpStat::DownstreamSessTxDatagrams)),
            ("errors_received", total(UdpStat::DownstreamSessRxErrors)),
            ("errors_sent", total(UdpStat::DownstreamSessTxErrors)),
            ("idle_timeout", total(UdpStat::IdleTimeout)),
            ("no_route", total(UdpStat::DownstreamSessNoRoute)),
            ("session_total", total(UdpStat::DownstreamSessTotal)),
        ];
        set(&mut stream, PROXY, numbers_of(numbers));
        let context = FormatContext::new(&stream, &info, AccessLogType::NotSet, now, thread_random);
        self.proxy.proxy_access_log.log(&worker.logs, &context);
    }
}

fn set(stream: &mut StreamInfo, namespace: &str, fields: Struct) {
    // So few fields always find room.
    let _set: bool = stream.dynamic_metadata.set(namespace, fields);
}

fn numbers_of<const N: usize>(numbers: [(&str, u64); N]) -> Struct {
    Struct(
        numbers.into_iter().map(|(name, number)| (name.to_owned(), Value::Number(as_f64(number)))).collect(),
    )
}

/// The numbers of metadata are such; above 2^53 they are rounded.
#[allow(clippy::cast_precision_loss, reason = "as in Envoy")]
fn as_f64(number: u64) -> f64 {
    number as f64
}
