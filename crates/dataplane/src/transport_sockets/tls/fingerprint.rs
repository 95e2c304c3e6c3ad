//! What tells TLS clients from each other by how they begin: JA3 and JA4.
//!
//! Owns: making both of a first message. Does not own: its form (`client_hello`), nor who asks for them
//! (`filters::listener::tls_inspector`). Follows the descriptions of JA3 and JA4, and Envoy in what they leave open: JA3
//! keeps values of RFC 8701 (GREASE) among the curves, and JA4 among the signature algorithms.

use aws_lc_rs::digest::{SHA256, digest};

use super::client_hello::{self, ClientHello};
use super::md5;
use super::x509::hex;

const SERVER_NAME: u16 = 0;
const CURVES: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const PROTOCOLS: u16 = 16;
const VERSIONS: u16 = 43;
/// JA4 counts no further.
const COUNT_MOST: usize = 99;
/// How many digits of a hash JA4 keeps.
const HASH_DIGITS: usize = 12;

/// The fingerprints of a client, as far as they are asked for; empty: it is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// JA3, hashed.
    pub ja3: String,
    /// JA4.
    pub ja4: String,
}

/// Reserved by RFC 8701: values that clients make up.
fn is_made_up(value: &u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

fn without_made_up(values: Vec<u16>) -> Vec<u16> {
    values.into_iter().filter(|value| !is_made_up(value)).collect()
}

fn numbers16(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok().map(u16::from_be_bytes)).collect()
}

/// A first message, taken apart.
struct Seen<'a> {
    version: u16,
    cipher_suites: Vec<u16>,
    extensions: Vec<(u16, &'a [u8])>,
}

impl<'a> Seen<'a> {
    fn new(hello: &'a ClientHello) -> Option<Self> {
        let mut parts = client_hello::parts(&hello.body)?;
        Some(Seen {
            version: parts.version,
            cipher_suites: without_made_up(numbers16(parts.cipher_suites)),
            extensions: std::iter::from_fn(|| parts.extension()).collect(),
        })
    }

    fn content(&self, wanted: u16) -> Option<&'a [u8]> {
        self.extensions.iter().find(|(kind, _)| *kind == wanted).map(|(_, content)| *content)
    }

    fn kinds(&self) -> Vec<u16> {
        without_made_up(self.extensions.iter().map(|(kind, _)| *kind).collect())
    }
}

/// JA3, hashed.
#[must_use]
pub fn ja3(hello: &ClientHello) -> String {
    let Some(seen) = Seen::new(hello) else { return String::new() };
    let list = |values: &[u16]| values.iter().map(u16::to_string).collect::<Vec<_>>().join("-");
    let curves = seen.content(CURVES).and_then(|content| content.get(2..)).map(numbers16);
    let formats = seen.content(POINT_FORMATS).and_then(|content| content.get(1..)).unwrap_or_default();
    let formats: Vec<u16> = formats.iter().copied().map(u16::from).collect();
    let text = format!(
        "{},{},{},{},{}",
        seen.version,
        list(&seen.cipher_suites),
        list(&seen.kinds()),
        list(&curves.unwrap_or_default()),
        list(&formats),
    );
    hex(&md5::digest(text.as_bytes()))
}

/// JA4.
#[must_use]
pub fn ja4(hello: &ClientHello) -> String {
    let Some(seen) = Seen::new(hello) else { return String::new() };
    let mut ciphers = seen.cipher_suites.clone();
    ciphers.sort_unstable();
    let mut kinds = seen.kinds();
    let begin = format!(
        "t{}{}{:02}{:02}{}",
        version(&seen),
        if seen.content(SERVER_NAME).is_some() { 'd' } else { 'i' },
        ciphers.len().min(COUNT_MOST),
        kinds.len().min(COUNT_MOST),
        first_protocol(hello),
    );
    kinds.retain(|kind| ![SERVER_NAME, PROTOCOLS].contains(kind));
    kinds.sort_unstable();
    let mut extensions = list_of_hex(&kinds);
    let algorithms = seen.content(SIGNATURE_ALGORITHMS).and_then(prefixed16).map(numbers16);
    if let Some(algorithms) = algorithms.filter(|algorithms| !algorithms.is_empty()) {
        extensions.push('_');
        extensions.push_str(&list_of_hex(&algorithms));
    }
    format!("{begin}_{}_{}", short_hash(&list_of_hex(&ciphers)), short_hash(&extensions))
}

/// The newest that the client speaks.
fn version(seen: &Seen<'_>) -> &'static str {
    let newest = match seen.content(VERSIONS) {
        None => seen.version,
        Some(content) => {
            without_made_up(numbers16(prefixed8(content).unwrap_or_default())).into_iter().max().unwrap_or(0)
        }
    };
    match newest {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        _ => "00",
    }
}

/// The first and the last letter of the first protocol; where one is none, the digits that stand at their place.
fn first_protocol(hello: &ClientHello) -> String {
    let protocol = hello.application_protocols.first().map(Vec::as_slice).unwrap_or_default();
    let (Some(first), Some(last)) = (protocol.first(), protocol.last()) else { return "00".to_owned() };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [*first, *last].map(char::from).iter().collect();
    }
    format!("{:x}{:x}", first >> 4, last & 0x0f)
}

fn list_of_hex(values: &[u16]) -> String {
    values.iter().map(|value| format!("{value:04x}")).collect::<Vec<_>>().join(",")
}

fn short_hash(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(HASH_DIGITS);
    }
    hex(digest(&SHA256, text.as_bytes()).as_ref()).chars().take(HASH_DIGITS).collect()
}

fn prefixed16(content: &[u8]) -> Option<&[u8]> {
    let (length, rest) = content.split_first_chunk()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

fn prefixed8(content: &[u8]) -> Option<&[u8]> {
    let (length, rest) = content.split_first()?;
    rest.get(..usize::from(*length))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a value of RFC 8701 in each list.
    #[test]
    fn fingerprints_of_a_message() {
        let mut body = vec![3, 3];
        body.extend([0; 33]);
        body.extend([0, 6, 0x0a, 0x0a, 0x13, 1, 0xc0, 0x2f, 1, 0]);
        let extensions = [
            &[0x1a, 0x1a, 0, 0][..],
            &[0, 10, 0, 8, 0, 6, 0x2a, 0x2a, 0, 29, 0, 23],
            &[0, 11, 0, 3, 2, 0, 1],
            &[0, 13, 0, 6, 0, 4, 8, 4, 4, 3],
            &[0, 43, 0, 5, 4, 0x3a, 0x3a, 3, 4],
        ];
        let extensions = extensions.concat();
        body.extend(u16::try_from(extensions.len()).expect("short").to_be_bytes());
        body.extend(extensions);
        for length in 0..body.len() {
            let begin = ClientHello { body: body[..length].to_vec(), ..ClientHello::default() };
            assert_eq!(ja3(&begin).is_empty(), ja4(&begin).is_empty(), "{length}");
        }
        let hello = ClientHello { body, ..ClientHello::default() };
        assert_eq!(ja3(&hello), "552107160b509d3679435a498ec88306");
        assert_eq!(ja4(&hello), "t13i020400_c1929292aa6b_1c0340dc273e");
    }
}
