//! `/runtime`, `/runtime_modify`: the values of the runtime.
//!
//! Owns both pages. Does not own the values (`crate::runtime`).
//! Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/admin#get--runtime.

use super::{Context, Page};
use crate::admin::pretty_json::PrettyJson;
use crate::admin::response::Response;
use crate::runtime::ModifyError;

const USAGE: &str = "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n       or send the parameters as form values\nuse an empty value to remove a previously added override";

pub const PAGES: &[Page] = &[
    Page { path: "/runtime", post: false, help: "print runtime values", parameters: &[], answer: show },
    Page {
        path: "/runtime_modify",
        post: true,
        help: "Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty string as the value. Note that deletion only applies to overrides added via this endpoint; values loaded from disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2...",
        parameters: &[],
        answer: modify,
    },
];

fn show(context: &Context<'_>) -> Response {
    let listing = context.state.runtime().listing();
    let mut json = PrettyJson::default();
    json.object(|json| {
        json.field("entries").object(|json| {
            for (key, texts) in &listing.entries {
                json.field(key).object(|json| {
                    json.field("layer_values").array(|json| {
                        texts.iter().for_each(|text| json.item().string(text.as_deref().unwrap_or_default()));
                    });
                    let last = texts.iter().flatten().next_back();
                    json.field("final_value").string(last.map_or("", |text| text));
                });
            }
        });
        json.field("layers").array(|json| listing.layers.iter().for_each(|name| json.item().string(name)));
    });
    Response::json(json.finish())
}

fn modify(context: &Context<'_>) -> Response {
    let parameters = &context.request.parameters;
    if parameters.iter().len() == 0 {
        return Response::text(400, USAGE.to_owned());
    }
    match context.state.runtime().modify(parameters.iter()) {
        Ok(()) => Response::ok(),
        Err(ModifyError::NoAdminLayer) => Response::text(503, "No admin layer specified".to_owned()),
        Err(ModifyError::Refused(text)) => Response::text(503, text),
    }
}
