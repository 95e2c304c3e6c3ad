//! The static table.
//!
//! Owns: its 61 entries, and the look-up of a name in it. Does not own: the dynamic table behind it.
//! Follows: RFC 7541 appendix A.

use crate::header_block::KnownName;

/// An entry: what every header block may refer to by number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StaticEntry {
    pub(crate) id: KnownName,
    /// As a `HeaderBlock` stores a field.
    pub(crate) line: &'static [u8],
    pub(crate) name: &'static [u8],
    pub(crate) value: &'static [u8],
}

macro_rules! static_table {
    ($($id:ident $name:literal $value:literal,)*) => {
        /// The entries in order; the first has the index 1.
        pub(crate) static ENTRIES: &[StaticEntry] = &[$(StaticEntry {
            id: KnownName::$id,
            line: concat!($name, ": ", $value, "\r\n").as_bytes(),
            name: $name.as_bytes(),
            value: $value.as_bytes(),
        },)*];
    };
}

/// How many entries there are; the dynamic table begins behind them.
pub(crate) const LEN: usize = 61;
const LAST: u8 = 61;

#[rustfmt::skip]
static_table! {
    Authority ":authority" "",
    Method ":method" "GET",
    Method ":method" "POST",
    Path ":path" "/",
    Path ":path" "/index.html",
    Scheme ":scheme" "http",
    Scheme ":scheme" "https",
    Status ":status" "200",
    Status ":status" "204",
    Status ":status" "206",
    Status ":status" "304",
    Status ":status" "400",
    Status ":status" "404",
    Status ":status" "500",
    Other "accept-charset" "",
    AcceptEncoding "accept-encoding" "gzip, deflate",
    AcceptLanguage "accept-language" "",
    Other "accept-ranges" "",
    Accept "accept" "",
    AccessControlAllowOrigin "access-control-allow-origin" "",
    Age "age" "",
    Other "allow" "",
    Authorization "authorization" "",
    CacheControl "cache-control" "",
    Other "content-disposition" "",
    ContentEncoding "content-encoding" "",
    Other "content-language" "",
    ContentLength "content-length" "",
    Other "content-location" "",
    Other "content-range" "",
    ContentType "content-type" "",
    Cookie "cookie" "",
    Date "date" "",
    Etag "etag" "",
    Expect "expect" "",
    Other "expires" "",
    Other "from" "",
    Host "host" "",
    Other "if-match" "",
    IfModifiedSince "if-modified-since" "",
    IfNoneMatch "if-none-match" "",
    Other "if-range" "",
    Other "if-unmodified-since" "",
    LastModified "last-modified" "",
    Other "link" "",
    Location "location" "",
    Other "max-forwards" "",
    ProxyAuthenticate "proxy-authenticate" "",
    ProxyAuthorization "proxy-authorization" "",
    Range "range" "",
    Referer "referer" "",
    Other "refresh" "",
    RetryAfter "retry-after" "",
    Server "server" "",
    SetCookie "set-cookie" "",
    Other "strict-transport-security" "",
    TransferEncoding "transfer-encoding" "",
    UserAgent "user-agent" "",
    Vary "vary" "",
    Via "via" "",
    WwwAuthenticate "www-authenticate" "",
}

/// The entry of an index that counts from 1.
#[inline]
pub(crate) fn get(index: usize) -> Option<&'static StaticEntry> {
    ENTRIES.get(index.checked_sub(1)?)
}

/// The first entry with each name that has an id; 0 where there is none.
static BY_NAME: [u8; 128] = by_name();

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn by_name() -> [u8; 128] {
    let mut table = [0; 128];
    let mut index = LAST;
    while index > 0 {
        table[ENTRIES[index as usize - 1].id as usize] = index;
        index -= 1;
    }
    table[KnownName::Other as usize] = 0;
    table
}

/// The index of the first entry with this name.
pub(crate) fn index_of_name(id: KnownName, name: &[u8]) -> Option<usize> {
    if id == KnownName::Other {
        let found = ENTRIES.iter().position(|entry| entry.id == KnownName::Other && entry.name == name);
        return found.map(|at| at + 1);
    }
    let index = BY_NAME.get(usize::from(id as u8)).copied().map_or(0, usize::from);
    (index > 0).then_some(index)
}

/// The index of the entry with this name, which has an id, and this value.
#[inline]
pub(crate) fn index_of(id: KnownName, value: &[u8]) -> Option<usize> {
    let first = BY_NAME.get(usize::from(id as u8)).copied().map_or(0, usize::from);
    let entries = ENTRIES.get(first.checked_sub(1)?..)?;
    let same_name = entries.iter().take_while(|entry| entry.id == id);
    same_name.zip(first..).find(|(entry, _)| entry.value == value).map(|(_, index)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found_by_its_name_and_value() {
        assert_eq!(ENTRIES.len(), LEN);
        for (entry, index) in ENTRIES.iter().zip(1..) {
            assert_eq!(KnownName::of(entry.name), entry.id);
            let first = index_of_name(entry.id, entry.name).unwrap();
            assert_eq!(get(first).unwrap().name, entry.name);
            if entry.id != KnownName::Other {
                assert_eq!(index_of(entry.id, entry.value), Some(index));
            }
        }
        assert_eq!(index_of_name(KnownName::Other, b"x-other"), None);
        assert_eq!(index_of(KnownName::Path, b"/other"), None);
        assert_eq!(index_of(KnownName::XRequestId, b""), None);
        assert!(get(0).is_none() && get(62).is_none());
    }
}
