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
    json.object(|json| match address {
        Address::Ip(ip) => json.field("socket_address").object(|json| {
            json.field("address").string(&ip.ip().to_string());
            json.field("port_value").plain(ip.port());
        }),
        Address::Pipe(path) => json.field("pipe").object(|json| json.field("path").string(path)),
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
                    let Some((first, additional)) = listener.local_addresses.split_first() else { return };
                    write_address(first, json.field("local_address"));
                    if !additional.is_empty() {
                        json.field("additional_local_addresses").array(|json| {
                            additional.iter().for_each(|address| write_address(address, json.item()));
                        });
                    }
                });
            }
        });
    });
    Response::json(json.finish())
}
