//! What the application log tells of a stream, at levels that are off unless somebody looks for a mistake.
//!
//! Owns: these lines. Does not own: levels and output (`application_log`), access logs (`access_loggers`).
//! Follows Envoy's components `http` and `router`. Bytes of clients are escaped, and what authenticates them is not shown.

use std::fmt;

use ferryman_codec::{HeaderBlock, KnownName};

use crate::application_log::{OfConnection, log_at};
use crate::error::{Error, Side};

use super::{Finished, HttpStream};

/// A head at level `trace`.
struct Fields<'a>(&'a HeaderBlock);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}'{}', ", name.escape_ascii())?;
            if is_secret(name) {
                write!(f, "<{} bytes>", value.len())?;
            } else {
                write!(f, "'{}'", value.escape_ascii())?;
            }
        }
        Ok(())
    }
}

fn is_secret(name: &[u8]) -> bool {
    let secret: [&[u8]; 4] = [b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"];
    secret.iter().any(|known| name.eq_ignore_ascii_case(known))
}

impl HttpStream<'_> {
    pub(crate) fn tag(&self) -> OfConnection {
        OfConnection(self.connection.info.id)
    }

    /// The path as the client asked for it, or as it was changed since.
    pub(crate) fn shown_path(&self) -> impl fmt::Display + '_ {
        self.state.request.get(KnownName::Path).unwrap_or_default().escape_ascii()
    }

    #[inline]
    pub(super) fn tell_request(&self) {
        let request = &self.state.request;
        let shown = |name| request.get(name).unwrap_or_default().escape_ascii();
        log_at!(
            Http,
            Debug,
            "{} request headers complete (end_stream={}): {} {} {}, host '{}', {} bytes of fields",
            self.tag(),
            self.request_is_complete(),
            shown(KnownName::Method),
            self.shown_path(),
            self.protocol().as_str(),
            shown(KnownName::Authority),
            self.head.field_bytes,
        );
        log_at!(Http, Trace, "{} request headers: {}", self.tag(), Fields(request));
    }

    #[inline]
    pub(super) fn tell_route(&self) {
        match &self.matched {
            None => {
                log_at!(Router, Debug, "{} no route match for URL '{}'", self.tag(), self.shown_path());
            }
            Some(matched) => log_at!(
                Router,
                Debug,
                "{} virtual host '{}' and route '{}' match for URL '{}'",
                self.tag(),
                matched.virtual_host.name,
                matched.route.name,
                self.shown_path(),
            ),
        }
    }

    #[inline]
    pub(super) fn tell_response(&self) {
        log_at!(
            Http,
            Debug,
            "{} encoding headers via codec: status {}, details {}",
            self.tag(),
            self.state.info.response_code.unwrap_or_default(),
            self.state.info.response_code_details,
        );
        log_at!(Http, Trace, "{} response headers: {}", self.tag(), Fields(&self.state.response));
    }

    pub(super) fn tell_failure(&self, error: &Error) {
        if error.kind.side() == Side::Upstream {
            log_at!(Router, Debug, "{} the upstream fails the stream: {error}", self.tag());
        } else {
            log_at!(Http, Debug, "{} the stream fails: {error}", self.tag());
        }
    }

    #[inline]
    pub(super) fn tell_end(&self, finished: Finished) {
        let info = &self.state.info;
        log_at!(
            Http,
            Debug,
            "{} stream complete: status {}, details {}, {} bytes of body received, {} sent, {} ms; connection: {}",
            self.tag(),
            info.response_code.unwrap_or_default(),
            info.response_code_details,
            info.bytes_received,
            info.bytes_sent,
            self.now.saturating_duration_since(info.start).as_millis(),
            match finished {
                Finished::KeepAlive => "kept",
                Finished::GoesOn => "kept, for the request goes on",
                Finished::Close | Finished::CloseAfterLinger => "closed after the response",
                Finished::Abort => "cut",
                Finished::Disconnected => "the client is gone",
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_escaped_and_secrets_kept() {
        let mut head = HeaderBlock::new();
        head.append(KnownName::UserAgent, b"a\xffb");
        head.append(KnownName::Authorization, b"Basic abc");
        assert_eq!(Fields(&head).to_string(), "'user-agent', 'a\\xffb', 'authorization', <9 bytes>");
    }
}
