//! Who the client is, by extensions that read it from the request's head (`original_ip_detection_extensions`).
//!
//! Owns: the built extensions, `xff` and `custom_header`, and their order. Does not own: the reading of `x-forwarded-for`
//! (`forwarded`), what follows from the address (`request_headers`).
//! Follows Envoy's page "HTTP Original IP Detection".

use std::net::IpAddr;

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

use crate::header_name;
use crate::ip_range::IpRange;
use crate::model::http_connection_manager::IpDetection;

use super::connection_facts::ConnectionFacts;
use super::forwarded;

/// An extension, compiled.
#[derive(Debug, Clone)]
enum Detector {
    Xff { trusted_hops: u32, trusted_proxies: Vec<IpRange>, append: bool },
    CustomHeader { name: HeaderName, trusted: bool, reject_status: Option<u16> },
}

/// The extensions in the order in which they are asked.
#[derive(Debug, Clone)]
pub(super) struct OriginalIpDetection(Vec<Detector>);

/// What they found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Detected {
    /// The client; none: nobody knows better than the connection.
    pub address: Option<IpAddr>,
    /// Whether the address may make the request an internal one.
    pub is_trusted: bool,
}

impl OriginalIpDetection {
    /// Compiles the list; empty: `x-forwarded-for` is read as the connection manager's other fields say.
    ///
    /// # Errors
    /// A name that no header can have.
    pub(super) fn compile(models: &[IpDetection]) -> Result<Self, String> {
        let compile = |model: &IpDetection| {
            Ok(match model {
                IpDetection::Xff { xff_num_trusted_hops, xff_trusted_cidrs, skip_xff_append } => {
                    Detector::Xff {
                        trusted_hops: *xff_num_trusted_hops,
                        trusted_proxies: xff_trusted_cidrs
                            .iter()
                            .map(IpRange::compile)
                            .collect::<Result<_, _>>()?,
                        append: !skip_xff_append,
                    }
                }
                IpDetection::CustomHeader { header_name, trusted, reject_status } => Detector::CustomHeader {
                    name: header_name::parse(header_name)?,
                    trusted: *trusted,
                    reject_status: *reject_status,
                },
            })
        };
        models.iter().map(compile).collect::<Result<_, String>>().map(OriginalIpDetection)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Asks one after the other until one knows the client.
    ///
    /// # Errors
    /// The status to answer a request with that does not tell it.
    pub(super) fn detect(
        &self,
        request: &mut HeaderBlock,
        connection: &ConnectionFacts,
    ) -> Result<Detected, u16> {
        for detector in &self.0 {
            match detector {
                Detector::Xff { trusted_hops, trusted_proxies, append } => {
                    let value = request.get(KnownName::XForwardedFor);
                    let found = value.and_then(|value| {
                        if trusted_proxies.is_empty() {
                            return forwarded::client(value, *trusted_hops);
                        }
                        forwarded::client_before(value, trusted_proxies, connection.remote?)
                    });
                    if let (true, Some(address)) = (*append, &connection.forwarded_for) {
                        request.append_value(KnownName::XForwardedFor, address, b",");
                    }
                    if let Some(client) = found {
                        return Ok(Detected { address: Some(client.address), is_trusted: client.is_single });
                    }
                }
                Detector::CustomHeader { name, trusted, reject_status } => {
                    let text = request.get_name(name).and_then(|value| std::str::from_utf8(value).ok());
                    match (text.and_then(|text| text.parse().ok()), reject_status) {
                        (Some(address), _) => {
                            return Ok(Detected { address: Some(address), is_trusted: *trusted });
                        }
                        (None, Some(status)) => return Err(*status),
                        (None, None) => {}
                    }
                }
            }
        }
        Ok(Detected { address: None, is_trusted: false })
    }
}
