//! `x-forwarded-client-cert`: what the next hop is told of the client's certificate.
//!
//! Owns: the five modes of `forward_client_cert_details`, and the header's element for a connection, made once. Does not
//! own: certificates (`transport_sockets::tls`). Follows Envoy's page "HTTP header manipulation", section
//! "x-forwarded-client-cert"; the order of the keys is Envoy's.

use std::cell::OnceCell;
use std::rc::Rc;

use ferryman_codec::{HeaderBlock, KnownName};

use crate::format::json_text;
use crate::model::http_connection_manager::{ClientCertificateDetails, ForwardClientCert};
use crate::stream_info::ConnectionInfo;
use crate::transport_sockets::tls::TlsConnection;
use crate::transport_sockets::tls::connection::Handshake;
use crate::transport_sockets::tls::peer::Peer;

/// A client under TLS, and what is told of it.
#[derive(Debug, Clone)]
pub(super) struct ClientCertificate {
    tls: Rc<TlsConnection>,
    details: ClientCertificateDetails,
    text: OnceCell<Box<[u8]>>,
    json: OnceCell<Box<[u8]>>,
}

/// Which form an element has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

impl ClientCertificate {
    /// None: the header is not made on this connection.
    pub(super) fn of(connection: &ConnectionInfo, details: &ClientCertificateDetails) -> Option<Box<Self>> {
        let passed = matches!(
            details.mode,
            ForwardClientCert::ForwardOnly
                | ForwardClientCert::AppendForward
                | ForwardClientCert::SanitizeSet
        );
        let tls = connection.tls.as_ref().filter(|_| passed)?;
        Some(Box::new(ClientCertificate {
            tls: Rc::clone(tls),
            details: details.clone(),
            text: OnceCell::new(),
            json: OnceCell::new(),
        }))
    }

    fn shown(&self) -> Option<(&Handshake, &Peer)> {
        let handshake = self.tls.handshake.get()?;
        Some((handshake, handshake.peer.as_ref()?))
    }

    /// The header of a request as the mode has it.
    pub(super) fn apply(&self, request: &mut HeaderBlock) {
        let Some((handshake, peer)) = self.shown() else {
            request.remove(KnownName::XForwardedClientCert);
            return;
        };
        let own = if self.details.json { Form::Json } else { Form::Text };
        match self.details.mode {
            ForwardClientCert::SanitizeSet => self.set(request, own, handshake, peer),
            ForwardClientCert::AppendForward => match request.get(KnownName::XForwardedClientCert) {
                None | Some([]) => self.set(request, own, handshake, peer),
                // The form of those before goes on. As in Envoy, nobody looks whether they are well formed.
                Some([list @ .., b']']) if list.first() == Some(&b'[') => {
                    let list = [list, b",", self.element(Form::Json, handshake, peer), b"]"].concat();
                    request.set(KnownName::XForwardedClientCert, &list);
                }
                Some(_) => {
                    let element = self.element(Form::Text, handshake, peer);
                    request.append_value(KnownName::XForwardedClientCert, element, b",");
                }
            },
            _ => {}
        }
    }

    fn set(&self, request: &mut HeaderBlock, form: Form, handshake: &Handshake, peer: &Peer) {
        let element = self.element(form, handshake, peer);
        match form {
            Form::Text => request.set(KnownName::XForwardedClientCert, element),
            Form::Json => request.set(KnownName::XForwardedClientCert, &[b"[", element, b"]"].concat()),
        };
    }

    fn element(&self, form: Form, handshake: &Handshake, peer: &Peer) -> &[u8] {
        let cell = if form == Form::Json { &self.json } else { &self.text };
        cell.get_or_init(|| match form {
            Form::Json => json_element(&self.details, handshake, peer).into(),
            Form::Text => text_element(&self.details, handshake, peer).into(),
        })
    }
}

fn our_uris(handshake: &Handshake) -> &[String] {
    handshake.local.as_ref().map(|local| local.alt_names.uri.as_slice()).unwrap_or_default()
}

/// `key=value`, with semicolons between; keys come again where there are several values.
fn text_element(details: &ClientCertificateDetails, handshake: &Handshake, peer: &Peer) -> Vec<u8> {
    let mut element = Vec::new();
    let mut put = |key: &str, quote: &str, value: &[u8]| {
        if !element.is_empty() {
            element.push(b';');
        }
        for part in [key.as_bytes(), b"=", quote.as_bytes(), value, quote.as_bytes()] {
            element.extend_from_slice(part);
        }
    };
    our_uris(handshake).iter().for_each(|uri| put("By", "", uri.as_bytes()));
    put("Hash", "", peer.fingerprint_256().as_bytes());
    if details.cert {
        put("Cert", "\"", peer.pem());
    }
    if details.chain {
        let mut chain = Vec::new();
        peer.write_chain_pem(&mut chain);
        put("Chain", "\"", &chain);
    }
    if details.subject {
        put("Subject", "\"", peer.certificate.subject.as_bytes());
    }
    let names = &peer.certificate.alt_names;
    if details.uri {
        // Told also where there is none.
        if names.uri.is_empty() {
            put("URI", "", b"");
        }
        names.uri.iter().for_each(|uri| put("URI", "", uri.as_bytes()));
    }
    if details.dns {
        names.dns.iter().for_each(|name| put("DNS", "", name.as_bytes()));
    }
    if details.issuer {
        put("Issuer", "\"", peer.certificate.issuer.as_bytes());
    }
    element
}

/// A JSON object; what has no value is not in it.
fn json_element(details: &ClientCertificateDetails, handshake: &Handshake, peer: &Peer) -> Vec<u8> {
    let mut element = b"{".to_vec();
    let mut put = |key: &str, value: &[u8]| {
        if element.len() > 1 {
            element.push(b',');
        }
        element.extend_from_slice(&json_text::string(key));
        element.push(b':');
        element.extend_from_slice(value);
    };
    let names = &peer.certificate.alt_names;
    let lists = |wanted: bool, list: &[String]| (wanted && !list.is_empty()).then(|| json_list(list));
    if let Some(list) = lists(true, our_uris(handshake)) {
        put("by", &list);
    }
    put("hash", &json_text::string(peer.fingerprint_256()));
    let mut pems = peer.chain.iter().map(|der| json_text::string(&Peer::plain_pem(der)));
    if details.cert {
        put("cert", &pems.next().unwrap_or_default());
    }
    if details.chain {
        let all: Vec<_> = peer.chain.iter().map(|der| Peer::plain_pem(der)).collect();
        put("chain", &json_list(&all));
    }
    if details.subject {
        put("subject", &json_text::string(&peer.certificate.subject));
    }
    if let Some(list) = lists(details.uri, &names.uri) {
        put("uri", &list);
    }
    if let Some(list) = lists(details.dns, &names.dns) {
        put("dns", &list);
    }
    if details.issuer {
        put("issuer", &json_text::string(&peer.certificate.issuer));
    }
    element.push(b'}');
    element
}

fn json_list(texts: &[String]) -> Vec<u8> {
    let texts: Vec<_> = texts.iter().map(|text| json_text::string(text)).collect();
    [b"[", texts.join(&b","[..]).as_slice(), b"]"].concat()
}
