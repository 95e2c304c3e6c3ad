//! A request that asks for another protocol, or for a tunnel (CONNECT).
//!
//! Owns: whether such a request may go on, what is counted of it, and the answer where it may not. Does not own: which
//! upgrades are allowed (`upgrades` of the connection manager), the bytes of the other protocol (`exchange`).
//! Follows Envoy's page "Upgrades"; RFC 9110 sections 7.8 and 9.3.6.
//!
//! What follows the request's head belongs to the other protocol. It is held until the upstream has agreed; if it does
//! not, the bytes go nowhere and the connection closes, so that nobody takes them for another request.

use ferryman_codec::{BodyFraming, ErrorKind as CodecError, KnownName, RequestKind, Version};

use crate::error::{Error, ErrorKind};
use crate::http_codec::BodyReader;
use crate::route::Action;
use crate::stats::{HttpStat, HttpStats, LocalScope};

use super::HttpStream;

/// An upgrade that was let in, counted for as long as its stream lasts, also when a panic ends it.
#[derive(Debug)]
pub(super) struct ActiveUpgrade<'a> {
    stats: &'a LocalScope<HttpStats>,
    is_websocket: bool,
}

impl Drop for ActiveUpgrade<'_> {
    fn drop(&mut self) {
        self.stats.dec(HttpStat::DownstreamCxUpgradesActive);
    }
}

impl HttpStream<'_> {
    /// Whether the request asks for another protocol or a tunnel.
    pub(crate) fn asks_for_upgrade(&self) -> bool {
        self.head.upgrade || self.head.kind == RequestKind::Connect
    }

    /// Whether the request asks for WebSocket, with which Envoy is stricter than with all else.
    pub(crate) fn asks_for_websocket(&self) -> bool {
        self.upgrade.as_ref().is_some_and(|upgrade| upgrade.is_websocket)
    }

    /// Finds out whether the wish counts. If it does, all that follows the head is the other protocol's.
    pub(super) fn settle_upgrade(&mut self) -> Result<(), Error> {
        let refused = |kind: CodecError| Error::from(ErrorKind::DownstreamCodec(kind));
        let upgrades = &self.settings().upgrades;
        if self.head.upgrade && !upgrades.settle(&mut self.state.request).map_err(refused)? {
            self.head.upgrade = false;
            self.head.kind = RequestKind::Other;
            return Ok(());
        }
        let has_body = matches!(self.head.framing, BodyFraming::Chunked | BodyFraming::Length(1..));
        if has_body && self.head.version != Version::Http2 {
            return Err(refused(CodecError::BodyNotAllowed));
        }
        self.head.framing = BodyFraming::None;
        // Over HTTP/2 a tunnel's client may have said all already.
        self.endless = self.head.version != Version::Http2 || !self.connection.codec.is_ended();
        self.connection.codec.read_tunnel();
        Ok(())
    }

    /// Lets the upgrade in, if the configuration does.
    pub(super) fn admit_upgrade(&mut self) -> Result<(), Error> {
        let wanted = match self.head.kind {
            RequestKind::Connect => &b"CONNECT"[..],
            _ => self.state.request.get(KnownName::Upgrade).unwrap_or_default(),
        };
        let action = self.matched.map(|matched| &matched.route.action);
        let of_route = match action {
            Some(Action::Forward(action)) => &action.upgrades[..],
            _ => &[],
        };
        let Some(allowed) = self.settings().upgrades.allow(wanted, of_route) else {
            // Without a route, the router says so.
            if action.is_none() {
                return Ok(());
            }
            self.manager.http.inc(HttpStat::DownstreamRqWsOnNonWsRoute);
            return Err(ErrorKind::UpgradeNotAllowed.into());
        };
        let is_websocket = wanted.eq_ignore_ascii_case(b"websocket");
        let stats = &self.manager.http;
        stats.inc(HttpStat::DownstreamCxUpgradesTotal);
        stats.inc(HttpStat::DownstreamCxUpgradesActive);
        self.upgrade = Some(ActiveUpgrade { stats, is_websocket });
        if let Some((list, filters)) = allowed.filters {
            self.filters = filters;
            self.upgrade_list = Some(*list);
            self.set_route_filters();
        }
        Ok(())
    }

    /// The router is about to send the request. As in Envoy, the time of a response to a request for WebSocket runs from
    /// now on; that of other upgrades does not run at all.
    pub(crate) fn begin_handshake(&mut self) {
        if self.asks_for_websocket() {
            self.timers.response_by = self.route_timeouts.response.map(|timeout| self.now + timeout);
        }
    }

    /// An error once bytes came for a tunnel that does not stand yet, where the router does not let that be.
    #[inline]
    pub(super) fn refuse_early_data(&self) -> Result<(), Error> {
        let is_refused = self.filters.router.reject_connect_request_early_data;
        if is_refused && self.head.kind == RequestKind::Connect && self.connection.codec.has_unread() {
            return Err(ErrorKind::RequestRefused { status: 400, details: "early_connect_data" }.into());
        }
        Ok(())
    }

    /// What came for the other protocol before a failure counts as received, if it was on its way to a host.
    pub(super) fn drop_held_bytes(&mut self) {
        if self.upgrade.is_some() && !self.is_tunnel && self.state.info.upstream.host.is_some() {
            self.drop_read_body();
        }
    }

    /// The upstream has agreed: from now on bytes go both ways, and no timeout of the response counts.
    pub(super) fn open_tunnel(&mut self) {
        self.is_tunnel = true;
        self.timers.response_by = None;
    }

    /// The upstream did not agree. Nothing in its response may look as if it did.
    pub(crate) fn refuse_tunnel(&mut self) {
        self.drop_read_body();
        self.state.response.remove(KnownName::Connection);
        self.state.response.remove(KnownName::Upgrade);
    }

    /// The upstream did not agree to switch to WebSocket, and says so with a status that is no error: Envoy passes on the
    /// head alone.
    pub(crate) async fn refuse_handshake(&mut self, status: u16) -> Result<(), Error> {
        self.refuse_tunnel();
        self.state.response.remove(KnownName::ContentLength);
        self.state.info.response_code_details = "websocket_handshake_unsuccessful".into();
        self.edit_response(status);
        let has_body = status >= 200 && !matches!(status, 204 | 304);
        self.start_response(if has_body { BodyFraming::Length(0) } else { BodyFraming::None })?;
        self.send(b"").await
    }
}
