//! Pages that make the proxy do something: draining, failing health checks, ending.
//!
//! Owns their parameters. What they set off is begun, not waited for.

use super::{Context, Page};
use crate::admin::proxy_state::DrainRequest;
use crate::admin::response::Response;

const fn command(path: &'static str, help: &'static str, answer: fn(&Context<'_>) -> Response) -> Page {
    Page { path, post: true, help, parameters: &[], answer }
}

pub const PAGES: &[Page] = &[
    Page {
        path: "/drain_listeners",
        post: true,
        help: "drain listeners",
        parameters: &[
            (
                "graceful",
                "When draining listeners, enter a graceful drain period prior to closing listeners. This behaviour and duration is configurable via server options or CLI",
            ),
            (
                "skip_exit",
                "When draining listeners, drain the connections but never stop the listeners. The graceful parameter has no effect when this is set, since the drain period only delays stopping the listeners",
            ),
            (
                "inboundonly",
                "Drains all inbound listeners. traffic_direction field in envoy_v3_api_msg_config.listener.v3.Listener is used to determine whether a listener is inbound or outbound.",
            ),
        ],
        answer: drain_listeners,
    },
    command("/healthcheck/fail", "cause the server to fail health checks", |context| {
        context.state.set_healthcheck_failed(true);
        Response::ok()
    }),
    command("/healthcheck/ok", "cause the server to pass health checks", |context| {
        context.state.set_healthcheck_failed(false);
        Response::ok()
    }),
    command("/quitquitquit", "exit the server", |context| {
        context.state.shutdown();
        Response::ok()
    }),
    command("/reopen_logs", "reopen access logs", |context| {
        context.state.reopen_logs();
        Response::ok()
    }),
    command("/reset_counters", "reset all counters to zero", |context| {
        context.registry.reset_counters();
        Response::ok()
    }),
];

fn drain_listeners(context: &Context<'_>) -> Response {
    let given = |name| context.request.parameters.first(name).is_some();
    context.state.drain_listeners(DrainRequest {
        graceful: given("graceful"),
        inbound_only: given("inboundonly"),
        skip_exit: given("skip_exit"),
    });
    Response::ok()
}
