//! Takes out the fields that `connection` names: they are for this hop alone.
//!
//! Owns: which names a client may list, and their removal. Does not own: `connection` itself and the
//! other hop-by-hop fields, which the connection manager removes.
//! Follows: RFC 9110 section 7.6.1; Envoy for what is refused: ten names or more, pseudo-headers, and
//! the fields by which Envoy trusts the hop before it.

use super::{HeaderBlock, KnownName};
use crate::error::ErrorKind;
use crate::http1::chars;

/// So many names and more are refused.
const MAX_OPTIONS: usize = 10;
/// A longer `te` that `connection` names is refused.
const MAX_TE_BYTES: usize = 256;

impl HeaderBlock {
    /// Removes every field that a `connection` field names. `te` stays: the connection manager reduces
    /// it to `trailers`.
    ///
    /// # Errors
    /// A name that no client may list, or too many names.
    pub fn remove_connection_options(&mut self) -> Result<(), ErrorKind> {
        let mut count = 0;
        for index in 0..self.fields.len() {
            let Some(&field) = self.fields.get(index) else { break };
            if field.id != KnownName::Connection || !field.live {
                continue;
            }
            // Removal does not touch the bytes, so the list can be read by its place in them.
            let mut rest = field.value();
            while !rest.is_empty() {
                let comma = memchr::memchr(b',', self.slice(rest.clone()));
                let end = comma.map_or(rest.end, |at| rest.start + at);
                count += usize::from(end > rest.start);
                self.remove_connection_option(rest.start..end)?;
                rest.start = rest.end.min(end + 1);
            }
        }
        if count >= MAX_OPTIONS { Err(ErrorKind::ConnectionHeaderRejected) } else { Ok(()) }
    }

    fn remove_connection_option(&mut self, place: std::ops::Range<usize>) -> Result<(), ErrorKind> {
        let bytes = std::mem::take(&mut self.bytes);
        let option = chars::trim(bytes.get(place).unwrap_or_default());
        let verdict = match Nominated::of(option) {
            Nominated::Directive => Ok(()),
            Nominated::Refused => Err(ErrorKind::ConnectionHeaderRejected),
            Nominated::Host => Err(ErrorKind::MissingHost),
            Nominated::Te if self.te_is_too_long(&bytes) => Err(ErrorKind::ConnectionHeaderRejected),
            Nominated::Te => Ok(()),
            Nominated::Field => {
                for field in self.fields.iter_mut().filter(|field| field.live && !field.is_pseudo()) {
                    if bytes.get(field.name()).unwrap_or_default().eq_ignore_ascii_case(option) {
                        field.live = false;
                        self.present &= !field.id.bit();
                    }
                }
                Ok(())
            }
        };
        self.bytes = bytes;
        verdict
    }

    fn te_is_too_long(&self, bytes: &[u8]) -> bool {
        let values = self.fields.iter().filter(|field| field.live && field.id == KnownName::Te);
        values.map(|field| bytes.get(field.value()).map_or(0, <[u8]>::len)).sum::<usize>() > MAX_TE_BYTES
    }
}

/// What a name in `connection` means.
enum Nominated {
    /// Not a field: `close`, `keep-alive`, `upgrade`, or empty.
    Directive,
    Te,
    Host,
    Refused,
    Field,
}

impl Nominated {
    fn of(option: &[u8]) -> Nominated {
        let is = |text: &str| option.eq_ignore_ascii_case(text.as_bytes());
        match option {
            [] => Nominated::Directive,
            [b':', ..] => Nominated::Refused,
            _ if is("close") || is("keep-alive") || is("upgrade") || is("connection") => Nominated::Directive,
            _ if is("te") => Nominated::Te,
            _ if is("host") => Nominated::Host,
            _ if is("x-forwarded-for") || is("x-forwarded-host") || is("x-forwarded-proto") => {
                Nominated::Refused
            }
            _ => Nominated::Field,
        }
    }
}
