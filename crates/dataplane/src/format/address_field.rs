//! Operators that print an address, with or without its port, or as a network.
//!
//! Owns: which address each names, and masking. Does not own: an address's text (`stream_info::address`).
//! Follows: Envoy's page "Access logging", `%DOWNSTREAM_REMOTE_ADDRESS%` and its kin.

use std::net::IpAddr;

use super::FormatContext;
use super::operator::{Written, write_number};
use crate::stream_info::Address;
use crate::stream_info::address::{write_decimal, write_ip};

/// One address operator.
pub(super) struct AddressField {
    which: Which,
    form: Form,
    /// Whether the operator takes a prefix length; then it takes no maximum length, in Envoy's words.
    pub(super) masked: bool,
}

#[derive(Clone, Copy)]
enum Which {
    DownstreamLocal,
    DownstreamDirectLocal,
    DownstreamRemote,
    DownstreamDirectRemote,
    UpstreamHost,
    UpstreamLocal,
    UpstreamRemote,
}

const PREFIXES: [(&str, Which); 6] = [
    ("DOWNSTREAM_LOCAL", Which::DownstreamLocal),
    ("DOWNSTREAM_DIRECT_LOCAL", Which::DownstreamDirectLocal),
    ("DOWNSTREAM_REMOTE", Which::DownstreamRemote),
    ("DOWNSTREAM_DIRECT_REMOTE", Which::DownstreamDirectRemote),
    ("UPSTREAM_LOCAL", Which::UpstreamLocal),
    ("UPSTREAM_REMOTE", Which::UpstreamRemote),
];

#[derive(Clone, Copy)]
enum Form {
    WithPort,
    WithoutPort,
    /// Of a prefix length, `IP/length`.
    Network(u8),
    Port,
}

impl AddressField {
    /// The operator of this name; `None`: it is no address, or takes no argument and has one.
    pub(super) fn compile(name: &str, argument: Option<&str>) -> Option<Self> {
        if name == "UPSTREAM_HOST" && argument.is_none() {
            return Some(AddressField { which: Which::UpstreamHost, form: Form::WithPort, masked: false });
        }
        let (which, rest) = PREFIXES
            .iter()
            .find_map(|(prefix, which)| name.strip_prefix(prefix).map(|rest| (*which, rest)))?;
        let form = match (rest, argument) {
            ("_ADDRESS", None) => Form::WithPort,
            ("_PORT", None) => Form::Port,
            // As Envoy: an argument that is not a number is ignored.
            ("_ADDRESS_WITHOUT_PORT", argument) => argument
                .and_then(|bits| bits.parse::<u32>().ok())
                .map_or(Form::WithoutPort, |bits| Form::Network(u8::try_from(bits).unwrap_or(u8::MAX))),
            _ => return None,
        };
        Some(AddressField { which, form, masked: rest == "_ADDRESS_WITHOUT_PORT" })
    }

    pub(super) fn write(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
        let (stream, connection) = (context.stream, context.connection);
        let address = match self.which {
            Which::DownstreamLocal => Some(&connection.local_address),
            Which::DownstreamDirectLocal => Some(&connection.direct_local_address),
            Which::DownstreamRemote => stream.remote_address.as_ref().or(Some(&connection.remote_address)),
            Which::DownstreamDirectRemote => Some(&connection.direct_remote_address),
            Which::UpstreamHost => stream.upstream.host.as_ref().map(|host| &host.address),
            Which::UpstreamLocal => stream.upstream.local_address.as_ref(),
            Which::UpstreamRemote => stream.upstream.remote_address.as_ref(),
        };
        // Of what has no client at all, neither end is known.
        let Some(address) = address.filter(|address| !address.is_unnamed()) else { return Written::Unset };
        match (self.form, address) {
            (Form::WithPort, address) => address.write(out),
            (Form::WithoutPort, address) => address.write_without_port(out),
            (Form::Port, Address::Ip(address)) => return write_number(Some(u64::from(address.port())), out),
            (Form::Port, Address::Pipe(_) | Address::Internal(_)) => return Written::Blank,
            (Form::Network(bits), Address::Ip(address)) => write_network(address.ip(), bits, out),
            // A path is in no network; Envoy prints an empty text.
            (Form::Network(_), Address::Pipe(_)) => {}
            (Form::Network(_), address @ Address::Internal(_)) => address.write(out),
        }
        Written::Text
    }
}

fn write_network(ip: IpAddr, bits: u8, out: &mut Vec<u8>) {
    let (network, bits) = match ip {
        IpAddr::V4(v4) => {
            let bits = bits.min(32);
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            (IpAddr::V4((v4.to_bits() & mask).into()), bits)
        }
        IpAddr::V6(v6) => {
            let bits = bits.min(128);
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            (IpAddr::V6((v6.to_bits() & mask).into()), bits)
        }
    };
    write_ip(network, false, out);
    out.push(b'/');
    write_decimal(u64::from(bits), out);
}
