//! What `/explain` says while Python does not answer: the facts alone.
//!
//! Owns the layout. Does not own the page as it is otherwise, with words, places and advice (`ferryman/admin/explain.py`).

use super::Context;
use crate::admin::response::Response;
use crate::explain::{FailedStream, StreamKind, Which, decode};

/// The page.
pub const PATH: &str = "/explain";
const WHY: &str = "Python does not answer just now, so these are the facts alone; ask again later for what they mean, \
                   the place in the configuration and what to change. Traffic is not affected.";

/// Answers it from the record of the data plane.
pub fn facts_alone(context: &Context<'_>) -> Response {
    let parameters = &context.request.parameters;
    let which = match (parameters.first("connection_id"), parameters.first("request_id")) {
        (Some(id), _) if !id.is_empty() => match id.parse() {
            Ok(id) => Which::Connection(id),
            Err(_) => return Response::text(400, "connection_id is a whole number\n"),
        },
        (_, Some(id)) if !id.is_empty() => Which::Request(id),
        _ => Which::Latest,
    };
    let found = context.state.failed_streams().latest(which, 1);
    let Some(failed) = found.first().and_then(|record| decode(record).ok()) else {
        return Response::text(
            404,
            "no such stream among the last ones that ended in an error of this proxy\n",
        );
    };
    if parameters.first("format") == Some("json") { as_json(&failed) } else { as_text(&failed) }
}

fn as_json(failed: &FailedStream<'_>) -> Response {
    let told = serde_json::json!({"cause": failed.cause, "what": WHY, "request": failed});
    Response::json(format!("{told:#}\n"))
}

fn as_text(failed: &FailedStream<'_>) -> Response {
    let what = match failed.kind {
        StreamKind::Http => format!("request {}", or(&failed.request_id, "(no id)")),
        StreamKind::Tcp => format!("session of connection {}", failed.connection_id),
        StreamKind::Udp => format!("UDP session {}", failed.connection_id),
        StreamKind::Connection => format!("connection {}", failed.connection_id),
    };
    let mut text = format!("{what} from {}, {} ms\n", failed.downstream, failed.duration_ms);
    let line = format!("{} {}{}", failed.method, failed.authority, failed.path);
    let status = failed.status.to_string();
    let host = failed.upstream.as_ref().and_then(|upstream| upstream.host.as_ref());
    for (name, value) in [
        ("request", line.trim()),
        ("status", if failed.status == 0 { "" } else { &status }),
        ("flags", &failed.flags),
        ("details", &failed.details),
        ("cause", &failed.cause),
        ("listener", &failed.listener),
        ("filter chain", &failed.filter_chain),
        ("virtual host", &failed.virtual_host),
        ("route", failed.route.as_ref().map_or("", |route| &route.place)),
        ("cluster", &failed.cluster),
        ("host", host.map_or("", |host| &host.address)),
        ("transport", &failed.transport_failure),
    ] {
        if !value.is_empty() {
            text.push_str(&format!("  {name:<13} {}\n", value.escape_debug()));
        }
    }
    Response::text(200, format!("{text}\n{WHY}\n"))
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}
