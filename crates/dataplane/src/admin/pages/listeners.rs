//! `/listeners`.
//!
//! Owns its text and JSON; follows `admin.v3.Listeners`.

use super::{Context, Page};
use crate::admin::pretty_json::PrettyJson;
use crate::admin::response::Response;
use crate::stream_info::Address;

pub const PAGES: &[Page] = &[Page {
    path: "/listeners",
    post: false,
    help: "print listener info",
    parameters: &[("format", "File format to use; One of (text, json)")],
    answer: listeners,
}];

/// An address as `config.core.v3.Address`.
pub fn write_address(address: &Address, json: &mut PrettyJson) {
    write_address_in(address, None, json);
}

fn write_address_in(address: &Address, network_namespace: Option<&str>, json: &mut PrettyJson) {
    json.object(|json| match address {
        Address::Ip(ip) => json.field("socket_address").object(|json| {
            let mut text = Vec::new();
            address.write_without_port(&mut text);
            json.field("address").string(&String::from_utf8_lossy(&text));
            json.field("port_value").plain(ip.port());
            if let Some(path) = network_namespace {
                json.field("network_namespace_filepath").string(path);
            }
        }),
        Address::Pipe(path) => json.field("pipe").object(|json| json.field("path").string(path)),
        Address::Internal(internal) => json.field("envoy_internal_address").object(|json| {
            json.field("server_listener_name").string(&internal.listener);
            if !internal.endpoint_id.is_empty() {
                json.field("endpoint_id").string(&internal.endpoint_id);
            }
        }),
    });
}

fn listeners(context: &Context<'_>) -> Response {
    let listeners = context.state.listeners();
    if context.request.parameters.first("format") != Some("json") {
        let lines = listeners.iter().flat_map(|listener| {
            listener.local_addresses.iter().map(|address| format!("{}::{address}\n", listener.name))
        });
        return Response::text(200, lines.collect::<String>());
    }
    let mut json = PrettyJson::default();
    json.object(|json| {
        if listeners.is_empty() {
            return;
        }
        json.field("listener_statuses").array(|json| {
            for listener in &listeners {
                json.item().object(|json| {
                    json.string_field("name", &listener.name);
                    let namespaces = listener.network_namespaces.iter().map(Option::as_deref);
                    let namespaces = namespaces.chain(std::iter::repeat(None));
                    let mut addresses = listener.local_addresses.iter().zip(namespaces).peekable();
                    let Some((first, namespace)) = addresses.next() else { return };
                    write_address_in(first, namespace, json.field("local_address"));
                    if addresses.peek().is_some() {
                        json.field("additional_local_addresses").array(|json| {
                            for (address, namespace) in addresses {
                                write_address_in(address, namespace, json.item());
                            }
                        });
                    }
                });
            }
        });
    });
    Response::json(json.finish())
}
