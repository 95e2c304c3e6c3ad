//! What a page answers.
//!
//! Owns status, content type and body, which is whole or comes in pieces, and the head around them, which is Envoy's
//! admin's. Does not own writing it to a socket (`connection`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};
use tokio::sync::mpsc;

use crate::format::calendar::Calendar;
use crate::stats::{Chunks, Stopped};

/// Plain text, as Envoy says it.
pub const TEXT: &str = "text/plain; charset=UTF-8";
/// Prometheus' metrics as protobuf.
pub const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
/// JSON.
pub const JSON: &str = "application/json";
/// HTML.
pub const HTML: &str = "text/html; charset=UTF-8";

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// Piece by piece; it ends when the sender goes away.
    Pieces(mpsc::Receiver<Vec<u8>>),
}

/// Long pages that may be written at once.
const MAX_WRITERS: usize = 8;
/// Pieces that wait for a slow reader.
const MAX_PIECES: usize = 2;

static WRITERS: AtomicUsize = AtomicUsize::new(0);

/// One of the places for a writer.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let taken = WRITERS.fetch_add(1, Ordering::Relaxed);
        // Dropped, and so given back, when there were none left.
        let place = Self;
        (taken < MAX_WRITERS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        WRITERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The `content-type`.
    pub content_type: String,
    /// The body.
    pub body: Body,
}

impl Response {
    /// Text with a status.
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type: TEXT.to_owned(), body: Body::Whole(body.into()) }
    }

    /// JSON with status 200.
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type: JSON.to_owned(), body: Body::Whole(body.into()) }
    }

    /// HTML with status 200.
    pub fn html(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type: HTML.to_owned(), body: Body::Whole(body.into()) }
    }

    /// `OK`
    pub fn ok() -> Self {
        Self::text(200, "OK\n")
    }

    /// A page that may be long, with status 200. It is written on a thread of its own, so that a hundred megabytes hold
    /// up neither the control thread nor, if the reader is slow, anything else.
    pub fn long(
        content_type: &str,
        write: impl FnOnce(&mut Chunks<'_>) -> Result<(), Stopped> + Send + 'static,
    ) -> Self {
        let Some(place) = Place::take() else {
            return Self::text(503, "too many long pages are being read\n");
        };
        let (sender, pieces) = mpsc::channel(MAX_PIECES);
        let writer = std::thread::Builder::new().name("admin page".to_owned()).spawn(move || {
            let mut chunks = Chunks::new(|piece| sender.blocking_send(piece).map_err(|_| Stopped));
            // Stopping because the reader is gone is no error.
            let _stopped = write(&mut chunks).and_then(|()| chunks.finish());
            drop(place);
        });
        match writer {
            Ok(_) => Self { status: 200, content_type: content_type.to_owned(), body: Body::Pieces(pieces) },
            Err(error) => Self::text(503, format!("no thread to write the page: {error}\n")),
        }
    }

    /// The head, into `head`.
    pub fn write_head(&self, close: bool, now: SystemTime, head: &mut HeaderBlock) {
        head.clear();
        head.set(KnownName::Status, self.status.to_string().as_bytes());
        head.set(KnownName::ContentType, self.content_type.as_bytes());
        head.set(KnownName::CacheControl, b"no-cache, max-age=0");
        if let Ok(name) = HeaderName::new(b"x-content-type-options") {
            head.set_name(&name, b"nosniff");
        }
        head.set(KnownName::Date, http_date(now).as_bytes());
        head.set(KnownName::Server, b"envoy");
        if close {
            head.set(KnownName::Connection, b"close");
        }
    }
}

/// RFC 9110 section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(now: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let at = Calendar::utc(now);
    let day = DAYS.get(usize::from(at.weekday)).copied().unwrap_or_default();
    let month = MONTHS.get(usize::from(at.month).saturating_sub(1)).copied().unwrap_or_default();
    format!(
        "{day}, {:02} {month} {:04} {:02}:{:02}:{:02} GMT",
        at.day, at.year, at.hour, at.minute, at.second
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(http_date(UNIX_EPOCH + Duration::from_secs(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
