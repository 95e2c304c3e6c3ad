//! `/ready`, `/server_info`, `/memory`, `/hot_restart_version`.
//!
//! Owns what one asks of the process as a whole.

use super::{Context, Page};
use crate::admin::pretty_json::PrettyJson;
use crate::admin::proxy_state::ServerState;
use crate::admin::response::Response;
use crate::stats::Memory;

pub const PAGES: &[Page] = &[
    Page {
        path: "/ready",
        post: false,
        help: "print server state, return 200 if LIVE, otherwise return 503",
        parameters: &[],
        answer: ready,
    },
    Page {
        path: "/server_info",
        post: false,
        help: "print server version/status information",
        parameters: &[],
        answer: server_info,
    },
    Page {
        path: "/memory",
        post: false,
        help: "print current allocation/heap usage",
        parameters: &[],
        answer: memory,
    },
    Page {
        path: "/hot_restart_version",
        post: false,
        help: "print the hot restart compatibility version",
        parameters: &[],
        answer: |_| Response::text(200, "disabled"),
    },
];

fn ready(context: &Context<'_>) -> Response {
    let state = context.state.state();
    let status = if state == ServerState::Live { 200 } else { 503 };
    Response::text(status, format!("{}\n", state.as_str()))
}

fn server_info(context: &Context<'_>) -> Response {
    let uptime = format!("{}s", context.state.uptime().as_secs());
    let text = context.state.server_info();
    Response::json(text.replace("%STATE%", context.state.state().as_str()).replace("%UPTIME%", &uptime))
}

fn memory(_: &Context<'_>) -> Response {
    let memory = Memory::read();
    let mut json = PrettyJson::default();
    json.object(|json| {
        for (name, bytes) in [
            ("allocated", memory.allocated),
            ("heap_size", memory.heap_size),
            ("pageheap_unmapped", 0),
            ("pageheap_free", 0),
            ("total_thread_cache", 0),
            ("total_physical_bytes", memory.physical_size),
        ] {
            json.field(name).string(&bytes.to_string());
        }
    });
    Response::json(json.finish())
}
