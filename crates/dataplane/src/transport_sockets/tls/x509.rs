//! What a certificate says.
//!
//! Owns: serial number, names, times, alternative names and the public key of a certificate, as Envoy's command operators
//! and matchers have them. Does not own: whether it is to be trusted (`validation`). Follows RFC 5280 section 4, and
//! RFC 2253 for names as text.

use std::net::IpAddr;

use super::der::{Element, Reader, tag};

const SUBJECT_ALT_NAME: &str = "2.5.29.17";

/// Names that a certificate is for, beside its subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AltNames {
    /// E-mail addresses.
    pub email: Vec<String>,
    /// DNS names.
    pub dns: Vec<String>,
    /// URIs.
    pub uri: Vec<String>,
    /// IP addresses.
    pub ip: Vec<IpAddr>,
    /// Other kinds: object identifier and text.
    pub other: Vec<(String, String)>,
    /// All of them as text, in the certificate's order.
    pub in_order: Vec<String>,
}

/// A certificate that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// As hexadecimal digits in small letters.
    pub serial: String,
    /// As RFC 2253 writes it.
    pub issuer: String,
    /// As RFC 2253 writes it.
    pub subject: String,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// Alternative names.
    pub alt_names: AltNames,
    /// The first common name; empty: none.
    pub common_name: String,
    /// The public key with its algorithm, in DER.
    pub public_key: Vec<u8>,
}

impl Certificate {
    /// Reads a certificate; `None`: it is none.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Certificate> {
        let mut signed = Reader(der).expect(tag::SEQUENCE)?.inner();
        let mut fields = signed.expect(tag::SEQUENCE)?.inner();
        if fields.peek_tag() == Some(tag::VERSION) {
            fields.next()?;
        }
        let serial = fields.expect(tag::INTEGER)?;
        fields.expect(tag::SEQUENCE)?;
        let issuer = fields.expect(tag::SEQUENCE)?;
        let mut times = fields.expect(tag::SEQUENCE)?.inner();
        let subject = fields.expect(tag::SEQUENCE)?;
        let public_key = fields.expect(tag::SEQUENCE)?;
        let extensions = fields.find(|element| element.tag == tag::EXTENSIONS);
        Some(Certificate {
            serial: hex(serial.content.strip_prefix(&[0]).unwrap_or(serial.content)),
            issuer: distinguished_name(issuer),
            subject: distinguished_name(subject),
            not_before: times.next()?.time()?,
            not_after: times.next()?.time()?,
            alt_names: extensions.and_then(alt_names).unwrap_or_default(),
            common_name: common_name(subject),
            public_key: public_key.whole.to_vec(),
        })
    }
}

/// Small hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn alt_names(extensions: Element<'_>) -> Option<AltNames> {
    let mut list = extensions.inner();
    let mut extension = list.expect(tag::SEQUENCE)?.inner().find_map(|extension| {
        let mut fields = extension.inner();
        let id = fields.expect(tag::OBJECT_IDENTIFIER)?;
        (id.object_identifier() == SUBJECT_ALT_NAME).then_some(fields)
    })?;
    if extension.peek_tag() == Some(tag::BOOLEAN) {
        extension.next();
    }
    let mut names = AltNames::default();
    for name in extension.expect(tag::OCTET_STRING)?.inner().expect(tag::SEQUENCE)?.inner() {
        let text = String::from_utf8_lossy(name.content).into_owned();
        let shown = match name.tag {
            0x87 => ip_address(name.content).map(|ip| ip.to_string()),
            0xa0 => other_name(name).map(|(_, text)| text),
            _ => Some(text.clone()),
        };
        names.in_order.extend(shown);
        match name.tag {
            0x81 => names.email.push(text),
            0x82 => names.dns.push(text),
            0x86 => names.uri.push(text),
            0x87 => names.ip.extend(ip_address(name.content)),
            0xa0 => names.other.extend(other_name(name)),
            _ => {}
        }
    }
    Some(names)
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.ok().or_else(|| <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok())
}

fn other_name(name: Element<'_>) -> Option<(String, String)> {
    let mut fields = name.inner();
    let id = fields.expect(tag::OBJECT_IDENTIFIER)?.object_identifier();
    let value = fields.next()?.inner().next()?;
    Some((id, other_text(value)))
}

/// The value of a name of another kind as text: numbers as figures.
fn other_text(value: Element<'_>) -> String {
    match value.tag {
        tag::INTEGER => {
            let negative = value.content.first().is_some_and(|first| first & 0x80 != 0);
            let start = if negative { -1 } else { 0 };
            let number = value.content.iter().try_fold(start, |number: i128, byte| {
                number.checked_mul(256).map(|number| number | i128::from(*byte))
            });
            number.map(|number| number.to_string()).unwrap_or_default()
        }
        tag::BOOLEAN => (value.content != [0]).to_string(),
        _ => text_of(value),
    }
}

/// Pairs of type and value, one list a relative name.
fn relative_names(name: Element<'_>) -> impl Iterator<Item = Vec<(String, Element<'_>)>> {
    let sets = name.inner().filter(|set| set.tag == tag::SET);
    sets.map(|set| set.inner().filter_map(type_and_value).collect())
}

fn type_and_value(pair: Element<'_>) -> Option<(String, Element<'_>)> {
    let mut fields = pair.inner();
    Some((fields.expect(tag::OBJECT_IDENTIFIER)?.object_identifier(), fields.next()?))
}

fn common_name(name: Element<'_>) -> String {
    let mut pairs = relative_names(name).flatten();
    let found = pairs.find(|(id, _)| id == "2.5.4.3");
    found.map(|(_, value)| text_of(value)).unwrap_or_default()
}

/// The last relative name comes first.
fn distinguished_name(name: Element<'_>) -> String {
    let mut names: Vec<String> = relative_names(name)
        .map(|pairs| {
            let pairs = pairs.iter().map(|(id, value)| match short_name(id) {
                Some(short) => format!("{short}={}", escaped(&text_of(*value))),
                None => format!("{id}=#{}", hex(value.whole).to_ascii_uppercase()),
            });
            pairs.collect::<Vec<_>>().join("+")
        })
        .collect();
    names.reverse();
    names.join(",")
}

fn text_of(value: Element<'_>) -> String {
    if value.tag == tag::BMP_STRING {
        let units =
            value.content.chunks_exact(2).filter_map(|pair| pair.try_into().ok().map(u16::from_be_bytes));
        return char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    }
    String::from_utf8_lossy(value.content).into_owned()
}

fn short_name(id: &str) -> Option<&'static str> {
    Some(match id {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.42" => "GN",
        "2.5.4.46" => "dnQualifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

/// Bytes that are no printable ASCII are written as hexadecimal digits, as OpenSSL does.
fn escaped(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let mut out = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let is_special = matches!(byte, b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';')
            || byte == b' ' && (at == 0 || at == last)
            || byte == b'#' && at == 0;
        match byte {
            0x20..0x7f => {
                if is_special {
                    out.push('\\');
                }
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("\\{byte:02X}")),
        }
    }
    out
}
