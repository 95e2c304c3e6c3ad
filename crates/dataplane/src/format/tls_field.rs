//! Operators that print what is known of a TLS connection: `%DOWNSTREAM_TLS_*%`, `%DOWNSTREAM_PEER_*%`,
//! `%DOWNSTREAM_LOCAL_*%` and those of `UPSTREAM`.
//!
//! Owns: the table of names, and how each fact is printed. Does not own: the facts (`transport_sockets::tls`).
//! Follows: Envoy's page "Access logging". A fact that is not there, or is empty, is unset.

use std::time::{Duration, SystemTime};

use super::FormatContext;
use super::asked_for;
use super::calendar::Calendar;
use super::operator::Written;
use super::time_format::TimeFormat;
use crate::transport_sockets::tls::connection::Handshake;
use crate::transport_sockets::tls::peer::Peer;
use crate::transport_sockets::tls::x509::{AltNames, Certificate};

/// Appends a text; nothing: unset.
type WriteText = fn(&Handshake, &mut Vec<u8>);

/// One fact of the connection of one side.
pub(super) struct TlsField {
    of_upstream: bool,
    fact: Fact,
}

enum Fact {
    /// Appends the text; nothing: unset.
    Text(WriteText),
    /// Seconds since 1970 of the peer's certificate.
    Time(fn(&Certificate) -> i64, Box<TimeFormat>),
}

/// What the times of certificates are printed as.
const DEFAULT_TIME: &str = "%Y-%m-%dT%H:%M:%E3SZ";

const BOTH: &[(&str, WriteText)] = &[
    ("LOCAL_DNS_SAN", |tls, out| local(tls, out, |names, out| list(&names.dns, out))),
    ("LOCAL_IP_SAN", |tls, out| local(tls, out, write_addresses)),
    ("LOCAL_URI_SAN", |tls, out| local(tls, out, |names, out| list(&names.uri, out))),
    ("PEER_CERT", |tls, out| peer(tls, out, |peer, out| out.extend_from_slice(peer.pem()))),
    ("PEER_DNS_SAN", |tls, out| peer(tls, out, |peer, out| list(&peer.certificate.alt_names.dns, out))),
    ("PEER_IP_SAN", |tls, out| peer(tls, out, |peer, out| write_addresses(&peer.certificate.alt_names, out))),
    ("PEER_ISSUER", |tls, out| peer(tls, out, |peer, out| text(&peer.certificate.issuer, out))),
    ("PEER_SUBJECT", |tls, out| peer(tls, out, |peer, out| text(&peer.certificate.subject, out))),
    ("PEER_URI_SAN", |tls, out| peer(tls, out, |peer, out| list(&peer.certificate.alt_names.uri, out))),
    ("TLS_CIPHER", |tls, out| text(tls.cipher, out)),
    ("TLS_GROUP", |tls, out| text(tls.group, out)),
    ("TLS_SESSION_ID", |tls, out| text(&tls.session_id, out)),
    ("TLS_VERSION", |tls, out| text(tls.version, out)),
];

const DOWNSTREAM: &[(&str, WriteText)] = &[
    ("LOCAL_EMAIL_SAN", |tls, out| local(tls, out, |names, out| list(&names.email, out))),
    ("LOCAL_OTHERNAME_SAN", |tls, out| local(tls, out, write_others)),
    ("LOCAL_SUBJECT", |tls, out| text(tls.local.as_ref().map_or("", |local| &local.subject), out)),
    ("PEER_CHAIN_FINGERPRINTS_1", |tls, out| peer(tls, out, Peer::write_chain_fingerprints_1)),
    ("PEER_CHAIN_FINGERPRINTS_256", |tls, out| peer(tls, out, Peer::write_chain_fingerprints_256)),
    ("PEER_CHAIN_SERIALS", |tls, out| peer(tls, out, Peer::write_chain_serials)),
    ("PEER_EMAIL_SAN", |tls, out| peer(tls, out, |peer, out| list(&peer.certificate.alt_names.email, out))),
    ("PEER_FINGERPRINT_1", |tls, out| peer(tls, out, |peer, out| text(peer.fingerprint_1(), out))),
    ("PEER_FINGERPRINT_256", |tls, out| peer(tls, out, |peer, out| text(peer.fingerprint_256(), out))),
    ("PEER_ISSUER_FINGERPRINT_256", |tls, out| {
        peer(tls, out, |peer, out| {
            text(peer.issuer.as_ref().map_or("", |issuer| &issuer.fingerprint_256), out)
        });
    }),
    ("PEER_ISSUER_SERIAL", |tls, out| {
        peer(tls, out, |peer, out| text(peer.issuer.as_ref().map_or("", |issuer| &issuer.serial), out));
    }),
    ("PEER_OTHERNAME_SAN", |tls, out| {
        peer(tls, out, |peer, out| write_others(&peer.certificate.alt_names, out));
    }),
    ("PEER_SERIAL", |tls, out| peer(tls, out, |peer, out| text(&peer.certificate.serial, out))),
];

const UPSTREAM: &[(&str, WriteText)] = &[("SERVER_NAME", |tls, out| text(&tls.server_name, out))];

impl TlsField {
    /// The operator of this name, if it is one.
    pub(super) fn named(name: &str) -> Option<Self> {
        let (of_upstream, rest, own) = match name.split_once('_')? {
            ("DOWNSTREAM", rest) => (false, rest, DOWNSTREAM),
            ("UPSTREAM", rest) => (true, rest, UPSTREAM),
            _ => return None,
        };
        let (_, text) = BOTH.iter().chain(own).find(|(known, _)| *known == rest)?;
        if rest.starts_with("PEER_ISSUER_") {
            asked_for::PEER_ISSUER.ask();
        }
        if rest == "TLS_SESSION_ID" {
            asked_for::SESSION_ID.ask();
        }
        Some(TlsField { of_upstream, fact: Fact::Text(*text) })
    }

    /// The time of this name, if it is one, in this format.
    pub(super) fn time(name: &str, format: Option<&str>) -> Option<Result<Self, String>> {
        let (of_upstream, rest) = match name.split_once('_')? {
            ("DOWNSTREAM", rest) => (false, rest),
            ("UPSTREAM", rest) => (true, rest),
            _ => return None,
        };
        let time: fn(&Certificate) -> i64 = match rest {
            "PEER_CERT_V_START" => |certificate| certificate.not_before,
            "PEER_CERT_V_END" => |certificate| certificate.not_after,
            _ => return None,
        };
        let format = TimeFormat::compile(format.unwrap_or(DEFAULT_TIME));
        Some(match format {
            Ok(format) => Ok(TlsField { of_upstream, fact: Fact::Time(time, Box::new(format)) }),
            Err(error) => Err(format!("{name}: {error}")),
        })
    }

    pub(super) fn write(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
        let tls = if self.of_upstream { &context.stream.upstream.tls } else { &context.connection.tls };
        let Some(tls) = tls.as_ref().and_then(|tls| tls.handshake.get()) else { return Written::Unset };
        let start = out.len();
        match &self.fact {
            Fact::Text(write) => write(tls, out),
            Fact::Time(time, format) => {
                let Some(peer) = &tls.peer else { return Written::Unset };
                let time = system_time(time(&peer.certificate));
                format.write(&Calendar::utc(time), b"UTC", out);
            }
        }
        if out.len() == start { Written::Unset } else { Written::Text }
    }
}

fn system_time(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = match seconds {
        0.. => SystemTime::UNIX_EPOCH.checked_add(distance),
        _ => SystemTime::UNIX_EPOCH.checked_sub(distance),
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn peer(tls: &Handshake, out: &mut Vec<u8>, write: impl FnOnce(&Peer, &mut Vec<u8>)) {
    if let Some(peer) = &tls.peer {
        write(peer, out);
    }
}

fn local(tls: &Handshake, out: &mut Vec<u8>, write: impl FnOnce(&AltNames, &mut Vec<u8>)) {
    if let Some(certificate) = &tls.local {
        write(&certificate.alt_names, out);
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
}

fn list(names: &[String], out: &mut Vec<u8>) {
    write_list(names.iter().map(String::as_str), out);
}

fn write_list<'a>(names: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        text(name, out);
    }
}

fn write_addresses(names: &AltNames, out: &mut Vec<u8>) {
    for (index, ip) in names.ip.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        text(&format!("{comma}{ip}"), out);
    }
}

fn write_others(names: &AltNames, out: &mut Vec<u8>) {
    write_list(names.other.iter().map(|(_, name)| name.as_str()), out);
}
