//! What a match tree looks at, and how it is found in what is known so far.
//!
//! Owns: the inputs of match trees and the forms of their values. Does not own: what is made of a value (`predicate`,
//! `tree`), nor which inputs may stand where: the configuration has checked that.
//! Follows Envoy's `envoy.matching.http.input` and `envoy.matching.network.input`.

use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

use crate::decimal::Decimal;
use crate::model::match_tree::{ConnectionFact, HeaderPart, MatchInput, ResponseFact};
use crate::model::metadata;
use crate::stream_info::{Address, ConnectionInfo, DynamicMetadata, FilterStateObject, StreamInfo};
use crate::transport_sockets::tls::TlsConnection;
use crate::transport_sockets::tls::x509::Certificate;

use super::VisibleState;
use super::query::decoded_parameter;

/// What is known when a tree is asked. What is `None` is not known yet: a tree that needs it cannot decide.
#[derive(Debug, Clone, Copy, Default)]
pub struct MatchingData<'a> {
    /// The request's head.
    pub request_headers: Option<&'a HeaderBlock>,
    /// The request's trailers.
    pub request_trailers: Option<&'a HeaderBlock>,
    /// The response's head.
    pub response_headers: Option<&'a HeaderBlock>,
    /// The response's trailers.
    pub response_trailers: Option<&'a HeaderBlock>,
    /// Whether the response is the proxy's own.
    pub local_reply: Option<bool>,
    /// What filters noted of the stream.
    pub dynamic_metadata: Option<&'a DynamicMetadata>,
    /// The connection that the client made.
    pub connection: Option<ConnectionData<'a>>,
}

impl<'a> MatchingData<'a> {
    /// What is known of a stream once its request's head is there.
    #[must_use]
    pub fn of_stream(
        request: &'a HeaderBlock,
        connection: &'a ConnectionInfo,
        stream: &'a StreamInfo,
    ) -> Self {
        MatchingData {
            request_headers: Some(request),
            dynamic_metadata: Some(&stream.dynamic_metadata),
            connection: Some(ConnectionData::of_stream(connection, stream)),
            ..MatchingData::default()
        }
    }
}

/// What a match tree can ask of a connection. Empty texts stand for what is not there.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionData<'a> {
    /// Where the client believes it is connected to.
    pub local: &'a Address,
    /// The client.
    pub remote: &'a Address,
    /// The peer of the socket.
    pub direct_remote: &'a Address,
    /// SNI.
    pub server_name: &'a str,
    /// `raw_buffer`, `tls`.
    pub transport_protocol: &'a str,
    /// In Envoy's form: `'h2','http/1.1'`.
    pub application_protocols: &'a str,
    /// What filters left for others.
    pub filter_state: VisibleState<'a>,
    /// TLS; none: the connection has none.
    pub tls: Option<&'a TlsConnection>,
}

impl<'a> ConnectionData<'a> {
    /// Of an HTTP stream, whose client may be another than the connection's.
    #[must_use]
    pub fn of_stream(connection: &'a ConnectionInfo, stream: &'a StreamInfo) -> Self {
        ConnectionData {
            local: &connection.local_address,
            remote: stream.remote_address.as_ref().unwrap_or(&connection.remote_address),
            direct_remote: &connection.direct_remote_address,
            server_name: &connection.requested_server_name,
            transport_protocol: "",
            application_protocols: "",
            filter_state: VisibleState {
                stream: Some(&stream.filter_state),
                connection: Some(&connection.filter_state),
            },
            tls: connection.tls.as_deref(),
        }
    }

    fn object(&self, key: &str) -> Option<&'a dyn FilterStateObject> {
        let VisibleState { stream, connection } = self.filter_state;
        let of_stream = stream.and_then(|state| state.object(key));
        of_stream.or_else(|| connection?.object(key)).map(|object| &**object)
    }
}

/// What an input gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// It may come later.
    NotAvailable,
    /// There is none.
    Absent,
    /// A text.
    Text(Cow<'a, [u8]>),
    /// An IP address.
    Ip(IpAddr),
    /// A number, which is a text to whoever compares it.
    Number(u64),
    /// A value of metadata, or that there is none: no text to anybody.
    Metadata(Option<&'a metadata::Value>),
}

impl Value<'_> {
    /// Hands out the value as text; `None` when there is none.
    pub fn with_text<R>(&self, use_text: impl FnOnce(&[u8]) -> R) -> Option<R> {
        match self {
            Value::NotAvailable | Value::Absent | Value::Metadata(_) => None,
            Value::Text(text) => Some(use_text(text)),
            Value::Number(number) => Some(use_text(Decimal::new(*number).as_bytes())),
            Value::Ip(ip) => {
                let mut text = [0; 64];
                let mut rest = &mut text[..];
                // The longest address has 45 characters.
                drop(write!(rest, "{ip}"));
                let left = rest.len();
                Some(use_text(text.get(..text.len() - left).unwrap_or_default()))
            }
        }
    }

    /// The value as an IP address; a text may be one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Value::Ip(ip) => Some(*ip),
            Value::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
            _ => None,
        }
    }
}

/// A compiled input.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// `None`: not a name that can come.
    Header(HeaderPart, Option<HeaderName>),
    QueryParameter(Box<[u8]>),
    Response(ResponseFact),
    Connection(ConnectionFact),
    FilterState(FilterStateKey),
    DynamicMetadata {
        namespace: Box<str>,
        path: Box<[Box<str>]>,
    },
    Absent,
}

impl Input {
    pub(crate) fn compile(model: &MatchInput) -> Self {
        match model {
            MatchInput::Header { part, name } => {
                let name = name.to_ascii_lowercase();
                let name = if name == "host" { ":authority" } else { &name };
                Input::Header(*part, HeaderName::new(name.as_bytes()).ok())
            }
            MatchInput::QueryParameter { name } => Input::QueryParameter(name.as_bytes().into()),
            MatchInput::Response { fact } => Input::Response(*fact),
            MatchInput::Connection { fact } => Input::Connection(*fact),
            MatchInput::FilterState { key, field } => Input::FilterState(FilterStateKey {
                key: key.as_str().into(),
                field: (!field.is_empty()).then(|| field.as_str().into()),
            }),
            MatchInput::DynamicMetadata { namespace, path } => Input::DynamicMetadata {
                namespace: namespace.as_str().into(),
                path: path.iter().map(|key| key.as_str().into()).collect(),
            },
            MatchInput::Absent {} => Input::Absent,
        }
    }

    #[inline]
    pub(crate) fn value<'a>(&self, data: &MatchingData<'a>) -> Value<'a> {
        match self {
            Input::Header(part, name) => {
                let block = match part {
                    HeaderPart::RequestHeaders => data.request_headers,
                    HeaderPart::RequestTrailers => data.request_trailers,
                    HeaderPart::ResponseHeaders => data.response_headers,
                    HeaderPart::ResponseTrailers => data.response_trailers,
                };
                block.map_or(Value::NotAvailable, |block| header(block, name.as_ref()))
            }
            Input::QueryParameter(name) => data.request_headers.map_or(Value::NotAvailable, |request| {
                let target = request.get(KnownName::Path).unwrap_or_default();
                decoded_parameter(target, name).map_or(Value::Absent, Value::Text)
            }),
            Input::Response(fact) => response(*fact, data),
            Input::Connection(fact) => {
                data.connection.as_ref().map_or(Value::NotAvailable, |connection| of(connection, *fact))
            }
            Input::FilterState(key) => {
                data.connection.as_ref().map_or(Value::NotAvailable, |connection| key.value(connection))
            }
            Input::DynamicMetadata { namespace, path } => {
                data.dynamic_metadata.map_or(Value::NotAvailable, |metadata| {
                    let fields = metadata.all().and_then(|all| all.namespace(namespace));
                    Value::Metadata(fields.and_then(|fields| fields.get(path)))
                })
            }
            Input::Absent => Value::Absent,
        }
    }
}

/// The name of an object, and of one of its fields.
#[derive(Debug, Clone)]
pub(crate) struct FilterStateKey {
    key: Box<str>,
    field: Option<Box<str>>,
}

impl FilterStateKey {
    fn value<'a>(&self, connection: &ConnectionData<'a>) -> Value<'a> {
        let text = connection.object(&self.key).and_then(|object| match &self.field {
            Some(field) => object.field(field),
            None => object.serialize(),
        });
        text.map_or(Value::Absent, Value::Text)
    }
}

/// A header's value; several are joined with commas.
fn header<'a>(block: &'a HeaderBlock, name: Option<&HeaderName>) -> Value<'a> {
    let Some(name) = name else { return Value::Absent };
    let Some(first) = block.get_name(name) else { return Value::Absent };
    if block.get_all(name).nth(1).is_none() {
        return Value::Text(Cow::Borrowed(first));
    }
    let values: Vec<_> = block.get_all(name).collect();
    Value::Text(Cow::Owned(values.join(&b',')))
}

fn response<'a>(fact: ResponseFact, data: &MatchingData<'a>) -> Value<'a> {
    let status = || data.response_headers.map(|head| head.get(KnownName::Status).unwrap_or_default());
    match fact {
        ResponseFact::StatusCode => {
            status().map_or(Value::NotAvailable, |status| Value::Text(Cow::Borrowed(status)))
        }
        ResponseFact::StatusCodeClass => match status().map(<[u8]>::first) {
            None => Value::NotAvailable,
            Some(Some(b'1')) => text("1xx"),
            Some(Some(b'2')) => text("2xx"),
            Some(Some(b'3')) => text("3xx"),
            Some(Some(b'4')) => text("4xx"),
            Some(Some(b'5')) => text("5xx"),
            Some(_) => Value::Absent,
        },
        ResponseFact::LocalReply => match data.local_reply {
            None => Value::NotAvailable,
            Some(true) => text("true"),
            Some(false) => text("false"),
        },
    }
}

fn of<'a>(connection: &ConnectionData<'a>, fact: ConnectionFact) -> Value<'a> {
    match fact {
        ConnectionFact::DestinationIp => ip(connection.local),
        ConnectionFact::DestinationPort => port(connection.local),
        ConnectionFact::SourceIp => ip(connection.remote),
        ConnectionFact::SourcePort => port(connection.remote),
        ConnectionFact::DirectSourceIp => ip(connection.direct_remote),
        ConnectionFact::SourceType if is_local(connection) => text("local"),
        ConnectionFact::SourceType => Value::Absent,
        ConnectionFact::ServerName => non_empty(connection.server_name),
        ConnectionFact::TransportProtocol => non_empty(connection.transport_protocol),
        ConnectionFact::ApplicationProtocol => non_empty(connection.application_protocols),
        ConnectionFact::UriSan => certificate(connection, |facts| joined(&facts.alt_names.uri)),
        ConnectionFact::DnsSan => certificate(connection, |facts| joined(&facts.alt_names.dns)),
        ConnectionFact::Subject => certificate(connection, |facts| Cow::Borrowed(facts.subject.as_bytes())),
    }
}

/// What the client's certificate says.
fn certificate<'a>(
    connection: &ConnectionData<'a>,
    text: impl FnOnce(&'a Certificate) -> Cow<'a, [u8]>,
) -> Value<'a> {
    let peer = connection.tls.and_then(TlsConnection::peer);
    let text = peer.map(|peer| text(&peer.certificate)).filter(|text| !text.is_empty());
    text.map_or(Value::Absent, Value::Text)
}

/// With commas between.
fn joined(names: &[String]) -> Cow<'_, [u8]> {
    match names {
        [name] => Cow::Borrowed(name.as_bytes()),
        names => Cow::Owned(names.join(",").into_bytes()),
    }
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text.as_bytes()))
}

fn non_empty(value: &str) -> Value<'_> {
    if value.is_empty() { Value::Absent } else { text(value) }
}

fn ip<'a>(address: &Address) -> Value<'a> {
    match address {
        Address::Ip(address) => Value::Ip(address.ip()),
        Address::Pipe(_) | Address::Internal(_) => Value::Absent,
    }
}

fn port<'a>(address: &Address) -> Value<'a> {
    address.port().map_or(Value::Absent, |port| Value::Number(u64::from(port)))
}

/// From the same address, from the loopback or from a Unix domain socket.
fn is_local(connection: &ConnectionData<'_>) -> bool {
    match (connection.local, connection.remote) {
        (Address::Ip(local), Address::Ip(remote)) => remote.ip().is_loopback() || remote.ip() == local.ip(),
        _ => true,
    }
}
