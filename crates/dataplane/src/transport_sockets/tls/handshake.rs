//! The handshake of a TLS socket: what is counted and told of it.
//!
//! Owns: the facts that a handshake brings, and its statistics. Does not own: the bytes (`socket`). Follows Envoy's
//! `SslHandshaker` and its page "Listener stats: TLS".

use std::future::Future;
use std::io;
use std::task::Context;
use std::time::Instant;

use rustls::server::UnbufferedServerConnection;
use rustls::{Error, HandshakeKind, ProtocolVersion};

use super::client_hello;
use super::connection::Handshake;
use super::observed::{Observed, RejectedFor};
use super::peer::Peer;
use super::session::Session;
use super::socket::{Side, State, TlsSocket};
use super::{failure, parameters};
use crate::stats::{SslStat, ssl};

impl TlsSocket {
    pub(super) fn begin(&mut self, hello: Option<&client_hello::ClientHello>) {
        let Side::Downstream(tls) = &self.side else { return };
        if let (Some(notes), Some(hello)) = (&mut self.session_id, hello) {
            notes.note_offered(&hello.session_ticket);
        }
        let config = tls.context.config_for(hello);
        self.state = match config.map(UnbufferedServerConnection::new) {
            Some(Ok(connection)) => State::Handshake(Session::Server(Box::new(connection))),
            Some(Err(_)) | None => State::Failed,
        };
    }

    pub(super) fn poll_timeout(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(timeout) = &mut self.timeout else { return Ok(()) };
        if timeout.as_mut().poll(cx).is_pending() {
            return Ok(());
        }
        self.timeout = None;
        self.state = State::Failed;
        self.connection.timed_out.set(true);
        Err(io::ErrorKind::TimedOut.into())
    }

    pub(super) fn note(&mut self, seen: Observed, outcome: &Result<(), Error>) {
        self.certificate = seen.certificate.or(self.certificate.take());
        self.server_name = seen.server_name.or(self.server_name.take());
        self.validated |= seen.validated;
        self.signature_scheme = seen.signature_scheme.or(self.signature_scheme);
        self.issuer = seen.issuer.map(Box::new).or(self.issuer.take());
        // One that was accepted all the same is counted too.
        let rejected = seen.rejection.as_ref().map(|rejection| match rejection.cause {
            RejectedFor::Chain => SslStat::FailVerifyError,
            RejectedFor::SubjectAltName => SslStat::FailVerifySan,
            RejectedFor::Hash => SslStat::FailVerifyCertHash,
        });
        self.count(rejected);
        let Err(error) = outcome else { return };
        self.count(match error {
            Error::NoCertificatesPresented => Some(SslStat::FailVerifyNoCert),
            _ => rejected.is_none().then_some(SslStat::ConnectionError),
        });
        let told = seen.rejection.as_ref().map(|rejection| rejection.text.as_str());
        // Only the first failure counts.
        drop(self.connection.failure.set(failure::reason(error, &self.first_bytes, told)));
    }

    pub(super) fn count(&self, stat: Option<SslStat>) {
        let Some(stat) = stat else { return };
        match &self.side {
            Side::Downstream(tls) => tls.stats.inc(stat),
            Side::Upstream(tls) => tls.stats.inc(stat),
        }
    }

    pub(super) fn finish_handshake(&mut self) {
        let State::Handshake(session) = &self.state else { return };
        let common = session.common();
        if common.is_handshaking() {
            return;
        }
        let suite = common.negotiated_cipher_suite();
        let issuer = self.issuer.take().map(|issuer| *issuer);
        let peer = common.peer_certificates().and_then(|chain| Peer::new(chain, self.validated, issuer));
        let resumed = common.handshake_kind() == Some(HandshakeKind::Resumed);
        let version = common.protocol_version();
        let is_client = matches!(self.side, Side::Upstream(_));
        let session_id = self.session_id.take().filter(|_| version == Some(ProtocolVersion::TLSv1_2));
        let handshake = Handshake {
            version: version.map_or("", parameters::version_name),
            cipher: suite.map_or("", |suite| parameters::cipher_name(suite.suite())),
            group: common
                .negotiated_key_exchange_group()
                .map_or("", |group| parameters::curve_name(group.name())),
            application_protocol: common.alpn_protocol().unwrap_or_default().to_vec(),
            server_name: self.server_name.clone().unwrap_or_default(),
            session_id: session_id.map(|notes| notes.id(is_client, resumed)).unwrap_or_default(),
            at: Instant::now(),
            resumed,
            peer,
            local: self.certificate.clone(),
        };
        let counted = [
            Some(SslStat::Handshake),
            handshake.resumed.then_some(SslStat::SessionReused),
            handshake.peer.is_none().then_some(SslStat::NoCertificate),
            ssl::of_version(handshake.version),
            ssl::of_cipher(handshake.cipher),
            ssl::of_curve(handshake.group),
            self.signature_scheme.and_then(ssl::of_signature_scheme),
        ];
        counted.into_iter().for_each(|stat| self.count(stat));
        // Nobody else sets it.
        drop(self.connection.handshake.set(Box::new(handshake)));
        self.timeout = None;
        if let State::Handshake(session) = std::mem::replace(&mut self.state, State::Failed) {
            self.state = State::Open(session);
        }
    }
}
